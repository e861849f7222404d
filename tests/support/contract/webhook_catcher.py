"""A server that GitHub's webhooks go to; keeps what came, byte for byte."""

import http.server
import json
import threading


class Caught:
    def __init__(self, path, headers, raw):
        self.path, self.headers, self.raw = path, headers, raw
        self.payload = json.loads(raw)

    @property
    def event(self):
        return self.headers["X-GitHub-Event"]

    @property
    def name(self):
        """`issue_comment.created`; `ping`."""
        return ".".join(part for part in (self.event, self.payload.get("action")) if part)


class Catcher:
    def __init__(self):
        self.caught = caught = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                caught.append(Caught(self.path, self.headers, raw))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/webhooks/github"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
