"""Every address the GitHub model knows, in the states a bot meets, against GitHub's OpenAPI description."""

import re
import unittest

import github_caller
import github_description
from github_caller import InstalledApp
from simulator import ROOT

ROUTES = ROOT / "tests/support/src/github/route.rs"
# Answered before the table of routes.
BEFORE = {("POST", "/app-manifests/{}/conversions"), ("GET", "/meta"), ("GET", "/rate_limit"),
          ("GET", "/orgs/{}/teams/{}/memberships/{}"), ("GET", "/installation/repositories"), ("GET", "/repos/{}/{}/installation")}
DRIVEN = set()
FINISHED = set()


def routes():
    """Method and address of every row of the model's table, `{}` for what varies."""
    known, prefix = set(BEFORE), ""
    for line in ROUTES.read_text().splitlines():
        function = re.search(r"fn (route_\w+)", line)
        if function:
            prefix = "/app" if function.group(1) == "route_app" else "/repos/{}/{}"
        row = re.match(r'\s+\("([A-Z]+)", \[(.*?)\]\) (?:=>|if)', line)
        if row:
            parts = [part.strip() for part in row.group(2).split(",") if part.strip()]
            known.add((row.group(1), prefix + "".join("/" + (part.strip('"') if part.startswith('"') else "{}") for part in parts)))
    return known


def tearDownModule():
    every = {f"{test.__name__}.{name}" for test in (AsTheApp, InARepository) for name in dir(test) if name.startswith("test_")}
    if FINISHED == every:
        forgotten = sorted(routes() - DRIVEN)
        assert not forgotten, f"routes that nothing drives: {forgotten}"


class Driven(InstalledApp):
    def tearDown(self):
        FINISHED.add(f"{type(self).__name__}.{self._testMethodName}")
        super().tearDown()

    def exchange(self, method, path, *rest, **named):
        found = github_description.found(method, path)
        if found:
            DRIVEN.add((method, re.sub(r"\{[^}]+\}(\.\.\.\{[^}]+\})?", "{}", found[0])))
        return super().exchange(method, path, *rest, **named)


class AsTheApp(Driven):
    def test_the_app_knows_itself_and_its_installations(self):
        self.assertEqual(self.call("GET", "/app", status=200, token=self.shown)["id"], self.app["id"])
        number = self.app["installation"]
        self.assertEqual([one["id"] for one in self.call("GET", "/app/installations", status=200, token=self.shown)], [number])
        self.call("GET", f"/app/installations/{number}", status=200, token=self.shown)
        self.call("GET", "/app/installations/1", status=404, token=self.shown)
        self.call("GET", "/repos/acme/shop/installation", status=200, token=self.shown)
        self.call("GET", "/repos/acme/nothing/installation", status=404, token=self.shown)
        self.act("suspend")
        self.assertIsNotNone(self.call("GET", f"/app/installations/{number}", status=200, token=self.shown)["suspended_at"])
        self.new_token(status=403)
        self.ask("GET", "", status=403)
        self.act("unsuspend")
        self.act("uninstall")
        self.assertEqual(self.call("GET", "/app/installations", status=200, token=self.shown), [])
        self.call("GET", "/repos/acme/shop/installation", status=404, token=self.shown)

    def test_tokens_whole_and_narrowed(self):
        narrowed = self.new_token(repositories=["shop"], permissions={"contents": "read"})
        self.assertEqual([one["full_name"] for one in narrowed["repositories"]], ["acme/shop"])
        self.token = f"Bearer {narrowed['token']}"
        self.ask("GET", "contents/docs/a.md", status=200)
        self.ask("GET", "pulls", status=403)
        self.new_token(status=422, repositories=["nothing"])
        self.new_token(status=422, permissions={"contents": "write"})
        self.act("expire-tokens")
        self.ask("GET", "", status=401)

    def test_who_cannot_show_who_they_are_is_refused(self):
        self.call("GET", "/app", status=401, token="")
        self.call("GET", "/app", status=401, token=f"Bearer {github_caller.web_token(self.app, age=1200, life=-600)}")
        self.call("GET", "/app", status=401, token=f"Bearer {github_caller.web_token(self.app, life=3600)}")
        self.call("GET", "/app", status=401, token=self.shown[:-8] + "AAAAAAAA")
        self.call("GET", "/app", status=401, token=self.token)
        self.call("GET", "/repos/acme/shop", status=401)
        self.call("GET", "/repos/acme/shop/installation", status=401, token=self.token)

    def test_the_webhook_and_its_deliveries(self):
        self.call("GET", "/app/hook/config", status=200, token=self.shown)
        changed = self.call("PATCH", "/app/hook/config", {"url": "http://127.0.0.1:1/hook"}, 200, self.shown)
        self.assertEqual(changed["url"], "http://127.0.0.1:1/hook")
        self.act("lose", count=3, how="failed")
        issue = self.act("issue", title="A question")["number"]
        for word in "one", "two", "three":
            self.act("says", who="dev", issue=issue, body=word)
        self.until(lambda quiet: quiet["quiet"], lambda: self.act("quiet"))
        at = "/app/hook/deliveries"
        known = self.call("GET", at, status=200, token=self.shown, query="?per_page=100&status=failure")
        self.assertEqual([one["event"] for one in known], ["issue_comment"] * 3)
        first, headers = self.exchange("GET", at, None, 200, self.shown, "?per_page=2")
        self.assertEqual(len(first), 2)
        after = re.search(r"<[^>]*\?([^>]*)>; rel=\"next\"", headers["link"]).group(1)
        self.assertEqual(len(self.call("GET", at, status=200, token=self.shown, query=f"?{after}")), 1)
        self.assertEqual(self.call("GET", f"{at}/{known[0]['id']}", status=200, token=self.shown)["request"]["payload"]["action"], "created")
        self.call("POST", f"{at}/{known[0]['id']}/attempts", status=202, token=self.shown)
        self.until(lambda quiet: quiet["quiet"], lambda: self.act("quiet"))
        again = self.call("GET", at, status=200, token=self.shown, query="?status=failure")[0]
        self.assertEqual((again["redelivery"], again["guid"]), (True, known[0]["guid"]))
        self.call("GET", f"{at}/1", status=404, token=self.shown)
        self.call("GET", at, status=422, token=self.shown, query="?cursor=wrong")

    def test_a_manifest_becomes_an_app_once(self):
        manifest = {"name": "Shipline of acme", "url": "https://example.com", "redirect_url": "http://127.0.0.1/back",
                    "hook_attributes": {"url": "https://example.com/hook"}, "public": False,
                    "default_permissions": {"contents": "read", "issues": "write"}, "default_events": ["issue_comment"]}
        code = self.act("manifest", manifest=manifest)["code"]
        made = self.call("POST", f"/app-manifests/{code}/conversions", status=201, token="")
        self.call("POST", f"/app-manifests/{code}/conversions", status=404, token="")
        shown = f"Bearer {github_caller.web_token(made)}"
        self.assertEqual(self.call("GET", "/app", status=200, token=shown)["slug"], made["slug"])
        self.assertEqual(self.call("GET", "/app/hook/config", status=200, token=shown)["url"], "https://example.com/hook")

    def test_what_has_no_owner(self):
        self.call("GET", "/meta", status=200, token="")
        self.assertGreater(self.call("GET", "/rate_limit", status=200, token=self.token)["resources"]["core"]["remaining"], 0)
        repositories = self.call("GET", "/installation/repositories", status=200, token=self.token)
        self.assertEqual([one["full_name"] for one in repositories["repositories"]], ["acme/shop"])

    def test_a_limit_that_is_reached_says_when_it_ends(self):
        self.act("limit", remaining=1, reset_ms=60_000)
        self.ask("GET", "", status=200)
        refused, headers = self.exchange("GET", "/repos/acme/shop", None, 403, self.token)
        self.assertIn("API rate limit exceeded", refused["message"])
        self.assertEqual(headers["x-ratelimit-remaining"], "0")


class InARepository(Driven):
    def pull(self, **members):
        return self.act("pull", **{"who": "dev", "title": "A change", **members})

    def test_branches_as_references_and_when_they_moved(self):
        head = self.ask("GET", "git/ref/heads/main", status=200)["object"]["sha"]
        self.ask("GET", "git/ref/heads/nothing", status=404)
        made = {"ref": "refs/heads/back/one", "sha": head}
        self.ask("POST", "git/refs", made, 403)
        self.act("permit", permissions={"contents": "write"})
        self.token = f"Bearer {self.new_token()['token']}"
        self.assertEqual(self.ask("POST", "git/refs", made, 201)["ref"], "refs/heads/back/one")
        self.ask("POST", "git/refs", made, 422)
        newer = self.act("commit", repository="acme/shop")["sha"]
        self.ask("PATCH", "git/refs/heads/back/one", {"sha": newer}, 200)
        self.ask("PATCH", "git/refs/heads/back/one", {"sha": head}, 422)
        self.ask("PATCH", "git/refs/heads/back/one", {"sha": head, "force": True}, 200)
        self.ask("PATCH", "git/refs/heads/nothing", {"sha": head}, 422)
        moved = self.ask("GET", "activity", status=200, query="?ref=refs/heads/back/one")
        self.assertEqual([one["after"] for one in moved], [head, newer, head])
        self.assertEqual([one["activity_type"] for one in moved], ["force_push", "push", "branch_creation"])

    def test_the_repository_its_files_and_commits(self):
        self.assertEqual(self.ask("GET", "", status=200)["full_name"], "acme/shop")
        policy = self.ask("GET", "contents/.github/shipline.yml", status=200, query="?ref=main")
        self.assertEqual(policy["path"], ".github/shipline.yml")
        self.assertEqual([one["path"] for one in self.ask("GET", "contents/docs", status=200)], ["docs/a.md"])
        self.ask("GET", "contents/nothing.md", status=404)
        self.ask("GET", "contents/docs/a.md", status=404, query="?ref=nothing")
        pull = self.pull(files={"docs/b.md": "b"})
        self.ask("GET", f"commits/{pull['sha']}", status=200)
        self.ask("GET", "commits/main", status=200)
        self.ask("GET", f"commits/{'d' * 40}", status=422)
        self.assertEqual(self.ask("GET", f"compare/main...{pull['sha']}", status=200)["status"], "ahead")
        self.assertEqual(self.ask("GET", f"commits/{pull['sha']}/pulls", status=200)[0]["number"], pull["number"])
        self.ask("GET", "/repos/acme/nothing", status=404)
        self.act("withdraw", permission="contents")
        self.ask("GET", "contents/docs/a.md", status=403)

    def test_branches_with_and_without_rules(self):
        self.assertFalse(self.ask("GET", "branches/main", status=200)["protected"])
        self.act("protect", branch="main", checks=[{"context": "test"}, {"context": "lint", "app": 15368}], up_to_date="strict", reviews=1)
        self.assertTrue(self.ask("GET", "branches/main", status=200)["protected"])
        self.act("commit", branch="feature/a", message="On a branch")
        self.ask("GET", "branches/feature/a", status=200)
        self.ask("GET", "branches/nothing", status=404)
        self.assertEqual(self.ask("GET", "rules/branches/main", status=200), [])
        self.act("ruleset", branch="main", checks=[{"context": "test", "app": 15368}, {"context": "lint"}], reviews=2, stale="dismiss")
        self.assertEqual([rule["type"] for rule in self.ask("GET", "rules/branches/main", status=200)],
                         ["required_status_checks", "pull_request"])

    def test_people_and_their_rights(self):
        self.act("user", login="root", repository="acme/shop", role="admin")
        self.act("user", login="sorter", repository="acme/shop", role="triage")
        self.act("user", login="stranger")
        wanted = {"reader": "read", "sorter": "read", "dev": "write", "mona": "write", "root": "admin", "stranger": "none"}
        for login, permission in wanted.items():
            found = self.ask("GET", f"collaborators/{login}/permission", status=200)
            self.assertEqual(found["permission"], permission)
        self.ask("GET", "collaborators/nobody/permission", status=404)
        self.act("team", slug="release", members={"mona": "active", "dev": "pending"})
        for login, state in (("mona", "active"), ("dev", "pending")):
            self.assertEqual(self.ask("GET", f"/orgs/acme/teams/release/memberships/{login}", status=200)["state"], state)
        self.ask("GET", "/orgs/acme/teams/release/memberships/reader", status=404)
        self.ask("GET", "/orgs/acme/teams/nothing/memberships/mona", status=404)
        self.act("withdraw", permission="members")
        self.ask("GET", "/orgs/acme/teams/release/memberships/mona", status=403)

    def test_pull_requests_through_their_life(self):
        open_, merged, closed = self.pull(), self.pull(stage="draft"), self.pull(body="Why")
        self.act("repository", repository="dev/shop", fork_of="acme/shop", owner="user")
        forked = self.pull(who="guest", fork="dev/shop")
        self.act("push", pull=open_["number"])
        self.act("draft", pull=open_["number"])
        self.assertTrue(self.ask("GET", f"pulls/{open_['number']}", status=200)["draft"])
        self.act("ready", pull=open_["number"])
        self.act("mergeable", pull=open_["number"], mergeable="conflicting")
        self.assertFalse(self.ask("GET", f"pulls/{open_['number']}", status=200)["mergeable"])
        self.act("mergeable", pull=open_["number"], mergeable="unknown")
        self.assertIsNone(self.ask("GET", f"pulls/{open_['number']}", status=200)["mergeable"])
        self.assertEqual(self.ask("GET", f"pulls/{forked['number']}", status=200)["head"]["repo"]["full_name"], "dev/shop")
        self.act("ready", pull=merged["number"])
        self.act("merge", pull=merged["number"], who="mona")
        self.assertTrue(self.ask("GET", f"pulls/{merged['number']}", status=200)["merged"])
        self.act("close", pull=closed["number"])
        self.assertEqual(self.ask("GET", f"pulls/{closed['number']}", status=200)["state"], "closed")
        self.assertEqual(len(self.ask("GET", "pulls", status=200)), 2)
        everything = self.ask("GET", "pulls", status=200, query="?state=all&per_page=100")
        self.assertEqual(len(everything), 4)
        self.ask("GET", "pulls/99", status=404)

    def test_reviews(self):
        number = self.pull()["number"]
        for who, state in (("mona", "approved"), ("mona", "changes_requested"), ("reader", "commented"), ("dev", "dismissed")):
            self.act("review", pull=number, who=who, state=state)
        self.assertEqual(len(self.ask("GET", f"pulls/{number}/reviews", status=200)), 4)
        self.ask("GET", "pulls/99/reviews", status=404)

    def test_issues_comments_and_reactions(self):
        pull, issue = self.pull()["number"], self.act("issue", title="A question")["number"]
        for number in pull, issue:
            self.ask("GET", f"issues/{number}", status=200)
            comment = self.act("says", who="dev", issue=number, body="/status")["comment"]
            at = f"issues/comments/{comment}"
            eyes = self.ask("POST", f"{at}/reactions", {"content": "eyes"}, 201)
            self.assertEqual(self.ask("POST", f"{at}/reactions", {"content": "eyes"}, 200)["id"], eyes["id"])
            self.assertEqual(len(self.ask("GET", f"{at}/reactions", status=200, query="?content=eyes")), 1)
            self.assertEqual(self.ask("GET", at, status=200)["reactions"]["eyes"], 1)
            self.ask("DELETE", f"{at}/reactions/{eyes['id']}", status=204)
            self.ask("POST", f"{at}/reactions", {"content": "shrug"}, 422)
            self.ask("PATCH", at, {"body": "Not mine"}, 403)
            own = self.ask("POST", f"issues/{number}/comments", {"body": "Working on it"}, 201)
            self.assertEqual(self.ask("PATCH", f"issues/comments/{own['id']}", {"body": "Done"}, 200)["body"], "Done")
            self.assertEqual(len(self.ask("GET", f"issues/{number}/comments", status=200, query="?since=2020-01-01T00:00:00Z")), 2)
            self.ask("DELETE", f"issues/comments/{own['id']}", status=204)
            self.ask("GET", f"issues/comments/{own['id']}", status=404)
        self.assertEqual(len(self.ask("GET", "issues/comments", status=200)), 2)
        self.ask("GET", "issues/99", status=404)
        self.ask("POST", f"issues/{issue}/comments", {"body": ""}, 422)
        self.ask("POST", "issues/99/comments", {"body": "Hello"}, 404)
        self.act("withdraw", permission="issues")
        self.act("withdraw", permission="pull_requests")
        self.ask("POST", f"issues/{issue}/comments", {"body": "Hello"}, 403)

    def test_checks_with_reruns_and_statuses(self):
        sha = self.pull()["sha"]
        first = self.act("check", sha=sha, name="test", conclusion="failure")
        self.act("check", sha=sha, name="test", conclusion="success", suite=first["suite"])
        self.act("check", sha=sha, name="lint", status="in_progress")
        self.act("check", sha=sha, name="other", conclusion="skipped", app=7)
        at = f"commits/{sha}/check-runs"
        self.assertEqual(self.ask("GET", at, status=200, query="?filter=latest&per_page=100")["total_count"], 3)
        self.assertEqual(self.ask("GET", at, status=200, query="?filter=all&check_name=test")["total_count"], 2)
        self.ask("GET", f"check-runs/{first['id']}", status=200)
        self.ask("GET", "check-runs/1", status=404)
        made = self.ask("POST", "check-runs", {"name": "shipline / staging", "head_sha": sha, "status": "in_progress",
                                               "details_url": "https://example.com", "external_id": "7"}, 201)
        output = {"title": "Serving", "summary": "All is well", "text": "No log"}
        actions = [{"label": "Roll back", "description": "To the release before", "identifier": "rollback"}]
        ended = self.ask("PATCH", f"check-runs/{made['id']}", {"conclusion": "success", "output": output, "actions": actions,
                                                               "completed_at": "2026-01-02T03:04:05Z"}, 200)
        self.assertEqual((ended["status"], ended["output"]["title"]), ("completed", "Serving"))
        self.ask("POST", "check-runs", {"name": "shipline"}, 422)
        self.ask("PATCH", f"check-runs/{first['id']}", {"conclusion": "success"}, 403)
        empty = self.ask("GET", f"commits/{sha}/status", status=200)
        self.assertEqual((empty["state"], empty["total_count"]), ("pending", 0))
        for state, context in (("success", "build"), ("pending", "deploy"), ("failure", "build")):
            self.act("status", sha=sha, context=context, state=state, description="words")
        self.assertEqual(self.ask("GET", f"commits/{sha}/status", status=200)["state"], "failure")
        self.assertEqual(len(self.ask("GET", f"commits/{sha}/statuses", status=200)), 3)

    def test_workflows_dispatched_and_their_runs(self):
        self.act("workflow", file="build.yml", name="Build", inputs=["sha"], run_name="Build ${{ inputs.sha }}")
        sha = self.pull()["sha"]
        at = "actions/workflows/build.yml"
        self.ask("GET", at, status=200)
        self.ask("GET", "actions/workflows/nothing.yml", status=404)
        self.assertIsNone(self.ask("POST", f"{at}/dispatches", {"ref": "main", "inputs": {"sha": sha}}, 204))
        told = self.ask("POST", f"{at}/dispatches", {"ref": "main", "inputs": {"sha": sha}, "return_run_details": True}, 200)
        run = told["workflow_run_id"]
        self.assertEqual(self.ask("GET", f"actions/runs/{run}", status=200)["status"], "queued")
        self.act("finish", run=run, conclusion="failure")
        self.assertEqual(self.ask("GET", f"actions/runs/{run}", status=200)["conclusion"], "failure")
        runs = self.ask("GET", f"{at}/runs", status=200, query="?event=workflow_dispatch&created=%3E%3D2020-01-01&per_page=20")
        self.assertEqual(runs["total_count"], 2)
        other = [one["id"] for one in runs["workflow_runs"] if one["id"] != run][0]
        self.ask("POST", f"actions/runs/{other}/cancel", status=202)
        self.ask("POST", f"actions/runs/{run}/cancel", status=409)
        self.assertEqual(self.ask("GET", "actions/runs", status=200, query="?status=cancelled")["total_count"], 1)
        self.ask("POST", f"{at}/dispatches", {"ref": "nothing"}, 422)
        self.ask("POST", f"{at}/dispatches", {"ref": "main", "inputs": {"other": "x"}}, 422)
        self.ask("POST", "actions/workflows/nothing.yml/dispatches", {"ref": "main"}, 404)
        self.ask("GET", "actions/runs/1", status=404)

    def test_a_job_that_waits_for_the_apps_rule_is_answered_once(self):
        run = self.act("protect-job", sha=self.pull()["sha"], who="dev", environment="production")["run"]
        at = f"actions/runs/{run}/deployment_protection_rule"
        for number in range(10):
            self.assertIsNone(self.ask("POST", at, {"environment_name": "production", "comment": f"Waits, {number}."}, 204))
        for words in "Waits still.", "x" * 1025:
            self.ask("POST", at, {"environment_name": "production", "comment": words}, 422)
        job, = self.act("protected-jobs")
        self.assertEqual((job["state"], len(job["reports"]), job["reports"][9]), (None, 10, "Waits, 9."))
        answer = {"environment_name": "production", "state": "approved", "comment": "All is well."}
        self.assertIsNone(self.ask("POST", at, answer, 204))
        self.ask("POST", at, answer, 422)
        job, = self.act("protected-jobs")
        self.assertEqual((job["run"], job["state"], job["comment"]), (run, "approved", "All is well."))

    def test_a_check_run_has_at_most_three_buttons_of_limited_length(self):
        sha = self.pull()["sha"]
        button = {"label": "Approve", "description": "Let it go on", "identifier": "approve-1-0"}
        check = {"name": "Shipline: production", "head_sha": sha, "conclusion": "action_required",
                 "output": {"title": "waits", "summary": "[The deployment](https://example.com)"}}
        made = self.ask("POST", "check-runs", {**check, "actions": [button]}, 201)
        self.act("press", check=made["id"], identifier="approve-1-0", who="mona")
        self.ask("POST", "check-runs", {**check, "actions": [button] * 4}, 422)
        self.ask("POST", "check-runs", {**check, "actions": [{**button, "label": "x" * 21}]}, 422)
        self.ask("PATCH", f"check-runs/{made['id']}", {"status": "in_progress", "actions": []}, 200)

    def test_a_person_shows_who_they_are_with_a_token_of_their_own(self):
        token = self.act("sign-in", login="mona")["token"]
        self.assertEqual(self.call("GET", "/user", status=200, token=f"Bearer {token}")["login"], "mona")
        self.call("GET", "/user", status=401, token="Bearer ghp_nobody")
        self.call("GET", "/user", status=403, token=self.token)

    def test_deployments_of_the_app(self):
        sha = self.pull()["sha"]
        made = self.ask("POST", "deployments", {"ref": sha, "environment": "staging", "auto_merge": False, "required_contexts": [],
                                                "payload": {"shipline": 1}, "transient_environment": False,
                                                "production_environment": False, "description": "api"}, 201)
        at = f"deployments/{made['id']}"
        for state in "queued", "in_progress", "success":
            self.ask("POST", f"{at}/statuses", {"state": state, "log_url": "https://example.com/log", "auto_inactive": False}, 201)
        self.assertEqual([one["state"] for one in self.ask("GET", f"{at}/statuses", status=200)], ["success", "in_progress", "queued"])
        self.ask("GET", at, status=200)
        self.assertEqual(self.ask("GET", "deployments", status=200, query="?environment=staging")[0]["creator"]["type"], "Bot")
        self.ask("POST", "deployments", {"ref": "nothing"}, 422)
        self.ask("GET", "deployments/1/statuses", status=404)

    def test_lists_have_pages(self):
        number = self.pull()["number"]
        for index in range(5):
            self.act("says", who="dev", issue=number, body=f"{index}")
        seen, query = [], "?per_page=2"
        while query:
            page, headers = self.exchange("GET", f"/repos/acme/shop/issues/{number}/comments", None, 200, self.token, query)
            seen += [one["body"] for one in page]
            after = re.search(r"\?([^>]*)>; rel=\"next\"", headers.get("link", ""))
            query = f"?{after.group(1)}" if after else ""
        self.assertEqual(seen, ["0", "1", "2", "3", "4"])


if __name__ == "__main__":
    unittest.main()
