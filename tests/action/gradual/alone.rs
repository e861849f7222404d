//! Gradual rollouts of a run without the bot: the program itself, with measurements and no people.

use shipline_test_support::{Timing, TrafficRule};

use crate::stage::{Ran, Stage, until};

const RULES: &str = "
        cloudwatch:
          namespace: AWS/ApplicationELB
          metric: METRIC
          statistic: Sum
          dimensions: { TargetGroup: \"{target-group}\", LoadBalancer: \"{load-balancer}\" }
          period: 1s
        LIMIT
        every: 1s
        min-samples: 1
        warm-up: 0s
";

fn file(rollout: &str, measured: Option<(&str, &str)>) -> String {
    let analysis = measured.map_or_else(String::new, |(metric, limit)| {
        format!("    analysis:\n      - name: measured{}", RULES.replace("METRIC", metric).replace("LIMIT", limit))
    });
    format!(
        "version: 1
services: {{ front: {{ image: {{ repository: pmis/front }} }} }}
environments:
  production:
    aws: {{ region: us-east-1 }}
    services: {{ front: {{ ecs: {{ cluster: pmis, service: front, container: app }} }} }}
    rollout: {{ canary: {{ percent: 10, {rollout}, stays: 1m }} }}
{analysis}"
    )
}

async fn stage(file: &str) -> Stage {
    let stage = Stage::empty().await;
    stage.world.timing(Timing { hook_minute_ms: Some(60_000), ..Timing::default() });
    stage.service("front", |service| service.desired(2).shifting("front", "app", 8080));
    stage.write(".github/shipline.yml", file);
    stage
}

/// Deploys while users come all the time.
fn deploy(stage: &Stage, image: &str) -> Ran {
    let image = format!("front={image}");
    let mut running = stage.bare_action().input("environment", "production").input("image", &image).start();
    until("the end of the run", || {
        stage.world.requests("pmis", "front", 10);
        !running.is_running()
    });
    running.end()
}

#[tokio::test]
async fn a_run_moves_a_tenth_judges_it_and_moves_the_rest() {
    let stage = stage(&file("bake: 4s", Some(("RequestCount", "above: 0")))).await;
    let two = stage.image_of("front", "two");
    let ran = deploy(&stage, &two).must(0);
    let report = ran.report();
    let told = report["timeline"].to_string();
    assert!(told.contains("10 % of traffic") && told.contains("nothing speaks against it"), "{told}");
    assert_eq!(report["analysis"]["verdict"], "pass", "{report}");
    assert_eq!(stage.world.count("ecs", "UpdateService"), 1);
    stage.assert_serves("front", &two);
}

#[tokio::test]
async fn a_run_that_measures_badly_goes_back_by_itself() {
    let stage = stage(&file("bake: 20s", Some(("HTTPCode_Target_5XX_Count", "below: 1")))).await;
    let one = stage.live_image("front");
    let two = stage.image_of("front", "two");
    stage.world.traffic_rule(TrafficRule::image(&two).errors(0.5));
    let ran = deploy(&stage, &two).must(1);
    let report = ran.report();
    assert_eq!(report["gate_failure"]["code"], "analysis-failed", "{report}");
    stage.assert_serves("front", &one);
}

#[tokio::test]
async fn a_step_that_asks_a_person_is_refused_where_nobody_can_answer() {
    let stage = stage(&file("bake: 1m, approval: true", None)).await;
    let two = stage.image_of("front", "two");
    let ran = deploy(&stage, &two).must(3);
    ran.says("a run in a workflow cannot be answered").says("/deploy");
    assert_eq!(stage.changes(), Vec::<String>::new());
}
