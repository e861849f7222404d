//! A plan that waits until people have said yes: who may, what voids it, how it ends; and that of all
//! that happens in one moment exactly one thing wins.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shipline_test_support::{Pull, Role};

use crate::stage::{Database, Stage};
use crate::told::production_policy;

/// The usual rule of production.
const ONE: &str = "    approvals: { count: 1, from: [\"@acme/managers\"] }\n";
const TWO: &str = "    approvals: { count: 2, from: [\"@acme/managers\"] }\n";

/// A stage whose production asks managers: mona and otto.
async fn stage(rules: &str, database: Database) -> Stage {
    let mut stage = Stage::new(database).await;
    stage.shop.user("otto", Role::Write);
    stage.github.team("managers", &["mona", "otto", "dev"]);
    stage.policy(&production_policy(rules));
    stage.start();
    if database == Database::Postgres {
        stage.start();
    }
    stage
}

/// A pull request whose deployment to production waits; the comment that asked.
fn waiting(stage: &Stage) -> (Pull, u64, String) {
    let pull = stage.pull("Say hello");
    let comment = stage.says("dev", pull.number, "/deploy production");
    waits(stage, &pull, comment);
    let image = stage.built(&pull.sha);
    (pull, comment, image)
}

fn waits(stage: &Stage, pull: &Pull, comment: u64) {
    stage.until("the question", || {
        stage.shown(pull.number, comment).filter(|shown| shown.contains("**Your turn, ")).map(|_| ())
    });
}

/// Entries of the audit trail about gates: action and outcome.
fn trail(stage: &Stage) -> Vec<(String, String)> {
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let all = stage.audit();
    let about = all.iter().filter(|entry| text(entry, "action").starts_with("approval."));
    about.map(|entry| (text(entry, "action"), text(entry, "outcome"))).collect()
}

fn named(trail: &[(String, String)]) -> Vec<(&str, &str)> {
    trail.iter().map(|(action, outcome)| (action.as_str(), outcome.as_str())).collect()
}

/// How the last command of this kind was decided, by the audit trail.
#[track_caller]
fn decided(stage: &Stage, comment: u64) -> String {
    stage.until("the decision about the comment", || {
        let key = format!("command/{comment}/0");
        stage
            .audit()
            .into_iter()
            .find(|entry| entry["key"] == key)
            .map(|entry| entry["outcome"].as_str().unwrap().to_owned())
    })
}

fn changes(stage: &Stage) -> usize {
    stage.world.count("ecs", "UpdateService")
}

#[tokio::test]
async fn an_approved_plan_is_carried_out_and_everything_is_told_in_its_one_comment() {
    let stage = stage(ONE, Database::Sqlite).await;
    let (pull, comment, image) = waiting(&stage);
    insta::assert_snapshot!(crate::told::plain(&stage.shown(pull.number, comment).unwrap()), @"
    ### production ← `alpha` · waiting for approval, 0 of 1

    dev [asked](http://127.0.0.1:N/acme/shop/pull/1#issuecomment-N) N s ago · 1 service · plan `plan` · commit [`alpha`](http://127.0.0.1:N/acme/shop/commit/alpha-in-full)

    | service | now | would be | changes | image |
    | --- | --- | --- | --- | --- |
    | api | `api-production:1` | `alpha` | 1 field | was already built |

    **Your turn, @acme/managers** (1 of 1 needed, not dev): `/approve production` or `/reject production <reason>`. Nobody answers until DATE UTC (24 h after the question): it ends, and nothing is changed.

    Cancel: `/cancel production`

    <details><summary>1 changed field</summary>

    | service | field | before | after |
    | --- | --- | --- | --- |
    | api | `containers.app.image` | `111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api@sha256:N…` | `111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api@sha256:N…` |

    </details>

    <details><summary>Timeline</summary> … </details>
    ");
    assert_eq!(changes(&stage), 0);
    let plan = stage.asks("reader", pull.number, "/plan production");
    assert!(plan.contains("It would wait until 1 of members of `@acme/managers` has approved it"), "{plan}");
    let yes = stage.says("mona", pull.number, "/approve");
    let said = Instant::now();
    stage.until("the change", || (changes(&stage) == 1).then_some(()));
    println!("the first change came {:?} after the approval", said.elapsed());
    let end = stage.end_of(pull.number, comment);
    assert!(end.contains("serves after"), "{end}");
    stage.assert_serves("api-production", &image);
    assert_eq!(decided(&stage, yes), "approved");
    assert_eq!(stage.answers(pull.number).len(), 2, "{}", stage.everything());
    let shown = stage.shown(pull.number, comment).unwrap();
    assert!(shown.contains("approved by mona"), "{shown}");
    assert_eq!(
        named(&trail(&stage)),
        [("approval.created", "waiting"), ("approval.decided", "approved")],
        "{}",
        stage.everything()
    );
    stage.program(&["audit", "verify"]);
}

#[tokio::test]
async fn a_rejected_plan_changes_nothing_and_the_reason_is_told() {
    let stage = stage(ONE, Database::Sqlite).await;
    let before = stage.serving("api-production").unwrap();
    let (pull, comment, _) = waiting(&stage);
    let no = stage.says("mona", pull.number, "/reject production not before the fair");
    insta::assert_snapshot!(stage.end_of(pull.number, comment), @"
    ### production ← `alpha` · rejected, nothing was changed

    dev [asked](http://127.0.0.1:N/acme/shop/pull/1#issuecomment-N) at DATE UTC · commit [`alpha`](http://127.0.0.1:N/acme/shop/commit/alpha-in-full)

    `mona` rejected it.

    - The reason given: not before the fair

    **Next**: Mend what stands against it, then `/deploy production` again.

    <sub>reason: `rejected`</sub>

    <details><summary>Timeline</summary> … </details>
    ");
    assert_eq!(decided(&stage, no), "rejected");
    stage.assert_serves("api-production", &before);
    stage.assert_untouched();
    // Nobody is held up by it.
    let late = stage.asks("otto", pull.number, "/approve production");
    assert!(late.contains("No deployment on `production` is waiting"), "{late}");
}

#[tokio::test]
async fn two_approvals_are_two_people_and_the_comment_counts_them() {
    let stage = stage(TWO, Database::Sqlite).await;
    let (pull, comment, image) = waiting(&stage);
    let first = stage.says("mona", pull.number, "/approve production");
    assert_eq!(decided(&stage, first), "approval-counted");
    stage.until("the count", || {
        stage.shown(pull.number, comment).filter(|shown| shown.contains("waiting for approval, 1 of 2")).map(|_| ())
    });
    let again = stage.asks("mona", pull.number, "/approve production");
    assert!(again.contains("You have approved this already"), "{again}");
    assert_eq!(changes(&stage), 0);
    stage.says("otto", pull.number, &format!("/approve production --sha {}", pull.sha));
    let end = stage.end_of(pull.number, comment);
    assert!(end.contains("serves after"), "{end}");
    stage.assert_serves("api-production", &image);
    assert!(stage.shown(pull.number, comment).unwrap().contains("approved by mona, otto"));
}

#[tokio::test]
async fn whoever_asked_strangers_and_former_members_may_not_approve() {
    let stage = stage(ONE, Database::Sqlite).await;
    let (pull, comment, _) = waiting(&stage);
    insta::assert_snapshot!(stage.asks("dev", pull.number, "/approve production"), @"
    `/approve production`: `dev` asked for this deployment, so somebody else must approve it.

    - `approvals: { requester: true }` in the policy would let you.

    **Next**: Members of `@acme/managers` can do it: ask one of the others.

    <sub>reason: `own-request`</sub>
    ");
    insta::assert_snapshot!(stage.asks("reader", pull.number, "/approve production"), @"
    `/approve production`: `reader` may not decide what waits on `production`.

    - `approvals.from` of the policy does not name you, nor a team that GitHub says you are in.

    **Next**: Members of `@acme/managers` can do it: ask one of them.

    <sub>reason: `access-denied`</sub>
    ");
    stage.github.team("managers", &["otto"]);
    let gone = stage.asks("mona", pull.number, "/approve production");
    assert!(gone.contains("`access-denied`"), "{gone}");
    // A program's comments are no commands, whatever they say.
    let program = stage.says("shipline[bot]", pull.number, "/approve production");
    stage.until("it is told", || stage.github.is_quiet().then_some(()));
    std::thread::sleep(Duration::from_secs(1));
    let said = stage.shop.conversation(pull.number).into_iter().find(|said| said.id == program).unwrap();
    assert!(said.reactions.is_empty(), "{}", stage.everything());
    assert!(stage.shown(pull.number, comment).unwrap().contains("waiting for approval, 0 of 1"));
    stage.assert_untouched();
    assert_eq!(named(&trail(&stage)), [("approval.created", "waiting")]);
}

#[tokio::test]
async fn the_policy_can_let_the_requester_be_one_of_them() {
    let rule = "    approvals: { count: 1, from: [\"@dev\"], requester: true }\n";
    let stage = stage(rule, Database::Sqlite).await;
    let (pull, comment, image) = waiting(&stage);
    stage.says("dev", pull.number, "/approve production");
    let end = stage.end_of(pull.number, comment);
    assert!(end.contains("serves after"), "{end}");
    stage.assert_serves("api-production", &image);
}

#[tokio::test]
async fn an_approval_of_somebody_who_lost_the_right_meanwhile_counts_no_more() {
    let stage = stage(TWO, Database::Sqlite).await;
    let (pull, comment, image) = waiting(&stage);
    let first = stage.says("mona", pull.number, "/approve production");
    assert_eq!(decided(&stage, first), "approval-counted");
    stage.github.team("managers", &["otto", "dev"]);
    let second = stage.says("otto", pull.number, "/approve production");
    assert_eq!(decided(&stage, second), "approved");
    let shown = stage.until("the question again", || {
        stage.shown(pull.number, comment).filter(|shown| shown.contains("it counts no more"))
    });
    assert!(shown.contains("waiting for approval, 1 of 2"), "{shown}");
    stage.assert_untouched();
    stage.github.team("managers", &["mona", "otto", "dev"]);
    stage.says("mona", pull.number, "/approve production");
    let end = stage.end_of(pull.number, comment);
    assert!(end.contains("serves after"), "{end}");
    stage.assert_serves("api-production", &image);
    let trail = trail(&stage);
    assert!(named(&trail).contains(&("approval.withdrawn", "withdrawn")), "{trail:?}");
}

#[tokio::test]
async fn a_push_voids_what_waits() {
    let stage = stage(TWO, Database::Sqlite).await;
    let (pull, comment, _) = waiting(&stage);
    let first = stage.says("mona", pull.number, "/approve production");
    assert_eq!(decided(&stage, first), "approval-counted");
    stage.push(pull.number);
    let end = stage.end_of(pull.number, comment);
    assert!(end.contains("`head-moved`"), "{end}");
    assert!(end.contains("Somebody pushed"), "{end}");
    stage.assert_untouched();
    let late = stage.asks("otto", pull.number, "/approve production");
    assert!(late.contains("`no-gate`"), "{late}");
    assert_eq!(
        named(&trail(&stage)),
        [("approval.created", "waiting"), ("approval.decided", "counted"), ("approval.voided", "void")]
    );
}

#[tokio::test]
async fn a_lock_ends_what_waits_with_its_reason() {
    let stage = stage(ONE, Database::Sqlite).await;
    let (pull, comment, _) = waiting(&stage);
    stage.says("mona", pull.number, "/lock production the till is being counted");
    let end = stage.end_of(pull.number, comment);
    assert!(end.contains("`locked`") && end.contains("the till is being counted"), "{end}");
    stage.assert_untouched();
}

#[tokio::test]
async fn a_cancel_ends_what_waits() {
    let stage = stage(ONE, Database::Sqlite).await;
    let (pull, comment, _) = waiting(&stage);
    stage.says("dev", pull.number, "/cancel production");
    let end = stage.end_of(pull.number, comment);
    assert!(end.contains("cancelled, nothing was changed"), "{end}");
    stage.assert_untouched();
    assert_eq!(named(&trail(&stage)).last(), Some(&("approval.voided", "void")));
}

/// Somebody changes the live service by hand: the plan that was made does not fit any more.
fn changed_by_hand(stage: &Stage) {
    let live = json!({"cluster": "pmis", "services": ["api-production"]});
    let live = stage.world.ecs("DescribeServices", &live).unwrap()["services"][0]["taskDefinition"].clone();
    let definition = stage.world.ecs("DescribeTaskDefinition", &json!({"taskDefinition": live})).unwrap();
    let mut definition = definition["taskDefinition"].clone();
    definition["containerDefinitions"][0]["environment"] = json!([{"name": "BY_HAND", "value": "1"}]);
    let kept = [
        "family",
        "networkMode",
        "requiresCompatibilities",
        "cpu",
        "memory",
        "executionRoleArn",
        "containerDefinitions",
    ];
    let new: serde_json::Map<String, Value> =
        kept.iter().filter_map(|key| Some(((*key).to_owned(), definition.get(*key)?.clone()))).collect();
    let arn = stage.world.ecs("RegisterTaskDefinition", &Value::Object(new)).unwrap();
    let arn = arn["taskDefinition"]["taskDefinitionArn"].clone();
    let update = json!({"cluster": "pmis", "service": "api-production", "taskDefinition": arn});
    stage.world.ecs("UpdateService", &update).unwrap();
    stage.until("it serves", || stage.serving("api-production"));
}

#[tokio::test]
async fn an_approval_of_an_older_plan_counts_not_for_the_one_that_would_be_carried_out() {
    let stage = stage(ONE, Database::Sqlite).await;
    let (pull, comment, image) = waiting(&stage);
    changed_by_hand(&stage);
    stage.world.forget_calls();
    let yes = stage.says("mona", pull.number, "/approve production");
    assert_eq!(decided(&stage, yes), "approved");
    let shown = stage.until("the question anew", || {
        stage.shown(pull.number, comment).filter(|shown| shown.contains("another plan now"))
    });
    assert!(shown.contains("waiting for approval, 0 of 1"), "{shown}");
    assert_eq!(changes(&stage), 0);
    let yes = stage.says("mona", pull.number, "/approve production");
    let end = stage.end_of(pull.number, comment);
    assert!(end.contains("serves after"), "{end}");
    assert_eq!(decided(&stage, yes), "approved");
    stage.assert_serves("api-production", &image);
    assert_eq!(
        named(&trail(&stage)),
        [
            ("approval.created", "waiting"),
            ("approval.decided", "approved"),
            ("approval.voided", "void"),
            ("approval.created", "waiting"),
            ("approval.decided", "approved")
        ]
    );
}

#[tokio::test]
async fn a_changed_policy_voids_the_approval_and_asks_anew() {
    let stage = stage(ONE, Database::Sqlite).await;
    let (pull, comment, _) = waiting(&stage);
    stage.policy(&production_policy("    approvals: { count: 1, from: [\"@acme/managers\"], expires: 2h }\n"));
    stage.says("mona", pull.number, "/approve production");
    let shown = stage.until("the question anew", || {
        stage.shown(pull.number, comment).filter(|shown| shown.contains("under other rules"))
    });
    assert!(shown.contains("waiting for approval, 0 of 1"), "{shown}");
    stage.assert_untouched();
    stage.says("otto", pull.number, "/approve production");
    let end = stage.end_of(pull.number, comment);
    assert!(end.contains("serves after"), "{end}");
}

#[tokio::test]
async fn what_was_forbidden_meanwhile_is_not_carried_out_after_all() {
    let stage = stage(ONE, Database::Sqlite).await;
    let (pull, comment, _) = waiting(&stage);
    stage.shop.user("dev", Role::Read);
    stage.says("mona", pull.number, "/approve production");
    let end = stage.end_of(pull.number, comment);
    assert!(end.contains("`access-denied`"), "{end}");
    stage.assert_untouched();
}

#[tokio::test]
async fn an_answer_in_another_conversation_must_name_the_commit() {
    let stage = stage(ONE, Database::Sqlite).await;
    let (pull, comment, image) = waiting(&stage);
    let other = stage.shop.issue("mona", "About something else");
    insta::assert_snapshot!(stage.asks("mona", other, "/approve production"), @"
    `/approve production`: What waits on `production` is `alpha`, and was asked for in `#1`, not here.

    **Next**: Answer there, where the plan is shown.

    <sub>reason: `other-plan`</sub>
    ");
    let wrong = stage.asks("mona", pull.number, &format!("/approve production --sha {}", "b".repeat(40)));
    assert!(wrong.contains("`other-plan`"), "{wrong}");
    stage.assert_untouched();
    stage.says("mona", other, &format!("/approve production --sha {}", pull.sha));
    let end = stage.end_of(pull.number, comment);
    assert!(end.contains("serves after"), "{end}");
    stage.assert_serves("api-production", &image);
}

#[tokio::test]
async fn nobody_answers_people_are_reminded_once_and_then_it_ends() {
    let rule = "    approvals: { count: 1, from: [\"@acme/managers\"], expires: 12s, remind: 3s }\n";
    let mut stage = stage(rule, Database::Sqlite).await;
    let (pull, comment, _) = waiting(&stage);
    let reminder = stage.answer(pull.number, "**Still your turn, @acme/managers**");
    // A bot that starts anew does not say it again.
    stage.kill(0);
    stage.start();
    let end = stage.end_of(pull.number, comment);
    assert!(end.contains("not approved in time, nothing was changed"), "{end}");
    assert!(end.contains("`gate-expired`"), "{end}");
    stage.assert_untouched();
    let about = stage.answers(pull.number);
    assert_eq!(about.len(), 2, "{}", stage.everything());
    assert!(about.iter().any(|said| said.id == reminder.id));
    assert_eq!(named(&trail(&stage)), [("approval.created", "waiting"), ("approval.expired", "expired")]);
    let late = stage.asks("mona", pull.number, "/approve production");
    assert!(late.contains("`no-gate`"), "{late}");
    // The environment is free again.
    let next = stage.pull("Next");
    let comment = stage.says("dev", next.number, "/deploy production");
    waits(&stage, &next, comment);
}

#[tokio::test]
async fn a_rollback_waits_for_nobody_and_ends_what_waits() {
    let stage = stage(ONE, Database::Sqlite).await;
    let (pull, comment, first) = waiting(&stage);
    stage.says("mona", pull.number, "/approve");
    stage.end_of(pull.number, comment);
    let before = first;
    let (pull, comment, second) = waiting(&stage);
    stage.says("mona", pull.number, "/approve");
    stage.end_of(pull.number, comment);
    stage.assert_serves("api-production", &second);
    let (pull, comment, _) = waiting(&stage);
    stage.says("dev", pull.number, "/rollback production");
    stage.until("the release before", || (stage.serving("api-production")? == before).then_some(()));
    assert!(stage.end_of(pull.number, comment).contains("cancelled"), "{}", stage.everything());
}

#[tokio::test]
async fn two_replicas_and_a_yes_and_a_no_in_one_moment_have_one_winner() {
    let stage = stage(ONE, Database::Postgres).await;
    let mut wins = [0, 0];
    for round in 0..6 {
        let (pull, comment, image) = waiting(&stage);
        // Deliveries of one conversation are worked on one after another, those of two at once.
        let other = stage.shop.issue("otto", "Elsewhere");
        stage.until("quiet", || stage.github.is_quiet().then_some(()));
        stage.github.advance(Duration::from_secs(2));
        stage.github.hold_deliveries();
        let yes = stage.shop.says("mona", other, &format!("/approve production --sha {}", pull.sha));
        let no = stage.shop.says("otto", pull.number, "/reject production stop");
        if round % 2 == 0 {
            stage.github.release_deliveries();
        } else {
            stage.github.release_deliveries_reversed();
        }
        let end = stage.end_of(pull.number, comment);
        let (yes, no) = (decided(&stage, yes), decided(&stage, no));
        if yes == "approved" {
            wins[0] += 1;
            assert!(end.contains("serves after"), "{end}");
            stage.assert_serves("api-production", &image);
            assert!(no == "gate-over" || no == "no-gate", "{no}\n{}", stage.everything());
        } else {
            wins[1] += 1;
            assert!(end.contains("rejected, nothing was changed"), "{end}\n{}", stage.everything());
            assert_eq!(no, "rejected", "{}", stage.everything());
            assert!(yes == "gate-over" || yes == "no-gate", "{yes}\n{}", stage.everything());
            assert_ne!(stage.serving("api-production").as_deref(), Some(image.as_str()));
        }
    }
    println!("approve won {}, reject won {}", wins[0], wins[1]);
    stage.program(&["audit", "verify"]);
}

#[tokio::test]
async fn two_replicas_hold_nothing_while_it_waits_and_one_of_them_goes_on() {
    let mut stage = stage(ONE, Database::Postgres).await;
    let (pull, comment, image) = waiting(&stage);
    stage.until("handed back", || stage.logs().contains("handed back, due again").then_some(()));
    // Whoever asked the question is gone.
    stage.kill(0);
    stage.kill(1);
    stage.world.forget_calls();
    std::thread::sleep(Duration::from_secs(1));
    stage.start();
    std::thread::sleep(Duration::from_secs(3));
    let calls: Vec<String> = stage.world.calls().iter().map(|call| call.operation.clone()).collect();
    let idle = calls.iter().all(|call| call.contains("/app/hook") || call.contains("/access_tokens"));
    assert!(idle, "waiting costs nothing, but: {calls:?}");
    stage.says("mona", pull.number, "/approve production");
    let end = stage.end_of(pull.number, comment);
    assert!(end.contains("serves after"), "{end}");
    stage.assert_serves("api-production", &image);
    assert_eq!(changes(&stage), 1);
    assert_eq!(stage.answers(pull.number).len(), 1, "{}", stage.everything());
}
