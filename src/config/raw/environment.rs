//! Environments: account, services, order, and what must hold.

use super::analysis::Analysis;
use super::forms::Either;
use super::notify::Notify;
use super::rules::{
    Approvals, ChecksWord, Freeze, Hook, People, PullRequests, QueueWord, ReviewsWord, StrategySettings, StrategyWord,
};
use super::scan::Scan;
use super::shape::{record, words};
use super::target::Target;
use super::values::{Branch, ExternalId, HttpUrl, SessionName, SomeText};
use super::verify::Verify;
use super::{List, Named};
use crate::types::{AccountId, EnvironmentName, Region, RoleArn, ServiceName, Span};

record! {
    /// Where services run, with its rules.
    Environment = "services: { api: { ecs: { cluster: pmis-staging, service: api } } }" {
        /// Account, region and role.
        optional "aws" aws: Aws, default "the credentials and region that are found";
        /// The branch whose pushes deploy here.
        optional "deploy-on-push" deploy_on_push: Branch, default "none";
        /// The address people open.
        optional "url" url: HttpUrl, example "https://staging.example.com";
        /// Where each service runs. The names are those of the top-level `services`.
        required "services" services: Named<ServiceName, Target>,
            example "{ api: { ecs: { cluster: pmis-staging, service: api } } }";
        /// The order: waves one after another, the services of a wave at once. Every service of the
        /// environment stands in exactly one.
        optional "waves" waves: List<List<ServiceName>>, default "all at once", example "[[api], [web, worker]]";
        /// Checks after everything serves: addresses one after another, then commands.
        optional "verify" verify: List<Verify>, default "none",
            example "[{ http: \"https://staging.example.com/health\" }]";
        /// What to take back when a service fails.
        optional "on-failure" on_failure: OnFailureWord, default "`roll-back-all`";
        /// How long one service may take to be healthy.
        optional "within" within: Span, default "`30m`";
        /// Environments where this very release must be good first.
        optional "requires" requires: List<EnvironmentName>, default "none", example "[staging]";
        /// How long it must have been good there.
        optional "soak" soak: Span, default "`0s`";
        /// Checks of the commit that must have passed.
        optional "checks" checks: Either<ChecksWord, List<SomeText>>, default "none";
        /// Whether the pull request needs its reviews.
        optional "reviews" reviews: ReviewsWord, default "not asked for";
        /// People who must say yes.
        optional "approvals" approvals: Approvals, default "nobody",
            example "{ count: 1, from: [\"@acme/release-managers\"] }";
        /// Times of the week when nothing is deployed. A rollback is always possible.
        optional "freeze" freeze: List<Freeze>, default "none";
        /// Who may do what.
        optional "access" access: People, default "`write`; `maintain` to lock",
            example "{ deploy: [write], approve: [\"@acme/release-managers\"] }";
        /// What happens to a command while another deployment of the environment is open.
        optional "queue" queue: QueueWord, default "`one`";
        /// From which pull requests may be deployed.
        optional "pull-requests" pull_requests: PullRequests, default "open ones of this repository into its default branch",
            example "{ drafts: allow }";
        /// Commands that run before anything changes, one after another.
        optional "before" before: List<Hook>, default "none";
        /// Commands that run after everything serves, one after another.
        optional "after" after: List<Hook>, default "none", example "[{ run: [bin/warm-cache], in: api }]";
        /// How traffic moves to the new revision.
        optional "rollout" rollout: Either<StrategyWord, StrategySettings>, default "`rolling`";
        /// CloudWatch alarms that must stay quiet: one that fires already or does not exist refuses the release,
        /// one that fires until its end takes everything back. A rollback does not ask.
        optional "alarms" alarms: List<SomeText>, default "none", example "[pmis-staging-target-5xx]";
        /// What scans of the images may have found.
        optional "scan" scan: Scan, default "scans are not looked at", example "{ severity: high, wait: 5m }";
        /// Measurements that must stay within limits while traffic moves.
        optional "analysis" analysis: List<Analysis>, default "none";
        /// Who is told.
        optional "notify" notify: List<Notify>, default "nobody", example "[{ slack: SLACK_WEBHOOK }]";
    }
}

record! {
    /// Account, region and role.
    Aws = "{ region: us-east-1, role: arn:aws:iam::111122223333:role/shipline }" {
        /// Region.
        optional "region" region: Region, default "as the AWS tools find it";
        /// Role to assume.
        optional "role" role: RoleArn, default "none: the credentials found are used as they are";
        /// External id for that role.
        optional "external-id" external_id: ExternalId;
        /// Session name.
        optional "session-name" session_name: SessionName, default "`shipline-` and the environment's name";
        /// Session length, 15 minutes to 12 hours.
        optional "session" session: Span, default "the role's own", example "1h";
        /// The only accounts in which anything may be changed. Quote the ids.
        optional "allowed-account-ids" allowed_account_ids: List<AccountId>, default "any";
    }
}

words! {
    /// What to take back.
    OnFailureWord = "what to do on failure" {
        /// Everything this deployment changed.
        RollBackAll = "roll-back-all",
        /// Only what failed.
        RollBackFailed = "roll-back-failed",
        /// Nothing: it is left for a person.
        Hold = "hold",
    }
}
