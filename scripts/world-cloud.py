#!/usr/bin/env python3
"""Starts the world's AWS (ministack) with a load balancer that checks health.

ministack hands requests to a task as soon as its container was started, before
anything listens in it and also while it is crashing. AWS does not: a target gets
its first request after its health check passed. Without that, every count of
failed requests during a deployment would be about the emulator. So this program
holds a new target back until it answers its target group's health check, lets an
old one finish the requests on their way to it before it is stopped, and calls a
deployment done only when that many new targets are healthy. All else is ministack
as it is. Called by `scripts/world up`.
"""

import http.client
import sys
import threading
import time

from ministack.core.concurrency import resource_lock
from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import alb, ecs

PROBE_EVERY = 0.02
PROBE_TIMEOUT = 1.0
DEREGISTRATION_DELAY = 0.5

clean_up = ecs._cleanup_task_resources
complete = ecs._complete_service_deployment
publish = alb.set_targets_for_group
healthy = set()  # (target group, address, port) that answered since they were asked for
wanted = {}      # target group -> what its service last asked to have registered


def publish_healthy(tg_arn, targets, previous_ids=()):
    """Registers the targets that answered before; probes the others and adds them later.

    The caller holds the target group's lock.
    """
    wanted[tg_arn] = list(targets)
    gone = {key for key in healthy if key[0] == tg_arn and key[1:] not in set(targets)}
    healthy.difference_update(gone)
    ready = [target for target in targets if (tg_arn, *target) in healthy]
    for target in targets:
        if target not in ready:
            threading.Thread(
                target=admit, args=(tg_arn, target, get_account_id(), get_region()), daemon=True,
            ).start()
    return publish(tg_arn, ready, previous_ids)


def admit(tg_arn, target, account, region):
    """Adds one target when it passes its health check; gives up when nobody wants it any more."""
    with request_scope(account, region):
        while target in wanted.get(tg_arn, ()) and (tg_arn, *target) not in healthy:
            if passes(target, alb._tgs.get(tg_arn, {})):
                with resource_lock("elbv2-targets", tg_arn):
                    if target in wanted.get(tg_arn, ()) and (tg_arn, *target) not in healthy:
                        healthy.add((tg_arn, *target))
                        publish(tg_arn, [target])
                return
            time.sleep(PROBE_EVERY)


def passes(target, group):
    connection = http.client.HTTPConnection(*target, timeout=PROBE_TIMEOUT)
    try:
        connection.request("GET", group.get("HealthCheckPath") or "/")
        return 200 <= connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def clean_up_drained(task, *rest, **named):
    """Ends a task's containers; those of a service only after their targets are drained.

    The task is out of its target group by now. One that ended by itself has nothing to drain.
    """
    if task.get("stopCode") == "UserInitiated" and task.get("group", "").startswith("service:"):
        time.sleep(DEREGISTRATION_DELAY)
    return clean_up(task, *rest, **named)


def complete_when_healthy(cluster, key, expected_deployment_id=None):
    """Completes a deployment, which stops the old tasks, when its own targets pass their checks."""
    service = ecs._services.get(key)
    if service and service.get("loadBalancers") and not balanced(service):
        threading.Thread(
            target=complete_later, args=(cluster, key, expected_deployment_id, get_account_id(), get_region()),
            daemon=True,
        ).start()
        return None
    return complete(cluster, key, expected_deployment_id)


def complete_later(cluster, key, deployment_id, account, region):
    with request_scope(account, region):
        while (service := ecs._services.get(key)) and service.get("status") == "ACTIVE":
            primary = ecs._primary_deployment(service)
            if not primary or primary.get("rolloutState") != "IN_PROGRESS":
                return
            if deployment_id not in (None, primary["id"]):
                return
            # A task that ended is followed by another, with a question of its own.
            if primary.get("runningCount", 0) < service.get("desiredCount", 0):
                return
            if balanced(service):
                complete(cluster, key, deployment_id)
                return
            time.sleep(PROBE_EVERY)


def balanced(service):
    """Whether as many tasks of the newest deployment as are wanted are healthy in every target group."""
    primary = ecs._primary_deployment(service)
    addresses = [
        ecs._task_ip(task) for task in list(ecs._tasks.values())
        if task.get("group") == f"service:{service['serviceName']}"
        and task.get("clusterArn") == service.get("clusterArn")
        and task.get("lastStatus") == "RUNNING"
        and ecs._deployment_for_task(service, task) is primary
    ]
    return all(
        sum((balancer["targetGroupArn"], address, balancer["containerPort"]) in healthy for address in addresses)
        >= service.get("desiredCount", 0)
        for balancer in service["loadBalancers"] if balancer.get("targetGroupArn")
    )


if __name__ == "__main__":
    ecs._cleanup_task_resources = clean_up_drained
    ecs._complete_service_deployment = complete_when_healthy
    alb.set_targets_for_group = publish_healthy
    from ministack.app import main

    sys.argv[0] = "ministack"
    sys.exit(main())
