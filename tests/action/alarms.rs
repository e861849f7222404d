//! Alarms that must stay quiet: before a release, while it moves, until its end.

use serde_json::{Value, json};
use shipline_test_support::{AlarmSeed, Behaviour, Fault, FaultKind, Timing};

use super::answering::Answering;
use super::stage::{Ran, Run, Stage, until};

const REASON: &str = "Threshold Crossed: 1 out of the last 1 datapoints [12.0 (21/11/26 16:01:00)] was greater than the threshold (10.0) (minimum 1 datapoint for OK -> ALARM transition).";

struct Guarded {
    stage: Stage,
    two: [String; 2],
    one: [String; 2],
}

impl Guarded {
    /// Two services, watched by a metric alarm and a composite one; more rules of the environment.
    async fn with(more: &str) -> Self {
        let stage = Stage::empty().await;
        for name in ["api", "web"] {
            stage.service(name, |service| service.desired(2));
        }
        let file = format!(
            "version: 1
services: {{ api: {{}}, web: {{}} }}
environments:
  staging:
    aws: {{ region: us-east-1 }}
    services:
      api: {{ ecs: {{ cluster: pmis, service: api }} }}
      web: {{ ecs: {{ cluster: pmis, service: web }} }}
    alarms: [pmis-5xx, pmis-anything]
{more}"
        );
        stage.write(".github/shipline.yml", &file);
        stage.world.alarm(AlarmSeed::quiet("pmis-5xx")).alarm(AlarmSeed::quiet("pmis-anything").composite());
        let two = ["api", "web"].map(|name| stage.image_of(name, "two"));
        let one = ["api", "web"].map(|name| stage.live_image(name));
        Self { stage, two, one }
    }

    fn deploy(&self) -> Run<'_> {
        let images = ["api", "web"].iter().zip(&self.two).map(|(name, image)| format!("--image={name}={image}"));
        let images: Vec<String> = images.collect();
        let mut arguments = vec!["deploy", "staging", "--yes", "--json"];
        arguments.extend(images.iter().map(String::as_str));
        self.stage.command(&arguments)
    }

    /// Everything is as it was, and the report names the alarm with its value.
    #[track_caller]
    fn went_back(&self, ran: &Ran) -> Value {
        for (name, image) in ["api", "web"].iter().zip(&self.one) {
            self.stage.assert_serves(name, image);
        }
        let document = ran.document();
        assert_eq!(document["result"], "rolled-back", "{document:#}");
        let states: Vec<&Value> = document["services"].as_array().unwrap().iter().map(|one| &one["state"]).collect();
        assert_eq!(states, ["restored", "restored"], "{document:#}");
        assert_eq!(document["alarm"]["code"], "alarm-fired", "{document:#}");
        assert_eq!(document["alarm"]["summary"], "alarm pmis-5xx fired", "{document:#}");
        assert_eq!(document["alarm"]["provider_says"], REASON, "{document:#}");
        let page = document["alarm"]["links"][0]["url"].as_str().unwrap();
        assert!(page.ends_with("region=us-east-1#alarmsV2:alarm/pmis-5xx"), "{page}");
        document
    }
}

#[tokio::test]
async fn an_alarm_that_fires_already_refuses_the_plan_and_nothing_is_changed() {
    let guarded = Guarded::with("").await;
    guarded.stage.world.alarm(AlarmSeed::firing("pmis-5xx", REASON));
    guarded.stage.world.alarm(AlarmSeed::firing("pmis-anything", "arn:aws:… transitioned to ALARM").composite());
    let ran = guarded.deploy().end().must(3);
    let problems = ran.document()["problems"].clone();
    let told: Vec<(&Value, &Value)> =
        problems.as_array().unwrap().iter().map(|one| (&one["code"], &one["what"])).collect();
    assert_eq!(
        told,
        [
            (&json!("alarm-firing"), &json!("alarm pmis-5xx fires already")),
            (&json!("alarm-firing"), &json!("alarm pmis-anything fires already")),
        ]
    );
    assert_eq!(problems[0]["why"][0], REASON);
    assert_eq!(guarded.stage.changes(), Vec::<String>::new());
}

#[tokio::test]
async fn alarms_that_do_not_exist_refuse_the_plan_and_all_of_them_are_named() {
    let guarded = Guarded::with("").await;
    let file = std::fs::read_to_string(guarded.stage.path("work/.github/shipline.yml")).unwrap();
    let names: Vec<String> = (1..=130).map(|number| format!("gone-{number}")).collect();
    let more = format!("alarms: [pmis-5xx, pmis-anything, {}]", names.join(", "));
    guarded.stage.write(".github/shipline.yml", &file.replace("alarms: [pmis-5xx, pmis-anything]", &more));
    let ran = guarded.deploy().end().must(3);
    let problems = ran.document()["problems"].as_array().unwrap().clone();
    assert_eq!(problems.len(), 130);
    assert!(problems.iter().all(|one| one["code"] == "alarm-missing"), "{problems:#?}");
    assert_eq!(problems[129]["what"], "there is no alarm gone-130 in this account and region");
    assert_eq!(guarded.stage.world.count("cloudwatch", "DescribeAlarms"), 2, "100 names a call");
    assert_eq!(guarded.stage.changes(), Vec::<String>::new());
}

#[tokio::test]
async fn alarms_on_several_pages_are_all_seen() {
    let guarded = Guarded::with("").await;
    let names: Vec<String> = (1..=60).map(|number| format!("more-{number}")).collect();
    for name in &names {
        guarded.stage.world.alarm(AlarmSeed::quiet(name));
    }
    let file = std::fs::read_to_string(guarded.stage.path("work/.github/shipline.yml")).unwrap();
    let more = format!("alarms: [{}]", names.join(", "));
    guarded.stage.write(".github/shipline.yml", &file.replace("alarms: [pmis-5xx, pmis-anything]", &more));
    guarded.deploy().end().must(0);
    let calls = guarded.stage.world.calls_of("cloudwatch", "DescribeAlarms");
    assert!(calls.iter().any(|call| call.body["NextToken"].is_string()), "{calls:#?}");
}

#[tokio::test]
async fn an_alarm_that_fires_during_the_shift_takes_everything_back() {
    let guarded = Guarded::with("").await;
    guarded.stage.goes(&guarded.two[1], Behaviour::Stuck {});
    let running = guarded.deploy().start();
    until("api serves the new image", || guarded.stage.live_image("api") == guarded.two[0]);
    until("web moves", || guarded.stage.live_image("web") == guarded.two[1]);
    guarded.stage.world.alarm(AlarmSeed::firing("pmis-5xx", REASON));
    let ran = running.end().must(1);
    let document = guarded.went_back(&ran);
    let told = document["timeline"].to_string();
    assert!(told.contains("alarm pmis-5xx fired"), "{told}");
}

#[tokio::test]
async fn an_alarm_that_fires_while_a_check_runs_takes_everything_back() {
    let health = Answering::with(503, &[], "not yet").await;
    let guarded =
        Guarded::with(&format!("    verify: [{{ http: \"{}/health\", within: 60s }}]\n", health.address())).await;
    let running = guarded.deploy().start();
    until("the check asks", || health.asked() > 0);
    guarded.stage.world.alarm(AlarmSeed::firing("pmis-5xx", REASON));
    let ran = running.end().must(1);
    assert!(ran.took.as_secs() < 40, "{:?}", ran.took);
    guarded.went_back(&ran);
}

#[tokio::test]
async fn an_alarm_without_data_and_one_that_others_watch_do_not_count() {
    let guarded = Guarded::with("").await;
    let unsure = AlarmSeed { state: "INSUFFICIENT_DATA".to_owned(), ..AlarmSeed::quiet("pmis-5xx") };
    guarded.stage.world.alarm(unsure).alarm(AlarmSeed::firing("of-another-team", REASON));
    guarded.deploy().end().must(0);
    guarded.stage.assert_serves("api", &guarded.two[0]);
}

#[tokio::test]
async fn a_rollback_asks_no_alarm() {
    let guarded = Guarded::with("").await;
    guarded.deploy().end().must(0);
    guarded.stage.world.alarm(AlarmSeed::firing("pmis-5xx", REASON)).forget_calls();
    guarded.stage.command(&["rollback", "staging", "--yes"]).end().must(0);
    guarded.stage.assert_serves("api", &guarded.one[0]);
    assert_eq!(guarded.stage.world.count("cloudwatch", "DescribeAlarms"), 0);
}

#[tokio::test]
async fn what_serves_already_is_no_matter_for_an_alarm() {
    let guarded = Guarded::with("").await;
    guarded.deploy().end().must(0);
    guarded.stage.world.alarm(AlarmSeed::firing("pmis-5xx", REASON));
    let ran = guarded.deploy().end().must(0);
    assert_eq!(ran.document()["result"], "unchanged");
}

#[tokio::test]
async fn alarms_that_may_not_be_read_refuse_the_plan_and_name_the_permission() {
    let guarded = Guarded::with("").await;
    guarded.stage.world.fault(Fault::on("cloudwatch", "DescribeAlarms", FaultKind::Deny));
    let ran = guarded.deploy().end().must(4);
    ran.says("cloudwatch:DescribeAlarms");
    assert_eq!(guarded.stage.changes(), Vec::<String>::new());
}

#[tokio::test]
async fn alarms_that_cannot_be_read_for_a_while_are_a_notice_and_are_asked_for_again() {
    let guarded = Guarded::with("").await;
    // Slow enough for several looks.
    guarded.stage.world.timing(Timing { settle_ms: 2_500, ..Timing::default() });
    let running = guarded.deploy().start();
    until("api moves", || guarded.stage.live_image("api") == guarded.two[0]);
    guarded.stage.world.fault(Fault::on("cloudwatch", "DescribeAlarms", FaultKind::Deny));
    let ran = running.end().must(0);
    let notices = ran.document()["notices"].to_string();
    assert!(notices.contains("the alarms cannot be read at the moment, asking again"), "{notices}");
}
