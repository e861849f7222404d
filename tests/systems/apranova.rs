//! `ApraNova`: two services on ECS Fargate behind one load balancer. On real containers with a real
//! registry and database; what an emulator has no moods for is told with the simulator.

mod containers;

use shipline_test_support::{AlarmSeed, Behaviour, Rule};

use super::answering::Answering;
use super::fleet::Fleet;
use super::stage::until;

const SERVICES: &[&str] = &["backend", "frontend"];
const ALARMS: [&str; 5] = [
    "apranova-cpu-over-80",
    "apranova-memory-over-85",
    "apranova-unhealthy-targets",
    "apranova-target-5xx",
    "apranova-database-connections",
];

struct System {
    fleet: Fleet,
    health: Answering,
}

impl System {
    async fn new() -> Self {
        let health = Answering::with(200, &[], "ok").await;
        let fleet = Fleet::of("apranova", &["apranova"], SERVICES, &health.address()).await;
        for name in ALARMS {
            fleet.stage.world.alarm(AlarmSeed::quiet(name));
        }
        Self { fleet, health }
    }

    fn release(&self, name: &str) -> Vec<String> {
        SERVICES.iter().map(|service| self.fleet.image(service, name)).collect()
    }

    fn serve(&self) -> Vec<String> {
        self.fleet.serve("apranova")
    }
}

#[tokio::test]
async fn two_deploys_a_bad_release_and_a_rollback_by_command_move_both_services_together() {
    let system = System::new().await;
    let (two, three, four) = (system.release("two"), system.release("three"), system.release("four"));
    system.fleet.deploy("production", &two).end().must(0).says("python manage.py migrate --noinput");
    assert_eq!(system.serve(), two);
    assert_eq!(system.fleet.stage.world.count("ecs", "RunTask"), 1, "the migration ran once");
    assert!(system.health.asked() >= 2, "both addresses were asked");
    system.fleet.deploy("production", &three).end().must(0);
    assert_eq!(system.serve(), three);

    // One that fails takes both back, and the reason is the first cause.
    system.fleet.goes(&four[0], Behaviour::exits(1, ["ImproperlyConfigured: SECRET_KEY must not be empty"]));
    let ran = system.fleet.deploy("production", &four).end().must(1);
    ran.says("backend: ").says("exited with code 1").says("SECRET_KEY must not be empty");
    assert_eq!(system.serve(), three);

    system.fleet.stage.command(&["rollback", "production", "--yes"]).end().must(0);
    assert_eq!(system.serve(), two);
}

#[tokio::test]
async fn a_migration_that_fails_moves_no_traffic() {
    let system = System::new().await;
    let (before, two) = (system.serve(), system.release("two"));
    let failing = Behaviour::exits(7, ["relation \"auth_user\" already exists"]);
    system.fleet.stage.world.rule(Rule::command("manage.py migrate", failing));
    let ran = system.fleet.deploy("production", &two).end().must(1);
    ran.says("exited with code 7").says("already exists").says("not-shifted");
    assert_eq!(system.serve(), before);
    assert_eq!(system.fleet.stage.world.count("ecs", "UpdateService"), 0);
}

#[tokio::test]
async fn an_alarm_stops_a_deployment_and_takes_both_services_back() {
    let system = System::new().await;
    let (before, two) = (system.serve(), system.release("two"));
    system.fleet.goes(&two[1], Behaviour::Stuck {});
    let running = system.fleet.deploy("production", &two).start();
    let updates = || system.fleet.stage.world.count("ecs", "UpdateService");
    until("both services move", || updates() == 2);
    let reason = "Threshold Crossed: 3 datapoints were greater than the threshold (10.0)";
    system.fleet.stage.world.alarm(AlarmSeed::firing("apranova-target-5xx", reason));
    running.end().must(1).says("alarm apranova-target-5xx fired").says("greater than the threshold (10.0)");
    assert_eq!(system.serve(), before);
}

#[tokio::test]
async fn an_alarm_that_fires_already_refuses_the_deployment() {
    let system = System::new().await;
    let (before, two) = (system.serve(), system.release("two"));
    system.fleet.stage.world.alarm(AlarmSeed::firing("apranova-unhealthy-targets", "1 target is unhealthy"));
    system.fleet.deploy("production", &two).end().must(3).says("alarm apranova-unhealthy-targets fires already");
    assert_eq!(system.serve(), before);
    assert_eq!(system.fleet.stage.world.count("ecs", "RunTask"), 0, "not even the migration ran");
}
