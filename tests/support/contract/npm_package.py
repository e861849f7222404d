"""Fetches pinned npm packages once into a cache outside the checkout.

`npm pack` of this Python environment's npm: no install, no scripts, no other npm needed.
"""

import functools
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "shipline-contract"


def program(name):
    """`node` or `npm`."""
    return str(pathlib.Path(sys.executable).with_name(name))


@functools.cache
def unpacked(name, version, *members):
    """The folder with a package: all of it, or only the members that are named."""
    folder = CACHE / f"{name.strip('@').replace('/', '-')}-{version}"
    if not folder.exists():
        partial = folder.with_name(f"{folder.name}.{os.getpid()}")
        partial.mkdir(parents=True, exist_ok=True)
        npm = [program("npm"), "pack", "--silent", f"{name}@{version}"]
        done = subprocess.run(npm, cwd=partial, check=True, stdout=subprocess.PIPE, text=True)
        archive = partial / done.stdout.strip().splitlines()[-1]
        with tarfile.open(archive) as packed:
            wanted = [packed.getmember(f"package/{member}") for member in members] or packed.getmembers()
            # Older Pythons know no filters.
            packed.extractall(partial, members=wanted, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
        archive.unlink()
        try:
            (partial / "package").rename(folder)
        except OSError:
            # Somebody else was faster; packages of one version are the same.
            if not folder.exists():
                raise
        shutil.rmtree(partial, ignore_errors=True)
    return folder
