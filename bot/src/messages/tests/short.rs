//! The short answers: refusals, plan, status, history, locks.

use super::*;

#[test]
fn a_refusal_shows_the_command_the_facts_the_next_step_and_the_code() {
    let no = Denied::new(
        ReasonCode::AccessDenied,
        "`mallory` may not deploy to `production`",
        "Ask somebody with the role `maintain`.",
    )
    .because("you have the role `read`")
    .because("`access.deploy` asks for `maintain` or `@acme/release-managers`");
    insta::assert_snapshot!(denied(&no, "/deploy production"), @r"
    `/deploy production`: `mallory` may not deploy to `production`

    - you have the role `read`
    - `access.deploy` asks for `maintain` or `@acme/release-managers`

    **Next**: Ask somebody with the role `maintain`.

    <sub>reason: `access-denied`</sub>
    ");
}

#[test]
fn a_line_that_is_nearly_a_command_gets_a_hint() {
    let line = NotACommand {
        line: "/depoly staging".into(),
        what: "there is no command `/depoly`".into(),
        next: "Did you mean `/deploy staging`?".into(),
        code: NotACommandCode::UnknownVerb,
    };
    insta::assert_snapshot!(not_a_command(&line), @r"
    `/depoly staging`: there is no command `/depoly`

    **Next**: Did you mean `/deploy staging`?

    <sub>reason: `usage`</sub>
    ");
    let confusable = NotACommand { code: NotACommandCode::Confusable, line: "/deploy\u{202e} x".into(), ..line };
    let text = not_a_command(&confusable);
    assert!(text.contains("<sub>reason: `confusable-text`</sub>"), "{text}");
    assert!(!text.contains('\u{202e}'), "{text}");
}

#[test]
fn a_plan_shows_what_would_change_and_what_stands_in_the_way() {
    let mut planned = view("planned", vec![service_view("api", "waiting"), service_view("web", "unchanged")]);
    planned.waves = vec![vec![service("api")], vec![service("web")]];
    let gates = vec!["check `test` has not ended".to_owned(), "locked by `bob`: @everyone out".to_owned()];
    insta::assert_snapshot!(plan(&planned, &gates), @r"
    ### staging ← `a1b2c3d` · plan `3f9a1c`

    1 service would change. Nothing has been changed yet.

    | service | now | would be | changes | image |
    | --- | --- | --- | --- | --- |
    | api | `9f8e7d6` | `a1b2c3d` | 1 field | was already built |
    | web | `9f8e7d6` | `a1b2c3d` | none | was already built |

    One after another: api, then web.

    **In the way now:**

    - check `test` has not ended
    - locked by `bob`: &#64;everyone out

    <details><summary>2 changed fields</summary>

    | service | field | before | after |
    | --- | --- | --- | --- |
    | api | `containers.app.image` | `registry.test/api:9f8e7d6` | `registry.test/api:a1b2c3d` |
    | web | `containers.app.image` | `registry.test/api:9f8e7d6` | `registry.test/api:a1b2c3d` |

    </details>

    <details><summary>2 commits</summary>

    - `a1b2c3d` Read the address from the settings (alice)
    - `9f8e7d6` Say hello (bob)

    </details>
    ");
    assert!(plan(&planned, &[]).contains("Nothing stands in the way: `/deploy staging`"));
    let unchanged = view("planned", vec![service_view("web", "unchanged")]);
    assert!(plan(&unchanged, &[]).contains("Already serves exactly this: nothing would change."));
}

fn revision(name: &str) -> Revision {
    Revision {
        id: format!("arn:{name}"),
        name: name.into(),
        image: None,
        image_text: String::new(),
        commit: None,
        facts: json!({}),
    }
}

fn environment(name: &str) -> EnvironmentStatus {
    EnvironmentStatus {
        name: name.parse().unwrap(),
        url: None,
        good: None,
        live: Live::Known(vec![]),
        open: vec![],
        lock: None,
        last: None,
    }
}

#[test]
fn status_shows_ledger_and_provider_side_by_side_and_says_when_they_differ() {
    let mut staging = environment("staging");
    staging.url = Some("https://staging.example.test".into());
    staging.good = Some(Good {
        id: DeploymentId::new(41),
        commit: Some(sha(NEW)),
        serves: BTreeMap::from([(service("api"), revision("api:42")), (service("web"), revision("web:7"))]),
        actor: actor("alice"),
        since: at(0),
    });
    let live = |name: &str, revision: &str, commit: Option<&str>| LiveService {
        name: service(name),
        revision: revision.into(),
        commit: commit.map(sha),
        id: format!("arn:{revision}"),
    };
    staging.live = Live::Known(vec![
        live("api", "api:42", Some(NEW)),
        live("web", "web:9", None),
        live("worker", "worker:1", None),
    ]);
    staging.lock = Some(lock());
    staging.open = vec![deploy(), deploy()];
    let mut production = environment("production");
    production.live = Live::Unknown("no `ecs:DescribeServices` for @role".into());
    let mut failed = deploy();
    failed.outcome = Some("rolled-back".into());
    failed.ended = Some(at(60));
    production.last = Some(failed);
    insta::assert_snapshot!(status(&[staging, production], at(7_320)), @r"
    ### What runs where

    **staging** ← `a1b2c3d` since 2026-11-21 12:00 UTC (2 h 2 min ago), by alice · [open](https://staging.example.test)

    🔒 locked by alice since 2026-11-21 12:00 UTC: “rolled back, look before you deploy”

    … `a1b2c3d` waiting, alice asked 2 h 2 min ago

    … `a1b2c3d` waiting, alice asked 2 h 2 min ago

    | service | serves | commit | |
    | --- | --- | --- | --- |
    | api | `api:42` | `a1b2c3d` | ✓ |
    | web | `web:9` |  | ⚠ not what the bot put there (`web:7`) |
    | worker | `worker:1` |  |  |

    **production** · no deployment by the bot is known there

    The provider could not be asked what serves now: no `ecs:DescribeServices` for &#64;role

    Last: `a1b2c3d` ✗ failed, rolled back (2 h 1 min ago)
    ");
    assert!(status(&[], at(0)).contains("names no environment"));
}

#[test]
fn history_tells_who_did_what_when_and_how_it_ended() {
    let row = |outcome: Option<&str>| {
        let mut about = deploy();
        about.outcome = outcome.map(str::to_owned);
        about.ended = outcome.map(|_| at(41));
        about
    };
    let mut back = deployment_of(DeploymentKind::Rollback { to: Some("api:41".into()), lock: true });
    back.asked.reason = Some("5xx | since noon".into());
    back.outcome = Some("succeeded".into());
    back.ended = Some(at(5));
    let words = [
        "succeeded",
        "rolled-back",
        "held",
        "needs-attention",
        "superseded",
        "cancelled",
        "replaced",
        "nothing-changed",
        "head-moved",
        "@odd",
    ];
    let mut rows = vec![row(None), back];
    rows.extend(words.map(|word| row(Some(word))));
    let name: EnvironmentName = "staging".parse().unwrap();
    insta::assert_snapshot!(history(&name, &rows, at(90_000)), @r"
    ### staging · history

    | release | what | who | when | how it ended | took |
    | --- | --- | --- | --- | --- | --- |
    | `a1b2c3d` | deploy | alice | 2026-11-21 12:00 UTC (25 h ago) | … waiting |  |
    | `api:41` | rollback: “5xx \| since noon” | alice | 2026-11-21 12:00 UTC (25 h ago) | ✓ serves | 5 s |
    | `a1b2c3d` | deploy | alice | 2026-11-21 12:00 UTC (25 h ago) | ✓ serves | 41 s |
    | `a1b2c3d` | deploy | alice | 2026-11-21 12:00 UTC (25 h ago) | ✗ failed, rolled back | 41 s |
    | `a1b2c3d` | deploy | alice | 2026-11-21 12:00 UTC (25 h ago) | ✗ failed, left as it is | 41 s |
    | `a1b2c3d` | deploy | alice | 2026-11-21 12:00 UTC (25 h ago) | 🚨 **needs attention** | 41 s |
    | `a1b2c3d` | deploy | alice | 2026-11-21 12:00 UTC (25 h ago) | ⤼ replaced by somebody else's deployment | 41 s |
    | `a1b2c3d` | deploy | alice | 2026-11-21 12:00 UTC (25 h ago) | ⊘ cancelled | 41 s |
    | `a1b2c3d` | deploy | alice | 2026-11-21 12:00 UTC (25 h ago) | ⊘ replaced by a newer command | 41 s |
    | `a1b2c3d` | deploy | alice | 2026-11-21 12:00 UTC (25 h ago) | ✗ refused by the provider | 41 s |
    | `a1b2c3d` | deploy | alice | 2026-11-21 12:00 UTC (25 h ago) | ✗ `head-moved` | 41 s |
    | `a1b2c3d` | deploy | alice | 2026-11-21 12:00 UTC (25 h ago) | ✗ &#64;odd | 41 s |
    ");
    assert!(history(&name, &[], at(0)).contains("Nothing has been deployed there by the bot."));
}

#[test]
fn locks_name_holder_reason_and_end() {
    let mut held = lock();
    held.until = Some(at(7_200));
    held.reason = "load test, ask @ops".into();
    insta::assert_snapshot!(locked(&held, at(0)), @r"
    🔒 `staging` is locked by alice until 2026-11-21 14:00 UTC (for 2 h): “load test, ask &#64;ops”

    Nobody else deploys or goes back there meanwhile. Let it go: `/unlock staging`
    ");
    assert!(locked(&lock(), at(0)).contains("is locked by alice until somebody unlocks it: “rolled back"));
    insta::assert_snapshot!(unlocked(&held, &actor("alice"), None), @r"
    🔓 alice let `staging` go.

    It had been held since 2026-11-21 12:00 UTC: “load test, ask &#64;ops”
    ");
    insta::assert_snapshot!(unlocked(&held, &actor("bo"), Some("alice is on holiday")), @r"
    🔓 bo removed the lock of alice on `staging`: “alice is on holiday”

    It had been held since 2026-11-21 12:00 UTC: “load test, ask &#64;ops”
    ");
}

#[test]
fn a_cancel_and_a_repetition_are_answered_in_one_sentence() {
    insta::assert_snapshot!(cancelling(&deploy()), @"Cancelling `staging` ← `a1b2c3d`, which alice asked for. Nothing has been changed for it yet; its own comment says how it ends.");
    insta::assert_snapshot!(already(&deploy()), @r"
    `a1b2c3d` is on its way to `staging` already (waiting): alice asked for it at 2026-11-21 12:00 UTC. Nothing was started a second time.

    See how it goes: `/status staging`
    ");
    let mut over = deploy();
    over.state.stage = Stage::Over;
    assert!(cancelling(&over).contains("What it has changed is taken back"));
    let mut building = deploy();
    building.state.stage = Stage::Building { run: None, since: at(0) };
    assert!(already(&building).contains("on its way to `staging` already (building)"));
}

#[test]
fn help_shows_every_command_of_the_usage_table() {
    let text = help();
    for usage in crate::commands::USAGES {
        assert!(text.contains(&format!("| `{}` |", usage.line().replace('|', "\\|"))), "{text}");
    }
    assert!(text.starts_with("### Commands\n\nWrite one at the beginning of a line"), "{text}");
}
