use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use proptest::prelude::*;

use super::*;

const KEY: &str = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA1c7\nx9Qw==\n-----END RSA PRIVATE KEY-----";

fn knowing(secrets: &[&str]) -> Redactor {
    let redactor = Redactor::new();
    for secret in secrets {
        redactor.add(*secret);
    }
    redactor
}

#[test]
fn a_declared_value_is_masked_wherever_it_stands() {
    let redactor = knowing(&["hunter2-canary"]);
    assert_eq!(redactor.clean("hunter2-canary"), "***");
    assert_eq!(redactor.clean("a hunter2-canary b hunter2-canary"), "a *** b ***");
    assert_eq!(redactor.clean("xhunter2-canaryx"), "x***x");
    assert_eq!(redactor.clean("nothing"), "nothing");
    assert_eq!(redactor.clean(""), "");
}

#[test]
fn clones_share_what_they_know() {
    let redactor = Redactor::new();
    let clone = redactor.clone();
    clone.add("canary-in-clone");
    assert_eq!(redactor.clean("canary-in-clone"), "***");
}

#[test]
fn overlapping_touching_and_nested_secrets_leave_no_rest() {
    let redactor = knowing(&["abcdefgh", "efghijkl", "cdef", "whole-of-inner-part", "inner"]);
    assert_eq!(redactor.clean("-abcdefghijkl-"), "-***-");
    assert_eq!(redactor.clean("abcdefghabcdefgh"), "***");
    assert_eq!(redactor.clean("whole-of-inner-part and inner"), "*** and ***");
}

#[test]
fn short_values_are_ignored_and_nothing_is_no_secret() {
    let redactor = knowing(&["", "dev", "a\nb\nc\n", "\n\n\n"]);
    assert_eq!(redactor.clean("dev a b c\n\n\n\n"), "dev a b c\n\n\n\n");
    assert!(redactor.declared().is_empty());
    // Characters, not bytes.
    assert_eq!(knowing(&["äöü"]).clean("äöü"), "äöü");
    assert_eq!(knowing(&["äöüß"]).clean("äöüß!"), "***!");
}

#[test]
fn every_line_of_a_value_is_a_secret_and_github_is_told_each() {
    let redactor = knowing(&["first-line\r\n  second-line\nend\n"]);
    assert_eq!(redactor.clean("[second-line] [first-line] [end]"), "[***] [***] [end]");
    let declared: Vec<String> = redactor.declared().iter().map(|v| v.expose_secret().to_owned()).collect();
    assert!(declared.iter().all(|value| !value.contains(['\n', '\r'])), "{declared:?}");
    assert!(declared.contains(&"second-line".to_owned()) && declared.contains(&"first-line".to_owned()));
}

#[test]
fn a_trailing_newline_in_a_secret_file_does_not_save_the_value() {
    assert_eq!(knowing(&["from-a-file\n"]).clean("value=from-a-file."), "value=***.");
}

#[test]
fn credentials_are_known_by_their_looks() {
    let redactor = Redactor::new();
    let token = "a1B2c3D4e5F6g7H8i9J0a1B2c3D4e5F6g7H8";
    for (text, clean) in [
        ("id AKIAIOSFODNN7EXAMPLE.", "id ***.".to_owned()),
        ("id=ASIAIOSFODNN7EXAMPLE", "id=***".to_owned()),
        ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "AWS_SECRET_ACCESS_KEY=***".to_owned()),
        ("\"SecretAccessKey\": \"wJalrXUtnFEMI/K7\",", "\"SecretAccessKey\": \"***\",".to_owned()),
        ("{\\\"secretAccessKey\\\":\\\"wJalrXUtnFEMI\\\"}", "{\\\"secretAccessKey\\\":\\\"***\\\"}".to_owned()),
        ("<SessionToken>FQoDYXdzEJr</SessionToken>", "<SessionToken>***</SessionToken>".to_owned()),
        ("aws_session_token = FQoDYXdzEJr", "aws_session_token = ***".to_owned()),
        ("?X-Amz-Security-Token=FQoDYXdzEJr&X-Amz-Date=1", "?X-Amz-Security-Token=***&X-Amz-Date=1".to_owned()),
        ("https://user:pa55@example.com/x", "https://***@example.com/x".to_owned()),
        ("https://x:p@ss@example.com", "https://***@example.com".to_owned()),
        ("https://example.com/@scope", "https://example.com/@scope".to_owned()),
        ("authorization: Bearer abc.def\nnext", "authorization: ***\nnext".to_owned()),
        ("curl -H 'Authorization: Basic QQ==' -v", "curl -H 'Authorization: ***' -v".to_owned()),
        ("{\"Authorization\": \"Bearer abc\", \"x\": 1}", "{\"Authorization\": \"***\", \"x\": 1}".to_owned()),
        ("docker login --password=eyJabcdef", "docker login --password=***".to_owned()),
        ("AKIA is a prefix, eyJ too, and ghp_short", "AKIA is a prefix, eyJ too, and ghp_short".to_owned()),
    ] {
        assert_eq!(redactor.clean(text), clean, "{text}");
    }
    for prefix in ["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "eyJwYXlsb2FkIjoi", "QVdTOmV5S"] {
        assert_eq!(redactor.clean(&format!("x {prefix}{token} y")), "x *** y");
    }
    assert_eq!(redactor.clean(&format!("IQoJb3JpZ2lu{token}{token}/+==")), "***");
    assert_eq!(redactor.clean("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.c2lnbmF0dXJl end"), "jwt *** end");
}

#[test]
fn a_private_key_goes_as_a_whole_even_when_it_is_cut_off() {
    let redactor = Redactor::new();
    assert_eq!(redactor.clean(&format!("a\n{KEY}\nb")), "a\n***\nb");
    assert_eq!(redactor.clean(&KEY.replace('\n', "\\n")), "***");
    assert_eq!(redactor.clean(&KEY[..60]), "***");
    let public = "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----";
    assert_eq!(redactor.clean(public), public);
}

#[test]
fn debug_tells_nothing() {
    let redactor = knowing(&["canary-for-debug"]);
    assert_eq!(format!("{redactor:?}"), "Redactor(1 secrets)");
}

#[test]
fn text_for_a_terminal_moves_nothing_and_hides_nothing() {
    let redactor = knowing(&["canary-value"]);
    for (text, clean) in [
        ("\u{1b}[31mred\u{1b}[0m\tline\r\nnext", "red\tline\nnext"),
        ("\u{1b}]0;title\u{7}text", "text"),
        ("\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
        ("\u{1b}]never ended\nnext", "\nnext"),
        ("over\rwritten", "over\nwritten"),
        ("a\u{202e}b\u{2066}c\u{200b}d\u{0}e\u{8}f\u{9b}1mg", "abcdefg"),
        ("canary\u{1b}[0m-value", "***"),
        ("can\u{200b}ary-value", "***"),
        ("größe 👩‍🚀", "größe 👩‍🚀"),
    ] {
        assert_eq!(redactor.clean_for_terminal(text), clean, "{text:?}");
    }
}

/// Each of these would take minutes if the same characters were read again and again.
#[test]
fn a_megabyte_of_anything_is_read_once() {
    let redactor = knowing(&["aaaaaaaa", "aaaa", "canary-value"]);
    for piece in [
        "a",
        "eyJ",
        "eyJ.",
        "eyJ-",
        "ghp_",
        "ghp_-",
        "AKIA",
        "://",
        "://@",
        "x://a",
        "password",
        "password=",
        "password:\"",
        "-----BEGIN ",
        "-----BEGIN PRIVATE KEY-----",
        "authorization:",
        "\u{1b}]",
        "\u{1b}[",
        "-----END ",
        "=",
    ] {
        let text = piece.repeat(1024 * 1024 / piece.len()) + " canary-value";
        let clean = redactor.clean_for_terminal(&text);
        assert!(!clean.contains("canary-value"), "{piece}");
    }
}

proptest! {
    #[test]
    fn no_declared_value_survives_in_any_of_its_encodings(
        secret in "[^*\\p{C}\\p{M}]{8,40}",
        other in "[^*\\p{C}]{8,20}",
        before in "\\PC{0,9}",
        after in "\\PC{0,9}",
    ) {
        let redactor = knowing(&[&secret, &other]);
        let percent: String = secret
            .bytes()
            .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
            .collect::<String>()
            .replace("%2D", "-")
            .replace("%2E", ".")
            .replace("%5F", "_")
            .replace("%7E", "~");
        let whole = format!("{before}{secret}{after}");
        for text in [
            whole.clone(),
            format!("{before}{secret}{other}{secret}{after}"),
            STANDARD.encode(&whole),
            URL_SAFE.encode(&whole),
            format!("{before}{}{after}", hex::encode(&secret)),
            format!("{before}{percent}{after}"),
            Value::from(whole.as_str()).to_string(),
            Value::from(Value::from(whole.as_str()).to_string()).to_string(),
        ] {
            let clean = redactor.clean(&text);
            prop_assert!(!clean.contains(&secret), "{clean:?}");
            prop_assert!(clean.contains(MASK), "{text:?} was left as it is: {clean:?}");
        }
    }

    #[test]
    fn no_text_stops_the_redactor(text in any::<String>(), secret in any::<String>()) {
        let redactor = knowing(&[&secret]);
        let clean = redactor.clean_for_terminal(&text);
        prop_assert!(!clean.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
        prop_assert_eq!(redactor.clean(&clean), redactor.clean(&redactor.clean(&clean)));
    }
}
