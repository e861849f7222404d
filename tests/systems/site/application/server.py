"""An interface: every answer is its version, given after the query that this version makes."""
import http.server
import os
import signal
import sys

from database import Session

VERSION = open("/srv/VERSION").read().strip()
QUERY = open("/srv/query.sql").read().strip()

session = Session()
session.ask(QUERY)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            session.ask(QUERY)
            status, body = 200, VERSION.encode()
        except OSError as error:
            status, body = 500, str(error).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("serving", VERSION, flush=True)
http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
