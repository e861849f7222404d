//! Keys, tokens, addresses.

use std::sync::atomic::Ordering;

use futures_util::future::join_all;
use secrecy::SecretString;
use serde_json::json;
use shipline::github::{Lifetime, NewDeployment, Stage};

use super::super::App;
use super::scripted::{Reply, Server, key, ok, repository, status};
use super::sha;
use crate::types::CommentId;

#[test]
fn a_key_is_taken_in_both_forms_and_with_escaped_line_ends() {
    let escaped = include_str!("pkcs1.pem").replace('\n', "\\n");
    for pem in [include_str!("pkcs1.pem"), include_str!("pkcs8.pem"), &escaped] {
        App::new("https://api.github.com", 7, &SecretString::from(pem)).unwrap();
    }
}

#[test]
fn a_wrong_key_or_address_names_the_setting_and_shows_nothing_of_the_key() {
    let half = &include_str!("pkcs1.pem")[..400];
    for pem in ["", "secret-but-no-key", half] {
        let problem = App::new("https://api.github.com", 7, &SecretString::from(pem)).unwrap_err();
        assert_eq!((problem.code.as_str(), problem.exit_code()), ("github-private-key", 2));
        assert!(problem.to_string().contains("SHIPLINE_GITHUB_PRIVATE_KEY"), "{problem}");
        assert!(pem.is_empty() || !problem.to_string().contains(pem), "{problem}");
    }
    for address in ["", "api.github.com", "ftp://api.github.com", "https://user:pass@ghe.example/api/v3"] {
        let problem = App::new(address, 7, &key()).unwrap_err();
        assert!(problem.next.contains("SHIPLINE_GITHUB_API_URL"), "{problem}");
    }
}

#[tokio::test]
async fn requests_at_one_time_share_one_token_request_whichever_hub_makes_them() {
    let server = Server::start(|asked, _| asked.what.contains("/commits/").then(|| ok(json!({})))).await;
    let app = server.app();
    let hubs: Vec<_> = (0..8).map(|_| app.clone().hub(&repository())).collect();
    let known = join_all(hubs.iter().map(|hub| hub.knows(sha(1)))).await;
    assert!(known.into_iter().all(|known| known.unwrap()));
    assert_eq!((server.tokens(), server.asked().len()), (1, 8));
    assert!(server.asked().iter().all(|asked| asked.bearer == "Bearer ghs_number1"));
}

#[tokio::test]
async fn a_token_revoked_in_the_middle_is_renewed_once_and_the_request_repeated() {
    let server = Server::start(|asked, _| match asked.bearer.as_str() {
        "Bearer ghs_number1" => Some(status(401, "Bad credentials")),
        "Bearer ghs_number2" => Some(Reply::With(201, Vec::new(), json!({"id": 5, "node_id": "x"}))),
        _ => None,
    })
    .await;
    let hub = server.hub();
    // Writing, too: what was refused was not done.
    assert_eq!(hub.comment(1, "hello").await.unwrap(), CommentId::new(5));
    assert_eq!((server.tokens(), server.asked().len()), (2, 2));
    let both = join_all([hub.edit(CommentId::new(5), "a"), hub.edit(CommentId::new(5), "b")]).await;
    assert!(both.into_iter().all(|edited| edited.unwrap()));
    assert_eq!(server.tokens(), 2, "the new one is kept");
}

#[tokio::test]
async fn a_token_that_is_never_accepted_is_a_problem_after_one_renewal() {
    let server =
        Server::start(|asked, _| asked.what.contains("/commits/").then(|| status(401, "Bad credentials"))).await;
    let problem = server.hub().knows(sha(1)).await.unwrap_err();
    assert_eq!(problem.code, "github-token");
    assert_eq!((server.tokens(), server.asked().len()), (2, 2));
}

#[tokio::test]
async fn a_token_near_its_end_is_renewed_before_it_is_used() {
    let server = Server::start(|asked, _| asked.what.contains("/commits/").then(|| ok(json!({})))).await;
    server.token_life.store(50, Ordering::SeqCst);
    let hub = server.hub();
    assert!(hub.knows(sha(1)).await.unwrap());
    server.token_life.store(3600, Ordering::SeqCst);
    assert!(hub.knows(sha(1)).await.unwrap());
    assert!(hub.knows(sha(1)).await.unwrap());
    let used: Vec<_> = server.asked().into_iter().map(|asked| asked.bearer).collect();
    assert_eq!(used, ["Bearer ghs_number1", "Bearer ghs_number2", "Bearer ghs_number2"]);
}

#[tokio::test]
async fn a_removed_or_suspended_app_is_a_withdrawn_permission_and_those_who_wait_share_the_news() {
    for (code, message) in [(404, "Not Found"), (403, "This installation has been suspended")] {
        let refusal = move || status(code, message);
        let server = Server::start(move |asked, _| asked.what.ends_with("access_tokens").then(refusal)).await;
        let hub = server.hub();
        let told = join_all((0..4).map(|_| hub.knows(sha(1)))).await;
        assert!(told.iter().all(|told| told.as_ref().unwrap_err().code == "github-permission"), "{told:?}");
        assert_eq!((server.tokens(), server.asked().len()), (1, 0));
        let problem = told.into_iter().next().unwrap().unwrap_err();
        assert!(problem.to_string().contains("installation 9") && problem.to_string().contains(message), "{problem}");
    }
}

#[tokio::test]
async fn a_permission_withdrawn_in_the_middle_is_named_with_what_is_needed() {
    let server = Server::start(|asked, _| {
        let refusal = || status(403, "Resource not accessible by integration");
        asked
            .what
            .contains("/comments")
            .then(refusal)
            .map(|reply| reply.header("x-accepted-github-permissions", "issues=write"))
    })
    .await;
    let problem = server.hub().comment(1, "hello").await.unwrap_err();
    assert_eq!(problem.code, "github-permission");
    assert!(problem.why.contains(&"needs permission: issues=write".to_owned()), "{problem}");
    assert!(problem.next.contains("Settings → GitHub Apps"), "{problem}");
}

#[tokio::test]
async fn an_enterprise_server_is_asked_below_its_path_and_graphql_beside_it() {
    let server = Server::start(|asked, _| match asked.what.as_str() {
        "GET /api/v3/repos/acme/shop/issues/comments/5" => Some(ok(json!({"id": 5, "node_id": "IC_5"}))),
        "POST /api/graphql" => Some(ok(json!({"data": {}}))),
        "GET /api/v3/app" => Some(ok(json!({"name": "Shipline", "slug": "shipline"}))),
        _ => None,
    })
    .await;
    for api in [format!("{}/api/v3", server.url), format!("{}/api/v3/", server.url)] {
        let app = App::new(&api, 7, &key()).unwrap();
        app.hub(&repository()).minimize(CommentId::new(5)).await.unwrap();
        assert_eq!(app.identity().await.unwrap().slug, "shipline");
    }
    let asked: Vec<_> = server.asked().into_iter().take(3).map(|asked| asked.what).collect();
    assert_eq!(asked, ["GET /api/v3/repos/acme/shop/issues/comments/5", "POST /api/graphql", "GET /api/v3/app"]);
    assert_eq!(server.tokens(), 2);
    assert_eq!(server.asked()[1].body["variables"]["comment"], "IC_5");
}

#[tokio::test]
async fn a_renamed_repository_is_followed_and_an_address_elsewhere_never_gets_the_token() {
    let elsewhere = Server::start(|_, _| Some(ok(json!({})))).await;
    let stranger = elsewhere.url.clone();
    let server = Server::start(move |asked, _| match asked.what.as_str() {
        "POST /repos/acme/shop/issues/1/comments" => {
            Some(Reply::With(307, vec![("location", "/repositories/42/issues/1/comments".to_owned())], json!({})))
        }
        "POST /repositories/42/issues/1/comments" => Some(ok(json!({"id": 5, "node_id": "x"}))),
        what if what.contains("/commits/") => {
            Some(status(301, "Moved Permanently").header("location", format!("{stranger}/repositories/42")))
        }
        _ => None,
    })
    .await;
    let hub = server.hub();
    assert_eq!(hub.comment(1, "hello").await.unwrap(), CommentId::new(5));
    assert_eq!(server.asked()[1].body["body"], "hello");
    assert_eq!(hub.knows(sha(1)).await.unwrap_err().code, "github-rejected");
    assert_eq!(elsewhere.asked().len(), 0);
}

#[tokio::test]
async fn neither_the_key_nor_a_token_stands_in_debug_output_or_problems() {
    let server = Server::start(|asked, _| asked.what.contains("/commits/").then(|| status(401, "Bad"))).await;
    let app = server.app();
    let hub = app.hub(&repository());
    let problem = hub.knows(sha(1)).await.unwrap_err();
    let printed = format!("{app:?} {hub:?} {:?} {problem:?} {problem}", hub.deployments());
    assert!(!printed.contains("ghs_") && !printed.contains("PRIVATE KEY-----"), "{printed}");
}

#[tokio::test]
async fn deployments_speak_with_the_installations_token_and_without_secrets() {
    let made =
        json!({"id": 3, "sha": sha(1), "environment": "staging", "payload": {}, "created_at": "2026-01-01T00:00:00Z"});
    let server = Server::start(move |asked, _| {
        asked.what.ends_with("/deployments").then(|| Reply::With(201, vec![], made.clone()))
    })
    .await;
    let redactor = shipline::redact::Redactor::new();
    redactor.add("hunter2-hunter2");
    let hub = server.app().with_redactor(redactor).hub(&repository());
    let new = NewDeployment {
        environment: "staging".parse().unwrap(),
        sha: sha(1),
        shipline: json!({"plan": "3f9a1c"}),
        description: "with hunter2-hunter2".to_owned(),
        stage: Stage::Other,
        lifetime: Lifetime::Lasting,
    };
    hub.deployments().create_deployment(&new).await.unwrap();
    let asked = &server.asked()[0];
    assert_eq!(asked.bearer, "Bearer ghs_number1");
    assert_eq!(asked.body["description"], "with ***");
}
