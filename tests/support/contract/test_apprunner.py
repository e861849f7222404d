"""App Runner as boto3 sees it."""

import unittest

from simulator import SimulatorTest

FINAL = {"SUCCEEDED", "FAILED", "ROLLBACK_FAILED", "ROLLBACK_SUCCEEDED"}
ACCESS = {"AccessRoleArn": "arn:aws:iam::111122223333:role/access"}


def source(image, **configuration):
    repository = {"ImageIdentifier": image, "ImageRepositoryType": "ECR"}
    if configuration:
        repository["ImageConfiguration"] = configuration
    return {"ImageRepository": repository, "AutoDeploymentsEnabled": False, "AuthenticationConfiguration": ACCESS}


class AppRunnerTest(SimulatorTest):
    def setUp(self):
        super().setUp()
        self.apprunner = self.client("apprunner")
        scaling = "arn:aws:apprunner:us-east-1:111122223333:autoscalingconfiguration/busy/3/0123456789abcdef0123456789abcdef"
        self.arn = self.seed(app_runner_services=[{
            "ServiceName": "shop-web", "SourceConfiguration": source(
                "web:v1", Port="3000", RuntimeEnvironmentVariables={"A": "1"},
                RuntimeEnvironmentSecrets={"S": "arn:aws:ssm:us-east-1:111122223333:parameter/s"}, StartCommand="run"),
            "InstanceConfiguration": {"Cpu": "2048", "Memory": "4096", "InstanceRoleArn": "arn:aws:iam::111122223333:role/i"},
            "HealthCheckConfiguration": {"Protocol": "HTTP", "Path": "/health", "Interval": 10},
            "NetworkConfiguration": {"EgressConfiguration": {"EgressType": "VPC", "VpcConnectorArn": "arn:aws:apprunner:us-east-1:111122223333:vpcconnector/c/1/0123456789abcdef0123456789abcdef"}},
            "AutoScalingConfigurationArn": scaling,
            "ObservabilityConfiguration": {"ObservabilityEnabled": False}}])["app_runner_services"][0]
        self.scaling = scaling

    def service(self):
        return self.apprunner.describe_service(ServiceArn=self.arn)["Service"]

    def operation(self):
        return self.apprunner.list_operations(ServiceArn=self.arn)["OperationSummaryList"][0]

    def ended(self):
        seen = []

        def look():
            found = self.operation()
            if not seen or seen[-1] != found["Status"]:
                seen.append(found["Status"])
            return found

        return self.until(lambda found: found["Status"] in FINAL, look), seen

    def update(self, image="web:v2", **arguments):
        return self.apprunner.update_service(ServiceArn=self.arn, SourceConfiguration=source(image), **arguments)

    def rule(self, **behaviour):
        self.seed(app_runner_rules=[{"image": "v2", "behaviour": behaviour}])


class AppRunnerOperations(AppRunnerTest):
    def test_an_update_succeeds(self):
        self.seed(timing={"pending_ms": 1000, "operation_ms": 1000})
        answer = self.update()
        self.assertEqual(answer["Service"]["Status"], "OPERATION_IN_PROGRESS")
        self.assertEqual(self.operation()["Id"], answer["OperationId"])
        self.assertEqual(self.operation()["Type"], "UPDATE_SERVICE")
        found, seen = self.ended()
        self.assertEqual(seen, ["PENDING", "IN_PROGRESS", "SUCCEEDED"])
        self.assertIn("EndedAt", found)
        service = self.service()
        self.assertEqual(service["Status"], "RUNNING")
        self.assertEqual(service["SourceConfiguration"]["ImageRepository"]["ImageIdentifier"], "web:v2")

    def test_a_part_that_is_sent_replaces_the_whole_part_and_leaves_the_others(self):
        before = self.service()
        self.update()
        self.ended()
        after = self.service()
        self.assertEqual(after["SourceConfiguration"]["ImageRepository"]["ImageConfiguration"], {"Port": "8080"})
        for part in ("InstanceConfiguration", "HealthCheckConfiguration", "NetworkConfiguration",
                     "AutoScalingConfigurationSummary", "ObservabilityConfiguration"):
            self.assertEqual(after[part], before[part])
        self.assertEqual(before["AutoScalingConfigurationSummary"], {
            "AutoScalingConfigurationArn": self.scaling, "AutoScalingConfigurationName": "busy",
            "AutoScalingConfigurationRevision": 3})

    def test_a_read_modify_write_keeps_everything(self):
        before = self.service()
        changed = before["SourceConfiguration"]
        changed["ImageRepository"]["ImageIdentifier"] = "web:v2"
        self.apprunner.update_service(ServiceArn=self.arn, SourceConfiguration=changed)
        self.ended()
        after = self.service()
        self.assertEqual(after["SourceConfiguration"], changed)

    def test_a_rolled_back_update_leaves_the_service_running_on_the_old_configuration(self):
        self.seed(timing={"rollback_ms": 1000})
        self.rule(kind="rolls_back", lines=["KeyError: 'DATABASE_URL'"])
        before = self.service()
        self.update()
        _, seen = self.ended()
        self.assertEqual(seen[-2:], ["ROLLBACK_IN_PROGRESS", "ROLLBACK_SUCCEEDED"])
        after = self.service()
        self.assertEqual(after["Status"], "RUNNING")
        self.assertEqual(after["SourceConfiguration"], before["SourceConfiguration"])
        logs = self.client("logs")
        group = f"/aws/apprunner/shop-web/{after['ServiceId']}"
        application = logs.filter_log_events(logGroupName=f"{group}/application")["events"]
        self.assertEqual([e["message"] for e in application], ["KeyError: 'DATABASE_URL'"])
        service = logs.get_log_events(logGroupName=f"{group}/service", logStreamName="events")["events"]
        self.assertTrue(any("failed. Failure reason" in e["message"] for e in service))
        streams = logs.describe_log_streams(logGroupName=f"{group}/service", orderBy="LastEventTime", descending=True)["logStreams"]
        self.assertEqual({s["logStreamName"].split("/")[0] for s in streams}, {"events", "deployment"})

    def test_a_failed_update_leaves_the_service_running(self):
        self.rule(kind="fails")
        self.update()
        self.assertEqual(self.ended()[0]["Status"], "FAILED")
        self.assertEqual(self.service()["Status"], "RUNNING")

    def test_a_rollback_can_fail(self):
        self.rule(kind="rollback_fails")
        self.update()
        self.assertEqual(self.ended()[0]["Status"], "ROLLBACK_FAILED")

    def test_an_operation_can_hang(self):
        self.rule(kind="stuck")
        self.update()
        self.until(lambda found: found["Status"] == "IN_PROGRESS", self.operation)
        self.refused("InvalidStateException", self.update)
        self.refused("InvalidRequestException", self.apprunner.start_deployment, ServiceArn=self.arn)

    def test_a_manual_deployment_is_an_operation(self):
        id = self.apprunner.start_deployment(ServiceArn=self.arn)["OperationId"]
        found, _ = self.ended()
        self.assertEqual((found["Id"], found["Type"], found["Status"]), (id, "START_DEPLOYMENT", "SUCCEEDED"))
        self.update()
        self.ended()
        listed = self.apprunner.list_operations(ServiceArn=self.arn, MaxResults=1)
        self.assertEqual(listed["OperationSummaryList"][0]["Type"], "UPDATE_SERVICE")
        rest = self.apprunner.list_operations(ServiceArn=self.arn, MaxResults=1, NextToken=listed["NextToken"])
        self.assertEqual(rest["OperationSummaryList"][0]["Type"], "START_DEPLOYMENT")

    def test_a_paused_service_takes_no_update(self):
        self.apprunner.pause_service(ServiceArn=self.arn)
        self.assertEqual(self.ended()[0]["Type"], "PAUSE_SERVICE")
        self.assertEqual(self.service()["Status"], "PAUSED")
        self.refused("InvalidStateException", self.update)
        self.refused("InvalidStateException", self.apprunner.pause_service, ServiceArn=self.arn)
        self.apprunner.resume_service(ServiceArn=self.arn)
        self.ended()
        self.assertEqual(self.service()["Status"], "RUNNING")

    def test_creating(self):
        made = self.apprunner.create_service(ServiceName="shop-new", SourceConfiguration=source("new:v1"))
        self.arn = made["Service"]["ServiceArn"]
        self.assertEqual(self.ended()[0]["Type"], "CREATE_SERVICE")
        self.assertEqual(self.service()["Status"], "RUNNING")
        names = [s["ServiceName"] for s in self.apprunner.list_services()["ServiceSummaryList"]]
        self.assertEqual(names, ["shop-web", "shop-new"])
        self.rule(kind="rolls_back")
        self.arn = self.apprunner.create_service(ServiceName="shop-bad", SourceConfiguration=source("bad:v2"))["Service"]["ServiceArn"]
        self.assertEqual(self.ended()[0]["Status"], "FAILED")
        self.assertEqual(self.service()["Status"], "CREATE_FAILED")

    def test_deleting(self):
        self.apprunner.delete_service(ServiceArn=self.arn)
        self.assertEqual(self.ended()[0]["Type"], "DELETE_SERVICE")
        self.assertEqual(self.service()["Status"], "DELETED")
        # Its name is free again.
        self.apprunner.create_service(ServiceName="shop-web", SourceConfiguration=source("web:v1"))

    def test_what_is_wrong_is_told_as_documented(self):
        self.refused("ResourceNotFoundException", self.apprunner.describe_service, ServiceArn=self.arn[:-1] + "z")
        self.refused("InvalidRequestException", self.apprunner.create_service, ServiceName="shop-web2",
                     SourceConfiguration={"ImageRepository": {"ImageIdentifier": "x", "ImageRepositoryType": "ECR"}})
        code = {"CodeRepository": {"RepositoryUrl": "https://example.com/r", "SourceCodeVersion": {"Type": "BRANCH", "Value": "main"}}}
        self.refused("InvalidRequestException", self.apprunner.update_service, ServiceArn=self.arn, SourceConfiguration=code)


class FromSource(AppRunnerTest):
    """Services that App Runner builds from a branch."""

    HEALTH = {"Protocol": "HTTP", "Path": "/health", "Interval": 10, "Timeout": 5, "HealthyThreshold": 1, "UnhealthyThreshold": 5}

    def setUp(self):
        super().setUp()
        self.control("POST", "github/app", {"account": "acme"})
        self.control("POST", "github/repository", {"repository": "acme/farm"})
        self.seed(timing={"automatic_ms": 50, "operation_ms": 100})
        made = self.apprunner.create_service(
            ServiceName="shop-farm", SourceConfiguration=self.code("main"), HealthCheckConfiguration=self.HEALTH)
        self.arn = made["Service"]["ServiceArn"]
        self.assertEqual(self.ended()[0]["Status"], "SUCCEEDED")

    def code(self, branch, **more):
        values = {"Runtime": "PYTHON_311", "BuildCommand": "pip install .", "StartCommand": "python main.py", "Port": "8080"}
        connection = "arn:aws:apprunner:us-east-1:111122223333:connection/github/0123456789abcdef0123456789abcdef"
        repository = {"RepositoryUrl": "https://github.com/acme/farm", "SourceCodeVersion": {"Type": "BRANCH", "Value": branch},
                      "CodeConfiguration": {"ConfigurationSource": "API", "CodeConfigurationValues": values}}
        return {"CodeRepository": repository, "AuthenticationConfiguration": {"ConnectionArn": connection}, **more}

    def push(self, branch="main"):
        return self.control("POST", "github/commit", {"repository": "acme/farm", "branch": branch})["sha"]

    def rule(self, sha, **behaviour):
        self.seed(app_runner_rules=[{"image": f"#{sha}", "behaviour": behaviour}])

    def streams(self):
        group = f"/aws/apprunner/shop-farm/{self.service()['ServiceId']}/service"
        logs = self.client("logs")
        names = [s["logStreamName"] for s in logs.describe_log_streams(logGroupName=group)["logStreams"]]
        return {name: [e["message"] for e in logs.get_log_events(logGroupName=group, logStreamName=name)["events"]] for name in names}

    def test_a_push_begins_a_deployment_and_one_while_it_runs_begins_none(self):
        self.seed(timing={"automatic_ms": 10, "operation_ms": 300})
        self.assertTrue(self.service()["SourceConfiguration"]["AutoDeploymentsEnabled"])
        self.push()
        self.until(lambda found: found["Type"] == "START_DEPLOYMENT" and found["Status"] == "IN_PROGRESS", self.operation)
        self.push()
        self.assertEqual(self.ended()[0]["Status"], "SUCCEEDED")
        self.assertEqual(len(self.apprunner.list_operations(ServiceArn=self.arn)["OperationSummaryList"]), 2)

    def test_a_build_that_fails_tells_its_lines_in_the_deployments_log(self):
        self.seed(timing={"automatic_ms": 600000})
        self.rule(self.push(), kind="build_fails", lines=["No matching distribution"])
        self.apprunner.start_deployment(ServiceArn=self.arn)
        self.assertEqual(self.ended()[0]["Status"], "FAILED")
        self.assertEqual(self.service()["Status"], "RUNNING")
        told = self.streams()
        deployment = [lines for name, lines in told.items() if name.startswith("deployment/") and "[Build] No matching distribution" in lines]
        self.assertEqual(len(deployment), 1)
        self.assertTrue(any("Failed to build your application source code" in line for line in told["events"]))

    def test_a_health_check_that_nobody_answers_is_named(self):
        self.seed(timing={"automatic_ms": 600000})
        self.rule(self.push(), kind="health_fails")
        self.apprunner.start_deployment(ServiceArn=self.arn)
        self.assertEqual(self.ended()[0]["Status"], "ROLLBACK_SUCCEEDED")
        said = "Health check failed on protocol `HTTP` [Path: '/health'], [Port: '8080']."
        self.assertTrue(any(said in line for line in self.streams()["events"]))

    def test_another_branch_is_built_by_an_update_and_a_missing_one_fails(self):
        self.push("release")
        self.apprunner.update_service(ServiceArn=self.arn, SourceConfiguration=self.code("release"))
        self.assertEqual(self.ended()[0]["Status"], "SUCCEEDED")
        self.apprunner.update_service(ServiceArn=self.arn, SourceConfiguration=self.code("nothing"))
        self.assertEqual(self.ended()[0]["Status"], "FAILED")
        branch = self.service()["SourceConfiguration"]["CodeRepository"]["SourceCodeVersion"]["Value"]
        self.assertEqual(branch, "release")

    def test_it_stays_what_it_is(self):
        self.refused("InvalidRequestException", self.apprunner.update_service, ServiceArn=self.arn, SourceConfiguration=source("web:v1"))
        bare = self.code("main")
        del bare["AuthenticationConfiguration"]
        self.refused("InvalidRequestException", self.apprunner.create_service, ServiceName="shop-bare", SourceConfiguration=bare)


if __name__ == "__main__":
    unittest.main()
