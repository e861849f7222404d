"""Starts `shipline-sim` and gives boto3 clients whose every answer is checked."""

import json
import os
import pathlib
import subprocess
import time
import unittest
import urllib.request

import boto3
import botocore.config
from botocore.exceptions import ClientError

import shapes

ROOT = pathlib.Path(__file__).resolve().parents[3]
ACCOUNT = "111122223333"
REGION = "us-east-1"
# Errors every AWS service may answer to every operation.
COMMON = {
    "AccessDeniedException", "AccessDenied", "ThrottlingException", "Throttling", "UnknownOperationException",
    "InvalidAction", "ExpiredTokenException", "ExpiredToken", "UnrecognizedClientException", "InvalidClientTokenId",
    "ValidationError", "ServerException", "InternalFailure", "InternalServiceErrorException", "500",
}


def binary():
    """The program: SHIPLINE_SIM, or built here."""
    if os.environ.get("SHIPLINE_SIM"):
        return os.environ["SHIPLINE_SIM"]
    subprocess.run(["cargo", "build", "--quiet", "-p", "shipline-test-support"], cwd=ROOT, check=True)
    target = os.environ.get("CARGO_TARGET_DIR", ROOT / "target")
    return str(pathlib.Path(target) / "debug" / "shipline-sim")


class SimulatorTest(unittest.TestCase):
    """One process for all tests of a class, emptied before each."""

    @classmethod
    def setUpClass(cls):
        cls.process = subprocess.Popen([binary(), "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
        cls.endpoint = cls.process.stdout.readline().strip()

    @classmethod
    def tearDownClass(cls):
        cls.process.terminate()
        cls.process.wait()
        cls.process.stdout.close()

    def setUp(self):
        self.control("POST", "reset")
        self.violations = []

    def tearDown(self):
        self.assertEqual(self.violations, [])

    def control(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.endpoint}/_sim/{path}", data=data, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def seed(self, **members):
        return self.control("POST", "seed", members)

    def calls(self, service="", operation=""):
        return self.control("GET", f"calls?service={service}&operation={operation}")["calls"]

    def client(self, service, key="AKIAEXAMPLE", secret="secret", token=None, retries=1, read_timeout=10, session=boto3):
        config = botocore.config.Config(retries={"total_max_attempts": retries}, read_timeout=read_timeout)
        client = session.client(service, region_name=REGION, endpoint_url=self.endpoint, aws_access_key_id=key,
                              aws_secret_access_key=secret, aws_session_token=token, config=config)

        def checked(http_response, parsed, model, **_):
            if http_response.status_code < 300:
                self.violations += shapes.problems(service, model.name, http_response.content)
                return
            code = parsed.get("Error", {}).get("Code", "")
            if code not in COMMON:
                self.violations += shapes.error_problems(service, model.name, code)

        client.meta.events.register("after-call", checked)
        return client

    def refused(self, code, call, **arguments):
        with self.assertRaises(ClientError) as caught:
            call(**arguments)
        error = caught.exception.response
        self.assertEqual(error["Error"]["Code"], code, error)
        return error

    def until(self, wanted, look, seconds=5):
        """Calls `look` until it answers something `wanted` likes."""
        deadline = time.monotonic() + seconds
        while True:
            found = look()
            if wanted(found):
                return found
            if time.monotonic() > deadline:
                self.fail(f"still {found}")
            time.sleep(0.01)
