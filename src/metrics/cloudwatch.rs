//! CloudWatch alarms, metric and composite, by name.
//!
//! An alarm fires when its state is `ALARM`, whether its actions are enabled or not: actions are what
//! others do about it. `INSUFFICIENT_DATA` does not fire.

use async_trait::async_trait;
use aws_sdk_cloudwatch::types::{AlarmType, StateValue};
use aws_types::SdkConfig;

use crate::aws::failure;
use crate::engine::{Alarmed, Alarms, Firing, ProviderFailure};
use crate::types::Region;

/// `DescribeAlarms` takes at most 100 names.
const NAMES_A_CALL: usize = 100;

/// The alarms of an account in a region.
#[derive(Debug, Clone)]
pub struct CloudWatchAlarms {
    client: aws_sdk_cloudwatch::Client,
    region: Region,
}

impl CloudWatchAlarms {
    /// The alarms that these credentials may read.
    pub fn new(sdk: &SdkConfig, region: Region) -> Self {
        Self { client: aws_sdk_cloudwatch::Client::new(sdk), region }
    }

    /// One batch of names: every alarm there is of them.
    async fn batch(&self, names: &[String], found: &mut Vec<Seen>) -> Result<(), ProviderFailure> {
        // Without its types the call leaves composite alarms out.
        let call = self
            .client
            .describe_alarms()
            .set_alarm_names(Some(names.to_vec()))
            .alarm_types(AlarmType::MetricAlarm)
            .alarm_types(AlarmType::CompositeAlarm);
        let mut token = None;
        loop {
            let answer = call.clone().set_next_token(token).send().await;
            let answer = answer.map_err(|error| failure("cloudwatch:DescribeAlarms", &error))?;
            let metric = answer
                .metric_alarms()
                .iter()
                .map(|alarm| Seen::new(alarm.alarm_name(), alarm.state_value(), alarm.state_reason()));
            let composite = answer
                .composite_alarms()
                .iter()
                .map(|alarm| Seen::new(alarm.alarm_name(), alarm.state_value(), alarm.state_reason()));
            found.extend(metric.chain(composite));
            token = answer.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
            if token.is_none() {
                return Ok(());
            }
        }
    }

    fn page(&self, name: &str) -> String {
        let region = self.region.as_str();
        let host = if region.starts_with("cn-") {
            "console.amazonaws.cn"
        } else if region.starts_with("us-gov-") {
            "console.amazonaws-us-gov.com"
        } else {
            "console.aws.amazon.com"
        };
        format!("https://{region}.{host}/cloudwatch/home?region={region}#alarmsV2:alarm/{}", encoded(name))
    }
}

/// An alarm as it was found.
struct Seen {
    name: String,
    fires: Option<String>,
}

impl Seen {
    fn new(name: Option<&str>, state: Option<&StateValue>, reason: Option<&str>) -> Self {
        let fires = (state == Some(&StateValue::Alarm))
            .then(|| reason.filter(|reason| !reason.is_empty()).unwrap_or("CloudWatch gives no reason").to_owned());
        Self { name: name.unwrap_or_default().to_owned(), fires }
    }
}

#[async_trait]
impl Alarms for CloudWatchAlarms {
    async fn look(&self, names: &[String]) -> Result<Alarmed, ProviderFailure> {
        let mut found = Vec::new();
        for batch in names.chunks(NAMES_A_CALL) {
            self.batch(batch, &mut found).await?;
        }
        let mut alarmed = Alarmed::default();
        for name in names {
            match found.iter().find(|seen| seen.name == *name) {
                None => alarmed.missing.push(name.clone()),
                Some(Seen { fires: Some(reason), .. }) => {
                    let url = Some(self.page(name));
                    alarmed.firing.push(Firing { name: name.clone(), reason: reason.clone(), url });
                }
                Some(Seen { fires: None, .. }) => {}
            }
        }
        Ok(alarmed)
    }
}

/// A name in the fragment of an address: everything but letters, digits and `-_.~` is encoded.
fn encoded(name: &str) -> String {
    use std::fmt::Write as _;
    name.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_slashes_stays_one_part_of_the_address() {
        assert_eq!(encoded("pmis prod/5xx é"), "pmis%20prod%2F5xx%20%C3%A9");
    }

    #[test]
    fn only_the_state_alarm_fires() {
        for (state, fires) in
            [(StateValue::Alarm, true), (StateValue::Ok, false), (StateValue::InsufficientData, false)]
        {
            assert_eq!(Seen::new(Some("a"), Some(&state), Some("because")).fires.is_some(), fires, "{state:?}");
        }
        assert_eq!(Seen::new(Some("a"), Some(&StateValue::Alarm), None).fires.unwrap(), "CloudWatch gives no reason");
    }
}
