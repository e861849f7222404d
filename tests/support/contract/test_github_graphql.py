"""The bot's GraphQL documents against GitHub's schema, and what the GitHub model answers to them."""

import re
import unittest

import graphql_description
from github_caller import InstalledApp
from simulator import ROOT

SOURCES = ROOT / "bot/src/github"


def documents():
    """Every GraphQL document of the bot by the name of its operation: in files, and in Rust texts."""
    texts = [path.read_text() for path in SOURCES.glob("**/*.graphql")]
    for path in SOURCES.glob("**/*.rs"):
        if "tests" not in path.parts:
            texts += re.findall(r'"((?:query|mutation) \w+[^"]*)"', path.read_text())
    return {re.match(r"\s*(?:query|mutation) (\w+)", text).group(1): text for text in texts}


class GitHubGraphQL(InstalledApp):
    def setUp(self):
        super().setUp()
        self.cases = []

    def graphql(self, case, query, /, **variables):
        answer = self.ask("POST", "/graphql", {"query": query, "variables": variables}, 200)
        self.cases.append({"name": case, "query": query, "variables": variables, "answer": answer})
        return answer

    def tearDown(self):
        if self.cases:
            self.violations += graphql_description.problems(self.cases)
        super().tearDown()

    def situation(self, pull, name="shop", **changed):
        variables = {"owner": "acme", "name": name, "pull": pull or 0, "withPull": pull is not None, "environments": ["staging"],
                     "withDeployments": True, "policy": ".github/shipline.yml", **changed}
        return self.graphql(f"Situation of {pull} {changed}", documents()["Situation"], **variables)

    def test_every_document_of_the_bot_fits_the_schema(self):
        self.assertLessEqual({"Situation", "Minimize"}, set(documents()))
        self.cases = [{"name": name, "query": query} for name, query in documents().items()]

    def test_situations_of_pull_requests(self):
        plain = self.act("pull", who="dev", title="A change")
        draft = self.act("pull", who="dev", title="A draft", stage="draft")["number"]
        merged, closed = (self.act("pull", who="dev", title="Over")["number"] for _ in range(2))
        self.act("repository", repository="dev/shop", fork_of="acme/shop", owner="user")
        forked = self.act("pull", who="guest", fork="dev/shop")["number"]
        self.act("merge", pull=merged, who="mona")
        self.act("close", pull=closed)
        states = {}
        for number in plain["number"], draft, merged, closed, forked:
            answer = self.situation(number)
            states[number] = answer["data"]["repository"]["pullRequest"]["state"]
        self.assertEqual(list(states.values()), ["OPEN", "OPEN", "MERGED", "CLOSED", "OPEN"])
        for mergeable in "conflicting", "unknown", "yes":
            self.act("mergeable", pull=plain["number"], mergeable=mergeable)
            self.situation(plain["number"])
        self.assertNotIn("pullRequest", self.situation(None)["data"]["repository"])
        self.assertNotIn("deployments", self.situation(plain["number"], withDeployments=False)["data"]["repository"])
        policy = self.situation(None)["data"]["repository"]["defaultBranchRef"]["target"]["file"]
        self.assertIn("version: 1", policy["object"]["text"])
        self.assertIsNone(self.situation(None, policy="nothing.yml")["data"]["repository"]["defaultBranchRef"]["target"]["file"])

    def test_reviews_checks_and_what_they_mean(self):
        pull = self.act("pull", who="dev", title="A change")
        number = pull["number"]
        self.act("protect", branch="main", checks=[{"context": "test"}], up_to_date="strict", reviews=1)
        def seen():
            found = self.situation(number)["data"]["repository"]["pullRequest"]
            return found["reviewDecision"], found["mergeStateStatus"]
        self.assertEqual(seen(), ("REVIEW_REQUIRED", "BLOCKED"))
        self.act("check", sha=pull["sha"], name="test", conclusion="success")
        self.act("review", pull=number, who="mona", state="changes_requested")
        self.assertEqual(seen(), ("CHANGES_REQUESTED", "BLOCKED"))
        self.act("review", pull=number, who="mona", state="approved")
        self.act("review", pull=number, who="reader", state="approved")
        self.assertEqual(seen(), ("APPROVED", "CLEAN"))
        self.act("check", sha=pull["sha"], name="lint", conclusion="failure")
        self.assertEqual(seen(), ("APPROVED", "UNSTABLE"))
        self.act("commit", branch="main", message="Meanwhile")
        self.assertEqual(seen(), ("APPROVED", "BEHIND"))

    def test_deployments_in_every_state(self):
        sha = self.act("pull", who="dev", title="A change")["sha"]
        for state in "queued", "in_progress", "success", "failure", "error", "inactive", "pending":
            made = self.ask("POST", "deployments", {"ref": sha, "environment": "staging", "auto_merge": False, "required_contexts": [],
                                                    "payload": {"shipline": 1}}, 201)
            self.ask("POST", f"deployments/{made['id']}/statuses", {"state": state, "auto_inactive": False}, 201)
        self.act("deployment", who="dev", ref="main", environment="staging", payload="as text")
        self.act("deployment", who="dev", ref="main", environment="production")
        self.assertEqual(len(self.situation(None)["data"]["repository"]["deployments"]["nodes"]), 8)

    def test_refusals(self):
        nobody = self.situation(1, name="nothing")
        self.assertEqual((nobody["data"]["repository"], nobody["errors"][0]["type"]), (None, "NOT_FOUND"))
        nothing = self.situation(99)
        self.assertIsNone(nothing["data"]["repository"]["pullRequest"])
        number = self.act("pull", who="dev", title="A change")["number"]
        self.act("withdraw", permission="pull_requests")
        self.assertEqual(self.situation(number)["errors"][0]["type"], "FORBIDDEN")
        self.act("withdraw", permission="contents")
        self.situation(number)
        wrong = self.ask("POST", "/graphql", {"query": "query { repository(owner: \"acme\", name: \"shop\") { wrong } }"}, 200)
        self.assertEqual(wrong["errors"][0]["message"], "Field 'wrong' doesn't exist on type 'Repository'")

    def test_a_comment_is_folded_away(self):
        issue = self.act("issue", title="A question")["number"]
        own = self.ask("POST", f"issues/{issue}/comments", {"body": "Old news"}, 201)
        answer = self.graphql("Minimize", documents()["Minimize"], comment=own["node_id"])
        self.assertTrue(answer["data"]["minimizeComment"]["minimizedComment"]["isMinimized"])
        gone = self.graphql("Minimize nothing", documents()["Minimize"], comment="IC_1")
        self.assertEqual(gone["errors"][0]["type"], "NOT_FOUND")


class TheCheckItself(unittest.TestCase):
    """A check that finds nothing in wrong answers would be worth nothing."""

    QUERY = "query Q($n: Int!) { repository(owner: \"a\", name: \"b\") { databaseId pullRequest(number: $n) { state title author { login } } } }"

    def told(self, cases):
        """The problems of every case: the text that is expected, the answer, what else is another."""
        asked = [{"name": said, "query": self.QUERY, "variables": {"n": 1}, "answer": answer, **more} for said, answer, more in cases]
        found = graphql_description.problems(asked)
        return {said: [problem for problem in found if problem.startswith(f"{said}: ")] for said, _, _ in cases}

    def test_wrong_answers_and_requests_are_found(self):
        pull = {"state": "OPEN", "title": "T", "author": {"login": "dev"}}
        def answer(pull):
            return {"data": {"repository": {"databaseId": 1, "pullRequest": pull}}}
        told = self.told([
            ("nothing", answer(pull), {}),
            ("is no PullRequestState", answer({**pull, "state": "open"}), {}),
            ("is null, which", answer({**pull, "title": None}), {}),
            ("more: was not selected", answer({**pull, "more": 1}), {}),
            ("author: is missing", answer({"state": "OPEN", "title": "T"}), {}),
            ("7 is no String", answer({**pull, "author": {"login": 7}}), {}),
            ("no data, and no errors", {}, {}),
            ("Cannot query field", None, {"query": "query { repository(owner: \"a\", name: \"b\") { wrong } }"}),
            ("variable m is not declared", None, {"variables": {"n": 1, "m": 2}}),
            ("Int cannot represent non-integer value", None, {"variables": {"n": "one"}}),
        ])
        self.assertEqual(told.pop("nothing"), [])
        for said, problems in told.items():
            self.assertEqual(len(problems), 1, problems)
            self.assertEqual(problems[0].count(said), 2, problems)


if __name__ == "__main__":
    unittest.main()
