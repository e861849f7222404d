use super::*;
use crate::image::served::Served;

fn host(text: &str) -> RegistryHost {
    text.parse().unwrap()
}

fn environment(folder: &Path) -> Environment {
    #[expect(clippy::disallowed_methods, reason = "credential helpers are found by PATH")]
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", folder.display());
    [("PATH".to_owned(), path), ("DOCKER_CONFIG".to_owned(), folder.to_str().unwrap().to_owned())].into()
}

fn logins(environment: &Environment) -> (Logins, Arc<std::sync::Mutex<Vec<String>>>) {
    let masked = Arc::new(std::sync::Mutex::new(Vec::new()));
    let into = Arc::clone(&masked);
    let mask: Mask = Arc::new(move |secret: &str| into.lock().unwrap().push(secret.to_owned()));
    (Logins::new(SdkConfig::builder().build(), environment.clone(), mask, Cancel::new()), masked)
}

fn basic(password: &str) -> Basic {
    Basic { user: "AWS".into(), password: password.to_owned().into() }
}

fn written(config: &DockerConfig) -> Value {
    serde_json::from_slice(&std::fs::read(config.folder().join("config.json")).unwrap()).unwrap()
}

#[tokio::test]
async fn the_private_configuration_keeps_what_the_user_has_and_only_this_user_can_read_it() {
    let own = tempfile::tempdir().unwrap();
    std::fs::create_dir(own.path().join("cli-plugins")).unwrap();
    std::fs::create_dir_all(own.path().join("contexts/meta")).unwrap();
    std::fs::create_dir(own.path().join("buildx")).unwrap();
    let before = r#"{"auths":{"ghcr.io":{"auth":"YTpi"},"1.dkr":{}},"proxies":{"default":{"httpProxy":"http://p"}},"credsStore":"desktop","currentContext":"remote"}"#;
    std::fs::write(own.path().join("config.json"), before).unwrap();
    let environment = environment(own.path());
    let config = DockerConfig::new(&environment).unwrap();
    let ecr = host("111122223333.dkr.ecr.us-east-1.amazonaws.com");
    config.add(&[(ecr.clone(), basic("s3cret"))]).await.unwrap();

    let content = written(&config);
    assert_eq!(content["auths"]["ghcr.io"]["auth"], "YTpi");
    assert_eq!(content["auths"][ecr.as_str()]["auth"], BASE64.encode("AWS:s3cret"));
    assert_eq!(content["credHelpers"][ecr.as_str()], "", "the store would be asked instead of this file");
    assert_eq!(content["credsStore"], "desktop");
    assert_eq!(content["currentContext"], "remote");
    assert_eq!(content["proxies"]["default"]["httpProxy"], "http://p");
    assert_eq!(content["cliPluginsExtraDirs"][0], own.path().join("cli-plugins").to_str().unwrap());
    assert!(config.folder().join("contexts/meta").is_dir());
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(config.folder()), 0o700);
    assert_eq!(mode(&config.folder().join("config.json")), 0o600);
    let given = config.environment(&environment);
    assert_eq!(given["DOCKER_CONFIG"], config.folder().to_str().unwrap());
    assert_eq!(given["BUILDX_CONFIG"], own.path().join("buildx").to_str().unwrap());

    let folder = config.folder().to_owned();
    drop(config);
    assert!(!folder.exists());
    assert_eq!(std::fs::read_to_string(own.path().join("config.json")).unwrap(), before);
    assert!(own.path().join("contexts/meta").is_dir(), "the link went, not what it points to");
}

#[tokio::test]
async fn a_second_login_keeps_the_first() {
    let own = tempfile::tempdir().unwrap();
    let config = DockerConfig::new(&environment(own.path())).unwrap();
    config.add(&[(host("a.example.com"), basic("1"))]).await.unwrap();
    config.add(&[(host("b.example.com"), basic("2"))]).await.unwrap();
    assert_eq!(written(&config)["auths"].as_object().unwrap().len(), 2);
}

#[tokio::test]
async fn other_registries_use_the_users_logins_and_helpers_masked_before_use() {
    let own = tempfile::tempdir().unwrap();
    let auth = BASE64.encode("me:from-file");
    let config = format!(r#"{{"auths":{{"ghcr.io":{{"auth":"{auth}"}}}},"credHelpers":{{"quay.io":"shiplinetest"}}}}"#);
    std::fs::write(own.path().join("config.json"), config).unwrap();
    let helper = own.path().join("docker-credential-shiplinetest");
    std::fs::write(
        &helper,
        "#!/bin/sh\nread host\necho \"{\\\"Username\\\":\\\"$host\\\",\\\"Secret\\\":\\\"from-helper\\\"}\"\n",
    )
    .unwrap();
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let (logins, masked) = logins(&environment(own.path()));

    let file = logins.basic(&host("ghcr.io")).await.unwrap().unwrap();
    assert_eq!((file.user.as_str(), file.password.expose_secret()), ("me", "from-file"));
    let known = logins.basic(&host("quay.io")).await.unwrap().unwrap();
    assert_eq!((known.user.as_str(), known.password.expose_secret()), ("quay.io", "from-helper"));
    assert!(logins.basic(&host("localhost:5000")).await.unwrap().is_none());
    assert_eq!(*masked.lock().unwrap(), [auth, "from-file".to_owned(), "from-helper".to_owned()]);
    assert!(!format!("{file:?}").contains("from-file"));
}

#[tokio::test]
async fn a_broken_configuration_is_named() {
    let own = tempfile::tempdir().unwrap();
    std::fs::write(own.path().join("config.json"), "{").unwrap();
    let problem = DockerConfig::new(&environment(own.path())).unwrap_err();
    assert_eq!(problem.code, "docker-config-unreadable");
}

#[tokio::test]
async fn one_token_serves_every_account_of_a_region_and_the_public_registry_asks_in_us_east_1() {
    let served = Served::new(|head, _| {
        let region = head.split("Credential=").nth(1).and_then(|rest| rest.split('/').nth(2)).unwrap_or_default();
        let token = BASE64.encode(format!("AWS:password-of-{region}"));
        let public = head.contains("SpencerFrontendService.GetAuthorizationToken");
        let data = serde_json::json!({"authorizationToken": token});
        let data = if public { data } else { serde_json::json!([data]) };
        let body = serde_json::json!({ "authorizationData": data }).to_string();
        ("200 OK", "content-type: application/x-amz-json-1.1\r\n".to_owned(), body)
    });
    let credentials = aws_credential_types::Credentials::new("id", "key", None, None, "test");
    let sdk = aws_config::defaults(aws_config::BehaviorVersion::latest())
        .region("eu-west-1")
        .endpoint_url(format!("http://{}", served.host))
        .credentials_provider(credentials)
        .load()
        .await;
    let own = tempfile::tempdir().unwrap();
    let masked: Arc<std::sync::Mutex<Vec<String>>> = Arc::default();
    let into = Arc::clone(&masked);
    let options = crate::image::Options {
        environment: environment(own.path()),
        mask: Arc::new(move |secret: &str| into.lock().unwrap().push(secret.to_owned())),
        lines: Arc::new(|_, _| {}),
        cancel: Cancel::new(),
    };
    let pipeline = crate::image::Pipeline::new(&sdk, options);
    let hosts = [
        "111122223333.dkr.ecr.eu-west-1.amazonaws.com",
        "444455556666.dkr.ecr.eu-west-1.amazonaws.com",
        "444455556666.dkr.ecr.ap-south-1.amazonaws.com",
        "public.ecr.aws",
        "ghcr.io",
    ];
    pipeline.login(&hosts.map(host)).await.unwrap();

    let folder = PathBuf::from(pipeline.docker_environment().await.unwrap()["DOCKER_CONFIG"].clone());
    let content: Value = serde_json::from_slice(&std::fs::read(folder.join("config.json")).unwrap()).unwrap();
    let auths = content["auths"].as_object().unwrap();
    let regions = ["eu-west-1", "eu-west-1", "ap-south-1", "us-east-1"];
    for (host, region) in hosts.iter().zip(regions) {
        assert_eq!(auths[*host]["auth"], BASE64.encode(format!("AWS:password-of-{region}")), "{host}");
    }
    assert_eq!(auths.len(), 4, "other registries keep the user's own logins");
    assert_eq!(served.asked().len(), 3, "two accounts of one region share a token");
    for region in ["eu-west-1", "ap-south-1", "us-east-1"] {
        assert!(masked.lock().unwrap().contains(&format!("password-of-{region}")));
        assert!(masked.lock().unwrap().contains(&BASE64.encode(format!("AWS:password-of-{region}"))));
    }
}

#[tokio::test]
async fn a_refused_token_names_the_permission() {
    let served = Served::new(|_, _| {
        let body = r#"{"__type":"AccessDeniedException","message":"User is not authorized to perform: ecr:GetAuthorizationToken"}"#;
        ("400 Bad Request", "content-type: application/x-amz-json-1.1\r\n".to_owned(), body.to_owned())
    });
    let credentials = aws_credential_types::Credentials::new("id", "key", None, None, "test");
    let sdk = aws_config::defaults(aws_config::BehaviorVersion::latest())
        .region("eu-west-1")
        .endpoint_url(format!("http://{}", served.host))
        .credentials_provider(credentials)
        .load()
        .await;
    let logins = Logins::new(sdk, Environment::new(), Arc::new(|_| {}), Cancel::new());
    let problem = logins.basic(&host("111122223333.dkr.ecr.eu-west-1.amazonaws.com")).await.unwrap_err();
    assert_eq!((problem.code.as_str(), problem.exit_code()), ("permission-missing", 4));
    assert!(problem.next.contains("ecr:GetAuthorizationToken"), "{problem}");
}
