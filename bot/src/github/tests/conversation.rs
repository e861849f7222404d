//! Comments, check runs, workflows, deliveries.

use serde_json::{Value, json};
use shipline::redact::Redactor;

use super::super::{CheckRun, Reaction, RunState};
use super::scripted::{Reply, Server, in_seconds, ok, repository, status};
use super::sha;
use crate::types::{CommentId, RunId};

#[tokio::test]
async fn a_comment_that_is_gone_is_said_and_is_no_error() {
    let server = Server::start(|_, _| None).await;
    let hub = server.hub();
    assert!(!hub.react(CommentId::new(1), Reaction::Eyes).await.unwrap());
    assert!(!hub.edit(CommentId::new(1), "x").await.unwrap());
    hub.minimize(CommentId::new(1)).await.unwrap();
    assert_eq!(server.asked().len(), 3, "nothing is folded that is not there");
}

#[tokio::test]
async fn what_is_written_has_no_secrets_fits_and_keeps_its_marker() {
    let server = Server::start(|asked, _| match asked.what.as_str() {
        "POST /repos/acme/shop/issues/1/comments" => Some(Reply::With(201, vec![], json!({"id": 5, "node_id": "x"}))),
        "POST /repos/acme/shop/check-runs" => Some(Reply::With(201, vec![], json!({"id": 6}))),
        what if what.starts_with("PATCH") => Some(ok(json!({"id": 5}))),
        _ => None,
    })
    .await;
    let redactor = Redactor::new();
    redactor.add("hunter2-hunter2");
    let hub = server.app().with_redactor(redactor).hub(&repository());
    let long = format!("hunter2-hunter2\n{}<!-- shipline:deployment:7 -->", "a line\n".repeat(20_000));
    hub.comment(1, &long).await.unwrap();
    assert!(hub.edit(CommentId::new(5), &long).await.unwrap());
    let mut run = CheckRun {
        name: "Shipline: staging".to_owned(),
        sha: sha(1),
        conclusion: None,
        title: "deploying hunter2-hunter2".to_owned(),
        summary: long,
        details_url: Some("https://github.com/acme/shop/pull/1".to_owned()),
        buttons: Vec::new(),
    };
    let id = hub.create_check_run(&run).await.unwrap();
    run.conclusion = Some("success".to_owned());
    hub.update_check_run(id, &run).await.unwrap();
    let asked = server.asked();
    for (n, text) in
        [(0, &asked[0].body["body"]), (1, &asked[1].body["body"]), (2, &asked[2].body["output"]["summary"])]
    {
        let text = text.as_str().unwrap();
        assert!(text.starts_with("***\n") && text.chars().count() <= 65_536, "{n}");
        assert!(text.ends_with("\n<!-- shipline:deployment:7 -->"), "{n}");
    }
    let [made, changed] = [2, 3].map(|n: usize| asked[n].body.clone());
    assert_eq!(
        (&made["head_sha"], &made["status"], &made["conclusion"]),
        (&json!(sha(1)), &json!("in_progress"), &Value::Null)
    );
    assert_eq!(made["output"]["title"], "deploying ***");
    assert_eq!(
        (&changed["status"], &changed["conclusion"], &changed["head_sha"]),
        (&json!("completed"), &json!("success"), &Value::Null)
    );
    assert_eq!(asked[3].what, "PATCH /repos/acme/shop/check-runs/6");
}

#[tokio::test]
async fn our_comment_is_found_on_any_page_and_nobody_elses_is_taken_for_it() {
    let marker = "<!-- shipline:deployment:7 -->";
    let comment = move |id: u64, login: &str, app: Option<u64>, text: &str| {
        json!({"id": id, "node_id": "x", "body": format!("{text}\n{marker}"), "user": {"login": login},
               "performed_via_github_app": app.map(|id| json!({ "id": id }))})
    };
    let forged =
        [comment(1, "mallory", None, "a"), comment(2, "other[bot]", Some(8), "b"), comment(3, "shipline", None, "c")];
    let first = json!(forged);
    let script = move |ours: Value| {
        let first = first.clone();
        Server::start(move |asked, _| match asked.what.as_str() {
            "GET /repos/acme/shop/issues/1/comments?since=2026-01-01T00%3A00%3A00Z&per_page=100" => {
                Some(ok(first.clone()).header("link", "</repos/acme/shop/issues/1/comments?page=2>; rel=\"next\""))
            }
            "GET /repos/acme/shop/issues/1/comments?page=2" => Some(ok(ours.clone())),
            "GET /app" => Some(ok(json!({"name": "Shipline", "slug": "shipline"}))),
            _ => None,
        })
    };
    let since = "2026-01-01T00:00:00Z".parse().unwrap();
    for (ours, found) in [
        (json!([comment(9, "shipline[bot]", Some(7), "ours")]), Some(CommentId::new(9))),
        (json!([comment(9, "shipline[bot]", None, "ours")]), Some(CommentId::new(9))),
        (json!([{"id": 9, "node_id": "x", "body": "another", "user": {"login": "shipline[bot]"}}]), None),
        (json!([]), None),
    ] {
        let server = script(ours).await;
        let hub = server.hub();
        assert_eq!(hub.find_comment(1, marker, since).await.unwrap(), found);
        hub.find_comment(1, marker, since).await.unwrap();
        let asked = server.asked().iter().filter(|asked| asked.what == "GET /app").count();
        assert!(asked <= 1, "who we are is asked for once");
    }
}

#[tokio::test]
async fn a_workflow_is_started_found_again_and_followed() {
    let server = Server::start(|asked, _| match asked.what.split('?').next().unwrap() {
        "POST /repos/acme/shop/actions/workflows/build.yml/dispatches" => {
            Some(ok(json!({"workflow_run_id": 11, "run_url": "u", "html_url": "h"})))
        }
        "POST /repos/acme/shop/actions/workflows/old.yml/dispatches" => Some(Reply::With(204, vec![], Value::Null)),
        "GET /repos/acme/shop/actions/workflows/build.yml/runs" => Some(ok(json!({"total_count": 2, "workflow_runs": [
            {"id": 12, "display_title": "build for deployment 8", "name": "build", "status": "queued", "conclusion": null, "html_url": "h"},
            {"id": 11, "display_title": "build for deployment 7", "name": "build", "status": "queued", "conclusion": null, "html_url": "h"},
        ]}))),
        "GET /repos/acme/shop/actions/runs/11" => Some(ok(json!({"id": 11, "status": "completed", "conclusion": "failure", "html_url": "https://x"}))),
        "GET /repos/acme/shop/actions/runs/12" => Some(ok(json!({"id": 12, "status": "waiting", "conclusion": null, "html_url": "h"}))),
        _ => None,
    })
    .await;
    let hub = server.hub();
    let inputs = [("sha", sha(1).to_string())];
    assert_eq!(hub.dispatch(".github/workflows/build.yml", "main", &inputs).await.unwrap(), RunId::new(11));
    assert_eq!(server.asked()[0].body, json!({"ref": "main", "inputs": {"sha": sha(1)}, "return_run_details": true}));
    assert_eq!(hub.dispatch("old.yml", "main", &[]).await.unwrap_err().code, "github-run-unknown");
    assert_eq!(hub.dispatch("../../x", "main", &[]).await.unwrap_err().code, "github-workflow");
    assert_eq!(hub.dispatch("none.yml", "main", &[]).await.unwrap_err().code, "github-no-workflow");
    let since = "2026-01-01T00:01:00Z".parse().unwrap();
    assert_eq!(hub.find_run("build.yml", "deployment 7", since).await.unwrap(), Some(RunId::new(11)));
    assert_eq!(hub.find_run("build.yml", "deployment 9", since).await.unwrap(), None);
    let looked = &server.asked()[3].what;
    assert!(
        looked.ends_with("runs?event=workflow_dispatch&created=%3E%3D2026-01-01T00%3A00%3A00Z&per_page=100"),
        "{looked}"
    );
    let ended = RunState::Ended { conclusion: "failure".to_owned(), url: "https://x".to_owned() };
    assert_eq!(hub.run(RunId::new(11)).await.unwrap(), ended);
    assert_eq!(hub.run(RunId::new(12)).await.unwrap(), RunState::Going);
}

#[tokio::test]
async fn deliveries_are_read_page_by_page_until_they_are_too_old() {
    let item = |id: u64, age: i64, code: u16| {
        json!({"id": id, "guid": format!("guid-{id}"), "delivered_at": in_seconds(-age), "redelivery": false, "duration": 0.1,
               "status": "OK", "status_code": code, "event": "issue_comment", "action": "created"})
    };
    let pages = [
        json!([item(4, 10, 202), item(3, 20, 502)]),
        json!([item(2, 30, 0), item(1, 4_000, 502)]),
        json!([item(0, 5_000, 502)]),
    ];
    let server = Server::start(move |asked, _| {
        let page = match asked.what.as_str() {
            "GET /app/hook/deliveries?per_page=100" => 0,
            "GET /app/hook/deliveries?per_page=100&cursor=v1_1" => 1,
            "GET /app/hook/deliveries?per_page=100&cursor=v1_2" => 2,
            "POST /app/hook/deliveries/3/attempts" => return Some(Reply::With(202, vec![], json!({}))),
            _ => return None,
        };
        let next = format!("</app/hook/deliveries?per_page=100&cursor=v1_{}>; rel=\"next\"", page + 1);
        Some(ok(pages[page].clone()).header("link", next))
    })
    .await;
    let app = server.app();
    let found = app.deliveries_since(in_seconds(-3_600)).await.unwrap();
    let told: Vec<_> = found.iter().map(|found| (found.id, found.guid.as_str(), found.arrived)).collect();
    assert_eq!(told, [(4, "guid-4", true), (3, "guid-3", false), (2, "guid-2", false)]);
    assert_eq!(found[0].event, "issue_comment.created");
    assert_eq!(server.asked().len(), 2, "the third page is older than what was asked for");
    assert!(
        server.asked().iter().all(|asked| asked.bearer.starts_with("Bearer eyJ")),
        "the App asks, not an installation"
    );
    app.redeliver(3).await.unwrap();
    assert_eq!(app.redeliver(99).await.unwrap_err().code, "github-not-found");
}

#[tokio::test]
async fn installations_and_permissions_of_all_pages_are_listed() {
    let server = Server::start(|asked, _| match asked.what.as_str() {
        "GET /app/installations?per_page=100" => Some(
            ok(json!([{"id": 9, "account": {"login": "acme"}, "permissions": {"contents": "read", "checks": "write"}}]))
                .header("link", "</app/installations?per_page=100&page=2>; rel=\"next\""),
        ),
        "GET /app/installations?per_page=100&page=2" => Some(ok(json!([{"id": 10, "account": {"slug": "big-corp"}, "permissions": {}}]))),
        "GET /app" => Some(ok(json!({"name": "Shipline", "slug": "shipline", "permissions": {"contents": "read"}, "events": ["issue_comment"]}))),
        _ => Some(status(500, "no")),
    })
    .await;
    let app = server.app();
    let found = app.installations().await.unwrap();
    let told: Vec<_> =
        found.iter().map(|(id, account, permissions)| format!("{id} {account} {permissions:?}")).collect();
    assert_eq!(told, [r#"9 acme [("contents", "read"), ("checks", "write")]"#, "10 big-corp []"]);
    let identity = app.identity().await.unwrap();
    assert_eq!((identity.name.as_str(), identity.events), ("Shipline", vec!["issue_comment".to_owned()]));
}

#[tokio::test]
async fn commits_between_are_newest_first_and_one_line_each() {
    let commit = |n: u8, message: &str| {
        let person = json!({"name": "Ann", "date": "2026-01-01T00:00:00Z"});
        json!({"sha": sha(n), "commit": {"message": message, "author": person, "committer": person}, "author": {"login": "ann"}})
    };
    let compared = json!({"html_url": "h", "ahead_by": 2, "behind_by": 0, "commits": [commit(2, "Two\n\nwhy"), commit(3, "Three")]});
    let server = Server::start(move |asked, _| asked.what.contains("/compare/").then(|| ok(compared.clone()))).await;
    let commits = server.hub().commits_between(sha(1), sha(3)).await.unwrap();
    let told: Vec<_> =
        commits.iter().map(|commit| (commit.sha, commit.title.as_str(), commit.author.as_str())).collect();
    assert_eq!(told, [(sha(3), "Three", "ann"), (sha(2), "Two", "ann")]);
}
