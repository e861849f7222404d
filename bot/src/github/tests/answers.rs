//! What GitHub's answers about commits, people and branches are taken for.

use serde_json::{Value, json};
use shipline::config::spec::Role;

use super::super::Standing;
use super::scripted::{Reply, Server, ok, status};
use super::sha;
use crate::decision::{Check, CheckState, PullState, RequiredCheck, ReviewState};
use crate::types::{RepositoryId, UserId};

fn situation() -> Value {
    json!({"data": {"repository": {
        "databaseId": 42,
        "visibility": "PUBLIC",
        "defaultBranchRef": {"name": "main", "target": {"oid": sha(9), "file": {"object": {"text": "version: 1\n", "isTruncated": false}}}},
        "pullRequest": {
            "number": 5, "title": "Faster checkout", "state": "OPEN", "isDraft": false, "headRefOid": sha(2), "baseRefName": "main",
            "isCrossRepository": true, "headRepository": {"databaseId": 77}, "author": {"login": "octocat"},
            "mergeable": "UNKNOWN", "mergeStateStatus": "BEHIND", "reviewDecision": null,
            "latestOpinionatedReviews": {"nodes": [
                {"state": "APPROVED", "author": {"login": "ann"}, "commit": {"oid": sha(2)}},
                {"state": "CHANGES_REQUESTED", "author": {"login": "bob"}, "commit": {"oid": sha(2)}},
                {"state": "APPROVED", "author": null, "commit": null},
                null,
            ]},
        },
        "deployments": {"nodes": [
            {"databaseId": 8, "commitOid": sha(1), "environment": "staging", "payload": "{\"shipline\":{\"plan\":\"3f9a1c\"}}", "createdAt": "2026-01-02T00:00:00Z",
             "creator": {"login": "shipline"}, "latestStatus": {"state": "IN_PROGRESS", "createdAt": "2026-01-02T00:00:05Z"}},
            {"databaseId": 7, "commitOid": sha(1), "environment": "staging", "payload": null, "createdAt": "2026-01-01T00:00:00Z", "creator": null, "latestStatus": null},
        ]},
    }}})
}

async fn answering(answer: Value) -> Server {
    Server::start(move |asked, _| (asked.what == "POST /graphql").then(|| ok(answer.clone()))).await
}

#[tokio::test]
async fn policy_pull_request_and_deployments_come_with_one_question() {
    let server = answering(situation()).await;
    let environment = "staging".parse().unwrap();
    let seen = server.hub().situation(Some(5), Some(&environment)).await.unwrap();
    let asked = &server.asked()[0].body;
    assert_eq!(
        asked["variables"],
        json!({"owner": "acme", "name": "shop", "pull": 5, "withPull": true, "environments": ["staging"], "withDeployments": true, "policy": ".github/shipline.yml"})
    );
    assert_eq!(server.asked().len(), 1);
    assert_eq!((seen.default_branch.as_str(), seen.policy_commit, seen.public), ("main", sha(9), true));
    assert_eq!(seen.policy.as_deref(), Some("version: 1\n"));
    let pull = seen.pull.unwrap();
    assert_eq!((pull.state, pull.head, pull.head_repository), (PullState::Open, sha(2), Some(RepositoryId::new(77))));
    assert_eq!((pull.mergeable, pull.behind, pull.reviews, pull.fork), (None, true, None, true));
    let approvals: Vec<_> = pull.approvals.iter().map(|by| (by.login.as_str(), by.writer, by.commit)).collect();
    assert_eq!(approvals, [("ann", true, Some(sha(2)))], "asking for changes is no approval");
    let [ours, theirs] = seen.deployments.as_slice() else { panic!("{:?}", seen.deployments) };
    assert_eq!(ours.shipline, Some(json!({"plan": "3f9a1c"})));
    assert_eq!(ours.state.as_deref(), Some("in_progress"));
    assert_eq!(ours.since.unwrap().to_string(), "2026-01-02T00:00:05Z");
    assert_eq!((&theirs.shipline, &theirs.state, theirs.since), (&None, &None, None));
}

#[tokio::test]
async fn words_of_reviews_and_merging_are_understood() {
    for (decision, reviews) in [
        ("APPROVED", ReviewState::Approved),
        ("CHANGES_REQUESTED", ReviewState::ChangesRequested),
        ("REVIEW_REQUIRED", ReviewState::Missing),
    ] {
        let mut answer = situation();
        let pull = &mut answer["data"]["repository"]["pullRequest"];
        (pull["reviewDecision"], pull["mergeable"]) = (json!(decision), json!("CONFLICTING"));
        (pull["state"], pull["headRepository"], pull["mergeStateStatus"]) =
            (json!("MERGED"), json!(null), json!("DIRTY"));
        let pull = answering(answer).await.hub().situation(Some(5), None).await.unwrap().pull.unwrap();
        assert_eq!((pull.reviews, pull.mergeable), (Some(reviews), Some(false)));
        assert_eq!((pull.state, pull.head_repository, pull.behind), (PullState::Merged, None, false));
    }
}

#[tokio::test]
async fn no_policy_is_an_answer_and_half_a_policy_is_a_problem() {
    let mut answer = situation();
    let target = "/data/repository/defaultBranchRef/target/file";
    *answer.pointer_mut(target).unwrap() = Value::Null;
    assert_eq!(answering(answer.clone()).await.hub().situation(Some(5), None).await.unwrap().policy, None);
    for object in [
        json!({"text": "version: 1", "isTruncated": true}),
        json!({"text": null, "isTruncated": false}),
        json!({}),
        json!(null),
    ] {
        *answer.pointer_mut(target).unwrap() = json!({ "object": object });
        let problem = answering(answer.clone()).await.hub().situation(Some(5), None).await.unwrap_err();
        assert_eq!(problem.code, "policy-unreadable", "{object}");
    }
}

#[tokio::test]
async fn a_repository_that_took_the_name_of_another_is_not_taken_for_it() {
    let mut answer = situation();
    answer["data"]["repository"]["databaseId"] = json!(43);
    let problem = answering(answer).await.hub().situation(Some(5), None).await.unwrap_err();
    assert_eq!(problem.code, "github-repository");
}

#[tokio::test]
async fn what_graphql_refuses_is_told_apart() {
    let error = |kind: &str, path: Value| json!({"data": {"repository": null}, "errors": [{"type": kind, "message": "Said so", "path": path}]});
    for (answer, code) in [
        (error("FORBIDDEN", json!(["repository", "pullRequest", "reviewDecision"])), "github-permission"),
        (error("NOT_FOUND", json!(["repository"])), "github-permission"),
        (error("NOT_FOUND", json!(["repository", "pullRequest"])), "github-not-found"),
        (error("RATE_LIMITED", json!(null)), "github-limited"),
        (error("undefinedField", json!(["query"])), "github-rejected"),
        (json!({"data": {"repository": null}}), "github-permission"),
        (json!("no"), "github-answer"),
    ] {
        let server = answering(answer.clone()).await;
        let problem = server.hub().situation(Some(5), None).await.unwrap_err();
        assert_eq!(problem.code, code, "{answer}");
        assert_eq!(server.asked().len(), 1);
    }
    // Data in part is no answer.
    let mut partly = situation();
    partly["errors"] = json!([{"type": "FORBIDDEN", "message": "Resource not accessible by integration", "path": ["repository", "deployments"]}]);
    let problem = answering(partly).await.hub().situation(Some(5), None).await.unwrap_err();
    insta::assert_snapshot!(problem, @r"
    GitHub did not read the policy and the pull request: Resource not accessible by integration
      at: repository.deployments
      next: An owner accepts the App's permissions under Settings → GitHub Apps of the account; `shipline-bot doctor` says which are missing.
    ");
}

#[tokio::test]
async fn a_hiccup_of_graphql_is_asked_again() {
    let server = Server::start(|asked, before| {
        let hiccup = json!({"data": null, "errors": [{"message": "Something went wrong while executing your query."}]});
        (asked.what == "POST /graphql").then(|| if before == 0 { ok(hiccup) } else { ok(situation()) })
    })
    .await;
    server.hub().situation(Some(5), None).await.unwrap();
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn rights_are_the_role_the_numeric_id_and_active_memberships() {
    let server = Server::start(|asked, _| match asked.what.as_str() {
        "GET /repos/acme/shop/collaborators/octocat/permission" => Some(ok(
            json!({"permission": "write", "role_name": "release captain", "user": {"id": 1001, "login": "octocat"}}),
        )),
        "GET /orgs/acme/teams/release-managers/memberships/octocat" => {
            Some(ok(json!({"state": "active", "role": "member"})))
        }
        "GET /orgs/acme/teams/invited/memberships/octocat" => Some(ok(json!({"state": "pending", "role": "member"}))),
        _ => None,
    })
    .await;
    let teams = ["acme/release-managers", "acme/invited", "acme/strangers"].map(str::to_owned);
    let rights = server.hub().rights("octocat", &teams).await.unwrap();
    assert_eq!((rights.user, rights.login.as_str(), rights.role), (UserId::new(1001), "octocat", Some(Role::Write)));
    assert_eq!(rights.teams, ["acme/release-managers"]);
}

#[tokio::test]
async fn a_stranger_has_no_role_and_what_is_not_told_is_never_taken_for_an_answer() {
    let server = Server::start(|asked, _| match asked.what.as_str() {
        "GET /users/stranger" => Some(ok(json!({"id": 66, "login": "stranger"}))),
        "GET /repos/acme/shop/collaborators/ann/permission" => {
            Some(ok(json!({"permission": "admin", "role_name": "admin", "user": {"id": 2, "login": "ann"}})))
        }
        "GET /repos/acme/shop/collaborators/ghost/permission" => {
            Some(ok(json!({"permission": "admin", "role_name": "admin", "user": null})))
        }
        "GET /orgs/acme/teams/secret/memberships/ann" => Some(status(403, "Resource not accessible by integration")),
        _ => None,
    })
    .await;
    let hub = server.hub();
    let rights = hub.rights("stranger", &[]).await.unwrap();
    assert_eq!((rights.user, rights.role), (UserId::new(66), None));
    let teams = ["acme/secret".to_owned()];
    assert_eq!(hub.rights("ann", &teams).await.unwrap_err().code, "github-permission");
    assert_eq!(hub.rights("ghost", &[]).await.unwrap_err().code, "github-user");
    for name in ["../ann", "a/b", "", ".."] {
        assert_eq!(hub.rights(name, &[]).await.unwrap_err().code, "github-name", "{name:?}");
        assert_eq!(hub.rights("ann", &[format!("acme/{name}")]).await.unwrap_err().code, "github-name");
    }
}

fn run(id: u64, app: u64, name: &str, status: &str, conclusion: Option<&str>) -> Value {
    json!({"id": id, "app": {"id": app}, "name": name, "status": status, "conclusion": conclusion})
}

#[tokio::test]
async fn checks_and_statuses_of_all_pages_are_collapsed_to_the_newest() {
    let address = "/repos/acme/shop/commits/0000000000000000000000000000000000000001";
    let server = Server::start(move |asked, _| {
        let (what, next) = (asked.what.strip_prefix("GET ")?.strip_prefix(address)?, "rel=\"next\"");
        match what {
            "/check-runs?filter=latest&per_page=100" => {
                let runs = [
                    run(1, 15, "test", "completed", Some("failure")),
                    run(2, 15, "lint", "completed", Some("skipped")),
                    run(3, 7, "Shipline: staging", "in_progress", None),
                ];
                let page = ok(json!({"total_count": 6, "check_runs": runs}));
                Some(page.header("link", format!("<{address}/check-runs?filter=latest&per_page=100&page=2>; {next}")))
            }
            "/check-runs?filter=latest&per_page=100&page=2" => {
                let runs = [
                    run(4, 15, "test", "completed", Some("success")),
                    run(5, 16, "test", "queued", None),
                    run(6, 15, "old", "completed", Some("stale")),
                ];
                Some(ok(json!({"total_count": 6, "check_runs": runs})))
            }
            "/status?per_page=100" => {
                let statuses = [
                    json!({"id": 1, "context": "ci", "state": "error"}),
                    json!({"id": 2, "context": "cla", "state": "success"}),
                ];
                Some(ok(json!({"state": "failure", "total_count": 2, "statuses": statuses})))
            }
            _ => None,
        }
    })
    .await;
    let checks = server.hub().checks(sha(1)).await.unwrap();
    let check = |name: &str, app, state| Check { name: name.to_owned(), app, held: None, state };
    assert_eq!(
        checks,
        [
            check("lint", Some(15), CheckState::Passed),
            check("old", Some(15), CheckState::Failed),
            check("test", Some(15), CheckState::Passed),
            check("test", Some(16), CheckState::Pending),
            check("ci", None, CheckState::Failed),
            check("cla", None, CheckState::Passed),
        ]
    );
}

#[tokio::test]
async fn a_page_that_is_missing_or_fewer_checks_than_counted_are_errors() {
    for (total, link) in
        [(2, None), (1, Some("<https://elsewhere.example/x>; rel=\"next\"")), (1, Some("</gone>; rel=\"next\""))]
    {
        let server = Server::start(move |asked, _| {
            let page = if asked.what.contains("/check-runs") {
                ok(json!({"total_count": total, "check_runs": [run(1, 15, "test", "completed", Some("success"))]}))
            } else if asked.what.contains("/status") {
                ok(json!({"total_count": 0, "statuses": []}))
            } else {
                return None;
            };
            Some(link.into_iter().fold(page, |page, link| page.header("link", link)))
        })
        .await;
        server.hub().checks(sha(1)).await.unwrap_err();
    }
}

async fn branch(protection: Reply, rules: Reply) -> Server {
    let replies = std::sync::Mutex::new((Some(protection), Some(rules)));
    Server::start(move |asked, _| match asked.what.as_str() {
        "GET /repos/acme/shop/branches/release/1.0" => replies.lock().unwrap().0.take(),
        "GET /repos/acme/shop/rules/branches/release/1.0?per_page=100" => replies.lock().unwrap().1.take(),
        _ => None,
    })
    .await
}

fn protection(level: &str) -> Reply {
    ok(json!({"name": "release/1.0", "protected": true, "protection": {"enabled": true, "required_status_checks": {
        "enforcement_level": level, "contexts": ["test", "old"],
        "checks": [{"context": "test", "app_id": 15}, {"context": "any", "app_id": -1}]}}}))
}

fn rules() -> Reply {
    ok(json!([
        {"type": "commit_message_pattern", "ruleset_id": 42, "parameters": {"operator": "starts_with", "pattern": "issue"}},
        {"type": "deletion", "ruleset_id": 42},
        {"type": "required_status_checks", "ruleset_id": 73, "parameters": {"strict_required_status_checks_policy": false,
         "required_status_checks": [{"context": "test", "integration_id": 15}, {"context": "scan"}]}},
    ]))
}

#[tokio::test]
async fn protection_and_rulesets_are_read_together() {
    let required = |name: &str, app| RequiredCheck { name: name.to_owned(), app };
    let server = branch(protection("everyone"), rules()).await;
    assert_eq!(
        server.hub().required_checks("release/1.0").await.unwrap(),
        [required("any", None), required("old", None), required("scan", None), required("test", Some(15))]
    );
    let server = branch(protection("off"), ok(json!([]))).await;
    assert_eq!(server.hub().required_checks("release/1.0").await.unwrap(), []);
    let server = branch(status(404, "Branch not found"), ok(json!([]))).await;
    assert_eq!(server.hub().required_checks("release/1.0").await.unwrap(), []);
    let upgrade = "Upgrade to GitHub Pro or make this repository public to enable this feature.";
    let server = branch(protection("off"), status(403, upgrade)).await;
    assert_eq!(server.hub().required_checks("release/1.0").await.unwrap(), [], "such a plan has no rulesets");
}

#[tokio::test]
async fn required_checks_that_github_does_not_tell_are_an_error() {
    let no = || status(403, "Resource not accessible by integration");
    let unreadable = ok(json!([{"type": "required_status_checks", "parameters": {"required": []}}]));
    for server in [
        branch(no(), ok(json!([]))).await,
        branch(protection("everyone"), no()).await,
        branch(protection("everyone"), unreadable).await,
    ] {
        server.hub().required_checks("release/1.0").await.unwrap_err();
    }
}

#[tokio::test]
async fn what_has_not_changed_is_asked_for_with_its_version_and_costs_nothing() {
    let server = Server::start(|asked, _| {
        let file = || ok(json!({"type": "file", "encoding": "base64", "content": "SGVsbG8K"})).header("etag", "\"v1\"");
        let known = asked.if_none_match.as_deref() == Some("\"v1\"");
        asked
            .what
            .contains("/contents/")
            .then(|| if known { Reply::With(304, Vec::new(), Value::Null) } else { file() })
    })
    .await;
    let hub = server.hub();
    for _ in 0..2 {
        assert_eq!(hub.file("deploy/api task.json", sha(1)).await.unwrap().as_deref(), Some("Hello\n"));
    }
    let asked = server.asked();
    assert_eq!(asked[0].what, format!("GET /repos/acme/shop/contents/deploy/api%20task.json?ref={}", sha(1)));
    assert_eq!((&asked[0].if_none_match, asked[1].if_none_match.as_deref()), (&None, Some("\"v1\"")));
}

#[tokio::test]
async fn a_file_that_is_not_there_is_none_and_a_path_that_leads_up_is_not_asked_for() {
    let server = Server::start(|_, _| None).await;
    assert_eq!(server.hub().file("no.json", sha(1)).await.unwrap(), None);
    assert_eq!(server.hub().file("../../../user", sha(1)).await.unwrap(), None);
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_commit_of_a_fork_is_known_and_stands_elsewhere() {
    let server = Server::start(|asked, _| {
        let compared = |word: &str| Some(ok(json!({ "status": word })));
        let what = asked.what.strip_prefix("GET /repos/acme/shop/")?;
        match (what.starts_with("compare/main..."), what.split("...").nth(1).unwrap_or(what)) {
            (true, rest) if rest.starts_with(&sha(1).to_string()) => compared("behind"),
            (true, rest) if rest.starts_with(&sha(2).to_string()) => compared("diverged"),
            (true, rest) if rest.starts_with(&sha(3).to_string()) => compared("ahead"),
            (false, rest) if rest == format!("commits/{}", sha(4)) => Some(status(422, "No commit found for SHA")),
            (false, rest) if rest == format!("commits/{}", sha(5)) => Some(ok(json!({}))),
            _ => None,
        }
    })
    .await;
    let hub = server.hub();
    for (n, standing) in [
        (1, Standing::OnBranch),
        (2, Standing::Elsewhere),
        (3, Standing::Elsewhere),
        (4, Standing::NotKnown),
        (5, Standing::Elsewhere),
        (6, Standing::NotKnown),
    ] {
        assert_eq!(hub.standing("main", sha(n)).await.unwrap(), standing, "{n}");
    }
}
