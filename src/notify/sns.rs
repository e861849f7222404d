//! SNS: the message as text, with its headline as the subject.

use std::time::Duration;

use aws_sdk_sns::Client;
use aws_sdk_sns::config::Builder;
use aws_sdk_sns::config::retry::RetryConfig;
use aws_sdk_sns::config::timeout::TimeoutConfig;
use aws_types::SdkConfig;

use super::{Message, NotTold};
use crate::aws::failure;
use crate::report::escape::fit;

/// Publish takes 256 KiB.
const MOST: usize = 200_000;

/// A client that sends each message once: whoever asks decides whether it is sent again.
pub(super) fn client(sdk: &SdkConfig) -> Client {
    let timeouts = TimeoutConfig::builder().connect_timeout(Duration::from_secs(3)).build();
    Client::from_conf(Builder::from(sdk).retry_config(RetryConfig::disabled()).timeout_config(timeouts).build())
}

pub(super) async fn tell(client: &Client, topic: &str, message: &Message) -> Result<(), NotTold> {
    let call =
        client.publish().topic_arn(topic).subject(subject(&message.headline())).message(fit(message.text(), MOST));
    match call.send().await {
        Ok(_) => Ok(()),
        Err(error) => {
            let failed = failure("sns:Publish", &error);
            let why = failed.to_string();
            Err(if failed.is_passing() { NotTold::Perhaps(why) } else { NotTold::Certainly(why) })
        }
    }
}

/// A subject as every subscriber takes it: printable ASCII, less than 100 characters.
fn subject(headline: &str) -> String {
    let plain = headline.replace('←', "<-").replace('·', "-");
    let plain: String = plain.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect();
    let plain = plain.trim();
    if plain.len() < 100 { plain.to_owned() } else { format!("{}...", &plain[..96]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_one_short_line_of_ascii() {
        assert_eq!(subject("staging ← a1b2c3d serves after 3.0 s"), "staging <- a1b2c3d serves after 3.0 s");
        assert_eq!(subject("a\nb · ü"), "a?b - ?");
        let long = subject(&"x".repeat(500));
        assert_eq!((long.len(), long.ends_with("x...")), (99, true));
        assert_eq!(subject(&"y".repeat(99)).len(), 99);
    }
}
