use std::fmt::Write as _;

use serde_json::json;

use super::*;
use crate::store::{Asked, Stage, State};
use crate::types::{Actor, CommentId, EnvironmentKey, InstallationId, RepositoryId, RepositoryRef, UserId};

fn sha(n: u8) -> CommitSha {
    let mut text = String::new();
    for _ in 0..20 {
        write!(text, "{n:02x}").unwrap();
    }
    text.parse().unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn name(text: &str) -> ServiceName {
    text.parse().unwrap()
}

fn image(n: u8) -> PinnedImage {
    let digest = sha(n).to_string() + &"0".repeat(24);
    format!("111122223333.dkr.ecr.us-east-1.amazonaws.com/shop/api@sha256:{digest}").parse().unwrap()
}

/// A revision `api:<n>` of the image and commit with that number.
fn revision(service: &str, n: u8) -> Revision {
    Revision {
        id: format!("arn:{service}:{n}"),
        name: format!("{service}:{n}"),
        image: Some(image(n)),
        image_text: image(n).to_string(),
        commit: Some(sha(n)),
        facts: json!({}),
    }
}

fn actor() -> Actor {
    Actor { id: UserId::new(1), login: "someone".to_owned() }
}

fn good(id: u64, commit: u8, serves: &[(&str, u8)]) -> Good {
    Good {
        id: DeploymentId::new(id),
        commit: Some(sha(commit)),
        serves: serves.iter().map(|(service, n)| (name(service), revision(service, *n))).collect(),
        actor: actor(),
        since: at(i64::try_from(id).unwrap() * 10),
    }
}

fn deployment(id: u64, kind: DeploymentKind, commit: u8, outcome: &str) -> Deployment {
    let repository = RepositoryRef {
        id: RepositoryId::new(7),
        name: "acme/shop".parse().unwrap(),
        installation: InstallationId::new(1),
        public: false,
    };
    let asked = Asked {
        key: EnvironmentKey { repository: repository.id, environment: "production".parse().unwrap() },
        repository,
        kind,
        services: Vec::new(),
        actor: actor(),
        issue: 1,
        is_pull: true,
        comment: CommentId::new(id),
        command: 0,
        reason: None,
        policy_commit: sha(99),
        decided: at(0),
    };
    let state = State { stage: Stage::Over, commit: Some(sha(commit)), ..State::fresh() };
    let ended = at(i64::try_from(id).unwrap() * 10);
    Deployment {
        id: DeploymentId::new(id),
        asked,
        state,
        created: ended,
        cancel: None,
        outcome: Some(outcome.to_owned()),
        ended: Some(ended),
    }
}

fn deploy(id: u64, commit: u8, outcome: &str) -> Deployment {
    deployment(id, DeploymentKind::Deploy { sha: sha(commit) }, commit, outcome)
}

fn rollback(id: u64, commit: u8) -> Deployment {
    deployment(id, DeploymentKind::Rollback { to: None, lock: true }, commit, "succeeded")
}

fn live(serves: &[(&str, u8)]) -> BTreeMap<ServiceName, Revision> {
    serves.iter().map(|(service, n)| (name(service), revision(service, *n))).collect()
}

/// What is chosen for services `api` and `web`, in words.
fn chosen(to: Option<&str>, past: &Past<'_>) -> String {
    chosen_of(to, &["api", "web"], past)
}

fn chosen_of(to: Option<&str>, services: &[&str], past: &Past<'_>) -> String {
    let services: Vec<ServiceName> = services.iter().map(|service| name(service)).collect();
    match choose(to, &services, past) {
        Ok(Choice::Release { runs, .. }) => {
            let told = runs.iter().map(|(name, piece)| match piece {
                Piece::Revision(revision) => revision.name.clone(),
                Piece::Image { commit, .. } => format!("{name}@{}", commit.short()),
            });
            told.collect::<Vec<_>>().join(" ")
        }
        Ok(Choice::AskTheProvider { steps, except, failed }) => {
            format!("provider, {steps} back, not {} or {}", except.len(), failed.len())
        }
        Ok(Choice::AskByName(name)) => format!("provider by name {name}"),
        Err(denied) => format!("{}: {} {}", denied.code.word(), denied.what, denied.next),
    }
}

fn past<'a>(good: &'a [Good], history: &'a [Deployment], live: &'a BTreeMap<ServiceName, Revision>) -> Past<'a> {
    Past { good, seen: &[], history, live, overtaken: Overtaken::Nothing }
}

#[test]
fn one_step_undoes_the_last_release_and_leaves_services_it_did_not_touch() {
    // 1: both; 2: both; 3: api alone.
    let good =
        [good(3, 3, &[("api", 3)]), good(2, 2, &[("api", 2), ("web", 2)]), good(1, 1, &[("api", 1), ("web", 1)])];
    let live = live(&[("api", 3), ("web", 2)]);
    let past = past(&good, &[], &live);
    assert_eq!(chosen(None, &past), "api:2 web:2");
    assert_eq!(chosen(Some("1"), &past), "api:2 web:2");
    assert_eq!(chosen(Some("2"), &past), "api:1 web:1");
    assert_eq!(chosen_of(None, &["web"], &past), "web:1");
}

#[test]
fn what_is_live_and_was_never_good_is_left_for_the_newest_good_release() {
    let good = [good(2, 2, &[("api", 2), ("web", 2)]), good(1, 1, &[("api", 1), ("web", 1)])];
    let foreign = live(&[("api", 9), ("web", 2)]);
    assert_eq!(chosen(None, &past(&good, &[], &foreign)), "api:2 web:2");
}

#[test]
fn a_rollout_that_this_rollback_cancelled_makes_the_last_good_release_the_answer() {
    let good = [good(2, 2, &[("api", 2), ("web", 2)]), good(1, 1, &[("api", 1), ("web", 1)])];
    let live = live(&[("api", 2), ("web", 2)]);
    let overtaken = Past { overtaken: Overtaken::Rollout, ..past(&good, &[], &live) };
    assert_eq!(chosen(None, &overtaken), "api:2 web:2");
    assert_eq!(chosen(None, &past(&good, &[], &live)), "api:1 web:1");
}

#[test]
fn a_release_that_somebody_rolled_back_from_is_not_chosen_again_by_counting() {
    // 1, 2, then a rollback (3) to 1.
    let serves = [("api", 1), ("web", 1)];
    let good = [
        good(3, 1, &serves),
        good(2, 2, &[("api", 2), ("web", 2)]),
        good(1, 1, &serves),
        good(0, 8, &[("api", 8), ("web", 8)]),
    ];
    let history = [rollback(3, 1), deploy(2, 2, "succeeded"), deploy(1, 1, "succeeded")];
    let live = live(&serves);
    let past = past(&good, &history, &live);
    assert_eq!(chosen(None, &past), "api:8 web:8");
    assert_eq!(chosen(Some(&sha(2).to_string()), &past), "api:2 web:2", "by name it is");
}

#[test]
fn a_release_that_failed_after_it_was_good_is_never_gone_back_to() {
    let good = [good(3, 3, &[("api", 3)]), good(2, 2, &[("api", 2)]), good(1, 1, &[("api", 1)])];
    let history = [deploy(4, 2, "rolled-back"), deploy(3, 3, "succeeded")];
    let live = live(&[("api", 3)]);
    let past = past(&good, &history, &live);
    assert_eq!(chosen(None, &past), "api:1");
    insta::assert_snapshot!(chosen(Some(&sha(2).to_string()), &past), @"nothing-to-go-back-to: `0202020` was good here once, but failed when it was deployed again (deployment 4). Shipline does not go back to what was seen unhealthy. Deploy it if you are sure, or name another release.");
}

#[test]
fn a_release_that_failed_before_it_was_good_is_good() {
    let good = [good(3, 3, &[("api", 3)]), good(2, 2, &[("api", 2)])];
    let history = [deploy(1, 2, "rolled-back")];
    let live = live(&[("api", 3)]);
    assert_eq!(chosen(None, &past(&good, &history, &live)), "api:2");
}

#[test]
fn a_release_is_named_by_commit_short_commit_or_revision() {
    let good =
        [good(3, 3, &[("api", 3), ("web", 3)]), good(2, 2, &[("api", 2)]), good(1, 1, &[("api", 1), ("web", 1)])];
    let live = live(&[("api", 3), ("web", 3)]);
    let past = past(&good, &[], &live);
    assert_eq!(chosen(Some("0101010"), &past), "api:1 web:1");
    assert_eq!(chosen(Some(&sha(2).to_string().to_uppercase()), &past), "api:2 web:1");
    assert_eq!(chosen(Some("api:2"), &past), "api:2 web:1");
    assert_eq!(chosen(Some("arn:web:1"), &past), "api:2 web:1", "the newest release with it");
    assert_eq!(chosen(Some("api:77"), &past), "provider by name api:77");
    insta::assert_snapshot!(chosen(Some("0808080"), &past), @"nothing-to-go-back-to: `0808080` is not known to have been good here. Known, newest first: `0303030`, `0202020`, `0101010`. Anything else is put there with `/deploy`.");
    assert!(chosen(Some("0"), &past).starts_with("usage: "));
}

#[test]
fn a_short_commit_that_two_releases_begin_with_is_asked_for_in_full() {
    let mut other = good(2, 1, &[("api", 2)]);
    other.commit = Some(format!("0101{}", "2".repeat(36)).parse().unwrap());
    let good = [other, good(1, 1, &[("api", 1)])];
    let live = live(&[("api", 9)]);
    let told = chosen(Some("0101"), &past(&good, &[], &live));
    assert!(told.starts_with("usage: `0101` is the beginning of several commits."), "{told}");
}

fn seen(id: u64, commit: u8, state: &str, payload: serde_json::Value) -> SeenDeployment {
    SeenDeployment {
        id,
        sha: sha(commit),
        environment: "production".to_owned(),
        shipline: Some(payload),
        creator: None,
        created: at(i64::try_from(id).unwrap() * 10),
        state: Some(state.to_owned()),
        since: None,
    }
}

#[test]
fn deployments_of_the_action_are_merged_by_time_and_ours_are_not_counted_twice() {
    let noted = |n: u8| json!({ "services": { "api": { "image": image(n).to_string() } } });
    let mut ours = noted(3);
    ours["deployment"] = json!(3);
    let seen = [
        seen(5, 5, "failure", noted(5)),
        seen(3, 3, "success", ours),
        seen(2, 2, "inactive", noted(2)),
        SeenDeployment { shipline: None, ..seen(1, 6, "success", json!({})) },
    ];
    let good = [good(3, 3, &[("api", 3)]), good(1, 1, &[("api", 1)])];
    let live = live(&[("api", 3)]);
    let past = Past { seen: &seen, ..past(&good, &[], &live) };
    assert_eq!(chosen(None, &past), format!("api@{}", sha(2).short()));
    assert_eq!(chosen(Some("2"), &past), "api:1");
}

#[test]
fn without_a_past_of_ours_the_provider_is_asked() {
    let live = live(&[("api", 3)]);
    assert_eq!(chosen(None, &past(&[], &[], &live)), "provider, 1 back, not 1 or 0");
    let good = [good(3, 3, &[("api", 3)])];
    let history = [deploy(4, 4, "rolled-back")];
    assert_eq!(chosen(Some("2"), &past(&good, &history, &live)), "provider, 2 back, not 1 or 1");
}
