#[path = "../../../tests/action/answering.rs"]
#[expect(dead_code, reason = "stories with other stages use more of it")]
mod answering;
mod stage;

use std::time::Duration;

use answering::Answering;
use serde_json::json;
use shipline_test_support::{Behaviour, RoleSeed, Seed};
use stage::{Stage, story};

use super::*;
use crate::decision::lock::AFTER_ROLLBACK;
use crate::store::{DeploymentKind, QueueRule};
use crate::types::{Actor, UserId};

fn is_send<T: Send>(_: &T) {}

#[test]
fn what_handlers_call_can_be_spawned() {
    fn check(bot: &Bot, asked: &crate::store::Asked, config: &shipline::config::spec::Config) {
        is_send(&preview(bot, asked, config));
        is_send(&live(bot, &asked.repository, config, &asked.key.environment));
    }
    // Naming it is enough: it would not compile otherwise.
    drop(Box::new(check));
}

#[test]
fn a_deployment_ends_well_with_one_comment_one_github_deployment_and_one_update() {
    story("a_deployment_ends_well_with_one_comment_one_github_deployment_and_one_update", async |stage: Stage| {
        let image = stage.image("api", &stage.head());
        let id = stage.deploy("staging", &stage.head()).await;
        let worker = stage.worker().await;
        let ended = stage.ended(id).await;
        assert_eq!(ended.outcome.as_deref(), Some("succeeded"));
        worker.stop().await;
        stage.assert_serves("staging", &image);
        assert_eq!(stage.updates(), 1);
        let comments = stage.comments();
        assert_eq!(comments.len(), 1, "{comments:#?}");
        assert!(comments[0].contains("staging") && comments[0].contains(&stage.head()[..7]), "{}", comments[0]);
        let deployments = stage.repository.deployments();
        assert_eq!(deployments.len(), 1);
        assert_eq!(deployments[0]["payload"]["shipline"]["deployment"], json!(id));
        let last = deployments[0]["statuses"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(last["state"], "success");
        assert_eq!(stage.repository.checks(&stage.head())[0]["conclusion"], "success");
        let good = stage.store.good(&stage.key("staging"), 5).await.unwrap();
        assert_eq!(good.len(), 1);
        assert_eq!(good[0].commit.map(|commit| commit.to_string()), Some(stage.head()));
        // Three are the handler's: reaction, situation, rights.
        let before = stage.github_calls_before_the_update();
        assert!(before.len() <= 12 - 3, "{before:#?}");
    });
}

#[test]
fn what_serves_already_is_a_success_that_changes_nothing() {
    story("what_serves_already_is_a_success_that_changes_nothing", async |stage: Stage| {
        stage.image("api", &stage.head());
        let first = stage.deploy("staging", &stage.head()).await;
        let worker = stage.worker().await;
        stage.ended(first).await;
        let again = stage.deploy("staging", &stage.head()).await;
        let ended = stage.ended(again).await;
        worker.stop().await;
        assert_eq!(ended.outcome.as_deref(), Some("succeeded"));
        assert_eq!(stage.updates(), 1);
        assert_eq!(stage.repository.deployments().len(), 1, "nothing to tell");
        assert_eq!(stage.comments().len(), 2);
        assert!(stage.conversation()[0].minimized.is_some(), "the older comment is folded away");
    });
}

#[test]
fn a_release_that_breaks_is_taken_back_and_the_cause_is_in_the_comment() {
    story("a_release_that_breaks_is_taken_back_and_the_cause_is_in_the_comment", async |stage: Stage| {
        let broken = stage.image("api", &stage.head());
        stage.goes(
            &broken,
            Behaviour::Exits {
                code: 1,
                after_ms: None,
                every_ms: None,
                lines: vec!["KeyError: DATABASE_URL".into()],
                container: None,
            },
        );
        let id = stage.deploy("staging", &stage.head()).await;
        let worker = stage.worker().await;
        let ended = stage.ended(id).await;
        worker.stop().await;
        assert_eq!(ended.outcome.as_deref(), Some("rolled-back"));
        let first = stage.first_image.clone();
        stage.assert_serves("staging", &first);
        let comments = stage.comments();
        assert!(comments[0].contains("exited with code 1"), "{}", comments[0]);
        assert!(stage.store.good(&stage.key("staging"), 5).await.unwrap().is_empty());
        assert_eq!(stage.repository.checks(&stage.head())[0]["conclusion"], "failure");
    });
}

#[test]
fn a_worker_killed_at_any_moment_is_continued_by_another_without_a_second_change() {
    story("a_worker_killed_at_any_moment_is_continued_by_another_without_a_second_change", async |stage: Stage| {
        stage.slow(Duration::from_millis(1500));
        // Each round a new commit; the worker is dropped after another time.
        for (round, after) in [20, 60, 120, 200, 350, 600, 1000].into_iter().enumerate() {
            let commit = stage.repository.push(stage.pull);
            let image = stage.image("api", &commit);
            let before = stage.updates();
            let comments = stage.comments().len();
            let id = stage.deploy("staging", &commit).await;
            let first = stage.worker().await;
            tokio::time::timeout(Duration::from_millis(after), std::future::pending::<()>()).await.unwrap_err();
            first.kill().await;
            let second = stage.worker().await;
            let ended = stage.ended(id).await;
            second.stop().await;
            assert_eq!(ended.outcome.as_deref(), Some("succeeded"), "killed after {after} ms");
            stage.assert_serves("staging", &image);
            assert_eq!(stage.updates() - before, 1, "killed after {after} ms");
            assert_eq!(stage.comments().len() - comments, 1, "killed after {after} ms: {:#?}", stage.comments());
            assert_eq!(stage.repository.deployments().len(), round + 1, "killed after {after} ms");
        }
    });
}

#[test]
fn a_worker_that_stops_hands_its_rollout_over_at_once() {
    story("a_worker_that_stops_hands_its_rollout_over_at_once", async |stage: Stage| {
        stage.slow(Duration::from_secs(3));
        let image = stage.image("api", &stage.head());
        let id = stage.deploy("staging", &stage.head()).await;
        let first = stage.worker().await;
        stage.until(async || stage.updates() == 1).await;
        let began = clock::instant();
        first.stop().await;
        assert!(began.elapsed() < Stage::lease() * 4, "stopping took {:?}", began.elapsed());
        let second = stage.worker().await;
        assert_eq!(stage.ended(id).await.outcome.as_deref(), Some("succeeded"));
        second.stop().await;
        stage.assert_serves("staging", &image);
        assert_eq!(stage.updates(), 1);
    });
}

#[test]
fn a_cancelled_rollout_goes_back_and_says_so() {
    story("a_cancelled_rollout_goes_back_and_says_so", async |stage: Stage| {
        stage.slow(Duration::from_secs(5));
        stage.image("api", &stage.head());
        let id = stage.deploy("staging", &stage.head()).await;
        let worker = stage.worker().await;
        stage.until(async || stage.updates() == 1).await;
        assert!(stage.store.request_cancel(id, &stage.actor(), clock::now()).await.unwrap());
        let ended = stage.ended(id).await;
        worker.stop().await;
        assert_eq!(ended.outcome.as_deref(), Some("cancelled"));
        let first = stage.first_image.clone();
        stage.assert_serves("staging", &first);
        let last = stage.repository.deployments()[0]["statuses"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(last["state"], "inactive");
    });
}

#[test]
fn a_missing_image_is_built_by_the_workflow_once_even_when_the_worker_dies() {
    story("a_missing_image_is_built_by_the_workflow_once_even_when_the_worker_dies", async |stage: Stage| {
        stage.repository.building_workflow("build.yml", "sha", &["shop/api"], Duration::from_secs(2));
        let id = stage.deploy("staging", &stage.head()).await;
        let first = stage.worker().await;
        stage.until(async || stage.repository.runs().len() == 1).await;
        first.kill().await;
        let second = stage.worker().await;
        let ended = stage.ended(id).await;
        second.stop().await;
        assert_eq!(ended.outcome.as_deref(), Some("succeeded"), "{:#?}", stage.comments());
        let runs = stage.repository.runs();
        assert_eq!(runs.len(), 1, "{runs:#?}");
        assert_eq!(runs[0].branch, "main");
        assert_eq!(runs[0].inputs["sha"], stage.head());
        assert_eq!(runs[0].inputs["services"], "api");
        assert_eq!(runs[0].inputs["deployment"], id.to_string());
        assert_eq!(stage.comments().len(), 1);
    });
}

#[test]
fn a_build_that_fails_ends_the_deployment_with_its_page() {
    story("a_build_that_fails_ends_the_deployment_with_its_page", async |stage: Stage| {
        stage.repository.workflow("build.yml");
        let id = stage.deploy("staging", &stage.head()).await;
        let worker = stage.worker().await;
        stage.until(async || stage.repository.runs().len() == 1).await;
        let run = stage.repository.runs()[0].id;
        stage.repository.finish(run, "failure");
        stage
            .until(async || stage.store.wake_run(crate::types::RunId::new(run), clock::now()).await.unwrap() > 0)
            .await;
        let ended = stage.ended(id).await;
        worker.stop().await;
        assert_eq!(ended.outcome.as_deref(), Some("build-failed"));
        assert!(stage.comments()[0].contains(&format!("/actions/runs/{run}")), "{}", stage.comments()[0]);
        assert_eq!(stage.updates(), 0);
    });
}

#[test]
fn an_image_whose_label_names_another_commit_is_refused() {
    story("an_image_whose_label_names_another_commit_is_refused", async |stage: Stage| {
        stage.labelled("api", &stage.head(), &"9".repeat(40));
        let id = stage.deploy("staging", &stage.head()).await;
        let worker = stage.worker().await;
        let ended = stage.ended(id).await;
        worker.stop().await;
        assert_eq!(ended.outcome.as_deref(), Some("image-of-another-commit"));
        assert_eq!(stage.updates(), 0);
    });
}

#[test]
fn production_runs_the_digest_that_staging_ran_even_when_the_tag_was_moved() {
    story("production_runs_the_digest_that_staging_ran_even_when_the_tag_was_moved", async |stage: Stage| {
        let tested = stage.image("api", &stage.head());
        let worker = stage.worker().await;
        let id = stage.deploy("staging", &stage.head()).await;
        stage.ended(id).await;
        let other = stage.labelled("api", &stage.head(), &stage.head());
        assert_ne!(tested, other, "the tag is another image's now");
        let id = stage.deploy("production", &stage.head()).await;
        let ended = stage.ended(id).await;
        worker.stop().await;
        assert_eq!(ended.outcome.as_deref(), Some("succeeded"), "{:#?}", stage.comments());
        stage.assert_serves("production", &tested);
    });
}

#[test]
fn a_rollback_puts_the_last_good_release_back_and_locks() {
    story("a_rollback_puts_the_last_good_release_back_and_locks", async |stage: Stage| {
        let worker = stage.worker().await;
        let old = stage.image("api", &stage.head());
        let first = stage.deploy("staging", &stage.head()).await;
        stage.ended(first).await;
        let commit = stage.repository.push(stage.pull);
        stage.image("api", &commit);
        let second = stage.deploy("staging", &commit).await;
        stage.ended(second).await;
        stage.world.forget_calls();
        let kind = DeploymentKind::Rollback { to: None, lock: true };
        let back = stage.ask("staging", kind, QueueRule::Overtake).await;
        let ended = stage.ended(back).await;
        worker.stop().await;
        assert_eq!(ended.outcome.as_deref(), Some("succeeded"));
        stage.assert_serves("staging", &old);
        assert_eq!(stage.updates(), 1);
        let lock = stage.store.lock_of(&stage.key("staging"), clock::now()).await.unwrap().unwrap();
        assert_eq!((lock.reason.as_str(), lock.holder.id), ("rolled back, look before you deploy", stage.actor().id));
        let before = stage.github_calls_before_the_update();
        assert!(before.len() <= 6 - 3, "{before:#?}");
    });
}

#[test]
fn a_lock_stops_what_was_allowed_a_moment_before_it() {
    story("a_lock_stops_what_was_allowed_a_moment_before_it", async |stage: Stage| {
        stage.image("api", &stage.head());
        let after_rollback = stage.deploy("staging", &stage.head()).await;
        stage.lock("staging", stage.actor(), AFTER_ROLLBACK).await;
        let somebody_elses = stage.deploy("production", &stage.head()).await;
        let other = Actor { login: "mona".to_owned(), id: UserId::new(77) };
        stage.lock("production", other, "a drill").await;
        let worker = stage.worker().await;
        for id in [after_rollback, somebody_elses] {
            let ended = stage.ended(id).await;
            assert_eq!(ended.outcome.as_deref(), Some("locked"), "{:#?}", stage.comments());
        }
        worker.stop().await;
        assert_eq!(stage.updates(), 0);
    });
}

#[test]
fn a_rollback_that_overtakes_a_rollout_leaves_what_was_good() {
    story("a_rollback_that_overtakes_a_rollout_leaves_what_was_good", async |stage: Stage| {
        let worker = stage.worker().await;
        let old = stage.image("api", &stage.head());
        let first = stage.deploy("staging", &stage.head()).await;
        stage.ended(first).await;
        let commit = stage.repository.push(stage.pull);
        stage.image("api", &commit);
        stage.slow(Duration::from_secs(5));
        let second = stage.deploy("staging", &commit).await;
        stage.until(async || stage.updates() == 2).await;
        let kind = DeploymentKind::Rollback { to: None, lock: false };
        let back = stage.ask("staging", kind, QueueRule::Overtake).await;
        let ended = stage.ended(back).await;
        worker.stop().await;
        assert_eq!(stage.ended(second).await.outcome.as_deref(), Some("cancelled"));
        assert_eq!(ended.outcome.as_deref(), Some("succeeded"));
        stage.assert_serves("staging", &old);
        let told = stage.comments().last().unwrap().clone();
        assert!(told.contains("cancelled by this rollback"), "{told}");
    });
}

#[test]
fn github_that_is_away_holds_no_rollout_up() {
    story("github_that_is_away_holds_no_rollout_up", async |stage: Stage| {
        stage.slow(Duration::from_secs(1));
        let image = stage.image("api", &stage.head());
        let id = stage.deploy("staging", &stage.head()).await;
        stage.comments_fail();
        let worker = stage.worker().await;
        stage.until(async || stage.updates() == 1).await;
        assert!(stage.comments().is_empty());
        stage.world.no_faults();
        let ended = stage.ended(id).await;
        worker.stop().await;
        assert_eq!(ended.outcome.as_deref(), Some("succeeded"));
        stage.assert_serves("staging", &image);
        assert_eq!(stage.comments().len(), 1, "told in the end, once");
    });
}

#[test]
fn a_comment_that_is_deleted_is_written_anew() {
    story("a_comment_that_is_deleted_is_written_anew", async |stage: Stage| {
        stage.slow(Duration::from_secs(2));
        stage.image("api", &stage.head());
        let id = stage.deploy("staging", &stage.head()).await;
        let worker = stage.worker().await;
        stage.until(async || stage.updates() == 1 && stage.comments().len() == 1).await;
        let comment = stage.conversation()[0].id;
        stage.repository.deletes("someone", comment);
        stage.ended(id).await;
        worker.stop().await;
        let left = stage.conversation();
        assert_eq!(left.len(), 1);
        assert_ne!(left[0].id, comment);
    });
}

#[test]
fn whoever_has_lost_the_lease_changes_and_writes_nothing_more() {
    story("whoever_has_lost_the_lease_changes_and_writes_nothing_more", async |stage: Stage| {
        // The plan takes its time; the lease is somebody else's before the first change.
        stage.delay("ecr", Duration::from_millis(1500));
        let image = stage.image("api", &stage.head());
        let id = stage.deploy("staging", &stage.head()).await;
        let worker = stage.worker().await;
        stage.until(async || stage.comments().len() == 1).await;
        let (deployment, lease) = stage.steal().await;
        assert_eq!(deployment.id, id);
        shipline::engine::wait::pause(Duration::from_secs(3), &Cancel::new()).await;
        assert_eq!(stage.updates(), 0, "nothing is changed without the lease");
        assert_eq!(stage.store.last_entry(id).await.unwrap(), None);
        stage.slow(Duration::from_secs(2));
        let now = clock::now();
        stage.store.release(&lease, &deployment.state, now, now).await.unwrap();

        // Once more in the middle of the rollout: what is under way is followed by whoever has the lease.
        stage.until(async || stage.updates() == 1).await;
        let (deployment, lease) = stage.steal().await;
        let entry = stage.store.last_entry(id).await.unwrap();
        shipline::engine::wait::pause(Duration::from_secs(4), &Cancel::new()).await;
        assert_eq!(stage.store.last_entry(id).await.unwrap(), entry, "nothing is written without the lease");
        let now = clock::now();
        stage.store.release(&lease, &deployment.state, now, now).await.unwrap();
        assert_eq!(stage.ended(id).await.outcome.as_deref(), Some("succeeded"));
        worker.stop().await;
        stage.assert_serves("staging", &image);
        assert_eq!(stage.updates(), 1);
        assert_eq!(stage.comments().len(), 1);
    });
}

#[test]
fn whoever_wants_to_know_is_told_of_a_rollout_that_can_no_longer_be_followed() {
    story("whoever_wants_to_know_is_told_of_a_rollout_that_can_no_longer_be_followed", async |stage: Stage| {
        let people = Answering::with(200, &[], "").await;
        stage.hook.replace(Some(people.address()));
        stage.slow(Duration::from_mins(5));
        stage.image("api", &stage.head());
        let id = stage.deploy("staging", &stage.head()).await;
        let first = stage.worker().await;
        let applied = |event: &_| matches!(event, shipline::rollout::Event::Applied { .. });
        let last = async || stage.store.last_entry(id).await.unwrap().and_then(|entry| entry.event);
        stage.until(async || last().await.as_ref().is_some_and(applied)).await;
        first.kill().await;

        // Hours later the role is gone that the policy names.
        let (mut deployment, lease) = stage.steal().await;
        let roles = vec![RoleSeed { arn: "arn:aws:iam::111122223333:role/other".to_owned(), ..RoleSeed::default() }];
        stage.world.seed(Seed { roles, ..Seed::default() });
        let crate::store::Stage::Rolling { record } = &mut deployment.state.stage else { panic!("{deployment:#?}") };
        record.started = record.started.checked_sub(Duration::from_hours(10)).unwrap();
        let place = "aws: { region: us-east-1 }\n";
        let lines = "aws: { region: us-east-1, role: \"arn:aws:iam::111122223333:role/gone\" }\n    \
                     notify: [{ webhook: HOOK, on: [failure] }, { sns: \"arn:aws:sns:us-east-1:111122223333:till\" }]\n";
        let policy = deployment.state.policy.as_mut().unwrap();
        *policy = policy.replacen(place, lines, 1);
        let now = clock::now();
        stage.store.release(&lease, &deployment.state, now, now).await.unwrap();

        let second = stage.worker().await;
        let ended = stage.ended(id).await;
        second.stop().await;
        assert_eq!(ended.outcome.as_deref(), Some("needs-attention"));
        let requests = people.requests();
        assert_eq!(requests.len(), 1, "{requests:#?}");
        assert_eq!(requests[0].header("x-shipline-event"), Some("failure"));
        let told: serde_json::Value = serde_json::from_slice(&requests[0].body).unwrap();
        assert_eq!(told["result"], "needs-attention", "{told:#}");
        assert_eq!(told["report"]["services"][0]["state"], "moving", "{told:#}");
        let notices = told["report"]["notices"].to_string();
        assert!(notices.contains("could not be followed to its end") && notices.contains("role/gone"), "{notices}");
        let comment = stage.comments().remove(0);
        assert!(comment.contains("could not be followed to its end"), "{comment}");
        assert!(comment.contains("arn:aws:sns:us-east-1:111122223333:till was not told"), "{comment}");
        assert!(!comment.contains(&people.address()), "{comment}");
    });
}
