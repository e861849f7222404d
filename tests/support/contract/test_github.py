"""The GitHub model against GitHub's OpenAPI description."""

import base64
import json
import unittest
import urllib.request

from github_caller import GitHubCaller

REPO = "/repos/acme/shop"


class GitHubTest(GitHubCaller):
    def setUp(self):
        super().setUp()
        self.shas = [digit * 40 for digit in "abc"]
        self.seed(commits=[{"repository": "acme/shop", "sha": sha, "message": f"Commit {sha[0]}"} for sha in self.shas])

    def deploy(self, environment="staging", ref=None, **more):
        body = {"ref": ref or self.shas[2], "environment": environment, "auto_merge": False, "required_contexts": [], **more}
        return self.call("POST", f"{REPO}/deployments", body, 201)

    def status(self, deployment, state, **more):
        return self.call("POST", f"{REPO}/deployments/{deployment['id']}/statuses", {"state": state, **more}, 201)

    def states(self, deployment):
        return [s["state"] for s in self.call("GET", f"{REPO}/deployments/{deployment['id']}/statuses", status=200)]


class GitHubDeployments(GitHubTest):
    def test_a_deployment_and_its_statuses(self):
        made = self.deploy(ref="main", payload={"plan": "3f9a1c"}, description="api, web", production_environment=False)
        self.assertEqual((made["sha"], made["ref"], made["payload"]), (self.shas[2], "main", {"plan": "3f9a1c"}))
        self.status(made, "in_progress", log_url="https://example.com/run/1")
        done = self.status(made, "success", environment_url="https://staging.example.com", description="done")
        self.assertEqual(done["environment_url"], "https://staging.example.com")
        self.assertEqual(self.states(made), ["success", "in_progress"])
        self.assertEqual(self.call("GET", f"{REPO}/deployments/{made['id']}", status=200)["id"], made["id"])

    def test_deployments_are_found_by_commit_and_environment_newest_first(self):
        first, second, other = self.deploy(), self.deploy(), self.deploy("production")
        self.deploy(ref=self.shas[0])
        found = self.call("GET", f"{REPO}/deployments", query=f"?sha={self.shas[2]}&environment=staging")
        self.assertEqual([d["id"] for d in found], [second["id"], first["id"]])
        self.assertTrue(other["production_environment"])
        page = self.call("GET", f"{REPO}/deployments", query="?per_page=1&page=2")
        self.assertEqual([d["id"] for d in page], [other["id"]])

    def test_a_success_makes_older_ones_of_the_environment_inactive(self):
        old, kept = self.deploy(), self.deploy("production")
        self.status(old, "success")
        self.status(kept, "success")
        self.status(self.deploy(), "success")
        self.status(self.deploy("production"), "success")
        self.assertEqual(self.states(old), ["inactive", "success"])
        self.assertEqual(self.states(kept), ["success"])
        left = self.deploy()
        self.status(left, "success")
        self.status(self.deploy(), "success", auto_inactive=False)
        self.assertEqual(self.states(left), ["success"])

    def test_refusals(self):
        self.call("POST", f"{REPO}/deployments", {"ref": "nope"}, 422)
        self.call("POST", f"{REPO}/deployments", {}, 422)
        made = self.deploy()
        self.call("POST", f"{REPO}/deployments/{made['id']}/statuses", {"state": "wonderful"}, 422)
        self.call("GET", f"{REPO}/deployments/1", status=404)
        self.call("GET", f"{REPO}/deployments", status=401, token="")

    def test_faults(self):
        at = f"POST {REPO}/deployments"
        for kind, status, message in (("throttle", 403, "secondary rate limit"), ("deny", 403, "Resource not accessible"),
                                      ("unknown", 404, "Not Found"), ("server_error", 502, "")):
            self.seed(faults=[{"service": "github", "operation": at, "kind": kind, "times": 1, **({"status": 502} if status == 502 else {})}])
            self.assertIn(message, self.call("POST", f"{REPO}/deployments", {"ref": "main"}, status)["message"])
            self.control("DELETE", "faults")
        self.deploy()


class GitHubCommits(GitHubTest):
    def test_what_lies_between_two_commits(self):
        a, b, c = self.shas
        ahead = self.call("GET", f"{REPO}/compare/{a}...{c}", status=200)
        self.assertEqual((ahead["status"], ahead["ahead_by"], ahead["total_commits"]), ("ahead", 2, 2))
        self.assertEqual([commit["sha"] for commit in ahead["commits"]], [b, c])
        self.assertEqual(self.call("GET", f"{REPO}/compare/{c}...{b}")["status"], "behind")
        self.assertEqual(self.call("GET", f"{REPO}/compare/main...{c[:8]}")["status"], "identical")
        self.call("GET", f"{REPO}/compare/{'d' * 40}...{c}", status=404)
        self.assertEqual(self.call("GET", f"{REPO}/commits/main", status=200)["parents"][0]["sha"], b)


class GitHubOidc(GitHubTest):
    def test_a_job_gets_a_token_for_an_audience(self):
        self.seed(oidc_claims={"sub": "repo:acme/shop:environment:production"})
        request = urllib.request.Request(f"{self.endpoint}/actions/idtoken?api-version=2.0&audience=sts.amazonaws.com",
                                         headers={"Authorization": "Bearer request-token"})
        document = json.load(urllib.request.urlopen(request))
        self.assertEqual(document["count"], len(document["value"]))
        payload = document["value"].split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        self.assertEqual(claims["aud"], "sts.amazonaws.com")
        self.assertEqual(claims["sub"], "repo:acme/shop:environment:production")
        role = "arn:aws:iam::111122223333:role/shipline-production"
        self.seed(roles=[{"arn": role, "audience": "sts.amazonaws.com", "subjects": ["repo:acme/shop:environment:production"]}])
        self.client("sts").assume_role_with_web_identity(RoleArn=role, RoleSessionName="run", WebIdentityToken=document["value"])


if __name__ == "__main__":
    unittest.main()
