"""Checks requests and answers against GitHub's own OpenAPI description.

The description is npm's `@octokit/openapi`.
"""

import functools
import json
import re
import urllib.parse

import jsonschema
import referencing
import referencing.jsonschema

import npm_package

VERSION = "23.0.2"
BASE = "urn:github"
# Parameters at the end of an address that may hold slashes.
WITH_SLASHES = ("path", "branch", "ref", "basehead")
# What GitHub answers to anybody anywhere; the description names these statuses for some operations only.
EVERYWHERE = {"401": "basic-error", "403": "basic-error", "404": "basic-error", "422": "validation-error-simple",
              "500": "basic-error", "502": "basic-error"}

FORMATS = jsonschema.FormatChecker(formats=())


@FORMATS.checks("date-time")
def _is_instant(value):
    return not isinstance(value, str) or bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", value))


@FORMATS.checks("uri")
def _is_uri(value):
    # GitHub's own examples have empty addresses of deployment statuses.
    return not isinstance(value, str) or value == "" or bool(re.match(r"[a-z][a-z0-9+.-]*:", value))


@functools.cache
def description():
    folder = npm_package.unpacked("@octokit/openapi", VERSION, "generated/api.github.com.json")
    document = json.loads((folder / "generated/api.github.com.json").read_bytes())
    # Written out here, with an account that is a user and an enterprise at once.
    listed = document["paths"]["/app/installations"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    listed["items"] = {"$ref": "#/components/schemas/installation"}
    return _as_json_schema(document)


@functools.cache
def _registry():
    resource = referencing.jsonschema.DRAFT202012.create_resource(description())
    return referencing.Registry().with_resource(BASE, resource)


def _as_json_schema(node):
    """OpenAPI 3.0 says `nullable` where JSON Schema has a null type."""
    if isinstance(node, list):
        return [_as_json_schema(inner) for inner in node]
    if not isinstance(node, dict):
        return node
    node = {name: _as_json_schema(inner) for name, inner in node.items()}
    if isinstance(node.get("$ref"), str):
        node["$ref"] = BASE + node["$ref"]
    if node.pop("nullable", False) is True:
        return {"anyOf": [node, {"type": "null"}]}
    return node


def _resolved(node):
    while isinstance(node, dict) and "$ref" in node:
        target = description()
        for part in node["$ref"].removeprefix(f"{BASE}#/").split("/"):
            target = target[part]
        node = target
    return node


@functools.cache
def _templates():
    """Patterns of all addresses, the plainest first."""
    found = []
    for template in description()["paths"]:
        names = re.findall(r"\{([^}]+)\}", template)
        pattern = re.escape(template)
        for name in names:
            last = template.endswith("{" + name + "}") and name in WITH_SLASHES
            pattern = pattern.replace(re.escape("{" + name + "}"), "(.+)" if last else "([^/]+)")
        found.append((names, re.compile(pattern), template))
    return sorted(found, key=lambda one: ("(.+)" in one[1].pattern, len(one[0])))


@functools.cache
def found(method, path):
    """Template, description and parameters of the operation behind a real path."""
    for names, pattern, template in _templates():
        fits = pattern.fullmatch(path)
        if fits and method.lower() in description()["paths"][template]:
            return template, description()["paths"][template][method.lower()], dict(zip(names, fits.groups()))
    return None


def _validator(schema):
    return jsonschema.Draft202012Validator(schema, registry=_registry(), format_checker=FORMATS)


def _deepest(error):
    """The most telling error below one that says "not valid under any of the given schemas"."""
    while error.context:
        choices = {}
        for inner in error.context:
            choices.setdefault(inner.schema_path[0], []).append(inner)
        # The choice that was meant is the one that nearly fits.
        error = min(choices.values(), key=lambda errors: (any(one.validator == "type" for one in errors), len(errors)))[0]
    return error


def _problems(schema, document, where):
    told = []
    for error in _validator(schema).iter_errors(document):
        deepest = _deepest(error)
        told.append(f"{where}: {'/'.join(map(str, deepest.absolute_path))}: {deepest.message[:300]}")
    return told


def _speaking(schema, document):
    """Every schema that says something about the members of a document."""
    schema = _resolved(schema)
    yield schema
    for inner in schema.get("allOf", []):
        yield from _speaking(inner, document)
    for choice in schema.get("anyOf", []) + schema.get("oneOf", []):
        if _validator(choice).is_valid(document):
            yield from _speaking(choice, document)


def _unknown(schema, document, where):
    """Members of the document that the description does not name."""
    if not isinstance(document, (dict, list)):
        return []
    schemas = list(_speaking(schema, document))
    if isinstance(document, list):
        items = [one["items"] for one in schemas if "items" in one]
        return [problem for inner in document for one in items[:1] for problem in _unknown(one, inner, where)]
    known, others = {}, []
    for one in schemas:
        known.update(one.get("properties", {}))
        others.append(one.get("additionalProperties"))
    anything = any(other is True or isinstance(other, dict) for other in others)
    told = []
    for name, inner in document.items():
        if name in known:
            told += _unknown(known[name], inner, f"{where}.{name}")
        elif known and not anything:
            told.append(f"{where}: unknown member {name}")
    return told


def _checked(schema, document, where):
    return _problems(schema, document, where) + _unknown(schema, document, where)


def problems(method, path, status, document):
    """What is wrong with an answer; no document stands for an empty body."""
    where = f"{method} {path} {status}"
    known = found(method, path)
    if known is None:
        return [f"{where}: no such operation"]
    answer = known[1]["responses"].get(str(status))
    if answer is None:
        if str(status) not in EVERYWHERE:
            return [f"{where}: not a documented status"]
        return _problems({"$ref": f"{BASE}#/components/schemas/{EVERYWHERE[str(status)]}"}, document, where)
    content = _resolved(answer).get("content", {})
    schemas = [content[kind]["schema"] for kind in ("application/json", "application/scim+json") if kind in content]
    if not schemas and status >= 400:
        return _problems({"$ref": f"{BASE}#/components/schemas/basic-error"}, document, where)
    if not schemas:
        return [] if document in (None, {}) else [f"{where}: has a body, and none is documented"]
    if document is None:
        return [f"{where}: has no body"]
    return _checked(schemas[0], document, where)


def _as_told(schema, text, parameter):
    """The text of an address as the type that is wanted."""
    if "date-time range" in parameter.get("description", ""):
        # `>=2026-01-02`, in the syntax of a search: the type speaks of one instant only.
        day = re.fullmatch(r"(?:[<>]=?)?(\d{4}-\d\d-\d\d)(T.*)?", text)
        return f"{day.group(1)}{day.group(2) or 'T00:00:00Z'}" if day else text
    schema = _resolved(schema)
    wanted = {kind for one in [schema, *schema.get("oneOf", []), *schema.get("anyOf", [])] for kind in [one.get("type")]}
    if "integer" in wanted and re.fullmatch(r"-?\d+", text):
        return int(text)
    if "boolean" in wanted and text in ("true", "false"):
        return text == "true"
    return text


def request_problems(method, path, document, query=""):
    """What is wrong with a request: its address, its query, its body."""
    where = f"{method} {path}"
    known = found(method, path)
    if known is None:
        return [f"{where}: no such operation"]
    _, operation, in_path = known
    parameters = [_resolved(one) for one in operation.get("parameters", [])]
    given = {"path": in_path, "query": dict(urllib.parse.parse_qsl(query, keep_blank_values=True))}
    told = []
    for place, values in given.items():
        described = {one["name"]: one for one in parameters if one["in"] == place}
        for name, value in values.items():
            if name in described:
                schema = described[name]["schema"]
                value = urllib.parse.unquote(value) if place == "path" else value
                told += _problems(schema, _as_told(schema, value, described[name]), f"{where} {place} {name}")
            elif place == "query":
                told.append(f"{where}: unknown query parameter {name}")
        told += [f"{where}: {name} is missing" for name, one in described.items() if one.get("required") and name not in values]
    body = _resolved(operation.get("requestBody", {}))
    content = body.get("content", {}).get("application/json")
    if content is None:
        return told if document in (None, {}, "") else told + [f"{where}: has a body, and none is documented"]
    if document in (None, ""):
        return told + [f"{where}: has no body"] if body.get("required") else told
    return told + _checked(content["schema"], document, where)


def webhook_problems(event, payload):
    """What is wrong with a webhook's payload."""
    action = payload.get("action")
    name = "-".join(part.replace("_", "-") for part in (event, action) if part)
    known = description()["x-webhooks"].get(name)
    if known is None:
        return [f"{event}.{action}: GitHub sends no such thing"]
    told = _checked(known["post"]["requestBody"]["content"]["application/json"]["schema"], payload, name)
    # Examples have them in every repository; the description only in the one the event is about.
    return [problem for problem in told if not problem.endswith(".repo: unknown member custom_properties")]
