//! GitHub's own test vector, and everything that must not pass.

use proptest::prelude::*;

use super::*;

fn secrets(list: &[&str]) -> Secrets {
    let list: Vec<SecretString> = list.iter().map(|secret| SecretString::from(*secret)).collect();
    Secrets::new(&list).unwrap()
}

fn sign(secret: &str, body: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

// From "Validating webhook deliveries" in GitHub's documentation.
const DOCUMENTED: &[u8] = b"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

#[test]
fn the_documented_example_is_accepted() {
    let verified = secrets(&["It's a Secret to Everybody"]).verify(b"Hello, World!", Some(DOCUMENTED)).unwrap();
    assert_eq!(verified.bytes(), b"Hello, World!");
}

#[test]
fn while_a_secret_is_rotated_both_are_good_and_no_third() {
    let both = secrets(&["new", "old"]);
    for secret in ["new", "old"] {
        assert!(both.verify(b"{}", Some(sign(secret, b"{}").as_bytes())).is_ok());
    }
    assert!(both.verify(b"{}", Some(sign("other", b"{}").as_bytes())).is_err());
}

#[test]
fn what_is_not_a_sha256_signature_of_this_body_is_refused() {
    let ours = secrets(&["It's a Secret to Everybody"]);
    let good = std::str::from_utf8(DOCUMENTED).unwrap();
    let digits = good.strip_prefix("sha256=").unwrap();
    let wrong = [
        String::new(),
        "sha256=".to_owned(),
        digits.to_owned(),
        format!("sha1={digits}"),
        format!("SHA256={digits}"),
        format!(" {good}"),
        format!("{good} "),
        format!("{good}00"),
        good[..good.len() - 2].to_owned(),
        good[..good.len() - 1].to_owned(),
        good.replace("757107", "757108"),
        format!("sha256={}", "z".repeat(64)),
        format!("sha256={}", "0".repeat(64)),
        format!("sha256={}", "ü".repeat(32)),
    ];
    for header in wrong {
        assert_eq!(ours.verify(b"Hello, World!", Some(header.as_bytes())).unwrap_err(), Unverified, "{header}");
    }
    assert!(ours.verify(b"Hello, World!", None).is_err());
    assert!(ours.verify(b"Hello, World! ", Some(DOCUMENTED)).is_err());
    assert!(ours.verify(b"", Some(DOCUMENTED)).is_err());
}

#[test]
fn a_bot_without_a_secret_or_with_an_empty_one_cannot_be_made() {
    assert!(Secrets::new(&[]).is_err());
    assert!(Secrets::new(&[SecretString::from("")]).is_err());
    assert!(Secrets::new(&[SecretString::from("good"), SecretString::from("")]).is_err());
}

#[test]
fn secrets_are_not_printed() {
    assert_eq!(format!("{:?}", secrets(&["hunter22", "hunter23"])), "Secrets(2)");
}

proptest! {
    #[test]
    fn no_header_passes_that_is_not_the_signature(body: Vec<u8>, header: Vec<u8>) {
        let ours = secrets(&["a", "b"]);
        let good = [sign("a", &body), sign("b", &body)].iter().any(|good| good.as_bytes() == header);
        prop_assert_eq!(ours.verify(&body, Some(&header)).is_ok(), good);
    }

    #[test]
    fn one_changed_bit_of_the_body_is_noticed(mut body in proptest::collection::vec(any::<u8>(), 1..200), at: usize, bit in 0_u8..8) {
        let ours = secrets(&["a"]);
        let header = sign("a", &body);
        prop_assert!(ours.verify(&body, Some(header.as_bytes())).is_ok());
        let at = at % body.len();
        body[at] ^= 1 << bit;
        prop_assert!(ours.verify(&body, Some(header.as_bytes())).is_err());
    }
}
