"""MCP servers from npm, installed once into a cache folder."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

PINS = tuple(
    f"@modelcontextprotocol/server-{name}@2026.8.31"
    for name in ("filesystem", "everything", "memory")
)
LIMIT = 120.0
"""Seconds for an installation; it takes about six."""


def servers() -> Path | str:
    """The folder of their commands; or why there is none."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return "npm and node are not here"
    digest = hashlib.sha256("\n".join(PINS).encode()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "docker-agent-tests" / f"npm-{digest}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists() and (problem := _install(npm, folder)):
            return f"npm could not install them: {problem}"
    return folder / "node_modules" / ".bin"


def _install(npm: str, folder: Path) -> str:
    """What went wrong; a folder that is there is whole."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        flags = ("--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
        try:
            done = subprocess.run(
                [npm, "install", "--prefix", made, *flags, *PINS],
                capture_output=True,
                text=True,
                timeout=LIMIT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"it took longer than {LIMIT:g} seconds"
        if done.returncode:
            return done.stderr.strip()[-500:]
        shutil.copytree(made, folder, symlinks=True)
    return ""
