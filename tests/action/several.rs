//! Several services of a configuration file, and the verbs of the command line.

use serde_json::{Value, json};
use shipline::report::View;
use shipline_test_support::{Behaviour, Fault, FaultKind};

use super::stage::{Run, Stage, now};

const FILE: &str = "version: 1
services:
  api: { image: { repository: pmis/api } }
  web: { image: { repository: pmis/web } }
  worker: {}
environments:
  staging:
    aws: { region: us-east-1 }
    services:
      api: { ecs: { cluster: pmis, service: api } }
      web: { ecs: { cluster: pmis, service: web, container: app } }
      worker: { ecs: { cluster: pmis, service: worker } }
    waves: [[api, web], [worker]]
  production:
    aws: { region: us-east-1 }
    rollout: canary
    approvals: { count: 1, from: [\"@acme/release-managers\"] }
    services:
      api: { ecs: { cluster: pmis, service: api } }
";

struct Shop {
    stage: Stage,
    images: Vec<String>,
}

const SERVICES: [&str; 3] = ["api", "web", "worker"];

impl Shop {
    async fn new() -> Self {
        let stage = Stage::empty().await;
        for name in SERVICES {
            stage.service(name, |service| service.desired(2));
        }
        stage.write(".github/shipline.yml", FILE);
        let images = SERVICES.iter().map(|name| stage.image_of(name, "two")).collect();
        Self { stage, images }
    }

    /// `shipline deploy staging` of the image `two` everywhere.
    fn deploy(&self, more: &[&str]) -> Run<'_> {
        let images: Vec<String> =
            SERVICES.iter().zip(&self.images).map(|(name, image)| format!("--image={name}={image}")).collect();
        let mut arguments = vec!["deploy", "staging", "--yes"];
        arguments.extend(images.iter().map(String::as_str));
        arguments.extend(more);
        self.stage.command(&arguments)
    }

    fn old(&self) -> Vec<String> {
        SERVICES.iter().map(|name| self.stage.live_image(name)).collect()
    }
}

#[tokio::test]
async fn the_services_of_a_wave_move_at_once_and_the_next_wave_waits() {
    let shop = Shop::new().await;
    let ran = shop.deploy(&[]).end().must(0);
    for (name, image) in SERVICES.iter().zip(&shop.images) {
        shop.stage.assert_serves(name, image);
    }
    let order: Vec<Value> =
        shop.stage.world.calls_of("ecs", "UpdateService").iter().map(|call| call.body["service"].clone()).collect();
    assert!(order[2].as_str().unwrap().ends_with("worker"), "{order:?}");
    ran.says("wave 1 begins: api, web").says("wave 2 begins: worker").says("staging: serves after");
    // A person's terminal gets no command for a runner.
    ran.says_not("::group::").says_not("::add-mask::");
}

#[tokio::test]
async fn one_failure_takes_back_what_the_deployment_changed() {
    let shop = Shop::new().await;
    let old = shop.old();
    shop.stage.goes(&shop.images[2], Behaviour::exits(1, ["no queue"]));
    let ran = shop.deploy(&["--json"]).end().must(1);
    for (name, image) in SERVICES.iter().zip(&old) {
        shop.stage.assert_serves(name, image);
    }
    let view: View = serde_json::from_value(ran.document()).unwrap();
    assert_eq!(view.result, "rolled-back");
    let states: Vec<&str> = view.services.iter().map(|service| service.state.as_str()).collect();
    assert_eq!(states, ["restored", "restored", "restored"]);
    let causes = view.services.iter().filter(|service| service.cause.is_some()).count();
    assert_eq!(causes, 1, "{:#?}", view.services);
}

#[tokio::test]
async fn a_failure_in_the_first_wave_never_starts_the_second() {
    let shop = Shop::new().await;
    shop.stage.goes(&shop.images[0], Behaviour::cannot_pull("no such tag"));
    shop.deploy(&[]).end().must(1);
    let calls = shop.stage.world.calls_of("ecs", "UpdateService");
    assert!(!calls.iter().any(|call| call.body["service"].as_str().unwrap().ends_with("worker")), "{calls:#?}");
}

#[tokio::test]
async fn on_failure_hold_leaves_everything_as_it_is_and_needs_attention() {
    let shop = Shop::new().await;
    shop.stage
        .write(".github/shipline.yml", &FILE.replace("    waves: [[api, web], [worker]]\n", "    on-failure: hold\n"));
    shop.stage.goes(&shop.images[2], Behaviour::exits(1, ["no queue"]));
    let ran = shop.deploy(&[]).end().must(5);
    ran.says("on-failure: hold").says("no queue");
    assert_eq!(shop.stage.live_image("worker"), shop.images[2]);
    assert_eq!(shop.stage.world.count("ecs", "StopServiceDeployment"), 0);
}

#[tokio::test]
async fn only_the_named_services_are_deployed() {
    let shop = Shop::new().await;
    let old = shop.old();
    let image = format!("--image=web={}", shop.images[1]);
    shop.stage.command(&["deploy", "staging", "web", &image]).end().must(0);
    assert_eq!(shop.old(), [old[0].clone(), shop.images[1].clone(), old[2].clone()]);
}

#[tokio::test]
async fn the_action_reads_the_file_and_answers_by_service() {
    let shop = Shop::new().await;
    let images: Vec<String> =
        SERVICES.iter().zip(&shop.images).map(|(name, image)| format!("{name}={image}")).collect();
    let ran = shop.stage.bare_action().input("environment", "staging").input("image", &images.join("\n")).end().must(0);
    let by_service: Value = serde_json::from_str(&ran.out("image")).unwrap();
    assert_eq!(by_service, json!({"api": shop.images[0], "web": shop.images[1], "worker": shop.images[2]}));
    ran.summarises("| worker |");
}

#[tokio::test]
async fn wrong_names_are_answered_with_the_right_ones_and_nobody_is_asked() {
    let shop = Shop::new().await;
    let image = format!("--image=api={}", shop.images[0]);
    let stories: [(&[&str], &[&str]); 8] = [
        (&["deploy", "stagin", "api", &image], &["there is no environment stagin", "Did you mean `staging`?"]),
        (&["deploy", "moon", "api", &image], &["Configured are: production, staging"]),
        (&["deploy", "staging", "apo", "wep", &image], &["apo does not run", "wep does not run", "api, web, worker"]),
        (&["deploy", "staging", "--image", "api"], &["no service before `=`"]),
        (&["deploy", "staging", "worker"], &["worker has no image to deploy", "--image worker="]),
        (&["deploy", "staging", "api", "--sha", "a1b2c3d", &image], &["a1b2c3d", "git rev-parse"]),
        (&["rollback", "staging", "--to", "0"], &["0 steps back"]),
        (&["status", "stagin"], &["Did you mean `staging`?"]),
    ];
    for (arguments, texts) in stories {
        let ran = shop.stage.command(arguments).end().must(2);
        for text in texts {
            ran.says(text);
        }
    }
    assert_eq!(shop.stage.world.calls().len(), 0);
}

#[tokio::test]
async fn a_strategy_that_the_service_cannot_carry_out_refuses_with_the_change_to_make() {
    let shop = Shop::new().await;
    let image = format!("--image=api={}", shop.images[0]);
    let ran = shop.stage.command(&["deploy", "production", &image]).end().must(3);
    ran.says("canary").says("rollout: rolling");
    assert_eq!(shop.stage.changes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_plan_and_a_status_change_nothing() {
    let shop = Shop::new().await;
    let images: Vec<String> =
        SERVICES.iter().zip(&shop.images).map(|(name, image)| format!("--image={name}={image}")).collect();
    let mut arguments = vec!["plan", "staging", "--json"];
    arguments.extend(images.iter().map(String::as_str));
    let ran = shop.stage.command(&arguments).end().must(0);
    let view: View = serde_json::from_value(ran.document()).unwrap();
    assert_eq!((view.result.as_str(), view.command.as_str()), ("planned", "plan"));
    assert_eq!(view.services.iter().map(|service| service.changes.len()).collect::<Vec<_>>(), [1, 1, 1]);
    assert!(view.services.iter().all(|service| service.state == "waiting"), "{:#?}", view.services);

    let ran = shop.stage.command(&["status", "staging"]).end().must(0);
    ran.says("staging api (pmis/api): api:1").says("no earlier good release is known");
    let document = shop.stage.command(&["status", "staging", "api", "--json"]).end().must(0).document();
    assert_eq!(document["services"][0]["live"]["name"], "api:1");
    assert_eq!(shop.stage.changes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_status_that_cannot_be_had_is_told_beside_the_others() {
    let shop = Shop::new().await;
    shop.stage.world.fault(Fault::on("ecs", "DescribeTaskDefinition", FaultKind::Deny));
    let ran = shop.stage.command(&["status", "staging"]).end().must(4);
    ran.says("ecs:DescribeTaskDefinition");
}

#[tokio::test]
async fn a_rollback_goes_to_the_last_good_release_or_the_named_one() {
    let shop = Shop::new().await;
    let stage = &shop.stage;
    let one = stage.live_image("api");
    let three = stage.image_of("api", "three");
    for image in [&shop.images[0], &three] {
        stage.command(&["deploy", "staging", "api", &format!("--image=api={image}")]).end().must(0);
    }
    // A release that was never good is no way back.
    let bad = stage.image_of("api", "bad");
    stage.goes(&bad, Behaviour::exits(1, ["no"]));
    stage.command(&["deploy", "staging", "api", &format!("--image=api={bad}")]).end().must(1);

    stage.command(&["rollback", "staging", "api"]).end().must(0).says("put back");
    stage.assert_serves("api", &shop.images[0]);
    stage.command(&["rollback", "staging", "api", "--to", "api:3"]).end().must(0);
    stage.assert_serves("api", &three);
    stage.command(&["rollback", "staging", "api", "--to", "2"]).end().must(0);
    stage.assert_serves("api", &one);

    stage.world.forget_calls();
    let ran = stage.command(&["rollback", "staging", "api", "--to", "api:4"]).end().must(3);
    ran.says("api:4 is not known to have been good here").says("Known, newest first");
    stage.command(&["rollback", "staging", "api", "--to", "9"]).end().must(3).says("good releases");
    stage.command(&["rollback", "staging", "api", "--to", &"f".repeat(40)]).end().must(3);
    assert_eq!(stage.changes(), Vec::<String>::new());
}

#[tokio::test]
async fn the_action_without_a_file_rolls_back_too() {
    let stage = Stage::new().await;
    let (one, two) = (stage.live_image("api"), stage.image_of("api", "two"));
    stage.action(&two).end().must(0);
    let back = || stage.action(&two).without_input("image").input("command", "rollback");
    back().end().must(0);
    stage.assert_serves("api", &one);
    let status = back().input("command", "status").end().must(0);
    status.says("default api (pmis/api): api:1");
}

#[tokio::test]
async fn check_reads_the_file_and_asks_nobody() {
    let shop = Shop::new().await;
    let ran = shop.stage.command(&["check"]).end().must(0);
    ran.says("the configuration is right").says("api + web, then worker").says("`approvals`");
    let document = shop.stage.command(&["check", "--json"]).end().must(0).document();
    assert_eq!(document["schema_version"], 1);
    shop.stage.write("other.yml", "version: 1\nservces: {}\n");
    let ran = shop.stage.command(&["check", "--config", "other.yml"]).end().must(2);
    ran.says("other.yml:2").says("Did you mean `services`?");
    let ran = shop.stage.command(&["check", "--config", "other.yml", "--json"]).end().must(2);
    assert!(ran.document()["problems"].as_array().unwrap().len() > 1);
    shop.stage.command(&["check", "--config", "nowhere.yml"]).end().must(2).says("there is no file nowhere.yml");
    assert_eq!(shop.stage.world.calls().len(), 0);
}

#[tokio::test]
async fn nothing_is_coloured_and_completions_are_printed() {
    let shop = Shop::new().await;
    for no_color in ["", "1"] {
        let ran = shop.stage.command(&["status", "staging"]).set("NO_COLOR", no_color).end().must(0);
        ran.says_not("\u{1b}");
        shop.stage.command(&["--help"]).set("NO_COLOR", no_color).end().must(0).says_not("\u{1b}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let ran = shop.stage.command(&["completions", shell]).end().must(0);
        ran.says("shipline").says("rollback");
    }
    shop.stage.command(&["deploy"]).end().must(2).says("<ENVIRONMENT>");
    shop.stage.command(&["fly"]).end().must(2).says("unrecognized subcommand");
}

#[tokio::test]
async fn a_reader_that_went_away_does_not_end_a_deployment() {
    let shop = Shop::new().await;
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    shop.deploy(&[]).start_with(writer.into()).end().must(0);
    shop.stage.assert_serves("worker", &shop.images[2]);
}

#[tokio::test]
async fn without_credentials_or_network_a_run_ends_soon_and_says_what_to_do() {
    let stage = Stage::new().await;
    let two = stage.image_of("api", "two");
    let bare = |run: Run<'_>| run.unset("AWS_ACCESS_KEY_ID").unset("AWS_SECRET_ACCESS_KEY").start();
    let began = now();
    let ran = bare(stage.action(&two)).end();
    assert!(matches!(ran.code, 2 | 4), "{}", ran.said());
    ran.says("redentials").says("next: ");
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    assert_eq!(stage.changes(), Vec::<String>::new());

    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ran = stage.action(&two).set("AWS_ENDPOINT_URL", &format!("http://{free}")).end().must(4);
    ran.says("next: ");
    // Refused connections are tried again for a while: a proxy may be starting.
    assert!(ran.took.as_secs() < 40, "{:?}", ran.took);
    stage.action(&two).without_input("aws-region").end().must(2).says("region");
}

#[tokio::test]
async fn status_shows_the_environments_it_can_ask_and_names_the_one_it_cannot() {
    let stage = Stage::new().await;
    stage.write(
        ".github/shipline.yml",
        "version: 1
services: { api: {} }
environments:
  closed:
    aws: { region: us-east-1, role: arn:aws:iam::444455556666:role/closed }
    services: { api: { ecs: { cluster: pmis, service: api } } }
  open:
    aws: { region: us-east-1 }
    services: { api: { ecs: { cluster: pmis, service: api } } }
",
    );
    stage.world.fault(Fault::on("sts", "AssumeRole", FaultKind::Deny));
    let ran = stage.command(&["status", "--json"]).end().must(4);
    let services = ran.document()["services"].as_array().unwrap().clone();
    assert_eq!(services.len(), 2, "{services:#?}");
    assert_eq!(services[0]["environment"], "closed");
    assert!(services[0]["problems"][0]["next"].is_string(), "{services:#?}");
    assert_eq!(services[1]["environment"], "open");
    assert!(services[1]["live"]["image"].is_string(), "{services:#?}");
}
