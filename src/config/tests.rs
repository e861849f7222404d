use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::Value as Json;

use super::raw::shape::Book;
use super::spec::analysis::{Compare, Weight};
use super::spec::{
    Access, Allow, Approval, ApprovalsSpec, BehindBase, BuildCache, BuildWorkflow, Checks, ComposeHost, CreateService,
    EcsTasksSpec, ExpressSpec, Freeze, Policy, PublicAddress, Pulls, Queue, Reviews, Role, ScalingMetric, ScalingSpec,
    Steered, Steering, Strategy, TargetSpec, WeekTime, Who,
};
use super::*;
use crate::types::Span;

mod broken;

const FULL: &str = include_str!("../../tests/configuration/full.yml");

fn full() -> Config {
    parse(FILE, FULL).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn the_full_example_is_understood() {
    let config = full();
    let staging = &config.environments[&"staging".parse().unwrap()];
    assert_eq!(staging.within, Span::minutes(15));
    assert_eq!(staging.deploy_on_push.as_deref(), Some("main"));
    assert_eq!(staging.waves.len(), 2);
    assert_eq!(staging.steering.strategy, Strategy::Rolling);
    assert!(staging.deferred.is_empty());
    assert_eq!(staging.verify[1].expect, 200);
    let TargetSpec::AppRunner(legacy) = &staging.services[&"legacy".parse().unwrap()] else { panic!("not App Runner") };
    let tasks = EcsTasksSpec {
        cluster: "pmis-staging".to_owned(),
        task_definition: "legacy-tasks".to_owned(),
        container: Some("tasks".to_owned()),
        subnets: vec!["subnet-0a1b2c3d".to_owned()],
        security_groups: vec!["sg-0a1b2c3d".to_owned()],
        public_address: PublicAddress::Yes,
    };
    assert_eq!(legacy.tasks, Some(tasks));
    let TargetSpec::Express(front) = &staging.services[&"front".parse().unwrap()] else { panic!("{staging:?}") };
    let scaling = ScalingSpec {
        least: Some(1),
        most: Some(4),
        metric: Some(ScalingMetric::RequestCountPerTarget),
        target: Some(900),
    };
    let expected = ExpressSpec {
        cluster: "pmis-staging".to_owned(),
        service: "front".to_owned(),
        create: CreateService::WhenMissing,
        environment: [("LOG_LEVEL".to_owned(), "info".to_owned())].into(),
        secrets: [("TOKEN".to_owned(), "arn:aws:ssm:us-east-1:111122223333:parameter/front/token".to_owned())].into(),
        command: Some(vec!["serve".to_owned()]),
        container_port: Some(8080),
        cpu: Some(512),
        memory: Some(1024),
        health_check_path: Some("/health".to_owned()),
        execution_role: Some("arn:aws:iam::111122223333:role/ecsTaskExecutionRole".parse().unwrap()),
        task_role: Some("arn:aws:iam::111122223333:role/front".parse().unwrap()),
        infrastructure_role: Some("arn:aws:iam::111122223333:role/ecsInfrastructureRole".parse().unwrap()),
        subnets: vec!["subnet-0a1b2c3d".to_owned()],
        security_groups: vec!["sg-0a1b2c3d".to_owned()],
        scaling,
    };
    assert_eq!(**front, expected);
    let host = |name: &str| match &staging.services[&name.parse().unwrap()] {
        TargetSpec::Compose(compose) => compose.host.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(host("notes"), ComposeHost::Local);
    assert_eq!(host("mail"), ComposeHost::Instance("i-0123456789abcdef0".to_owned()));
    assert_eq!(host("wiki"), ComposeHost::Tag { key: "Name".to_owned(), value: "pmis-wiki".to_owned() });
    let production = &config.environments[&"production".parse().unwrap()];
    let canary = Strategy::Canary {
        percent: "10".parse().unwrap(),
        bake: Span::minutes(10),
        approval: Approval::Asked,
        stays: Span::minutes(5),
    };
    assert_eq!(production.steering.strategy, canary);
    assert_eq!((production.steering.by, production.steering.patience), (Steered::Rollout, Span::minutes(24 * 60)));
    let by = |name: &str| match &production.services[&name.parse().unwrap()] {
        TargetSpec::Ecs(ecs) => ecs.steering(production.steering),
        other => panic!("{other:?}"),
    };
    assert_eq!((by("api"), by("web")), (production.steering, Steering::default()), "`web` stands aside");
    assert_eq!(production.within, Span::minutes(30));
    let limits: Vec<String> = production
        .analysis
        .iter()
        .map(|one| format!("{} {} {}", one.name, one.limit.side, one.limit.written(one.limit.value)))
        .collect();
    assert_eq!(
        limits,
        [
            "error-rate below 5 %",
            "p99 below 0.5 s",
            "target-errors below 1 %",
            "asked below 300 ms",
            "served above 99.5 %"
        ]
    );
    assert_eq!(production.analysis[1].compare, Some(Compare { margin: 0.2, effect: 0.8, p: 0.005 }));
    let errors = &production.analysis[2];
    assert_eq!((errors.compare, errors.weight, errors.failures), (Some(Compare::default()), Weight::Critical, 0));
    assert_eq!((errors.min_samples, errors.every, errors.failures), (5, Span::seconds(60), 0));
    assert_eq!(errors.query.variables(), ["target-group"]);
    assert_eq!(production.waves.len(), 1, "all at once when no order is given");
    let bot: Vec<&str> = production.deferred.iter().map(|rule| rule.key.as_str()).collect();
    assert_eq!(bot, ["checks", "reviews", "approvals", "access", "queue", "pull-requests"]);
    assert!(config.environments[&"plain".parse().unwrap()].deferred.is_empty(), "rolling is carried out");
    assert!(config.services[&"legacy".parse().unwrap()].image.is_none());
}

fn team(slug: &str) -> Who {
    Who::Team { org: "acme".to_owned(), slug: slug.to_owned() }
}

#[test]
fn the_rules_about_people_and_time_are_understood() {
    let production = full().environments[&"production".parse().unwrap()].policy.clone();
    let expected = Policy {
        requires: vec!["staging".parse().unwrap()],
        soak: Span::minutes(30),
        checks: Checks::Required,
        reviews: Reviews::Required,
        approvals: Some(ApprovalsSpec {
            count: 1,
            from: vec![team("release-managers")],
            requester: Allow::No,
            expires: Span::minutes(24 * 60),
            remind: Span::minutes(12 * 60),
        }),
        freeze: vec![Freeze {
            from: WeekTime { day: 4, hour: 16, minute: 0 },
            to: WeekTime { day: 0, hour: 8, minute: 0 },
            zone: "Europe/Berlin".to_owned(),
        }],
        access: Access {
            deploy: vec![Who::Role(Role::Write)],
            rollback: vec![Who::Role(Role::Write)],
            approve: vec![team("release-managers")],
            lock: vec![Who::Role(Role::Maintain)],
        },
        queue: Queue::Refuse,
        pulls: Pulls {
            drafts: Allow::No,
            forks: Allow::Yes,
            bases: vec!["main".to_owned(), "release-1".to_owned()],
            behind: BehindBase::Refused,
        },
    };
    assert_eq!(production, expected);
}

#[test]
fn what_is_left_out_of_the_rules_has_its_documented_meaning() {
    let config = full();
    let policy = |name: &str| config.environments[&name.parse().unwrap()].policy.clone();
    assert_eq!(policy("staging"), Policy::default());
    let blue = policy("preview-blue");
    assert_eq!(blue.checks, Checks::All);
    assert_eq!(blue.access.deploy, [team("web"), Who::Role(Role::Triage)]);
    assert_eq!(blue.access.rollback, blue.access.deploy, "who may deploy may go back");
    assert_eq!(blue.access.approve, [team("release-managers"), Who::User("octocat".to_owned())], "as `approvals.from`");
    assert_eq!(blue.access.lock, [Who::Role(Role::Maintain)]);
    assert_eq!(blue.queue, Queue::One);
    assert_eq!(blue.pulls, Pulls { drafts: Allow::Yes, ..Pulls::default() });
    assert_eq!(policy("preview-linear").checks, Checks::Named(vec!["unit tests".to_owned(), "lint".to_owned()]));
}

#[test]
fn the_build_workflow_is_a_file_and_half_an_hour_when_nothing_is_said() {
    assert_eq!(full().build, Some(BuildWorkflow { workflow: "build.yml".to_owned(), within: Span::minutes(45) }));
    let build = |line: &str| {
        let text = format!(
            "version: 1\nservices: {{ a: {{}} }}\nenvironments: {{ x: {{ services: {{ a: {{ ecs: {{ cluster: c, service: s \
             }} }} }} }} }}\n{line}"
        );
        parse(FILE, &text).unwrap_or_else(|problems| panic!("{problems}")).build
    };
    assert_eq!(build(""), None);
    let usual = BuildWorkflow { workflow: "Release_2.yaml".to_owned(), within: Span::minutes(30) };
    assert_eq!(build("build: { workflow: Release_2.yaml }"), Some(usual));
}

#[test]
fn values_of_variables_stay_as_they_are_written() {
    let config = full();
    let TargetSpec::Ecs(api) = &config.environments[&"production".parse().unwrap()].services[&"api".parse().unwrap()]
    else {
        panic!("api runs on ECS");
    };
    let changes: Vec<(&str, &str)> =
        api.changes.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(changes, [("EMPTY", ""), ("FLAG", "true"), ("PORT", "8080"), ("VERSION", "1.10")]);
    assert_eq!(api.changes.labels["com.example/route"], "a=b=c");
    assert_eq!(api.changes.command.as_deref().unwrap(), ["serve", "--port", "8080"]);
    let image = config.services[&"api".parse().unwrap()].image.as_ref().unwrap();
    assert_eq!(image.build.as_ref().unwrap().args["RUST_VERSION"], "1.95");
    assert_eq!(image.build.as_ref().unwrap().cache, BuildCache::Registry);
    assert_eq!(image.tags.len(), 5);
}

#[test]
fn an_anchor_repeats_a_value() {
    let text = "version: 1\nservices: { a: {}, b: {} }\nenvironments:\n  x:\n    services:\n      a: &t { ecs: { \
                cluster: c, service: s, environment: { K: v } } }\n      b: *t\n";
    let config = parse(FILE, text).unwrap();
    let services = &config.environments[&"x".parse().unwrap()].services;
    assert_eq!(services[&"a".parse().unwrap()], services[&"b".parse().unwrap()]);
}

/// Compares a generated file with the committed one, or writes it when `UPDATE` is set.
fn current(path: &str, text: &str) {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    #[expect(clippy::disallowed_methods, reason = "the switch of whoever changes the tables")]
    let update = std::env::var_os("UPDATE").is_some();
    if update {
        std::fs::write(&path, text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == text, "{} is not current: run this test with UPDATE=1", path.display());
}

#[test]
fn the_published_schema_is_current() {
    current("shipline.schema.json", &(serde_json::to_string_pretty(&json_schema()).unwrap() + "\n"));
}

#[test]
fn the_reference_page_is_current() {
    current("docs/configuration.md", &reference());
}

#[test]
fn the_examples_of_the_reference_page_are_right() {
    let page = reference();
    let block = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert!(block.starts_with("# yaml-language-server: $schema="));
    parse("docs/configuration.md", block).unwrap_or_else(|problems| panic!("{problems}"));
}

#[test]
fn the_example_of_the_page_on_analysis_is_right() {
    let page = include_str!("../../docs/analysis.md");
    let block = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let services = "  production:\n    services: { api: { ecs: { cluster: c, service: s } } }\n";
    let text = format!("version: 1\nservices: {{ api: {{}} }}\n{}", block.replace("  production:\n", services));
    let config = parse("docs/analysis.md", &text).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.environments[&"production".parse().unwrap()].analysis.len(), 3);
}

/// The full example stands for every key: whatever the schema offers is in it and is accepted.
#[test]
fn every_key_of_the_schema_stands_in_the_full_example() {
    let mut book = Book::default();
    Configuration::shape(&mut book);
    let mut keys = 0;
    for page in &book.pages {
        for field in &page.fields {
            keys += 1;
            assert!(FULL.contains(&format!("{}:", field.key)), "{}.{} is not in the example", page.name, field.key);
        }
    }
    assert!(keys > 90, "only {keys} keys were looked at");
}

/// The example of every single key is read without a problem by the very type that offers it.
#[test]
fn every_example_matches_its_own_type_in_the_schema() {
    let schema = json_schema();
    let mut checked = 0;
    let mut pages: Vec<&Json> = schema["$defs"].as_object().unwrap().values().collect();
    pages.push(&schema);
    for page in pages {
        for (key, property) in page["properties"].as_object().unwrap() {
            let example = &property["examples"][0];
            assert!(fits(example, property, &schema), "{key}: {example} does not fit {property}");
            checked += 1;
        }
        assert!(fits(&page["examples"][0], page, &schema) || page == &schema, "{}", page["examples"][0]);
    }
    assert!(checked > 90);
}

/// As much of JSON Schema as the published schema uses, patterns left out.
fn fits(value: &Json, schema: &Json, root: &Json) -> bool {
    if let Some(reference) = schema["$ref"].as_str() {
        return fits(value, &root["$defs"][reference.rsplit('/').next().unwrap()], root);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        return any.iter().any(|one| fits(value, one, root));
    }
    if let Some(words) = schema["enum"].as_array() {
        return words.contains(value);
    }
    if let Some(only) = schema.get("const") {
        return only == value;
    }
    let sorts: Vec<&str> = match &schema["type"] {
        Json::String(sort) => vec![sort.as_str()],
        Json::Array(sorts) => sorts.iter().filter_map(Json::as_str).collect(),
        _ => return false,
    };
    match value {
        Json::Null => false,
        Json::Bool(_) => sorts.contains(&"boolean"),
        Json::Number(number) => sorts.contains(&"number") || (sorts.contains(&"integer") && number.is_u64()),
        Json::String(_) => sorts.contains(&"string"),
        Json::Array(items) => sorts.contains(&"array") && items.iter().all(|item| fits(item, &schema["items"], root)),
        Json::Object(map) => {
            let known = |key: &str| schema["properties"].get(key).or_else(|| schema.get("additionalProperties"));
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str);
            sorts.contains(&"object")
                && required.into_iter().all(|key| map.contains_key(key))
                && map.iter().all(|(key, value)| known(key).is_some_and(|schema| fits(value, schema, root)))
        }
    }
}

proptest! {
    #[test]
    fn no_text_stops_the_parser(text in any::<String>()) {
        let _ = parse(FILE, &text);
    }

    #[test]
    fn no_text_that_looks_like_yaml_stops_the_parser(text in "([\\[\\]{}:,&*!|>%@`\"'#?~ \n\t-]|[a-z0-9]{1,3}){0,200}") {
        let _ = parse(FILE, &text);
    }

    #[test]
    fn no_damage_to_a_good_file_stops_the_parser(from in 0..FULL.len(), length in 0..40_usize, put in "[\\[\\]{}:,&*\n\t -]{0,3}") {
        let mut text = FULL.to_owned();
        text.replace_range(from..(from + length).min(FULL.len()), &put);
        if let Err(problems) = parse(FILE, &text) {
            prop_assert!(problems.all().iter().all(|p| !p.next.is_empty() && p.place.as_ref().is_some_and(|at| at.line.is_some())));
        }
    }
}
