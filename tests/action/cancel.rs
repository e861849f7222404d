//! Cancelled runs: one quick safe move, and the words to go on.

use std::time::Duration;

use rustix::process::Signal;
use shipline_test_support::{Behaviour, Fault, FaultKind};

use super::stage::{Ran, Running, Stage, now, until};

/// The runner kills 10 s after its first signal; the entry process must be gone before the second.
const BUDGET: Duration = Duration::from_millis(7500);

fn signalled(running: Running, signal: Signal) -> Ran {
    running.signal(signal);
    let asked = now();
    let ran = running.end();
    assert!(asked.elapsed() < BUDGET, "{:?} after the signal", asked.elapsed());
    ran
}

#[tokio::test]
async fn a_signal_during_a_slow_rollout_stops_it_with_a_rollback() {
    for signal in [Signal::INT, Signal::TERM] {
        let stage = Stage::new().await;
        let (one, two) = (stage.live_image("api"), stage.image_of("api", "two"));
        stage.goes(&two, Behaviour::slow(60_000, 50));
        let running = stage.action(&two).start();
        until("the update", || stage.world.count("ecs", "UpdateService") == 1);
        let ran = signalled(running, signal).must(130);
        let stopped = stage.world.calls_of("ecs", "StopServiceDeployment");
        assert_eq!(stopped.len(), 1);
        assert_eq!(stopped[0].body["stopType"], "ROLLBACK");
        stage.assert_serves("api", &one);
        assert_eq!(ran.out("result"), "cancelled");
        ran.says("cancelled").summarises("was cancelled");
    }
}

#[tokio::test]
async fn where_a_deployment_cannot_be_stopped_a_cancel_sets_the_service_back() {
    let stage = Stage::new().await;
    let (one, two) = (stage.live_image("api"), stage.image_of("api", "two"));
    stage.goes(&two, Behaviour::slow(60_000, 50));
    stage.world.fault(Fault::on("ecs", "StopServiceDeployment", FaultKind::Deny));
    let running = stage.action(&two).start();
    until("the update", || stage.world.count("ecs", "UpdateService") == 1);
    signalled(running, Signal::INT).must(130);
    assert_eq!(stage.live_image("api"), one);
}

#[tokio::test]
async fn a_way_back_that_takes_longer_than_there_is_time_is_told_with_how_to_go_on() {
    let stage = Stage::new().await;
    let two = stage.image_of("api", "two");
    let slow = shipline_test_support::Timing { rollback_ms: 60_000, ..shipline_test_support::Timing::default() };
    stage.world.timing(slow);
    stage.goes(&two, Behaviour::slow(60_000, 50));
    let running = stage.action(&two).start();
    until("the update", || stage.world.count("ecs", "UpdateService") == 1);
    let ran = signalled(running, Signal::INT).must(130);
    assert_eq!(stage.world.count("ecs", "StopServiceDeployment"), 1);
    assert_eq!(ran.out("result"), "interrupted");
    ran.says("`status` tells").says("the same run again goes on").summarises("on its way back");
}

#[tokio::test]
async fn a_signal_while_the_image_is_looked_up_ends_with_nothing_changed() {
    let slow = Fault::on("ecr", "BatchGetImage", FaultKind::Hang { ms: 20_000 });
    let slower = Fault::on("sts", "GetCallerIdentity", FaultKind::Hang { ms: 20_000 });
    for (operation, fault) in [("BatchGetImage", slow), ("GetCallerIdentity", slower)] {
        let stage = Stage::new().await;
        stage.image_of("api", "v2");
        stage.world.fault(fault);
        let image = format!("{}/pmis/api:v2", super::stage::REGISTRY);
        let running = stage.action(&image).input("allowed-account-ids", "111122223333").start();
        until(operation, || stage.world.calls().iter().any(|call| call.operation == operation));
        let ran = signalled(running, Signal::INT).must(130);
        assert!(ran.took < BUDGET);
        assert_eq!(stage.changes(), Vec::<String>::new());
        assert_eq!(ran.out("result"), "cancelled");
        ran.says("cancelled before anything was changed").says("Run the same command again");
    }
}

#[tokio::test]
async fn github_that_does_not_answer_does_not_hold_a_cancel_up() {
    let stage = Stage::new().await;
    let (one, two) = (stage.live_image("api"), stage.image_at_commit("api", "two", &"2".repeat(40)));
    stage.goes(&two, Behaviour::slow(60_000, 50));
    let running = stage
        .action(&two)
        .input("github-token", "ghs_stage0000000000000000000000000000001")
        .set("GITHUB_REPOSITORY", "acme/shop")
        .set("GITHUB_API_URL", &stage.world.endpoint())
        .start();
    until("the update", || stage.world.count("ecs", "UpdateService") == 1);
    stage.world.fault(Fault::on_service("github", FaultKind::Hang { ms: 30_000 }));
    signalled(running, Signal::INT).must(130);
    stage.assert_serves("api", &one);
}
