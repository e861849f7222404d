//! Where credentials come from, that they renew themselves, and what is said when they do not.

use shipline_test_support::{AwsWorld, Credentials, Fault, FaultKind, RoleSeed, Seed};

use crate::probe::{Probed, Wish, probe};

const ROLE: &str = "arn:aws:iam::111122223333:role/shipline-staging";
const HUB: &str = "arn:aws:iam::444455556666:role/hub";
const BEARER: &str = "canary-request-token-8f2b";
const SECRET: &str = "canary-secret-key-77a1";

fn role(arn: &str) -> RoleSeed {
    RoleSeed { arn: arn.to_owned(), ..RoleSeed::default() }
}

fn trusting(subject: &str) -> RoleSeed {
    RoleSeed { audience: Some("sts.amazonaws.com".to_owned()), subjects: vec![subject.to_owned()], ..role(ROLE) }
}

async fn world() -> AwsWorld {
    let world = AwsWorld::start().await;
    world.cluster("staging");
    world
}

fn staging() -> Wish {
    Wish { region: Some("us-east-1".to_owned()), role: Some(ROLE.to_owned()), ..Wish::default() }
}

/// In a workflow with `permissions: id-token: write`.
async fn in_job(world: &AwsWorld, wish: &Wish) -> Probed {
    let (endpoint, oidc) = (world.endpoint(), world.oidc_url());
    let environment = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("GITHUB_ACTIONS", "true"),
        ("ACTIONS_ID_TOKEN_REQUEST_URL", oidc.as_str()),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", BEARER),
    ];
    probe(wish, &environment).await
}

/// With keys in the environment.
async fn with_keys(world: &AwsWorld, wish: &Wish) -> Probed {
    let endpoint = world.endpoint();
    let environment = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "AKIDPLANTED"),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
    ];
    probe(wish, &environment).await
}

fn asked(world: &AwsWorld) -> Vec<String> {
    world.calls().into_iter().map(|call| format!("{} {}", call.service, call.operation)).collect()
}

#[tokio::test]
async fn a_job_assumes_its_role_with_its_own_token_and_never_asks_who_it_is() {
    let world = world().await;
    world.role(trusting("repo:acme/shop:*"));
    let wish = Wish {
        calls: 2,
        account: true,
        session_seconds: Some(900),
        allowed: vec!["111122223333".to_owned()],
        ..staging()
    };
    let probed = in_job(&world, &wish).await;
    assert_eq!(probed.found.problem, None);
    assert_eq!(probed.found.good_calls, 2, "{:?}", probed.found.failed_calls);
    assert_eq!(probed.found.account.as_deref(), Some("111122223333"));
    assert_eq!(
        asked(&world),
        ["oidc GET /actions/idtoken", "sts AssumeRoleWithWebIdentity", "ecs DescribeServices", "ecs DescribeServices",]
    );
    let calls = world.calls();
    assert_eq!(calls[1].body["RoleSessionName"], "shipline-staging");
    assert_eq!(calls[1].body["DurationSeconds"], "900");
    assert_eq!(calls[1].access_key_id, None);
    assert!(calls[2].access_key_id.as_ref().is_some_and(|key| key.starts_with("ASIA")), "{:?}", calls[2].access_key_id);
}

#[tokio::test]
async fn keys_in_the_environment_cost_no_request_at_all() {
    let world = world().await;
    let wish = Wish { role: None, ..staging() };
    assert_eq!(with_keys(&world, &wish).await.found.problem, None);
    assert_eq!(asked(&world), [""; 0]);
}

#[tokio::test]
async fn credentials_renew_themselves_with_a_new_token_while_we_wait() {
    let world = world().await;
    world.role(trusting("repo:acme/shop:*"));
    let credentials = Credentials { enforce: true, keys: Vec::new(), lifetime_ms: Some(2000) };
    world.seed(Seed { credentials: Some(credentials), ..Seed::default() });
    let probed = in_job(&world, &Wish { calls: 4, pause_ms: 1500, ..staging() }).await;
    assert_eq!(probed.found.good_calls, 4, "{:?}", probed.found.failed_calls);
    let keys: std::collections::BTreeSet<_> =
        world.calls_of("ecs", "DescribeServices").into_iter().filter_map(|call| call.access_key_id).collect();
    assert!(keys.len() >= 2, "the same credentials were used for longer than they live: {keys:?}");
    assert!(world.count("oidc", "GET /actions/idtoken") >= 3, "{:?}", asked(&world));
}

#[tokio::test]
async fn a_renewal_that_is_refused_says_why_in_the_call_that_needed_it() {
    let world = world().await;
    world.role(trusting("repo:acme/shop:*"));
    let credentials = Credentials { enforce: true, keys: Vec::new(), lifetime_ms: Some(1000) };
    world.seed(Seed { credentials: Some(credentials), ..Seed::default() });
    // The second exchange, at the first call, still succeeds; the third does not.
    let refusal = FaultKind::Error {
        code: "AccessDenied".to_owned(),
        message: "Not authorized to perform sts:AssumeRoleWithWebIdentity".to_owned(),
        status: 403,
    };
    world.fault(Fault::on("sts", "AssumeRoleWithWebIdentity", refusal).after(2));
    let probed = in_job(&world, &Wish { calls: 2, pause_ms: 1200, ..staging() }).await;
    assert_eq!((probed.found.good_calls, probed.found.failed_calls.len()), (1, 1), "{:?}", asked(&world));
    let problem = &probed.found.failed_calls[0];
    assert_eq!(problem.code, "credentials");
    assert!(problem.what.contains("AWS refused to let this job assume"), "{problem}");
    assert!(problem.what.contains("repo:acme/shop:ref:refs/heads/main"), "{problem}");
}

#[tokio::test]
async fn an_account_that_is_not_allowed_is_refused_before_anything_is_called() {
    let world = world().await;
    let elsewhere = vec!["999900001111".to_owned()];
    let by_role = in_job(&world, &Wish { allowed: elsewhere.clone(), calls: 1, ..staging() }).await;
    let problem = by_role.found.problem.unwrap();
    assert_eq!((problem.code.as_str(), problem.exit_code()), ("account-not-allowed", 3));
    assert_eq!(asked(&world), [""; 0]);

    let by_key = with_keys(&world, &Wish { role: None, allowed: elsewhere, calls: 1, ..staging() }).await;
    assert_eq!(by_key.found.problem.unwrap().code, "account-not-allowed");
    assert_eq!(asked(&world), ["sts GetCallerIdentity"]);
}

#[tokio::test]
async fn roles_are_chained_from_the_token_through_the_hub_with_the_external_id_for_the_last() {
    let world = world().await;
    world.role(role(HUB)).role(RoleSeed {
        external_id: Some("acme-7".to_owned()),
        assumable_by: vec!["assumed-role/hub/".to_owned()],
        ..role(ROLE)
    });
    let wish = Wish {
        through: vec![HUB.to_owned()],
        external_id: Some("acme-7".to_owned()),
        calls: 1,
        account: true,
        ..staging()
    };
    let probed = in_job(&world, &wish).await;
    assert_eq!(probed.found.problem, None);
    assert_eq!((probed.found.good_calls, probed.found.account.as_deref()), (1, Some("111122223333")));
    let chain =
        ["oidc GET /actions/idtoken", "sts AssumeRoleWithWebIdentity", "sts AssumeRole", "ecs DescribeServices"];
    assert_eq!(asked(&world), chain);
    assert_eq!(world.calls()[1].body["RoleArn"], HUB);
    assert_eq!(world.calls()[1].body.get("ExternalId"), None);
    assert_eq!(world.calls()[2].body["ExternalId"], "acme-7");
}

#[tokio::test]
async fn with_role_chaining_the_keys_found_assume_the_role() {
    let world = world().await;
    world.role(role(ROLE));
    let probed = with_keys(&world, &Wish { ambient: true, calls: 1, ..staging() }).await;
    assert_eq!((probed.found.problem, probed.found.good_calls), (None, 1));
    assert_eq!(asked(&world), ["sts AssumeRole", "ecs DescribeServices"]);
    assert_eq!(world.calls()[0].access_key_id.as_deref(), Some("AKIDPLANTED"));
}

#[tokio::test]
async fn a_token_in_a_file_is_read_again_for_every_exchange() {
    let world = world().await;
    world.role(trusting("system:serviceaccount:ci:*"));
    let claims = |sub: &str| {
        let claims = serde_json::json!({"iss": "https://oidc.example.com", "aud": "sts.amazonaws.com", "sub": sub});
        shipline_test_support::github_token(&claims)
    };
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{}\n", claims("system:serviceaccount:ci:runner"))).unwrap();
    let wish = Wish { token_file: Some(file.path().to_owned()), calls: 1, ..staging() };
    assert_eq!(with_keys(&world, &wish).await.found.good_calls, 1);
    std::fs::write(file.path(), claims("system:serviceaccount:other:runner")).unwrap();
    let problem = with_keys(&world, &wish).await.found.problem.unwrap();
    assert_eq!(problem.code, "oidc-refused");
    assert!(problem.next.contains("\"oidc.example.com:sub\": \"system:serviceaccount:other:runner\""), "{problem}");
}

#[tokio::test]
async fn a_refused_token_is_told_with_its_claims_and_the_policy_to_write() {
    let world = world().await;
    world.role(trusting("repo:acme/shop:environment:production"));
    let problem = in_job(&world, &staging()).await.found.problem.unwrap();
    assert_eq!((problem.code.as_str(), problem.exit_code()), ("oidc-refused", 4));
    let text = problem.to_string();
    for part in [
        "sub: repo:acme/shop:ref:refs/heads/main",
        "aud: sts.amazonaws.com",
        "\"token.actions.githubusercontent.com:sub\": \"repo:acme/shop:ref:refs/heads/main\"",
        "names no `environment:`",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert_eq!(asked(&world), ["oidc GET /actions/idtoken", "sts AssumeRoleWithWebIdentity"]);
}

#[tokio::test]
async fn a_missing_provider_a_wrong_audience_and_a_long_session_are_each_named() {
    let world = world().await;
    let with = |seed: RoleSeed, wish: Wish| {
        let world = &world;
        async move {
            world.role(seed);
            in_job(world, &wish).await.found.problem.unwrap().code
        }
    };
    let other = RoleSeed { issuer: Some("https://gitlab.example.com".to_owned()), ..role(ROLE) };
    assert_eq!(with(other, staging()).await, "oidc-provider-missing");
    let audiences = RoleSeed { provider_audiences: Some(vec!["sts.amazonaws.com".to_owned()]), ..role(ROLE) };
    assert_eq!(with(audiences, Wish { audience: Some("acme".to_owned()), ..staging() }).await, "oidc-audience");
    let short = RoleSeed { max_session_seconds: Some(3600), ..role(ROLE) };
    assert_eq!(with(short, Wish { session_seconds: Some(7200), ..staging() }).await, "session-too-long");
}

#[tokio::test]
async fn a_role_that_does_not_trust_the_keys_is_told_with_the_external_id() {
    let world = world().await;
    world.role(RoleSeed { external_id: Some("acme-7".to_owned()), ..role(ROLE) });
    let problem = with_keys(&world, &Wish { ambient: true, ..staging() }).await.found.problem.unwrap();
    assert_eq!((problem.code.as_str(), problem.exit_code()), ("role-refused", 4));
    assert!(problem.to_string().contains("no external id is sent"), "{problem}");
}

#[tokio::test]
async fn keys_that_aws_does_not_know_are_named_as_such() {
    let world = world().await;
    world.seed(Seed { credentials: Some(Credentials { enforce: true, ..Credentials::default() }), ..Seed::default() });
    let wish = Wish { role: None, allowed: vec!["111122223333".to_owned()], ..staging() };
    let problem = with_keys(&world, &wish).await.found.problem.unwrap();
    assert_eq!((problem.code.as_str(), problem.exit_code()), ("credentials-wrong", 4));
}

#[tokio::test]
async fn without_the_permission_to_ask_for_a_token_the_job_is_told_which_to_add() {
    let world = world().await;
    let endpoint = world.endpoint();
    let environment = [("AWS_ENDPOINT_URL", endpoint.as_str()), ("GITHUB_ACTIONS", "true")];
    let problem = probe(&staging(), &environment).await.found.problem.unwrap();
    assert_eq!((problem.code.as_str(), problem.exit_code()), ("oidc-not-permitted", 2));
    assert!(problem.next.contains("id-token: write"), "{problem}");
    let local = probe(&Wish { role: None, ..staging() }, &environment[..1]).await.found.problem.unwrap();
    assert_eq!(local.code, "credentials-missing");
    assert_eq!(asked(&world), [""; 0]);
}

#[tokio::test]
async fn a_missing_region_names_the_input_and_the_key() {
    let world = world().await;
    let problem = with_keys(&world, &Wish::default()).await.found.problem.unwrap();
    assert_eq!((problem.code.as_str(), problem.exit_code()), ("region-missing", 2));
    assert!(problem.next.contains("aws-region") && problem.next.contains("region: us-east-1"), "{problem}");
}

#[tokio::test]
async fn the_endpoint_of_one_service_goes_before_the_one_for_all() {
    let (sts, all) = (world().await, world().await);
    sts.role(role(ROLE));
    let (sts_url, all_url, oidc) = (sts.endpoint(), all.endpoint(), all.oidc_url());
    let environment = [
        ("AWS_ENDPOINT_URL", all_url.as_str()),
        ("AWS_ENDPOINT_URL_STS", sts_url.as_str()),
        ("ACTIONS_ID_TOKEN_REQUEST_URL", oidc.as_str()),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", BEARER),
    ];
    let probed = probe(&Wish { calls: 1, ..staging() }, &environment).await;
    assert_eq!((probed.found.problem, probed.found.good_calls), (None, 1));
    assert_eq!(asked(&sts), ["sts AssumeRoleWithWebIdentity"]);
    assert_eq!(asked(&all), ["oidc GET /actions/idtoken", "ecs DescribeServices"]);
}

#[tokio::test]
async fn a_token_endpoint_that_stumbles_is_asked_again_and_one_that_refuses_is_not() {
    let world = world().await;
    world.fault(Fault::on_service("oidc", FaultKind::ServerError { status: 503 }).times(2));
    assert_eq!(in_job(&world, &staging()).await.found.problem, None);
    assert_eq!(world.count("oidc", "GET /actions/idtoken"), 3);
    world.no_faults().forget_calls();
    world.fault(Fault::on_service("oidc", FaultKind::Deny));
    let problem = in_job(&world, &staging()).await.found.problem.unwrap();
    assert_eq!((problem.code.as_str(), problem.exit_code()), ("oidc-request-refused", 4));
    assert_eq!(world.count("oidc", "GET /actions/idtoken"), 1);
}

#[tokio::test]
async fn throttling_is_survived() {
    let world = world().await;
    world.fault(Fault::on("ecs", "DescribeServices", FaultKind::Throttle).times(5));
    let probed = with_keys(&world, &Wish { role: None, calls: 1, ..staging() }).await;
    assert_eq!(probed.found.good_calls, 1, "{:?}", probed.found.failed_calls);
    assert_eq!(world.count("ecs", "DescribeServices"), 6);
}

#[tokio::test]
async fn no_secret_is_printed_at_any_log_level_and_all_are_masked() {
    let world = world().await;
    world.role(trusting("repo:acme/shop:*"));
    let credentials = Credentials { enforce: true, keys: Vec::new(), lifetime_ms: Some(1000) };
    world.seed(Seed { credentials: Some(credentials), ..Seed::default() });
    let by_token = in_job(&world, &Wish { calls: 2, pause_ms: 1200, ..staging() }).await;
    assert_eq!(by_token.found.good_calls, 2, "{:?}", by_token.found.failed_calls);
    assert!(by_token.masked.iter().any(|secret| secret == BEARER));
    for exchange in world.calls_of("sts", "AssumeRoleWithWebIdentity") {
        let token = exchange.body["WebIdentityToken"].as_str().unwrap();
        assert!(by_token.masked.iter().any(|secret| secret == token), "a token was used before it was masked");
    }
    // Each exchange gives a secret key and a session token, beside the token it cost.
    let exchanges = world.count("sts", "AssumeRoleWithWebIdentity");
    assert!(by_token.masked.len() > 3 * exchanges, "{} masked in {exchanges} exchanges", by_token.masked.len());
    let by_key = with_keys(&world, &Wish { role: None, calls: 1, ..staging() }).await;
    assert!(by_key.masked.iter().any(|secret| secret == SECRET));
    for probed in [&by_token, &by_key] {
        assert!(probed.printed.contains("TRACE"), "the log is on");
        for secret in &probed.masked {
            let line = probed.printed.lines().find(|line| line.contains(secret.as_str()));
            assert_eq!(line, None, "a secret was printed");
        }
    }
}

#[tokio::test]
async fn a_denied_call_names_the_permission_the_resource_and_the_statement() {
    let world = world().await;
    world.fault(Fault::on("ecs", "DescribeServices", FaultKind::Deny));
    let probed = with_keys(&world, &Wish { role: None, calls: 1, ..staging() }).await;
    let problem = &probed.found.failed_calls[0];
    assert_eq!((problem.code.as_str(), problem.exit_code()), ("permission-missing", 4));
    assert!(problem.next.contains("\"Action\":\"ecs:DescribeServices\""), "{problem}");
    assert!(problem.next.contains("\"Resource\":\"*\""), "{problem}");
    assert_eq!(world.count("ecs", "DescribeServices"), 1, "a refusal is not retried");
}
