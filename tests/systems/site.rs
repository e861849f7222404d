//! A system in the world of `scripts/world`: its repository with the ready configuration, its images in
//! the registry, its services in real containers behind one load balancer, and a real database. All has
//! names of its own and is deleted when the story ends, however it ends.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_sdk_cloudwatch::types::{ComparisonOperator, Statistic};
use aws_sdk_ecs::types as ecs;
use aws_sdk_elasticloadbalancingv2::types as elb;
use serde_json::Value;

use crate::database::{Database, copy_client};
use crate::host::python_image;
use crate::load::Load;
use crate::programs::{docker, run};
use crate::stage::{Run, now, pause};

/// What a service is made of.
pub(crate) enum Kind {
    /// Python that asks the database for every answer.
    Interface,
    /// Python without a port that writes into the database.
    Worker,
    /// The demo's pages on busybox' web server.
    Pages,
}

/// What the load balancer hands to a service.
pub(crate) enum Asked {
    At(&'static [&'static str]),
    /// Everything that is nobody else's.
    Otherwise,
    Never,
}

pub(crate) struct Part {
    pub(crate) name: &'static str,
    /// Its folder in the repository.
    pub(crate) folder: &'static str,
    pub(crate) kind: Kind,
    pub(crate) port: u16,
    pub(crate) asked: Asked,
}

/// A cluster of the configuration, and the address of its load balancer there.
pub(crate) struct Place {
    pub(crate) cluster: &'static str,
    pub(crate) address: &'static str,
}

pub(crate) struct Site {
    /// What stands for the system's name everywhere.
    pub(crate) name: String,
    system: &'static str,
    parts: &'static [Part],
    places: &'static [Place],
    databases: BTreeMap<&'static str, Database>,
    folder: tempfile::TempDir,
    sdk: Sdk,
}

#[derive(Clone)]
struct Sdk {
    ecs: aws_sdk_ecs::Client,
    ecr: aws_sdk_ecr::Client,
    elb: aws_sdk_elasticloadbalancingv2::Client,
    logs: aws_sdk_cloudwatchlogs::Client,
    pub(crate) all: aws_config::SdkConfig,
}

impl Sdk {
    async fn new() -> Self {
        let all = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
        Self {
            ecs: aws_sdk_ecs::Client::new(&all),
            ecr: aws_sdk_ecr::Client::new(&all),
            elb: aws_sdk_elasticloadbalancingv2::Client::new(&all),
            logs: aws_sdk_cloudwatchlogs::Client::new(&all),
            all,
        }
    }
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("`eval \"$(scripts/world env)\"` sets {name}"))
}

impl Site {
    /// With everything a team has before it meets Shipline, and nothing deployed yet.
    pub(crate) async fn new(system: &'static str, places: &'static [Place], parts: &'static [Part]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["home", "tmp", "work"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let unique = folder.path().file_name().unwrap().to_string_lossy().to_lowercase();
        let unique: String = unique.chars().filter(char::is_ascii_alphanumeric).collect();
        let name = format!("{}-{}{}", &system[..4], std::process::id(), unique.trim_start_matches("tmp"));
        let databases = places.iter().map(|place| {
            let unique = folder.path().join(format!("{}{unique}", place.cluster));
            (place.cluster, Database::new(&unique))
        });
        let databases = databases.collect();
        // Made before the services are: whatever fails from here on, they are deleted.
        let site = Self { name, system, parts, places, databases, folder, sdk: Sdk::new().await };
        site.checkout();
        for part in parts {
            let repository = format!("{}/{}", site.name, part.name);
            site.sdk.ecr.create_repository().repository_name(repository).send().await.unwrap();
        }
        for place in places {
            site.build(place).await;
        }
        site
    }

    /// Replaces the system's own name and addresses by those of this story.
    fn named(&self, text: &str) -> String {
        let mut text = text.to_owned();
        // An address has the system's name in it.
        for (number, place) in self.places.iter().enumerate() {
            text = text.replace(place.address, &format!("<{number}>"));
        }
        text = text.replace(self.system, &self.name);
        for (number, place) in self.places.iter().enumerate() {
            text = text.replace(&format!("<{number}>"), &self.url(place.cluster));
        }
        text
    }

    fn checkout(&self) {
        let configuration = self.named(&super::configuration(self.system));
        let registry = variable("SHIPLINE_WORLD_REGISTRY");
        let configuration = if registry == crate::stage::REGISTRY {
            configuration
        } else {
            configuration.replace("image: { repository:", &format!("image: {{ registry: \"{registry}\", repository:"))
        };
        self.write(".github/shipline.yml", &configuration);
        let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
        let copy = |from: &str, to: String| self.write(&to, &std::fs::read_to_string(sources.join(from)).unwrap());
        for part in self.parts {
            let folder = part.folder;
            let from = match part.kind {
                Kind::Pages => {
                    for file in ["Dockerfile", "serve"] {
                        copy(&format!("scripts/demo-app/{file}"), format!("{folder}/{file}"));
                    }
                    continue;
                }
                Kind::Interface | Kind::Worker => "tests/systems/site/application",
            };
            for file in ["start", "server.py", "worker.py", "database.py", "migrations.py", "manage.py", "alembic"] {
                copy(&format!("{from}/{file}"), format!("{folder}/{file}"));
            }
            let dockerfile = format!(
                "FROM {} AS application\nWORKDIR /srv\nCOPY . /srv/\n\
                 RUN install -m 755 alembic /usr/bin/alembic\nCMD [\"sh\", \"start\"]\n\
                 FROM application AS worker\nCMD [\"python\", \"-u\", \"worker.py\"]\nFROM application\n",
                application_image()
            );
            self.write(&format!("{folder}/Dockerfile"), &dockerfile);
        }
        self.git(&["init", "-q", "-b", "main"]);
        self.git(&["config", "user.name", "story"]);
        self.git(&["config", "user.email", "story@localhost"]);
    }

    fn git(&self, arguments: &[&str]) -> String {
        run(&self.path("work"), "git", arguments)
    }

    /// The cluster's name in this story.
    pub(crate) fn there(&self, cluster: &str) -> String {
        cluster.replace(self.system, &self.name)
    }

    async fn build(&self, place: &Place) {
        let there = self.there(place.cluster);
        self.sdk.ecs.create_cluster().cluster_name(&there).send().await.unwrap();
        let balancer = self.sdk.elb.create_load_balancer().name(&there).subnets("subnet-a").subnets("subnet-b");
        let balancer = balancer.send().await.unwrap().load_balancers()[0].load_balancer_arn().unwrap().to_owned();
        let mut groups = BTreeMap::new();
        for part in self.parts.iter().filter(|part| !matches!(part.asked, Asked::Never)) {
            let path = match &part.asked {
                Asked::At(paths) => paths[0].replace('*', "health"),
                Asked::Otherwise | Asked::Never => "/".to_owned(),
            };
            let group = self.sdk.elb.create_target_group().name(format!("{there}-{}", part.name));
            let group = group.protocol(elb::ProtocolEnum::Http).port(i32::from(part.port)).vpc_id("vpc-1");
            let group = group.target_type(elb::TargetTypeEnum::Ip).health_check_path(path).send().await.unwrap();
            groups.insert(part.name, group.target_groups()[0].target_group_arn().unwrap().to_owned());
        }
        let forward = |group: &String| {
            elb::Action::builder().r#type(elb::ActionTypeEnum::Forward).target_group_arn(group).build()
        };
        let rest = self.parts.iter().find(|part| matches!(part.asked, Asked::Otherwise)).unwrap();
        let listener = self.sdk.elb.create_listener().load_balancer_arn(&balancer).protocol(elb::ProtocolEnum::Http);
        let listener = listener.port(80).default_actions(forward(&groups[rest.name])).send().await.unwrap();
        let listener = listener.listeners()[0].listener_arn().unwrap().to_owned();
        for (part, priority) in self.parts.iter().zip(10..) {
            if let Asked::At(paths) = &part.asked {
                let paths = elb::RuleCondition::builder()
                    .field("path-pattern")
                    .set_values(Some(paths.iter().map(|path| (*path).to_owned()).collect()))
                    .build();
                let rule = self.sdk.elb.create_rule().listener_arn(&listener).priority(priority).conditions(paths);
                rule.actions(forward(&groups[part.name])).send().await.unwrap();
            }
        }
        for part in self.parts {
            self.serve(place, part, groups.get(part.name)).await;
        }
        self.settled(place.cluster).await;
    }

    /// A service that runs a placeholder.
    async fn serve(&self, place: &Place, part: &Part, group: Option<&String>) {
        let there = self.there(place.cluster);
        let log = format!("/ecs/{there}/{}", part.name);
        self.sdk.logs.create_log_group().log_group_name(&log).send().await.unwrap();
        let set = |name: &str, value: &str| ecs::KeyValuePair::builder().name(name).value(value).build();
        let logs = [("group", log.as_str()), ("region", "us-east-1"), ("stream-prefix", part.name)];
        let logs = logs.map(|(name, value)| (format!("awslogs-{name}"), value.to_owned()));
        let mut container = ecs::ContainerDefinition::builder()
            .name(part.name)
            .image("placeholder:local")
            .essential(true)
            .port_mappings(ecs::PortMapping::builder().container_port(i32::from(part.port)).build())
            .environment(set("PORT", &part.port.to_string()))
            .log_configuration(
                ecs::LogConfiguration::builder()
                    .log_driver(ecs::LogDriver::Awslogs)
                    .set_options(Some(logs.into()))
                    .build()
                    .unwrap(),
            );
        // Staging's pages know a database that nobody gave production's.
        if !matches!(part.kind, Kind::Pages) || place.cluster.ends_with("staging") {
            container = container.environment(set("DATABASE_URL", &self.databases[place.cluster].inside));
        }
        let definition = self.sdk.ecs.register_task_definition().family(format!("{there}-{}", part.name));
        let definition = definition.network_mode(ecs::NetworkMode::Awsvpc).cpu("256").memory("512");
        let definition = definition.requires_compatibilities(ecs::Compatibility::Fargate);
        let definition = definition.container_definitions(container.build()).send().await.unwrap();
        let definition = definition.task_definition().unwrap().task_definition_arn().unwrap().to_owned();
        let network = ecs::AwsVpcConfiguration::builder().subnets("subnet-a").subnets("subnet-b").build().unwrap();
        let breaker = ecs::DeploymentCircuitBreaker::builder().enable(true).rollback(true).build();
        let mut service = self
            .sdk
            .ecs
            .create_service()
            .cluster(&there)
            .service_name(part.name)
            .task_definition(definition)
            .desired_count(if group.is_some() { 2 } else { 1 })
            .launch_type(ecs::LaunchType::Fargate)
            .network_configuration(ecs::NetworkConfiguration::builder().awsvpc_configuration(network).build())
            .deployment_configuration(
                ecs::DeploymentConfiguration::builder()
                    .maximum_percent(200)
                    .minimum_healthy_percent(100)
                    .deployment_circuit_breaker(breaker)
                    .build(),
            );
        if let Some(group) = group {
            let balanced = ecs::LoadBalancer::builder().target_group_arn(group).container_name(part.name);
            service = service.load_balancers(balanced.container_port(i32::from(part.port)).build());
        }
        service.send().await.unwrap();
    }

    /// Where the load balancer of a cluster answers, without a slash at its end.
    pub(crate) fn url(&self, cluster: &str) -> String {
        // By path: a name would have to be known to this machine.
        format!("{}/_alb/{}", variable("AWS_ENDPOINT_URL").trim_end_matches('/'), self.there(cluster))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path("work").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Rewrites the configuration.
    pub(crate) fn configure(&self, change: impl FnOnce(String) -> String) {
        let file = std::fs::read_to_string(self.path("work/.github/shipline.yml")).unwrap();
        self.write(".github/shipline.yml", &change(file));
    }

    /// Commits what is written as a release with that version of the services in these folders, tags it
    /// and answers the commit.
    pub(crate) fn commit(&self, tag: &str, versions: &[(&str, &str)]) -> String {
        for (folder, version) in versions {
            self.write(&format!("{folder}/VERSION"), &format!("{version}\n"));
        }
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", tag]);
        self.git(&["tag", tag]);
        self.git(&["rev-parse", "HEAD"])
    }

    pub(crate) fn database(&self, cluster: &str) -> &Database {
        &self.databases[cluster]
    }

    pub(crate) fn sdk(&self) -> &aws_config::SdkConfig {
        &self.sdk.all
    }

    /// The program in the repository, with nothing of the test's environment but the world.
    pub(crate) fn shipline(&self, arguments: &[&str]) -> Run<'_> {
        let passed = |name: &str| name == "PATH" || name == "DOCKER_HOST" || name.starts_with("AWS_");
        let environment = std::env::vars().filter(|(name, _)| passed(name)).collect();
        let folder = |name: &str| self.path(name).to_str().unwrap().to_owned();
        Run::of(self.folder.path(), arguments, environment).set("HOME", &folder("home")).set("TMPDIR", &folder("tmp"))
    }

    /// Begins to ask for these paths of a cluster's load balancer, without a pause.
    pub(crate) fn load<const N: usize>(&self, cluster: &str, paths: [&'static str; N]) -> Requests<N> {
        let python = variable("SHIPLINE_WORLD_PYTHON");
        let options = ["--workers", "2", "--every", "0.02"];
        Requests(paths.map(|path| (path, Load::start(&python, &format!("{}{path}", self.url(cluster)), &options))))
    }

    /// What a path of a cluster's load balancer answers.
    pub(crate) fn answer(&self, cluster: &str, path: &str) -> String {
        run(Path::new("/"), "curl", &["-sS", "-f", "-m", "5", &format!("{}{path}", self.url(cluster))])
    }

    /// Every service of a cluster has the tasks it wants and nothing else, and the task definition of each.
    pub(crate) async fn settled(&self, cluster: &str) -> BTreeMap<&'static str, String> {
        let began = now();
        loop {
            let mut asked = self.sdk.ecs.describe_services().cluster(self.there(cluster));
            for part in self.parts {
                asked = asked.services(part.name);
            }
            let seen = asked.send().await.unwrap();
            let steady = |service: &ecs::Service| service.running_count() == service.desired_count();
            if seen.services().len() == self.parts.len() && seen.services().iter().all(steady) {
                let of = |name: &str| {
                    seen.services().iter().find(|service| service.service_name() == Some(name)).unwrap().clone()
                };
                return self
                    .parts
                    .iter()
                    .map(|part| (part.name, of(part.name).task_definition().unwrap().to_owned()))
                    .collect();
            }
            assert!(began.elapsed() < Duration::from_mins(1), "it does not settle: {seen:#?}");
            pause(Duration::from_millis(100));
        }
    }

    /// Alarms of these names after the system's own, which the world's CloudWatch evaluates.
    pub(crate) async fn alarms(&self, names: &[&str]) {
        let cloudwatch = aws_sdk_cloudwatch::Client::new(&self.sdk.all);
        for name in names {
            let alarm = cloudwatch.put_metric_alarm().alarm_name(format!("{}-{name}", self.name));
            let alarm = alarm.namespace(&self.name).metric_name(*name).statistic(Statistic::Sum).period(60);
            let alarm = alarm.evaluation_periods(1).threshold(10.0).treat_missing_data("notBreaching");
            alarm.comparison_operator(ComparisonOperator::GreaterThanThreshold).send().await.unwrap();
        }
    }

    /// A topic of this name after the system's own; answers with its ARN.
    pub(crate) async fn topic(&self, name: &str) -> String {
        let topic = aws_sdk_sns::Client::new(&self.sdk.all).create_topic().name(format!("{}-{name}", self.name));
        topic.send().await.unwrap().topic_arn.unwrap()
    }

    /// The image that a service of a cluster is asked to run.
    pub(crate) async fn image(&self, cluster: &str, part: &str) -> String {
        let definition = self.settled(cluster).await[part].clone();
        let described = self.sdk.ecs.describe_task_definition().task_definition(definition).send().await.unwrap();
        described.task_definition().unwrap().container_definitions()[0].image().unwrap().to_owned()
    }

    async fn delete(names: Names) {
        let sdk = Sdk::new().await;
        for (there, parts) in &names.clusters {
            for part in parts {
                let _ = sdk.ecs.delete_service().cluster(there).service(*part).force(true).send().await;
                let _ = sdk.logs.delete_log_group().log_group_name(format!("/ecs/{there}/{part}")).send().await;
            }
            if let Ok(found) = sdk.elb.describe_load_balancers().names(there).send().await {
                for balancer in found.load_balancers() {
                    let arn = balancer.load_balancer_arn().unwrap();
                    if let Ok(listeners) = sdk.elb.describe_listeners().load_balancer_arn(arn).send().await {
                        for listener in listeners.listeners() {
                            let listener = listener.listener_arn().unwrap();
                            let _ = sdk.elb.delete_listener().listener_arn(listener).send().await;
                        }
                    }
                    let _ = sdk.elb.delete_load_balancer().load_balancer_arn(arn).send().await;
                }
            }
            for part in parts {
                let groups = sdk.elb.describe_target_groups().names(format!("{there}-{part}")).send().await;
                for group in groups.map(|found| found.target_groups.unwrap_or_default()).unwrap_or_default() {
                    let arn = group.target_group_arn().unwrap();
                    let _ = sdk.elb.delete_target_group().target_group_arn(arn).send().await;
                }
            }
            let _ = sdk.ecs.delete_cluster().cluster(there).send().await;
        }
        let cloudwatch = aws_sdk_cloudwatch::Client::new(&sdk.all);
        if let Ok(found) = cloudwatch.describe_alarms().alarm_name_prefix(&names.beginning).send().await {
            let alarms = found.metric_alarms().iter().filter_map(|alarm| alarm.alarm_name().map(str::to_owned));
            let _ = cloudwatch.delete_alarms().set_alarm_names(Some(alarms.collect())).send().await;
        }
        let sns = aws_sdk_sns::Client::new(&sdk.all);
        if let Ok(found) = sns.list_topics().send().await {
            let ours = format!(":{}", names.beginning);
            for topic in found.topics().iter().filter_map(|topic| topic.topic_arn()).filter(|arn| arn.contains(&ours)) {
                let _ = sns.delete_topic().topic_arn(topic).send().await;
            }
        }
        for repository in &names.repositories {
            let _ = sdk.ecr.delete_repository().repository_name(repository).force(true).send().await;
        }
    }
}

struct Names {
    /// Of alarms and topics.
    beginning: String,
    clusters: Vec<(String, Vec<&'static str>)>,
    repositories: Vec<String>,
}

impl Drop for Site {
    fn drop(&mut self) {
        let parts: Vec<&str> = self.parts.iter().map(|part| part.name).collect();
        let names = Names {
            beginning: format!("{}-", self.name),
            clusters: self.places.iter().map(|place| (self.there(place.cluster), parts.clone())).collect(),
            repositories: parts.iter().map(|part| format!("{}/{part}", self.name)).collect(),
        };
        // The story's own runtime stands still while this waits.
        let deleting = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(Self::delete(names));
        });
        let _ended = deleting.join();
    }
}

/// Requests to some paths, being sent.
pub(crate) struct Requests<const N: usize>([(&'static str, Load); N]);

impl<const N: usize> Requests<N> {
    /// Ends them. None of them failed, and each path was answered by the first of its versions and by no
    /// other than these.
    #[track_caller]
    pub(crate) fn end(self, versions: [&[&str]; N]) {
        for ((path, load), versions) in self.0.into_iter().zip(versions) {
            let seen = load.end();
            println!("{path}: {seen}");
            assert_eq!(seen["failed"], 0, "{path}: {seen:#}");
            let answers = seen["answers"].as_object().unwrap();
            let answered: Vec<&str> = answers.keys().map(String::as_str).collect();
            assert!(answered.contains(&versions[0]), "{path}: {seen:#}");
            assert!(answered.iter().all(|version| versions.contains(version)), "{path}: {seen:#}");
        }
    }
}

/// Where in the timeline of a report something stands; fails with the whole of it.
#[track_caller]
pub(crate) fn at(report: &Value, service: &str, what: &str) -> usize {
    let timeline = report["timeline"].as_array().unwrap();
    let found = timeline.iter().position(|moment| {
        moment["service"].as_str().unwrap_or_default() == service && moment["what"].as_str().unwrap().contains(what)
    });
    found.unwrap_or_else(|| panic!("{service}: {what:?} is not in {timeline:#?}"))
}

/// An image with Python and PostgreSQL's client in it, made of this machine's own when it is not there.
fn application_image() -> &'static str {
    const NAME: &str = "shipline-story-application:1";
    if docker(&["image", "inspect", NAME]).is_err() {
        let folder = tempfile::tempdir().unwrap();
        copy_client(&folder.path().join("psql"));
        let text = format!("FROM {}\nCOPY psql /psql\nRUN ln -s python3 /usr/bin/python\n", python_image());
        std::fs::write(folder.path().join("Dockerfile"), text).unwrap();
        docker(&["build", "--quiet", "--tag", NAME, folder.path().to_str().unwrap()]).unwrap();
    }
    NAME
}
