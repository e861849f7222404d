"""Deployment strategies of ECS, and the load balancer in front, as boto3 and a user see them."""

import unittest
import urllib.request

from simulator import ACCOUNT, REGION
from test_ecs import EcsTest

ELB = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}"
BLUE, GREEN = f"{ELB}:targetgroup/api-blue/0123456789abcdef", f"{ELB}:targetgroup/api-green/fedcba9876543210"
RULE = f"{ELB}:listener-rule/app/api/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee"
TEST_RULE = f"{ELB}:listener-rule/app/api/50dc6c495c0c9188/f2f7dc8efc522ab2/1291d13826f405c3"
BALANCERS = [{"targetGroupArn": BLUE, "containerName": "app", "containerPort": 8080, "advancedConfiguration": {
    "alternateTargetGroupArn": GREEN, "productionListenerRule": RULE, "testListenerRule": TEST_RULE,
    "roleArn": f"arn:aws:iam::{ACCOUNT}:role/ecsInfrastructureRole"}}]
CANARY = {"strategy": "CANARY", "bakeTimeInMinutes": 2,
          "canaryConfiguration": {"canaryPercent": 10.0, "canaryBakeTimeInMinutes": 2}}
SLOW = {"stage_ms": 60, "minute_ms": 100, "hook_minute_ms": 60000}


def pause(*stages, minutes=60, action="ROLLBACK"):
    return {"targetType": "PAUSE", "lifecycleStages": list(stages),
            "timeoutConfiguration": {"timeoutInMinutes": minutes, "action": action}}


class StrategiesTest(EcsTest):
    def shifting(self, configuration, timing=None, **members):
        self.shop(configuration=configuration, loadBalancers=BALANCERS, timing=timing, **members)

    def paused(self, arn, after=""):
        """The hook that waits, once it is another one than `after`."""
        def look():
            hooks = self.deployment(arn).get("lifecycleHookDetails", [])
            return next((h for h in hooks if h["status"] == "AWAITING_ACTION" and h["hookId"] != after), None)

        return self.until(lambda hook: hook is not None, look)

    def weights(self, arn):
        found = self.deployment(arn)
        return [found["targetServiceRevision"]["requestedProductionTrafficWeight"],
                sum(known["requestedProductionTrafficWeight"] for known in found["sourceServiceRevisions"])]

    def requests(self, count):
        return self.control("POST", "requests", {"cluster": "shop", "service": "api", "count": count})

    def stages(self, arn):
        """Every stage with the new revision's weight in it, and the final description."""
        seen = []

        def look():
            found = self.deployment(arn)
            if "lifecycleStage" in found:
                stage = (found["lifecycleStage"], found["targetServiceRevision"]["requestedProductionTrafficWeight"])
                if not seen or seen[-1] != stage:
                    seen.append(stage)
            return found

        return self.until(lambda found: found["status"] == "SUCCESSFUL", look, seconds=10), seen


class Strategies(StrategiesTest):
    def in_order(self, seen, all_of_them, surely):
        """What was seen is in that order; short stages may pass between two looks, long ones not."""
        rest = iter(all_of_them)
        self.assertTrue(all(stage in rest for stage in seen), seen)
        self.assertEqual([stage for stage in surely if stage not in seen], [])

    def test_a_canary_goes_through_its_stages(self):
        self.shifting(CANARY, timing={**SLOW, "minute_ms": 400})
        found, seen = self.stages(self.update())
        before = ["RECONCILE_SERVICE", "PRE_SCALE_UP", "SCALE_UP", "POST_SCALE_UP", "TEST_TRAFFIC_SHIFT",
                  "POST_TEST_TRAFFIC_SHIFT", "PRE_PRODUCTION_TRAFFIC_SHIFT"]
        after = ["PRODUCTION_TRAFFIC_SHIFT", "POST_PRODUCTION_TRAFFIC_SHIFT", "BAKE_TIME", "CLEAN_UP"]
        canary, bake = ("PRODUCTION_TRAFFIC_SHIFT", 10.0), ("BAKE_TIME", 100.0)
        self.in_order(seen, [(stage, 0.0) for stage in before] + [canary, ("PRE_PRODUCTION_TRAFFIC_SHIFT", 10.0)]
                      + [(stage, 100.0) for stage in after], surely=[canary, bake])
        self.assertEqual(found["deploymentConfiguration"]["strategy"], "CANARY")
        revision = found["targetServiceRevision"]["arn"]
        known = self.ecs.describe_service_revisions(serviceRevisionArns=[revision])["serviceRevisions"][0]
        self.assertEqual(known["resolvedConfiguration"]["loadBalancers"],
                         [{"targetGroupArn": GREEN, "productionListenerRule": RULE}])

    def test_a_linear_deployment_goes_up_in_steps(self):
        self.shifting({"strategy": "LINEAR", "bakeTimeInMinutes": 0,
                       "linearConfiguration": {"stepPercent": 30.0, "stepBakeTimeInMinutes": 1}},
                      timing={**SLOW, "minute_ms": 800})
        _, seen = self.stages(self.update())
        weights = [0.0, 30.0, 60.0, 90.0, 100.0]
        shifts = [stage for stage in seen if "PRODUCTION_TRAFFIC" in stage[0]]
        steps = [("PRODUCTION_TRAFFIC_SHIFT", weight) for weight in weights[1:]]
        pauses = [("PRE_PRODUCTION_TRAFFIC_SHIFT", weight) for weight in weights[:-1]]
        ways = [stage for both in zip(pauses, steps) for stage in both] + [("POST_PRODUCTION_TRAFFIC_SHIFT", 100.0)]
        self.in_order(shifts, ways, surely=steps[:-1])

    def test_blue_and_green_run_side_by_side_in_the_bake(self):
        self.shifting({"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 100}, timing=SLOW)
        arn = self.update()
        found = self.until(lambda d: d.get("lifecycleStage") == "BAKE_TIME", lambda: self.deployment(arn))
        counts = [found["targetServiceRevision"], *found["sourceServiceRevisions"]]
        self.assertEqual([(c["runningTaskCount"], c["requestedTaskCount"]) for c in counts], [(2, 2), (2, 2)])
        self.assertEqual(self.weights(arn), [100.0, 0.0])
        elb = self.client("elbv2")
        rule = elb.describe_rules(RuleArns=[RULE])["Rules"][0]
        groups = rule["Actions"][0]["ForwardConfig"]["TargetGroups"]
        self.assertEqual({g["TargetGroupArn"]: g["Weight"] for g in groups}, {BLUE: 0, GREEN: 100})
        for group in (BLUE, GREEN):
            health = elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
            self.assertEqual([t["TargetHealth"]["State"] for t in health], ["healthy", "healthy"])
        self.ecs.stop_service_deployment(serviceDeploymentArn=arn, stopType="ROLLBACK")
        found, _ = self.ended(arn)
        self.assertEqual(found["status"], "ROLLBACK_SUCCESSFUL")
        self.assertEqual(self.weights(arn), [0.0, 100.0])
        self.assertEqual(self.service()["runningCount"], 2)


class PauseHooks(StrategiesTest):
    def test_each_shift_waits_for_its_own_decision(self):
        self.shifting({**CANARY, "bakeTimeInMinutes": 0, "lifecycleHooks": [pause("PRE_PRODUCTION_TRAFFIC_SHIFT")]})
        arn = self.update()
        first = self.paused(arn)
        self.assertEqual((first["targetType"], first["timeoutAction"]), ("PAUSE", "ROLLBACK"))
        self.assertEqual(self.deployment(arn)["lifecycleStage"], "PRE_PRODUCTION_TRAFFIC_SHIFT")
        self.assertEqual(self.weights(arn), [0.0, 100.0])
        answer = self.ecs.continue_service_deployment(serviceDeploymentArn=arn, hookId=first["hookId"], action="CONTINUE")
        self.assertEqual(answer["serviceDeploymentArn"], arn)
        second = self.paused(arn, after=first["hookId"])
        self.assertEqual(self.weights(arn), [10.0, 90.0])
        again = self.refused("InvalidParameterException", self.ecs.continue_service_deployment,
                             serviceDeploymentArn=arn, hookId=first["hookId"])
        self.assertIn("is either completed, unavailable", again["Error"]["Message"])
        self.ecs.continue_service_deployment(serviceDeploymentArn=arn, hookId=second["hookId"])
        found, _ = self.ended(arn)
        self.assertEqual(found["status"], "SUCCESSFUL")
        over = self.refused("InvalidParameterException", self.ecs.continue_service_deployment,
                            serviceDeploymentArn=arn, hookId=second["hookId"])
        self.assertIn("terminal states", over["Error"]["Message"])

    def test_a_decision_to_go_back(self):
        self.shifting({**CANARY, "lifecycleHooks": [pause("POST_PRODUCTION_TRAFFIC_SHIFT")]}, timing=SLOW)
        arn = self.update()
        hook = self.paused(arn)
        self.assertEqual(self.weights(arn), [100.0, 0.0])
        self.ecs.continue_service_deployment(serviceDeploymentArn=arn, hookId=hook["hookId"], action="ROLLBACK")
        found, _ = self.ended(arn)
        self.assertEqual(found["status"], "ROLLBACK_SUCCESSFUL")
        self.assertEqual(found["lifecycleHookDetails"][0]["status"], "FAILED")
        self.assertTrue(self.service()["taskDefinition"].endswith("api:1"))

    def test_nobody_decides(self):
        for action, end in (("ROLLBACK", "ROLLBACK_SUCCESSFUL"), ("CONTINUE", "SUCCESSFUL")):
            self.control("POST", "reset")
            self.shifting({**CANARY, "lifecycleHooks": [pause("POST_TEST_TRAFFIC_SHIFT", minutes=5, action=action)]})
            arn = self.update()
            self.assertEqual(self.paused(arn)["timeoutAction"], action)
            found, _ = self.ended(arn)
            self.assertEqual(found["status"], end)
            if action == "ROLLBACK":
                self.assertEqual(found["lifecycleHookDetails"][0]["status"], "TIMED_OUT")
                self.assertEqual(found["statusReason"], "Service deployment rolled back because "
                                                        "POST_TEST_TRAFFIC_SHIFT pause hook timed out.")

    def test_a_function_of_somebody_else_is_kept_and_succeeds(self):
        function = {"hookTargetArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:check",
                    "roleArn": f"arn:aws:iam::{ACCOUNT}:role/hooks", "lifecycleStages": ["POST_TEST_TRAFFIC_SHIFT"]}
        self.shifting({**CANARY, "lifecycleHooks": [function, pause("POST_TEST_TRAFFIC_SHIFT")]})
        self.assertEqual(self.service()["deploymentConfiguration"]["lifecycleHooks"][0]["targetType"], "AWS_LAMBDA")
        arn = self.update()
        self.paused(arn)
        hooks = self.deployment(arn)["lifecycleHookDetails"]
        self.assertEqual([(h["targetType"], h["status"]) for h in hooks],
                         [("AWS_LAMBDA", "SUCCEEDED"), ("PAUSE", "AWAITING_ACTION")])
        self.assertEqual(hooks[0]["targetArn"], function["hookTargetArn"])

    def test_ids_that_mean_nothing(self):
        self.shifting(CANARY)
        arn = self.update()
        call = self.ecs.continue_service_deployment
        self.refused("InvalidParameterException", call, serviceDeploymentArn=arn, hookId="nonsense")
        self.refused("InvalidParameterException", call, serviceDeploymentArn=arn, hookId="ecs-pause-unknown")
        self.refused("ServiceDeploymentNotFoundException", call, serviceDeploymentArn=arn + "x", hookId="ecs-pause-a")


class WhatIsRefused(StrategiesTest):
    def test_a_strategy_without_what_it_needs(self):
        plain = [{"targetGroupArn": BLUE, "containerName": "app", "containerPort": 8080}]
        self.shop(loadBalancers=plain)
        update = lambda **configuration: dict(cluster="shop", service="api", deploymentConfiguration=configuration)
        error = self.refused("ClientException", self.ecs.update_service, **update(**CANARY))
        self.assertIn("advancedConfiguration field is required", error["Error"]["Message"])
        self.assertNotIn("strategy", self.service()["deploymentConfiguration"])
        self.ecs.update_service(loadBalancers=BALANCERS, **update(**CANARY))
        refused = lambda **configuration: self.refused("InvalidParameterException", self.ecs.update_service, **update(**configuration))
        refused(canaryConfiguration={"canaryPercent": 0.05})
        refused(linearConfiguration={"stepPercent": 10.0})
        refused(lifecycleHooks=[pause("PRODUCTION_TRAFFIC_SHIFT")])
        refused(lifecycleHooks=[pause("PRE_SCALE_UP", minutes=20161)])
        refused(strategy="BLUE_GREEN", bakeTimeInMinutes=-1)

    def test_an_update_merges_and_fills_in(self):
        self.shifting({**CANARY, "lifecycleHooks": [pause("PRE_SCALE_UP")]})
        changed = self.ecs.update_service(cluster="shop", service="api", deploymentConfiguration={
            "canaryConfiguration": {"canaryPercent": 30.0}})["service"]["deploymentConfiguration"]
        self.assertEqual(changed["canaryConfiguration"], {"canaryPercent": 30.0, "canaryBakeTimeInMinutes": 10})
        self.assertEqual(len(changed["lifecycleHooks"]), 1)
        changed = self.ecs.update_service(cluster="shop", service="api", deploymentConfiguration={
            "lifecycleHooks": []})["service"]["deploymentConfiguration"]
        self.assertEqual(changed["lifecycleHooks"], [])


class Balancer(StrategiesTest):
    def test_users_are_split_as_the_weights_say(self):
        self.shifting({**CANARY, "bakeTimeInMinutes": 0, "lifecycleHooks": [pause("PRE_PRODUCTION_TRAFFIC_SHIFT")]})
        self.seed(traffic=[{"image": "v2", "error_rate": 0.5, "latency_ms": 5}])
        url = self.control("POST", "balancer", {"cluster": "shop", "service": "api"})["url"]
        with urllib.request.urlopen(url) as answer:
            self.assertEqual(answer.headers["x-image"], "shop/api:v1")
        arn = self.update()
        first = self.paused(arn)
        self.assertEqual(self.requests(20)["by_image"], {"shop/api:v1": 20})
        self.ecs.continue_service_deployment(serviceDeploymentArn=arn, hookId=first["hookId"])
        second = self.paused(arn, after=first["hookId"])
        served = self.requests(100)
        self.assertEqual(served["by_image"], {"shop/api:v1": 90, "shop/api:v2": 10})
        self.assertEqual(len([one for one in served["requests"] if one["status"] == 500]), 5)
        self.ecs.continue_service_deployment(serviceDeploymentArn=arn, hookId=second["hookId"], action="ROLLBACK")
        self.assertEqual(self.ended(arn)[0]["status"], "ROLLBACK_SUCCESSFUL")
        self.assertEqual(self.requests(20)["by_image"], {"shop/api:v1": 20})
        self.assertEqual(self.control("GET", "served?cluster=shop&service=api")["count"], 141)

    def test_an_alarm_in_the_bake_takes_users_back(self):
        alarms = {"alarmNames": ["errors"], "enable": True, "rollback": True}
        self.shifting({"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 50, "alarms": alarms}, timing=SLOW)
        self.seed(alarms=[{"name": "errors"}])
        arn = self.update()
        self.until(lambda d: d.get("lifecycleStage") == "BAKE_TIME", lambda: self.deployment(arn))
        self.assertEqual(self.requests(10)["by_image"], {"shop/api:v2": 10})
        self.seed(alarms=[{"name": "errors", "state": "ALARM"}])
        found, _ = self.ended(arn)
        self.assertEqual(found["status"], "ROLLBACK_SUCCESSFUL")
        self.assertEqual(found["alarms"]["triggeredAlarmNames"], ["errors"])
        self.assertEqual(self.requests(10)["by_image"], {"shop/api:v1": 10})


if __name__ == "__main__":
    unittest.main()
