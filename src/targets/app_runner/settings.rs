//! The settings that our configuration names, written into a complete request. Pure.
//!
//! An update and a creation name them alike (App Runner API reference, `CreateService` and
//! `UpdateService`); what our configuration does not name stays as it is.

use serde_json::{Value, json};

use super::service::{Configuration, runtime_mut};
use crate::config::spec::{AppRunnerSettings, AppRunnerSpec, HealthCheckSettings};

impl Configuration {
    /// The same configuration with these settings.
    pub(super) fn with_settings(&self, settings: &AppRunnerSettings) -> Self {
        let AppRunnerSettings {
            cpu,
            memory,
            port,
            access_role,
            instance_role,
            health_check,
            auto_scaling,
            vpc_connector,
        } = settings;
        let mut input = self.0.clone();
        // App Runner answers with units, whatever was sent.
        if let Some(units) = cpu {
            input["InstanceConfiguration"]["Cpu"] = json!(units.to_string());
        }
        if let Some(megabytes) = memory {
            input["InstanceConfiguration"]["Memory"] = json!(megabytes.to_string());
        }
        if let Some(role) = instance_role {
            input["InstanceConfiguration"]["InstanceRoleArn"] = json!(role);
        }
        if let Some(port) = port {
            runtime_mut(&mut input)["Port"] = json!(port.to_string());
        }
        if let Some(role) = access_role {
            input["SourceConfiguration"]["AuthenticationConfiguration"]["AccessRoleArn"] = json!(role);
        }
        if let Some(check) = health_check {
            health(&mut input["HealthCheckConfiguration"], check);
        }
        if let Some(arn) = auto_scaling {
            input["AutoScalingConfigurationArn"] = json!(arn);
        }
        if let Some(connector) = vpc_connector {
            let egress = json!({ "EgressType": "VPC", "VpcConnectorArn": connector });
            input["NetworkConfiguration"]["EgressConfiguration"] = egress;
        }
        Self(input)
    }

    /// A whole `CreateService` request for an image.
    pub(super) fn creation(spec: &AppRunnerSpec, image: &str, repository_type: &str) -> Self {
        let source = json!({
            "ImageRepository": {
                "ImageIdentifier": image, "ImageRepositoryType": repository_type, "ImageConfiguration": {},
            },
            // By digest: no push to a tag is a deployment.
            "AutoDeploymentsEnabled": false,
        });
        let bare = Self(json!({ "ServiceName": spec.service, "SourceConfiguration": source }));
        bare.with_settings(&spec.settings).with_environment(&spec.environment, &spec.secrets)
    }
}

fn health(part: &mut Value, check: &HealthCheckSettings) {
    if let Some(path) = &check.path {
        part["Protocol"] = json!("HTTP");
        part["Path"] = json!(path);
    }
    let numbers = [
        ("Interval", check.interval),
        ("Timeout", check.timeout),
        ("HealthyThreshold", check.healthy),
        ("UnhealthyThreshold", check.unhealthy),
    ];
    for (member, number) in numbers {
        if let Some(number) = number {
            part[member] = json!(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> AppRunnerSpec {
        AppRunnerSpec { service: "astro-ai-service".to_owned(), ..AppRunnerSpec::default() }
    }

    #[test]
    fn settings_that_are_not_named_are_not_written() {
        let bare = Configuration::creation(&spec(), "x", "ECR");
        assert_eq!(
            bare.0,
            json!({
                "ServiceName": "astro-ai-service",
                "SourceConfiguration": {
                    "ImageRepository": {"ImageIdentifier": "x", "ImageRepositoryType": "ECR", "ImageConfiguration": {}},
                    "AutoDeploymentsEnabled": false,
                },
            })
        );
    }

    #[test]
    fn named_settings_stand_where_the_api_has_them() {
        let settings = AppRunnerSettings {
            cpu: Some(2048),
            memory: Some(4096),
            port: Some(8000),
            access_role: Some("arn:aws:iam::111122223333:role/access".parse().unwrap()),
            instance_role: Some("arn:aws:iam::111122223333:role/own".parse().unwrap()),
            health_check: Some(HealthCheckSettings {
                path: Some("/health".to_owned()),
                interval: Some(10),
                ..HealthCheckSettings::default()
            }),
            auto_scaling: Some("arn:scaling".to_owned()),
            vpc_connector: Some("arn:connector".to_owned()),
        };
        let made = Configuration::creation(&AppRunnerSpec { settings, ..spec() }, "x", "ECR").0;
        assert_eq!(made["InstanceConfiguration"]["Cpu"], "2048");
        assert_eq!(made["InstanceConfiguration"]["InstanceRoleArn"], "arn:aws:iam::111122223333:role/own");
        assert_eq!(made["SourceConfiguration"]["ImageRepository"]["ImageConfiguration"]["Port"], "8000");
        assert_eq!(
            made["SourceConfiguration"]["AuthenticationConfiguration"]["AccessRoleArn"],
            "arn:aws:iam::111122223333:role/access"
        );
        assert_eq!(made["HealthCheckConfiguration"], json!({"Protocol": "HTTP", "Path": "/health", "Interval": 10}));
        assert_eq!(made["AutoScalingConfigurationArn"], "arn:scaling");
        assert_eq!(
            made["NetworkConfiguration"]["EgressConfiguration"],
            json!({"EgressType": "VPC", "VpcConnectorArn": "arn:connector"})
        );
    }
}
