"""ECS as boto3 sees it."""

import time
import unittest

from simulator import ACCOUNT, REGION, SimulatorTest

FINAL = {"SUCCESSFUL", "STOPPED", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED"}
GROUP = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:targetgroup/api/0123456789abcdef"


def definition(family, image, **members):
    logs = {"logDriver": "awslogs", "options": {"awslogs-group": f"/ecs/{family}", "awslogs-stream-prefix": "app",
                                                 "awslogs-region": REGION}}
    return {"family": family, "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": "256",
            "memory": "512", "containerDefinitions": [
                {"name": "app", "image": image, "essential": True, "logConfiguration": logs},
                {"name": "side", "image": "side:1", "essential": False}], **members}


class EcsTest(SimulatorTest):
    def setUp(self):
        super().setUp()
        self.ecs = self.client("ecs")

    def shop(self, breaker=None, desired=2, rules=(), faults=(), timing=None, **service):
        """Cluster `shop`, service `api` on `api:1` (image v1), `api:2` (image v2) registered."""
        configuration = {"maximumPercent": 200, "minimumHealthyPercent": 100}
        if breaker is not None:
            configuration["deploymentCircuitBreaker"] = {"enable": True, "rollback": breaker}
        configuration.update(service.pop("configuration", {}))
        self.seed(clusters=[{"name": "shop"}],
                  task_definitions=[definition("api", "shop/api:v1"), definition("api", "shop/api:v2")],
                  services=[{"cluster": "shop", "serviceName": "api", "taskDefinition": "api:1", "desiredCount": desired,
                             "launchType": "FARGATE", "deploymentConfiguration": configuration, **service}],
                  rules=list(rules), faults=list(faults), **({"timing": timing} if timing else {}))

    def service(self):
        return self.ecs.describe_services(cluster="shop", services=["api"])["services"][0]

    def update(self, task_definition="api:2", **arguments):
        self.ecs.update_service(cluster="shop", service="api", taskDefinition=task_definition, **arguments)
        return self.ecs.list_service_deployments(cluster="shop", service="api")["serviceDeployments"][0]["serviceDeploymentArn"]

    def deployment(self, arn):
        return self.ecs.describe_service_deployments(serviceDeploymentArns=[arn])["serviceDeployments"][0]

    def ended(self, arn):
        """The final description and every status on the way."""
        seen = []

        def look():
            found = self.deployment(arn)
            if not seen or seen[-1] != found["status"]:
                seen.append(found["status"])
            return found

        return self.until(lambda found: found["status"] in FINAL, look), seen

    def stopped_tasks(self):
        arns = self.ecs.list_tasks(cluster="shop", serviceName="api", desiredStatus="STOPPED")["taskArns"]
        return self.ecs.describe_tasks(cluster="shop", tasks=arns[:100])["tasks"] if arns else []


class EcsDeployments(EcsTest):
    def test_a_healthy_deployment_goes_from_pending_to_successful(self):
        self.shop(timing={"pending_ms": 1000, "start_ms": 1000, "settle_ms": 100, "drain_ms": 100})
        before = self.service()
        self.assertEqual(before["runningCount"], 2)
        arn = self.update()
        now = self.service()
        self.assertEqual([d["status"] for d in now["deployments"]], ["PRIMARY", "ACTIVE"])
        self.assertEqual(now["deployments"][0]["rolloutState"], "IN_PROGRESS")
        self.assertEqual(now["currentServiceDeployment"], arn)
        found, seen = self.ended(arn)
        self.assertEqual(seen, ["PENDING", "IN_PROGRESS", "SUCCESSFUL"])
        self.assertEqual(found["targetServiceRevision"]["runningTaskCount"], 2)
        self.assertEqual(found["targetServiceRevision"]["requestedTaskCount"], 2)
        self.assertEqual(found["deploymentCircuitBreaker"]["status"], "DISABLED")
        self.assertEqual(found["sourceServiceRevisions"][0]["arn"], before["currentServiceRevisions"][0]["arn"])
        after = self.service()
        self.assertEqual(len(after["deployments"]), 1)
        self.assertEqual(after["deployments"][0]["rolloutState"], "COMPLETED")
        self.assertIn("has reached a steady state", after["events"][0]["message"])
        tasks = self.ecs.list_tasks(cluster="shop", startedBy=after["deployments"][0]["id"])
        described = self.ecs.describe_tasks(cluster="shop", tasks=tasks["taskArns"])["tasks"]
        self.assertEqual({t["lastStatus"] for t in described}, {"RUNNING"})
        self.assertEqual({t["healthStatus"] for t in described}, {"UNKNOWN"}, "no container has a check")
        self.assertEqual({t["startedBy"] for t in described}, {after["deployments"][0]["id"]})
        self.assertEqual({t["group"] for t in described}, {"service:api"})
        old = self.stopped_tasks()
        self.assertEqual({t["stopCode"] for t in old}, {"ServiceSchedulerInitiated"})
        self.assertTrue(old[0]["stoppedReason"].startswith("Scaling activity initiated by (deployment ecs-svc/"))

    def test_the_waiter_of_botocore_sees_the_service_stable(self):
        self.shop()
        self.update()
        self.ecs.get_waiter("services_stable").wait(cluster="shop", services=["api"], WaiterConfig={"Delay": 1, "MaxAttempts": 5})
        self.assertEqual(self.service()["taskDefinition"].rsplit("/", 1)[1], "api:2")

    def test_instant_timing_is_done_at_the_next_request(self):
        self.shop(timing={"scale": 0})
        arn = self.update()
        self.assertEqual(self.deployment(arn)["status"], "SUCCESSFUL")

    def test_no_tasks_wanted_is_successful_without_tasks(self):
        self.shop(desired=0)
        found, _ = self.ended(self.update())
        self.assertEqual(found["status"], "SUCCESSFUL")
        self.assertEqual(self.service()["runningCount"], 0)

    def test_a_slow_deployment_drains_for_its_deregistration_delay(self):
        self.shop(rules=[{"image": "v2", "behaviour": {"kind": "healthy", "after_ms": 50, "drain_ms": 400}}])
        arn = self.update()
        self.until(lambda s: any("draining" in e["message"] for e in s["events"]), self.service)
        self.assertEqual(self.deployment(arn)["status"], "IN_PROGRESS")
        self.assertEqual(self.deployment(arn)["lifecycleStage"], "CLEAN_UP")
        self.assertEqual(self.service()["runningCount"], 4)
        self.assertEqual(self.ended(arn)[0]["status"], "SUCCESSFUL")

    def test_the_breaker_triggers_after_three_failures_and_rolls_back(self):
        self.shop(breaker=True, desired=1, rules=[{"image": "v2", "behaviour": {
            "kind": "exits", "code": 1, "lines": ["Traceback", "KeyError: 'DATABASE_URL'"]}}])
        good = self.service()["currentServiceRevisions"][0]["arn"]
        arn = self.update()
        self.assertIn(self.deployment(arn)["deploymentCircuitBreaker"]["status"], {"MONITORING"})
        found, seen = self.ended(arn)
        self.assertEqual(seen[-2:], ["ROLLBACK_IN_PROGRESS", "ROLLBACK_SUCCESSFUL"])
        self.assertEqual(found["deploymentCircuitBreaker"], {"status": "TRIGGERED", "failureCount": 3, "threshold": 3})
        self.assertEqual(found["rollback"]["serviceRevisionArn"], good)
        self.assertIn("circuit breaker", found["statusReason"])
        after = self.service()
        self.assertTrue(after["taskDefinition"].endswith("api:1"))
        self.assertEqual(after["runningCount"], 1)
        self.assertEqual(after["deployments"][0]["rolloutState"], "COMPLETED")
        crashed = [t for t in self.stopped_tasks() if t["taskDefinitionArn"].endswith("api:2")]
        self.assertEqual(len(crashed), 3)
        task = crashed[0]
        self.assertEqual((task["stopCode"], task["stoppedReason"]), ("EssentialContainerExited", "Essential container in task exited"))
        self.assertEqual({c["name"]: c.get("exitCode") for c in task["containers"]}, {"app": 1, "side": 143})
        stream = f"app/app/{task['taskArn'].rsplit('/', 1)[1]}"
        events = self.client("logs").get_log_events(logGroupName="/ecs/api", logStreamName=stream)["events"]
        self.assertEqual([e["message"] for e in events], ["Traceback", "KeyError: 'DATABASE_URL'"])

    def test_the_legacy_view_of_a_breaker_that_rolls_back(self):
        self.shop(breaker=True, desired=1, timing={"rollback_ms": 1500},
                  rules=[{"image": "v2", "behaviour": {"kind": "exits", "code": 1}}])
        self.update()
        during = self.until(lambda s: any(d["rolloutState"] == "FAILED" for d in s["deployments"]), self.service)
        primary, failed = during["deployments"]
        self.assertEqual((primary["status"], failed["status"]), ("PRIMARY", "ACTIVE"))
        self.assertIn("rolling back to deploymentId", primary["rolloutStateReason"])
        self.assertIn("tasks failed to start", failed["rolloutStateReason"])
        self.assertEqual(failed["failedTasks"], 3)

    def test_the_breaker_without_rollback_stops(self):
        self.shop(breaker=False, desired=1, rules=[{"image": "v2", "behaviour": {"kind": "exits", "code": 3}}])
        found, seen = self.ended(self.update())
        self.assertEqual(found["status"], "STOPPED")
        self.assertNotIn("rollback", found)
        self.assertIn("stoppedAt", found)
        after = self.service()
        self.assertTrue(after["taskDefinition"].endswith("api:2"))
        self.assertEqual(after["deployments"][0]["rolloutState"], "FAILED")
        self.assertEqual(after["runningCount"], 1)

    def test_without_a_breaker_tasks_fail_for_ever(self):
        self.shop(desired=1, rules=[{"image": "v2", "behaviour": {"kind": "exits", "code": 1, "every_ms": 20}}])
        arn = self.update()
        self.until(lambda d: d["deploymentCircuitBreaker"]["failureCount"] >= 5, lambda: self.deployment(arn))
        self.assertEqual(self.deployment(arn)["status"], "IN_PROGRESS")
        self.assertGreaterEqual(self.service()["deployments"][0]["failedTasks"], 5)

    def test_the_threshold_is_half_of_the_desired_count_within_its_bounds(self):
        for desired, threshold in ((1, 3), (9, 5), (500, 200)):
            self.control("POST", "reset")
            self.shop(breaker=True, desired=desired)
            self.assertEqual(self.deployment(self.update())["deploymentCircuitBreaker"]["threshold"], threshold)

    def test_a_failed_rollback_says_so(self):
        self.shop(breaker=True, desired=1, rules=[{"image": "v2", "rollback": "fails", "behaviour": {"kind": "exits", "code": 1}}])
        found, seen = self.ended(self.update())
        self.assertEqual(seen[-2:], ["ROLLBACK_IN_PROGRESS", "ROLLBACK_FAILED"])
        self.assertEqual(self.service()["runningCount"], 0)

    def test_a_stop_rolls_back_without_the_services_own_rollback(self):
        self.shop(desired=1, timing={"stop_ms": 1000, "rollback_ms": 1000}, rules=[{"image": "v2", "behaviour": {"kind": "stuck"}}])
        arn = self.update()
        self.ecs.stop_service_deployment(serviceDeploymentArn=arn, stopType="ROLLBACK")
        self.assertEqual(self.deployment(arn)["status"], "ROLLBACK_REQUESTED")
        self.ecs.stop_service_deployment(serviceDeploymentArn=arn)
        found, seen = self.ended(arn)
        self.assertEqual(seen, ["ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS", "ROLLBACK_SUCCESSFUL"])
        self.assertTrue(self.service()["taskDefinition"].endswith("api:1"))
        self.refused("ConflictException", self.ecs.stop_service_deployment, serviceDeploymentArn=arn)
        self.refused("ServiceDeploymentNotFoundException", self.ecs.stop_service_deployment, serviceDeploymentArn=arn + "x")
        self.refused("UnsupportedFeatureException", self.ecs.stop_service_deployment, serviceDeploymentArn=arn, stopType="ABORT")

    def test_another_update_supersedes(self):
        self.shop(timing={"start_ms": 500, "stop_ms": 200})
        first = self.update()
        second = self.update(task_definition="api:1")
        self.assertEqual(self.deployment(first)["status"], "STOP_REQUESTED")
        self.assertEqual(self.ended(first)[0]["status"], "STOPPED")
        self.assertEqual(self.ended(second)[0]["status"], "SUCCESSFUL")
        listed = self.ecs.list_service_deployments(cluster="shop", service="api")["serviceDeployments"]
        self.assertEqual([d["serviceDeploymentArn"] for d in listed[:2]], [second, first])
        only = self.ecs.list_service_deployments(cluster="shop", service="api", status=["STOPPED"])["serviceDeployments"]
        self.assertEqual([d["serviceDeploymentArn"] for d in only], [first])

    def test_somebody_else_supersedes_by_rule(self):
        self.shop(rules=[{"image": "v2", "behaviour": {"kind": "superseded", "after_ms": 800}}])
        arn = self.update()
        self.assertEqual(self.ended(arn)[0]["status"], "STOPPED")
        newest = self.ecs.list_service_deployments(cluster="shop", service="api")["serviceDeployments"][0]
        self.assertNotEqual(newest["serviceDeploymentArn"], arn)
        self.assertEqual(self.ended(newest["serviceDeploymentArn"])[0]["status"], "SUCCESSFUL")
        self.assertTrue(self.service()["taskDefinition"].endswith("api:1"))

    def test_an_alarm_rolls_back(self):
        alarms = {"alarms": {"alarmNames": ["5xx"], "enable": True, "rollback": True}}
        self.shop(configuration=alarms, rules=[{"image": "v2", "behaviour": {"kind": "alarm", "name": "5xx", "after_ms": 50}}])
        found, _ = self.ended(self.update())
        self.assertEqual(found["status"], "ROLLBACK_SUCCESSFUL")
        self.assertEqual(found["alarms"], {"status": "TRIGGERED", "alarmNames": ["5xx"], "triggeredAlarmNames": ["5xx"]})


class EcsFailures(EcsTest):
    def fails_with(self, behaviour, **service):
        self.shop(breaker=True, desired=1, rules=[{"image": "v2", "behaviour": behaviour}], **service)
        found, _ = self.ended(self.update())
        self.assertEqual(found["status"], "ROLLBACK_SUCCESSFUL")
        return [t for t in self.stopped_tasks() if t["taskDefinitionArn"].endswith("api:2")]

    def test_an_image_that_cannot_be_pulled(self):
        task = self.fails_with({"kind": "cannot_pull", "message": "pull image manifest has been retried 1 time(s): not found"})[0]
        self.assertEqual(task["stopCode"], "TaskFailedToStart")
        self.assertTrue(task["stoppedReason"].startswith("CannotPullContainerError: pull image"))
        app = task["containers"][0]
        self.assertNotIn("exitCode", app)
        self.assertEqual(app["reason"], task["stoppedReason"])
        self.assertNotIn("startedAt", task)

    def test_resources_that_cannot_be_initialised(self):
        task = self.fails_with({"kind": "resource_initialization", "message": "unable to pull secrets"})[0]
        self.assertEqual(task["stoppedReason"], "ResourceInitializationError: unable to pull secrets")

    def test_out_of_memory(self):
        task = self.fails_with({"kind": "out_of_memory"})[0]
        app = task["containers"][0]
        self.assertEqual(app["exitCode"], 137)
        self.assertTrue(app["reason"].startswith("OutOfMemoryError"))

    def test_a_placement_failure_is_only_an_event(self):
        message = "no container instance met all of its requirements."
        self.assertEqual(self.fails_with({"kind": "unplaceable", "message": message}), [])
        self.assertTrue(any(f"was unable to place a task because {message}" in e["message"] for e in self.service()["events"]))

    def test_a_target_group_check_that_fails(self):
        behaviour = {"kind": "unhealthy", "status": 503, "after_ms": 300}
        self.shop(breaker=True, desired=1, rules=[{"image": "v2", "behaviour": behaviour}],
                  loadBalancers=[{"targetGroupArn": GROUP, "containerName": "app", "containerPort": 8080}])
        arn = self.update()
        elb = self.client("elbv2")
        health = lambda: elb.describe_target_health(TargetGroupArn=GROUP)["TargetHealthDescriptions"]
        bad = self.until(lambda found: any(t["TargetHealth"]["State"] == "unhealthy" for t in found), health)
        bad = [t["TargetHealth"] for t in bad if t["TargetHealth"]["State"] == "unhealthy"][0]
        self.assertEqual(bad["Reason"], "Target.ResponseCodeMismatch")
        self.assertIn("[503]", bad["Description"])
        self.ended(arn)
        task = [t for t in self.stopped_tasks() if t["taskDefinitionArn"].endswith("api:2")][0]
        self.assertEqual(task["stoppedReason"], f"Task failed ELB health checks in (target-group {GROUP})")
        self.assertTrue(any("Health checks failed with these codes: [503]" in e["message"] for e in self.service()["events"]))
        self.refused("TargetGroupNotFound", elb.describe_target_health, TargetGroupArn=GROUP + "0")

    def test_a_container_check_that_is_good(self):
        check = {"command": ["CMD", "true"]}
        container = {"name": "app", "image": "v1", "healthCheck": check}
        self.seed(clusters=[{"name": "shop"}], task_definitions=[{"family": "api", "containerDefinitions": [container]}],
                  services=[{"cluster": "shop", "serviceName": "api", "taskDefinition": "api:1"}])
        arns = self.ecs.list_tasks(cluster="shop", serviceName="api")["taskArns"]
        task = self.ecs.describe_tasks(cluster="shop", tasks=arns)["tasks"][0]
        self.assertEqual((task["healthStatus"], task["containers"][0]["healthStatus"]), ("HEALTHY", "HEALTHY"))

    def test_a_container_check_that_fails(self):
        task = self.fails_with({"kind": "unhealthy", "check": "container"})[0]
        self.assertEqual(task["stoppedReason"], "Task failed container health checks")
        self.assertEqual(task["healthStatus"], "UNHEALTHY")


class EcsOperations(EcsTest):
    def test_a_task_definition_keeps_everything_it_was_given(self):
        self.seed(clusters=[{"name": "shop"}], task_definitions=[definition("api", "v1", futureField={"b": 1, "a": [None, ""]})])
        import json
        import urllib.request

        request = urllib.request.Request(self.endpoint, data=json.dumps({"taskDefinition": "api:1"}).encode(), headers={
            "X-Amz-Target": "AmazonEC2ContainerServiceV20141113.DescribeTaskDefinition", "Content-Type": "application/x-amz-json-1.1"})
        raw = urllib.request.urlopen(request).read().decode()
        self.assertIn('"futureField":{"b":1,"a":[null,""]}', raw)

    def test_registering_and_deregistering(self):
        body = definition("api", "v1")
        made = self.ecs.register_task_definition(**body, tags=[{"key": "team", "value": "shop"}])["taskDefinition"]
        self.assertEqual((made["revision"], made["status"], made["compatibilities"]), (1, "ACTIVE", ["EC2", "FARGATE"]))
        self.assertEqual(self.ecs.register_task_definition(**body)["taskDefinition"]["revision"], 2)
        found = self.ecs.describe_task_definition(taskDefinition="api", include=["TAGS"])
        self.assertEqual(found["taskDefinition"]["revision"], 2)
        self.assertEqual(found["tags"], [])
        first = self.ecs.describe_task_definition(taskDefinition="api:1", include=["TAGS"])
        self.assertEqual(first["tags"], [{"key": "team", "value": "shop"}])
        gone = self.ecs.deregister_task_definition(taskDefinition="api:2")["taskDefinition"]
        self.assertEqual(gone["status"], "INACTIVE")
        listed = self.ecs.list_task_definitions(familyPrefix="api", sort="DESC")["taskDefinitionArns"]
        self.assertEqual([arn.rsplit("/", 1)[1] for arn in listed], ["api:1"])
        self.refused("ClientException", self.ecs.describe_task_definition, taskDefinition="none:1")
        self.refused("ClientException", self.ecs.register_task_definition, family="x", containerDefinitions=[])
        self.refused("InvalidParameterException", self.ecs.deregister_task_definition, taskDefinition="api")

    def test_what_is_missing_is_told_as_documented(self):
        self.shop()
        found = self.ecs.describe_services(cluster="shop", services=["nope"])
        self.assertEqual(found["services"], [])
        self.assertEqual(found["failures"][0]["reason"], "MISSING")
        self.refused("ClusterNotFoundException", self.ecs.describe_services, cluster="none", services=["api"])
        self.refused("ServiceNotFoundException", self.ecs.update_service, cluster="shop", service="nope")
        self.refused("ServiceNotFoundException", self.ecs.list_service_deployments, cluster="shop", service="nope")
        self.refused("ServiceNotFoundException", self.ecs.list_tasks, cluster="shop", serviceName="nope")
        self.refused("InvalidParameterException", self.ecs.describe_services, cluster="shop", services=[str(i) for i in range(11)])
        self.refused("ClientException", self.ecs.update_service, cluster="shop", service="api", taskDefinition="api:99")
        missing = self.ecs.describe_service_deployments(serviceDeploymentArns=["arn:none"])
        self.assertEqual(missing["failures"], [{"arn": "arn:none", "reason": "MISSING"}])
        self.assertEqual(self.ecs.describe_service_revisions(serviceRevisionArns=["arn:none"])["failures"][0]["reason"], "MISSING")
        self.assertEqual(self.ecs.describe_tasks(cluster="shop", tasks=["0" * 32])["failures"][0]["reason"], "MISSING")

    def test_an_update_that_changes_nothing_starts_no_deployment(self):
        self.shop()
        self.ecs.update_service(cluster="shop", service="api", taskDefinition="api:1")
        self.ecs.update_service(cluster="shop", service="api", desiredCount=3)
        self.assertEqual(len(self.ecs.list_service_deployments(cluster="shop", service="api")["serviceDeployments"]), 1)
        self.assertEqual(self.service()["runningCount"], 3)
        self.ecs.update_service(cluster="shop", service="api", forceNewDeployment=True)
        self.assertEqual(len(self.ecs.list_service_deployments(cluster="shop", service="api")["serviceDeployments"]), 2)

    def test_a_revision_names_what_it_runs(self):
        self.shop()
        found, _ = self.ended(self.update())
        revision = self.ecs.describe_service_revisions(serviceRevisionArns=[found["targetServiceRevision"]["arn"]])["serviceRevisions"][0]
        self.assertTrue(revision["taskDefinition"].endswith("api:2"))
        self.assertEqual(revision["containerImages"][0], {"containerName": "app", "image": "shop/api:v2"})

    def test_lists_and_clusters(self):
        self.shop()
        self.seed(services=[{"cluster": "shop", "serviceName": f"s{i}", "taskDefinition": "api:1", "desiredCount": 0} for i in range(11)])
        pages = list(self.ecs.get_paginator("list_services").paginate(cluster="shop"))
        self.assertEqual([len(page["serviceArns"]) for page in pages], [10, 2])
        cluster = self.ecs.describe_clusters(clusters=["shop", "none"])
        self.assertEqual(cluster["clusters"][0]["runningTasksCount"], 2)
        self.assertEqual(cluster["clusters"][0]["activeServicesCount"], 12)
        self.assertEqual(cluster["failures"][0]["reason"], "MISSING")

    def test_creating_a_service_deploys_it(self):
        self.seed(clusters=[{"name": "shop"}], task_definitions=[definition("api", "shop/api:v1")])
        made = self.ecs.create_service(cluster="shop", serviceName="new", taskDefinition="api", desiredCount=1)["service"]
        self.assertEqual(made["deployments"][0]["rolloutState"], "IN_PROGRESS")
        self.ecs.get_waiter("services_stable").wait(cluster="shop", services=["new"], WaiterConfig={"Delay": 1})
        self.refused("InvalidParameterException", self.ecs.create_service, cluster="shop", serviceName="new", taskDefinition="api")

    def test_a_rollback_brings_the_network_back_but_not_the_breaker(self):
        network = lambda subnet: {"awsvpcConfiguration": {"subnets": [subnet]}}
        self.shop(breaker=True, desired=1, networkConfiguration=network("old"), rules=[{"image": "v2", "behaviour": {"kind": "exits", "code": 1}}])
        other = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}, "maximumPercent": 150}
        found, _ = self.ended(self.update(networkConfiguration=network("new"), deploymentConfiguration=other))
        self.assertEqual(found["status"], "ROLLBACK_SUCCESSFUL")
        after = self.service()
        self.assertEqual(after["networkConfiguration"], network("old"))
        self.assertEqual(after["deploymentConfiguration"]["maximumPercent"], 150)

    def test_a_first_deployment_has_nothing_to_roll_back_to(self):
        self.seed(clusters=[{"name": "shop"}], task_definitions=[definition("api", "shop/api:v1")],
                  rules=[{"behaviour": {"kind": "exits", "code": 1}}])
        self.ecs.create_service(cluster="shop", serviceName="api", taskDefinition="api", desiredCount=1, deploymentConfiguration={
            "deploymentCircuitBreaker": {"enable": True, "rollback": True}})
        arn = self.ecs.list_service_deployments(cluster="shop", service="api")["serviceDeployments"][0]["serviceDeploymentArn"]
        self.assertEqual(self.ended(arn)[0]["status"], "ROLLBACK_FAILED")

    def test_other_controllers_refuse_a_task_definition(self):
        for controller in ("CODE_DEPLOY", "EXTERNAL"):
            self.control("POST", "reset")
            self.shop(deploymentController={"type": controller})
            self.refused("InvalidParameterException", self.ecs.update_service, cluster="shop", service="api", taskDefinition="api:2")
            found = self.service()
            self.assertEqual(found["deploymentController"]["type"], controller)
            self.assertEqual(found["deployments"], [])

    def test_a_controller_nobody_knows_yet_is_shown(self):
        self.shop(deploymentController={"type": "QUANTUM"})
        self.assertEqual(self.service()["deploymentController"]["type"], "QUANTUM")
        self.assertEqual([v for v in self.violations if "QUANTUM" not in v], [])
        self.assertTrue(self.violations, "the shape check sees values outside an enum")
        self.violations.clear()

    def test_one_off_tasks_end_with_their_exit_code(self):
        network = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}
        self.shop(rules=[{"image": "v2", "behaviour": {"kind": "exits", "code": 7, "lines": ["migrating"]}}])
        run = self.ecs.run_task(cluster="shop", taskDefinition="api:2", networkConfiguration=network, startedBy="shipline",
                                overrides={"containerOverrides": [{"name": "app", "command": ["migrate"]}]})
        arn = run["tasks"][0]["taskArn"]
        self.ecs.get_waiter("tasks_stopped").wait(cluster="shop", tasks=[arn], WaiterConfig={"Delay": 1})
        task = self.ecs.describe_tasks(cluster="shop", tasks=[arn])["tasks"][0]
        self.assertEqual(task["containers"][0]["exitCode"], 7)
        self.assertEqual(task["overrides"]["containerOverrides"][0]["command"], ["migrate"])
        self.assertEqual(task["startedBy"], "shipline")
        ok = self.ecs.run_task(cluster="shop", taskDefinition="api:1", networkConfiguration=network)["tasks"][0]["taskArn"]
        self.ecs.get_waiter("tasks_stopped").wait(cluster="shop", tasks=[ok], WaiterConfig={"Delay": 1})
        self.assertEqual(self.ecs.describe_tasks(cluster="shop", tasks=[ok])["tasks"][0]["containers"][0]["exitCode"], 0)
        self.refused("InvalidParameterException", self.ecs.run_task, cluster="shop", taskDefinition="api:1")

    def run_once(self, command=("migrate",), **arguments):
        network = {"awsvpcConfiguration": {"subnets": ["subnet-1"], "securityGroups": ["sg-1"]}}
        overrides = {"containerOverrides": [{"name": "app", "command": list(command)}]}
        request = {"cluster": "shop", "taskDefinition": "api:1", "networkConfiguration": network, "overrides": overrides}
        return self.ecs.run_task(**{**request, **arguments})

    def test_a_client_token_starts_one_task(self):
        self.shop()
        one = self.run_once(clientToken="t-1")["tasks"][0]["taskArn"]
        self.assertEqual(self.run_once(clientToken="t-1")["tasks"][0]["taskArn"], one)
        self.refused("ConflictException", self.run_once, command=["other"], clientToken="t-1")
        self.assertNotEqual(self.run_once(clientToken="t-2")["tasks"][0]["taskArn"], one)
        self.assertNotEqual(self.run_once()["tasks"][0]["taskArn"], one)

    def test_a_task_is_found_by_who_started_it_while_it_runs_and_in_its_family_when_stopped(self):
        self.shop(rules=[{"command": "slow", "behaviour": {"kind": "healthy", "after_ms": 60000}}])
        slow = self.run_once(["slow"], startedBy="shipline-1")["tasks"][0]["taskArn"]
        quick = self.run_once(startedBy="shipline-2")["tasks"][0]["taskArn"]
        self.ecs.get_waiter("tasks_stopped").wait(cluster="shop", tasks=[quick], WaiterConfig={"Delay": 1})
        self.assertEqual(self.ecs.list_tasks(cluster="shop", startedBy="shipline-1")["taskArns"], [slow])
        self.assertEqual(self.ecs.list_tasks(cluster="shop", startedBy="shipline-2")["taskArns"], [])
        stopped = self.ecs.list_tasks(cluster="shop", family="api", desiredStatus="STOPPED")["taskArns"]
        self.assertEqual(stopped, [quick])
        self.refused("InvalidParameterException", self.ecs.list_tasks, cluster="shop", family="api", startedBy="shipline-1")

    def test_a_one_off_task_that_is_stopped_is_first_asked_to(self):
        self.shop(timing={"end_ms": 300}, rules=[{"command": "slow", "behaviour": {"kind": "healthy", "after_ms": 60000}}])
        arn = self.run_once(["slow"])["tasks"][0]["taskArn"]
        look = lambda: self.ecs.describe_tasks(cluster="shop", tasks=[arn])["tasks"][0]
        self.until(lambda task: task["lastStatus"] == "RUNNING", look)
        asked = self.ecs.stop_task(cluster="shop", task=arn, reason="enough")["task"]
        self.assertEqual((asked["desiredStatus"], asked["lastStatus"]), ("STOPPED", "RUNNING"))
        task = self.until(lambda task: task["lastStatus"] == "STOPPED", look)
        self.assertEqual((task["stopCode"], task["stoppedReason"]), ("UserInitiated", "enough"))
        self.assertEqual(task["containers"][0]["exitCode"], 143)

    def test_a_stopped_task_is_forgotten_after_a_while(self):
        self.shop(timing={"known_ms": 200})
        arn = self.run_once()["tasks"][0]["taskArn"]
        look = lambda: self.ecs.describe_tasks(cluster="shop", tasks=[arn])
        gone = self.until(lambda found: not found["tasks"], look)
        self.assertEqual(gone["failures"][0]["reason"], "MISSING")

    def test_what_run_task_refuses(self):
        self.shop()
        for wrong in (
            {"overrides": {"containerOverrides": [{"name": "nobody", "command": ["x"]}]}},
            {"overrides": {"containerOverrides": [{"name": "app", "command": ["x" * 8200]}]}},
            {"startedBy": "no spaces here"}, {"startedBy": "x" * 129}, {"clientToken": "x" * 65}, {"count": 11},
            {"propagateTags": "SERVICE"},
            {"launchType": "FARGATE", "capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]},
        ):
            with self.subTest(wrong):
                self.refused("InvalidParameterException", self.run_once, **wrong)
        bridge = {**definition("batch", "shop/api:v1"), "networkMode": "bridge", "requiresCompatibilities": ["EC2"]}
        self.ecs.register_task_definition(**bridge)
        self.refused("InvalidParameterException", self.run_once, taskDefinition="batch")

    def test_a_task_without_a_place_is_a_failure_of_the_answer(self):
        self.shop(rules=[{"command": "migrate", "behaviour": {"kind": "unplaceable", "message": "RESOURCE:MEMORY"}}])
        run = self.run_once()
        self.assertEqual((run["tasks"], run["failures"][0]["reason"]), ([], "RESOURCE:MEMORY"))

    def test_a_stopped_task_of_a_service_is_replaced(self):
        self.shop()
        arn = self.ecs.list_tasks(cluster="shop", serviceName="api")["taskArns"][0]
        stopped = self.ecs.stop_task(cluster="shop", task=arn, reason="drill")["task"]
        self.assertEqual((stopped["stopCode"], stopped["stoppedReason"]), ("UserInitiated", "drill"))
        self.assertEqual(self.service()["runningCount"], 2)
        self.refused("InvalidParameterException", self.ecs.stop_task, cluster="shop", task="0" * 32)


if __name__ == "__main__":
    unittest.main()
