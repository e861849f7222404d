"""Migrations: the files of a folder, each in one transaction, and a table of those that were made."""
import os

from database import run

FOLDER = "/srv/migrations"


def made():
    run("-c", "CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY)")
    return run("-c", "SELECT name FROM migrations ORDER BY name")


def up():
    before = made()
    for name in sorted(file.removesuffix(".up.sql") for file in os.listdir(FOLDER) if file.endswith(".up.sql")):
        if name in before:
            continue
        print("applying", name, flush=True)
        run("-1", "-f", f"{FOLDER}/{name}.up.sql", "-c", f"INSERT INTO migrations VALUES ('{name}')")


def down():
    name = made()[-1]
    print("taking back", name, flush=True)
    run("-1", "-f", f"{FOLDER}/{name}.down.sql", "-c", f"DELETE FROM migrations WHERE name = '{name}'")
