//! Limits, and answers that get lost.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::{join, join_all};
use serde_json::json;
use shipline::engine::clock;

use super::super::{Budget, Reaction, retry_after};
use super::scripted::{Reply, Server, in_seconds, ok, repository, status};
use super::sha;
use crate::types::CommentId;

fn known(asked: &str) -> bool {
    asked.contains("/commits/")
}

#[tokio::test]
async fn a_spent_hour_that_is_nearly_over_is_waited_for() {
    let reset = in_seconds(1).as_second();
    let server = Server::start(move |asked, before| {
        let spent = || {
            status(403, "API rate limit exceeded").header("x-ratelimit-remaining", 0).header("x-ratelimit-reset", reset)
        };
        known(&asked.what).then(|| if before == 0 { spent() } else { ok(json!({})) })
    })
    .await;
    let begun = clock::instant();
    assert!(server.hub().knows(sha(1)).await.unwrap());
    assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn a_spent_hour_that_lasts_says_when_to_come_back_and_nothing_more_is_sent_until_then() {
    let reset = in_seconds(1_800).as_second();
    let server = Server::start(move |asked, _| {
        let spent = || {
            status(403, "API rate limit exceeded").header("x-ratelimit-remaining", 0).header("x-ratelimit-reset", reset)
        };
        match asked.what.as_str() {
            what if known(what) => Some(spent()),
            "POST /graphql" => Some(ok(json!({"data": {}}))),
            _ => None,
        }
    })
    .await;
    let hub = server.hub();
    for _ in 0..3 {
        let problem = hub.knows(sha(1)).await.unwrap_err();
        assert_eq!(problem.code, "github-limited");
        let wait = retry_after(&problem).unwrap().as_secs();
        assert!((1_790..=1_801).contains(&wait), "{problem}");
    }
    assert_eq!(server.asked().len(), 1, "GitHub is left in peace");
    // GraphQL has an hour of its own.
    hub.situation(None, None).await.unwrap_err();
    assert_eq!(server.asked().last().unwrap().what, "POST /graphql");
}

#[tokio::test]
async fn a_secondary_limit_is_waited_for_when_short_and_concerns_everything_when_long() {
    let server = Server::start(|asked, before| match asked.what.as_str() {
        "PATCH /repos/acme/shop/issues/comments/1" if before == 0 => Some(status(429, "slow").header("retry-after", 1)),
        "PATCH /repos/acme/shop/issues/comments/2" => {
            Some(status(403, "You have exceeded a secondary rate limit").header("retry-after", 120))
        }
        what if what.starts_with("PATCH") => Some(ok(json!({}))),
        _ => None,
    })
    .await;
    let hub = server.hub();
    let begun = clock::instant();
    assert!(hub.edit(CommentId::new(1), "x").await.unwrap());
    assert!(begun.elapsed() >= Duration::from_millis(950), "retry-after was not honoured");
    let problem = hub.edit(CommentId::new(2), "x").await.unwrap_err();
    assert_eq!(retry_after(&problem), Some(Duration::from_mins(2)));
    let before = server.asked().len();
    let problem = hub.knows(sha(1)).await.unwrap_err();
    assert!((118..=120).contains(&retry_after(&problem).unwrap().as_secs()), "{problem}");
    assert_eq!(server.asked().len(), before);
}

#[tokio::test]
async fn writing_goes_one_after_another_and_reading_at_once() {
    let server =
        Server::start(|asked, _| (known(&asked.what) || asked.what.starts_with("PATCH")).then(|| ok(json!({})))).await;
    let hub = server.hub();
    hub.edit(CommentId::new(1), "x").await.unwrap();
    join_all((0..5).map(|n| hub.edit(CommentId::new(n), "x"))).await;
    assert_eq!(server.at_once.load(Ordering::SeqCst), 1);
    join_all((0..5).map(|_| hub.knows(sha(1)))).await;
    assert!(server.at_once.load(Ordering::SeqCst) > 1);
}

#[tokio::test]
async fn a_comment_whose_answer_was_lost_is_not_written_again_and_what_can_be_repeated_is() {
    // The token's own request is lost once, too.
    let server = Server::start(|asked, before| match asked.what.as_str() {
        what if what.ends_with("/access_tokens") => (before == 0).then_some(Reply::Lost),
        "POST /repos/acme/shop/check-runs" => Some(status(502, "Bad Gateway")),
        what if what.ends_with("/issues/1/comments") || what.ends_with("/dispatches") || before == 0 => {
            Some(Reply::Lost)
        }
        _ => Some(ok(json!({}))),
    })
    .await;
    let hub = server.hub();
    assert_eq!(hub.comment(1, "x").await.unwrap_err().code, "unavailable");
    assert_eq!(hub.dispatch("build.yml", "main", &[]).await.unwrap_err().code, "unavailable");
    let run = super::super::CheckRun {
        name: "Shipline: staging".to_owned(),
        sha: sha(1),
        conclusion: None,
        title: String::new(),
        summary: String::new(),
        details_url: None,
        buttons: Vec::new(),
    };
    assert_eq!(hub.create_check_run(&run).await.unwrap_err().code, "unavailable");
    assert_eq!(server.asked().len(), 3, "each was sent once");
    let (edited, reacted) = join(hub.edit(CommentId::new(5), "x"), hub.react(CommentId::new(5), Reaction::Eyes)).await;
    assert!(edited.unwrap() && reacted.unwrap());
    assert_eq!(server.asked().len(), 7, "each of these twice");
}

#[tokio::test]
async fn every_answer_is_counted_and_the_budget_is_the_scarcest_that_is_not_over() {
    let reset = in_seconds(600).as_second();
    let over = in_seconds(-10).as_second();
    let server = Server::start(move |asked, _| {
        let with = |remaining: u64, reset: i64, resource: &'static str| {
            ok(json!({"name": "a", "slug": "b", "data": {"repository": null}}))
                .header("x-ratelimit-remaining", remaining)
                .header("x-ratelimit-reset", reset)
                .header("x-ratelimit-resource", resource)
        };
        match asked.what.as_str() {
            "GET /app" => Some(with(4_000, reset, "core")),
            "POST /graphql" => Some(with(3, over, "graphql")),
            what if known(what) => Some(with(900, reset, "core")),
            _ => None,
        }
    })
    .await;
    let log: Arc<Mutex<Vec<(String, u16)>>> = Arc::default();
    let noted = Arc::clone(&log);
    let app = server.app().with_observer(move |doing, status| noted.lock().unwrap().push((doing.to_owned(), status)));
    assert_eq!(app.budget(), None);
    app.identity().await.unwrap();
    let hub = app.hub(&repository());
    hub.knows(sha(1)).await.unwrap();
    hub.situation(None, None).await.unwrap_err();
    assert_eq!(app.budget(), Some(Budget { remaining: 900, reset }));
    let counted: Vec<_> = log.lock().unwrap().iter().map(|(doing, status)| format!("{status} {doing}")).collect();
    insta::assert_debug_snapshot!(counted, @r#"
    [
        "200 tell who the App is",
        "201 give the App a token for this repository's account",
        "200 find the commit",
        "200 read the policy and the pull request",
    ]
    "#);
}
