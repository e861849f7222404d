"""What holds a release back or tells about it: alarms, scans of images, messages to a topic."""

import json
import unittest

import shapes
from simulator import ACCOUNT, SimulatorTest

BOTH = ["MetricAlarm", "CompositeAlarm"]
TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:deployments"


def names(answer):
    found = answer.get("MetricAlarms", []) + answer.get("CompositeAlarms", [])
    return [alarm["AlarmName"] for alarm in found]


class Alarms(SimulatorTest):
    PROTOCOL = "json"

    def client(self, service, *credentials):
        return super().client(service, *credentials, protocol=self.PROTOCOL if service == "cloudwatch" else None)

    def test_metric_and_composite_alarms_are_answered_apart_and_composite_ones_only_when_asked_for(self):
        self.seed(alarms=[{"name": "5xx", "state": "ALARM", "reason": "3 datapoints"}, {"name": "cpu"},
                          {"name": "all", "composite": True, "state": "INSUFFICIENT_DATA"}])
        cloudwatch = self.client("cloudwatch")
        plain = cloudwatch.describe_alarms(AlarmNames=["5xx", "cpu", "all", "none"])
        self.assertEqual((names(plain), plain["CompositeAlarms"]), (["5xx", "cpu"], []))
        both = cloudwatch.describe_alarms(AlarmNames=["5xx", "cpu", "all"], AlarmTypes=BOTH)
        firing = both["MetricAlarms"][0]
        self.assertEqual((firing["StateValue"], firing["StateReason"]), ("ALARM", "3 datapoints"))
        self.assertEqual(firing["AlarmArn"], f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:5xx")
        self.assertEqual([(a["AlarmName"], a["StateValue"]) for a in both["CompositeAlarms"]], [("all", "INSUFFICIENT_DATA")])
        self.assertIn("ALARM(", both["CompositeAlarms"][0]["AlarmRule"])
        only = cloudwatch.describe_alarms(AlarmTypes=["CompositeAlarm"])
        self.assertEqual((only["MetricAlarms"], names(only)), ([], ["all"]))

    def test_every_alarm_is_on_one_of_the_pages(self):
        self.seed(alarms=[{"name": f"a-{n:03}", "composite": n % 2 == 0} for n in range(120)])
        cloudwatch = self.client("cloudwatch")
        first = cloudwatch.describe_alarms(AlarmTypes=BOTH)
        self.assertEqual(len(names(first)), 50)
        pages = [names(page) for page in cloudwatch.get_paginator("describe_alarms").paginate(
            AlarmTypes=BOTH, PaginationConfig={"PageSize": 7})]
        self.assertEqual((len(pages), sorted(sum(pages, []))), (18, [f"a-{n:03}" for n in range(120)]))
        self.assertNotIn("NextToken", cloudwatch.describe_alarms(AlarmTypes=BOTH, MaxRecords=100, NextToken="100"))
        self.refused("InvalidNextToken", cloudwatch.describe_alarms, NextToken="next")
        self.refused("ValidationError", cloudwatch.describe_alarms, MaxRecords=101)

    def test_prefix_and_state_filter_and_a_hundred_names_are_the_most(self):
        self.seed(alarms=[{"name": "api-5xx", "state": "ALARM"}, {"name": "api-cpu"}, {"name": "web-5xx", "state": "ALARM"}])
        cloudwatch = self.client("cloudwatch")
        self.assertEqual(names(cloudwatch.describe_alarms(AlarmNamePrefix="api-")), ["api-5xx", "api-cpu"])
        self.assertEqual(names(cloudwatch.describe_alarms(AlarmNamePrefix="api-", StateValue="ALARM")), ["api-5xx"])
        self.refused("ValidationError", cloudwatch.describe_alarms, AlarmNamePrefix="api-", AlarmNames=["web-5xx"])
        cloudwatch.describe_alarms(AlarmNames=[f"a-{n}" for n in range(100)])
        self.refused("ValidationError", cloudwatch.describe_alarms, AlarmNames=[f"a-{n}" for n in range(101)])

    def test_a_state_that_is_set_is_seen_with_its_reason_and_time(self):
        self.seed(alarms=[{"name": "5xx"}])
        cloudwatch = self.client("cloudwatch")
        seen = lambda: cloudwatch.describe_alarms(AlarmNames=["5xx"])["MetricAlarms"][0]
        before = seen()
        self.assertEqual(before["StateValue"], "OK")
        cloudwatch.set_alarm_state(AlarmName="5xx", StateValue="ALARM", StateReason="by hand")
        after = seen()
        self.assertEqual((after["StateValue"], after["StateReason"]), ("ALARM", "by hand"))
        self.assertGreaterEqual(after["StateUpdatedTimestamp"], before["StateUpdatedTimestamp"])
        self.refused("ResourceNotFound", cloudwatch.set_alarm_state, AlarmName="none", StateValue="OK", StateReason="")
        self.refused("ValidationError", cloudwatch.set_alarm_state, AlarmName="5xx", StateValue="BAD", StateReason="")

    def test_a_role_without_the_right_is_refused(self):
        arn = f"arn:aws:iam::{ACCOUNT}:role/deploy"
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ecs:*", "Resource": "*"}]}
        self.seed(roles=[{"arn": arn, "policy": policy}], alarms=[{"name": "5xx"}])
        given = self.client("sts").assume_role(RoleArn=arn, RoleSessionName="run")["Credentials"]
        cloudwatch = self.client("cloudwatch", given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
        error = self.refused("AccessDeniedException", cloudwatch.describe_alarms)
        self.assertIn("cloudwatch:DescribeAlarms", error["Error"]["Message"])


class AlarmsInCbor(Alarms):
    """The protocol that the SDK for Rust speaks."""

    PROTOCOL = "smithy-rpc-v2-cbor"

    def test_the_request_is_what_its_protocol_says(self):
        self.seed(alarms=[{"name": "naïve ✓"}])
        self.client("cloudwatch").describe_alarms(AlarmNames=["naïve ✓"], MaxRecords=1)
        self.assertEqual(self.calls("cloudwatch", "DescribeAlarms")[0]["body"], {"AlarmNames": ["naïve ✓"], "MaxRecords": 1})

    def test_an_answer_with_a_member_the_model_does_not_know_is_a_violation(self):
        found = shapes.problems("cloudwatch", "DescribeAlarms", b"\xa1\x66Alarms\x80", self.PROTOCOL)
        self.assertEqual(found, ["DescribeAlarms.Alarms: no such member of DescribeAlarmsOutput"])


class Scans(SimulatorTest):
    def image(self, **scan):
        self.seed(images=[{"repository": "pmis/api", "tags": ["v1"], "labels": {"word": "one"}}])
        digest = self.client("ecr").describe_images(repositoryName="pmis/api")["imageDetails"][0]["imageDigest"]
        if scan:
            self.seed(scans=[{"repository": "pmis/api", "digest": digest, **scan}])
        return dict(repositoryName="pmis/api", imageId={"imageDigest": digest})

    def finding(self, name, severity):
        return {"name": name, "severity": severity, "package": "openssl", "version": "3.0.15",
                "url": f"https://security-tracker.debian.org/tracker/{name}", "status": "ACTIVE", "fixed_in": "3.0.16"}

    def test_an_image_nobody_scanned_has_no_scan_until_one_is_started(self):
        image, ecr = self.image(), self.client("ecr")
        self.refused("ScanNotFoundException", ecr.describe_image_scan_findings, **image)
        started = ecr.start_image_scan(repositoryName="pmis/api", imageId={"imageTag": "v1"})
        self.assertEqual((started["imageScanStatus"]["status"], started["imageId"]["imageTag"]), ("IN_PROGRESS", "v1"))
        self.assertEqual(started["imageId"]["imageDigest"], image["imageId"]["imageDigest"])
        found = ecr.describe_image_scan_findings(**image)
        self.assertEqual(found["imageScanStatus"]["status"], "COMPLETE")
        self.assertEqual((found["imageScanFindings"]["findings"], found["imageScanFindings"]["findingSeverityCounts"]), ([], {}))
        # Once a day an image.
        self.refused("LimitExceededException", ecr.start_image_scan, **image)

    def test_a_scan_that_waits_to_be_asked_for_is_in_progress_and_then_complete(self):
        image = self.image(asked=True, takes_ms=60, status="COMPLETE", findings=[self.finding("CVE-2026-0001", "HIGH")])
        ecr = self.client("ecr")
        self.refused("ScanNotFoundException", ecr.describe_image_scan_findings, **image)
        ecr.start_image_scan(**image)
        first = ecr.describe_image_scan_findings(**image)
        self.assertEqual(first["imageScanStatus"]["status"], "IN_PROGRESS")
        self.assertNotIn("imageScanFindings", first)
        done = self.until(lambda found: found["imageScanStatus"]["status"] != "IN_PROGRESS",
                          lambda: ecr.describe_image_scan_findings(**image))
        self.assertEqual(done["imageScanStatus"]["status"], "COMPLETE")
        self.assertEqual(done["imageScanFindings"]["findingSeverityCounts"], {"HIGH": 1})

    def test_every_state_a_scan_ends_in(self):
        ecr = self.client("ecr")
        for state in ("FAILED", "UNSUPPORTED_IMAGE", "PENDING", "SCAN_ELIGIBILITY_EXPIRED", "FINDINGS_UNAVAILABLE",
                      "LIMIT_EXCEEDED", "IMAGE_ARCHIVED", "IMAGE_SIZE_EXCEEDED"):
            image = self.image(status=state, description=f"because of {state}")
            found = ecr.describe_image_scan_findings(**image)
            self.assertEqual(found["imageScanStatus"], {"status": state, "description": f"because of {state}"})
            self.assertNotIn("imageScanFindings", found)

    def test_basic_findings_come_in_pages_with_the_counts_of_all(self):
        findings = [self.finding(f"CVE-2026-{n:04}", "CRITICAL" if n < 3 else "LOW") for n in range(250)]
        image, ecr = self.image(status="COMPLETE", findings=findings), self.client("ecr")
        first = ecr.describe_image_scan_findings(**image)["imageScanFindings"]
        self.assertEqual((len(first["findings"]), first["findingSeverityCounts"]), (100, {"CRITICAL": 3, "LOW": 247}))
        pages = list(ecr.get_paginator("describe_image_scan_findings").paginate(**image, PaginationConfig={"PageSize": 60}))
        self.assertEqual(len(pages), 5)
        found = [one["name"] for page in pages for one in page["imageScanFindings"]["findings"]]
        self.assertEqual(found, [one["name"] for one in findings])
        attributes = {one["key"]: one["value"] for one in first["findings"][0]["attributes"]}
        self.assertEqual(attributes, {"package_name": "openssl", "package_version": "3.0.15"})
        self.refused("InvalidParameterException", ecr.describe_image_scan_findings, nextToken="next", **image)

    def test_enhanced_findings_name_package_and_fix_and_inspector_alone_begins_them(self):
        image = self.image(status="ACTIVE", enhanced=True, findings=[self.finding("CVE-2026-0001", "CRITICAL")])
        ecr = self.client("ecr")
        found = ecr.describe_image_scan_findings(**image)
        self.assertEqual(found["imageScanStatus"]["status"], "ACTIVE")
        one = found["imageScanFindings"]["enhancedFindings"][0]
        package = one["packageVulnerabilityDetails"]["vulnerablePackages"][0]
        self.assertEqual((one["severity"], one["status"], package["fixedInVersion"]), ("CRITICAL", "ACTIVE", "3.0.16"))
        self.refused("ValidationException", ecr.start_image_scan, **image)

    def test_what_is_not_there_and_what_lists_others_is_refused(self):
        image, ecr = self.image(), self.client("ecr")
        missing = {"imageDigest": "sha256:" + "0" * 64}
        for call in (ecr.start_image_scan, ecr.describe_image_scan_findings):
            self.refused("RepositoryNotFoundException", call, repositoryName="pmis/none", imageId=missing)
            self.refused("ImageNotFoundException", call, repositoryName="pmis/api", imageId=missing)
        index = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [
            {"mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 7, "platform": {"os": "linux", "architecture": "amd64"},
             "digest": image["imageId"]["imageDigest"]}]})
        self.seed(images=[{"repository": "pmis/api", "tags": ["index"], "manifest": index}])
        self.refused("UnsupportedImageTypeException", ecr.start_image_scan, repositoryName="pmis/api",
                     imageId={"imageTag": "index"})


class Topics(SimulatorTest):
    def setUp(self):
        super().setUp()
        self.seed(topics=[TOPIC])
        self.sns = self.client("sns")

    def test_a_message_gets_an_id_of_its_own(self):
        first = self.sns.publish(TopicArn=TOPIC, Subject="pmis serves", Message="Zufrieden: naïve ✓")
        second = self.sns.publish(TopicArn=TOPIC, Message=json.dumps({"default": "all", "email": "long"}), MessageStructure="json")
        self.assertNotEqual(first["MessageId"], second["MessageId"])
        self.assertEqual(len(self.calls("sns", "Publish")), 2)

    def test_a_topic_that_is_not_there_or_elsewhere(self):
        self.refused("NotFound", self.sns.publish, TopicArn=TOPIC.replace("deployments", "none"), Message="x")
        self.refused("InvalidParameter", self.sns.publish, TopicArn=TOPIC.replace("us-east-1", "eu-west-1"), Message="x")
        self.refused("InvalidParameter", self.sns.publish, TopicArn="deployments", Message="x")
        self.refused("InvalidParameter", self.sns.publish, Message="x")

    def test_messages_and_subjects_have_limits(self):
        publish = lambda **what: self.sns.publish(TopicArn=TOPIC, **what)
        publish(Message="x" * 262_144, Subject="s" * 99)
        self.refused("InvalidParameter", publish, Message="x" * 262_145)
        self.refused("InvalidParameter", publish, Message="ü" * 131_073)
        self.refused("InvalidParameter", publish, Message="")
        for subject in ("s" * 100, "two\nlines", ""):
            self.refused("InvalidParameter", publish, Message="x", Subject=subject)
        self.refused("InvalidParameter", publish, Message="text", MessageStructure="json")
        self.refused("InvalidParameter", publish, Message='{"email": "x"}', MessageStructure="json")


if __name__ == "__main__":
    unittest.main()
