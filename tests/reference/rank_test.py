"""Makes rank_test.jsonl: what scipy.stats.mannwhitneyu says to generated samples.

    python tests/reference/rank_test.py > tests/reference/rank_test.jsonl

The same seed gives the same cases. `src/rollout/analysis/tests/ranking.rs` compares Shipline's rank
test with them; `tests/support/contract/test_rank_reference.py` asks the scipy that is installed
whether it still says the same.

A line is {"x": [...], "y": [...], "u": U of x, "p": {"greater", "less", "two-sided"}}. NaN stands as
null and is left out (`nan_policy="omit"`), infinities as "inf" and "-inf"; u and p are null where a
side has no value.
"""

import json
import math
import random
import warnings

from scipy.stats import mannwhitneyu

ALTERNATIVES = ("greater", "less", "two-sided")


def normal(rng, count):
    return [rng.gauss(100, 15) for _ in range(count)]


def skewed(rng, count):
    return [rng.lognormvariate(4, 1) for _ in range(count)]


def rounded(rng, count):
    return [float(round(rng.gauss(10, 3))) for _ in range(count)]


def shares(rng, count):
    return [0.0 if rng.random() < 0.9 else 100.0 for _ in range(count)]


def same(rng, count):
    return [rng.choice((0.0, -0.0, 7.5))] * count


def tiny_and_huge(rng, count):
    return [rng.choice((1, -1)) * 10 ** rng.uniform(-300, 300) for _ in range(count)]


def endless(rng, count):
    return [rng.choice((math.inf, -math.inf, rng.gauss(0, 1))) for _ in range(count)]


KINDS = (normal, skewed, rounded, shares, same, tiny_and_huge, endless)


def short(values):
    """Six digits: the file is read, not looked at, and stays small."""
    return [value if math.isnan(value) else float(f"{value:.6g}") for value in values]


def sample(rng, kind, count):
    values = kind(rng, count)
    if rng.random() < 0.25:
        shift = rng.choice((0.5, 1.0, 5.0, -3.0))
        values = [value + shift for value in values]
    if rng.random() < 0.15:
        values = [math.nan if rng.random() < 0.3 else value for value in values]
    return values


def cases():
    rng = random.Random(20261121)
    # Every pair of tiny sizes, with and without ties.
    for n in range(0, 9):
        for m in range(0, 9):
            for kind in (normal, rounded, shares):
                yield kind(rng, n), kind(rng, m)
    # Around the size at which the method changes.
    for n in (7, 8, 9, 10):
        for m in (7, 8, 9, 10, 25, 60):
            for kind in KINDS:
                yield kind(rng, n), kind(rng, m)
    for _ in range(900):
        kind = rng.choice(KINDS)
        n, m = (rng.choice((1, 2, 3, 5, 8, 9, 12, 20, 40, 70)) for _ in range(2))
        yield sample(rng, kind, n), sample(rng, rng.choice((kind, kind, normal)), m)


def generated():
    for x, y in cases():
        yield short(x), short(y)


def reference(x, y):
    x, y = ([value for value in side if not math.isnan(value)] for side in (x, y))
    if not x or not y:
        return None, dict.fromkeys(ALTERNATIVES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {name: mannwhitneyu(x, y, alternative=name, method="auto") for name in ALTERNATIVES}
    return float(found["greater"].statistic), {name: float(one.pvalue) for name, one in found.items()}


def shown(value):
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else ("inf" if value > 0 else "-inf")


def read(value):
    return math.nan if value is None else float(value)


def main():
    for x, y in generated():
        u, p = reference(x, y)
        print(json.dumps({"x": [shown(v) for v in x], "y": [shown(v) for v in y], "u": u, "p": p}))


if __name__ == "__main__":
    main()
