"""Asks the GitHub model as an App would; every request and every answer is checked."""

import base64
import json
import time
import urllib.error
import urllib.request

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

import github_description
from simulator import SimulatorTest


def _base64(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def web_token(app, age=60, life=300):
    """The token an App shows that it is itself: RS256, as GitHub asks."""
    now = int(time.time())
    claims = {"iat": now - age, "exp": now + life, "iss": str(app["id"])}
    signed = b".".join(_base64(json.dumps(part).encode()) for part in ({"alg": "RS256", "typ": "JWT"}, claims))
    key = serialization.load_pem_private_key(app["pem"].encode(), None)
    return (signed + b"." + _base64(key.sign(signed, padding.PKCS1v15(), hashes.SHA256()))).decode()


class GitHubCaller(SimulatorTest):
    def act(self, act, /, **members):
        """What people do."""
        return self.control("POST", f"github/{act}", members)

    def call(self, method, path, body=None, status=None, token="Bearer ghs_x", query=""):
        document, _ = self.exchange(method, path, body, status, token, query)
        return document

    def exchange(self, method, path, body=None, status=None, token="Bearer ghs_x", query=""):
        """The answer's document and headers. A refused request may be as wrong as it likes."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": token} if token else {}
        request = urllib.request.Request(self.endpoint + path + query, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request) as answer:
                got, raw, headers = answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            got, raw, headers = error.code, error.read(), error.headers
            error.close()
        document = json.loads(raw) if raw else None
        # GraphQL has a description of its own.
        if path != "/graphql":
            if got < 300:
                self.violations += github_description.request_problems(method, path, body, query.lstrip("?"))
            self.violations += github_description.problems(method, path, got, document)
        if status is not None:
            self.assertEqual(got, status, document)
        return document, headers


class InstalledApp(GitHubCaller):
    """An App at `acme` with everything it may ask for, and a hosted repository."""

    EVENTS = ["issue_comment", "pull_request", "pull_request_review", "workflow_run", "check_run", "deployment_status",
              "deployment_protection_rule"]

    def setUp(self):
        super().setUp()
        self.app = self.act("app", account="acme", webhook=self.webhook(), events=self.EVENTS)
        self.act("repository", repository="acme/shop", files={".github/shipline.yml": "version: 1\n" * 20, "docs/a.md": "a"})
        for login, role in (("dev", "write"), ("mona", "maintain"), ("reader", "read")):
            self.act("user", login=login, repository="acme/shop", role=role)
        self.shown = f"Bearer {web_token(self.app)}"
        self.token = f"Bearer {self.new_token()['token']}"

    def webhook(self):
        """Where the App's webhooks go; nowhere."""
        return None

    def new_token(self, status=201, **asked):
        at = f"/app/installations/{self.app['installation']}/access_tokens"
        return self.call("POST", at, asked or None, status, self.shown)

    def ask(self, method, path, body=None, status=None, query=""):
        """With the installation's token; `path` is the repository's unless it starts with a slash."""
        path = path if path.startswith("/") else f"/repos/acme/shop/{path}".rstrip("/")
        return self.call(method, path, body, status, self.token, query)
