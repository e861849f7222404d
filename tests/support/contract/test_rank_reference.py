"""The rank test's reference cases are what the installed scipy says."""

import json
import math
import pathlib
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "reference"))

import rank_test  # noqa: E402


class RankReference(unittest.TestCase):
    def test_scipy_still_says_what_the_cases_say(self):
        lines = (ROOT / "tests" / "reference" / "rank_test.jsonl").read_text().splitlines()
        cases = list(rank_test.generated())
        self.assertEqual(len(lines), len(cases))
        self.assertGreaterEqual(len(cases), 1000)
        for line, (x, y) in zip(lines, cases):
            case = json.loads(line)
            self.assertEqual([case["x"], case["y"]], [[rank_test.shown(v) for v in side] for side in (x, y)])
            u, p = rank_test.reference(x, y)
            self.assertEqual(case["u"], u)
            for name, value in p.items():
                if value is None:
                    self.assertIsNone(case["p"][name])
                else:
                    self.assertTrue(math.isclose(case["p"][name], value, rel_tol=1e-9, abs_tol=1e-15), line)


if __name__ == "__main__":
    unittest.main()
