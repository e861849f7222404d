"""ECS Express Mode as boto3 sees it."""

import unittest

from simulator import ACCOUNT, REGION, SimulatorTest

FINAL = {"SUCCESSFUL", "STOPPED", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED"}
EXECUTION = f"arn:aws:iam::{ACCOUNT}:role/ecsTaskExecutionRole"
INFRASTRUCTURE = f"arn:aws:iam::{ACCOUNT}:role/ecsInfrastructureRoleForExpressServices"


class ExpressTest(SimulatorTest):
    def setUp(self):
        super().setUp()
        self.ecs = self.client("ecs")
        self.seed(clusters=[{"name": "default"}])

    def create(self, **members):
        request = {"serviceName": "web", "executionRoleArn": EXECUTION, "infrastructureRoleArn": INFRASTRUCTURE,
                   "primaryContainer": {"image": "shop/web:v1", "containerPort": 8080,
                                        "environment": [{"name": "PORT", "value": "8080"}]}, **members}
        return self.ecs.create_express_gateway_service(**request)["service"]

    def web(self, rules=(), **members):
        """The service `web`, stable; its ARN."""
        return self.seed(rules=list(rules), express_services=[{
            "serviceName": "web", "executionRoleArn": EXECUTION, "infrastructureRoleArn": INFRASTRUCTURE,
            "healthCheckPath": "/health", "primaryContainer": {
                "image": "shop/web:v1", "containerPort": 8080,
                "environment": [{"name": "PORT", "value": "8080"}]}, **members}])["express_services"][0]

    def described(self, arn):
        return self.ecs.describe_express_gateway_service(serviceArn=arn)["service"]

    def deployments(self):
        return self.ecs.list_service_deployments(cluster="default", service="web")["serviceDeployments"]

    def ended(self):
        arn = self.deployments()[0]["serviceDeploymentArn"]

        def look():
            return self.ecs.describe_service_deployments(serviceDeploymentArns=[arn])["serviceDeployments"][0]

        return self.until(lambda found: found["status"] in FINAL, look)

    def test_a_created_service_is_an_ecs_service_with_a_task_definition_that_ecs_made(self):
        made = self.create(cpu="512", memory="1024", scalingTarget={"minTaskCount": 2, "maxTaskCount": 5},
                           tags=[{"key": "team", "value": "shop"}])
        arn = made["serviceArn"]
        self.assertEqual(arn, f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/default/web")
        self.assertEqual(made["status"]["statusCode"], "ACTIVE")
        self.assertEqual(self.ended()["status"], "SUCCESSFUL")
        service = self.ecs.describe_services(cluster="default", services=["web"])["services"][0]
        self.assertEqual(service["resourceManagementType"], "ECS")
        self.assertEqual((service["desiredCount"], service["runningCount"]), (2, 2))
        self.assertEqual(service["deploymentConfiguration"]["strategy"], "CANARY")
        found = self.described(arn)
        self.assertEqual(len(found["activeConfigurations"]), 1)
        self.assertNotIn("currentDeployment", found)
        active = found["activeConfigurations"][0]
        self.assertEqual(active["taskDefinitionArn"], service["taskDefinition"])
        self.assertEqual(active["healthCheckPath"], "/ping")
        self.assertEqual(active["scalingTarget"]["maxTaskCount"], 5)
        self.assertTrue(active["ingressPaths"][0]["endpoint"].endswith(f".ecs.{REGION}.on.aws"))
        definition = self.ecs.describe_task_definition(taskDefinition=active["taskDefinitionArn"])["taskDefinition"]
        self.assertEqual([container["name"] for container in definition["containerDefinitions"]], ["Main"])
        self.assertEqual((definition["cpu"], definition["memory"]), ("512", "1024"))
        tags = self.ecs.describe_express_gateway_service(serviceArn=arn, include=["TAGS"])["service"]["tags"]
        self.assertEqual(tags, [{"key": "team", "value": "shop"}])

    def test_an_update_keeps_what_it_does_not_name_and_replaces_the_container_as_a_whole(self):
        arn = self.web()
        before = self.described(arn)["activeConfigurations"][0]
        updated = self.ecs.update_express_gateway_service(serviceArn=arn, primaryContainer={"image": "shop/web:v2"})["service"]
        target = updated["targetConfiguration"]
        self.assertNotIn("activeConfigurations", updated)
        self.assertNotEqual(target["serviceRevisionArn"], before["serviceRevisionArn"])
        self.assertNotEqual(target["taskDefinitionArn"], before["taskDefinitionArn"])
        self.assertEqual(target["healthCheckPath"], "/health")
        self.assertEqual(target["primaryContainer"]["environment"], [])
        self.assertEqual(target["primaryContainer"]["containerPort"], 80)
        during = self.described(arn)
        self.assertEqual(during["currentDeployment"], self.deployments()[0]["serviceDeploymentArn"])
        self.assertEqual(len(during["activeConfigurations"]), 2)
        done = self.ended()
        self.assertEqual(done["status"], "SUCCESSFUL")
        self.assertEqual(done["targetServiceRevision"]["arn"], target["serviceRevisionArn"])
        revision = self.ecs.describe_service_revisions(serviceRevisionArns=[target["serviceRevisionArn"]])["serviceRevisions"][0]
        self.assertEqual(revision["taskDefinition"], target["taskDefinitionArn"])

    def test_an_update_that_changes_nothing_starts_no_deployment(self):
        arn = self.web()
        self.ecs.update_express_gateway_service(serviceArn=arn, healthCheckPath="/health", cpu="256")
        self.assertEqual(len(self.deployments()), 1)

    def test_a_setting_beside_the_container_makes_a_new_revision_of_the_same_task_definition(self):
        arn = self.web()
        before = self.described(arn)["activeConfigurations"][0]
        target = self.ecs.update_express_gateway_service(
            serviceArn=arn, healthCheckPath="/ready", scalingTarget={"maxTaskCount": 9})["service"]["targetConfiguration"]
        self.assertEqual(target["taskDefinitionArn"], before["taskDefinitionArn"])
        self.assertEqual(target["scalingTarget"], {**before["scalingTarget"], "maxTaskCount": 9})
        self.assertEqual(self.ended()["status"], "SUCCESSFUL")

    def test_a_deployment_that_fails_is_rolled_back_with_its_configuration(self):
        arn = self.web(rules=[{"image": "v2", "behaviour": {"kind": "exits", "code": 1}}])
        before = self.described(arn)["activeConfigurations"][0]
        self.ecs.update_express_gateway_service(serviceArn=arn, healthCheckPath="/ready", primaryContainer={"image": "shop/web:v2"})
        self.assertEqual(self.ended()["status"], "ROLLBACK_SUCCESSFUL")
        after = self.described(arn)["activeConfigurations"]
        self.assertEqual(after, [before])

    def test_a_service_runs_a_task_definition_of_its_own(self):
        arn = self.web()
        logs = {"logDriver": "awslogs", "options": {"awslogs-group": "/web", "awslogs-stream-prefix": "w", "awslogs-region": REGION}}
        own = self.ecs.register_task_definition(
            family="own", networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256", memory="512",
            containerDefinitions=[{"name": "Main", "image": "shop/own:1", "logConfiguration": logs,
                                   "portMappings": [{"containerPort": 80, "name": "http"}]}])["taskDefinition"]["taskDefinitionArn"]
        self.refused("InvalidParameterException", self.ecs.update_express_gateway_service, serviceArn=arn,
                     taskDefinitionArn=own, cpu="512")
        target = self.ecs.update_express_gateway_service(serviceArn=arn, taskDefinitionArn=own)["service"]["targetConfiguration"]
        self.assertEqual(target["taskDefinitionArn"], own)
        self.assertNotIn("primaryContainer", target)
        self.assertEqual(self.ended()["status"], "SUCCESSFUL")

    def test_a_creation_that_fails_leaves_the_service_with_nothing_to_go_back_to(self):
        self.seed(rules=[{"image": "v1", "behaviour": {"kind": "exits", "code": 1}}])
        arn = self.create()["serviceArn"]
        ended = self.ended()
        self.assertEqual(ended["status"], "ROLLBACK_FAILED")
        self.assertIn("no rollback candidate", ended["statusReason"])
        self.assertEqual(self.described(arn)["status"]["statusCode"], "ACTIVE")
        service = self.ecs.describe_services(cluster="default", services=["web"])["services"][0]
        self.assertEqual((service["runningCount"], service["deployments"][0]["rolloutState"]), (0, "FAILED"))

    def test_a_creation_with_a_role_or_name_that_cannot_be_is_refused(self):
        foreign = "arn:aws:iam::444455556666:role/other"
        for members in [{"infrastructureRoleArn": foreign}, {"executionRoleArn": foreign}, {"serviceName": "a service"},
                        {"infrastructureRoleArn": "admin"}, {"healthCheckPath": "health"}]:
            self.refused("InvalidParameterException", self.create, **members)
        self.assertEqual(self.ecs.list_services(cluster="default")["serviceArns"], [])

    def test_what_is_not_there_or_not_express_is_refused(self):
        missing = f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/default/nobody"
        self.refused("ResourceNotFoundException", self.ecs.describe_express_gateway_service, serviceArn=missing)
        self.refused("ServiceNotFoundException", self.ecs.update_express_gateway_service, serviceArn=missing)
        self.refused("ClusterNotFoundException", self.create, cluster="nowhere")
        self.refused("InvalidParameterException", self.create, executionRoleArn="", primaryContainer={"image": ""})
        arn = self.web()
        self.refused("InvalidParameterException", self.create)
        self.refused("InvalidParameterException", self.ecs.update_express_gateway_service, serviceArn=arn, healthCheckPath="health")
        self.seed(clusters=[{"name": "shop"}],
                  task_definitions=[{"family": "api", "containerDefinitions": [{"name": "app", "image": "shop/api:v1"}]}],
                  services=[{"cluster": "shop", "serviceName": "api", "taskDefinition": "api", "desiredCount": 1}])
        plain = self.ecs.describe_services(cluster="shop", services=["api"])["services"][0]
        self.assertEqual(plain["resourceManagementType"], "CUSTOMER")
        self.refused("InvalidParameterException", self.ecs.describe_express_gateway_service, serviceArn=plain["serviceArn"])


if __name__ == "__main__":
    unittest.main()
