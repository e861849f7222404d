"""The backend of the story: answers its health and keeps notes in a real SQLite database in a volume."""
import http.server
import json
import os
import signal
import sqlite3
import sys

VERSION = open("/app/VERSION").read().strip()
PATH = "/app/data/brainwave.db"

if VERSION.startswith("broken") and "OPENAI_API_KEY" not in os.environ:
    print("starting", VERSION, flush=True)
    sys.exit("KeyError: 'OPENAI_API_KEY'")

database = sqlite3.connect(PATH)
database.execute("pragma journal_mode = wal")
database.execute("create table if not exists starts (version text)")
database.execute("insert into starts values (?)", (VERSION,))
database.commit()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/api/health":
            status, body = (500 if VERSION.startswith("sick") else 200), {"status": "ok", "version": VERSION}
        else:
            status, body = 200, [row[0] for row in database.execute("select version from starts order by rowid")]
        answer = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("serving", VERSION, flush=True)
http.server.HTTPServer(("", 8000), Handler).serve_forever()
