"""CloudWatch's metrics as boto3 sees them."""

import datetime
import unittest

import boto3

from simulator import SimulatorTest

NAMESPACE = "PMIS"


def ago(seconds):
    """The whole minute so long ago."""
    now = datetime.datetime.now(datetime.timezone.utc).replace(second=0, microsecond=0)
    return now - datetime.timedelta(seconds=seconds)


def stat(name, identifier="m1", period=60, statistic="Average", dimensions=(), **more):
    metric = {"Namespace": NAMESPACE, "MetricName": name,
              "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions]}
    return {"Id": identifier, "MetricStat": {"Metric": metric, "Period": period, "Stat": statistic}, **more}


class CloudWatchMetrics(SimulatorTest):
    def setUp(self):
        super().setUp()
        self.cloudwatch = self.client("cloudwatch")

    def put(self, name, minutes_and_values, dimensions=()):
        data = [{"MetricName": name, "Timestamp": ago(minutes * 60), "Value": float(value),
                 "Dimensions": [{"Name": key, "Value": one} for key, one in dimensions]}
                for minutes, value in minutes_and_values]
        self.cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=data)

    def get(self, *queries, back=600, **more):
        arguments = {"StartTime": ago(back), "EndTime": ago(0), "ScanBy": "TimestampAscending", **more}
        return self.cloudwatch.get_metric_data(MetricDataQueries=list(queries), **arguments)

    def test_values_are_statistics_of_what_fell_into_a_period(self):
        self.put("Latency", [(5, 10), (5, 30), (5, 20), (3, 7)])
        for statistic, expected in [("Average", [20, 7]), ("Sum", [60, 7]), ("Minimum", [10, 7]), ("Maximum", [30, 7]),
                                    ("SampleCount", [3, 1]), ("p50", [20, 7]), ("p99", [30, 7])]:
            [result] = self.get(stat("Latency", statistic=statistic))["MetricDataResults"]
            self.assertEqual((result["Id"], result["Label"], result["StatusCode"]), ("m1", "Latency", "Complete"))
            self.assertEqual(result["Values"], expected, statistic)
            self.assertEqual([at.replace(tzinfo=None) for at in result["Timestamps"]],
                             [ago(300).replace(tzinfo=None), ago(180).replace(tzinfo=None)])

    def test_a_metric_is_found_by_all_of_its_dimensions_only(self):
        self.put("Latency", [(5, 1)], dimensions=[("A", "1"), ("B", "2")])
        for dimensions, expected in [([("B", "2"), ("A", "1")], [1]), ([("A", "1")], []), ([], [])]:
            [result] = self.get(stat("Latency", dimensions=dimensions))["MetricDataResults"]
            self.assertEqual((result["Values"], result["StatusCode"]), (expected, "Complete"))

    def test_an_expression_is_calculated_from_metrics_that_are_not_answered_themselves(self):
        self.put("Errors", [(5, 1), (4, 2)])
        self.put("Requests", [(5, 100), (4, 0), (3, 50)])
        share = {"Id": "share", "Expression": "100 * errors / requests", "Label": "error rate"}
        answer = self.get(share, stat("Errors", "errors", statistic="Sum", ReturnData=False),
                          stat("Requests", "requests", statistic="Sum", ReturnData=False))
        [result] = answer["MetricDataResults"]
        self.assertEqual((result["Label"], result["Values"]), ("error rate", [1.0]))

    def test_the_newest_comes_first_where_nothing_else_is_said(self):
        self.put("Latency", [(5, 1), (4, 2)])
        answer = self.cloudwatch.get_metric_data(MetricDataQueries=[stat("Latency")], StartTime=ago(600), EndTime=ago(0))
        self.assertEqual(answer["MetricDataResults"][0]["Values"], [2, 1])

    def test_values_come_in_pages_of_so_many_data_points(self):
        self.put("One", [(minutes, minutes) for minutes in range(9, 4, -1)])
        self.put("Two", [(minutes, 100 + minutes) for minutes in range(9, 6, -1)])
        queries = [stat("One", "one"), stat("Two", "two")]
        first = self.get(*queries, MaxDatapoints=3)
        self.assertEqual([one["StatusCode"] for one in first["MetricDataResults"]], ["PartialData", "PartialData"])
        pages = self.cloudwatch.get_paginator("get_metric_data").paginate(
            MetricDataQueries=queries, StartTime=ago(600), EndTime=ago(0), ScanBy="TimestampAscending", MaxDatapoints=3)
        found = {}
        for page in pages:
            for result in page["MetricDataResults"]:
                found.setdefault(result["Id"], []).extend(result["Values"])
        self.assertEqual(found, {"one": [9, 8, 7, 6, 5], "two": [109, 108, 107]})
        self.refused("InvalidNextToken", lambda: self.get(*queries, NextToken="what"))

    def test_a_metric_can_have_a_status_of_its_own(self):
        self.put("Latency", [(5, 1)])
        self.seed(metrics={"status": {"Latency": "InternalError"}})
        [result] = self.get(stat("Latency"))["MetricDataResults"]
        self.assertEqual((result["StatusCode"], result["Values"]), ("InternalError", []))
        self.assertEqual(result["Messages"][0]["Code"], "InternalError")

    def test_what_was_measured_a_moment_ago_is_published_later(self):
        self.put("Latency", [(5, 1), (2, 2)])
        self.seed(metrics={"lag_ms": 240_000})
        self.assertEqual(self.get(stat("Latency"))["MetricDataResults"][0]["Values"], [1])

    def test_requests_that_cannot_be_right_are_refused(self):
        wrong = [
            [stat("a")] * 2,
            [stat("a", "M1")],
            [stat("a", period=45)],
            [{"Id": "e", "Expression": "m1 / m2"}],
            [{"Id": "e"}],
            [stat("a", ReturnData=False)],
            [{"Id": f"e{n}", "Expression": "SELECT AVG(a) FROM b"} for n in range(2)],
            [stat("a", f"m{n}") for n in range(501)],
        ]
        for queries in wrong:
            with self.subTest(queries=queries[:2]):
                self.refused("ValidationError", lambda: self.get(*queries))
        self.refused("ValidationError", lambda: self.get(stat("a"), back=0))
        self.get(*[stat("a", f"m{n}") for n in range(500)])

    def test_a_namespace_of_aws_cannot_be_put_to(self):
        self.refused("InvalidParameterValue", self.cloudwatch.put_metric_data, Namespace="AWS/ECS",
                     MetricData=[{"MetricName": "a", "Value": 1.0}])


class CloudWatchMetricsOverCbor(CloudWatchMetrics):
    """The same in the protocol that the service prefers and other SDKs speak."""

    def setUp(self):
        SimulatorTest.setUp(self)
        session = boto3.session.Session()
        model = session._session.get_component("data_loader").load_service_model("cloudwatch", "service-2")
        model["metadata"]["protocols"] = ["smithy-rpc-v2-cbor"]
        self.cloudwatch = self.client("cloudwatch", session=session)
        self.assertEqual(self.cloudwatch.meta.service_model.resolved_protocol, "smithy-rpc-v2-cbor")


if __name__ == "__main__":
    unittest.main()
