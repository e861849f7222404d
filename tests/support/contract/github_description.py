"""Checks answers against GitHub's own OpenAPI description.

The description is npm's `@octokit/openapi`, fetched once into a cache outside
the checkout (`npm pack`, no install) with the npm of this Python environment.
"""

import functools
import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile

import jsonschema

VERSION = "23.0.2"


@functools.cache
def description():
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "shipline-contract"
    path = cache / f"api.github.com-{VERSION}.json"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        npm = [pathlib.Path(sys.executable).with_name("npm"), "pack", "--silent", f"@octokit/openapi@{VERSION}"]
        subprocess.run(npm, cwd=cache, check=True, stdout=subprocess.DEVNULL)
        archive = cache / f"octokit-openapi-{VERSION}.tgz"
        with tarfile.open(archive) as packed:
            content = packed.extractfile("package/generated/api.github.com.json").read()
        archive.unlink()
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_bytes(content)
        partial.rename(path)
    return _as_json_schema(json.loads(path.read_bytes()))


def _as_json_schema(node):
    """OpenAPI 3.0 says `nullable` where JSON Schema has a null type."""
    if isinstance(node, list):
        return [_as_json_schema(inner) for inner in node]
    if not isinstance(node, dict):
        return node
    node = {name: _as_json_schema(inner) for name, inner in node.items()}
    if node.pop("nullable", False) is True:
        return {"anyOf": [node, {"type": "null"}]}
    return node


def operation(method, path):
    """The description of the operation behind a real path."""
    for template, methods in description()["paths"].items():
        pattern = re.sub(r"\\\{[^}]+\\\}", "[^/]+", re.escape(template))
        if method.lower() in methods and re.fullmatch(pattern, path):
            return methods[method.lower()]
    return None


def _resolved(node):
    while "$ref" in node:
        target = description()
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def _problems(schema, document, where):
    root = {"components": description()["components"], **schema}
    found = jsonschema.Draft202012Validator(root).iter_errors(document)
    return [f"{where}: {'/'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in found]


def _unknown(schema, document, where):
    """Members of the answer that the description does not name."""
    schema = _resolved(schema)
    for choice in schema.get("anyOf", []) + schema.get("oneOf", []):
        if not _problems(choice, document, where):
            return _unknown(choice, document, where)
    if isinstance(document, list) and "items" in schema:
        return [problem for inner in document for problem in _unknown(schema["items"], inner, where)]
    known = schema.get("properties")
    if not isinstance(document, dict) or not known:
        return []
    found = [f"{where}: unknown member {name}" for name in document if name not in known]
    for name, inner in document.items():
        if name in known:
            found += _unknown(known[name], inner, f"{where}.{name}")
    return found


def problems(method, path, status, document):
    """What is wrong with an answer."""
    where = f"{method} {path} {status}"
    known = operation(method, path)
    if known is None:
        return [f"{where}: no such operation"]
    answer = known["responses"].get(str(status))
    if answer is None:
        return [] if status == 401 else [f"{where}: not a documented status"]
    content = _resolved(answer).get("content", {}).get("application/json")
    if content is None:
        return []
    return _problems(content["schema"], document, where) + _unknown(content["schema"], document, where)


def request_problems(method, path, document):
    """What is wrong with a request body."""
    known = operation(method, path)
    content = (known or {}).get("requestBody", {}).get("content", {}).get("application/json")
    return _problems(content["schema"], document, f"{method} {path}") if content else []
