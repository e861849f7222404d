use proptest::prelude::*;

use crate::rollout::analysis::*;
use crate::types::{Span, Timestamp};

/// An expression that is asked once a minute and must stay below 5 %.
fn measure() -> Measure {
    Measure {
        name: "error rate".to_owned(),
        query: Query::CloudWatch(MetricQuery {
            form: MetricForm::Expression { expression: "1".to_owned(), metrics: std::collections::BTreeMap::new() },
            period: Span::minutes(1),
        }),
        limit: Limit { side: LimitSide::Below, value: 5.0, unit: "%".to_owned() },
        every: Span::minutes(1),
        no_data: NoData::Pause,
        compare: None,
        min_samples: 5,
        warm_up: Span::seconds(0),
        failures: 1,
        weight: Weight::Ordinary,
        services: Vec::new(),
    }
}

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + minute * 60).unwrap()
}

/// One value a minute, from the beginning.
fn points(values: &[f64]) -> Vec<Point> {
    values.iter().zip(0..).map(|(value, minute)| Point { at: at(minute), value: *value }).collect()
}

fn judged(measure: &Measure, new: &[f64], old: Option<&[f64]>) -> Judgement {
    let window = Window { from: at(0), now: at(i64::try_from(new.len()).unwrap() + 1) };
    judged_in(measure, window, new, old)
}

fn judged_in(measure: &Measure, window: Window, new: &[f64], old: Option<&[f64]>) -> Judgement {
    let (new, old) = (points(new), old.map(points));
    judge(measure, None, window, Samples { new: &new, old: old.as_deref() })
}

#[track_caller]
fn says(judgement: &Judgement, verdict: Verdict, text: &str) {
    assert_eq!((judgement.verdict, judgement.text.as_str()), (verdict, text), "{judgement:#?}");
}

#[test]
fn values_within_the_limit_pass_when_there_are_enough_of_them() {
    says(&judged(&measure(), &[0.4; 5], None), Verdict::Pass, "error rate is good");
    says(&judged(&measure(), &[0.4; 4], None), Verdict::Inconclusive, "error rate has 4 of the 5 values it needs");
}

#[test]
fn the_limit_itself_is_beyond_the_limit() {
    assert_eq!(judged(&measure(), &[5.0; 5], None).verdict, Verdict::Fail);
    let above = Measure { limit: Limit { side: LimitSide::Above, ..measure().limit }, ..measure() };
    assert_eq!(judged(&above, &[5.0; 5], None).verdict, Verdict::Fail);
    assert_eq!(judged(&above, &[5.1; 5], None).verdict, Verdict::Pass);
}

#[test]
fn as_many_bad_intervals_as_are_tolerated_do_not_fail_and_one_more_does_without_waiting_for_more_values() {
    assert_eq!(judged(&measure(), &[0.4, 9.0, 0.4, 0.4, 0.4], None).verdict, Verdict::Pass);
    let failed = judged(&measure(), &[0.4, 9.0, 12.0], None);
    says(&failed, Verdict::Fail, "error rate is 12 %, not below 5 %, in 2 of 3 intervals (1 tolerated)");
    assert_eq!((failed.value, failed.failed), (Some(12.0), 2));
}

#[test]
fn a_critical_measurement_fails_with_its_first_bad_interval() {
    let critical = Measure { weight: Weight::Critical, failures: 3, ..measure() };
    says(&judged(&critical, &[9.0], None), Verdict::Fail, "error rate is 9 %, not below 5 %");
}

#[test]
fn the_mean_of_an_interval_is_held_against_the_limit() {
    let slow = Measure { every: Span::minutes(5), failures: 0, ..measure() };
    let good = judged(&slow, &[9.0, 0.0, 0.0, 9.0, 0.0, 1.0], None);
    assert_eq!((good.verdict, good.recent), (Verdict::Pass, vec![Some(3.6), Some(1.0)]));
    assert_eq!(judged(&slow, &[9.0, 9.0, 0.0, 9.0, 0.0, 1.0], None).verdict, Verdict::Fail);
}

#[test]
fn values_of_the_warm_up_do_not_count() {
    let warm = Measure { warm_up: Span::minutes(2), failures: 0, ..measure() };
    let judgement = judged(&warm, &[90.0, 90.0, 1.0, 1.0, 1.0, 1.0, 1.0], None);
    assert_eq!((judgement.verdict, judgement.samples), (Verdict::Pass, 5));
}

#[test]
fn without_a_value_there_is_no_verdict_but_no_data() {
    for nothing in [&[][..], &[f64::NAN; 9], &[f64::INFINITY, f64::NEG_INFINITY, f64::NAN]] {
        says(&judged(&measure(), nothing, None), Verdict::NoData, "error rate has no value");
    }
}

#[test]
fn without_a_value_the_release_goes_back_where_the_rule_says_so_but_only_when_a_late_value_had_its_time() {
    let strict = Measure { no_data: NoData::RollBack, ..measure() };
    let in_minutes = |minutes| judged_in(&strict, Window { from: at(0), now: at(minutes) }, &[], None).verdict;
    assert_eq!((in_minutes(5), in_minutes(6)), (Verdict::NoData, Verdict::Fail));
    let judged = |measure: Measure, verdict| {
        let judgement = judged_in(&measure, Window { from: at(0), now: at(3) }, &[], None);
        assert_eq!(combined(&[measure], vec![judgement], Stage::Ended, at(3)).verdict, verdict);
    };
    judged(strict.clone(), Verdict::Fail);
    judged(measure(), Verdict::NoData);
}

#[test]
fn good_values_that_stopped_coming_are_not_good() {
    let window = Window { from: at(0), now: at(16) };
    let judgement = judged_in(&measure(), window, &[0.1; 10], None);
    says(&judgement, Verdict::NoData, "error rate has had no value for 360 s");
    let sooner = Window { from: at(0), now: at(15) };
    assert_eq!(judged_in(&measure(), sooner, &[0.1; 10], None).verdict, Verdict::Pass);
}

fn comparing() -> Measure {
    let limit = Limit { side: LimitSide::Below, value: 1000.0, unit: "ms".to_owned() };
    Measure { name: "p99".to_owned(), limit, compare: Some(Compare::default()), ..measure() }
}

const OLD: [f64; 8] = [171.0, 176.0, 180.0, 174.0, 169.0, 181.0, 177.0, 175.0];

#[test]
fn clearly_worse_than_the_old_revision_fails_within_the_limit_too() {
    let new = OLD.map(|value| value * 1.6 + 0.5);
    let judgement = judged(&comparing(), &new, Some(&OLD));
    says(
        &judgement,
        Verdict::Fail,
        "p99 is worse than before: 281 ms against 175 ms, in 100 % of all pairs (p < 0.0001)",
    );
    assert_eq!(judgement.effect, Some(1.0));
}

#[test]
fn better_alike_and_a_little_worse_than_the_old_revision_pass() {
    for factor in [0.3, 1.0, 1.05] {
        let new = OLD.map(|value| value * factor + 0.25);
        let judgement = judged(&comparing(), &new, Some(&OLD));
        assert_eq!(judgement.verdict, Verdict::Pass, "{factor}: {judgement:#?}");
        assert!(judgement.p.unwrap() > 0.5, "{judgement:#?}");
    }
}

#[test]
fn where_lower_is_worse_lower_fails() {
    let limit = Limit { side: LimitSide::Above, value: 10.0, unit: String::new() };
    let above = Measure { limit, ..comparing() };
    assert_eq!(judged(&above, &OLD.map(|value| value * 0.5), Some(&OLD)).verdict, Verdict::Fail);
    assert_eq!(judged(&above, &OLD.map(|value| value * 2.0), Some(&OLD)).verdict, Verdict::Pass);
}

#[test]
fn a_comparison_without_enough_old_values_is_inconclusive() {
    let few = judged(&comparing(), &OLD, Some(&OLD[..3]));
    says(&few, Verdict::Inconclusive, "p99 cannot be compared yet: 8 new and 3 old of 5 values each");
    let none = judged(&comparing(), &OLD, Some(&[]));
    says(&none, Verdict::Inconclusive, "p99 cannot be compared: the old revision has no value");
    let same = judged(&comparing(), &OLD, None);
    says(&same, Verdict::Inconclusive, "p99 cannot be compared: it is the same question for both revisions");
}

#[test]
fn one_that_fails_is_enough_and_one_that_is_unsure_is_enough_to_pause() {
    use Verdict::{Fail, Inconclusive, NoData as Missing, Pass};
    let of = |verdict: Verdict| Judgement {
        verdict,
        text: verdict.word().to_owned(),
        ..judged(&measure(), &[0.4; 5], None)
    };
    let together =
        |verdicts: &[Verdict]| combined(&[measure()], verdicts.iter().copied().map(of).collect(), Stage::Ended, at(9));
    assert_eq!(together(&[Pass, Pass]).why, "2 measurements are good");
    assert_eq!(together(&[Pass, Inconclusive]).verdict, Inconclusive);
    assert_eq!(together(&[Missing, Inconclusive]).verdict, Missing);
    assert_eq!(together(&[Pass, Fail, Missing, Fail]).why, "fail; fail");
    assert_eq!(together(&[]).verdict, Missing, "nothing measured is nothing good");
}

#[test]
fn a_judgement_and_a_measure_are_the_same_after_they_were_kept() {
    let judgement = judged(&comparing(), &OLD, Some(&OLD));
    let kept = combined(&[comparing()], vec![judgement], Stage::Ended, at(9));
    assert_eq!(serde_json::from_str::<Judged>(&serde_json::to_string(&kept).unwrap()).unwrap(), kept);
    let measure = comparing();
    assert_eq!(serde_json::from_str::<Measure>(&serde_json::to_string(&measure).unwrap()).unwrap(), measure);
}

proptest! {
    #[test]
    fn whatever_the_values_are_there_is_a_judgement_that_can_be_kept(
        new in proptest::collection::vec((any::<f64>(), -90_i64..90), 0..60),
        old in proptest::option::of(proptest::collection::vec((any::<f64>(), -90_i64..90), 0..60)),
        now in -10_i64..100, warm_up in 0_u32..4000, every in 1_u32..4000, margin in 0.0..1.0_f64,
    ) {
        let points = |values: &[(f64, i64)]| -> Vec<Point> {
            values.iter().map(|(value, minute)| Point { at: at(*minute), value: *value }).collect()
        };
        let compare = Some(Compare { margin, ..Compare::default() });
        let measure = Measure { warm_up: Span::seconds(warm_up), every: Span::seconds(every), compare, ..measure() };
        let (new, old) = (points(&new), old.as_deref().map(points));
        let window = Window { from: at(0), now: at(now) };
        let judgement = judge(&measure, None, window, Samples { new: &new, old: old.as_deref() });
        prop_assert!(judgement.value.is_none_or(f64::is_finite));
        if judgement.verdict == Verdict::Pass {
            prop_assert!(judgement.samples >= 5 && judgement.old_samples >= 5);
        }
        let text = serde_json::to_string(&judgement).unwrap();
        prop_assert_eq!(serde_json::from_str::<Judgement>(&text).unwrap(), judgement);
    }
}
