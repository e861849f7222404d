//! Comments over the model of GitHub and a real store: what is asked, what is answered, what is kept.

use std::sync::Arc;

use secrecy::SecretString;
use shipline::engine::clock;
use shipline::redact::Redactor;
use shipline_test_support::{AppSeed, AwsWorld, RepositoryWorld, Role};
use tokio::sync::Notify;

use super::on_comment;
use crate::allow::AllowList;
use crate::commands::desk::Desk;
use crate::context::{Bot, Times};
use crate::github::App;
use crate::metrics::Metrics;
use crate::store::{Claimed, DeploymentKind, Store};
use crate::types::{Actor, CommentId, EnvironmentKey, InstallationId, RepositoryId, RepositoryRef, UserId, WorkerId};
use crate::webhook::{Delivery, Event, NewComment, PullChanged};

const POLICY: &str = "
version: 1
services: { api: { image: { repository: acme/api } } }
environments:
  staging:
    aws: { region: us-east-1 }
    services: { api: { ecs: { cluster: c, service: api } } }
  guarded:
    aws: { region: us-east-1 }
    checks: required
    services: { api: { ecs: { cluster: g, service: api } } }
";

struct Stage {
    world: AwsWorld,
    shop: RepositoryWorld,
    bot: Arc<Bot>,
    reference: RepositoryRef,
    pull: u64,
    head: String,
    _folder: tempfile::TempDir,
}

impl Stage {
    async fn new(public: bool) -> Self {
        let world = AwsWorld::start().await;
        let github = world.github();
        let shop = if public { github.public_repository("acme/shop") } else { github.repository("acme/shop") };
        let app = github.app(&AppSeed { account: Some("acme".to_owned()), ..AppSeed::default() });
        shop.user("ann", Role::Write);
        shop.user("max", Role::Maintain);
        shop.file(".github/shipline.yml", POLICY);
        let pull = shop.pull("ann", "Faster");
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("sqlite://{}", folder.path().join("bot.db").display())).await.unwrap();
        let reference = RepositoryRef {
            id: RepositoryId::new(shop.id()),
            name: "acme/shop".parse().unwrap(),
            installation: InstallationId::new(app.installation.unwrap()),
            public,
        };
        let bot = Arc::new(Bot {
            store,
            app: App::new(&world.endpoint(), app.id, &SecretString::from(app.pem)).unwrap(),
            allow: AllowList::default(),
            redactor: Redactor::new(),
            metrics: Metrics::new(),
            notify: std::collections::BTreeMap::new(),
            variables: std::collections::BTreeMap::new(),
            server_url: "https://github.com".to_owned(),
            worker: WorkerId::new(),
            times: Times::default(),
            at_once: 64,
            desk: Desk::default(),
            deployments_due: Arc::new(Notify::new()),
            deliveries_due: Arc::new(Notify::new()),
        });
        let stage = Self { world, shop, bot, reference, pull: pull.number, head: pull.sha, _folder: folder };
        stage.learns(-60).await;
        stage
    }

    /// The bot is told of the pull request's head, so many seconds from now.
    async fn learns(&self, seconds: i64) {
        let event = Event::Pull(PullChanged {
            repository: self.reference.clone(),
            number: self.pull,
            action: "opened".to_owned(),
            head: self.head.parse().unwrap(),
            head_repository: Some(self.reference.id),
            at: clock::now() + jiff::SignedDuration::from_secs(seconds),
        });
        let delivery = Delivery { id: format!("head{seconds}"), event };
        self.bot.store.accept(&[delivery], clock::now()).await.unwrap();
    }

    async fn says(&self, who: &str, role: Role, body: &str) -> NewComment {
        let id = self.shop.user(who, role);
        let comment = NewComment {
            repository: self.reference.clone(),
            issue: self.pull,
            is_pull: true,
            comment: CommentId::new(self.shop.says(who, self.pull, body)),
            author: Actor { id: UserId::new(id), login: who.to_owned() },
            body: body.to_owned(),
            created: clock::now(),
        };
        self.world.forget_calls();
        self.works(&comment, 0).await;
        comment
    }

    async fn works(&self, comment: &NewComment, attempts: u32) {
        let event = Event::Comment(comment.clone());
        let claimed = Claimed {
            sequence: 1_000_000,
            delivery: Delivery { id: "one".to_owned(), event },
            attempts,
            received: clock::now(),
            claim: 1,
            deaths: 0,
        };
        on_comment(&self.bot, &claimed, comment).await.unwrap();
    }

    /// What GitHub was asked, tokens aside.
    fn asked(&self) -> Vec<String> {
        let calls = self.world.calls();
        let github = calls.iter().filter(|call| call.service == "github" && !call.operation.contains("/access_tokens"));
        let mut asked: Vec<String> = github.map(|call| call.operation.clone()).collect();
        asked.sort();
        asked
    }

    fn answers(&self) -> Vec<String> {
        let all = self.shop.conversation(self.pull).into_iter().map(|comment| comment.body);
        all.filter(|body| body.contains("<!-- shipline:")).collect()
    }

    async fn outcomes(&self) -> Vec<(String, String)> {
        let all = self.bot.store.audit_after(0, 100).await.unwrap();
        all.into_iter().map(|entry| (entry.entry.action, entry.entry.outcome)).collect()
    }

    fn key(&self, environment: &str) -> EnvironmentKey {
        EnvironmentKey { repository: self.reference.id, environment: environment.parse().unwrap() }
    }
}

fn outcome(action: &str, code: &str) -> (String, String) {
    (action.to_owned(), code.to_owned())
}

#[tokio::test]
async fn a_comment_without_a_command_costs_nothing() {
    let stage = Stage::new(false).await;
    stage.says("ann", Role::Write, "Looks good to me, `/deploy staging` comes later.").await;
    assert_eq!(stage.asked(), Vec::<String>::new());
    assert_eq!(stage.outcomes().await, []);
}

#[tokio::test]
async fn a_deploy_costs_three_calls_and_is_handed_in_with_the_learnt_head() {
    let stage = Stage::new(false).await;
    let comment = stage.says("ann", Role::Write, "/deploy staging --reason \"try it\"").await;
    assert_eq!(stage.asked().len(), 3, "{:#?}", stage.asked());
    let open = stage.bot.store.open_deployments(&stage.key("staging")).await.unwrap();
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].asked.kind, DeploymentKind::Deploy { sha: stage.head.parse().unwrap() });
    assert_eq!(open[0].asked.reason.as_deref(), Some("try it"));
    assert_eq!(stage.answers(), Vec::<String>::new(), "the deployment's comment is its worker's");
    // The same delivery again, after a crash.
    stage.works(&comment, 1).await;
    assert_eq!(stage.bot.store.open_deployments(&stage.key("staging")).await.unwrap().len(), 1);
    assert_eq!(stage.outcomes().await, [outcome("deploy", "allowed")]);
}

#[tokio::test]
async fn required_checks_cost_four_more_calls_and_fail_closed() {
    let stage = Stage::new(false).await;
    stage.shop.require_checks(&["test"]);
    stage.says("ann", Role::Write, "/deploy guarded").await;
    // The answer is a call of its own.
    assert!(stage.asked().len() <= 3 + 4 + 1, "{:#?}", stage.asked());
    assert_eq!(stage.outcomes().await, [outcome("deploy", "checks-missing")]);
    stage.shop.check(&stage.head, "test", "success");
    stage.says("ann", Role::Write, "/deploy guarded").await;
    assert_eq!(stage.outcomes().await[1], outcome("deploy", "allowed"));
}

#[tokio::test]
async fn a_push_between_comment_and_work_is_answered_with_the_new_head() {
    let stage = Stage::new(false).await;
    let pushed = stage.shop.push(stage.pull);
    stage.says("ann", Role::Write, "/deploy staging").await;
    let answers = stage.answers();
    assert_eq!(answers.len(), 1);
    assert!(answers[0].contains(&format!("/deploy staging --sha {pushed}")), "{}", answers[0]);
    assert_eq!(stage.outcomes().await, [outcome("deploy", "head-moved")]);
}

#[tokio::test]
async fn a_locked_environment_is_let_go_by_its_holder_and_by_force_only() {
    let stage = Stage::new(false).await;
    stage.says("max", Role::Maintain, "/lock staging --until 2h load test").await;
    stage.says("ann", Role::Write, "/deploy staging").await;
    stage.says("ann", Role::Write, "/unlock staging").await;
    stage.says("eve", Role::Maintain, "/unlock staging").await;
    stage.says("eve", Role::Maintain, "/unlock staging --force he is asleep\n/unlock staging").await;
    let codes: Vec<String> = stage.outcomes().await.into_iter().map(|(_, code)| code).collect();
    assert_eq!(codes, ["done", "locked", "access-denied", "lock-of-another", "done", "not-locked"]);
    assert_eq!(stage.answers().len(), 6);
}

#[tokio::test]
async fn an_answer_is_written_once_however_often_the_comment_is_worked_on() {
    let stage = Stage::new(false).await;
    let comment = stage.says("max", Role::Maintain, "/lock staging\n/help\n/approve staging").await;
    assert_eq!(stage.answers().len(), 3);
    stage.works(&comment, 1).await;
    assert_eq!(stage.answers().len(), 3);
    assert_eq!(stage.outcomes().await.len(), 3);
}

#[tokio::test]
async fn strangers_on_a_public_repository_get_a_reaction_and_no_comment() {
    let stage = Stage::new(true).await;
    for command in ["/deploy staging", "/status", "/deploy nowhere", "/cancel staging", "/lock staging", "/deploy"] {
        stage.says("eve", Role::Read, command).await;
    }
    assert_eq!(stage.answers(), Vec::<String>::new());
    assert!(stage.asked().iter().any(|call| call.contains("/reactions")));
    stage.says("eve", Role::Read, "/deplyo staging").await;
    assert!(!stage.asked().iter().any(|call| call.starts_with("POST")), "{:#?}", stage.asked());
    stage.says("ann", Role::Write, "/deplyo staging").await;
    assert_eq!(stage.answers().len(), 1, "somebody who could have meant us is told");
}

#[tokio::test]
async fn a_comment_that_was_deleted_runs_nothing() {
    let stage = Stage::new(false).await;
    let id = stage.shop.user("ann", Role::Write);
    let comment = CommentId::new(stage.shop.says("ann", stage.pull, "/deploy staging"));
    stage.shop.deletes("ann", comment.get());
    let comment = NewComment {
        repository: stage.reference.clone(),
        issue: stage.pull,
        is_pull: true,
        comment,
        author: Actor { id: UserId::new(id), login: "ann".to_owned() },
        body: "/deploy staging".to_owned(),
        created: clock::now(),
    };
    stage.works(&comment, 0).await;
    assert_eq!(stage.outcomes().await, [outcome("deploy", "comment-gone")]);
    assert!(stage.bot.store.open_deployments(&stage.key("staging")).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_second_deploy_waits_visibly_and_a_cancel_stops_both() {
    let stage = Stage::new(false).await;
    stage.says("ann", Role::Write, "/deploy staging").await;
    let merged = stage.shop.file("README.md", "more");
    stage.says("max", Role::Maintain, &format!("/deploy staging --sha {merged}")).await;
    let answers = stage.answers();
    assert!(answers.len() == 1 && answers[0].contains("waiting behind"), "{answers:?}");
    stage.says("ann", Role::Write, "/cancel").await;
    let open = stage.bot.store.open_deployments(&stage.key("staging")).await.unwrap();
    assert!(open.len() == 2 && open.iter().all(|one| one.cancel.is_some()), "{open:#?}");
    stage.says("ann", Role::Write, "/cancel guarded").await;
    let codes: Vec<String> = stage.outcomes().await.into_iter().map(|(_, code)| code).collect();
    assert_eq!(codes, ["allowed", "queued", "done", "nothing-to-cancel"]);
}

#[tokio::test]
async fn too_many_commands_are_answered_once() {
    let stage = Stage::new(false).await;
    let ten = "/help\n".repeat(10);
    stage.says("ann", Role::Write, &ten).await;
    stage.says("ann", Role::Write, &ten).await;
    stage.says("ann", Role::Write, "/help").await;
    assert_eq!(stage.answers().len(), 21);
    stage.says("ann", Role::Write, "/help").await;
    assert_eq!(stage.asked(), Vec::<String>::new());
}
