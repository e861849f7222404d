#!/usr/bin/env python3
"""Creates, shows and deletes one service in the local test world.

A service is what a team has before it meets Shipline: a registry repository, a
cluster, a load balancer with a target group and a listener, a log group, a task
definition and an ECS service whose circuit breaker rolls back. Everything takes
the name given; `create` finds what exists and leaves it, so it may be repeated.

Run it as `scripts/world service …`, which uses the world's own Python and sets
AWS_ENDPOINT_URL; there is no other account this program could reach.
"""

import argparse
import json
import os
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

NAME = re.compile(r"^[a-z0-9][a-z0-9-]{0,30}$")
TASK_FIELDS = (
    "taskArn", "lastStatus", "desiredStatus", "stoppedReason", "stopCode", "taskDefinitionArn",
)


class World:
    def __init__(self, endpoint, region, account):
        settings = Config(retries={"max_attempts": 1}, connect_timeout=2, read_timeout=60)
        self.endpoint, self.region, self.account = endpoint, region, account
        made = lambda service: boto3.client(  # noqa: E731
            service, endpoint_url=endpoint, region_name=region, config=settings,
            aws_access_key_id=os.environ.get("AWS_ACCESS_KEY_ID", "test"),
            aws_secret_access_key=os.environ.get("AWS_SECRET_ACCESS_KEY", "test"),
        )
        self.ecr, self.ecs, self.elb = made("ecr"), made("ecs"), made("elbv2")
        self.logs, self.ec2 = made("logs"), made("ec2")

    @property
    def registry(self):
        """The host to push to: the real ECR name where the world has port 80."""
        port = urllib.parse.urlsplit(self.endpoint).port or 80
        if port == 80:
            return f"{self.account}.dkr.ecr.{self.region}.amazonaws.com"
        return f"localhost:{port}"

    def url(self, name):
        port = urllib.parse.urlsplit(self.endpoint).port or 80
        suffix = "" if port == 80 else f":{port}"
        return f"http://{name}.alb.localhost{suffix}/"


def existing(call, *codes):
    """Runs `call`; None when the provider answers with one of `codes`."""
    try:
        return call()
    except ClientError as error:
        if error.response["Error"]["Code"] in codes:
            return None
        raise


def create(world, args):
    name = args.name
    cluster = args.cluster or name
    group = f"/ecs/{name}"
    mutability = "IMMUTABLE" if args.immutable else "MUTABLE"
    existing(
        lambda: world.ecr.create_repository(repositoryName=name, imageTagMutability=mutability),
        "RepositoryAlreadyExistsException",
    )
    existing(lambda: world.logs.create_log_group(logGroupName=group), "ResourceAlreadyExistsException")
    world.ecs.create_cluster(clusterName=cluster)
    vpcs = world.ec2.describe_vpcs()["Vpcs"]
    vpc = next((v for v in vpcs if v.get("IsDefault")), vpcs[0])["VpcId"]
    subnets = [
        s["SubnetId"]
        for s in world.ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
    ][:2]
    target_group = target_group_of(world, name) or world.elb.create_target_group(
        Name=name, Protocol="HTTP", Port=args.port, VpcId=vpc, TargetType="ip",
        HealthCheckPath="/health",
    )["TargetGroups"][0]["TargetGroupArn"]
    if not load_balancer_of(world, name):
        balancer = world.elb.create_load_balancer(Name=name, Subnets=subnets, Type="application")
        world.elb.create_listener(
            LoadBalancerArn=balancer["LoadBalancers"][0]["LoadBalancerArn"], Protocol="HTTP", Port=80,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": target_group}],
        )
    service = service_of(world, cluster, name)
    if not service:
        definition = world.ecs.register_task_definition(
            family=name, networkMode="awsvpc", requiresCompatibilities=["FARGATE"],
            cpu="256", memory="512",
            executionRoleArn=f"arn:aws:iam::{world.account}:role/{name}-execution",
            containerDefinitions=[{
                "name": args.container, "image": args.image, "essential": True,
                "portMappings": [{"containerPort": args.port, "protocol": "tcp"}],
                "environment": [{"name": "PORT", "value": str(args.port)}],
                "logConfiguration": {"logDriver": "awslogs", "options": {
                    "awslogs-group": group, "awslogs-region": world.region,
                    "awslogs-stream-prefix": name,
                }},
            }],
        )["taskDefinition"]["taskDefinitionArn"]
        world.ecs.create_service(
            cluster=cluster, serviceName=name, taskDefinition=definition, desiredCount=args.desired,
            launchType="FARGATE",
            deploymentConfiguration={
                "maximumPercent": 200, "minimumHealthyPercent": 100,
                "deploymentCircuitBreaker": {"enable": True, "rollback": True},
            },
            networkConfiguration={"awsvpcConfiguration": {"subnets": subnets}},
            loadBalancers=[{
                "targetGroupArn": target_group, "containerName": args.container,
                "containerPort": args.port,
            }],
        )
    wait_until_serving(world, cluster, name, args.within)
    return show(world, args)


def wait_until_serving(world, cluster, name, within):
    """Returns when every wanted task runs and the load balancer answers."""
    deadline = time.monotonic() + within
    while True:
        service = service_of(world, cluster, name)
        running = service and service["runningCount"] >= service["desiredCount"]
        if running and (service["desiredCount"] == 0 or ask(world, name)[0] == 200):
            return
        if time.monotonic() > deadline:
            sys.exit(f"{name} does not serve after {within} s; see the world's ministack log")
        time.sleep(0.1)


def ask(world, name, path="/"):
    """Status and body of the load balancer; status 0 when nothing answers.

    Asked by address with the name as Host header: the C library does not resolve
    names below localhost by itself.
    """
    address = urllib.parse.urlsplit(world.endpoint)
    request = urllib.request.Request(
        f"http://127.0.0.1:{address.port or 80}{path}",
        headers={"Host": urllib.parse.urlsplit(world.url(name)).netloc},
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.read().decode(errors="replace").strip()
    except urllib.error.HTTPError as error:
        return error.code, ""
    except OSError:
        return 0, ""


def show(world, args):
    name, cluster = args.name, args.cluster or args.name
    service = service_of(world, cluster, name)
    if not service:
        sys.exit(f"no service {name} in cluster {cluster}; create it with: scripts/world service create {name}")
    definition = world.ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
    status, body = ask(world, name)
    return {
        "name": name, "cluster": cluster, "service": name,
        "repository": f"{world.registry}/{name}", "url": world.url(name),
        "log_group": f"/ecs/{name}",
        "task_definition": service["taskDefinition"],
        "images": {c["name"]: c["image"] for c in definition["containerDefinitions"]},
        "desired": service["desiredCount"], "running": service["runningCount"],
        "rollouts": [
            {k: d.get(k) for k in ("status", "rolloutState", "rolloutStateReason", "taskDefinition")}
            for d in service["deployments"]
        ],
        "tasks": tasks_of(world, cluster, name),
        "answers": {"status": status, "body": body},
    }


def tasks_of(world, cluster, name):
    found = []
    for wanted in ("RUNNING", "STOPPED"):
        arns = world.ecs.list_tasks(cluster=cluster, serviceName=name, desiredStatus=wanted)["taskArns"]
        if arns:
            found += world.ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"]
    return [
        {k: t[k] for k in TASK_FIELDS if k in t}
        | {"exit_codes": {c["name"]: c.get("exitCode") for c in t["containers"]}}
        for t in found
    ]


def delete(world, args):
    name, cluster = args.name, args.cluster or args.name
    gone = ("ServiceNotFoundException", "ClusterNotFoundException", "LoadBalancerNotFound",
            "TargetGroupNotFound", "RepositoryNotFoundException", "ResourceNotFoundException")
    existing(lambda: world.ecs.delete_service(cluster=cluster, service=name, force=True), *gone)
    balancer = load_balancer_of(world, name)
    if balancer:
        for listener in world.elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"]:
            world.elb.delete_listener(ListenerArn=listener["ListenerArn"])
        world.elb.delete_load_balancer(LoadBalancerArn=balancer)
    target_group = target_group_of(world, name)
    if target_group:
        world.elb.delete_target_group(TargetGroupArn=target_group)
    if cluster == name:
        existing(lambda: world.ecs.delete_cluster(cluster=cluster), *gone)
    existing(lambda: world.ecr.delete_repository(repositoryName=name, force=True), *gone)
    existing(lambda: world.logs.delete_log_group(logGroupName=f"/ecs/{name}"), *gone)
    return {"deleted": name}


def service_of(world, cluster, name):
    answer = existing(
        lambda: world.ecs.describe_services(cluster=cluster, services=[name]), "ClusterNotFoundException")
    return next((s for s in (answer or {}).get("services", []) if s["status"] == "ACTIVE"), None)


def load_balancer_of(world, name):
    answer = existing(lambda: world.elb.describe_load_balancers(Names=[name]), "LoadBalancerNotFound")
    found = (answer or {}).get("LoadBalancers", [])
    return found[0]["LoadBalancerArn"] if found else None


def target_group_of(world, name):
    answer = existing(lambda: world.elb.describe_target_groups(Names=[name]), "TargetGroupNotFound")
    found = (answer or {}).get("TargetGroups", [])
    return found[0]["TargetGroupArn"] if found else None


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/world service", description=__doc__.split("\n")[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, does in (("create", create), ("show", show), ("delete", delete)):
        sub = verbs.add_parser(verb)
        sub.set_defaults(does=does)
        sub.add_argument("name", help="lower-case letters, digits and hyphens, at most 31")
        sub.add_argument("--cluster", help="the cluster's name (default: the service's own)")
        if verb == "create":
            sub.add_argument("--desired", type=int, default=2, help="wanted tasks (2)")
            sub.add_argument("--port", type=int, default=8080, help="port inside the container (8080)")
            sub.add_argument("--container", default="app", help="the container's name (app)")
            sub.add_argument("--image", default="placeholder:local",
                             help="first image (placeholder:local, which answers \"nothing deployed yet\")")
            sub.add_argument("--immutable", action="store_true", help="refuse to move tags in the repository")
            sub.add_argument("--within", type=float, default=30, help="seconds to wait until it serves (30)")
    args = parser.parse_args()
    if not NAME.match(args.name):
        parser.error(f"{args.name!r} is not a name: lower-case letters, digits and hyphens, at most 31")
    return args


def main():
    args = arguments()
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    if not endpoint:
        sys.exit("AWS_ENDPOINT_URL is not set; run this as: scripts/world service …")
    world = World(endpoint, os.environ.get("AWS_REGION", "us-east-1"),
                  os.environ.get("SHIPLINE_WORLD_ACCOUNT", "111122223333"))
    print(json.dumps(args.does(world, args), indent=2, default=str))


if __name__ == "__main__":
    main()
