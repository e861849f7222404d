//! Inputs that are wrong: all their problems at once, exit code 2, and nobody is asked anything.

use super::stage::Stage;

/// Inputs beside cluster, service, container and image (`-name` takes one away), and the place and a
/// part of the text of every problem.
type Broken = (&'static str, &'static [(&'static str, &'static str)], &'static [(&'static str, &'static str)]);

const BROKEN: &[Broken] = &[
    ("a typo in a name", &[("clutser", "pmis")], &[("clutser", "Did you mean `cluster`?")]),
    ("a name nobody knows", &[("blue-moon", "1")], &[("blue-moon", "Remove it")]),
    ("an input of another action", &[("codedeploy-appspec", "a.yml")], &[("codedeploy-appspec", "docs/migrating.md")]),
    (
        "an input of the App Runner action",
        &[("copy-env-vars", "PORT")],
        &[("copy-env-vars", "`environment-variables`")],
    ),
    ("a one-off task", &[("run-task", "true")], &[("run-task", "`before` and `after`")]),
    ("docker's name for the file", &[("dockerfile", "Dockerfile")], &[("dockerfile", "It is called `file`")]),
    ("a region that is none", &[("aws-region", "us east 1")], &[("aws-region", "us east 1")]),
    ("a role that is no ARN", &[("role-to-assume", "deployer")], &[("role-to-assume", "deployer")]),
    ("a session too short", &[("role-duration-seconds", "60")], &[("role-duration-seconds", "900 to 43200")]),
    ("a session in words", &[("role-duration-seconds", "1h")], &[("role-duration-seconds", "900 to 43200")]),
    ("a session name too short", &[("role-session-name", "x")], &[("role-session-name", "2 to 64")]),
    ("an account id too short", &[("allowed-account-ids", "1111222233")], &[("allowed-account-ids", "1111222233")]),
    (
        "two wrong account ids",
        &[("allowed-account-ids", "abc,111122223333,12")],
        &[("allowed-account-ids", "abc"), ("allowed-account-ids", "12")],
    ),
    ("a registry of another kind", &[("registry-type", "secret")], &[("registry-type", "neither private nor public")]),
    ("a registry that is no account", &[("registries", "ghcr.io")], &[("registries", "ghcr.io")]),
    ("a short commit", &[("sha", "a1b2c3d")], &[("sha", "a1b2c3d")]),
    ("no image at all", &[("-image", "")], &[("image", "no image to deploy")]),
    ("an image without a registry", &[("image", "api:v2")], &[("image", "api:v2")]),
    ("an image with a digest too short", &[("image", "ghcr.io/x/y@sha256:abc")], &[("image", "64 characters")]),
    ("an image of another service", &[("image", "web=ghcr.io/x/y:1")], &[("image", "web is not a service")]),
    (
        "two kinds of service",
        &[("app-runner-service", "web")],
        &[("app-runner-service", "both an App Runner and an ECS service")],
    ),
    (
        "two kinds of ECS service",
        &[("service-name", "web"), ("cpu", "256")],
        &[("service-name", "both an Express service and `service`")],
    ),
    (
        "an input of Express Mode alone",
        &[("min-task-count", "1")],
        &[("min-task-count", "is for services in Express Mode")],
    ),
    (
        "an Express service",
        &[
            ("-service", ""),
            ("-container-name", ""),
            ("service-name", "web"),
            ("desired-count", "3"),
            ("health-check-path", "health"),
            ("cpu", "1 vCPU"),
            ("min-task-count", "4"),
            ("max-task-count", "2"),
            ("auto-scaling-metric", "latency"),
            ("infrastructure-role-arn", "arn:aws:iam::111122223333:role/x"),
            ("execution-role-arn", "admin"),
            ("secrets", "[{\"name\": \"A\"}]"),
            ("environment-variables", "[{\"name\": \"A\", \"value\": \"hunter2\""),
        ],
        &[
            ("desired-count", "no meaning for a service in Express Mode"),
            ("health-check-path", "starts with `/`"),
            ("cpu", "256 to 16384"),
            ("min-task-count", "more than max-task-count"),
            ("auto-scaling-metric", "average-cpu, average-memory"),
            ("execution-role-arn", "admin"),
            ("secrets", "entry 1 of the list"),
            ("environment-variables", "is not JSON"),
        ],
    ),
    ("a cluster without a service", &[("-service", "")], &[("service", "no service is given")]),
    ("a negative count", &[("desired-count", "-1")], &[("desired-count", "0 to 100000")]),
    (
        "a force that is no flag",
        &[("force-new-deployment", "yes")],
        &[("force-new-deployment", "neither true nor false")],
    ),
    ("chaining that is no flag", &[("role-chaining", "1")], &[("role-chaining", "neither true nor false")]),
    (
        "waiting that is no flag",
        &[("wait-for-service-stability", "sometimes")],
        &[("wait-for-service-stability", "neither true nor false")],
    ),
    ("waiting for nothing", &[("wait-for-minutes", "0")], &[("wait-for-minutes", "1 to 360")]),
    ("waiting for a week", &[("wait-for-minutes", "10080")], &[("wait-for-minutes", "1 to 360")]),
    (
        "a variable without a name",
        &[("environment-variables", "A=1\n=2\nB")],
        &[("environment-variables", "=2"), ("environment-variables", "B")],
    ),
    ("a variable given twice", &[("environment-variables", "A=1\nA=2")], &[("environment-variables", "given twice")]),
    ("a secret without an ARN's place", &[("secrets", "DATABASE_URL")], &[("secrets", "no name before `=`")]),
    (
        "a task definition from elsewhere",
        &[("task-definition", "../other/task.json")],
        &[("task-definition", "inside the repository")],
    ),
    (
        "a task definition at the root",
        &[("task-definition", "/etc/passwd")],
        &[("task-definition", "inside the repository")],
    ),
    ("an environment that is no name", &[("environment", "../production")], &[("environment", "is not allowed here")]),
    ("another end of failures", &[("on-failure", "panic")], &[("on-failure", "roll-back-all, roll-back-failed, hold")]),
    (
        "a command nobody knows",
        &[("command", "destroy")],
        &[("command", "deploy, build, plan, rollback, status, history, verify, iam-policy, check")],
    ),
    ("a rollback to nowhere", &[("command", "rollback"), ("to", "0")], &[("to", "0 steps back")]),
    (
        "build inputs without a repository",
        &[("platforms", "linux/arm64"), ("cache", "gha")],
        &[("platforms", "needs `repository`"), ("cache", "needs `repository`")],
    ),
    (
        "a repository with a tag",
        &[("repository", "ghcr.io/x/y:1"), ("-image", "")],
        &[("repository", "has a tag or digest")],
    ),
    ("a cache nobody has", &[("repository", "x/y"), ("cache", "redis")], &[("cache", "off, registry, gha")]),
    ("a tag that is none", &[("repository", "x/y"), ("tags", "latest,a/b")], &[("tags", "a/b")]),
    (
        "everything at once",
        &[
            ("clutser", "x"),
            ("aws-region", "nowhere!"),
            ("role-to-assume", "me"),
            ("sha", "zz"),
            ("image", "api"),
            ("desired-count", "many"),
            ("force-new-deployment", "perhaps"),
            ("wait-for-minutes", "soon"),
            ("on-failure", "cry"),
            ("environment", "!"),
            ("registries", "x"),
            ("services", "A b"),
            ("command", "dance"),
        ],
        &[
            ("clutser", ""),
            ("aws-region", ""),
            ("role-to-assume", ""),
            ("sha", ""),
            ("image", ""),
            ("desired-count", ""),
            ("force-new-deployment", ""),
            ("wait-for-minutes", ""),
            ("on-failure", ""),
            ("environment", ""),
            ("registries", ""),
            ("services", ""),
            ("command", ""),
        ],
    ),
];

#[tokio::test]
async fn every_problem_of_broken_inputs_is_told_with_its_place_and_nobody_is_asked() {
    let stage = Stage::new().await;
    let image = stage.image_of("api", "two");
    let mut wrong = Vec::new();
    for (name, inputs, expected) in BROKEN {
        stage.world.forget_calls();
        let mut run = stage.action(&image);
        for (input, value) in *inputs {
            run = match input.strip_prefix('-') {
                Some(gone) => run.without_input(gone),
                None => run.input(input, value),
            };
        }
        let ran = run.end();
        let errors: Vec<&str> = ran.stdout.lines().filter(|line| line.starts_with("::error")).collect();
        let mut left: Vec<&str> = errors.clone();
        for (place, text) in *expected {
            let found = left.iter().position(|line| line.contains(&format!("input `{place}`")) && line.contains(text));
            match found {
                Some(at) => drop(left.remove(at)),
                None => wrong.push(format!("{name}: {place}: {text:?} is not told: {errors:#?}")),
            }
        }
        if !left.is_empty() {
            wrong.push(format!("{name}: told besides: {left:#?}"));
        }
        if errors.iter().any(|line| !line.contains("next: ")) {
            wrong.push(format!("{name}: no next step: {errors:#?}"));
        }
        if ran.code != 2 || !stage.world.calls().is_empty() {
            wrong.push(format!("{name}: exit code {}, calls {:?}", ran.code, stage.world.calls()));
        }
        if ran.code == 2 && (ran.out("result") != "refused" || !ran.summary.contains("**Next**")) {
            wrong.push(format!("{name}: {} {}", ran.output, ran.summary));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn inputs_that_belong_to_the_file_are_refused_beside_it_with_the_problems_of_the_file() {
    let stage = Stage::new().await;
    stage.write(".github/shipline.yml", "version: 1\nservices: {}\nenvironmens: {}\n");
    let ran = stage.bare_action().input("desired-count", "3").input("environment", "staging").end().must(2);
    ran.says("input `desired-count`").says("environmens").says("Did you mean `environments`?");
    assert_eq!(stage.world.calls().len(), 0);
}

#[tokio::test]
async fn old_inputs_that_mean_nothing_are_answered_with_a_warning() {
    let stage = Stage::new().await;
    let one = stage.live_image("api");
    let ran = stage.action(&one).input("wait-for-service-stability", "false").end().must(0);
    ran.says("::warning title=Shipline::wait-for-service-stability");
}
