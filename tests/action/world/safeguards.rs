//! An alarm that the world's CloudWatch evaluates itself, and a topic that its SNS delivers.

use aws_sdk_cloudwatch::types::{ComparisonOperator, MetricDatum, Statistic};
use serde_json::Value;

use super::team::{Team, until_async};
use crate::answering::Answering;

#[tokio::test]
async fn an_alarm_fired_by_measurements_takes_the_release_back_and_a_topic_tells_people() {
    let team = Team::new(&["app"]).await;
    let name = team.repository("app").repository().to_string().replace('/', "-");
    let cloudwatch = aws_sdk_cloudwatch::Client::new(&team.world.sdk);
    let alarm = cloudwatch
        .put_metric_alarm()
        .alarm_name(&name)
        .namespace(&name)
        .metric_name("Errors")
        .statistic(Statistic::Sum)
        .period(60)
        .evaluation_periods(1)
        .threshold(10.0)
        .comparison_operator(ComparisonOperator::GreaterThanThreshold)
        .treat_missing_data("notBreaching");
    alarm.send().await.unwrap();
    let measure = async |errors: f64| {
        let datum = MetricDatum::builder().metric_name("Errors").value(errors).build();
        cloudwatch.put_metric_data().namespace(&name).metric_data(datum).send().await.unwrap();
    };

    let sns = aws_sdk_sns::Client::new(&team.world.sdk);
    let topic = sns.create_topic().name(&name).send().await.unwrap().topic_arn.unwrap();
    let people = Answering::with(200, &[], "").await;
    sns.subscribe().topic_arn(&topic).protocol("http").endpoint(people.address()).send().await.unwrap();
    until_async("the question whether to subscribe", async || people.asked() > 0).await;
    let asked: Value = serde_json::from_slice(&people.requests()[0].body).unwrap();
    sns.confirm_subscription().topic_arn(&topic).token(asked["Token"].as_str().unwrap()).send().await.unwrap();

    let file = std::fs::read_to_string(team.path("work/.github/shipline.yml")).unwrap();
    let rules = format!("    alarms: [{name}]\n    notify: [{{ sns: \"{topic}\" }}]\n");
    team.write(".github/shipline.yml", &format!("{file}{rules}"));
    team.commit(&[("app", "v1")]).await;
    team.deploy().must(0).says("serves after");
    until_async("the first message", async || people.asked() > 1).await;

    // Never right: the release waits in its check, with the new version already serving.
    let waits = format!("      - {{ http: \"{}never\", expect: 418, within: 50s }}\n{rules}", team.url("app"));
    team.write(".github/shipline.yml", &format!("{file}{waits}"));
    team.commit(&[("app", "v2")]).await;
    let running = team.shipline(&["deploy", "staging", "--json"]).start();
    until_async("the new version", async || team.show("app")["answers"]["body"] == "v2").await;
    measure(12.0).await;
    let ran = running.end().must(1);
    team.assert_serves("app", "v1");
    let document = ran.document();
    assert_eq!(document["alarm"]["summary"], format!("alarm {name} fired"), "{document:#}");
    let says = document["alarm"]["provider_says"].as_str().unwrap();
    println!("{says}");
    assert!(says.contains("12") && says.contains("10"), "{says}");
    until_async("the second message", async || people.asked() > 2).await;
    let told: Value = serde_json::from_slice(&people.requests()[2].body).unwrap();
    assert!(told["Subject"].as_str().unwrap().contains("failed after"), "{told:#}");
    assert!(told["Message"].as_str().unwrap().contains(&format!("alarm {name} fired")), "{told:#}");

    // It fires still: the next release is refused, a rollback is not.
    let ran = team.shipline(&["deploy", "staging", "--json"]).end().must(3);
    assert_eq!(ran.document()["problems"][0]["code"], "alarm-firing");
    cloudwatch.delete_alarms().alarm_names(&name).send().await.unwrap();
    sns.delete_topic().topic_arn(&topic).send().await.unwrap();
}
