#!/usr/bin/env python3
"""Plays GitHub's runner for `scripts/demo --bot`.

Looks at the model of GitHub for workflow runs that were started, and does for each what
workflows/build-for-deploy.yml does: checks the asked commit out of a local git repository, runs
`shipline build` there, for real, and ends the run with what came of it. GitHub tells the bot then.
It ends when it is asked to, or when GitHub is gone.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

EVERY = 0.2


def act(github, name, /, **members):
    request = urllib.request.Request(f"{github}/_sim/github/{name}", json.dumps(members).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def build(options, run):
    """The conclusion of one run."""
    inputs = run["inputs"]
    services = [name for name in inputs.get("services", "").split(",") if name]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "INPUT_"))}
    with tempfile.TemporaryDirectory(dir=options.work) as checkout:
        for command in (
            ["git", "clone", "-q", "--no-checkout", options.git, checkout],
            ["git", "-C", checkout, "checkout", "-q", "--detach", inputs["sha"]],
            [options.shipline, "build", inputs["environment"], *services, "--sha", inputs["sha"]],
        ):
            print(f"run {run['id']}: {' '.join(command)}", flush=True)
            ended = subprocess.run(command, cwd=checkout, env=environment, stdin=subprocess.DEVNULL)
            if ended.returncode != 0:
                print(f"run {run['id']}: exit code {ended.returncode}", flush=True)
                return "failure"
    return "success"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--github", required=True, help="address of the model")
    parser.add_argument("--repository", required=True, help="owner/name there")
    parser.add_argument("--git", required=True, help="folder of the git repository with its commits")
    parser.add_argument("--shipline", required=True, help="program that builds")
    parser.add_argument("--work", required=True, help="folder for checkouts")
    options = parser.parse_args()
    while True:
        try:
            runs = act(options.github, "runs", repository=options.repository)
            for run in (run for run in runs if run["status"] == "queued"):
                began = time.monotonic()
                conclusion = build(options, run)
                print(f"run {run['id']}: {conclusion} after {time.monotonic() - began:.1f} s", flush=True)
                act(options.github, "finish", repository=options.repository, run=run["id"], conclusion=conclusion)
        except urllib.error.HTTPError as refused:
            # Somebody cancelled the run meanwhile; anything else is worth knowing too.
            print(f"GitHub refuses: {refused.read().decode(errors='replace')}", flush=True)
        except OSError:
            sys.exit("GitHub is gone")
        time.sleep(EVERY)


if __name__ == "__main__":
    main()
