"""The real bot against the simulators: SQLite in a folder, the GitHub model, an ECS cluster.

Acts and seeds are the same as in the stories of `tests/bot`; here the point is what the bot sends.
"""

import os
import pathlib
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from simulator import ROOT, SimulatorTest

REGISTRY = "111122223333.dkr.ecr.us-east-1.amazonaws.com"
SECRET = "a-webhook-secret-9d1c"
POLICY = """\
version: 1
services:
  api: { image: { repository: pmis/api } }
environments:
  staging:
    aws: { region: us-east-1 }
    services: { api: { ecs: { cluster: pmis, service: api-staging, container: app } } }
  production:
    aws: { region: us-east-1 }
    services: { api: { ecs: { cluster: pmis, service: api-production, container: app } } }
"""


def bot():
    """The program: SHIPLINE_BOT, or built here."""
    if os.environ.get("SHIPLINE_BOT"):
        return os.environ["SHIPLINE_BOT"]
    subprocess.run(["cargo", "build", "--quiet", "-p", "shipline-bot"], cwd=ROOT, check=True)
    target = os.environ.get("CARGO_TARGET_DIR", ROOT / "target")
    return str(pathlib.Path(target) / "debug" / "shipline-bot")


def _free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class BotSession(SimulatorTest):
    """A repository with two environments that serve the image `one`, and the bot running."""

    policy = POLICY

    def setUp(self):
        super().setUp()
        self.port = _free_port()
        self.app = self.act("app", account="acme", webhook=f"http://127.0.0.1:{self.port}/webhooks/github", secret=SECRET)
        self.act("repository", repository="acme/shop")
        for login, role in (("dev", "write"), ("mona", "maintain"), ("reader", "read")):
            self.act("user", login=login, repository="acme/shop", role=role)
        self.act("commit", files={".github/shipline.yml": self.policy}, message="Write the policy")
        self.seed(clusters=[{"name": "pmis"}])
        image = self.image("one")
        for service in "api-staging", "api-production":
            self.seed(
                task_definitions=[{
                    "family": service, "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": "256",
                    "memory": "512", "executionRoleArn": "arn:aws:iam::111122223333:role/execution",
                    "containerDefinitions": [{"name": "app", "image": image, "essential": True}],
                }],
                services=[{"cluster": "pmis", "serviceName": service, "taskDefinition": service, "desiredCount": 2}],
            )
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.log = pathlib.Path(self.folder.name) / "bot.log"
        self.start()

    def act(self, act, /, **members):
        return self.control("POST", f"github/{act}", members)

    def image(self, tag):
        """Plants an image as the build workflow would have pushed it."""
        labels = {"word": tag, "org.opencontainers.image.revision": tag}
        made = self.seed(images=[{"repository": "pmis/api", "tags": [tag], "labels": labels}])
        return f"{REGISTRY}/pmis/api@{made['images'][0]['digest']}"

    def start(self):
        folder = pathlib.Path(self.folder.name)
        (folder / "key.pem").write_text(self.app["pem"])
        environment = {
            "PATH": "/usr/bin:/bin", "HOME": str(folder),
            "SHIPLINE_LISTEN": f"127.0.0.1:{self.port}", "SHIPLINE_DATABASE_URL": f"sqlite://{folder}/bot.db",
            "SHIPLINE_GITHUB_API_URL": self.endpoint, "SHIPLINE_GITHUB_APP_ID": str(self.app["id"]),
            "SHIPLINE_GITHUB_PRIVATE_KEY_FILE": str(folder / "key.pem"), "SHIPLINE_WEBHOOK_SECRET": SECRET,
            "SHIPLINE_LEASE": "2s", "SHIPLINE_EDITS": "1s", "SHIPLINE_RECOVERY": "1s",
            "AWS_ENDPOINT_URL": self.endpoint, "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7STAGE00",
            "AWS_SECRET_ACCESS_KEY": "stage-secret-key-4f1d", "AWS_EC2_METADATA_DISABLED": "true",
        }
        with self.log.open("wb") as log:
            self.process_of_bot = subprocess.Popen([bot(), "serve"], env=environment, stdout=log, stderr=log)
        self.addCleanup(self.stop)
        self.waits("the bot is ready", self.is_ready)

    def stop(self):
        self.process_of_bot.kill()
        self.process_of_bot.wait()

    def is_ready(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz") as answer:
                return answer.status == 200
        except (urllib.error.URLError, ConnectionError):
            return False

    def waits(self, what, look, seconds=40):
        deadline = time.monotonic() + seconds
        while not (found := look()):
            if time.monotonic() > deadline or self.process_of_bot.poll() is not None:
                self.fail(f"{what}: not so\n{self.story()}")
            time.sleep(0.05)
        return found

    def story(self):
        """What a person needs to see why a session failed."""
        calls = [f"{call['service']} {call['operation']} {call['status']}" for call in self.calls()[-40:]]
        said = [f"#{issue} {one['author']}: {one['body']}" for issue in (1, 2, 3) for one in self.conversation(issue)]
        return "\n".join([*calls, *said, self.log.read_text(errors="replace")[-6000:]])

    def pull(self, title):
        """A pull request whose head is built, older than any comment to come."""
        made = self.act("pull", who="dev", title=title)
        made["image"] = self.image(made["sha"])
        self.act("advance", ms=2000)
        return made

    def breaks(self, image):
        """Containers with this image end at once."""
        behaviour = {"kind": "exits", "code": 1, "lines": ["KeyError: 'DATABASE_URL'"]}
        self.seed(rules=[{"image": image.rpartition("@")[2], "behaviour": behaviour}])

    def says(self, who, issue, body):
        self.act("advance", ms=2000)
        return self.act("says", who=who, issue=issue, body=body)["comment"]

    def answer(self, issue, *texts):
        """Waits for an answer of the bot that holds these texts."""
        def look():
            own = [one for one in self.conversation(issue) if one["author"].endswith("[bot]")]
            return [one for one in own if all(text in one["body"] for text in texts)]
        return self.waits(f"an answer with {texts}", look)[-1]

    def conversation(self, issue):
        return self.act("conversation", issue=issue)
