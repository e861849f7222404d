#!/usr/bin/env python3
"""Plays a pull request with the bot: the second half of `scripts/demo --bot`.

GitHub is a model (shipline-sim); all else is real: the bot that is released, on SQLite; git commits;
images that demo-runner.py builds and pushes as GitHub's runner would; containers behind a load
balancer in the local world. Prints the conversation as it grows. Every process it starts is written
to <work>/pids until it is ended, so that whoever called it can end what is left.
"""

import argparse
import importlib.util
import json
import os
import pathlib
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

SCRIPTS = pathlib.Path(__file__).resolve().parent
REPOSITORY = "acme/hello"
WHO = "dev"
# A comment is about the head the bot knew before; GitHub's times have seconds.
A_MOMENT = 2.0
LONG = 120.0
# First lines of a comment about a deployment that is over.
ENDED = r"^### .*(serves after|failed after|refused|needs attention)"


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    play = Play(options)
    finished = False
    try:
        play.set_up()
        play.pull_request()
        play.plan()
        play.first_deploy()
        play.broken_release()
        play.killed_in_the_middle()
        play.back()
        play.afterwards()
        finished = True
    except KeyboardInterrupt:
        sys.exit(130)
    except Stuck as stuck:
        play.problem(str(stuck))
        play.show_logs()
    finally:
        play.end(finished)
    sys.exit(1 if play.failures else 0)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name, text in (
        ("work", "folder of this run"), ("service", "name of the service in the world"),
        ("shipline", "program"), ("bot", "program"), ("sim", "program"), ("page", "where the page is kept"),
    ):
        parser.add_argument(f"--{name}", required=True, help=text)
    parser.add_argument("--keep", action="store_true", help="leave everything running")
    parser.add_argument("--kill", choices=["asked", "building", "rollout"], default="rollout",
                        help="when the bot is killed: right after the comment, while the image is built, or "
                             "in the middle of the rollout (the default)")
    return parser.parse_args()


class Stuck(Exception):
    """Something that had to happen did not."""


def until(what, look, seconds=LONG, every=0.05):
    """What `look` answers, as soon as it is something."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise Stuck(f"waited {seconds:.0f} s in vain: {what}")
        time.sleep(every)


def title(text):
    print(f"\n\033[1m=== {text}\033[0m\n", flush=True)


def plain(text):
    print(text, flush=True)


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def ask(url, body=None, timeout=10):
    with urllib.request.urlopen(urllib.request.Request(url, body), timeout=timeout) as answer:
        return answer.read().decode()


class Programs:
    """The processes of this run."""

    def __init__(self, work):
        self.work, self.running = pathlib.Path(work), {}

    def start(self, name, command, **named):
        with open(self.work / f"{name}.log", "a", encoding="utf-8") as log:
            named = {"stdout": log, "stderr": log, "stdin": subprocess.DEVNULL} | named
            # Of its own session: with --keep it outlives this program and its terminal.
            self.running[name] = subprocess.Popen(command, start_new_session=True, **named)
        self.note()

    def end(self, name, number=signal.SIGTERM):
        program = self.running.pop(name, None)
        if program is not None:
            program.send_signal(number)
            try:
                program.wait(timeout=15)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait()
            self.note()

    def alive(self, name):
        return name in self.running and self.running[name].poll() is None

    def log(self, name):
        path = self.work / f"{name}.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def note(self):
        (self.work / "pids").write_text("".join(f"{program.pid}\n" for program in self.running.values()))


class GitHub:
    """The model."""

    def __init__(self, address):
        self.address = address

    def act(self, name, /, **members):
        try:
            return json.loads(ask(f"{self.address}/_sim/github/{name}", json.dumps(members).encode()))
        except urllib.error.HTTPError as refused:
            raise Stuck(f"GitHub refuses {name}: {refused.read().decode(errors='replace')}") from None

    def here(self, name, /, **members):
        return self.act(name, repository=REPOSITORY, **members)

    def page(self, number, suffix=""):
        return f"{self.address}/_sim/github/{REPOSITORY}/pull/{number}{suffix}"


class Cloud:
    """The service in the local world."""

    def __init__(self, service):
        spec = importlib.util.spec_from_file_location("world_service", SCRIPTS / "world-service.py")
        self.module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.module)
        self.name = service
        self.world = self.module.World(
            os.environ["AWS_ENDPOINT_URL"], os.environ["AWS_REGION"], os.environ["SHIPLINE_WORLD_ACCOUNT"])
        self.url = self.world.url(service)
        self.trail = self.module.boto3.client(
            "cloudtrail", endpoint_url=self.world.endpoint, region_name=self.world.region)

    def service(self):
        return self.module.service_of(self.world, self.name, self.name)

    def primary(self):
        return next(d["taskDefinition"] for d in self.service()["deployments"] if d["status"] == "PRIMARY")

    def settled(self):
        service = self.service()
        # One that failed stays in the list.
        others = [d for d in service["deployments"] if d.get("rolloutState") != "FAILED"]
        return service["runningCount"] == service["desiredCount"] and len(others) == 1

    def answers(self):
        return self.module.ask(self.world, self.name)[1]

    def record(self):
        """Lets the world's CloudTrail remember calls from now on."""
        ask(f"{self.world.endpoint}/_ministack/config", b'{"cloudtrail._recording_enabled": "true"}')

    def calls(self, operation):
        """How often something was asked for this service, as CloudTrail remembers."""
        pages = self.trail.get_paginator("lookup_events").paginate(
            LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": operation}])
        told = [json.loads(event["CloudTrailEvent"]) for page in pages for event in page["Events"]]
        return sum(self.name in json.dumps(event.get("requestParameters")) for event in told)


class Play:
    def __init__(self, options):
        self.options, self.failures = options, 0
        self.work = pathlib.Path(options.work)
        self.programs = Programs(self.work)
        self.cloud = Cloud(options.service)
        self.git, self.number, self.pushed, self.heads = self.work / "hello", None, 0.0, {}

    def problem(self, text):
        print(f"demo: {text}", file=sys.stderr, flush=True)
        self.failures += 1

    def expect(self, holds, text):
        if not holds:
            self.problem(text)

    # --- set-up ---

    def set_up(self):
        plain("starting GitHub (a model), GitHub's runner, and the bot on SQLite")
        self.cloud.record()
        self.programs.start("github", [self.options.sim])
        self.github = GitHub(until("GitHub's address", lambda: self.programs.log("github").strip(), 20))
        self.port, secret = free_port(), secrets.token_hex(20)
        app = self.github.act("app", webhook=f"http://127.0.0.1:{self.port}/webhooks/github", secret=secret)
        self.app = app["id"]
        for name, text in (("private-key.pem", app["pem"]), ("webhook-secret", secret)):
            path = self.work / name
            path.touch(mode=0o600)
            path.write_text(text)
        self.make_repository()
        self.start_bot()
        self.programs.start("runner", [
            sys.executable, str(SCRIPTS / "demo-runner.py"), "--github", self.github.address,
            "--repository", REPOSITORY, "--git", str(self.git), "--shipline", self.options.shipline,
            "--work", str(self.work),
        ])

    def make_repository(self):
        """On this machine and at GitHub, with the same commits."""
        shutil.copytree(SCRIPTS / "demo-app", self.git, ignore=shutil.ignore_patterns("load.py", "VERSION"))
        workflows = self.git / ".github" / "workflows"
        workflows.mkdir(parents=True)
        shutil.copy(SCRIPTS.parent / "workflows" / "build-for-deploy.yml", workflows)
        (self.git / ".github" / "shipline.yml").write_text(self.policy())
        self.run_git("init", "-q", "-b", "main")
        self.run_git("config", "user.name", WHO)
        self.run_git("config", "user.email", f"{WHO}@localhost")
        sha, files = self.commit("v1", "The first page")
        self.github.here("repository", sha=sha, files=files, message="The first page", author=WHO)
        self.github.here("user", login=WHO, role="maintain")
        self.github.here(
            "workflow", file="build-for-deploy.yml", name="build for deploy",
            inputs=["sha", "environment", "services", "deployment"], run_name="shipline ${{ inputs.deployment }}")

    def policy(self):
        name, registry = self.options.service, os.environ["SHIPLINE_WORLD_REGISTRY"]
        # On port 80 the registry has its real name, which Shipline knows by account and region.
        real = f"{os.environ['SHIPLINE_WORLD_ACCOUNT']}.dkr.ecr.{os.environ['AWS_REGION']}.amazonaws.com"
        other = "" if registry == real else f'registry: "{registry}", '
        return (
            "version: 1\n"
            "build: { workflow: build-for-deploy.yml }\n"
            "services:\n"
            f"  hello: {{ image: {{ {other}repository: {name}, context: ., dockerfile: Dockerfile }} }}\n"
            "environments:\n"
            "  staging:\n"
            f"    aws: {{ region: {os.environ['AWS_REGION']} }}\n"
            f"    services: {{ hello: {{ ecs: {{ cluster: {name}, service: {name}, container: app }} }} }}\n"
            f"    verify: [ {{ http: \"{self.cloud.url}health\", expect: 200, within: 30s }} ]\n"
        )

    def run_git(self, *arguments):
        command = ["git", "-C", str(self.git), *arguments]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def commit(self, version, message):
        """The new commit's name, and the files at it."""
        (self.git / "VERSION").write_text(f"{version}\n")
        self.run_git("add", "-A")
        self.run_git("commit", "-q", "-m", message)
        sha = self.run_git("rev-parse", "HEAD")
        self.heads[version] = sha
        names = self.run_git("ls-files").splitlines()
        return sha, {name: (self.git / name).read_text() for name in names}

    def start_bot(self):
        taken = ("PATH", "HOME", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
                 "AWS_EC2_METADATA_DISABLED")
        settings = {
            "SHIPLINE_LISTEN": f"127.0.0.1:{self.port}",
            "SHIPLINE_DATABASE_URL": f"sqlite://{self.work / 'bot.db'}",
            "SHIPLINE_GITHUB_API_URL": self.github.address,
            "SHIPLINE_GITHUB_APP_ID": str(self.app),
            "SHIPLINE_GITHUB_PRIVATE_KEY_FILE": str(self.work / "private-key.pem"),
            "SHIPLINE_WEBHOOK_SECRET_FILE": str(self.work / "webhook-secret"),
            # Shorter than usual, since somebody is watching.
            "SHIPLINE_LEASE": "3s", "SHIPLINE_EDITS": "1s",
        }
        self.programs.start(
            "bot", [self.options.bot, "serve"], env={k: os.environ[k] for k in taken if k in os.environ} | settings)

        def ready():
            if not self.programs.alive("bot"):
                raise Stuck("the bot ended")
            try:
                return ask(f"http://127.0.0.1:{self.port}/readyz", timeout=2)
            except OSError:
                return None

        until("the bot is ready", ready, 30)

    # --- what people do ---

    def push(self, version, message):
        sha, files = self.commit(version, message)
        if self.number is None:
            made = self.github.here(
                "pull", who=WHO, title=message, branch="greeting", sha=sha, files=files, message=message,
                body="A friendlier page.")
            self.number = made["number"]
            plain(f"{WHO} opened {REPOSITORY}#{self.number}: {message} ({version}, {sha[:7]})\n")
        else:
            self.github.here("push", pull=self.number, who=WHO, sha=sha, files=files, message=message)
            plain(f"{WHO} pushed {sha[:7]}: {message} ({version})\n")
        self.pushed = time.monotonic()

    def says(self, body):
        """The comment's number."""
        time.sleep(max(0.0, self.pushed + A_MOMENT - time.monotonic()))
        return self.github.here("says", who=WHO, issue=self.number, body=body)["comment"]

    def answers(self, after):
        said = self.github.here("conversation", issue=self.number)
        return [one for one in said if one["id"] > after and one["author"].endswith("[bot]")]

    def answered(self, comment, pattern):
        """Waits for an answer with that in it, shows what was said since, answers the text."""
        known = re.compile(pattern)
        try:
            until(f"an answer with {pattern!r}", lambda: any(known.search(a["body"]) for a in self.answers(comment)))
        finally:
            text = ask(self.github.page(self.number, f".txt?from={comment}"))
            plain(text)
        return text

    # --- requests ---

    def start_load(self):
        with open(self.work / "load.json", "w", encoding="utf-8") as out:
            self.programs.start(
                "load", [sys.executable, str(SCRIPTS / "demo-app" / "load.py"), self.cloud.url], stdout=out)

    def end_load(self):
        # The old tasks are still ending; requests go on until they are gone.
        until("the service settles", self.cloud.settled, 60)
        self.programs.end("load")
        result = json.loads((self.work / "load.json").read_text())
        plain("requests: {sent} sent, {failed} failed in {seconds} s, slowest {slowest_ms} ms, "
              "answered: {answers}".format(**result))
        self.expect(result["failed"] == 0, f"{result['failed']} requests failed: {result['failures']}")

    def expect_serving(self, version):
        answer = self.cloud.answers()
        plain(f"{self.cloud.url} answers: {answer}")
        self.expect(answer.split(" ")[0] == version, f"expected {version} to serve")

    # --- the play ---

    def pull_request(self):
        title("A pull request")
        self.push("v2", "Say hello")

    def plan(self):
        self.answered(self.says("/plan staging"), "staging")

    def first_deploy(self):
        title("The first deploy: the image is missing, so it is built; then it goes out under load")
        self.start_load()
        asked = time.monotonic()
        comment = self.says("/deploy staging")
        begun = max(asked, self.pushed + A_MOMENT)

        def eyes():
            said = self.github.here("conversation", issue=self.number)
            return any(one["id"] == comment and one["reactions"].get("eyes") for one in said)

        until("👀", eyes, 10, 0.01)
        plain(f"👀 on the comment after {time.monotonic() - begun:.2f} s\n")
        self.answered(comment, ENDED)
        self.end_load()
        self.expect_serving("v2")

    def broken_release(self):
        title("A broken release: it ends at start; the cause is shown and the old one serves")
        self.push("v3", "Keep the greeting in a database")
        self.start_load()
        text = self.answered(self.says("/deploy staging"), ENDED)
        self.end_load()
        self.expect("DATABASE_URL is not set" in text, "the cause (DATABASE_URL is not set) was not shown")
        self.expect_serving("v2")

    def killed_in_the_middle(self):
        title("The mended one; the bot is killed in the middle")
        self.push("v4", "Keep the greeting in a file again")
        changes = ("RegisterTaskDefinition", "UpdateService")
        before, primary = [self.cloud.calls(name) for name in changes], self.cloud.primary()
        self.start_load()
        comment = self.says("/deploy staging")
        sha = self.heads["v4"]

        def middle():
            runs = self.github.here("runs")
            return {
                "asked": True,
                "building": any(r["status"] == "queued" and r["inputs"].get("sha") == sha for r in runs),
                "rollout": self.cloud.primary() != primary,
            }[self.options.kill]

        until("the moment to kill the bot", middle, every=0.02)
        self.programs.end("bot", signal.SIGKILL)
        states = [one["body"].split("\n")[0].lstrip("# ") for one in self.answers(comment)]
        plain(f"kill -9 of the bot; it had said: {'; '.join(states) or 'nothing yet'}")
        time.sleep(1)
        self.start_bot()
        plain("the bot was started again\n")
        self.answered(comment, ENDED)
        self.end_load()
        made = [self.cloud.calls(name) - then for name, then in zip(changes, before)]
        plain("asked of AWS, by both processes together: "
              + ", ".join(f"{count} {name}" for name, count in zip(changes, made)))
        self.expect(made == [1, 1], "expected exactly one of each")
        self.expect(len(self.answers(comment)) == 1, "expected exactly one comment about it")
        self.expect_serving("v4")

    def back(self):
        title("Back to the release before; the environment is locked then")
        self.start_load()
        text = self.answered(self.says("/rollback staging"), ENDED)
        self.end_load()
        self.expect("locked" in text, "the lock was not shown")
        self.expect_serving("v2")
        self.answered(self.says("/deploy staging"), "locked")
        self.expect_serving("v2")

    def afterwards(self):
        title("Unlocked; what runs where")
        self.answered(self.says("/unlock staging"), "unlock|open|🔓")
        self.answered(self.says("/status"), "staging")

    # --- the end ---

    def show_logs(self):
        for name in ("bot", "runner"):
            lines = self.programs.log(name).splitlines()[-20:]
            print("\n".join([f"--- the end of {self.work / name}.log", *lines]), file=sys.stderr)

    def end(self, finished):
        if self.number is not None:
            page = pathlib.Path(self.options.page)
            try:
                page.write_text(ask(self.github.page(self.number)), encoding="utf-8")
            except OSError as error:
                self.problem(f"the page cannot be kept: {error}")
            else:
                plain(f"\nthe conversation as GitHub would show it: {page}")
        if self.options.keep and finished and not self.failures:
            self.how_to_play_on()
            return
        for name in list(self.programs.running):
            self.programs.end(name)

    def how_to_play_on(self):
        says = json.dumps({"repository": REPOSITORY, "who": WHO, "issue": self.number, "body": "/history staging"})
        plain(
            f"\nLeft running: {self.github.page(self.number, '?refresh=2')}\nTo write a comment:\n\n"
            f"  curl -d '{says}' {self.github.address}/_sim/github/says")


if __name__ == "__main__":
    main()
