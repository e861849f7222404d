use std::collections::BTreeMap;

use serde_json::json;

use super::escape::{block, code, fit, inline, sentence, visible};
use super::*;
use crate::config::spec::OnFailure;
use crate::rollout::*;
use crate::types::{ServiceName, Span, Timestamp};

const COMMIT: &str = "a1b2c3d4e5f60718293a4b5c6d7e8f9012345678";

fn name(text: &str) -> ServiceName {
    text.parse().unwrap()
}

fn revision(number: u32) -> Revision {
    Revision {
        id: format!("arn:aws:ecs:us-east-1:111122223333:task-definition/api:{number}"),
        name: format!("api:{number}"),
        image: None,
        image_text: "registry.test/api:old".into(),
        commit: None,
        facts: json!({}),
    }
}

fn plan() -> Plan {
    let part = ServicePlan {
        place: TargetPlace {
            kind: TargetKind::Ecs,
            name: "shop/api".into(),
            region: "us-east-1".into(),
            console: Some("https://console.test/api".into()),
            url: None,
        },
        image: None,
        previous: revision(41),
        change: Change::Move {
            fields: vec![FieldChange {
                path: "containers.app.image".into(),
                before: Some("a|b".into()),
                after: Some("c".into()),
            }],
            wish: json!({}),
        },
        notices: vec!["the desired count was lowered".into()],
    };
    Plan {
        environment: "staging".parse().unwrap(),
        release: Release { commit: Some(COMMIT.parse().unwrap()), images: BTreeMap::new() },
        services: BTreeMap::from([(name("api"), part)]),
        waves: vec![vec![name("api")]],
        checks: vec![],
        before: Vec::new(),
        after: Vec::new(),
        alarms: Vec::new(),
        steering: None,
        analysis: Vec::new(),
        on_failure: OnFailure::RollBackAll,
        within: Span::minutes(30),
    }
}

fn cause() -> Cause {
    let mut cause = Cause::new(
        CauseCode::ContainerExited,
        "container `app` exited with code 1, 3 times in a row",
        "Read the log lines, then deploy again.",
    );
    cause.provider_says = Some("Essential container in task exited <b>now</b>".into());
    cause.exit = Some(Exit::of(1));
    cause.log = Some(LogLines {
        source: "/ecs/api app/1".into(),
        lines: vec!["KeyError: 'DATABASE_URL'".into(), "``` @everyone closes #1 ```".into()],
    });
    cause
}

fn rolled_back() -> View {
    let shift = |number, direction| Shift {
        id: Some("arn:aws:ecs:us-east-1:111122223333:service-deployment/shop/api/1".into()),
        revision: revision(number),
        direction,
        started: Timestamp::UNIX_EPOCH,
        facts: json!({}),
    };
    let plan = plan();
    let events = [
        Event::Applied { service: name("api"), shift: shift(42, Direction::Forward) },
        Event::Broke { service: name("api"), cause: Box::new(cause()) },
        Event::Reverted { service: name("api"), shift: shift(41, Direction::Back) },
        Event::Served { service: name("api") },
    ];
    let phase = events.into_iter().fold(Phase::first(&plan), |phase, event| phase.apply(event, &plan).unwrap());
    let commits = vec![Commit {
        sha: COMMIT.parse().unwrap(),
        title: "Fix @team <script> | #12 [x](http://evil.test)".into(),
        author: "mallory".into(),
    }];
    let began = Timestamp::UNIX_EPOCH;
    let stages = vec![Stage { name: "rollout: x, y".into(), began, took_ms: 41_000 }];
    let timeline = vec![Moment {
        at: Timestamp::from_second(4).unwrap(),
        service: Some(name("api")),
        what: "api:42 accepted".into(),
    }];
    let input = ViewInput { command: "deploy".into(), commits, stages, timeline, ..ViewInput::default() };
    view(&plan, &phase, input, began, Timestamp::from_second(41).unwrap())
}

#[test]
fn a_failure_shows_its_cause_and_what_serves_again() {
    let view = rolled_back();
    insta::assert_snapshot!(text(&view), @r"
    staging <- a1b2c3d: failed and was rolled back after 41 s
      ✗ api (shop/api): api:41 -> a1b2c3d, restored
          containers.app.image: a|b -> c

    api: container `app` exited with code 1, 3 times in a row
      provider: Essential container in task exited <b>now</b>
      exit code 1: the program reported an error
      log /ecs/api app/1:
        | KeyError: 'DATABASE_URL'
        | ``` @everyone closes #1 ```
      next: Read the log lines, then deploy again.

      note: api: the desired count was lowered
      1 commit:
        a1b2c3d Fix @team <script> | #12 [x](http://evil.test) (mallory)
    ");
}

#[test]
fn without_a_commit_the_headline_names_what_the_services_show_and_digests_are_short() {
    let mut view = rolled_back();
    view.commit = None;
    view.services[0].after = "api:40".into();
    view.notices.push("api: ECS lists nothing".into());
    view.services[0].cause.as_mut().unwrap().facts.push("ECS lists nothing".into());
    let image = |digit: &str| Some(format!("registry.test/api@sha256:{}", digit.repeat(64)));
    view.services[0].changes[0].before = image("a");
    view.services[0].changes[0].after = image("b");
    let markdown = summary(&view);
    assert!(markdown.starts_with("### staging ← `api:40` failed after 41 s · `api:41` serves again\n"), "{markdown}");
    assert!(
        markdown.contains("| `registry.test/api@sha256:aaaaaaaaaaaa…` | `registry.test/api@sha256:bbbbbbbbbbbb…` |"),
        "{markdown}"
    );
    for told in [markdown, text(&view)] {
        assert_eq!(told.matches("ECS lists nothing").count(), 1, "{told}");
    }
}

#[test]
fn the_summary_holds_the_same_and_nothing_a_stranger_wrote_can_act_in_it() {
    let markdown = summary(&rolled_back());
    insta::assert_snapshot!(markdown, @r"
    ### staging ← `a1b2c3d` failed after 41 s · `api:41` serves again

    | service | before | after | state | image | |
    | --- | --- | --- | --- | --- | --- |
    | api | `api:41` | `a1b2c3d` | ✗ restored |  | [console](https://console.test/api) |

    **api**: container `app` exited with code 1, 3 times in a row

    The provider says: Essential container in task exited &lt;b&gt;now&lt;/b&gt;

    Exit code 1: the program reported an error.

    `/ecs/api app/1`

    ````text
    KeyError: 'DATABASE_URL'
    ``` @everyone closes #1 ```
    ````

    **Next**: Read the log lines, then deploy again.

    > api: the desired count was lowered

    <details><summary>1 changed field</summary>

    | service | field | before | after |
    | --- | --- | --- | --- |
    | api | `containers.app.image` | `a\|b` | `c` |

    </details>

    <details><summary>1 commit</summary>

    - `a1b2c3d` Fix &#64;team &lt;script&gt; \| &#35;12 \[x\](http&#58;//evil.test) (mallory)

    </details>

    <details><summary>Timeline</summary>

    ```mermaid
    gantt
        dateFormat x
        axisFormat %M:%S
        rollout  x  y (41 s) :0, 41000
    ```

    - 4.0 s · **api** api:42 accepted

    </details>
    ");
    for act in ["<b>", "<script>", " @team", "](http://evil"] {
        assert!(!markdown.contains(act), "{act} can act in {markdown}");
    }
}

#[test]
fn what_was_tried_is_still_named_after_it_was_taken_back() {
    let view = rolled_back();
    let service = &view.services[0];
    assert_eq!(service.revision.as_deref(), Some("arn:aws:ecs:us-east-1:111122223333:task-definition/api:42"));
    assert_eq!(service.previous_revision, "arn:aws:ecs:us-east-1:111122223333:task-definition/api:41");
    assert!(service.deployment_id.is_some());
    assert_eq!(view.rollback_command, None);
}

#[test]
fn the_machine_output_reads_back_and_has_a_version() {
    let view = rolled_back();
    let value = serde_json::to_value(&view).unwrap();
    assert_eq!(value["schema_version"], json!(1));
    assert_eq!(value["result"], json!("rolled-back"));
    assert_eq!(serde_json::from_value::<View>(value).unwrap(), view);
}

#[test]
fn a_fence_is_longer_than_any_run_of_back_ticks_inside() {
    let lines = vec!["````".to_owned(), "x".to_owned()];
    assert!(block(&lines).starts_with("`````text\n"));
    assert_eq!(code("a`b"), "`` a`b ``");
    assert_eq!(code("a|b"), "`a\\|b`");
    assert_eq!(code("plain"), "`plain`");
}

#[test]
fn control_and_direction_characters_go() {
    assert_eq!(visible("a\u{1b}[31mb\u{202e}c\u{200b}d\te"), "a[31mbcd e");
    assert_eq!(sentence("`app` of @a and `b|<i>`"), "`app` of &#64;a and `b\\|<i>`");
    assert_eq!(sentence("one ` only"), "one \\` only");
    assert_eq!(inline("x\ny @a #1 <i> `c`"), "x y &#64;a &#35;1 &lt;i&gt; \\`c\\`");
}

#[test]
fn a_text_that_is_too_long_is_cut_at_a_line_and_its_fence_is_closed() {
    let long = format!("head\n```text\n{}\n```\n", "line\n".repeat(100));
    let cut = fit(long, 200);
    assert!(cut.len() <= 210, "{}", cut.len());
    assert_eq!(cut.lines().filter(|line| line.starts_with("```")).count() % 2, 0);
    assert!(cut.contains("cut here"));
    assert_eq!(fit("short".to_owned(), 200), "short");
    assert!(fit("ä".repeat(200), 101).len() <= 101);
}

proptest::proptest! {
    #[test]
    fn no_text_breaks_out_of_a_sentence_a_span_or_a_block(text in "\\PC{0,60}|[`|<>@#\\[\\]\n]{0,30}") {
        let sentence = inline(&text);
        proptest::prop_assert!(!sentence.contains('\n') && !sentence.contains('<'));
        proptest::prop_assert!(!code(&text).contains('\n'));
        let block = block(&text.lines().map(str::to_owned).collect::<Vec<_>>());
        let fence: String = block.chars().take_while(|c| *c == '`').collect();
        let inside: Vec<&str> = block.lines().skip(1).collect();
        let (last, body) = inside.split_last().unwrap();
        proptest::prop_assert_eq!(*last, fence.as_str());
        proptest::prop_assert!(body.iter().all(|line| !line.contains(fence.as_str())));
    }
}

#[test]
fn a_link_leads_only_to_the_web_and_cannot_end_early() {
    use super::escape::{cut, link};
    assert_eq!(link("log [x]", "https://a.test/b(c) d|e"), "[log \\[x\\]](https://a.test/b%28c%29%20d%7Ce)");
    assert_eq!(link("@team", "javascript:alert(1)"), "&#64;team");
    assert_eq!(cut("äöü", 2), "äö…");
    assert_eq!(cut("äöü", 3), "äöü");
}

fn judgement(service: Option<&str>, measure: &str, value: Option<f64>, recent: &[f64]) -> analysis::Judgement {
    use crate::rollout::analysis::*;
    Judgement {
        measure: measure.to_owned(),
        service: service.map(name),
        verdict: Verdict::Pass,
        value,
        baseline: None,
        limit: Limit { side: LimitSide::Below, value: 5.0, unit: "%".to_owned() },
        effect: None,
        p: None,
        samples: recent.len(),
        old_samples: 0,
        failed: 0,
        recent: recent.iter().copied().map(Some).collect(),
        text: format!("{measure} is good"),
    }
}

#[test]
fn bars_go_from_the_least_to_the_greatest_and_any_values_make_a_line() {
    let line = |values: &[f64]| sparkline(&values.iter().copied().map(Some).collect::<Vec<_>>());
    assert_eq!(line(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]), "▁▂▃▄▅▆▇█");
    assert_eq!(line(&[2.0, 1.0, 1.0, 2.0, 1.0]), "█▁▁█▁");
    assert_eq!(line(&[]), "");
    assert_eq!(line(&[7.5]), "▁");
    assert_eq!(line(&[0.0; 4]), "▁▁▁▁");
    assert_eq!(line(&[f64::NAN, f64::INFINITY, 1.0, f64::NEG_INFINITY, 2.0]), "··▁·█");
    assert_eq!(sparkline(&[None, Some(1.0), None, Some(3.0)]), "·▁·█");
    assert_eq!(line(&[f64::MIN, 0.0, f64::MAX]), "▁▄█");
    assert_eq!(line(&[-1e-320, 1e-320]).chars().count(), 2);
}

#[test]
fn a_measurement_says_its_value_the_old_one_the_limit_and_how_it_went() {
    let mut errors = judgement(Some("api"), "error rate", Some(0.4), &[0.5, 0.4, 0.4, 0.5, 0.4]);
    errors.baseline = Some(0.5);
    assert_eq!(measurement(&errors), "error rate 0.4 % (old 0.5 %, limit 5 %) █▁▁█▁");
    errors.limit.side = analysis::LimitSide::Above;
    (errors.baseline, errors.value) = (None, None);
    errors.recent.clear();
    assert_eq!(measurement(&errors), "error rate no value (at least 5 %)");
}

#[test]
fn measurements_are_a_table_in_markdown_lines_in_text_and_data_in_json() {
    use crate::rollout::analysis::*;
    let mut slow = judgement(Some("api"), "p99 | @everyone", Some(6.5), &[4.0, 6.0, 6.5]);
    slow.baseline = Some(4.0);
    (slow.verdict, slow.failed) = (Verdict::Fail, 2);
    slow.text = "api: p99 is 6.5 %, not below 5 %, in 2 of 3 intervals (1 tolerated)".to_owned();
    let all = judgement(None, "served", None, &[]);
    let judged = combined(&[], vec![slow, all], Stage::Underway, Timestamp::from_second(1_800_000_000).unwrap());
    assert_eq!(values(&judged, &name("api")), "✗ p99 \\| &#64;everyone 6.5\u{a0}%");
    let mut view = rolled_back();
    view.analysis = Some(judged.clone());
    let mut table = String::new();
    analysis(&mut table, &view);
    insta::assert_snapshot!(table.replace('\u{a0}', " "), @"
    | measured | new | old | limit | trend | verdict |
    | --- | --- | --- | --- | --- | --- |
    | p99 \\| &#64;everyone | 6.5 % | 4 % | below 5 % | ▁▇█ | ✗ fail |
    | served | — | — | below 5 % |  | ✓ pass |

    **analysis**: api: p99 is 6.5 %, not below 5 %, in 2 of 3 intervals (1 tolerated)
    ");
    assert!(summary(&view).contains(&table));
    let plain = text(&view);
    assert!(plain.contains("  measured api: p99 | @everyone 6.5 % (old 4 %, limit 5 %) ▁▇█, fail\n"), "{plain}");
    let document = serde_json::to_value(&view).unwrap();
    assert_eq!(document["analysis"]["verdict"], "fail");
    assert_eq!(document["analysis"]["judgements"][0]["recent"], json!([4.0, 6.0, 6.5]));
    assert_eq!(serde_json::from_value::<View>(document).unwrap(), view);
    let without = serde_json::to_value(rolled_back()).unwrap();
    assert!(without.get("analysis").is_none(), "a reader of yesterday sees what it knows");
}

#[test]
fn several_services_stand_together_and_their_cells_hold_the_worst_first() {
    use crate::rollout::analysis::*;
    let mut all: Vec<Judgement> = ["errors", "p50", "p99", "p999"]
        .into_iter()
        .flat_map(|measure| ["web", "api"].map(|service| judgement(Some(service), measure, Some(1.0), &[1.0, 1.0])))
        .collect();
    all.insert(0, judgement(None, "orders", Some(3.0), &[3.0]));
    (all[7].verdict, all[7].text) = (Verdict::Fail, "web: p999 is 1 %, not below 1 %".to_owned());
    all[5].value = None;
    let judged = combined(&[], all, Stage::Underway, Timestamp::UNIX_EPOCH);
    assert_eq!(values(&judged, &name("web")), "✗ p999 1\u{a0}%<br>errors 1\u{a0}%<br>p50 1\u{a0}%<br>1 more");
    assert_eq!(values(&judged, &name("api")), "errors 1\u{a0}%<br>p50 1\u{a0}%<br>p99 1\u{a0}%<br>1 more");
    assert_eq!(values(&judged, &name("worker")), "");
    let mut view = rolled_back();
    view.services.push(view.services[0].clone());
    view.analysis = Some(judged);
    let mut table = String::new();
    analysis(&mut table, &view);
    insta::assert_snapshot!(table.replace('\u{a0}', " "), @"
    | service | measured | new | limit | trend | verdict |
    | --- | --- | --- | --- | --- | --- |
    | api | errors | 1 % | below 5 % | ▁▁ | ✓ pass |
    | api | p50 | 1 % | below 5 % | ▁▁ | ✓ pass |
    | api | p99 | 1 % | below 5 % | ▁▁ | ✓ pass |
    | api | p999 | 1 % | below 5 % | ▁▁ | ✓ pass |
    | web | errors | 1 % | below 5 % | ▁▁ | ✓ pass |
    | web | p50 | 1 % | below 5 % | ▁▁ | ✓ pass |
    | web | p99 | — | below 5 % | ▁▁ | ✓ pass |
    | web | p999 | 1 % | below 5 % | ▁▁ | ✗ fail |
    | all | orders | 3 % | below 5 % | ▁ | ✓ pass |

    **analysis**: web: p999 is 1 %, not below 1 %
    ");
}

#[test]
fn what_is_missing_while_a_step_is_watched_is_no_news_and_nothing_is_said_twice() {
    use crate::rollout::analysis::*;
    let missing = |text: &str| {
        let mut none = judgement(Some("api"), "errors", None, &[]);
        (none.verdict, none.text) = (Verdict::NoData, text.to_owned());
        combined(&[], vec![none], Stage::Underway, Timestamp::UNIX_EPOCH)
    };
    let mut view = rolled_back();
    view.gate_failure = None;
    let said = |view: &View| {
        let mut out = String::new();
        analysis(&mut out, view);
        out.contains("**analysis**")
    };
    view.analysis = Some(missing("api: errors has no value"));
    assert!(said(&view), "at the end it is why");
    view.result = "shifting".to_owned();
    assert!(!said(&view), "more is to come");
    view.analysis = Some(missing("api: errors cannot be read: AccessDenied"));
    assert!(said(&view), "a source that does not answer is news");
    let why = Cause::new(CauseCode::AnalysisFailed, "api: errors cannot be read: AccessDenied", "Look.");
    view.gate_failure = Some(why);
    assert!(!said(&view), "the cause says it");
}

#[test]
fn what_people_decided_is_told_as_a_decision_and_no_failure() {
    let mut view = rolled_back();
    view.services[0].cause = None;
    let with = |view: &mut View, code| {
        view.gate_failure = Some(Cause::new(code, "mona said no: the colours", "Talk to them."));
        (headline(view), summary(view), text(view))
    };
    let (line, page, plain) = with(&mut view, CauseCode::Rejected);
    assert_eq!(line, "staging ← `a1b2c3d` was rejected after 41 s · `api:41` serves again");
    assert!(page.contains("**decision**: mona said no: the colours"), "{page}");
    assert!(plain.starts_with("staging <- a1b2c3d: was rejected and taken back after 41 s"), "{plain}");
    let (line, ..) = with(&mut view, CauseCode::GateExpired);
    assert_eq!(line, "staging ← `a1b2c3d` went back after 41 s, nobody decided in time · `api:41` serves again");
    let (line, page, _) = with(&mut view, CauseCode::AnalysisFailed);
    assert_eq!(line, "staging ← `a1b2c3d` failed after 41 s · `api:41` serves again");
    assert!(page.contains("**analysis**: "), "{page}");
}
