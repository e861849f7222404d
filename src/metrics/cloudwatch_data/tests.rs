use std::collections::BTreeMap;

use super::*;
use crate::types::Span;

fn metric(name: &str) -> Metric {
    let dimensions = BTreeMap::from([("TargetGroup".to_owned(), "targetgroup/api/1".to_owned())]);
    Metric { namespace: "AWS/ApplicationELB".into(), name: name.into(), statistic: "Sum".into(), dimensions }
}

fn question(form: MetricForm) -> Question {
    let at = |second| Timestamp::from_second(second).unwrap();
    Question { query: Query::CloudWatch(MetricQuery { form, period: Span::minutes(1) }), from: at(1000), to: at(1400) }
}

fn expression(text: &str, names: &[&str]) -> Question {
    let metrics = names.iter().map(|name| ((*name).to_owned(), metric(name))).collect();
    question(MetricForm::Expression { expression: text.to_owned(), metrics })
}

#[test]
fn five_hundred_queries_are_one_call_and_an_expression_counts_with_its_metrics() {
    let sizes =
        |asked: &[Question]| -> Vec<usize> { calls(asked).unwrap().iter().map(|call| call.queries.len()).collect() };
    let plain: Vec<Question> = (0..501).map(|_| question(MetricForm::Metric(metric("x")))).collect();
    assert_eq!(sizes(&plain[..500]), [500]);
    assert_eq!(sizes(&plain), [500, 1]);
    let shares: Vec<Question> = (0..200).map(|_| expression("100 * a / b", &["a", "b"])).collect();
    assert_eq!(sizes(&shares), [498, 102]);
    assert_eq!(sizes(&[]), Vec::<usize>::new());
}

#[test]
fn a_call_holds_one_metrics_insights_query() {
    let asked: Vec<Question> = (0..3).map(|_| expression("SELECT AVG(x) FROM y", &[])).collect();
    assert_eq!(calls(&asked).unwrap().len(), 3);
}

#[test]
fn the_metrics_of_an_expression_have_names_of_their_own() {
    let asked = [expression("100 * a / b", &["a", "b"]), expression("a + 'a'", &["a"])];
    let call = &calls(&asked).unwrap()[0];
    let told: Vec<(&str, Option<&str>)> =
        call.queries.iter().map(|query| (query.id().unwrap(), query.expression())).collect();
    assert_eq!(
        told,
        [("q0", Some("100 * q0_a / q0_b")), ("q0_a", None), ("q0_b", None), ("q1", Some("q1_a + 'a'")), ("q1_a", None)]
    );
}

#[test]
fn the_time_of_a_call_is_whole_periods_around_all_questions() {
    let mut late = question(MetricForm::Metric(metric("x")));
    late.to = Timestamp::from_second(1500).unwrap();
    assert_eq!(time([&question(MetricForm::Metric(metric("x"))), &late].into_iter()), (960, 1560));
}

#[test]
fn a_value_counts_when_it_cannot_change_any_more() {
    let points =
        (15..24).map(|minute| Point { at: Timestamp::from_second(minute * 60).unwrap(), value: 1.0 }).collect();
    let found = Found { points, ..Found::default() };
    let series = found.series(&question(MetricForm::Metric(metric("x"))));
    let minutes: Vec<i64> = series.points.iter().map(|point| point.at.as_second() / 60).collect();
    // From 1000 s to 1400 s; the minute from 1320 s has just ended, that from 1260 s has settled.
    assert_eq!(minutes, [17, 18, 19, 20, 21]);
}

#[test]
fn what_is_not_the_whole_answer_is_told() {
    let result = |status: StatusCode, label: &str| {
        let message = MessageData::builder().code("Code").value("because").build();
        MetricDataResult::builder().id("q0").label(label).status_code(status).messages(message).build()
    };
    let added = |results: &[MetricDataResult], more: bool| {
        let mut found = Found::default();
        for result in results {
            found.add(result, more);
        }
        found.trouble
    };
    assert_eq!(added(&[result(StatusCode::Complete, "a"), result(StatusCode::Complete, "a")], false), None);
    assert_eq!(added(&[result(StatusCode::PartialData, "a")], true), None);
    let trouble = added(&[result(StatusCode::PartialData, "a")], false).unwrap();
    assert_eq!(trouble, "CloudWatch answered only a part of the values: Code: because");
    let trouble = added(&[result(StatusCode::InternalError, "a")], false).unwrap();
    assert_eq!(trouble, "CloudWatch had an internal error: Code: because");
    let trouble = added(&[result(StatusCode::Complete, "a"), result(StatusCode::Complete, "b")], false).unwrap();
    assert!(trouble.starts_with("the query answers several series (`a`, `b`)"), "{trouble}");
}
