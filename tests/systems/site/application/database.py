"""The database of the services in the stories: PostgreSQL, asked by its own client."""
import os
import subprocess
import threading

CLIENT = ["/psql/ld.so", "--library-path", "/psql", "/psql/psql", "-X", "-qAt", "-v", "ON_ERROR_STOP=1"]


class Session:
    """One connection, kept open; a statement that fails ends it."""

    def __init__(self):
        self.lock = threading.Lock()
        self.client = subprocess.Popen([*CLIENT, os.environ["DATABASE_URL"]], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, text=True)

    def ask(self, statement):
        with self.lock:
            self.client.stdin.write(f"{statement};\n\\echo .\n")
            self.client.stdin.flush()
            rows = []
            for line in self.client.stdout:
                if line == ".\n":
                    return rows
                rows.append(line.rstrip("\n"))
        raise ConnectionError(f"the database refused: {statement}")


def run(*arguments):
    """Runs the client to its end; its exit code is ours when it fails."""
    done = subprocess.run([*CLIENT, *arguments, os.environ["DATABASE_URL"]], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit(done.returncode)
    return done.stdout.split()
