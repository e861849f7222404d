"""What the real bot sends to GitHub, against GitHub's descriptions."""

import unittest

import github_description
import graphql_description
from bot_session import POLICY, BotSession


def problems(calls):
    """What is wrong with recorded calls (`GET /_sim/calls`): method, address, query and body of each."""
    told, documents = [], []
    for call in calls:
        if call["service"] != "github":
            continue
        method, path = call["operation"].split(" ", 1)
        body = call["body"] or None
        if path == "/graphql":
            documents.append({"name": "GraphQL", "query": body["query"], "variables": body.get("variables") or {}})
            unknown = set(body) - {"query", "variables", "operationName"}
            told += [f"POST /graphql: unknown member {name}" for name in sorted(unknown)]
        else:
            told += github_description.request_problems(method, path, body, call["query"])
    return sorted(set(told + (graphql_description.problems(documents) if documents else [])))


def kinds(calls):
    """Method and template of every address that was asked."""
    found = set()
    for call in calls:
        method, path = call["operation"].split(" ", 1)
        known = github_description.found(method, path)
        found.add(f"{method} {known[0] if known else path}")
    return found


class BotRequests(BotSession):
    def session(self):
        """A pull request's life: a deployment, a lock, a broken release, the way back."""
        first = self.pull("Say hello")
        number = first["number"]
        self.says("dev", number, "/deploy staging")
        self.answer(number, "serves after")
        self.says("dev", number, "/status")
        self.answer(number, "staging", "production")
        self.says("mona", number, "/lock staging migrating the database")
        self.answer(number, "migrating the database")
        self.says("mona", number, "/unlock staging")
        self.answer(number, "🔓")
        broken = self.pull("Forget the address")
        self.breaks(broken["image"])
        self.says("dev", broken["number"], "/deploy staging")
        self.answer(broken["number"], "exited with code 1")
        second = self.pull("Say goodbye")
        self.says("dev", second["number"], "/deploy staging")
        self.answer(second["number"], "serves after")
        self.says("dev", second["number"], "/rollback staging")
        self.answer(second["number"], "locked")

    def test_every_request_is_one_that_github_describes(self):
        self.session()
        calls = self.calls("github")
        self.assertLessEqual({
            "GET /app/hook/deliveries", "POST /app/installations/{installation_id}/access_tokens", "POST /graphql",
            "POST /repos/{owner}/{repo}/issues/{issue_number}/comments",
            "PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}",
            "POST /repos/{owner}/{repo}/issues/comments/{comment_id}/reactions",
            "POST /repos/{owner}/{repo}/deployments", "POST /repos/{owner}/{repo}/deployments/{deployment_id}/statuses",
        }, kinds(calls))
        self.violations = problems(calls)


STRICT = POLICY.replace("version: 1\n", "version: 1\nbuild: { workflow: build.yml }\n").replace(
    "  production:\n",
    "  production:\n    checks: required\n    reviews: required\n    access: { deploy: ['@acme/release'] }\n",
)


class BotRequestsUnderRules(BotSession):
    """Where somebody must be of a team, checks and reviews are required, and images are built on demand."""

    policy = STRICT

    def test_every_request_is_one_that_github_describes(self):
        self.act("team", slug="release", members={"mona": "active"})
        self.act("protect", branch="main", checks=[{"context": "test", "app": 15368}], reviews=1)
        self.act("ruleset", branch="main", checks=[{"context": "lint"}], reviews=1)
        self.act("workflow", file="build.yml", name="Build", run_name="shipline ${{ inputs.deployment }}",
                 inputs=["sha", "environment", "services", "deployment"])
        # Nobody answered a minute ago: the delivery has to be fetched.
        issue = self.act("issue", title="A question")["number"]
        self.act("advance", ms=-60_000)
        self.act("lose", count=1, how="failed")
        self.says("dev", issue, "/help")
        self.waits("the delivery is lost", lambda: self.act("quiet")["quiet"])
        self.act("advance", ms=60_000)
        self.answer(issue, "/deploy")
        pull = self.act("pull", who="dev", title="Say hello")
        number = pull["number"]
        self.says("dev", number, "/deploy production")
        self.answer(number, "@acme/release")
        self.says("mona", number, "/plan production")
        self.answer(number, "test")
        for name in "test", "lint":
            self.act("check", sha=pull["sha"], name=name, conclusion="success")
        self.act("review", pull=number, who="mona", state="approved")
        # The answer is lost: the run has to be found.
        self.seed(faults=[{"service": "github", "operation": "POST /repos/acme/shop/actions/workflows/build.yml/dispatches",
                           "kind": "lose_response", "times": 1}])
        self.says("mona", number, "/deploy production")
        followed = "GET /repos/{owner}/{repo}/actions/runs/{run_id}"
        self.waits("the run is followed", lambda: followed in kinds(self.calls("github")))
        self.image(pull["sha"])
        self.act("finish", run=self.act("runs")[0]["id"])
        self.answer(number, "serves after")
        # A job that waits at an environment: what holds it is said, then it may go on.
        job = self.act("pull", who="dev", title="Say more")
        self.act("review", pull=job["number"], who="mona", state="approved")
        self.act("protect-job", sha=job["sha"], pull=job["number"], who="mona", environment="production")
        self.waits("the job is held", lambda: self.act("protected-jobs")[0]["reports"])
        for name in "test", "lint":
            self.act("check", sha=job["sha"], name=name, conclusion="success")
        self.waits("the job goes on", lambda: self.act("protected-jobs")[0]["state"] == "approved")
        calls = self.calls("github")
        self.assertLessEqual({
            "POST /repos/{owner}/{repo}/actions/runs/{run_id}/deployment_protection_rule",
            "GET /orgs/{org}/teams/{team_slug}/memberships/{username}",
            "GET /repos/{owner}/{repo}/commits/{ref}/check-runs",
            "POST /app/hook/deliveries/{delivery_id}/attempts",
            "POST /repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches",
            "GET /repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs",
            followed,
        }, kinds(calls))
        self.violations = problems(calls)


class TheCheckItself(unittest.TestCase):
    """A check that finds nothing in wrong requests would be worth nothing."""

    def told(self, operation, body=None, query=""):
        return problems([{"service": "github", "operation": operation, "body": body, "query": query}])

    def test_wrong_requests_are_found(self):
        at = "POST /repos/acme/shop/issues/1/comments"
        self.assertEqual(self.told(at, {"body": "Hello"}), [])
        for operation, body, query, said in (
            (at, {"text": "Hello"}, "", "'body' is a required property"), (at, None, "", "has no body"),
            (at, {"body": "Hello", "more": 1}, "", "unknown member more"),
            ("POST /repos/acme/shop/issues/one/comments", {"body": "Hello"}, "", "is not of type 'integer'"),
            ("GET /repos/acme/shop/nothing", None, "", "no such operation"),
            ("GET /repos/acme/shop/pulls", None, "state=wrong", "is not one of"),
            ("GET /repos/acme/shop/pulls", None, "page_size=7", "unknown query parameter page_size"),
            ("POST /graphql", {"query": "query { wrong }"}, "", "Cannot query field"),
        ):
            told = " ".join(self.told(operation, body, query))
            self.assertIn(said, told, operation)


if __name__ == "__main__":
    unittest.main()
