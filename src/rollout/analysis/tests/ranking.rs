//! The rank test against scipy's (`tests/reference` has the cases and what makes them) and against counting.

use proptest::prelude::*;
use serde_json::Value;

use crate::rollout::analysis::{Alternative, Ranked, rank_test};

const CASES: &str = include_str!("../../../../tests/reference/rank_test.jsonl");

fn value(value: &Value) -> f64 {
    match value {
        Value::Null => f64::NAN,
        Value::String(text) => text.parse().unwrap(),
        other => other.as_f64().unwrap(),
    }
}

fn side(case: &Value, name: &str) -> Vec<f64> {
    case[name].as_array().unwrap().iter().map(value).collect()
}

#[test]
fn the_rank_test_says_what_scipy_says() {
    let (mut cases, mut exact, mut ties, mut missing, mut nothing) = (0, 0, 0, 0, 0);
    for line in CASES.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let (x, y) = (side(&case, "x"), side(&case, "y"));
        let known: Vec<f64> = x.iter().chain(&y).copied().filter(|value| !value.is_nan()).collect();
        let has_ties = known.iter().enumerate().any(|(at, one)| known[..at].contains(one));
        cases += 1;
        ties += usize::from(has_ties);
        exact += usize::from(!has_ties && x.len().min(y.len()) <= 8);
        missing += usize::from(known.len() < x.len() + y.len());
        for (name, alternative) in
            [("greater", Alternative::Greater), ("less", Alternative::Less), ("two-sided", Alternative::TwoSided)]
        {
            let found = rank_test(&x, &y, alternative);
            let (Some(u), Some(p)) = (case["u"].as_f64(), case["p"][name].as_f64()) else {
                assert_eq!(found, None, "{line}");
                nothing += 1;
                continue;
            };
            let Ranked { u: our_u, p: our_p, .. } = found.unwrap_or_else(|| panic!("{line}"));
            assert!((u - our_u).abs() < 1e-9, "U is {our_u}: {line}");
            assert!((p - our_p).abs() <= 1e-12 + 1e-9 * p, "p ({name}) is {our_p}: {line}");
        }
    }
    println!("{cases} cases: {exact} exact, {ties} with ties, {missing} with NaN, {nothing} answers without a value");
    assert!(cases >= 1000 && exact >= 200 && ties >= 300 && missing >= 50 && nothing >= 50);
}

/// The exact tail by trying every choice of ranks.
fn by_trying(x: &[f64], y: &[f64]) -> f64 {
    let all: Vec<f64> = x.iter().chain(y).copied().collect();
    let u = |ours: &[f64], theirs: &[f64]| {
        ours.iter().flat_map(|a| theirs.iter().map(move |b| f64::from(a > b))).sum::<f64>()
    };
    let seen = u(x, y);
    let (mut beyond, mut count) = (0.0, 0.0);
    for chosen in 0_u32..1 << all.len() {
        if chosen.count_ones() as usize != x.len() {
            continue;
        }
        let part = |wanted: bool| -> Vec<f64> {
            let picked = |at: &usize| (chosen >> at & 1 == 1) == wanted;
            (0..all.len()).filter(picked).map(|at| all[at]).collect()
        };
        count += 1.0;
        beyond += f64::from(u(&part(true), &part(false)) >= seen);
    }
    beyond / count
}

proptest! {
    #[test]
    fn the_exact_tail_is_what_trying_every_order_gives(
        values in proptest::collection::hash_set(-1000_i32..1000, 2..11), cut in 1_usize..10,
    ) {
        let values: Vec<f64> = values.into_iter().map(f64::from).collect();
        let (x, y) = values.split_at(cut.min(values.len() - 1));
        let found = rank_test(x, y, Alternative::Greater).unwrap();
        prop_assert!((found.p - by_trying(x, y)).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn any_values_give_a_probability_and_an_effect(
        x in proptest::collection::vec(any::<f64>(), 0..30), y in proptest::collection::vec(any::<f64>(), 0..30),
    ) {
        for alternative in [Alternative::Greater, Alternative::Less, Alternative::TwoSided] {
            let Some(found) = rank_test(&x, &y, alternative) else { continue };
            prop_assert!((0.0..=1.0).contains(&found.p) && (0.0..=1.0).contains(&found.effect), "{found:?}");
            let turned = rank_test(&y, &x, alternative).unwrap();
            prop_assert!((found.effect + turned.effect - 1.0).abs() < 1e-9);
        }
    }
}

#[test]
fn many_values_against_few_are_counted_exactly_and_at_once() {
    let few: Vec<f64> = (0..8).map(|number| 10_000.5 + f64::from(number)).collect();
    let many: Vec<f64> = (0..1_440).map(f64::from).collect();
    let found = rank_test(&few, &many, Alternative::Greater).unwrap();
    // One order of C(1448, 8).
    let orders = (1..=8).fold(1.0, |product, i| product * (1440.0 + f64::from(i)) / f64::from(i));
    assert!((found.p * orders - 1.0).abs() < 1e-9, "{found:?}");
    assert!((found.effect - 1.0).abs() < f64::EPSILON);
}
