"""The webhooks of the GitHub model against GitHub's schemas and examples, as a server receives them."""

import copy
import hashlib
import hmac
import re
import unittest

import github_description
import webhook_description
from github_caller import InstalledApp
from webhook_catcher import Catcher

TOLD = """
check_run.completed check_run.created check_run.requested_action check_run.rerequested
deployment_protection_rule.requested deployment_status.created
installation.created installation.deleted installation.suspend installation.unsuspend
issue_comment.created issue_comment.deleted issue_comment.edited ping
pull_request.closed pull_request.converted_to_draft pull_request.edited pull_request.opened
pull_request.ready_for_review pull_request.reopened pull_request.synchronize pull_request_review.submitted
workflow_run.completed workflow_run.requested
""".split()


class GitHubWebhooks(InstalledApp):
    def setUp(self):
        self.catcher = Catcher()
        super().setUp()

    def tearDown(self):
        self.catcher.close()
        super().tearDown()

    def webhook(self):
        return self.catcher.url

    def caught(self):
        self.until(lambda quiet: quiet["quiet"], lambda: self.act("quiet"))
        return self.catcher.caught

    def test_every_payload_is_one_that_github_sends(self):
        self.everything()
        caught = self.caught()
        self.assertEqual(sorted({one.name for one in caught}), sorted(TOLD))
        for one in caught:
            self.violations += github_description.webhook_problems(one.event, one.payload)
            self.violations += webhook_description.schema_problems(one.event, one.payload)
            self.violations += webhook_description.example_problems(one.name, one.payload)
        self.violations = sorted(set(self.violations))

    def everything(self):
        """Every act that somebody is told about, in the states that change what is told."""
        self.act("ping")
        pull = self.act("pull", who="dev", title="A change", body="Why")["number"]
        sha = self.act("push", pull=pull)["sha"]
        for act in "draft", "ready", "close", "reopen":
            self.act(act, pull=pull)
        self.act("retitle", pull=pull, title="Another change")
        self.act("commit", branch="next", message="On a branch")
        self.act("retarget", pull=pull, base="next")
        self.act("retarget", pull=pull, base="main")
        for state in "approved", "changes_requested", "commented":
            self.act("review", pull=pull, who="mona", state=state)
        self.act("repository", repository="dev/shop", fork_of="acme/shop", owner="user")
        forked = self.act("pull", who="guest", fork="dev/shop", stage="draft")["number"]
        issue = self.act("issue", title="A question")["number"]
        for number in pull, forked, issue:
            comment = self.act("says", who="dev", issue=number, body="/status")["comment"]
            self.act("edits", who="dev", comment=comment, body="/help")
            self.act("deletes", who="mona", comment=comment)
        # The App's own words are told too.
        self.ask("POST", f"issues/{pull}/comments", {"body": "Working on it"}, 201)
        self.act("check", sha=sha, name="test", status="in_progress")
        run = self.act("check", sha=sha, name="test", conclusion="failure")
        self.act("press", check=run["id"], who="mona")
        own = self.ask("POST", "check-runs", {"name": "shipline / staging", "head_sha": sha, "status": "in_progress",
                                             "actions": [{"label": "Back", "description": "Go back", "identifier": "rollback"}]}, 201)
        self.act("press", check=own["id"], identifier="rollback", who="mona")
        self.ask("PATCH", f"check-runs/{own['id']}", {"conclusion": "success", "output": {"title": "Serving", "summary": "Well"}}, 200)
        self.act("workflow", file="build.yml", name="Build")
        for conclusion in "success", "cancelled":
            told = self.ask("POST", "actions/workflows/build.yml/dispatches", {"ref": "main", "return_run_details": True}, 200)
            self.act("finish", run=told["workflow_run_id"], conclusion=conclusion)
        made = self.ask("POST", "deployments", {"ref": sha, "environment": "staging", "auto_merge": False, "required_contexts": [],
                                                "payload": {"shipline": 1}}, 201)
        for state in "queued", "in_progress", "success":
            self.ask("POST", f"deployments/{made['id']}/statuses", {"state": state, "log_url": "https://example.com/log"}, 201)
        self.act("deployment", who="dev", ref="main", environment="production", state="failure", payload="as text")
        self.act("protect-job", sha=sha, pull=pull, who="dev", environment="production")
        self.act("protect-job", sha=sha, who="dev", environment="production")
        self.act("merge", pull=pull, who="mona")
        self.act("install", account="other")
        self.act("suspend")
        self.act("unsuspend")
        self.act("uninstall")

    def test_headers_and_signature_are_as_documented(self):
        self.act("ping")
        issue = self.act("issue", title="A question")["number"]
        self.act("says", who="dev", issue=issue, body="Grüße, 🚀")
        ping, said = self.caught()
        self.assertEqual((ping.event, said.event), ("ping", "issue_comment"))
        self.assertNotEqual(ping.headers["X-GitHub-Delivery"], said.headers["X-GitHub-Delivery"])
        for one in ping, said:
            self.assertEqual(one.path, "/webhooks/github")
            self.assertEqual(one.headers["Content-Type"], "application/json")
            self.assertTrue(one.headers["User-Agent"].startswith("GitHub-Hookshot/"))
            self.assertRegex(one.headers["X-GitHub-Delivery"], re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"))
            self.assertEqual(one.headers["X-GitHub-Hook-ID"], str(ping.payload["hook_id"]))
            self.assertEqual(one.headers["X-GitHub-Hook-Installation-Target-Type"], "integration")
            self.assertEqual(one.headers["X-GitHub-Hook-Installation-Target-ID"], str(self.app["id"]))
            code = hmac.new(self.app["secret"].encode(), one.raw, hashlib.sha256).hexdigest()
            self.assertEqual(one.headers["X-Hub-Signature-256"], f"sha256={code}")

    def test_the_record_of_a_delivery_says_what_was_sent(self):
        issue = self.act("issue", title="A question")["number"]
        self.act("says", who="dev", issue=issue, body="/status")
        said, = self.caught()
        known, = self.call("GET", "/app/hook/deliveries", status=200, token=self.shown)
        self.assertEqual((known["guid"], known["status_code"], known["status"]), (said.headers["X-GitHub-Delivery"], 202, "OK"))
        sent = self.call("GET", f"/app/hook/deliveries/{known['id']}", status=200, token=self.shown)["request"]
        self.assertEqual(sent["payload"], said.payload)
        for name, value in sent["headers"].items():
            self.assertEqual(said.headers[name], value, name)

    def test_a_redelivery_has_the_same_bytes_and_the_same_id(self):
        issue = self.act("issue", title="A question")["number"]
        self.act("says", who="dev", issue=issue, body="/status")
        self.caught()
        known, = self.call("GET", "/app/hook/deliveries", status=200, token=self.shown)
        self.call("POST", f"/app/hook/deliveries/{known['id']}/attempts", status=202, token=self.shown)
        first, again = self.caught()
        self.assertEqual(first.raw, again.raw)
        self.assertEqual(first.headers["X-GitHub-Delivery"], again.headers["X-GitHub-Delivery"])

    def test_an_app_without_a_secret_signs_nothing(self):
        self.act("app", name="other", account="acme", webhook=self.catcher.url, secret="", events=["issue_comment"])
        issue = self.act("issue", title="A question")["number"]
        self.act("says", who="dev", issue=issue, body="/status")
        signed = sorted("X-Hub-Signature-256" in one.headers for one in self.caught())
        self.assertEqual(signed, [False, True])


class TheCheckItself(unittest.TestCase):
    """A check that finds nothing in wrong payloads would be worth nothing."""

    def told(self, event, payload):
        name = f"{event}.{payload['action']}"
        return [*github_description.webhook_problems(event, payload), *webhook_description.schema_problems(event, payload),
                *webhook_description.example_problems(name, payload)]

    def test_wrong_payloads_are_found(self):
        payload = copy.deepcopy(webhook_description.examples()["issue_comment.created"][0])
        missing = {**payload, "comment": {name: value for name, value in payload["comment"].items() if name != "user"}}
        # The examples are older than both descriptions: what counts is what a change adds.
        added = set(self.told("issue_comment", missing)) - set(self.told("issue_comment", payload))
        self.assertEqual({problem.split(": ")[0] for problem in added},
                         {"issue-comment-created", "issue_comment$created", "issue_comment.created.comment"}, added)
        self.assertTrue(all("user" in problem for problem in added), added)
        self.assertIn("unknown member more", " ".join(self.told("issue_comment", {**payload, "more": 1})))
        self.assertIn("GitHub sends no such thing", self.told("issue_comment", {**payload, "action": "whispered"})[0])


if __name__ == "__main__":
    unittest.main()
