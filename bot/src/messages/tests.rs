use std::collections::BTreeMap;

use serde_json::json;
use shipline::engine::Progress;
use shipline::report::{Commit, ImageOrigin, Moment, SCHEMA_VERSION, ServiceView, Stage as Took, View};
use shipline::rollout::{Cause, CauseCode, Exit, FieldChange, Link, LogLines, Revision};
use shipline::types::{CommitSha, EnvironmentName, ServiceName, Timestamp};

use super::*;
use crate::commands::{NotACommand, NotACommandCode};
use crate::decision::{Denied, ReasonCode};
use crate::store::{Asked, Deployment, DeploymentKind, Good, Lock, Stage, State};
use crate::types::{
    Actor, CommentId, DeploymentId, EnvironmentKey, InstallationId, RepositoryId, RepositoryRef, UserId,
};

mod comment;
mod foreign;
mod short;

const NEW: &str = "a1b2c3d4e5f60718293a4b5c6d7e8f9012345678";
const OLD: &str = "9f8e7d6c5b4a39281706f5e4d3c2b1a098765432";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_262_400 + seconds).unwrap()
}

fn sha(text: &str) -> CommitSha {
    text.parse().unwrap()
}

fn service(text: &str) -> ServiceName {
    text.parse().unwrap()
}

fn actor(login: &str) -> Actor {
    Actor { id: UserId::new(login.len() as u64), login: login.to_owned() }
}

fn key() -> EnvironmentKey {
    EnvironmentKey { repository: RepositoryId::new(7), environment: "staging".parse().unwrap() }
}

fn deployment_of(kind: DeploymentKind) -> Deployment {
    Deployment {
        id: DeploymentId::new(42),
        asked: Asked {
            key: key(),
            repository: RepositoryRef {
                id: RepositoryId::new(7),
                name: "acme/shop".parse().unwrap(),
                installation: InstallationId::new(1),
                public: false,
            },
            kind,
            services: Vec::new(),
            actor: actor("alice"),
            issue: 12,
            is_pull: true,
            comment: CommentId::new(901),
            command: 0,
            reason: None,
            policy_commit: sha(OLD),
            decided: at(0),
        },
        state: State::fresh(),
        created: at(0),
        cancel: None,
        outcome: None,
        ended: None,
    }
}

fn deploy() -> Deployment {
    deployment_of(DeploymentKind::Deploy { sha: sha(NEW) })
}

fn service_view(name: &str, state: &str) -> ServiceView {
    ServiceView {
        name: service(name),
        target: format!("shop/{name}"),
        before: "9f8e7d6".into(),
        after: "a1b2c3d".into(),
        state: state.into(),
        image: None,
        digest: None,
        tags: vec![],
        origin: Some(ImageOrigin::FoundByCommit),
        revision: None,
        previous_revision: String::new(),
        changes: vec![FieldChange {
            path: "containers.app.image".into(),
            before: Some("registry.test/api:9f8e7d6".into()),
            after: Some("registry.test/api:a1b2c3d".into()),
        }],
        deployment_id: None,
        cause: None,
        stuck: None,
        url: None,
        console: Some(format!("https://console.test/{name}")),
    }
}

fn view(result: &str, services: Vec<ServiceView>) -> View {
    View {
        schema_version: SCHEMA_VERSION,
        command: "deploy".into(),
        environment: "staging".parse().unwrap(),
        result: result.into(),
        commit: Some(sha(NEW)),
        plan: "3f9a1c000000".into(),
        services,
        waves: vec![],
        rollout: None,
        check_failure: None,
        alarm: None,
        gate_failure: None,
        waits: None,
        analysis: None,
        hooks: Vec::new(),
        gates: Vec::new(),
        commits: vec![
            Commit { sha: sha(NEW), title: "Read the address from the settings".into(), author: "alice".into() },
            Commit { sha: sha(OLD), title: "Say hello".into(), author: "bob".into() },
        ],
        timeline: vec![
            Moment { at: at(2), service: Some(service("api")), what: "`api:42` accepted".into() },
            Moment { at: at(41), service: Some(service("api")), what: "serves".into() },
        ],
        stages: vec![Took { name: "rollout".into(), began: at(2), took_ms: 39_000 }],
        notices: vec![],
        began: at(0),
        took_ms: 41_000,
        rollback_command: None,
    }
}

fn cause() -> Cause {
    let mut cause = Cause::new(
        CauseCode::ContainerExited,
        "container `app` exited with code 1, three times in a row",
        "Put `DATABASE_URL` back and comment `/deploy staging`.",
    );
    cause.task = Some("3f2a9c".into());
    cause.revision = Some("api:42".into());
    cause.exit = Some(Exit::of(1));
    cause.facts = vec!["task definition `api:42` has no `DATABASE_URL`; `api:41` had it from Secrets Manager".into()];
    cause.log = Some(LogLines { source: "/ecs/api app/1".into(), lines: vec!["KeyError: 'DATABASE_URL'".into()] });
    cause.links = vec![Link { title: "log".into(), url: "https://console.test/log".into() }];
    cause
}

fn progress(name: &str, healthy: u32, wanted: u32, doing: &str) -> (ServiceName, Progress) {
    (service(name), Progress { healthy, wanted, doing: doing.into(), ..Progress::default() })
}

fn told(about: &Deployment, stand: Stand<'_>, progress: &BTreeMap<ServiceName, Progress>) -> String {
    deployment(&Shown { deployment: about, stand, progress, server_url: "https://github.com", now: at(720) })
}

fn lock() -> Lock {
    Lock {
        key: key(),
        holder: actor("alice"),
        reason: "rolled back, look before you deploy".into(),
        since: at(41),
        until: None,
    }
}
