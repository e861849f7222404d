"""Checks webhook payloads against the schemas and example payloads that octokit collects.

Schemas: npm's `@octokit/webhooks-schemas`. Examples: npm's `@octokit/webhooks-examples`. GitHub's own
description (`github_description`) is newer, and right where the two differ.
"""

import functools
import json
import re

import jsonschema

import npm_package

VERSION = "7.6.1"
# What these schemas say and GitHub's own description does not.
OUTDATED = (
    # Every App has one since 2024.
    r"'client_id' was unexpected",
    # Absent when no workflow made the deployment; a payload is a text or an object.
    r"^deployment_status.*(check_run|workflow|workflow_run): None is not of type 'object'",
    r"^deployment_status.*deployment/payload: '.*' is not of type 'object'",
    # Empty when nobody said one, like the other addresses of a status.
    r"^deployment_status.*deployment_status/log_url: '' is not a 'uri'",
    # An App's own hook has no address below a repository.
    r"^ping.* hook: '(url|ping_url)' is a required property",
    # The commit is told beside the deployment since a job may make none.
    r"^deployment_protection_rule.*\('ref', 'sha' were unexpected\)",
    # Pull requests there are those of the API.
    r"^deployment_protection_rule.* pull_requests/\d+/(base|head)/repo: 'custom_properties' is a required property",
    # Younger than these lists of events.
    r"/events/\d+: 'deployment_protection_rule' is not one of",
    # Nobody asked: the owner installed it.
    r"^installation.* requester: None is not of type 'object'",
)
# Members of examples that depend on whose they are.
OPTIONAL = (
    # What an App was granted.
    r"\.permissions: ",
    # Pull requests only.
    r"\.issue: no draft$",
    r"^ping\.hook: no (url|ping_url)$",
    # A hook of an App: neither repository nor sender.
    r"^ping: no (sender|repository)$",
)


FORMATS = jsonschema.FormatChecker(formats=())


@FORMATS.checks("uri")
def _is_uri(value):
    return not isinstance(value, str) or bool(re.match(r"[a-z][a-z0-9+.-]*:", value))


@functools.cache
def schemas():
    return json.loads((npm_package.unpacked("@octokit/webhooks-schemas", VERSION) / "schema.json").read_bytes())


@functools.cache
def examples():
    """Payloads by `event.action`."""
    listed = json.loads((npm_package.unpacked("@octokit/webhooks-examples", VERSION) / "api.github.com/index.json").read_bytes())
    found = {}
    for event in listed:
        for example in event["examples"]:
            found.setdefault(".".join(part for part in (event["name"], example.get("action")) if part), []).append(example)
    return found


def _deepest(error):
    while error.context:
        error = max(error.context, key=lambda inner: len(inner.absolute_path))
    return error


def schema_problems(event, payload):
    action = payload.get("action", "event")
    name = f"{event}${action}"
    if name not in schemas()["definitions"]:
        return [f"{event}.{action}: GitHub sends no such thing"]
    root = {"definitions": schemas()["definitions"], "$ref": f"#/definitions/{name}"}
    found = jsonschema.Draft7Validator(root, format_checker=FORMATS).iter_errors(payload)
    told = []
    for error in found:
        deepest = _deepest(error)
        told.append(f"{name}: {'/'.join(map(str, deepest.absolute_path))}: {deepest.message[:300]}")
    return [problem for problem in told if not any(re.search(known, problem) for known in OUTDATED)]


def _missing(examples, payload, where):
    """Members that every example has here, and the payload has not."""
    if isinstance(payload, list):
        inner = [one for example in examples if isinstance(example, list) for one in example]
        return [problem for one in payload[:1] for problem in _missing(inner, one, f"{where}[]")]
    examples = [example for example in examples if isinstance(example, dict)]
    if not isinstance(payload, dict) or not examples:
        return []
    told = []
    for name in sorted(set.intersection(*map(set, examples))):
        if name not in payload:
            told.append(f"{where}: no {name}")
        else:
            told += _missing([example[name] for example in examples], payload[name], f"{where}.{name}")
    return told


def example_problems(name, payload):
    """Every member that all of GitHub's examples of this event and action have."""
    known = examples().get(name)
    if not known:
        return []
    return [problem for problem in _missing(known, payload, name) if not any(re.search(one, problem) for one in OPTIONAL)]
