//! `--from`: an environment gets the very images that another one runs.

use shipline_test_support::Behaviour;

use super::stage::Stage;

const COMMIT: &str = "a1b2c3d4e5f60718293a4b5c6d7e8f9012345678";
const OTHER: &str = "ffffffffe5f60718293a4b5c6d7e8f9012345678";

const FILE: &str = "version: 1
services:
  api: {}
  web: {}
environments:
  staging:
    aws: { region: us-east-1 }
    services:
      api: { ecs: { cluster: pmis, service: api } }
  production:
    aws: { region: us-east-1 }
    services:
      api: { ecs: { cluster: pmis, service: live } }
      web: { ecs: { cluster: pmis, service: web } }
    waves: [[api], [web]]
";

/// Staging runs an image of `COMMIT`, production an older one.
async fn stage() -> (Stage, String) {
    let stage = Stage::empty().await;
    for name in ["api", "live", "web"] {
        stage.service(name, |service| service.desired(1));
    }
    stage.write(".github/shipline.yml", FILE);
    let image = stage.image_at_commit("api", "two", COMMIT);
    let reference = format!("--image=api={image}");
    stage.command(&["deploy", "staging", "--yes", &reference]).end().must(0);
    (stage, image)
}

#[tokio::test]
async fn production_gets_the_digest_that_staging_runs() {
    let (stage, image) = stage().await;
    let ran = stage.command(&["deploy", "production", "api", "--from", "staging", "--yes"]).end().must(0);
    ran.says("image promoted").says(&COMMIT[..7]);
    stage.assert_serves("live", &image);
}

#[tokio::test]
async fn a_commit_that_does_not_run_there_is_refused_and_nothing_changes() {
    let (stage, _) = stage().await;
    let before = stage.live_image("live");
    let ran =
        stage.command(&["deploy", "production", "api", "--from", "staging", "--sha", OTHER, "--yes"]).end().must(3);
    ran.says("staging runs a1b2c3d of api, not fffffff");
    assert_eq!(stage.live_image("live"), before);
}

#[tokio::test]
async fn an_environment_that_cannot_give_is_named() {
    let (stage, image) = stage().await;
    for (from, services, expected) in [
        ("stagin", vec!["api"], "Did you mean `staging`?"),
        ("production", vec!["api"], "cannot give images to itself"),
        ("staging", vec!["api", "web"], "web does not run in staging"),
    ] {
        let mut arguments = vec!["deploy", "production"];
        arguments.extend(services);
        arguments.extend(["--from", from, "--yes"]);
        let ran = stage.command(&arguments).end().must(2);
        ran.says(expected);
    }
    // What fails is taken back as with any other image.
    stage.goes(&image, Behaviour::exits(1, ["fatal: no database"]));
    let before = stage.live_image("live");
    stage.command(&["deploy", "production", "api", "--from", "staging", "--yes"]).end().must(1);
    stage.assert_serves("live", &before);
}
