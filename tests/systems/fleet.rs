//! ECS services of a system, each with an image in a repository of the system's own.

use serde_json::{Value, json};
use shipline_test_support::{Behaviour, ImageSeed, Rule, ServiceSeed};

use super::stage::{REGISTRY, Run, Stage, definition};

/// The services of one environment.
pub(crate) struct Fleet {
    pub(crate) stage: Stage,
    system: &'static str,
    services: &'static [&'static str],
}

impl Fleet {
    /// Services that serve the release `one` in every one of these clusters, with the system's ready
    /// configuration: its roles are left out, and its addresses are those of a service on this machine.
    pub(crate) async fn of(
        system: &'static str,
        clusters: &[&str],
        services: &'static [&'static str],
        address: &str,
    ) -> Self {
        let stage = Stage::empty().await;
        let fleet = Self { stage, system, services };
        for cluster in clusters {
            fleet.stage.world.cluster(cluster);
            for name in services {
                let family = format!("{cluster}-{name}");
                let mut made = definition(&family, &fleet.image(name, "one"));
                made["containerDefinitions"][0]["name"] = json!(name);
                let arn = fleet.stage.world.task_definition(made);
                let network = json!({"awsvpcConfiguration": {
                    "subnets": ["subnet-a", "subnet-b"], "securityGroups": ["sg-1"], "assignPublicIp": "DISABLED",
                }});
                let seed = ServiceSeed::new(cluster, name, &arn).desired(2);
                fleet.stage.world.service(seed.with("networkConfiguration", network).with("launchType", "FARGATE"));
            }
        }
        let mut file = String::new();
        for line in super::configuration(system).lines() {
            let line = line.split("https://").enumerate().map(|(part, text)| {
                // The host becomes this machine's, the path stays.
                if part == 0 {
                    text.to_owned()
                } else {
                    format!("{address}{}", &text[text.find(['/', '"']).unwrap_or(text.len())..])
                }
            });
            let line: String = line.collect();
            let line = line.replace(", role: \"arn:aws:iam::111122223333:role/shipline-staging\"", "");
            let line = line.replace(", role: \"arn:aws:iam::444455556666:role/shipline-production\"", "");
            if !line.trim_start().starts_with("role: ") {
                file.push_str(&line);
                file.push('\n');
            }
        }
        fleet.stage.write(".github/shipline.yml", &file);
        fleet
    }

    /// The image of a service in a release, as the pipeline pushes it.
    pub(crate) fn image(&self, service: &str, release: &str) -> String {
        self.labelled(service, release, None)
    }

    /// The same with the commit it was made from.
    pub(crate) fn image_at(&self, service: &str, commit: &str) -> String {
        self.labelled(service, commit, Some(commit))
    }

    fn labelled(&self, service: &str, release: &str, commit: Option<&str>) -> String {
        let repository = format!("{}/{service}", self.system);
        let mut labels = std::collections::BTreeMap::from([("release".to_owned(), format!("{service} {release}"))]);
        if let Some(commit) = commit {
            labels.insert("org.opencontainers.image.revision".to_owned(), commit.to_owned());
        }
        let seed = ImageSeed { repository: repository.clone(), tags: vec![release.to_owned()], labels, manifest: None };
        format!("{REGISTRY}/{repository}@{}", self.stage.world.image(seed))
    }

    /// From now on tasks of this image go like that.
    pub(crate) fn goes(&self, image: &str, behaviour: Behaviour) {
        self.stage.world.rule(Rule::image(image.split_once('@').unwrap().1, behaviour));
    }

    /// The command that puts these images, one a service, on the environment.
    pub(crate) fn deploy(&self, environment: &str, images: &[String]) -> Run<'_> {
        let given = self.services.iter().zip(images).map(|(name, image)| format!("--image={name}={image}"));
        let given: Vec<String> = given.collect();
        let mut arguments = vec!["deploy", environment, "--yes"];
        arguments.extend(given.iter().map(String::as_str));
        self.stage.command(&arguments)
    }

    /// The images that serve in a cluster, steadily, in the order of the services.
    pub(crate) fn serve(&self, cluster: &str) -> Vec<String> {
        let asked = json!({"cluster": cluster, "services": self.services});
        let described = self.stage.world.ecs("DescribeServices", &asked).unwrap();
        let services = described["services"].as_array().unwrap();
        services.iter().map(|service| self.image_of(service)).collect()
    }

    fn image_of(&self, service: &Value) -> String {
        assert_eq!(service["deployments"].as_array().unwrap().len(), 1, "{service:#}");
        let asked = json!({"taskDefinition": service["taskDefinition"]});
        let definition = self.stage.world.ecs("DescribeTaskDefinition", &asked).unwrap();
        definition["taskDefinition"]["containerDefinitions"][0]["image"].as_str().unwrap().to_owned()
    }
}
