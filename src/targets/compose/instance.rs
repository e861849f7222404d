//! An EC2 instance (or any managed node) as a Compose host, through Systems Manager Run Command.
//!
//! The document is AWS's own `AWS-RunShellScript`: there is nothing to create, share or keep current in
//! every account and region. What is sent is constant but for words in base64, so there is nothing for a
//! shell to misread; whoever wants to narrow what a role may run does it with the instance in
//! `ssm:SendCommand` (docs/compose.md). Sending a command twice is harmless: every verb of the program
//! looks first.

use std::time::Duration;

use aws_sdk_ssm::Client;
use aws_sdk_ssm::types::{CommandInvocationStatus, InstanceInformationStringFilter, PingStatus};
use aws_types::SdkConfig;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::OnceCell;

use super::host::PROGRAM;
use crate::aws::failure;
use crate::config::spec::ComposeHost;
use crate::engine::target::FailureKind;
use crate::engine::{Cancel, Examination, ProviderFailure, clock, wait};
use crate::problem::Problem;

/// How long one command may take: none waits for a container.
const LIMIT: Duration = Duration::from_mins(2);

/// Commands answer within a second or two; `GetCommandInvocation` is good for far more calls.
const FIRST_PAUSE: Duration = Duration::from_millis(150);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
const THROTTLED_PAUSE: Duration = Duration::from_secs(5);

/// A node of Systems Manager.
#[derive(Debug)]
pub(super) struct Instance {
    client: Client,
    host: ComposeHost,
    /// Found once: an instance keeps its id.
    id: OnceCell<String>,
}

impl Instance {
    /// Of 24,000 characters that `GetCommandInvocation` brings, some are for the header.
    pub(super) const PAGE: usize = 20_000;

    pub(super) fn new(config: &SdkConfig, host: &ComposeHost) -> Self {
        let known = match host {
            ComposeHost::Instance(id) => Some(id.clone()),
            ComposeHost::Local | ComposeHost::Tag { .. } => None,
        };
        Self { client: Client::new(config), host: host.clone(), id: OnceCell::new_with(known) }
    }

    pub(super) async fn run(&self, words: &[String]) -> Result<String, ProviderFailure> {
        let instance = self.id.get_or_try_init(|| self.find()).await?;
        let command = self.send(instance, script(words)).await?;
        let deadline = clock::instant() + LIMIT;
        let mut pause = FIRST_PAUSE;
        loop {
            let unanswered = match self.ended(instance, &command).await {
                Ok(Some(end)) => return end,
                Ok(None) => None,
                Err(failure) if failure.is_passing() => {
                    pause = THROTTLED_PAUSE;
                    Some(failure)
                }
                Err(failure) => return Err(failure),
            };
            if clock::instant() >= deadline {
                self.cancel(instance, &command).await;
                return Err(unanswered.unwrap_or_else(|| {
                    unreachable(format!("command {command} did not end within {} s on {instance}", LIMIT.as_secs()))
                }));
            }
            wait::pause(pause, &Cancel::new()).await;
            pause = pause.mul_f64(1.5).min(LONGEST_PAUSE);
        }
    }

    /// Whether Systems Manager reaches it; what it finds is noted. Where that may not be asked, the
    /// command itself tells.
    pub(super) async fn examine(&self, found: &mut Examination) -> bool {
        let id = match self.id.get_or_try_init(|| self.find()).await {
            Ok(id) => id,
            Err(failure) => {
                found.failed(failure.into());
                return false;
            }
        };
        let filter = InstanceInformationStringFilter::builder().key("InstanceIds").values(id).build();
        let Ok(filter) = filter else { return true };
        let asked = self.client.describe_instance_information().filters(filter).send().await;
        let answer = match asked.map_err(|error| failure("ssm:DescribeInstanceInformation", &error)) {
            Ok(answer) => answer,
            Err(failure) => {
                found.failed(failure.into());
                return true;
            }
        };
        let Some(node) = answer.instance_information_list().first() else {
            found.fails(Problem::provider(
                "instance-not-managed",
                format!("Systems Manager does not know {id} in this region"),
                "Start it, with the SSM agent and a role with AmazonSSMManagedInstanceCore; or correct `host`.",
            ));
            return false;
        };
        if node.ping_status() == Some(&PingStatus::Online) {
            found.good(format!("{id} is online in Systems Manager"));
            return true;
        }
        let seen = node.last_ping_date_time().map_or_else(|| "never".to_owned(), ToString::to_string);
        found.fails(
            Problem::provider(
                "instance-not-online",
                format!("{id} does not answer Systems Manager"),
                "Look whether it runs, whether its SSM agent does, and whether it reaches the SSM endpoints.",
            )
            .because(format!("last heard of: {seen}")),
        );
        false
    }

    async fn send(&self, instance: &str, script: String) -> Result<String, ProviderFailure> {
        let sent = self
            .client
            .send_command()
            .document_name("AWS-RunShellScript")
            .instance_ids(instance)
            .comment("Shipline")
            // Until the agent has it, and until it has ended.
            .timeout_seconds(60)
            .parameters("commands", vec![script])
            .parameters("executionTimeout", vec![LIMIT.as_secs().to_string()])
            .send()
            .await;
        let answer = sent.map_err(|error| {
            let mut failure = failure("ssm:SendCommand", &error);
            if failure.code.as_deref() == Some("InvalidInstanceId") {
                failure.message = format!(
                    "{instance} is not reached by Systems Manager in this region: is it running, with the SSM agent and a \
                     role with AmazonSSMManagedInstanceCore? ({})",
                    failure.message
                );
            }
            failure
        })?;
        let id = answer.command().and_then(|command| command.command_id()).map(str::to_owned);
        id.ok_or_else(|| unreachable("Systems Manager gave the command no id".to_owned()))
    }

    /// The end of a command, once there is one.
    async fn ended(
        &self,
        instance: &str,
        command: &str,
    ) -> Result<Option<Result<String, ProviderFailure>>, ProviderFailure> {
        let asked = self.client.get_command_invocation().command_id(command).instance_id(instance).send().await;
        let answer = match asked.map_err(|error| failure("ssm:GetCommandInvocation", &error)) {
            // The invocation shows up a moment after the command.
            Err(missing) if missing.code.as_deref() == Some("InvocationDoesNotExist") => return Ok(None),
            answer => answer?,
        };
        let said = || {
            let tail = |text: Option<&str>| text.unwrap_or_default().trim().chars().take(600).collect::<String>();
            [tail(answer.standard_error_content()), tail(answer.status_details())].join(" ").trim().to_owned()
        };
        Ok(match answer.status() {
            Some(CommandInvocationStatus::Success) => {
                Some(Ok(answer.standard_output_content().unwrap_or_default().to_owned()))
            }
            Some(CommandInvocationStatus::Failed) => {
                let message =
                    format!("the command failed on {instance} (exit code {}): {}", answer.response_code(), said());
                Some(Err(unreachable(message)))
            }
            Some(CommandInvocationStatus::TimedOut | CommandInvocationStatus::Cancelled) => {
                Some(Err(unreachable(format!("{instance} did not take the command: {}", said()))))
            }
            _ => None,
        })
    }

    /// What nobody waits for any more is not left running. Best effort: it ends by itself as well.
    async fn cancel(&self, instance: &str, command: &str) {
        let asked = self.client.cancel_command().command_id(command).instance_ids(instance).send().await;
        if let Err(error) = asked {
            tracing::debug!(failure = %failure("ssm:CancelCommand", &error), "a command may go on");
        }
    }

    /// The one instance with the tag.
    async fn find(&self) -> Result<String, ProviderFailure> {
        const OPERATION: &str = "ssm:DescribeInstanceInformation";
        let ComposeHost::Tag { key, value } = &self.host else {
            return Err(unreachable("no instance is named".to_owned()));
        };
        let filter = InstanceInformationStringFilter::builder().key(format!("tag:{key}")).values(value).build();
        let filter = filter.map_err(|error| unreachable(error.to_string()))?;
        let asked = self.client.describe_instance_information().filters(filter).max_results(50).send().await;
        let answer = asked.map_err(|error| failure(OPERATION, &error))?;
        let online =
            answer.instance_information_list().iter().filter(|node| node.ping_status() == Some(&PingStatus::Online));
        let found: Vec<&str> = online.filter_map(|node| node.instance_id()).collect();
        match found.as_slice() {
            [one] => Ok((*one).to_owned()),
            [] => {
                Err(not_one(OPERATION, format!("no instance with the tag {key}={value} is online in Systems Manager")))
            }
            several => Err(not_one(
                OPERATION,
                format!("the tag {key}={value} is on several instances: {}", several.join(", ")),
            )),
        }
    }
}

/// The constant program, and its words.
fn script(words: &[String]) -> String {
    let program = STANDARD.encode(PROGRAM);
    let words: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    format!(
        "SHIPLINE_SCRIPT=$(printf %s '{program}' | base64 -d) && export SHIPLINE_SCRIPT && exec sh -c \
         \"$SHIPLINE_SCRIPT\" shipline {}",
        words.join(" ")
    )
}

fn unreachable(message: String) -> ProviderFailure {
    ProviderFailure {
        operation: "ssm:SendCommand".to_owned(),
        code: None,
        message,
        request_id: None,
        kind: FailureKind::Unavailable,
    }
}

fn not_one(operation: &str, message: String) -> ProviderFailure {
    ProviderFailure {
        operation: operation.to_owned(),
        code: None,
        message,
        request_id: None,
        kind: FailureKind::Missing,
    }
}
