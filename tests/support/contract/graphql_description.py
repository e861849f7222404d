"""Checks GraphQL requests and answers against GitHub's published schema.

The schema is npm's `@octokit/graphql-schema`; graphql-js reads it, run by this Python environment's node.
"""

import json
import pathlib
import subprocess

import npm_package

SCHEMA = "15.26.1"
GRAPHQL = "16.15.0"


def problems(cases):
    """What is wrong with `{"name", "query", "variables", "answer"}`; the last two may be absent."""
    checker = pathlib.Path(__file__).with_name("graphql_check.mjs")
    schema = npm_package.unpacked("@octokit/graphql-schema", SCHEMA, "schema.graphql") / "schema.graphql"
    command = [npm_package.program("node"), checker, npm_package.unpacked("graphql", GRAPHQL), schema]
    done = subprocess.run(command, input=json.dumps(cases), stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)
