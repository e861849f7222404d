//! Signed payloads: none stops the reader, and what it understands can be stored and has a key.
#![no_main]

use std::sync::LazyLock;

use hmac::{Hmac, KeyInit as _, Mac as _};
use libfuzzer_sys::fuzz_target;
use secrecy::SecretString;
use shipline_bot::commands::commands;
use shipline_bot::webhook::Event;
use shipline_bot::webhook::payload::{Understood, read};
use shipline_bot::webhook::signature::Secrets;

static SECRETS: LazyLock<Secrets> = LazyLock::new(|| Secrets::new(&[SecretString::from("s")]).expect("one is given"));

// The first byte says which event it is; the rest is the body.
fuzz_target!(|input: &[u8]| {
    let Some((kind, body)) = input.split_first() else { return };
    let event = ["issue_comment", "pull_request", "workflow_run", "push"][usize::from(kind % 4)];
    let mac = Hmac::<sha2::Sha256>::new_from_slice(b"s").expect("every length is a key").chain_update(body);
    let header = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    let verified = SECRETS.verify(body, Some(header.as_bytes())).expect("it was signed a line above");
    let Ok(Understood::Event(understood)) = read(event, verified) else { return };
    assert!(!understood.semantic_key().is_empty() && !understood.lane().is_empty());
    let stored = serde_json::to_string(&understood).expect("every event can be stored");
    assert!(!stored.contains("\\u0000"), "no database stores NUL");
    let loaded: Event = serde_json::from_str(&stored).expect("and be loaded again");
    assert_eq!(loaded, *understood);
    if let Event::Comment(comment) = loaded {
        let _ = commands(&comment.body);
    }
});
