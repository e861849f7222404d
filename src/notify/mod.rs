//! Telling people and systems about deployments: Slack, webhooks of one's own, SNS.
//!
//! What it is: [`Notifier`] tells everybody who wants to know of an occasion, at once, each within
//! [`ONE_TRY`] and with one more try. What it is not: it decides nothing and fails nothing; who could
//! not be told is a sentence for the report.
//!
//! Invariants: secrets are read by name and masked by whoever gives them out; neither they nor the
//! addresses in them stand in a sentence; what is sent passes the redactor; plain HTTP only to this
//! very machine; redirects are not followed.

mod message;
mod post;
mod slack;
mod sns;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use aws_types::SdkConfig;
use futures_util::future::{BoxFuture, FutureExt as _, join_all};
use secrecy::SecretString;

pub use message::Message;

use crate::config::spec::{Recipient, Way};
use crate::redact::Redactor;
use post::{Address, Post};

/// How long one try may take.
pub const ONE_TRY: Duration = Duration::from_secs(5);

/// Gives a secret out by its name, masked.
pub type Secrets<'a> = &'a (dyn Fn(&str) -> Option<SecretString> + Sync);

/// Knows how to reach everybody.
#[derive(Clone)]
pub struct Notifier {
    told: Arc<Vec<(Recipient, Reach)>>,
    post: Post,
    redactor: Redactor,
}

/// How somebody is reached.
enum Reach {
    Slack(Address),
    Webhook {
        address: Address,
        key: Option<SecretString>,
    },
    Sns {
        client: aws_sdk_sns::Client,
        topic: String,
    },
    /// Not at all.
    Never(String),
}

/// Why a try failed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum NotTold {
    /// Another try may help.
    Perhaps(String),
    /// It will not.
    Certainly(String),
}

impl Notifier {
    /// Everybody of an environment. Topics are published to with its session. Makes no call.
    pub fn new(recipients: &[Recipient], secrets: Secrets<'_>, sdk: &SdkConfig, redactor: Redactor) -> Self {
        let reach = |recipient: &Recipient| reach(&recipient.way, secrets, sdk).unwrap_or_else(Reach::Never);
        let told = recipients.iter().map(|recipient| (recipient.clone(), reach(recipient))).collect();
        Self { told: Arc::new(told), post: Post::default(), redactor }
    }

    /// Who cannot be reached at all, before anything is told.
    pub fn unreachable(&self) -> Vec<String> {
        let never = |(recipient, reach): &(Recipient, Reach)| match reach {
            Reach::Never(why) => Some(format!("{} will not be told: {why}", name(&recipient.way))),
            Reach::Slack(_) | Reach::Webhook { .. } | Reach::Sns { .. } => None,
        };
        self.told.iter().filter_map(never).collect()
    }

    /// Tells everybody who wants to know; answers with a sentence for each who could not be told.
    pub fn tell<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Vec<String>> {
        async move {
            let message = message.cleaned(&self.redactor);
            let asked = self.told.iter().filter(|(recipient, _)| recipient.on.contains(&message.occasion));
            let asked: Vec<BoxFuture<'_, Option<String>>> =
                asked.map(|(recipient, reach)| self.told_to(&recipient.way, reach, &message).boxed()).collect();
            join_all(asked).await.into_iter().flatten().collect()
        }
        .boxed()
    }

    async fn told_to(&self, way: &Way, reach: &Reach, message: &Message) -> Option<String> {
        let mut why = match self.once(reach, message).await? {
            NotTold::Certainly(why) => Some(why),
            NotTold::Perhaps(_) => None,
        };
        if why.is_none() {
            why = self.once(reach, message).await.map(|(NotTold::Perhaps(why) | NotTold::Certainly(why))| why);
        }
        why.map(|why| format!("{} was not told ({}): {why}", name(way), message.occasion.word()))
    }

    /// One try; nothing when it went well, or when there is nothing more to say.
    async fn once(&self, reach: &Reach, message: &Message) -> Option<NotTold> {
        let trying: BoxFuture<'_, Result<(), NotTold>> = match reach {
            Reach::Slack(address) => slack::tell(&self.post, address, message).boxed(),
            Reach::Webhook { address, key } => webhook::tell(&self.post, address, key.as_ref(), message).boxed(),
            Reach::Sns { client, topic } => sns::tell(client, topic, message).boxed(),
            Reach::Never(_) => return None,
        };
        match tokio::time::timeout(ONE_TRY, trying).await {
            Ok(Ok(())) => None,
            Ok(Err(why)) => Some(why),
            Err(_) => Some(NotTold::Perhaps(format!("no answer within {} s", ONE_TRY.as_secs()))),
        }
    }
}

fn reach(way: &Way, secrets: Secrets<'_>, sdk: &SdkConfig) -> Result<Reach, String> {
    let secret = |name: &str| secrets(name).ok_or_else(|| format!("there is no secret {name} here"));
    Ok(match way {
        Way::Slack(name) => Reach::Slack(Address::read(name, &secret(name)?)?),
        Way::Webhook { address, signed_with } => Reach::Webhook {
            address: Address::read(address, &secret(address)?)?,
            key: signed_with.as_deref().map(secret).transpose()?,
        },
        Way::Sns(topic) => Reach::Sns { client: sns::client(sdk), topic: topic.clone() },
    })
}

/// Somebody, for people.
fn name(way: &Way) -> String {
    match way {
        Way::Slack(secret) => format!("Slack ({secret})"),
        Way::Webhook { address, .. } => format!("the webhook {address}"),
        Way::Sns(topic) => topic.clone(),
    }
}
