"""What the real bot sends to GitHub, against GitHub's descriptions."""

import unittest

import github_description
import graphql_description
from bot_session import BotSession


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
