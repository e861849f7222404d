#!/usr/bin/env python3
"""Sends requests to one URL without a pause and counts what failed.

A request failed when it got no answer within --timeout, when the connection broke
or when the status is not 200. Every request uses a new connection, as most
clients behind a load balancer do during a deployment. Names below `localhost`
are asked at 127.0.0.1 with the name as Host header (the C library does not
resolve them). On SIGTERM or SIGINT, or after --seconds, it prints one JSON line.
"""

import argparse
import collections
import http.client
import json
import signal
import threading
import time
import urllib.parse


def send(address, host, path, timeout):
    """The body of a good answer; raises what made the request fail."""
    connection = http.client.HTTPConnection(*address, timeout=timeout)
    try:
        connection.request("GET", path, headers={"Host": host, "Connection": "close"})
        answer = connection.getresponse()
        body = answer.read().decode(errors="replace").strip()
    finally:
        connection.close()
    if answer.status != 200:
        raise RuntimeError(f"status {answer.status}: {body[:100]}")
    return body


def worker(target, options, stop, results, lock):
    while not stop.is_set():
        began = time.monotonic()
        try:
            served, why = send(*target, options.timeout), None
        except Exception as error:  # noqa: BLE001 - whatever it was, the request failed
            served, why = None, f"{type(error).__name__}: {error}"[:200]
        took = time.monotonic() - began
        with lock:
            results["sent"] += 1
            results["slowest"] = max(results["slowest"], took)
            if why is None:
                results["answers"][served[:80]] += 1
            else:
                results["failed"] += 1
                results["failures"][why] += 1
        stop.wait(options.every)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("url")
    parser.add_argument("--workers", type=int, default=4, help="requests at once (4)")
    parser.add_argument("--every", type=float, default=0.01, help="seconds between two requests of a worker (0.01)")
    parser.add_argument("--timeout", type=float, default=5, help="seconds after which a request failed (5)")
    parser.add_argument("--seconds", type=float, help="end by itself after so many seconds")
    options = parser.parse_args()
    url = urllib.parse.urlsplit(options.url)
    host = url.hostname or parser.error("the URL has no host name")
    reached = "127.0.0.1" if host.endswith(".localhost") else host
    target = ((reached, url.port or 80), url.netloc, url.path or "/")

    stop, lock = threading.Event(), threading.Lock()
    results = {"sent": 0, "failed": 0, "slowest": 0.0,
               "answers": collections.Counter(), "failures": collections.Counter()}
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    began = time.monotonic()
    workers = [threading.Thread(target=worker, args=(target, options, stop, results, lock))
               for _ in range(options.workers)]
    for thread in workers:
        thread.start()
    stop.wait(options.seconds)
    stop.set()
    for thread in workers:
        thread.join()
    print(json.dumps({
        "sent": results["sent"], "failed": results["failed"],
        "seconds": round(time.monotonic() - began, 2),
        "slowest_ms": round(results["slowest"] * 1000),
        "answers": dict(results["answers"]), "failures": dict(results["failures"]),
    }))


if __name__ == "__main__":
    main()
