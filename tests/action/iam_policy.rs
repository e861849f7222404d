//! The printed policy is enough, and nothing in it is too much: the stories run with a role that has
//! exactly this policy, and what they called is what it allows.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use shipline_test_support::{AppRunnerServiceSeed, Behaviour, Fault, FaultKind, RoleSeed, ScanSeed, Seed, ServiceSeed};

use super::stage::{Stage, TARGET_GROUP, definition};

const ROLE: &str = "arn:aws:iam::111122223333:role/shipline";

const FILE: &str = "version: 1
services:
  api: { image: { repository: pmis/api, tags: [{ fixed: stable }] } }
environments:
  staging:
    aws: { region: us-east-1, role: \"arn:aws:iam::111122223333:role/shipline\" }
    services:
      api: { ecs: { cluster: pmis, service: api, container: app } }
    within: 8s
  typo:
    aws: { region: us-east-1, role: \"arn:aws:iam::111122223333:role/shipline-typo\" }
    services:
      api: { ecs: { cluster: pmis, service: apo, container: app } }
";

/// What `iam-policy` prints for an environment.
fn printed(stage: &Stage, arguments: &[&str]) -> Value {
    let all: Vec<&str> = ["iam-policy"].iter().chain(arguments).copied().chain(["--json"]).collect();
    let document = stage.command(&all).end().must(0).document();
    document["environments"][0].clone()
}

fn actions(policy: &Value) -> BTreeSet<String> {
    let statements = policy["policy"]["Statement"].as_array().unwrap().iter();
    let all = statements.flat_map(|statement| statement["Action"].as_array().unwrap());
    all.map(|action| action.as_str().unwrap().to_owned()).collect()
}

/// From now on the role may do this and nothing else.
fn hold(stage: &Stage, role: &str, policy: &Value) {
    let policy = Some(policy["policy"].clone());
    stage.world.role(RoleSeed { arn: role.to_owned(), policy, ..RoleSeed::default() });
}

#[expect(clippy::disallowed_methods, reason = "a repository is made as a person makes one")]
fn git(stage: &Stage, arguments: &[&str]) -> String {
    let done = Command::new("git")
        .args(["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"])
        .args(arguments)
        .current_dir(stage.path("work"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

/// A new commit.
fn commit(stage: &Stage) -> String {
    git(stage, &["commit", "--quiet", "--allow-empty", "-m", "Change"]);
    git(stage, &["rev-parse", "HEAD"])
}

#[tokio::test]
async fn the_stories_on_ecs_need_every_permission_that_is_printed_and_no_other() {
    let stage = Stage::empty().await;
    stage.write(".github/shipline.yml", FILE);
    git(&stage, &["init", "--quiet"]);
    let mut task = definition("api", &stage.image_of("api", "one"));
    task["tags"] = json!([{"key": "team", "value": "payments"}]);
    task["containerDefinitions"][0]["secrets"] = json!([
        {"name": "URL", "valueFrom": "arn:aws:secretsmanager:us-east-1:111122223333:secret:pmis/db-AbCdEf"},
        {"name": "TOKEN", "valueFrom": "/pmis/token"},
    ]);
    let arn = stage.world.task_definition(task);
    let service = ServiceSeed::new("pmis", "api", &arn).circuit_breaker("rollback");
    stage.world.service(service.target_group(TARGET_GROUP, "app", 8080));
    stage.world.seed(Seed {
        secrets: vec!["pmis/db".to_owned()],
        parameters: vec!["/pmis/token".to_owned()],
        log_groups: vec!["/pmis/api".to_owned()],
        ..Seed::default()
    });
    let policy = printed(&stage, &["staging", "--live"]);
    let typo = printed(&stage, &["typo"]);
    assert_eq!(policy["notes"], json!(["the repository is not known here: put it in place of OWNER/REPOSITORY"]));
    hold(&stage, ROLE, &policy);
    hold(&stage, "arn:aws:iam::111122223333:role/shipline-typo", &typo);
    stage.world.forget_calls();

    let run = |arguments: &[&str], code: i32| {
        let ran = stage.command(arguments).end();
        assert_eq!(ran.code, code, "{arguments:?}: {}", ran.said());
        ran.says_not("not authorized").says_not("not known: ");
    };
    // A release that is good, one that exits, one that is never healthy, and back.
    let one = commit(&stage);
    stage.image_at_commit("api", &one, &one);
    run(&["verify", "staging"], 0);
    run(&["deploy", "staging", "--yes"], 0);
    let two = commit(&stage);
    let bad = stage.image_at_commit("api", &two, &two);
    stage.goes(&bad, Behaviour::exits(3, ["boom"]));
    run(&["deploy", "staging", "--yes"], 1);
    let three = commit(&stage);
    let slow = stage.image_at_commit("api", &three, &three);
    stage.goes(&slow, Behaviour::slow(600_000, 10));
    run(&["deploy", "staging", "--yes"], 1);
    // A tag that says one commit over an image of another.
    let four = commit(&stage);
    stage.image_at_commit("api", &four, &three);
    run(&["deploy", "staging", "--yes"], 2);
    run(&["rollback", "staging", "--yes"], 0);
    run(&["status", "staging"], 0);
    run(&["logs", "staging"], 0);
    run(&["history", "staging"], 0);
    stage.world.fault(Fault::on("ecs", "ListServiceDeployments", FaultKind::EmptyList));
    run(&["history", "staging"], 0);
    run(&["verify", "typo"], 4);

    let used = stage.world.used_permissions();
    let allowed: BTreeSet<String> = actions(&policy).union(&actions(&typo)).cloned().collect();
    let never: Vec<_> = allowed.difference(&used).collect();
    let lacking: Vec<_> = used.difference(&allowed).collect();
    assert!(
        never.is_empty() && lacking.is_empty(),
        "allowed and never used: {never:?}, used and not allowed: {lacking:?}"
    );
}

#[tokio::test]
async fn without_one_of_its_statements_the_policy_is_not_enough() {
    let stage = Stage::new().await;
    stage.write(".github/shipline.yml", &FILE.replace(", tags: [{ fixed: stable }]", ""));
    let whole = printed(&stage, &["staging", "--live"]);
    for (action, code) in [("ecs:UpdateService", 4), ("ecs:RegisterTaskDefinition", 4), ("iam:PassRole", 4)] {
        // Each another image: what was registered once is found again.
        let image = format!("--image=api={}", stage.image_of("api", &action[4..]));
        hold(&stage, ROLE, &without(&whole, action));
        let ran = stage.command(&["deploy", "staging", "--yes", &image]).end();
        assert_eq!(ran.code, code, "{action}: {}", ran.said());
        ran.says(action);
    }
    hold(&stage, ROLE, &whole);
    let image = format!("--image=api={}", stage.image_of("api", "whole"));
    stage.command(&["deploy", "staging", "--yes", &image]).end().must(0);
}

const WEB: &str = "version: 1
services: { web: { image: { repository: pmis/web } } }
environments:
  staging:
    aws: { region: us-east-1, role: \"arn:aws:iam::111122223333:role/shipline\" }
    services:
      web:
        app-runner:
          service: shop-web
          secrets:
            URL: arn:aws:secretsmanager:us-east-1:111122223333:secret:pmis/db-AbCdEf
            TOKEN: /pmis/token
";

#[tokio::test]
async fn the_stories_on_app_runner_need_every_permission_that_is_printed_and_no_other() {
    let stage = Stage::empty().await;
    stage.write(".github/shipline.yml", WEB);
    let one = stage.image_of("web", "one");
    let roles = json!({"InstanceRoleArn": "arn:aws:iam::111122223333:role/instance"});
    let service = AppRunnerServiceSeed::new("shop-web", &one).with("InstanceConfiguration", roles);
    let arn = stage.world.app_runner_service(service);
    stage.world.seed(Seed {
        secrets: vec!["pmis/db".to_owned()],
        parameters: vec!["/pmis/token".to_owned()],
        ..Seed::default()
    });
    let policy = printed(&stage, &["staging"]);
    hold(&stage, ROLE, &policy);
    stage.world.forget_calls();
    let run = |arguments: &[&str], code: i32| {
        let ran = stage.command(arguments).end();
        assert_eq!(ran.code, code, "{arguments:?}: {}", ran.said());
        ran.says_not("not authorized");
    };
    let image = |tag: &str| format!("--image=web={}", stage.image_of("web", tag));
    run(&["verify", "staging", &image("two")], 0);
    run(&["deploy", "staging", "--yes", &image("two")], 0);
    let fails = json!({"service": "shop-web", "times": 1, "behaviour": {"kind": "rolls_back", "lines": ["boom"]}});
    stage.world.app_runner_rule(serde_json::from_value(fails).unwrap());
    run(&["deploy", "staging", "--yes", &image("three")], 1);
    run(&["rollback", "staging", "--yes"], 0);
    // The very same image again, after a deployment of it that failed.
    let fails = json!({"service": "shop-web", "times": 1, "behaviour": {"kind": "fails", "lines": ["boom"]}});
    stage.world.app_runner_rule(serde_json::from_value(fails).unwrap());
    stage.world.app_runner("StartDeployment", &json!({ "ServiceArn": arn })).unwrap();
    super::stage::until("the failed deployment", || {
        let seen = stage.world.app_runner("DescribeService", &json!({ "ServiceArn": arn })).unwrap();
        seen["Service"]["Status"] == "RUNNING"
    });
    let live = stage.world.app_runner("DescribeService", &json!({ "ServiceArn": arn })).unwrap();
    let live =
        live["Service"]["SourceConfiguration"]["ImageRepository"]["ImageIdentifier"].as_str().unwrap().to_owned();
    run(&["deploy", "staging", "--yes", &format!("--image=web={live}")], 0);
    run(&["status", "staging"], 0);
    run(&["logs", "staging"], 0);

    // What finding images needs is the other story's.
    let own =
        |all: BTreeSet<String>| all.into_iter().filter(|action| !action.starts_with("ecr:")).collect::<BTreeSet<_>>();
    assert_eq!(own(stage.world.used_permissions()), own(actions(&policy)));
}

const NEW: &str = "version: 1
services: { web: { image: { repository: pmis/web } } }
environments:
  staging:
    aws: { region: us-east-1, role: \"arn:aws:iam::111122223333:role/shipline\" }
    services:
      web:
        app-runner:
          service: shop-web
          create: true
          access-role: arn:aws:iam::111122223333:role/access
          instance-role: arn:aws:iam::111122223333:role/instance
          auto-scaling: arn:aws:apprunner:us-east-1:111122223333:autoscalingconfiguration/wide/1/0123456789abcdef0123456789abcdef
          vpc-connector: arn:aws:apprunner:us-east-1:111122223333:vpcconnector/db/1/0123456789abcdef0123456789abcdef
          secrets:
            URL: arn:aws:secretsmanager:us-east-1:111122223333:secret:pmis/db-AbCdEf
            TOKEN: /pmis/token
";

#[tokio::test]
async fn a_service_that_app_runner_creates_needs_what_is_printed_and_no_less() {
    let stage = Stage::empty().await;
    stage.write(".github/shipline.yml", NEW);
    let one = format!("--image=web={}", stage.image_of("web", "one"));
    stage.world.seed(Seed {
        secrets: vec!["pmis/db".to_owned()],
        parameters: vec!["/pmis/token".to_owned()],
        ..Seed::default()
    });
    let policy = printed(&stage, &["staging"]);
    for action in ["apprunner:CreateService", "iam:PassRole"] {
        hold(&stage, ROLE, &without(&policy, action));
        stage.command(&["deploy", "staging", "--yes", &one]).end().must(4).says(action);
    }
    assert_eq!(stage.world.app_runner("ListServices", &json!({})).unwrap()["ServiceSummaryList"], json!([]));
    hold(&stage, ROLE, &policy);
    stage.world.forget_calls();
    let run = |arguments: &[&str], code: i32| {
        let ran = stage.command(arguments).end();
        assert_eq!(ran.code, code, "{arguments:?}: {}", ran.said());
        ran.says_not("not authorized");
    };
    run(&["verify", "staging", &one], 0);
    run(&["deploy", "staging", "--yes", &one], 0);
    run(&["deploy", "staging", "--yes", &format!("--image=web={}", stage.image_of("web", "two"))], 0);
    run(&["rollback", "staging", "--yes"], 0);
    // What only a failure needs is the other story's.
    let used = stage.world.used_permissions();
    for action in ["apprunner:CreateService", "apprunner:UpdateService", "apprunner:ListServices", "iam:PassRole"] {
        assert!(used.contains(action), "{action} is not in {used:?}");
    }
    let lacking: Vec<_> = used.difference(&actions(&policy)).cloned().collect();
    assert!(lacking.is_empty(), "used and not allowed: {lacking:?}");
}

/// The same policy without one action.
fn without(policy: &Value, action: &str) -> Value {
    let mut policy = policy.clone();
    for statement in policy["policy"]["Statement"].as_array_mut().unwrap() {
        statement["Action"].as_array_mut().unwrap().retain(|known| known != action);
    }
    policy
}

const EXPRESS: &str = "version: 1
services: { web: { image: { repository: pmis/web } } }
environments:
  staging:
    aws: { region: us-east-1, role: \"arn:aws:iam::111122223333:role/shipline\" }
    within: 8s
    services:
      web:
        express:
          service: web
          create: true
          execution-role: arn:aws:iam::111122223333:role/ecsTaskExecutionRole
          infrastructure-role: arn:aws:iam::111122223333:role/ecsInfrastructureRole
          task-role: arn:aws:iam::111122223333:role/web
          container-port: 8080
          health-check-path: /health
          secrets:
            URL: arn:aws:secretsmanager:us-east-1:111122223333:secret:pmis/db-AbCdEf
            TOKEN: /pmis/token
";

#[tokio::test]
async fn the_stories_in_express_mode_need_every_permission_that_is_printed_and_no_other() {
    let stage = Stage::empty().await;
    stage.world.cluster("default");
    stage.write(".github/shipline.yml", EXPRESS);
    stage.world.seed(Seed {
        secrets: vec!["pmis/db".to_owned()],
        parameters: vec!["/pmis/token".to_owned()],
        ..Seed::default()
    });
    let image = |tag: &str| format!("--image=web={}", stage.image_of("web", tag));
    let policy = printed(&stage, &["staging"]);
    let passed = policy["policy"]["Statement"].to_string();
    assert!(passed.contains(":role/ecsInfrastructureRole") && !passed.contains(":role/*"), "{passed}");
    for action in ["ecs:CreateExpressGatewayService", "ecs:RegisterTaskDefinition", "iam:PassRole"] {
        hold(&stage, ROLE, &without(&policy, action));
        stage.command(&["deploy", "staging", "--yes", &image("one")]).end().must(4).says(action);
        let asked = json!({"cluster": "default", "services": ["web"]});
        assert_eq!(stage.world.ecs("DescribeServices", &asked).unwrap()["services"], json!([]), "{action}");
    }
    hold(&stage, ROLE, &policy);
    stage.world.forget_calls();
    let run = |arguments: &[&str], code: i32| {
        let ran = stage.command(arguments).end();
        assert_eq!(ran.code, code, "{arguments:?}: {}", ran.said());
        ran.says_not("not authorized").says_not("not known: ");
    };
    run(&["verify", "staging", &image("one")], 0);
    // A creation that fails, and the same again: new tasks for what ECS has given up.
    stage.goes(&stage.image_of("web", "bad"), Behaviour::exits(3, ["boom"]));
    run(&["deploy", "staging", "--yes", &image("bad")], 1);
    // Nothing good is known to go back to.
    run(&["deploy", "staging", "--yes", &image("bad")], 5);
    run(&["deploy", "staging", "--yes", &image("one")], 0);
    run(&["deploy", "staging", "--yes", &image("two")], 0);
    stage.goes(&stage.image_of("web", "slow"), Behaviour::slow(600_000, 10));
    run(&["deploy", "staging", "--yes", &image("slow")], 1);
    run(&["verify", "staging", &image("two")], 0);
    run(&["rollback", "staging", "--yes"], 0);
    run(&["status", "staging"], 0);
    run(&["logs", "staging"], 0);
    run(&["history", "staging"], 0);

    // What finding images needs is the other story's.
    let own =
        |all: BTreeSet<String>| all.into_iter().filter(|action| !action.starts_with("ecr:")).collect::<BTreeSet<_>>();
    assert_eq!(own(stage.world.used_permissions()), own(actions(&policy)));
}

#[tokio::test]
async fn a_scan_gate_needs_the_right_to_read_findings_on_its_repository_and_it_is_printed() {
    let stage = Stage::new().await;
    let file =
        FILE.replace(", tags: [{ fixed: stable }]", "").replace("    within: 8s\n", "    scan: { severity: high }\n");
    stage.write(".github/shipline.yml", &file);
    let two = stage.image_of("api", "two");
    let (_, digest) = two.split_once('@').unwrap();
    let status = "COMPLETE".to_owned();
    stage.world.scan(ScanSeed {
        repository: "pmis/api".to_owned(),
        digest: digest.to_owned(),
        status,
        ..ScanSeed::default()
    });
    let policy = printed(&stage, &["staging", "--live"]);
    let image = format!("--image=api={two}");
    hold(&stage, ROLE, &without(&policy, "ecr:DescribeImageScanFindings"));
    let ran = stage.command(&["deploy", "staging", "--yes", &image]).end();
    assert_ne!(ran.code, 0, "{}", ran.said());
    ran.says("ecr:DescribeImageScanFindings");
    stage.assert_serves("api", &stage.image_of("api", "one"));
    hold(&stage, ROLE, &policy);
    stage.world.forget_calls();
    stage.command(&["deploy", "staging", "--yes", &image]).end().must(0);
    assert!(stage.world.used_permissions().contains("ecr:DescribeImageScanFindings"));
    // Without the gate nobody needs it.
    stage.write(".github/shipline.yml", &FILE.replace(", tags: [{ fixed: stable }]", ""));
    assert!(!actions(&printed(&stage, &["staging", "--live"])).contains("ecr:DescribeImageScanFindings"));
}

#[tokio::test]
async fn for_people_it_prints_both_documents_and_what_stayed_wide() {
    let stage = Stage::new().await;
    stage.write(".github/shipline.yml", FILE);
    let ran = stage.command(&["iam-policy", "staging"]).set("GITHUB_REPOSITORY", "acme/shop").end().must(0);
    ran.says("staging: permissions of arn:aws:iam::111122223333:role/shipline")
        .says("\"repo:acme/shop:environment:staging\"")
        .says("arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com")
        .says(&format!("arn:aws:ecr:us-east-1:111122223333:repository/{}", "pmis/api"))
        .says("note: `iam:PassRole` for ECS names every role");
    assert!(stage.world.calls().is_empty(), "without --live nobody is asked");
}
