//! The chain without a database.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::chain::{BEGINNING, Broken, Tip, canonical, verify};
use super::*;

fn chain(length: u64) -> Vec<AuditEntry> {
    let mut tip = Tip::default();
    (0..length)
        .map(|n| {
            let entry = tip.next(new_audit(&format!("key/{n}")), at(i64::try_from(n).unwrap()));
            tip.follow(&entry).unwrap();
            entry
        })
        .collect()
}

#[track_caller]
fn broken_at(entries: &[AuditEntry], sequence: u64) -> String {
    let Broken { sequence: found, why } = verify(entries).unwrap_err();
    assert_eq!(found, sequence, "{why}");
    why
}

#[test]
fn a_chain_that_nobody_touched_is_whole() {
    assert_eq!(verify(&[]), Ok(()));
    let entries = chain(20);
    assert_eq!(verify(&entries), Ok(()));
    assert_eq!(entries[0].previous, BEGINNING);
    assert!(entries.windows(2).all(|two| two[1].previous == two[0].hash));
}

#[test]
fn what_is_hashed_is_canonical_json_and_never_changes() {
    let entry = Tip::default().next(new_audit("deploy/1"), at(0));
    insta::assert_snapshot!(canonical(&entry), @r#"{"action":"deploy","actor":{"id":5,"login":"user-5"},"at":"2027-01-15T08:00:00Z","details":{"a":{"b":true,"y":[1.5,null,"\u0000ü"]},"z":1},"environment":"staging","key":"deploy/1","outcome":"succeeded","previous":"0000000000000000000000000000000000000000000000000000000000000000","repository":1,"repository_name":"acme/shop","sequence":1}"#);
    insta::assert_snapshot!(entry.hash, @"9d77e5e7913a6ead0744651bafa14556523fbf3d5382cbab664e11a63fa9e330");
}

#[test]
fn an_entry_that_was_changed_is_found() {
    let whole = chain(6);
    let mut entries = whole.clone();
    entries[3].entry.outcome = "denied".to_owned();
    assert!(broken_at(&entries, 4).starts_with("its content has hash"));
    // Even if its own hash was made to fit.
    let before = Tip { sequence: 3, hash: entries[2].hash.clone() };
    entries[3] = before.next(entries[3].entry.clone(), entries[3].at);
    assert_eq!(broken_at(&entries, 5), "it does not follow the entry before it");
}

#[test]
fn an_entry_that_was_dropped_is_found() {
    for dropped in 0..5_usize {
        let mut entries = chain(6);
        entries.remove(dropped);
        assert_eq!(broken_at(&entries, dropped as u64 + 1), format!("entry {} stands there", dropped + 2));
    }
}

#[test]
fn entries_at_the_end_that_were_dropped_are_found_by_who_kept_the_last_hash() {
    let entries = chain(6);
    let mut tip = Tip::default();
    entries[..4].iter().for_each(|entry| tip.follow(entry).unwrap());
    assert_ne!(tip, Tip { sequence: 6, hash: entries[5].hash.clone() });
}

#[test]
fn entries_in_another_order_are_found() {
    let mut entries = chain(6);
    entries.swap(1, 2);
    assert_eq!(broken_at(&entries, 2), "entry 3 stands there");
}

#[test]
fn an_entry_that_was_put_in_between_is_found() {
    let mut entries = chain(6);
    let tip = Tip { sequence: 2, hash: entries[1].hash.clone() };
    entries.insert(2, tip.next(new_audit("forged"), at(9)));
    assert_eq!(broken_at(&entries, 4), "entry 3 stands there");
    for (entry, sequence) in entries.iter_mut().zip(1..) {
        entry.sequence = sequence;
    }
    assert_eq!(broken_at(&entries, 4), "it does not follow the entry before it");
}

#[test]
fn the_order_of_keys_does_not_matter_and_everything_else_does() {
    let entry = |details: Value| Tip::default().next(NewAudit { details, ..new_audit("x") }, at(0)).hash;
    assert_eq!(entry(json!({ "a": 1, "b": { "c": 2, "d": 3 } })), entry(json!({ "b": { "d": 3, "c": 2 }, "a": 1 })));
    assert_ne!(entry(json!({ "a": [1, 2] })), entry(json!({ "a": [2, 1] })));
    assert_ne!(entry(json!({ "a": 1 })), entry(json!({ "a": "1" })));
    assert_ne!(entry(json!({ "a": null })), entry(json!({})));
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON has no others", |number| number.is_finite()).prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".*", inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_is_written_is_read_back_with_the_same_hash(details in json_value(), outcome in ".*") {
        let entry = Tip::default().next(NewAudit { outcome, details, ..new_audit("x") }, at(0));
        let read = AuditEntry::read(&canonical(&entry), entry.hash.clone()).unwrap();
        prop_assert_eq!(verify([&read]), Ok(()));
        prop_assert_eq!(read, entry);
    }

    #[test]
    fn any_one_changed_byte_of_the_export_is_found(index in 0..5_usize, place in any::<prop::sample::Index>(), new in "[ -~]") {
        let mut entries = chain(5);
        let export = serde_json::to_string(&entries[index]).unwrap();
        let place = place.index(export.len());
        if !export.is_char_boundary(place) || !export.is_char_boundary(place + 1) {
            return Ok(());
        }
        let changed = format!("{}{new}{}", &export[..place], &export[place + 1..]);
        // What is no entry any more, or means the same (a space), is no forgery.
        if let Ok(changed) = serde_json::from_str::<AuditEntry>(&changed) && changed != entries[index] {
            entries[index] = changed;
            prop_assert!(verify(&entries).is_err());
        }
    }
}
