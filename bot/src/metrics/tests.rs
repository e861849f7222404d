//! What Prometheus reads.

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

#[test]
fn what_was_counted_is_shown_with_what_the_store_and_github_say() {
    let metrics = Metrics::new();
    metrics.started(at(1_795_000_000));
    metrics.delivery("accepted");
    metrics.delivery("accepted");
    metrics.delivery("unverified");
    metrics.acknowledged(0.004);
    metrics.handled("done");
    metrics.command("deploy", "accepted");
    metrics.phase("shifting");
    metrics.ended("succeeded", 42.0);
    metrics.github("react", 201);
    metrics.github("react", 0);
    let backlog = Backlog { waiting: 3, oldest: Some(at(1_795_000_090)), parked: 1, deployments: 2 };
    let budget = Budget { remaining: 4987, reset: 1_795_003_600 };
    let text = metrics.render(Some(backlog), Some(budget), at(1_795_000_100));
    for line in [
        "shipline_deliveries_total{outcome=\"accepted\"} 2",
        "shipline_deliveries_total{outcome=\"unverified\"} 1",
        "shipline_ack_seconds_bucket{le=\"0.005\"} 1",
        "shipline_handled_total{end=\"done\"} 1",
        "shipline_commands_total{code=\"accepted\",verb=\"deploy\"} 1",
        "shipline_phases_total{phase=\"shifting\"} 1",
        "shipline_deployment_seconds_count{outcome=\"succeeded\"} 1",
        "shipline_github_requests_total{doing=\"react\",status=\"201\"} 1",
        "shipline_github_requests_total{doing=\"react\",status=\"0\"} 1",
        "shipline_github_remaining 4987",
        "shipline_queue_deliveries 3",
        "shipline_queue_oldest_seconds 10",
        "shipline_queue_parked 1",
        "shipline_deployments_open 2",
        "process_start_time_seconds 1795000000",
    ] {
        assert!(text.lines().any(|found| found == line), "no line {line} in\n{text}");
    }
}

#[test]
fn without_an_answer_of_the_store_the_queue_keeps_its_last_figures() {
    let metrics = Metrics::new();
    let backlog = Backlog { waiting: 3, ..Backlog::default() };
    metrics.render(Some(backlog), None, at(10));
    let text = metrics.render(None, None, at(20));
    assert!(text.contains("shipline_queue_deliveries 3\n"), "{text}");
    assert!(text.contains("shipline_github_remaining -1\n"), "{text}");
}

#[test]
fn every_metric_is_documented() {
    let page = include_str!("../../../docs/bot-operations.md");
    let metrics = Metrics::new();
    metrics.delivery("accepted");
    metrics.handled("done");
    metrics.command("deploy", "accepted");
    metrics.phase("shifting");
    metrics.ended("succeeded", 1.0);
    metrics.github("react", 201);
    let names = metrics.registered();
    assert_eq!(names.len(), 13, "{names:?}");
    for name in names {
        assert!(page.contains(&format!("`{name}`")), "docs/bot-operations.md does not name {name}");
    }
}
