//! App Runner services: those that run an image, and (`source`) those that App Runner builds from a
//! branch.
//!
//! What it relies on: an update replaces the configuration as a whole, so the whole is read and
//! written back (`raw`, `service`); the *operation* tells how a change ended, never the service's
//! status (`operations`); at most one operation runs at a time and App Runner refuses a second
//! one, so a change that finds somebody's deployment running waits behind it
//! ([`Sight::AskAgain`]).
//!
//! What it is not: App Runner has no second set of instances to send a share of traffic to, so
//! canary, linear and blue/green are refused. Nothing is ever deleted, not even what `create` made.
//!
//! Images are written by digest. So the same tag pushed again is another image and an ordinary
//! update, and `StartDeployment` is only asked for where the configuration is already the one
//! wished for but its last deployment did not end well.

mod apply;
mod create;
pub mod discover;
mod examine;
mod explain;
mod follow_log;
mod observe;
mod operations;
mod past;
mod prepare;
mod raw;
mod record;
mod revert;
mod service;
mod settings;
mod source;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_apprunner::Client;
use aws_types::SdkConfig;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::OnceCell;

use crate::aws::failure;
use crate::config::spec::{AppRunnerSpec, Strategy};
use crate::engine::target::{FailureKind, opaque};
use crate::engine::{
    Back, Examination, Logs, NotApplied, Past, Preparation, ProviderFailure, Sight, SourceHost, Target, TargetError,
    Tasks, Wish,
};
use crate::problem::Problem;
use crate::rollout::{
    Cause, CauseCode, Change, Direction, Revision, ServicePlan, Shift, TargetKind, TargetPlace, Touched,
};
use crate::types::{Region, ServiceName, Timestamp};
use operations::Operations;
use service::{Configuration, Service};

/// An App Runner service.
pub struct AppRunnerTarget {
    config: SdkConfig,
    client: Client,
    logs: aws_sdk_cloudwatchlogs::Client,
    name: ServiceName,
    spec: AppRunnerSpec,
    strategy: Strategy,
    region: Region,
    /// Found once; a service keeps its ARN for life.
    arn: OnceCell<String>,
    tasks: Option<Arc<dyn Tasks>>,
    /// Who tells where source branches stand.
    host: Option<Arc<dyn SourceHost>>,
    /// Its log groups: of the application, and App Runner's own.
    groups: OnceCell<[String; 2]>,
}

impl AppRunnerTarget {
    /// `service` is our name of it, for messages; `spec.service` is App Runner's name or ARN.
    pub fn new(
        config: &SdkConfig,
        service: &ServiceName,
        spec: &AppRunnerSpec,
        strategy: Strategy,
        region: Region,
    ) -> Self {
        let known = spec.service.starts_with("arn:").then(|| spec.service.clone());
        Self {
            config: config.clone(),
            client: Client::new(config),
            logs: aws_sdk_cloudwatchlogs::Client::new(config),
            name: service.clone(),
            spec: spec.clone(),
            strategy,
            region,
            arn: OnceCell::new_with(known),
            tasks: None,
            host: None,
            groups: OnceCell::new(),
        }
    }

    /// With a place that runs the commands of its hooks: App Runner itself runs none.
    #[must_use]
    pub fn with_tasks(self, tasks: Arc<dyn Tasks>) -> Self {
        Self { tasks: Some(tasks), ..self }
    }

    /// With the host of source repositories, which a service that App Runner builds needs.
    #[must_use]
    pub fn with_source_host(self, host: Option<Arc<dyn SourceHost>>) -> Self {
        Self { host, ..self }
    }

    async fn arn(&self) -> Result<&str, ProviderFailure> {
        self.arn.get_or_try_init(|| self.find_arn()).await.map(String::as_str)
    }

    /// `DescribeService` takes only ARNs, so a name is looked up in the list of all services.
    async fn find_arn(&self) -> Result<String, ProviderFailure> {
        const OPERATION: &str = "apprunner:ListServices";
        let mut token = None;
        loop {
            let request = self.client.list_services().set_next_token(token);
            let page = request.send().await.map_err(|error| failure(OPERATION, &error))?;
            // A deleted service stays listed for a while, and its name is free again.
            let named = |summary: &aws_sdk_apprunner::types::ServiceSummary| {
                summary.service_name.as_deref() == Some(self.spec.service.as_str())
                    && summary.status.as_ref().is_none_or(|status| status.as_str() != "DELETED")
            };
            if let Some(arn) = page.service_summary_list.into_iter().find(named).and_then(|found| found.service_arn) {
                return Ok(arn);
            }
            token = page.next_token;
            if token.is_none() {
                let message = format!("no App Runner service is named {} in {}", self.spec.service, self.region);
                let operation = OPERATION.to_owned();
                return Err(ProviderFailure {
                    operation,
                    code: None,
                    message,
                    request_id: None,
                    kind: FailureKind::Missing,
                });
            }
        }
    }

    /// The service and its operations, newest first and at least back to `until`.
    ///
    /// Operations are read first: a configuration read after its operation ended is the one that
    /// operation left behind, or that of a later one, never an earlier one.
    async fn look(&self, until: Option<&str>) -> Result<(Service, Operations), ProviderFailure> {
        let arn = self.arn().await?;
        let operations = operations::list(&self.client, arn, until).await?;
        Ok((raw::describe(&self.client, arn).await?, operations))
    }

    fn place_with(&self, url: Option<String>) -> TargetPlace {
        TargetPlace {
            kind: TargetKind::AppRunner,
            name: self.service_name().to_owned(),
            region: self.region.to_string(),
            console: Some(self.console()),
            url,
        }
    }

    /// App Runner's own name of it: `arn:…:service/<name>/<id>`.
    fn service_name(&self) -> &str {
        let known = &self.spec.service;
        if known.starts_with("arn:") { known.split('/').nth(1).unwrap_or(known) } else { known }
    }

    fn console(&self) -> String {
        let base = format!("https://{0}.console.aws.amazon.com/apprunner/home?region={0}#/services", self.region);
        self.arn.get().map_or(base.clone(), |arn| format!("{base}/dashboard?service_arn={}", escaped(arn, "%")))
    }
}

impl fmt::Debug for AppRunnerTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppRunnerTarget")
            .field("spec", &self.spec)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// Text in a console address; the CloudWatch console wants `$25` for `%`.
fn escaped(text: &str, mark: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("{mark}{b:02X}") }).collect()
}

/// The wish of a plan, in our own words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Wanted {
    /// What is to serve.
    revision: Revision,
    /// How it is asked for.
    ask: Ask,
    /// The newest operation when the plan was made: a later one may be this plan's.
    baseline: Option<String>,
}

/// How a change is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Ask {
    /// `UpdateService` with the whole configuration.
    Update,
    /// `StartDeployment`: the configuration is the one wished for, its last deployment went wrong.
    Redeploy,
}

/// The wish of a plan, by what kind of service it is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Asked {
    /// It runs an image.
    Image(Wanted),
    /// App Runner builds it.
    Source(source::Wanted),
    /// It is created.
    Create(create::Wanted),
}

impl Asked {
    fn of(plan: &ServicePlan) -> Result<Self, Problem> {
        match &plan.change {
            Change::Move { wish, .. } => opaque(wish, "plan of an App Runner service"),
            Change::Nothing => Err(Problem::defect(
                "nothing-to-change",
                "an App Runner service was to be changed by a plan that changes nothing",
            )),
        }
    }
}

impl Wanted {
    fn configuration(&self) -> Configuration {
        Configuration::of(&self.revision)
    }
}

/// How a shift's operation is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Follow {
    /// It carries out what was asked for: its end is the end.
    Ours,
    /// It may be ours from before a crash: its end counts only with our configuration live.
    Perhaps,
    /// It stands in the way: when it has ended, look and ask again.
    Behind,
}

/// The facts of a shift.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Facts {
    follow: Follow,
    /// Things learnt while asking.
    notices: Vec<String>,
}

fn shift(operation: String, follow: Follow, revision: &Revision, direction: Direction, started: Timestamp) -> Shift {
    let facts = json!(Facts { follow, notices: Vec::new() });
    Shift { id: Some(operation), revision: revision.clone(), direction, started, facts }
}

fn facts(shift: &Shift) -> Result<(&str, Facts), TargetError> {
    let refused = |problem| TargetError::Refused(Box::new(problem));
    let facts: Facts = opaque(&shift.facts, "change of an App Runner service").map_err(refused)?;
    let lost = || refused(Problem::defect("unreadable-record", "the recorded change names no App Runner operation"));
    Ok((shift.id.as_deref().ok_or_else(lost)?, facts))
}

/// A provider's refusal as a cause.
fn refused_call(failure: &ProviderFailure) -> Cause {
    let code = match failure.kind {
        FailureKind::Unavailable | FailureKind::Throttled => CauseCode::Unreachable,
        FailureKind::Denied
        | FailureKind::Missing
        | FailureKind::Unknown
        | FailureKind::Rejected
        | FailureKind::Credentials => CauseCode::CallRefused,
    };
    let problem = failure.problem();
    Cause {
        provider_says: Some(failure.message.clone()),
        facts: problem.why.clone(),
        ..Cause::new(code, format!("App Runner did not take {}", failure.operation), problem.next)
    }
}

/// A defect of ours as a cause.
fn defect(problem: Problem) -> Cause {
    Cause { facts: problem.why, ..Cause::new(CauseCode::CallRefused, problem.what, problem.next) }
}

fn untouched(cause: Cause) -> NotApplied {
    NotApplied { cause, touched: Touched::No }
}

#[async_trait]
impl Target for AppRunnerTarget {
    fn place(&self) -> TargetPlace {
        self.place_with(None)
    }

    async fn prepare(&self, wish: &Wish) -> Result<Preparation, TargetError> {
        self.plan(wish).await
    }

    async fn apply(&self, plan: &ServicePlan) -> Result<Shift, NotApplied> {
        match Asked::of(plan).map_err(|problem| untouched(defect(problem)))? {
            Asked::Image(wanted) => self.ask(plan, &wanted).await,
            Asked::Source(wanted) => self.ask_source(plan, &wanted).await,
            Asked::Create(wanted) => self.ask_creation(&wanted).await,
        }
    }

    async fn observe(&self, plan: &ServicePlan, shift: &Shift) -> Result<Sight, TargetError> {
        let asked = Asked::of(plan).map_err(|problem| TargetError::Refused(Box::new(problem)))?;
        match (asked, shift.direction) {
            (Asked::Image(_), Direction::Forward) => self.see_forward(plan, shift).await,
            (Asked::Image(_), Direction::Back) => self.see_back(plan, shift).await,
            (Asked::Source(wanted), Direction::Forward) => self.see_source(plan, &wanted, shift).await,
            (Asked::Source(_), Direction::Back) => self.see_source_back(plan, shift).await,
            (Asked::Create(_), _) => self.see_creation(plan, shift).await,
        }
    }

    async fn explain(&self, _plan: &ServicePlan, shift: &Shift, seen: Cause) -> Cause {
        // Boxed: three logs are read at once.
        Box::pin(self.find_cause(shift, seen)).await
    }

    async fn revert(&self, plan: &ServicePlan, shift: Option<&Shift>) -> Result<Back, Box<Cause>> {
        let back = match Asked::of(plan).map_err(|problem| Box::new(defect(problem)))? {
            Asked::Image(wanted) => self.go_back(plan, &wanted, shift).await,
            Asked::Source(wanted) => self.take_source_back(plan, &wanted, shift).await,
            Asked::Create(_) => self.keep_created(plan, shift).await,
        };
        back.map_err(Box::new)
    }

    async fn past(&self) -> Result<Past, TargetError> {
        self.remember().await
    }

    async fn examine(&self) -> Examination {
        self.examine_service().await
    }

    fn tasks(&self) -> Option<&dyn Tasks> {
        self.tasks.as_deref()
    }

    fn logs(&self) -> Option<&dyn Logs> {
        Some(self)
    }
}

/// What is live, for `Superseded`.
fn stranger(live: &Configuration, operations: &Operations) -> String {
    let image = live.image();
    operations.newest().map_or_else(|| format!("image {image}"), |newest| format!("image {image}, {}", newest.words()))
}
