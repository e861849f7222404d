"""What the steps of tests/act/story.yml check: outputs, and what serves."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request

NAME = os.environ["STORY_NAME"]


def serves(version):
    endpoint = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL"])
    suffix = f":{endpoint.port}" if endpoint.port else ""
    # Asked by address: the C library does not resolve names below localhost by itself.
    request = urllib.request.Request(f"http://127.0.0.1{suffix}/", headers={"Host": f"{NAME}.alb.localhost{suffix}"})
    # ECS calls a deployment done while the load balancer still drains the old tasks: both may
    # answer for a moment. What counts is that the old ones stop doing so.
    answers = []
    began = time.monotonic()
    while answers[-5:] != [version] * 5:
        with urllib.request.urlopen(request, timeout=10) as answer:
            answers.append(answer.read().decode().strip())
        assert time.monotonic() - began < 10, f"{answers[-5:]} serve, not {version}"
        time.sleep(0.1)
    print(f"{version} serves")


def commit(version):
    with open("app/VERSION", "w") as file:
        file.write(f"{version}\n")
    git = ["git", "-c", "user.name=act", "-c", "user.email=act@localhost"]
    subprocess.run([*git, "commit", "-q", "-a", "-m", version], check=True)


def report():
    told = json.loads(os.environ["REPORT"])
    assert told["schema_version"] == 1, told
    return told, told["services"][0]


def outputs():
    told, service = report()
    output = os.environ
    assert output["RESULT"] == told["result"] == "succeeded", told
    assert re.fullmatch("sha256:[0-9a-f]{64}", output["DIGEST"]), output["DIGEST"]
    assert output["DIGEST"] == service["digest"], told
    assert f"/{NAME}:" in output["IMAGE"] and output["IMAGE"].endswith(f"@{output['DIGEST']}"), output["IMAGE"]
    family = f"arn:aws:ecs:us-east-1:[0-9]+:task-definition/{NAME}:[0-9]+"
    assert re.fullmatch(family, output["TASK_DEFINITION"]), output["TASK_DEFINITION"]
    assert re.fullmatch(family, output["PREVIOUS"]), output["PREVIOUS"]
    assert output["TASK_DEFINITION"] != output["PREVIOUS"]
    assert output["PREVIOUS"] in output["BACK"], output["BACK"]
    head = subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    assert told["commit"] == head and head in service["tags"], told
    # git, docker and buildx are in the action's image: with any of them missing nothing is built.
    assert service["origin"] == "built", told
    print(f"{output['IMAGE']} as {output['TASK_DEFINITION']}")


def failed():
    told, service = report()
    assert os.environ["OUTCOME"] == "failure", os.environ["OUTCOME"]
    assert os.environ["RESULT"] == told["result"] == "rolled-back", told
    cause = service["cause"]
    assert cause["exit"]["code"] == 1, cause
    assert any("DATABASE_URL is not set" in line for line in cause["log"]["lines"]), cause
    print(cause["summary"])


globals()[sys.argv[1]](*sys.argv[2:])
