//! A session in a process of its own: the SDK reads the process environment, which a test cannot
//! change for itself alone.
//!
//! [`probe`] starts this test program again with an environment that has nothing but what the test
//! gives, and only [`session_in_a_process_of_its_own`] in it. What the child prints is the answer.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use shipline::aws::{self, Mask, Sources, Start, TokenFile};
use shipline::config::spec::AwsSpec;
use shipline::github::oidc::JobToken;
use shipline::problem::Problem;
use shipline::types::Span;

/// What the child does.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Wish {
    pub(crate) region: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) through: Vec<String>,
    pub(crate) external_id: Option<String>,
    pub(crate) session_seconds: Option<u32>,
    pub(crate) allowed: Vec<String>,
    /// Uses the credentials found and no token of the job (`role-chaining`).
    pub(crate) ambient: bool,
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) audience: Option<String>,
    /// How many ECS calls follow, a pause before each but the first.
    pub(crate) calls: u32,
    pub(crate) pause_ms: u64,
    /// Asks the session for its account.
    pub(crate) account: bool,
}

/// What the child found.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Found {
    pub(crate) problem: Option<Problem>,
    pub(crate) account: Option<String>,
    pub(crate) good_calls: u32,
    /// Problems of the calls that failed.
    pub(crate) failed_calls: Vec<Problem>,
}

/// The child's answer, everything it printed, and everything it masked.
pub(crate) struct Probed {
    pub(crate) found: Found,
    pub(crate) printed: String,
    pub(crate) masked: Vec<String>,
}

const WISH: &str = "SHIPLINE_PROBE_WISH";
const MASKED: &str = "SHIPLINE_PROBE_MASKED";
const ANSWER: &str = "probe-answer: ";

/// Runs a session with that environment, beside `HOME` (empty) and no instance metadata.
#[expect(clippy::disallowed_methods, reason = "a test starts programs itself")]
pub(crate) async fn probe(wish: &Wish, environment: &[(&str, &str)]) -> Probed {
    let home = tempfile::tempdir().unwrap();
    let masked = home.path().join("masked");
    let output = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["probe::session_in_a_process_of_its_own", "--exact", "--nocapture", "--test-threads=1"])
        .env_clear()
        .env("HOME", home.path())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(environment.iter().copied())
        .env(WISH, serde_json::to_string(wish).unwrap())
        .env(MASKED, &masked)
        .output()
        .await
        .unwrap();
    let printed = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "the probe failed:\n{printed}");
    let answer = printed.lines().find_map(|line| Some(line.split_once(ANSWER)?.1)).expect("the probe answers");
    let found = serde_json::from_str(answer).unwrap();
    let masked: Vec<String> = serde_json::from_slice(&std::fs::read(&masked).unwrap()).unwrap();
    Probed { found, printed, masked }
}

/// In the child: does what is wished. In an ordinary run: a session that needs no network.
#[tokio::test]
async fn session_in_a_process_of_its_own() {
    let environment: BTreeMap<String, String> = environment();
    let Some(wish) = environment.get(WISH) else {
        let wish = Wish { region: Some("eu-central-1".to_owned()), ..Wish::default() };
        let keys = [("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "s")];
        assert_eq!(Box::pin(probe(&wish, &keys)).await.found.problem, None);
        return;
    };
    tracing_subscriber::fmt().with_env_filter("trace").with_writer(std::io::stderr).init();
    let masked = Arc::new(Mutex::new(Vec::<String>::new()));
    let found = carry_out(&serde_json::from_str(wish).unwrap(), &environment, &masked).await;
    std::fs::write(&environment[MASKED], serde_json::to_vec(&*masked.lock().unwrap()).unwrap()).unwrap();
    println!("{ANSWER}{}", serde_json::to_string(&found).unwrap());
}

#[expect(clippy::disallowed_methods, reason = "the environment is read once, in the shell of this test")]
fn environment() -> BTreeMap<String, String> {
    std::env::vars().collect()
}

async fn carry_out(wish: &Wish, environment: &BTreeMap<String, String>, masked: &Arc<Mutex<Vec<String>>>) -> Found {
    match open(wish, environment, masked).await {
        Ok(session) => use_it(wish, &session).await,
        Err(problem) => {
            eprintln!("{problem:?}");
            Found { problem: Some(problem), ..Found::default() }
        }
    }
}

async fn open(
    wish: &Wish,
    environment: &BTreeMap<String, String>,
    masked: &Arc<Mutex<Vec<String>>>,
) -> Result<aws::Session, Problem> {
    let spec = AwsSpec {
        region: wish.region.as_ref().map(|region| region.parse().unwrap()),
        role: wish.role.as_ref().map(|role| role.parse().unwrap()),
        external_id: wish.external_id.clone(),
        session_name: None,
        session: wish.session_seconds.map(Span::seconds),
        allowed_accounts: wish.allowed.iter().map(|account| account.parse().unwrap()).collect(),
    };
    let keep = Arc::clone(masked);
    let mask = Mask::new(move |secret| keep.lock().unwrap().push(secret.expose_secret().to_owned()));
    let variable = |name: &str| environment.get(name).cloned();
    let job = JobToken::of_job(&variable, wish.audience.as_deref(), mask.clone())?;
    let start = match (&wish.token_file, job) {
        _ if wish.ambient => Start::Ambient,
        (Some(path), _) => Start::Token(Arc::new(TokenFile::new(path, mask.clone()))),
        (None, Some(job)) => Start::Token(Arc::new(job)),
        (None, None) => Start::Ambient,
    };
    eprintln!("{start:?}");
    let sources = Sources {
        environment: Some(&"staging".parse().unwrap()),
        start,
        through: wish.through.iter().map(|role| role.parse().unwrap()).collect(),
        mask,
        variable: &variable,
    };
    aws::connect(&spec, &sources).await
}

async fn use_it(wish: &Wish, session: &aws::Session) -> Found {
    eprintln!("{session:?}");
    let mut found = Found::default();
    let ecs = aws_sdk_ecs::Client::new(session.sdk());
    for call in 0..wish.calls {
        if call > 0 {
            pause(wish.pause_ms).await;
        }
        match ecs.describe_services().cluster("staging").services("api").send().await {
            Ok(_) => found.good_calls += 1,
            Err(error) => {
                let failure = aws::failure("ecs:DescribeServices", &error);
                eprintln!("{failure:?} {failure}");
                found.failed_calls.push(failure.problem());
            }
        }
    }
    if wish.account {
        match session.account().await {
            Ok(account) => found.account = Some(account.to_string()),
            Err(problem) => found.problem = Some(problem),
        }
    }
    found
}

#[expect(clippy::disallowed_methods, reason = "time passes while credentials grow old")]
async fn pause(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}
