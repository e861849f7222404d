use serde_json::json;

use super::*;
use crate::targets::app_runner::service::Service;

fn live(image: &str) -> Configuration {
    let source = json!({"ImageRepository": {"ImageIdentifier": image}});
    Service::of(json!({"ServiceArn": "arn:web", "SourceConfiguration": source})).unwrap().configuration()
}

fn images(good: &[Revision]) -> Vec<&str> {
    good.iter().map(|revision| revision.image_text.as_str()).collect()
}

fn record(tags: &[(&str, &str)]) -> Record {
    Record(tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
}

fn after(record: &Record, from: &str, to: &str) -> Record {
    record.next("op", &live(to).revision(None), &live(from).revision(None))
}

#[test]
fn images_before_the_live_one_are_remembered_newest_first() {
    let record = after(&after(&Record::default(), "one", "two"), "two", "three");
    assert_eq!(images(&record.good(&live("three"))), ["two", "one"]);
    assert_eq!(record.last(), Some(("op", "three")));
    assert_eq!(record.previous(&live("three")).unwrap().image(), "two");
}

#[test]
fn ten_images_before_the_live_one_are_remembered_with_their_commits() {
    let commit = |number: usize| format!("{number:040x}");
    let of = |number: usize| live(&format!("i{number}")).revision(commit(number).parse().ok());
    let mut record = Record::default();
    for number in 1..=14 {
        record = record.next("op", &of(number), &of(number - 1));
        assert!(record.0.len() <= 15, "{record:?}");
    }
    let good = record.good(&live("i14"));
    assert_eq!(images(&good), ["i13", "i12", "i11", "i10", "i9", "i8", "i7", "i6", "i5", "i4"]);
    for (revision, number) in good.iter().zip((4..=13).rev()) {
        assert_eq!(revision.commit.unwrap().to_string(), commit(number));
    }
    // Going back makes the list shorter; what it held last is not held twice.
    let back = record.next("op", &of(5), &of(14));
    assert_eq!(images(&back.good(&live("i5"))), ["i14", "i13", "i12", "i11", "i10", "i9", "i8", "i7", "i6", "i4"]);
    let again = back.next("op", &of(14), &of(5)).next("op", &of(6), &of(14));
    let good = again.good(&live("i6"));
    assert_eq!(images(&good), ["i14", "i5", "i13", "i12", "i11", "i10", "i9", "i8", "i7", "i4"]);
}

#[test]
fn a_change_that_did_not_last_is_not_good_and_forgets_nothing() {
    let record = after(&after(&Record::default(), "one", "two"), "two", "bad");
    // It went back: `two` is live again.
    assert_eq!(images(&record.good(&live("two"))), ["one"]);
    let mended = after(&record, "two", "three");
    assert_eq!(images(&mended.good(&live("three"))), ["two", "one"]);
}

#[test]
fn a_commit_is_believed_only_for_its_image() {
    let commit = "a1b2c3d4e5f60718293a4b5c6d7e8f9012345678";
    let record = record(&[(IMAGE, "two"), (COMMIT, commit)]);
    assert_eq!(record.revision(&live("two")).commit.unwrap().to_string(), commit);
    assert_eq!(record.revision(&live("other")).commit, None);
}
