//! App Runner services that App Runner builds from a branch, as the provider and the user see them.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};
use shipline::config::spec::{AppRunnerSpec, Strategy};
use shipline::engine::{SourceHost, Target, Wish};
use shipline::github::{Branches, Connection, Token};
use shipline::problem::Problem;
use shipline::rollout::{CauseCode, Change, Phase};
use shipline::targets::app_runner::AppRunnerTarget;
use shipline::types::CommitSha;
use shipline_test_support::{
    AppRunnerBehaviour, AppRunnerRule, AppRunnerServiceSeed, AwsWorld, CommitSeed, Fault, FaultKind, Seed, Timing,
};

use crate::app_runner::{driven, service_name, session, word};
use crate::stage::{pause, until};

use crate::target_contract::canary;

pub(crate) const REPOSITORY: &str = "acme/farm";
pub(crate) const SERVICE: &str = "ava-olo-monitoring-dashboards";
const BACK: &str = "shipline-rollback";

/// The commit whose name is that letter over and over.
pub(crate) fn commit(letter: char) -> CommitSha {
    letter.to_string().repeat(40).parse().unwrap()
}

/// `main` comes to stand at it.
pub(crate) fn push(aws: &AwsWorld, letter: char) {
    aws.push(REPOSITORY, "main", &commit(letter).to_string());
}

/// How deployments of a commit go from now on.
pub(crate) fn going(letter: char, behaviour: AppRunnerBehaviour) -> AppRunnerRule {
    AppRunnerRule {
        service: None,
        image: Some(format!("#{}", commit(letter))),
        behaviour,
        after_ms: None,
        rollback_ms: None,
        times: None,
    }
}

/// A service that serves the commit `a` of `main`, pushed a while ago, and no push deploys by itself.
pub(crate) async fn farm() -> (AwsWorld, String) {
    let service = AppRunnerServiceSeed::from_source(SERVICE, REPOSITORY, "main");
    let mut source = service.0["SourceConfiguration"].clone();
    source["AutoDeploymentsEnabled"] = json!(false);
    farm_with(service.with("SourceConfiguration", source)).await
}

async fn farm_with(service: AppRunnerServiceSeed) -> (AwsWorld, String) {
    let aws = AwsWorld::start().await;
    let first = CommitSeed {
        repository: REPOSITORY.to_owned(),
        sha: commit('a').to_string(),
        message: "First".to_owned(),
        author: "octocat".to_owned(),
        reference: None,
    };
    let made = aws.seed(Seed {
        commits: vec![first],
        commits_age_ms: 60_000,
        app_runner_services: vec![service],
        ..Seed::default()
    });
    let arn = made["app_runner_services"][0].as_str().unwrap().to_owned();
    (aws, arn)
}

pub(crate) fn spec() -> AppRunnerSpec {
    AppRunnerSpec {
        service: SERVICE.to_owned(),
        branch: Some("main".to_owned()),
        rollback_branch: Some(BACK.to_owned()),
        ..AppRunnerSpec::default()
    }
}

pub(crate) async fn source_target(aws: &AwsWorld, spec: &AppRunnerSpec, strategy: Strategy) -> AppRunnerTarget {
    let token = Arc::new(Token::new(SecretString::from("ghs_token".to_owned())));
    let host: Arc<dyn SourceHost> = Arc::new(Branches::over(Connection::new(&aws.endpoint(), token)));
    let region = "us-east-1".parse().unwrap();
    AppRunnerTarget::new(&session(aws).await, &service_name(), spec, strategy, region).with_source_host(Some(host))
}

async fn target(aws: &AwsWorld) -> Arc<dyn Target> {
    Arc::new(source_target(aws, &spec(), Strategy::Rolling).await)
}

fn wish(letter: char) -> Wish {
    Wish::Source { commit: commit(letter) }
}

/// Pushes the commit and deploys it.
async fn deployed(aws: &AwsWorld, letter: char) -> Phase {
    push(aws, letter);
    driven(target(aws).await, &wish(letter)).await
}

fn serves(aws: &AwsWorld) -> String {
    aws.app_runner_commit(SERVICE).unwrap()
}

fn operations(aws: &AwsWorld, arn: &str) -> Vec<Value> {
    let listed = aws.app_runner("ListOperations", &json!({"ServiceArn": arn})).unwrap();
    listed["OperationSummaryList"].as_array().unwrap().clone()
}

fn branch_of(aws: &AwsWorld, arn: &str) -> String {
    let service = aws.app_runner("DescribeService", &json!({"ServiceArn": arn})).unwrap();
    let code = &service["Service"]["SourceConfiguration"]["CodeRepository"];
    code["SourceCodeVersion"]["Value"].as_str().unwrap().to_owned()
}

fn changes(aws: &AwsWorld) -> usize {
    ["UpdateService", "StartDeployment", "CreateService", "DeleteService", "TagResource"]
        .iter()
        .map(|operation| aws.count("apprunner", operation))
        .sum::<usize>()
        + aws.calls().iter().filter(|call| call.operation.contains("/git/refs")).count()
}

async fn refusal(target: &dyn Target, wish: &Wish) -> Problem {
    target.prepare(wish).await.map(drop).unwrap_err().into()
}

#[tokio::test]
async fn a_commit_is_built_and_proven_and_what_served_before_is_kept_by_the_rollback_branch() {
    let (aws, _) = farm().await;
    let phase = deployed(&aws, 'b').await;
    assert_eq!(word(&phase), "succeeded");
    assert_eq!(serves(&aws), commit('b').to_string());
    assert_eq!(aws.branch(REPOSITORY, BACK), Some(commit('a').to_string()));
    // The same once more is nothing to do.
    let again = target(&aws).await.prepare(&wish('b')).await.unwrap().service;
    assert_eq!(again.change, Change::Nothing);
    assert_eq!(aws.count("apprunner", "StartDeployment"), 1);
    assert_eq!(aws.count("apprunner", "UpdateService"), 0);
}

#[tokio::test]
async fn a_failed_build_is_a_failure_with_the_lines_of_the_build_and_nothing_is_deleted() {
    let (aws, _) = farm().await;
    let lines = ["Collecting fastapi==99", "ERROR: No matching distribution found for fastapi==99"];
    let behaviour = AppRunnerBehaviour::BuildFails { lines: lines.map(str::to_owned).to_vec(), reason: None };
    aws.app_runner_rule(going('b', behaviour));
    let phase = deployed(&aws, 'b').await;
    assert_eq!((word(&phase), phase.outcome().unwrap().exit_code()), ("rolled-back", 1));
    assert_eq!(serves(&aws), commit('a').to_string());
    let cause = phase.services()[&service_name()].cause().unwrap().clone();
    assert_eq!(cause.code, CauseCode::BuildFailed, "{cause:?}");
    let shown = cause.log.unwrap();
    assert!(shown.source.contains("/service deployment/"), "{}", shown.source);
    assert_eq!(shown.lines, lines.map(|line| format!("[Build] {line}")));
    assert!(cause.provider_says.unwrap().contains("Failed to execute 'build' command"));
    // App Runner kept what served: nothing was asked for but the one build, and nothing was deleted.
    assert_eq!((aws.count("apprunner", "StartDeployment"), aws.count("apprunner", "UpdateService")), (1, 0));
    assert_eq!(aws.count("apprunner", "DeleteService"), 0);
}

#[tokio::test]
async fn a_failed_health_check_is_a_failure_although_the_service_reads_running() {
    let check = json!({
        "Protocol": "HTTP", "Path": "/health", "Interval": 10, "Timeout": 5, "HealthyThreshold": 1, "UnhealthyThreshold": 5,
    });
    let service = AppRunnerServiceSeed::from_source(SERVICE, REPOSITORY, "main");
    let (aws, arn) = farm_with(service.with("HealthCheckConfiguration", check)).await;
    aws.timing(Timing { automatic_ms: 600_000, ..Timing::default() });
    aws.app_runner_rule(going('b', AppRunnerBehaviour::HealthFails { lines: vec!["no database".to_owned()] }));
    let phase = deployed(&aws, 'b').await;
    assert_eq!(word(&phase), "rolled-back");
    assert_eq!(operations(&aws, &arn)[0]["Status"], "ROLLBACK_SUCCEEDED");
    assert_eq!(serves(&aws), commit('a').to_string());
    let cause = phase.services()[&service_name()].cause().unwrap().clone();
    assert_eq!(cause.code, CauseCode::ContainerUnhealthy);
    assert!(cause.summary.contains("HTTP /health on port 8080, every 10 s, 5 s to answer"), "{}", cause.summary);
    assert_eq!(cause.log.unwrap().lines, ["no database"]);
}

/// A service that every push deploys.
async fn automatic() -> (AwsWorld, String) {
    farm_with(AppRunnerServiceSeed::from_source(SERVICE, REPOSITORY, "main")).await
}

fn begun(aws: &AwsWorld, arn: &str, count: usize) {
    until("the automatic deployment", || operations(aws, arn).len() == count);
}

#[tokio::test]
async fn an_automatic_deployment_of_the_same_commit_is_joined() {
    let (aws, arn) = automatic().await;
    aws.app_runner_rule(AppRunnerRule { after_ms: Some(1_500), ..going('b', AppRunnerBehaviour::Succeeds {}) });
    push(&aws, 'b');
    begun(&aws, &arn, 2);
    let phase = driven(target(&aws).await, &wish('b')).await;
    assert_eq!(word(&phase), "succeeded");
    assert_eq!(serves(&aws), commit('b').to_string());
    assert_eq!(operations(&aws, &arn).len(), 2, "the creation and the push's own deployment");
    assert_eq!(aws.count("apprunner", "StartDeployment"), 0);
}

#[tokio::test]
async fn a_joined_automatic_deployment_that_fails_is_a_failure() {
    let (aws, arn) = automatic().await;
    let behaviour = AppRunnerBehaviour::BuildFails { lines: vec!["SyntaxError".to_owned()], reason: None };
    aws.app_runner_rule(AppRunnerRule { after_ms: Some(1_500), ..going('b', behaviour) });
    push(&aws, 'b');
    begun(&aws, &arn, 2);
    let phase = driven(target(&aws).await, &wish('b')).await;
    assert_eq!(word(&phase), "rolled-back");
    assert_eq!(phase.services()[&service_name()].cause().unwrap().log.as_ref().unwrap().lines, ["[Build] SyntaxError"]);
    assert_eq!(aws.count("apprunner", "StartDeployment"), 0);
    assert_eq!(serves(&aws), commit('a').to_string());
}

#[tokio::test]
async fn an_automatic_deployment_of_another_commit_is_waited_for() {
    let (aws, arn) = automatic().await;
    aws.app_runner_rule(AppRunnerRule { after_ms: Some(1_500), ..going('b', AppRunnerBehaviour::Succeeds {}) });
    push(&aws, 'b');
    begun(&aws, &arn, 2);
    until("the source code was taken", || operations(&aws, &arn)[0]["Status"] == "IN_PROGRESS");
    // This push begins no deployment of its own: one is running.
    push(&aws, 'c');
    let phase = driven(target(&aws).await, &wish('c')).await;
    assert_eq!(word(&phase), "succeeded");
    assert_eq!(serves(&aws), commit('c').to_string());
    let statuses: Vec<Value> = operations(&aws, &arn).iter().map(|known| known["Status"].clone()).collect();
    assert_eq!(statuses, ["SUCCEEDED", "SUCCEEDED", "SUCCEEDED"]);
    assert_eq!(aws.count("apprunner", "StartDeployment"), 1);
}

#[tokio::test]
async fn what_an_automatic_deployment_brought_already_is_nothing_to_do() {
    let (aws, arn) = automatic().await;
    push(&aws, 'b');
    begun(&aws, &arn, 2);
    until("it serves", || serves(&aws) == commit('b').to_string());
    let plan = target(&aws).await.prepare(&wish('b')).await.unwrap().service;
    assert_eq!((plan.change, plan.previous.commit), (Change::Nothing, Some(commit('b'))));
    let past = target(&aws).await.past().await.unwrap();
    let good: Vec<_> = past.good.iter().map(|good| good.revision.commit).collect();
    assert_eq!((past.live.commit, good), (Some(commit('b')), vec![Some(commit('a'))]));
}

#[tokio::test]
async fn a_push_while_app_runner_builds_is_no_success_of_the_commit_before_it() {
    let (aws, arn) = farm().await;
    aws.app_runner_rule(AppRunnerRule { after_ms: Some(3_000), ..going('b', AppRunnerBehaviour::Succeeds {}) });
    push(&aws, 'b');
    let target = target(&aws).await;
    let plan = target.prepare(&wish('b')).await.unwrap().service;
    let shift = target.apply(&plan).await.unwrap();
    until("the source code was taken", || operations(&aws, &arn)[0]["Status"] == "IN_PROGRESS");
    pause(Duration::from_millis(1_100));
    push(&aws, 'c');
    let sight = crate::app_runner::settle(&*target, &plan, &shift).await;
    let shipline::engine::Sight::Superseded { by } = sight else { panic!("{sight:?}") };
    assert!(by.contains(&commit('c').short()), "{by}");
}

#[tokio::test]
async fn what_a_branch_cannot_bring_is_refused_before_anything_changes() {
    let (aws, _) = farm().await;
    push(&aws, 'c');
    let with = async |spec: AppRunnerSpec| source_target(&aws, &spec, Strategy::Rolling).await;
    let image: shipline::types::PinnedImage = crate::app_runner::image('a');

    let moved_on = refusal(&with(spec()).await, &wish('b')).await;
    assert_eq!(moved_on.code, "branch-elsewhere");
    assert!(moved_on.what.contains("main stands at ccccccc, not at bbbbbbb"), "{moved_on}");
    assert!(moved_on.next.contains(&format!("--sha {}", commit('c'))), "{moved_on}");

    let gone = AppRunnerSpec { branch: Some("release".to_owned()), ..spec() };
    assert_eq!(refusal(&with(gone).await, &wish('c')).await.code, "branch-missing");

    let pinned = Wish::Image { image, commit: None };
    let no_image = refusal(&with(spec()).await, &pinned).await;
    assert_eq!(no_image.code, "source-code-service");
    assert!(no_image.next.contains("branch: main"), "{no_image}");

    let region = "us-east-1".parse().unwrap();
    let alone = AppRunnerTarget::new(&session(&aws).await, &service_name(), &spec(), Strategy::Rolling, region);
    assert_eq!(refusal(&alone, &wish('c')).await.code, "no-github-token");

    let canary = source_target(&aws, &spec(), canary()).await;
    assert_eq!(refusal(&canary, &wish('c')).await.code, "strategy-not-possible");

    assert_eq!(changes(&aws), 0);
}

#[tokio::test]
async fn one_of_the_last_good_releases_comes_back_through_the_rollback_branch_and_the_next_deploy_leaves_it() {
    let (aws, arn) = farm().await;
    for letter in ['b', 'c', 'd'] {
        assert_eq!(word(&deployed(&aws, letter).await), "succeeded");
    }
    let past = target(&aws).await.past().await.unwrap();
    let good: Vec<_> = past.good.iter().map(|good| good.revision.commit.unwrap()).collect();
    assert_eq!((past.live.commit, good), (Some(commit('d')), vec![commit('c'), commit('b'), commit('a')]));

    let wish_back = Wish::Revision(past.good[1].revision.clone());
    let phase = driven(target(&aws).await, &wish_back).await;
    assert_eq!(word(&phase), "succeeded");
    assert_eq!(serves(&aws), commit('b').to_string());
    assert_eq!((branch_of(&aws, &arn).as_str(), aws.branch(REPOSITORY, BACK)), (BACK, Some(commit('b').to_string())));
    // `main` was never touched.
    assert_eq!(aws.branch(REPOSITORY, "main"), Some(commit('d').to_string()));
    let now = target(&aws).await.past().await.unwrap();
    assert_eq!((now.live.commit, now.good[0].revision.commit), (Some(commit('b')), Some(commit('d'))));

    assert_eq!(word(&deployed(&aws, 'e').await), "succeeded");
    assert_eq!((branch_of(&aws, &arn), serves(&aws)), ("main".to_owned(), commit('e').to_string()));
}

#[tokio::test]
async fn without_a_rollback_branch_an_older_commit_is_refused_with_the_way_that_can() {
    let (aws, _) = farm().await;
    assert_eq!(word(&deployed(&aws, 'b').await), "succeeded");
    let without = AppRunnerSpec { rollback_branch: None, ..spec() };
    let target = source_target(&aws, &without, Strategy::Rolling).await;
    let past = target.past().await.unwrap();
    let before = changes(&aws);
    let problem = refusal(&target, &Wish::Revision(past.good[0].revision.clone())).await;
    assert_eq!(problem.code, "no-rollback-branch");
    assert!(
        problem.next.contains("rollback-branch: shipline-rollback") && problem.next.contains("git revert"),
        "{problem}"
    );
    assert_eq!(changes(&aws), before);
}

#[tokio::test]
async fn a_token_that_may_not_move_branches_changes_nothing_and_is_told_the_push_to_make() {
    let (aws, _) = farm().await;
    aws.fault(Fault::on("github", "POST /repos/acme/farm/git/refs", FaultKind::Deny));
    let phase = deployed(&aws, 'b').await;
    assert_eq!(word(&phase), "nothing-changed");
    let cause = phase.services()[&service_name()].cause().unwrap();
    assert!(cause.next.contains(&format!("{}:refs/heads/{BACK}", commit('a'))), "{cause:?}");
    assert_eq!(serves(&aws), commit('a').to_string());
    assert_eq!(aws.count("apprunner", "StartDeployment"), 0);
    // Whoever pushes it by hand needs no such permission.
    aws.push(REPOSITORY, BACK, &commit('a').to_string());
    assert_eq!(word(&deployed(&aws, 'b').await), "succeeded");
}

#[tokio::test]
async fn settings_are_changed_first_and_the_commit_is_built_with_them() {
    let (aws, arn) = farm().await;
    push(&aws, 'b');
    let spec = AppRunnerSpec { environment: [("LOG_LEVEL".into(), "debug".into())].into(), ..spec() };
    let target = Arc::new(source_target(&aws, &spec, Strategy::Rolling).await);
    assert_eq!(word(&driven(target, &wish('b')).await), "succeeded");
    let kinds: Vec<Value> = operations(&aws, &arn).iter().map(|known| known["Type"].clone()).collect();
    assert_eq!(kinds, ["START_DEPLOYMENT", "UPDATE_SERVICE", "CREATE_SERVICE"]);
    let service = aws.app_runner("DescribeService", &json!({"ServiceArn": arn})).unwrap();
    let values =
        &service["Service"]["SourceConfiguration"]["CodeRepository"]["CodeConfiguration"]["CodeConfigurationValues"];
    assert_eq!(values["RuntimeEnvironmentVariables"], json!({"LOG_LEVEL": "debug"}));
    assert_eq!(values["BuildCommand"], "pip install -r requirements.txt");
}
