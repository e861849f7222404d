"""A worker without a port: it leaves a mark in the database every half second."""
import signal
import sys
import time

from database import Session

VERSION = open("/srv/VERSION").read().strip()

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
session = Session()
print("working", VERSION, flush=True)
while True:
    session.ask(f"INSERT INTO marks (worker) VALUES ('{VERSION}')")
    time.sleep(0.5)
