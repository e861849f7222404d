//! Who may ask, and what is answered.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::key::AppKey;
use super::{Shop, seconds, signed};
use crate::Role;

#[tokio::test]
async fn an_app_is_believed_by_its_signature_and_for_ten_minutes_at_most() {
    let shop = Shop::open().await;
    let now = seconds();
    let good = shop.get("/app", &shop.jwt()).await;
    assert_eq!((good.status, good.body["slug"].as_str()), (200, Some("shipline")));
    let claims = |iss: Value, iat: i64, exp: i64| json!({"iss": iss, "iat": now + iat, "exp": now + exp});
    let id = json!(shop.app.id);
    let by_client_id = signed(&shop.app.pem, &claims(json!(shop.app.client_id), 0, 300));
    assert_eq!(shop.get("/app", &by_client_id).await.status, 200);
    for (why, iat, exp) in [
        ("must be a numeric value representing the future time", -600, -10),
        ("is too far in the future", 0, 3600),
        ("'Issued at' claim", 300, 500),
    ] {
        let refused = shop.get("/app", &signed(&shop.app.pem, &claims(id.clone(), iat, exp))).await;
        assert_eq!(refused.status, 401);
        assert!(refused.body["message"].as_str().unwrap().contains(why), "{}", refused.body);
    }
    let other = AppKey::generate().unwrap();
    let forged = shop.get("/app", &signed(&other.pem, &claims(id, 0, 300))).await;
    assert_eq!(forged.body["message"], "A JSON web token could not be decoded");
    let unknown = shop.get("/app", &signed(&shop.app.pem, &claims(json!(1), 0, 300))).await;
    assert_eq!(unknown.status, 404);
}

#[tokio::test]
async fn a_token_lives_an_hour_by_the_models_clock_and_ends_with_its_installation() {
    let shop = Shop::open().await;
    let token = shop.token().await;
    assert_eq!(shop.get("/repos/acme/shop", &token).await.status, 200);
    shop.github.advance(Duration::from_secs(3590));
    assert_eq!(shop.get("/repos/acme/shop", &token).await.status, 200);
    shop.github.advance(Duration::from_secs(20));
    let late = shop.get("/repos/acme/shop", &token).await;
    assert_eq!((late.status, late.body["message"].as_str()), (401, Some("Bad credentials")));
    let token = shop.token().await;
    shop.github.act("suspend", &json!({}));
    assert_eq!(shop.get("/repos/acme/shop", &token).await.status, 403);
    shop.github.act("unsuspend", &json!({}));
    shop.github.act("uninstall", &json!({}));
    assert_eq!(shop.get("/repos/acme/shop", &token).await.status, 401);
    let path = format!("/app/installations/{}/access_tokens", shop.app.installation.unwrap());
    assert_eq!(shop.ask("POST", &path, &shop.jwt(), &Value::Null).await.status, 404);
}

#[tokio::test]
async fn every_endpoint_asks_for_its_permission() {
    let shop = Shop::open().await;
    let token = shop.token().await;
    let pull = shop.repository.pull("dev", "Change");
    let comments = format!("/repos/acme/shop/issues/{}/comments", pull.number);
    assert_eq!(shop.ask("POST", &comments, &token, &json!({"body": "hello"})).await.status, 201);
    shop.github.withdraw("issues").withdraw("pull_requests");
    let refused = shop.ask("POST", &comments, &token, &json!({"body": "hello"})).await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.body["message"], "Resource not accessible by integration");
    assert_eq!(refused.header("x-accepted-github-permissions"), Some("issues=write; pull_requests=write"));
    for (permission, path) in [
        ("checks", format!("/repos/acme/shop/commits/{}/check-runs", pull.sha)),
        ("statuses", format!("/repos/acme/shop/commits/{}/status", pull.sha)),
        ("contents", "/repos/acme/shop/branches/main".to_owned()),
        ("deployments", "/repos/acme/shop/deployments".to_owned()),
    ] {
        assert_eq!(shop.get(&path, &token).await.status, 200, "{path}");
        shop.github.withdraw(permission);
        assert_eq!(shop.get(&path, &token).await.status, 403, "{path}");
    }
    shop.github.team("release-managers", &["boss"]);
    let team = "/orgs/acme/teams/release-managers/memberships/boss";
    assert_eq!(shop.get(team, &token).await.body["state"], "active");
    shop.github.withdraw("members");
    assert_eq!(shop.get(team, &token).await.status, 403);
    assert_eq!(shop.get("/repos/acme/shop", "ghs_of_somebody").await.status, 401);
    assert_eq!(shop.get("/repos/other/secret", &token).await.status, 404);
}

#[tokio::test]
async fn a_role_is_told_in_both_words_and_stays_with_the_person_not_the_login() {
    let shop = Shop::open().await;
    let token = shop.token().await;
    let id = shop.repository.user("dev", Role::Maintain);
    let permission = "/repos/acme/shop/collaborators/dev/permission";
    let known = shop.get(permission, &token).await.body;
    assert_eq!(
        (&known["permission"], &known["role_name"], &known["user"]["id"]),
        (&json!("write"), &json!("maintain"), &json!(id))
    );
    shop.github.rename("dev", "developer");
    assert_eq!(shop.get(permission, &token).await.status, 404);
    let other = shop.github.act("user", &json!({"login": "dev"}))["id"].as_u64().unwrap();
    assert_ne!(other, id);
    let unknown = shop.get(permission, &token).await.body;
    assert_eq!((&unknown["permission"], &unknown["user"]["id"]), (&json!("none"), &json!(other)));
}

#[tokio::test]
async fn an_unchanged_answer_is_a_304_that_costs_nothing_and_the_limit_ends_at_its_reset() {
    let shop = Shop::open().await;
    let token = shop.token().await;
    let first = shop.get("/repos/acme/shop/branches/main", &token).await;
    assert_eq!(first.header("x-ratelimit-remaining"), Some("4999"));
    let tag = first.header("etag").unwrap().to_owned();
    let same = [("if-none-match", tag.as_str())];
    let second = shop.ask_with("GET", "/repos/acme/shop/branches/main", &token, &Value::Null, &same).await;
    assert_eq!((second.status, second.header("x-ratelimit-remaining")), (304, Some("4999")));
    shop.repository.file("a.txt", "a");
    let third = shop.ask_with("GET", "/repos/acme/shop/branches/main", &token, &Value::Null, &same).await;
    assert_eq!(third.status, 200);
    shop.github.leave_requests(1, Duration::from_millis(1500));
    assert_eq!(shop.get("/repos/acme/shop", &token).await.header("x-ratelimit-remaining"), Some("0"));
    let over = shop.get("/repos/acme/shop", &token).await;
    assert_eq!((over.status, over.header("x-ratelimit-remaining")), (403, Some("0")));
    let reset: i64 = over.header("x-ratelimit-reset").unwrap().parse().unwrap();
    assert!((1..=3).contains(&(reset - seconds())), "{reset}");
}

#[tokio::test]
async fn lists_come_in_pages_that_name_the_next() {
    let shop = Shop::open().await;
    let token = shop.token().await;
    let pull = shop.repository.pull("dev", "Change");
    for name in ["a", "b", "c"] {
        shop.repository.check(&pull.sha, name, "failure");
    }
    shop.repository.check(&pull.sha, "a", "success");
    let mut path = format!("/repos/acme/shop/commits/{}/check-runs?per_page=2", pull.sha);
    let mut found = Vec::new();
    loop {
        let page = shop.get(&path, &token).await;
        assert_eq!(page.body["total_count"], 3, "a rerun replaces the run before");
        let runs = page.body["check_runs"].as_array().unwrap().clone();
        found.extend(runs.iter().map(|run| format!("{} {}", run["name"], run["conclusion"]).replace('"', "")));
        let link = page.header("link").unwrap_or_default().to_owned();
        let next = link.split(", ").find(|one| one.ends_with("rel=\"next\""));
        let Some(next) = next else { break };
        path = next.split(['<', '>']).nth(1).unwrap().to_owned();
    }
    assert_eq!(found, ["a success", "c failure", "b failure"]);
    let all = shop.get(&format!("/repos/acme/shop/commits/{}/check-runs?filter=all", pull.sha), &token).await;
    assert_eq!(all.body["total_count"], 4);
}

#[tokio::test]
async fn a_new_head_is_invisible_for_as_long_as_the_model_was_told() {
    let shop = Shop::open().await;
    let token = shop.token().await;
    let pull = shop.repository.pull("dev", "Change");
    shop.github.heads_visible_after(Duration::from_mins(1));
    let pushed = shop.repository.push(pull.number);
    let path = format!("/repos/acme/shop/pulls/{}", pull.number);
    assert_eq!(shop.get(&path, &token).await.body["head"]["sha"], pull.sha);
    assert_eq!(shop.get(&format!("/repos/acme/shop/commits/{pushed}"), &token).await.status, 422);
    shop.github.advance(Duration::from_secs(61));
    assert_eq!(shop.get(&path, &token).await.body["head"]["sha"], pushed);
    assert_eq!(shop.get(&format!("/repos/acme/shop/commits/{pushed}"), &token).await.status, 200);
}

const SITUATION: &str = include_str!("../../../../../bot/src/github/situation.graphql");

#[tokio::test]
async fn the_situation_is_answered_whole_and_what_may_not_be_read_is_an_error_beside_it() {
    let shop = Shop::open().await;
    let token = shop.token().await;
    shop.repository.file(".github/shipline.yml", "version: 1\n");
    for login in ["dev", "boss"] {
        shop.repository.user(login, Role::Write);
    }
    shop.repository.act("protect", json!({"reviews": 1, "checks": [{"context": "test"}]}));
    let pull = shop.repository.pull("dev", "Change");
    shop.repository.review("boss", pull.number, "approved").review("stranger", pull.number, "changes_requested");
    shop.repository.foreign_deployment("boss", &pull.sha, "staging", "in_progress");
    shop.repository.foreign_deployment("boss", &pull.sha, "production", "success");
    let variables = json!({
        "owner": "acme", "name": "shop", "pull": pull.number, "withPull": true, "environments": ["staging"],
        "withDeployments": true, "policy": ".github/shipline.yml",
    });
    let body = json!({"query": SITUATION, "operationName": "Situation", "variables": variables});
    let answer = shop.ask("POST", "/graphql", &token, &body).await;
    let repository = &answer.body["data"]["repository"];
    assert_eq!(answer.body.get("errors"), None);
    assert_eq!(answer.header("x-ratelimit-resource"), Some("graphql"));
    assert_eq!(repository["defaultBranchRef"]["target"]["file"]["object"]["text"], "version: 1\n");
    let shown = &repository["pullRequest"];
    assert_eq!((&shown["headRefOid"], &shown["reviewDecision"]), (&json!(pull.sha), &json!("APPROVED")));
    assert_eq!(shown["mergeStateStatus"], "BLOCKED", "the required check is missing");
    assert_eq!(shown["latestOpinionatedReviews"]["nodes"][0]["author"]["login"], "boss");
    assert_eq!(shown["latestOpinionatedReviews"]["nodes"].as_array().unwrap().len(), 1, "writers only");
    let deployments = repository["deployments"]["nodes"].as_array().unwrap();
    assert_eq!((deployments.len(), &deployments[0]["latestStatus"]["state"]), (1, &json!("IN_PROGRESS")));

    shop.github.withdraw("pull_requests");
    let answer = shop.ask("POST", "/graphql", &token, &body).await;
    assert_eq!(answer.body["errors"][0]["type"], "FORBIDDEN");
    assert_eq!(answer.body["errors"][0]["path"], json!(["repository", "pullRequest"]));
    assert_eq!(answer.body["data"]["repository"]["pullRequest"], Value::Null);
    let mut without = body;
    without["variables"]["withPull"] = json!(false);
    let answer = shop.ask("POST", "/graphql", &token, &without).await;
    assert_eq!(answer.body["data"]["repository"].get("pullRequest"), None);
    for query in
        ["query { viewer { login } }", "query { repository(owner: 1", "mutation { addStar { clientMutationId } }"]
    {
        let answer = shop.ask("POST", "/graphql", &token, &json!({"query": query})).await;
        assert_eq!((answer.status, answer.body.get("data")), (200, None), "{query}");
        assert!(answer.body["errors"][0]["message"].is_string(), "{query}");
    }
}

#[tokio::test]
async fn a_conversation_is_kept_as_people_see_it() {
    let shop = Shop::open().await;
    let token = shop.token().await;
    let pull = shop.repository.pull("dev", "Change");
    let said = shop.repository.says("dev", pull.number, "/deploy staging");
    let reactions = format!("/repos/acme/shop/issues/comments/{said}/reactions");
    for status in [201, 200] {
        assert_eq!(shop.ask("POST", &reactions, &token, &json!({"content": "eyes"})).await.status, status);
    }
    let comments = format!("/repos/acme/shop/issues/{}/comments", pull.number);
    let made = shop.ask("POST", &comments, &token, &json!({"body": "### staging <!-- mark -->"})).await.body;
    let own = format!("/repos/acme/shop/issues/comments/{}", made["id"]);
    assert_eq!(shop.ask("PATCH", &own, &token, &json!({"body": "### done <!-- mark -->"})).await.status, 200);
    let others = format!("/repos/acme/shop/issues/comments/{said}");
    assert_eq!(shop.ask("PATCH", &others, &token, &json!({"body": "x"})).await.status, 403);
    let mutation = json!({
        "query": "mutation($id: ID!) { minimizeComment(input: {subjectId: $id, classifier: OUTDATED}) { minimizedComment { isMinimized } } }",
        "variables": {"id": made["node_id"]},
    });
    let minimized = shop.ask("POST", "/graphql", &token, &mutation).await;
    assert_eq!(minimized.body["data"]["minimizeComment"]["minimizedComment"]["isMinimized"], true);
    let conversation = shop.repository.conversation(pull.number);
    let seen: Vec<_> = conversation
        .iter()
        .map(|one| (one.author.as_str(), one.body.as_str(), one.reactions.len(), one.minimized.as_deref()))
        .collect();
    assert_eq!(
        seen,
        [("dev", "/deploy staging", 1, None), ("shipline[bot]", "### done <!-- mark -->", 0, Some("OUTDATED")),]
    );
    let text = shop.get(&format!("/_sim/github/acme/shop/pull/{}.txt", pull.number), "").await;
    assert_eq!(text.status, 200);
    let page = reqwest::get(format!("{}/_sim/github/acme/shop/pull/{}", shop.world.endpoint(), pull.number)).await;
    let page = page.unwrap().text().await.unwrap();
    assert!(page.contains("👀 1") && page.contains("marked as outdated") && !page.contains("mark --"), "{page}");
    shop.repository.deletes("dev", said);
    assert_eq!(shop.ask("POST", &reactions, &token, &json!({"content": "eyes"})).await.status, 404);
    assert_eq!(shop.world.count("github", &format!("POST {reactions}")), 3);
}

#[tokio::test]
async fn a_dispatched_workflow_builds_an_image_and_ends_by_itself() {
    let shop = Shop::open().await;
    let token = shop.token().await;
    let pull = shop.repository.pull("dev", "Change");
    shop.repository.building_workflow("build.yml", "sha", &["shop/api"], Duration::from_millis(50));
    let path = "/repos/acme/shop/actions/workflows/build.yml/dispatches";
    let body = json!({"ref": "main", "inputs": {"sha": pull.sha}, "return_run_details": true});
    let made = shop.ask("POST", path, &token, &body).await;
    assert_eq!(made.status, 200);
    let run = format!("/repos/acme/shop/actions/runs/{}", made.body["workflow_run_id"]);
    assert_eq!(shop.get(&run, &token).await.body["status"], "queued");
    let began = crate::state::now();
    while shop.get(&run, &token).await.body["conclusion"] != "success" {
        assert!(crate::state::now() < began + 10_000, "the run does not end");
    }
    let images = shop.world.ecr_tags("shop/api");
    assert_eq!(images, [pull.sha]);
    let quiet = json!({"ref": "main"});
    assert_eq!(shop.ask("POST", path, &token, &quiet).await.status, 204);
    assert_eq!(shop.ask("POST", path, &token, &json!({"ref": "nowhere"})).await.status, 422);
    assert_eq!(shop.ask("POST", &path.replace("build", "none"), &token, &quiet).await.status, 404);
}

#[tokio::test]
async fn deployments_of_the_app_and_of_somebody_else_are_told_apart() {
    let shop = Shop::open().await;
    let token = shop.token().await;
    let pull = shop.repository.pull("dev", "Change");
    let body =
        json!({"ref": pull.sha, "environment": "staging", "payload": {"plan": "3f9a1c"}, "required_contexts": []});
    let ours = shop.ask("POST", "/repos/acme/shop/deployments", &token, &body).await.body;
    let theirs = shop.repository.foreign_deployment("boss", &pull.sha, "staging", "in_progress");
    let statuses = format!("/repos/acme/shop/deployments/{}/statuses", ours["id"]);
    assert_eq!(shop.ask("POST", &statuses, &token, &json!({"state": "queued"})).await.status, 201);
    let seen = shop.repository.deployments();
    let told: Vec<_> = seen
        .iter()
        .map(|one| (one["id"].as_u64(), one["creator"].as_str(), one["statuses"][0]["state"].as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (ours["id"].as_u64(), Some("shipline[bot]"), Some("queued")),
            (Some(theirs), Some("boss"), Some("in_progress")),
        ]
    );
    assert_ne!(ours["id"].as_u64(), Some(theirs));
}

#[tokio::test]
async fn a_manifest_becomes_an_app_once() {
    let shop = Shop::open().await;
    let manifest = json!({
        "name": "Shipline at Acme", "url": "https://example.com", "redirect_url": "http://127.0.0.1:9/done",
        "hook_attributes": {"url": "http://127.0.0.1:9/webhooks/github"},
        "default_permissions": {"issues": "write"}, "default_events": ["issue_comment"],
    });
    let code = shop.github.act("manifest", &json!({"manifest": manifest}))["code"].as_str().unwrap().to_owned();
    let path = format!("{}/app-manifests/{code}/conversions", shop.world.endpoint());
    let answer = shop.http.post(&path).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 201);
    let made: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(made["slug"], "shipline-at-acme");
    let now = seconds();
    let jwt = signed(made["pem"].as_str().unwrap(), &json!({"iss": made["id"], "iat": now, "exp": now + 60}));
    assert_eq!(shop.get("/app", &jwt).await.body["permissions"], json!({"issues": "write"}));
    assert_eq!(shop.http.post(&path).send().await.unwrap().status().as_u16(), 404);
}
