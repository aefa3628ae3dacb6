"""Run as a program by a maintainer: resolves an endpoint with jgo and writes `kafka.lock.json` anew.

    python -m streamer.embedded.renew_lock org.apache.kafka:kafka_2.13:4.1.1+org.slf4j:slf4j-simple:1.7.36

Look at the difference before you commit it: from then on every machine trusts these checksums.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
import tomllib
from pathlib import Path

import jgo
import msgspec

from streamer.embedded.jars import LOCK_FILE, Jar, JarLock


def resolve(endpoint: str, folder: Path) -> JarLock:
    """Every jar of the endpoint's class path, by artifact; needs the network."""
    jgo.build(endpoint, cache_dir=folder)
    (resolved,) = folder.rglob("jgo.lock.toml")
    found = []
    for entry in tomllib.loads(resolved.read_text())["dependencies"]:
        names = [entry["artifactId"], entry["version"], *filter(None, [entry.get("classifier")])]
        (path,) = resolved.parent.rglob("-".join(names) + ".jar")
        data = path.read_bytes()
        artifact = ":".join([entry["groupId"], *names])
        found.append(Jar(artifact, path.name, len(data), hashlib.sha256(data).hexdigest()))
    return JarLock(endpoint, tuple(sorted(found, key=lambda jar: jar.artifact)))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        lock = resolve(sys.argv[1], Path(name))
    LOCK_FILE.write_bytes(msgspec.json.format(msgspec.json.encode(lock), indent=1) + b"\n")
