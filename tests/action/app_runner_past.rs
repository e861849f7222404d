//! Ten good releases of an App Runner service that runs an image, remembered on the service itself.

use serde_json::{Value, json};
use shipline_test_support::{AppRunnerServiceSeed, Timing};

use super::stage::{REGISTRY, Stage};

const FILE: &str = "version: 1
services: { web: { image: { repository: pmis/web } } }
environments:
  staging:
    aws: { region: us-east-1 }
    services: { web: { app-runner: { service: shop-web } } }
";

struct Past {
    stage: Stage,
    arn: String,
}

impl Past {
    /// The service with releases of these commits, the first of them oldest.
    async fn of(commits: &[String]) -> Self {
        let past = Self::new().await;
        for commit in commits {
            past.deploy(commit);
        }
        past
    }

    async fn new() -> Self {
        let stage = Stage::empty().await;
        stage.world.timing(Timing::instant());
        stage.write(".github/shipline.yml", FILE);
        let first = stage.image_of("web", "first");
        let arn = stage.world.app_runner_service(AppRunnerServiceSeed::new("shop-web", &first));
        Self { stage, arn }
    }

    fn deploy(&self, commit: &str) {
        self.stage.image_at_commit("web", commit, commit);
        let image = format!("--image=web={REGISTRY}/pmis/web:{commit}");
        self.stage.command(&["deploy", "staging", "--yes", &image]).end().must(0);
    }

    /// The image that serves.
    fn live(&self) -> String {
        let seen = self.stage.world.app_runner("DescribeService", &json!({ "ServiceArn": self.arn })).unwrap();
        let image = &seen["Service"]["SourceConfiguration"]["ImageRepository"]["ImageIdentifier"];
        image.as_str().unwrap().to_owned()
    }

    fn tags(&self) -> Vec<Value> {
        let seen = self.stage.world.app_runner("ListTagsForResource", &json!({ "ResourceArn": self.arn })).unwrap();
        seen["Tags"].as_array().unwrap().clone()
    }

    fn history(&self, last: &str) -> Vec<String> {
        let asked = ["history", "staging", "--last", last, "--json"];
        let document = self.stage.command(&asked).end().must(0).document();
        let releases = document["services"][0]["releases"].as_array().unwrap().clone();
        releases.iter().map(|one| one["commit"].as_str().unwrap_or("unknown").to_owned()).collect()
    }
}

fn commits(range: std::ops::RangeInclusive<u32>) -> Vec<String> {
    range.map(|number| format!("{number:02}{}", "b".repeat(38))).collect()
}

#[tokio::test]
async fn one_of_the_last_ten_good_releases_is_put_back_by_one_command() {
    let all = commits(1..=12);
    let past = Past::of(&all).await;
    let newest: Vec<String> = all.iter().rev().take(11).cloned().collect();
    assert_eq!(past.history("11"), newest);
    let tenth = &all[1];
    past.stage.command(&["rollback", "staging", "--to", tenth, "--yes"]).end().must(0);
    let (_, digest) = past.stage.image_at_commit("web", tenth, tenth).split_once('@').map(owned).unwrap();
    assert!(past.live().ends_with(&digest), "{} is not {digest}", past.live());
    // And by the number of steps: the last one before that.
    past.stage.command(&["rollback", "staging", "--yes"]).end().must(0);
    assert_eq!(past.history("1"), [all[11].clone()]);
    // What is older than ten is refused with what there is.
    let ran = past.stage.command(&["rollback", "staging", "--to", &"f".repeat(40), "--yes"]).end().must(3);
    ran.says("is not known to have been good here").says(&all[5][..7]);
}

#[tokio::test]
async fn a_service_with_many_tags_of_its_owner_remembers_two_and_keeps_those() {
    let past = Past::new().await;
    let own: Vec<Value> = (0..40).map(|number| json!({"Key": format!("team-{number}"), "Value": "shop"})).collect();
    past.stage.world.app_runner("TagResource", &json!({ "ResourceArn": past.arn, "Tags": own })).unwrap();
    let all = commits(1..=6);
    for commit in &all {
        past.deploy(commit);
    }
    assert!(past.tags().len() <= 50);
    assert_eq!(past.tags().iter().filter(|tag| tag["Value"] == "shop").count(), 40, "the owner's are kept");
    let known = past.history("11");
    assert!(known.len() >= 3, "two before the live one: {known:?}");
    assert_eq!(known[..3], [all[5].clone(), all[4].clone(), all[3].clone()]);
    past.stage.command(&["rollback", "staging", "--yes"]).end().must(0);
}

fn owned((name, digest): (&str, &str)) -> (String, String) {
    (name.to_owned(), digest.to_owned())
}
