"""Credentials, ECR, logs and what goes wrong on the wire."""

import base64
import json
import time
import unittest
import urllib.request

from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError
from botocore.exceptions import HTTPClientError

from simulator import ACCOUNT, SimulatorTest

ROLE = f"arn:aws:iam::{ACCOUNT}:role/shipline-staging"
ISSUER = "https://token.actions.githubusercontent.com"


def token(**claims):
    part = lambda document: base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()
    base = {"iss": ISSUER, "aud": "sts.amazonaws.com", "sub": "repo:acme/shop:ref:refs/heads/main", "exp": int(time.time()) + 300}
    return f"{part({'alg': 'RS256'})}.{part({**base, **claims})}.c2ln"


class Credentials(SimulatorTest):
    def assume(self, duration=3600, **claims):
        return self.client("sts").assume_role_with_web_identity(
            RoleArn=ROLE, RoleSessionName="run-1", WebIdentityToken=token(**claims), DurationSeconds=duration)

    def session(self, service, given):
        c = given["Credentials"]
        return self.client(service, c["AccessKeyId"], c["SecretAccessKey"], c["SessionToken"])

    def test_a_web_identity_becomes_a_role(self):
        self.seed(roles=[{"arn": ROLE, "audience": "sts.amazonaws.com", "subjects": ["repo:acme/shop:*"]}])
        given = self.assume()
        self.assertEqual(given["SubjectFromWebIdentityToken"], "repo:acme/shop:ref:refs/heads/main")
        self.assertEqual(given["Audience"], "sts.amazonaws.com")
        self.assertEqual(given["AssumedRoleUser"]["Arn"], f"arn:aws:sts::{ACCOUNT}:assumed-role/shipline-staging/run-1")
        who = self.session("sts", given).get_caller_identity()
        self.assertEqual((who["Account"], who["Arn"]), (ACCOUNT, given["AssumedRoleUser"]["Arn"]))

    def test_the_trust_policy_is_enforced(self):
        self.seed(roles=[{"arn": ROLE, "audience": "sts.amazonaws.com", "subjects": ["repo:acme/shop:environment:production"],
                          "issuer": ISSUER, "provider_audiences": ["sts.amazonaws.com", "other"], "max_session_seconds": 3600}])
        sts = self.client("sts")
        call = lambda **claims: dict(RoleArn=ROLE, RoleSessionName="run", WebIdentityToken=token(**claims))
        error = self.refused("AccessDenied", sts.assume_role_with_web_identity, **call())
        self.assertEqual(error["Error"]["Message"], "Not authorized to perform sts:AssumeRoleWithWebIdentity")
        self.assertEqual(error["ResponseMetadata"]["HTTPStatusCode"], 403)
        good = {"sub": "repo:acme/shop:environment:production"}
        self.refused("AccessDenied", sts.assume_role_with_web_identity, **call(aud="other", **good))
        self.refused("InvalidIdentityToken", sts.assume_role_with_web_identity, **call(aud="unknown", **good))
        self.refused("InvalidIdentityToken", sts.assume_role_with_web_identity, **call(iss="https://evil.example", **good))
        self.refused("ExpiredTokenException", sts.assume_role_with_web_identity, **call(exp=1, **good))
        self.refused("InvalidIdentityToken", sts.assume_role_with_web_identity, RoleArn=ROLE, RoleSessionName="run", WebIdentityToken="x.y.z!")
        self.refused("ValidationError", sts.assume_role_with_web_identity, DurationSeconds=7200, **call(**good))
        sts.assume_role_with_web_identity(**call(**good))

    def test_roles_are_chained_with_an_external_id(self):
        second = f"arn:aws:iam::{ACCOUNT}:role/deploy"
        self.seed(roles=[{"arn": ROLE}, {"arn": second, "external_id": "x-1", "assumable_by": ["assumed-role/shipline-staging/"]}])
        sts = self.session("sts", self.assume())
        given = sts.assume_role(RoleArn=second, RoleSessionName="chained", ExternalId="x-1", DurationSeconds=3600)
        self.assertTrue(given["AssumedRoleUser"]["Arn"].endswith("assumed-role/deploy/chained"))
        self.refused("AccessDenied", sts.assume_role, RoleArn=second, RoleSessionName="chained", ExternalId="wrong")
        self.refused("ValidationError", sts.assume_role, RoleArn=second, RoleSessionName="chain", ExternalId="x-1", DurationSeconds=7200)
        self.refused("AccessDenied", self.client("sts").assume_role, RoleArn=second, RoleSessionName="chain", ExternalId="x-1")

    def test_short_sessions_expire_everywhere(self):
        self.seed(credentials={"enforce": True, "keys": ["AKIAEXAMPLE"], "lifetime_ms": 300},
                  clusters=[{"name": "shop"}])
        given = self.assume()
        ecs = self.session("ecs", given)
        ecs.list_services(cluster="shop")
        time.sleep(0.35)
        self.refused("ExpiredTokenException", ecs.list_services, cluster="shop")
        self.refused("ExpiredToken", self.session("sts", given).get_caller_identity)
        self.refused("UnrecognizedClientException", self.client("ecs", key="AKIAUNKNOWN").list_services, cluster="shop")
        self.client("ecs").list_services(cluster="shop")
        keys = [call["access_key_id"] for call in self.calls("ecs", "ListServices")]
        self.assertEqual(keys, [given["Credentials"]["AccessKeyId"]] * 2 + ["AKIAUNKNOWN", "AKIAEXAMPLE"])


class Registry(SimulatorTest):
    def setUp(self):
        super().setUp()
        self.ecr = self.client("ecr")
        self.seed(repositories=[{"name": "shop/api", "immutable": True}, {"name": "shop/web"}])
        self.made = self.seed(images=[
            {"repository": "shop/api", "tags": ["v1"], "labels": {"org.opencontainers.image.revision": "a" * 40}},
            {"repository": "shop/api", "tags": ["v2"]}])["images"]

    def test_the_labels_of_an_image_can_be_read(self):
        image = self.ecr.batch_get_image(repositoryName="shop/api", imageIds=[{"imageTag": "v1"}])["images"][0]
        self.assertEqual(image["imageId"], {"imageDigest": self.made[0]["digest"], "imageTag": "v1"})
        config = json.loads(image["imageManifest"])["config"]["digest"]
        url = self.ecr.get_download_url_for_layer(repositoryName="shop/api", layerDigest=config)["downloadUrl"]
        document = json.load(urllib.request.urlopen(url))
        self.assertEqual(document["config"]["Labels"]["org.opencontainers.image.revision"], "a" * 40)
        self.refused("LayersNotFoundException", self.ecr.get_download_url_for_layer, repositoryName="shop/api", layerDigest="sha256:" + "0" * 64)

    def test_tags_are_added_and_immutable_ones_stay(self):
        get = lambda tag: self.ecr.batch_get_image(repositoryName="shop/api", imageIds=[{"imageTag": tag}])["images"][0]["imageManifest"]
        first, second = get("v1"), get("v2")
        put = self.ecr.put_image(repositoryName="shop/api", imageManifest=first, imageTag="stable")
        self.assertEqual(put["image"]["imageId"], {"imageDigest": self.made[0]["digest"], "imageTag": "stable"})
        self.refused("ImageAlreadyExistsException", self.ecr.put_image, repositoryName="shop/api", imageManifest=first, imageTag="stable")
        self.refused("ImageTagAlreadyExistsException", self.ecr.put_image, repositoryName="shop/api", imageManifest=second, imageTag="stable")
        self.refused("ImageDigestDoesNotMatchException", self.ecr.put_image, repositoryName="shop/api", imageManifest=second,
                     imageTag="n", imageDigest=self.made[0]["digest"])
        self.refused("LayersNotFoundException", self.ecr.put_image, repositoryName="shop/web", imageManifest=first, imageTag="v1")
        tags = self.ecr.describe_images(repositoryName="shop/api", imageIds=[{"imageTag": "stable"}])["imageDetails"][0]["imageTags"]
        self.assertEqual(tags, ["v1", "stable"])

    def test_a_mutable_tag_moves(self):
        self.seed(images=[{"repository": "shop/web", "tags": ["a"]}, {"repository": "shop/web", "tags": ["b"]}])
        manifest = self.ecr.batch_get_image(repositoryName="shop/web", imageIds=[{"imageTag": "b"}])["images"][0]["imageManifest"]
        self.ecr.put_image(repositoryName="shop/web", imageManifest=manifest, imageTag="a")
        tags = [d.get("imageTags") for d in self.ecr.describe_images(repositoryName="shop/web")["imageDetails"]]
        self.assertEqual(tags, [None, ["b", "a"]])

    def test_what_is_missing_is_told_as_documented(self):
        found = self.ecr.batch_get_image(repositoryName="shop/api", imageIds=[{"imageTag": "none"}, {"imageDigest": "sha256:" + "0" * 64}])
        self.assertEqual([f["failureCode"] for f in found["failures"]], ["ImageNotFound"] * 2)
        self.refused("ImageNotFoundException", self.ecr.describe_images, repositoryName="shop/api", imageIds=[{"imageTag": "none"}])
        self.refused("RepositoryNotFoundException", self.ecr.batch_get_image, repositoryName="none", imageIds=[{"imageTag": "v1"}])
        self.refused("RepositoryNotFoundException", self.ecr.describe_repositories, repositoryNames=["none"])
        known = self.ecr.describe_repositories()["repositories"]
        self.assertEqual([r["imageTagMutability"] for r in known], ["IMMUTABLE", "MUTABLE"])

    def test_a_login(self):
        given = self.ecr.get_authorization_token(registryIds=["444455556666"])["authorizationData"][0]
        user, password = base64.b64decode(given["authorizationToken"]).decode().split(":", 1)
        self.assertEqual(user, "AWS")
        self.assertTrue(given["proxyEndpoint"].startswith("https://444455556666.dkr.ecr."))


    def test_a_login_to_the_public_registry(self):
        given = self.client("ecr-public").get_authorization_token()["authorizationData"]
        self.assertTrue(base64.b64decode(given["authorizationToken"]).startswith(b"AWS:"))


class Faults(SimulatorTest):
    def setUp(self):
        super().setUp()
        self.ecs = self.client("ecs")
        self.seed(clusters=[{"name": "shop"}], task_definitions=[{"family": "api", "containerDefinitions": [{"name": "app", "image": "v1"}]}],
                  services=[{"cluster": "shop", "serviceName": "api", "taskDefinition": "api:1"}])

    def fault(self, operation, **fault):
        self.seed(faults=[{"service": "ecs", "operation": operation, **fault}])

    def describe(self, client=None):
        return (client or self.ecs).describe_services(cluster="shop", services=["api"])

    def test_throttling_for_a_while(self):
        self.fault("DescribeServices", kind="throttle", times=2)
        error = self.refused("ThrottlingException", self.describe)
        self.assertEqual(error["ResponseMetadata"]["HTTPStatusCode"], 400)
        self.describe(self.client("ecs", retries=3))
        self.assertEqual([c["status"] for c in self.calls("ecs", "DescribeServices")], [400, 400, 200])

    def test_denied_names_caller_action_and_resource(self):
        self.fault("ListServiceDeployments", kind="deny")
        error = self.refused("AccessDeniedException", self.ecs.list_service_deployments, cluster="shop", service="api")
        self.assertEqual(error["Error"]["Message"],
                         f"User: arn:aws:iam::{ACCOUNT}:user/deployer is not authorized to perform: ecs:ListServiceDeployments on resource: "
                         f"arn:aws:ecs:us-east-1:{ACCOUNT}:service/shop/api because no identity-based policy allows the "
                         "ecs:ListServiceDeployments action")
        self.describe()

    def test_an_unknown_operation(self):
        self.fault("ListServiceDeployments", kind="unknown")
        self.refused("UnknownOperationException", self.ecs.list_service_deployments, cluster="shop", service="api")
        self.refused("UnknownOperationException", self.ecs.list_account_settings)
        self.refused("InvalidAction", self.client("sts").get_session_token)

    def test_an_empty_list(self):
        self.fault("ListServiceDeployments", kind="empty_list")
        self.assertEqual(self.ecs.list_service_deployments(cluster="shop", service="api")["serviceDeployments"], [])

    def test_server_errors(self):
        self.fault("DescribeServices", kind="server_error", status=503, times=1)
        error = self.refused("ServerException", self.describe)
        self.assertEqual(error["ResponseMetadata"]["HTTPStatusCode"], 503)
        self.describe()

    def test_any_error(self):
        self.fault("DescribeServices", kind="error", code="ClientException", message="no", times=1)
        self.refused("ClientException", self.describe)

    def test_an_answer_that_does_not_come(self):
        self.fault("DescribeServices", kind="hang", ms=3000, times=1)
        with self.assertRaises(ReadTimeoutError):
            self.describe(self.client("ecs", read_timeout=1))
        self.describe()

    def test_an_answer_that_is_late(self):
        self.fault("DescribeServices", kind="delay", ms=200, times=1)
        begin = time.monotonic()
        self.describe()
        self.assertGreaterEqual(time.monotonic() - begin, 0.2)

    def test_an_answer_that_is_lost_after_its_effect(self):
        self.fault("UpdateService", kind="lose_response", times=1)
        with self.assertRaises((ConnectionClosedError, HTTPClientError)):
            self.ecs.update_service(cluster="shop", service="api", forceNewDeployment=True)
        self.assertEqual(len(self.ecs.list_service_deployments(cluster="shop", service="api")["serviceDeployments"]), 2)
        self.assertEqual(self.calls("ecs", "UpdateService")[0]["status"], None)

    def test_a_rate_and_the_end_of_all_faults(self):
        self.fault("DescribeServices", kind="throttle", rate=0.5)
        results = []
        for _ in range(4):
            try:
                self.describe()
                results.append(True)
            except ClientError:
                results.append(False)
        self.assertEqual(results, [True, False, True, False])
        self.control("DELETE", "faults")
        self.describe()
        self.describe()

    def test_a_denied_query_service(self):
        self.seed(faults=[{"service": "elbv2", "kind": "deny"}])
        error = self.refused("AccessDenied", self.client("elbv2").describe_target_health, TargetGroupArn="arn:tg")
        self.assertIn("elasticloadbalancing:DescribeTargetHealth", error["Error"]["Message"])


class Verification(SimulatorTest):
    """What is asked before a deployment: is it there?"""

    GROUP = f"arn:aws:elasticloadbalancing:us-east-1:{ACCOUNT}:targetgroup/api/50dc6c495c0c9188"

    def test_secrets_are_found_by_name_and_by_arn_with_and_without_the_random_end(self):
        self.seed(secrets=["pmis/db"])
        secrets = self.client("secretsmanager")
        arn = secrets.describe_secret(SecretId="pmis/db")["ARN"]
        for known in (arn, arn.rsplit("-", 1)[0]):
            self.assertEqual(secrets.describe_secret(SecretId=known)["Name"], "pmis/db")
        self.refused("ResourceNotFoundException", secrets.describe_secret, SecretId="pmis/none")

    def test_parameters_are_filtered_by_name_over_all_pages(self):
        self.seed(parameters=[f"/p/{n:02}" for n in range(12)])
        ssm = self.client("ssm")
        ask = lambda *names: ssm.describe_parameters(
            ParameterFilters=[{"Key": "Name", "Option": "Equals", "Values": list(names)}])["Parameters"]
        self.assertEqual([p["Name"] for p in ask("/p/03", "/p/none")], ["/p/03"])
        pages = ssm.get_paginator("describe_parameters").paginate()
        self.assertEqual(sum(len(page["Parameters"]) for page in pages), 12)

    def test_log_groups_by_prefix_and_clusters(self):
        self.seed(log_groups=["/ecs/api", "/ecs/api-old", "/web"], clusters=[{"name": "shop"}])
        groups = self.client("logs").describe_log_groups(logGroupNamePrefix="/ecs/api")["logGroups"]
        self.assertEqual([g["logGroupName"] for g in groups], ["/ecs/api", "/ecs/api-old"])
        arns = self.client("ecs").list_clusters()["clusterArns"]
        self.assertEqual(arns, [f"arn:aws:ecs:us-east-1:{ACCOUNT}:cluster/shop"])

    def test_target_groups_are_described_until_they_are_deleted(self):
        self.seed(target_health={self.GROUP: [{"id": "10.0.0.7", "state": "healthy"}]})
        elb = self.client("elbv2")
        group = elb.describe_target_groups(TargetGroupArns=[self.GROUP])["TargetGroups"][0]
        self.assertEqual((group["TargetGroupName"], group["Matcher"]["HttpCode"]), ("api", "200"))
        self.assertEqual(elb.describe_target_group_attributes(TargetGroupArn=self.GROUP)["Attributes"][0]["Value"], "300")
        self.seed(deleted_target_groups=[self.GROUP])
        self.refused("TargetGroupNotFound", elb.describe_target_groups, TargetGroupArns=[self.GROUP])

    def test_a_role_with_a_policy_may_do_that_and_nothing_else(self):
        arn = f"arn:aws:ecs:us-east-1:{ACCOUNT}:cluster/shop"
        policy = {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "ecs:ListServices", "Resource": "*", "Condition": {"ArnEquals": {"ecs:cluster": arn}}}]}
        self.seed(clusters=[{"name": "shop"}, {"name": "other"}], roles=[{"arn": ROLE, "policy": policy}])
        given = self.client("sts").assume_role(RoleArn=ROLE, RoleSessionName="run")["Credentials"]
        ecs = self.client("ecs", given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
        ecs.list_services(cluster="shop")
        error = self.refused("AccessDeniedException", ecs.list_services, cluster="other")
        self.assertIn("is not authorized to perform: ecs:ListServices", error["Error"]["Message"])


class Logs(SimulatorTest):
    def test_missing_groups_and_streams(self):
        logs = self.client("logs")
        self.seed(log_groups=["/ecs/api"])
        self.refused("ResourceNotFoundException", logs.get_log_events, logGroupName="/none", logStreamName="x")
        self.refused("ResourceNotFoundException", logs.get_log_events, logGroupName="/ecs/api", logStreamName="x")
        self.assertEqual(logs.describe_log_streams(logGroupName="/ecs/api")["logStreams"], [])

    def test_pages_filters_and_limits(self):
        lines = [f"line {n}" for n in range(5)]
        logs_options = {"awslogs-group": "/ecs/api", "awslogs-stream-prefix": "p", "awslogs-region": "us-east-1"}
        self.seed(clusters=[{"name": "shop"}], timing={"scale": 0}, rules=[{"behaviour": {"kind": "exits", "code": 1, "lines": lines}}],
                  task_definitions=[{"family": "job", "containerDefinitions": [
                      {"name": "app", "image": "job:1", "logConfiguration": {"logDriver": "awslogs", "options": logs_options}}]}])
        arn = self.client("ecs").run_task(cluster="shop", taskDefinition="job")["tasks"][0]["taskArn"]
        stream = f"p/app/{arn.rsplit('/', 1)[1]}"
        logs = self.client("logs")
        text = lambda answer: [e["message"] for e in answer["events"]]
        get = lambda **more: logs.get_log_events(logGroupName="/ecs/api", logStreamName=stream, **more)
        self.assertEqual(text(get(limit=2)), lines[3:])
        self.assertEqual(text(get(limit=2, startFromHead=True)), lines[:2])
        first = get(limit=2, startFromHead=True)
        self.assertEqual(text(get(limit=2, nextToken=first["nextForwardToken"])), lines[2:4])
        last = get(limit=2)
        self.assertEqual(text(get(limit=2, nextToken=last["nextBackwardToken"])), lines[1:3])
        self.assertEqual(text(logs.filter_log_events(logGroupName="/ecs/api", filterPattern='"line 3"')), ["line 3"])
        named = logs.describe_log_streams(logGroupName="/ecs/api", logStreamNamePrefix="p/app")["logStreams"]
        self.assertEqual([s["logStreamName"] for s in named], [stream])


if __name__ == "__main__":
    unittest.main()
