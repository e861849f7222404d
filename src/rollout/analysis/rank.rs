//! The rank test of Mann and Whitney (Wilcoxon's rank-sum test).
//!
//! It asks nothing of how values are distributed: it only looks at their order. The statistic U is
//! the number of pairs (one value of each side) in which the first side's is greater, ties counting
//! half. The effect is U's share of all pairs, the *common-language effect size*: 0.5 where both
//! sides are alike, 1 where every value of the first side is greater. (2 × effect − 1 is the
//! rank-biserial correlation.)
//!
//! How improbable U is comes from its exact distribution where one side has at most eight values and
//! no two values are equal, else from the normal approximation with corrections for ties and
//! continuity. This is the rule of `scipy.stats.mannwhitneyu`, against which it is tested. There is a
//! crate, statrs; it enumerates every combination where one side is small, so two hundred values
//! against eight would never end.

/// Where one side has more values than this, the exact distribution is not used.
const SMALL: usize = 8;

/// With more values than this on the other side, counting combinations would leave 128 bits.
const MOST_EXACT: usize = 100_000;

/// Which difference is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alternative {
    /// The first side's values are greater.
    Greater,
    /// They are less.
    Less,
    /// They are the one or the other.
    TwoSided,
}

/// What the test says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranked {
    /// U of the first side.
    pub u: f64,
    /// The share of pairs in which the first side's value is greater, ties counting half.
    pub effect: f64,
    /// How probable such a U, or one further off, is where both sides are alike.
    pub p: f64,
}

/// Compares two samples. NaN is no value and is left out; nothing where a side has no value.
pub fn rank_test(first: &[f64], second: &[f64], alternative: Alternative) -> Option<Ranked> {
    let values = |side: &[f64], of_first: bool| -> Vec<(f64, bool)> {
        side.iter().filter(|value| !value.is_nan()).map(|value| (*value, of_first)).collect()
    };
    let mut all = values(first, true);
    let ours = all.len();
    all.extend(values(second, false));
    let theirs = all.len() - ours;
    if ours == 0 || theirs == 0 {
        return None;
    }
    // `total_cmp` would tell -0 from 0, which are equal.
    all.sort_by(|one, other| (one.0 + 0.0).total_cmp(&(other.0 + 0.0)));
    let (rank_sum, ties) = ranks(&all);
    let (n1, n2) = (number(ours), number(theirs));
    let u = rank_sum - n1 * (n1 + 1.0) / 2.0;
    let other = n1 * n2 - u;
    let (statistic, sides) = match alternative {
        Alternative::Greater => (u, 1.0),
        Alternative::Less => (other, 1.0),
        Alternative::TwoSided => (u.max(other), 2.0),
    };
    let exact = ties == 0.0 && ours.min(theirs) <= SMALL && ours.max(theirs) <= MOST_EXACT;
    let tail = if exact { exact_tail(statistic, ours, theirs) } else { normal_tail(statistic, n1, n2, ties) };
    Some(Ranked { u, effect: u / (n1 * n2), p: (tail * sides).clamp(0.0, 1.0) })
}

#[expect(clippy::float_cmp, reason = "only the very same values are ties")]
fn are_equal(one: &(f64, bool), other: &(f64, bool)) -> bool {
    one.0 == other.0
}

/// The sum of the first side's ranks, equal values having the mean of their ranks, and the sum of
/// t³ − t over all groups of t equal values.
fn ranks(sorted: &[(f64, bool)]) -> (f64, f64) {
    let (mut sum, mut ties) = (0.0, 0.0);
    let mut before = 0;
    for group in sorted.chunk_by(are_equal) {
        let size = number(group.len());
        let rank = number(before) + f64::midpoint(size, 1.0);
        sum += rank * number(group.iter().filter(|(_, of_first)| *of_first).count());
        ties += size * size * size - size;
        before += group.len();
    }
    (sum, ties)
}

/// How probable a U of at least `statistic` is, by the normal approximation.
fn normal_tail(statistic: f64, n1: f64, n2: f64, ties: f64) -> f64 {
    let n = n1 + n2;
    let variance = n1 * n2 / 12.0 * ((n + 1.0) - ties / (n * (n - 1.0)));
    let distance = statistic - n1 * n2 / 2.0 - 0.5;
    // All values are equal: nothing differs. Rounding may leave a little less than nothing.
    if variance <= 0.0 {
        return 1.0;
    }
    0.5 * libm::erfc(distance / variance.sqrt() / std::f64::consts::SQRT_2)
}

/// The same by counting every order of the values. The number of orders with a U of u is the
/// coefficient of qᵘ in the Gaussian binomial, the product over i = 1…small of
/// (1 − qⁿ⁺ⁱ) / (1 − qⁱ) with n values on the large side.
fn exact_tail(statistic: f64, ours: usize, theirs: usize) -> f64 {
    let (small, large) = (ours.min(theirs), ours.max(theirs));
    let most = small * large;
    let mut orders = vec![0_i128; most + 1];
    orders[0] = 1;
    for i in 1..=small {
        for u in (large + i..=most).rev() {
            orders[u] -= orders[u - large - i];
        }
        for u in i..=most {
            orders[u] += orders[u - i];
        }
    }
    let all: i128 = orders.iter().sum();
    let beyond: i128 =
        orders.iter().enumerate().filter(|(u, _)| number(*u) >= statistic).map(|(_, count)| *count).sum();
    ratio(beyond, all)
}

#[expect(clippy::cast_precision_loss, reason = "numbers of values stay far below 2^53")]
fn number(count: usize) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "a probability needs no more than 53 bits")]
fn ratio(part: i128, whole: i128) -> f64 {
    part as f64 / whole as f64
}
