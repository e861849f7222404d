//! Who is told about deployments.

use super::List;
use super::shape::{record, words};
use super::values::{SecretName, TopicArn};

record! {
    /// Somebody who is told about deployments: that one begins, and how it ended. What could not be
    /// told never fails a deployment.
    Notify = "{ slack: SLACK_WEBHOOK }", one of ["slack", "webhook", "sns"] {
        /// The name of the secret that holds a Slack webhook's address.
        optional "slack" slack: SecretName;
        /// The name of the secret that holds the address of a webhook of your own; it gets the report as JSON.
        optional "webhook" webhook: SecretName, example "DEPLOYS_WEBHOOK";
        /// The name of the secret that calls to the webhook are signed with.
        optional "signed-with" signed_with: SecretName, default "they are not signed", example "DEPLOYS_WEBHOOK_KEY";
        /// The ARN of an SNS topic in the environment's account and region.
        optional "sns" sns: TopicArn;
        /// What is told.
        optional "on" on: List<OccasionWord>, default "`[failure, success]`", example "[failure]";
    }
}

words! {
    /// What is told.
    OccasionWord = "an occasion" {
        /// The first change is about to be made.
        Start = "start",
        /// The release serves.
        Success = "success",
        /// Anything else: taken back, held, cancelled, needs attention.
        Failure = "failure",
    }
}
