//! App Runner services built from source code, arranged for the contract.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;
use shipline::config::spec::Strategy;
use shipline::engine::{Target, Wish};
use shipline::types::CommitSha;
use shipline_test_support::{AppRunnerBehaviour, AwsWorld, Timing};

use super::{Arrange, Ends, Which, letter};
use crate::app_runner_source::{REPOSITORY, SERVICE, commit, farm, going, push, source_target, spec};

pub(crate) struct Source {
    aws: AwsWorld,
    arn: String,
}

/// What the target calls a commit.
pub(crate) fn told(commit: &CommitSha) -> String {
    format!("https://github.com/{REPOSITORY} {commit}")
}

impl Source {
    pub(crate) async fn new() -> Self {
        let (aws, arn) = farm().await;
        Self { aws, arn }
    }
}

#[async_trait]
impl Arrange for Source {
    async fn target(&self, strategy: Strategy) -> Arc<dyn Target> {
        Arc::new(source_target(&self.aws, &spec(), strategy).await)
    }

    /// The branch has to stand at it.
    fn wish(&self, which: Which) -> Wish {
        push(&self.aws, letter(which));
        Wish::Source { commit: commit(letter(which)) }
    }

    fn ends(&self, how: Ends) {
        let behaviour = match how {
            Ends::Badly => AppRunnerBehaviour::RollsBack { lines: vec!["KeyError: 'X'".to_owned()], reason: None },
            Ends::Never => AppRunnerBehaviour::Stuck {},
        };
        self.aws.app_runner_rule(going(letter(Which::New), behaviour));
    }

    fn changes(&self) -> usize {
        self.aws.count("apprunner", "UpdateService") + self.aws.count("apprunner", "StartDeployment")
    }

    fn mutations(&self) -> usize {
        let branches = self.aws.calls().iter().filter(|call| call.operation.contains("/git/refs")).count();
        self.changes() + self.aws.count("apprunner", "TagResource") + branches
    }

    fn taken_over(&self) {
        push(&self.aws, letter(Which::Theirs));
        // While it only runs, ours still serves.
        self.aws.timing(Timing::instant());
        self.aws.app_runner("StartDeployment", &json!({"ServiceArn": self.arn})).unwrap();
    }

    fn live(&self) -> String {
        told(&self.aws.app_runner_commit(SERVICE).unwrap().parse().unwrap())
    }
}
