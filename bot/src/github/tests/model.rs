//! The whole client against the stateful model of GitHub, whose answers are held to GitHub's own
//! description.

use std::time::Duration;

use futures_util::future::join_all;
use secrecy::SecretString;
use serde_json::json;
use shipline::config::spec::Role;
use shipline::engine::clock;
use shipline::github::{AutoInactive, DeploymentState, Lifetime, NewDeployment, NewStatus, Stage};
use shipline::types::CommitSha;
use shipline_test_support::{AppSeed, AwsWorld, Fault, FaultKind, RepositoryWorld, Role as Given};

use super::super::{App, CheckRun, Hub, Reaction, RunState, Standing, retry_after};
use crate::decision::{CheckState, PullState, ReviewState};
use crate::types::{InstallationId, RepositoryId, RepositoryRef, UserId};

struct World {
    aws: AwsWorld,
    shop: RepositoryWorld,
    app: App,
    hub: Hub,
}

async fn world() -> World {
    let aws = AwsWorld::start().await;
    let github = aws.github();
    let made = github.app(&AppSeed { name: Some("shipline".to_owned()), ..AppSeed::default() });
    let shop = github.repository("acme/shop");
    let app = App::new(&aws.endpoint(), made.id, &SecretString::from(made.pem)).unwrap();
    let hub = app.hub(&RepositoryRef {
        id: RepositoryId::new(shop.id()),
        name: "acme/shop".parse().unwrap(),
        installation: InstallationId::new(made.installation.unwrap()),
        public: false,
    });
    World { aws, shop, app, hub }
}

fn sha(text: &str) -> CommitSha {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_situation_is_what_people_did() {
    let World { aws, shop, hub, .. } = world().await;
    let policy = shop.file(".github/shipline.yml", "version: 1\n");
    let ann = shop.user("ann", Given::Write);
    shop.user("bob", Given::Write);
    let pull = shop.pull("ann", "Faster checkout");
    shop.review("bob", pull.number, "approved");
    shop.foreign_deployment("bob", &policy, "staging", "in_progress");
    let environment = "staging".parse().unwrap();
    let seen = hub.situation(Some(pull.number), Some(&environment)).await.unwrap();
    assert_eq!((seen.policy.as_deref(), seen.policy_commit), (Some("version: 1\n"), sha(&policy)));
    let found = seen.pull.unwrap();
    assert_eq!((found.state, found.head, found.fork, found.draft), (PullState::Open, sha(&pull.sha), false, false));
    assert_eq!(found.approvals[0].login, "bob");
    assert_eq!(found.approvals[0].commit, Some(sha(&pull.sha)));
    let [foreign] = seen.deployments.as_slice() else { panic!("{:?}", seen.deployments) };
    assert_eq!((foreign.state.as_deref(), &foreign.shipline), (Some("in_progress"), &None));
    // One token and one question.
    assert_eq!(aws.calls().iter().filter(|call| call.service == "github").count(), 2);

    let rights = hub.rights("ann", &[]).await.unwrap();
    assert_eq!((rights.user, rights.role), (UserId::new(ann), Some(Role::Write)));
    shop.dismiss("ann");
    assert_eq!(hub.rights("ann", &[]).await.unwrap().role, None);
}

#[tokio::test]
async fn reviews_that_are_required_and_forks_are_seen() {
    let World { aws: _aws, shop, hub, .. } = world().await;
    shop.user("bob", Given::Write);
    shop.act("protect", json!({"reviews": 1}));
    let pull = shop.pull_from_fork("mallory", "Harmless");
    let seen = hub.situation(Some(pull.number), None).await.unwrap().pull.unwrap();
    assert_eq!((seen.fork, seen.reviews), (true, Some(ReviewState::Missing)));
    shop.review("bob", pull.number, "approved");
    let seen = hub.situation(Some(pull.number), None).await.unwrap().pull.unwrap();
    assert_eq!(seen.reviews, Some(ReviewState::Approved));
    assert_eq!(hub.standing("main", sha(&pull.sha)).await.unwrap(), Standing::Elsewhere);
}

#[tokio::test]
async fn teams_are_those_a_person_is_active_in() {
    let World { aws, shop, hub, .. } = world().await;
    shop.user("ann", Given::Write);
    aws.github().team("release-managers", &["ann"]).team("others", &["bob"]);
    let teams = ["acme/release-managers", "acme/others", "acme/none"].map(str::to_owned);
    assert_eq!(hub.rights("ann", &teams).await.unwrap().teams, ["acme/release-managers"]);
    aws.github().withdraw("members");
    assert_eq!(hub.rights("ann", &teams).await.unwrap_err().code, "github-permission");
}

#[tokio::test]
async fn checks_and_what_is_required_agree_with_what_was_reported() {
    let World { aws: _aws, shop, hub, .. } = world().await;
    shop.user("ann", Given::Write);
    let pull = shop.pull("ann", "Faster checkout");
    shop.require_checks(&["test", "lint"]);
    shop.check(&pull.sha, "test", "failure").check(&pull.sha, "test", "success").check(
        &pull.sha,
        "slow",
        "in_progress",
    );
    shop.status(&pull.sha, "cla", "success");
    let checks = hub.checks(sha(&pull.sha)).await.unwrap();
    let told: Vec<_> = checks.iter().map(|check| (check.name.as_str(), check.state)).collect();
    assert_eq!(told, [("slow", CheckState::Pending), ("test", CheckState::Passed), ("cla", CheckState::Passed)]);
    let required = hub.required_checks("main").await.unwrap();
    assert_eq!(required.iter().map(|check| check.name.as_str()).collect::<Vec<_>>(), ["lint", "test"]);
    // More than a page.
    for n in 0..130 {
        shop.check(&pull.sha, &format!("shard {n}"), "success");
    }
    assert_eq!(hub.checks(sha(&pull.sha)).await.unwrap().len(), 133);
}

#[tokio::test]
async fn a_conversation_reads_as_it_was_written() {
    let World { aws: _aws, shop, hub, .. } = world().await;
    shop.user("ann", Given::Write);
    let pull = shop.pull("ann", "Faster checkout");
    let command = shop.says("ann", pull.number, "/deploy staging");
    assert!(hub.react(crate::types::CommentId::new(command), Reaction::Eyes).await.unwrap());
    let since = clock::now().saturating_sub(jiff::SignedDuration::from_mins(1)).unwrap();
    let marker = "<!-- shipline:deployment:1 -->";
    let ours = hub.comment(pull.number, &format!("waiting\n{marker}")).await.unwrap();
    shop.says("ann", pull.number, marker);
    assert_eq!(hub.find_comment(pull.number, marker, since).await.unwrap(), Some(ours));
    assert!(hub.edit(ours, &format!("done\n{marker}")).await.unwrap());
    hub.minimize(ours).await.unwrap();
    let talk = shop.conversation(pull.number);
    assert_eq!(talk[0].reactions.get("eyes"), Some(&1));
    assert_eq!((talk[1].author.as_str(), talk[1].body.as_str()), ("shipline[bot]", format!("done\n{marker}").as_str()));
    assert!(talk[1].minimized.is_some());
    shop.deletes("ann", command);
    assert!(!hub.react(crate::types::CommentId::new(command), Reaction::Rocket).await.unwrap());
}

#[tokio::test]
async fn tokens_that_end_and_permissions_that_are_withdrawn_in_the_middle() {
    let World { aws, shop, hub, .. } = world().await;
    let head = sha(&shop.file("a.txt", "a"));
    assert!(hub.knows(head).await.unwrap());
    aws.github().expire_tokens();
    let told = join_all((0..4).map(|_| hub.knows(head))).await;
    assert!(told.into_iter().all(|known| known.unwrap()));
    let tokens = aws.calls().iter().filter(|call| call.operation.ends_with("/access_tokens")).count();
    assert_eq!(tokens, 2, "one, and one for all that were refused");
    let issue = shop.issue("ann", "Talk");
    aws.github().withdraw("issues").withdraw("pull_requests");
    let problem = hub.comment(issue, "hello").await.unwrap_err();
    assert_eq!(problem.code, "github-permission", "{problem}");
}

#[tokio::test]
async fn the_hour_is_kept_to_and_a_remembered_answer_is_free() {
    let World { aws, shop, app, hub } = world().await;
    let head = sha(&shop.file("deploy/task.json", "{}"));
    assert_eq!(hub.file("deploy/task.json", head).await.unwrap().as_deref(), Some("{}"));
    let before = app.budget().unwrap().remaining;
    assert_eq!(hub.file("deploy/task.json", head).await.unwrap().as_deref(), Some("{}"));
    assert_eq!(app.budget().unwrap().remaining, before);
    aws.github().leave_requests(0, Duration::from_mins(30));
    let problem = hub.knows(head).await.unwrap_err();
    let wait = retry_after(&problem).unwrap().as_secs();
    assert!((1_700..=1_900).contains(&wait), "{problem}");
}

#[tokio::test]
async fn a_comment_whose_answer_was_lost_is_found_instead_of_written_twice() {
    let World { aws, shop, hub, .. } = world().await;
    let issue = shop.issue("ann", "Talk");
    let marker = "<!-- shipline:answer:1:1 -->";
    let since = clock::now().saturating_sub(jiff::SignedDuration::from_mins(1)).unwrap();
    let operation = format!("POST /repos/acme/shop/issues/{issue}/comments");
    aws.fault(Fault::on("github", &operation, FaultKind::LoseResponse).times(1));
    assert_eq!(hub.comment(issue, marker).await.unwrap_err().code, "unavailable");
    assert!(hub.find_comment(issue, marker, since).await.unwrap().is_some());
    assert_eq!(shop.conversation(issue).len(), 1);
}

#[tokio::test]
async fn workflows_check_runs_and_deployments_are_made_and_followed() {
    let World { aws: _aws, shop, hub, .. } = world().await;
    let head = sha(&shop.file("a.txt", "a"));
    shop.workflow("build.yml");
    let run = hub.dispatch("build.yml", "main", &[("sha", head.to_string())]).await.unwrap();
    assert_eq!(hub.run(run).await.unwrap(), RunState::Going);
    let since = clock::now().saturating_sub(jiff::SignedDuration::from_mins(1)).unwrap();
    let title = shop.runs()[0].title.clone();
    assert_eq!(hub.find_run("build.yml", &title, since).await.unwrap(), Some(run));
    shop.finish(run.get(), "failure");
    assert!(matches!(hub.run(run).await.unwrap(), RunState::Ended { conclusion, .. } if conclusion == "failure"));

    let mut shown = CheckRun {
        name: "Shipline: staging".to_owned(),
        sha: head,
        conclusion: None,
        title: "deploying".to_owned(),
        summary: "on its way".to_owned(),
        details_url: None,
        buttons: Vec::new(),
    };
    let check = hub.create_check_run(&shown).await.unwrap();
    shown.conclusion = Some("success".to_owned());
    hub.update_check_run(check, &shown).await.unwrap();
    assert_eq!(shop.checks(&head.to_string())[0]["conclusion"], "success");
    assert_eq!(hub.checks(head).await.unwrap(), [], "our own check is none to wait for");

    let new = NewDeployment {
        environment: "staging".parse().unwrap(),
        sha: head,
        shipline: json!({"plan": "3f9a1c"}),
        description: "api".to_owned(),
        stage: Stage::Other,
        lifetime: Lifetime::Lasting,
    };
    let made = hub.deployments().create_deployment(&new).await.unwrap();
    let status = NewStatus {
        state: DeploymentState::Success,
        description: String::new(),
        log_url: None,
        environment_url: None,
        auto_inactive: AutoInactive::Yes,
    };
    hub.deployments().set_status(made.id, &status).await.unwrap();
    let seen = hub.situation(None, Some(&"staging".parse().unwrap())).await.unwrap().deployments;
    assert_eq!((&seen[0].shipline, seen[0].state.as_deref()), (&Some(json!({"plan": "3f9a1c"})), Some("success")));
}

#[tokio::test]
async fn deliveries_that_failed_are_listed_and_asked_for_again() {
    let World { aws, shop, app, .. } = world().await;
    let github = aws.github();
    github.webhook_to("http://127.0.0.1:9/webhooks").fail_deliveries(1);
    let issue = shop.issue("ann", "Talk");
    shop.says("ann", issue, "/status");
    github.delivered().await;
    let since = clock::now().saturating_sub(jiff::SignedDuration::from_mins(5)).unwrap();
    let found = app.deliveries_since(since).await.unwrap();
    let failed = found.iter().find(|found| found.event == "issue_comment.created").unwrap();
    assert!(!failed.arrived);
    app.redeliver(failed.id).await.unwrap();
    github.delivered().await;
    let again = app.deliveries_since(since).await.unwrap();
    assert_eq!(again.iter().filter(|found| found.guid == failed.guid).count(), 2);
}
