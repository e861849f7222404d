use super::*;

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn references_read_back_as_written() {
    for text in [
        "111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api",
        "111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api:v1.2.3",
        "localhost:5000/app:latest",
        "localhost/app",
        "public.ecr.aws/a1b2c3d4/app:x",
        &format!("ghcr.io/acme/app@{DIGEST}"),
        &format!("ghcr.io/acme/app:tag@{DIGEST}"),
    ] {
        assert_eq!(text.parse::<ImageRef>().unwrap().to_string(), *text);
    }
}

#[test]
fn a_reference_without_a_registry_is_refused() {
    for bad in [
        "",
        "app",
        "app:latest",
        "acme/app",
        "/app",
        "host.io/",
        "host.io/App",
        "host.io/a//b",
        "host.io/a:b:c",
        "host.io/a@sha1:00",
        "host.io/../x",
    ] {
        assert!(bad.parse::<ImageRef>().is_err(), "{bad:?} was accepted");
    }
}

#[test]
fn only_a_reference_with_a_digest_is_pinned() {
    let pinned: PinnedImage = format!("ghcr.io/acme/app:tag@{DIGEST}").parse().unwrap();
    assert_eq!(pinned.by_digest(), format!("ghcr.io/acme/app@{DIGEST}"));
    assert!("ghcr.io/acme/app:tag".parse::<PinnedImage>().is_err());
    assert_eq!(ImageDigest::of(b"").to_string(), DIGEST);
}

#[test]
fn a_private_ecr_host_tells_its_account_and_region() {
    let host: RegistryHost = "111122223333.dkr.ecr.eu-central-1.amazonaws.com".parse().unwrap();
    let (account, region) = host.ecr().unwrap();
    assert_eq!((account.as_str(), region.as_str()), ("111122223333", "eu-central-1"));
    assert_eq!(RegistryHost::of_ecr(&account, &region), host);
    let china: RegistryHost = "111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn".parse().unwrap();
    let (account, region) = china.ecr().unwrap();
    assert_eq!(RegistryHost::of_ecr(&account, &region), china);
    for other in [
        "public.ecr.aws",
        "localhost:5000",
        "dkr.ecr.us-east-1.amazonaws.com",
        "111122223333.dkr.ecr.us-east-1.evil.com",
    ] {
        assert!(other.parse::<RegistryHost>().unwrap().ecr().is_none(), "{other}");
    }
}

#[test]
fn tags_follow_the_registry_grammar() {
    for good in ["latest", "v1.2.3", "_x", &"a".repeat(128)] {
        assert!(good.parse::<Tag>().is_ok(), "{good:?} was refused");
    }
    for bad in ["", ".x", "-x", "a/b", "a b", &"a".repeat(129)] {
        assert!(bad.parse::<Tag>().is_err(), "{bad:?} was accepted");
    }
}
