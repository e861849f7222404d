use super::*;

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
    let helped = logins.basic(&host("quay.io")).await.unwrap().unwrap();
    assert_eq!((helped.user.as_str(), helped.password.expose_secret()), ("quay.io", "from-helper"));
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
