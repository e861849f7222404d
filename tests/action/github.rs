//! What we tell GitHub, and read from it.

use secrecy::SecretString;
use shipline::github::{AutoInactive, Client, DeploymentState, Lifetime, NewDeployment, NewStatus, Stage};
use shipline::types::CommitSha;
use shipline_test_support::{AwsWorld, CommitSeed, Fault, FaultKind, Seed};

const TOKEN: &str = "canary-github-token-19ce";

fn sha(n: u8) -> CommitSha {
    format!("{n:040x}").parse().unwrap()
}

async fn world(commits: u8) -> (AwsWorld, Client) {
    let world = AwsWorld::start().await;
    let commits = (1..=commits).map(|n| CommitSeed {
        repository: "acme/shop".to_owned(),
        sha: sha(n).to_string(),
        message: format!("Change {n}\n\nWhy it was changed."),
        author: "octocat".to_owned(),
        reference: None,
    });
    world.seed(Seed { commits: commits.collect(), ..Seed::default() });
    let client = client(&world);
    (world, client)
}

fn client(world: &AwsWorld) -> Client {
    Client::new(&world.endpoint(), "acme/shop".parse().unwrap(), SecretString::from(TOKEN))
}

fn deployment(n: u8) -> NewDeployment {
    NewDeployment {
        environment: "staging".parse().unwrap(),
        sha: sha(n),
        shipline: serde_json::json!({"plan": "3f9a1c", "release": n}),
        description: "api, web".to_owned(),
        stage: Stage::Other,
        lifetime: Lifetime::Lasting,
    }
}

fn status(state: DeploymentState) -> NewStatus {
    NewStatus {
        state,
        description: "x".repeat(200),
        log_url: Some("https://github.com/acme/shop/actions/runs/1".to_owned()),
        environment_url: Some("https://staging.example.com".to_owned()),
        auto_inactive: AutoInactive::Yes,
    }
}

#[tokio::test]
async fn a_deployment_is_made_without_merging_or_waiting_for_checks_and_found_again() {
    let (world, github) = world(2).await;
    let made = github.create_deployment(&deployment(2)).await.unwrap();
    github.set_status(made.id, &status(DeploymentState::InProgress)).await.unwrap();
    let request = &world.calls_of("github", "POST /repos/acme/shop/deployments")[0].body;
    assert_eq!(request["auto_merge"], false);
    assert_eq!(request["required_contexts"], serde_json::json!([]));
    assert_eq!(request["ref"], sha(2).to_string());

    let environment = "staging".parse().unwrap();
    let found = github.deployments(&environment, Some(&sha(2)), 10).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].shipline.as_ref().unwrap()["plan"], "3f9a1c");
    assert!(!found[0].is_foreign());
    let status = found[0].status.as_ref().unwrap();
    assert_eq!(status.state, DeploymentState::InProgress);
    assert_eq!(status.description.as_ref().unwrap().chars().count(), 140);
    assert_eq!(status.environment_url.as_deref(), Some("https://staging.example.com"));
    assert!(github.deployments(&environment, Some(&sha(1)), 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn history_is_newest_first_and_a_success_ends_the_one_before() {
    let (_world, github) = world(2).await;
    for n in [1, 2] {
        let made = github.create_deployment(&deployment(n)).await.unwrap();
        github.set_status(made.id, &status(DeploymentState::Success)).await.unwrap();
    }
    let found = github.deployments(&"staging".parse().unwrap(), None, 10).await.unwrap();
    let states: Vec<_> = found.iter().map(|found| (found.sha, found.status.as_ref().unwrap().state)).collect();
    assert_eq!(states, [(sha(2), DeploymentState::Success), (sha(1), DeploymentState::Inactive)]);
}

#[tokio::test]
async fn a_deployment_of_somebody_else_in_progress_is_seen_and_one_that_ended_is_not() {
    let (world, github) = world(2).await;
    let environment = "staging".parse().unwrap();
    let ours = github.create_deployment(&deployment(1)).await.unwrap();
    github.set_status(ours.id, &status(DeploymentState::Failure)).await.unwrap();
    assert_eq!(github.in_progress(&environment).await.unwrap(), []);

    let foreign = reqwest::Client::new()
        .post(format!("{}/repos/acme/shop/deployments", world.endpoint()))
        .header("authorization", "bearer another-token")
        .body(serde_json::json!({"ref": sha(2), "environment": "staging", "payload": "by hand"}).to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(foreign.status().as_u16(), 201);
    assert_eq!(github.in_progress(&environment).await.unwrap(), [], "it has no status yet");
    let id = github.deployments(&environment, None, 1).await.unwrap()[0].id;
    github.set_status(id, &status(DeploymentState::Queued)).await.unwrap();
    let open = github.in_progress(&environment).await.unwrap();
    assert_eq!(open.len(), 1);
    assert!(open[0].is_foreign() && open[0].sha == sha(2));
    assert_eq!(github.in_progress(&"production".parse().unwrap()).await.unwrap(), []);
}

#[tokio::test]
async fn the_commits_between_two_releases_are_listed_oldest_first() {
    let (_world, github) = world(4).await;
    let forward = github.compare(&sha(1), &sha(4)).await.unwrap();
    assert_eq!((forward.ahead, forward.behind), (3, 0));
    let listed: Vec<_> = forward.commits.iter().map(|commit| (commit.sha, commit.summary.as_str())).collect();
    assert_eq!(listed, [(sha(2), "Change 2"), (sha(3), "Change 3"), (sha(4), "Change 4")]);
    assert_eq!(forward.commits[0].author, "octocat");
    let back = github.compare(&sha(4), &sha(1)).await.unwrap();
    assert_eq!((back.ahead, back.behind, back.commits.len()), (0, 3, 0));
}

#[tokio::test]
async fn a_secondary_limit_is_waited_out_and_the_deployment_made_once() {
    let (world, github) = world(1).await;
    world.fault(Fault::on("github", "POST /repos/acme/shop/deployments", FaultKind::Throttle).times(1));
    github.create_deployment(&deployment(1)).await.unwrap();
    let calls = world.calls_of("github", "POST /repos/acme/shop/deployments");
    assert_eq!(calls.len(), 2);
    assert!(calls[1].at_ms - calls[0].at_ms >= 900, "retry-after: 1 was not honoured");
    assert_eq!(github.deployments(&"staging".parse().unwrap(), None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_creation_whose_answer_was_lost_is_not_repeated_and_a_reading_is() {
    let (world, github) = world(1).await;
    world.fault(Fault::on("github", "POST /repos/acme/shop/deployments", FaultKind::LoseResponse).times(1));
    assert_eq!(github.create_deployment(&deployment(1)).await.unwrap_err().code, "unavailable");
    assert_eq!(world.count("github", "POST /repos/acme/shop/deployments"), 1);
    world.no_faults();
    let list = "GET /repos/acme/shop/deployments";
    world.fault(Fault::on("github", list, FaultKind::ServerError { status: 502 }).times(2));
    assert_eq!(github.deployments(&"staging".parse().unwrap(), None, 10).await.unwrap().len(), 1);
    assert_eq!(world.count("github", list), 3);
}

#[tokio::test]
async fn a_missing_permission_is_named_and_the_token_never() {
    let (world, github) = world(1).await;
    world.fault(Fault::on("github", "POST /repos/acme/shop/deployments", FaultKind::Deny));
    let problem = github.create_deployment(&deployment(1)).await.unwrap_err();
    assert_eq!((problem.code.as_str(), problem.exit_code()), ("github-permission", 4));
    assert!(problem.next.contains("deployments: write"), "{problem}");
    let unknown = Client::new(&world.endpoint(), "acme/other".parse().unwrap(), SecretString::from(TOKEN));
    let missing = unknown.compare(&sha(1), &sha(1)).await.unwrap_err();
    assert_eq!(missing.code, "github-not-found");
    let printed = format!("{problem:?} {problem} {missing:?} {missing} {github:?}");
    assert!(!printed.contains(TOKEN), "{printed}");
}

/// One answer to one request, which comes back as it was sent.
fn answering(body: &'static str) -> (String, std::thread::JoinHandle<String>) {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
            request.push(byte[0]);
        }
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()).unwrap();
        String::from_utf8(request).unwrap().to_lowercase()
    });
    (address, asked)
}

#[tokio::test]
async fn an_enterprise_server_is_asked_under_its_path_with_the_token_and_our_name() {
    let (address, asked) = answering(r#"{"id": 1, "default_branch": "trunk"}"#);
    let github = Client::new(&format!("{address}/api/v3/"), "acme/shop".parse().unwrap(), SecretString::from(TOKEN));
    assert_eq!(github.default_branch().await.unwrap(), "trunk");
    let asked = asked.join().unwrap();
    assert!(asked.starts_with("get /api/v3/repos/acme/shop http/1.1"), "{asked}");
    assert!(asked.contains(&format!("authorization: bearer {TOKEN}")), "{asked}");
    assert!(asked.contains("user-agent: shipline\r\n"), "{asked}");
    assert!(asked.contains("x-github-api-version: 2022-11-28"), "{asked}");
}

#[tokio::test]
async fn an_answer_that_is_not_githubs_is_a_problem_and_not_a_panic() {
    let (address, _asked) = answering("<html>a proxy says hello</html>");
    let github = Client::new(&address, "acme/shop".parse().unwrap(), SecretString::from(TOKEN));
    let problem = github.default_branch().await.unwrap_err();
    assert_eq!(problem.code, "github-answer");
    assert!(problem.next.contains("GITHUB_API_URL"), "{problem}");
}
