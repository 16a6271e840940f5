"""What the figures were measured on, what a measurement needs, and what a process used (Linux)."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import subprocess
import sys
from contextlib import suppress
from importlib import metadata
from pathlib import Path

TARGET_CORE = 0
OTHER_CORE = 1
"""Model and load client share it, so that they take nothing from what is measured."""
DESCRIPTORS = 65536
PACKAGES = ("docker-agent", "uvicorn", "uvloop", "httptools", "starlette", "aiohttp", "msgspec")


def missing() -> str:
    """What cannot be done without, as one line for the person at the keyboard; "" when all is
    there."""
    if not sys.platform.startswith("linux"):
        return "benchmarks read CPU time and memory from /proc: they run on Linux only"
    if absent := [name for name in ("gcc", "nginx") if shutil.which(name) is None]:
        return f"benchmarks need {' and '.join(absent)}: apt-get install gcc nginx-light"
    return ""


def pinned(core: int) -> list[str]:
    """Words in front of a command that keep it on one core; none where that cannot be."""
    if shutil.which("taskset") is None or (os.cpu_count() or 1) <= OTHER_CORE:
        return []
    return ["taskset", "-c", str(core)]


def allow_many_connections() -> None:
    """Raise the limit on open files for this process and its children, as far as allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def described() -> list[str]:
    """Machine and versions, one line each."""
    pinning = "pinned to cores 0 and 1" if pinned(TARGET_CORE) else "not pinned"
    nginx = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=False).stderr
    versions = [f"{name} {_version(name)}" for name in PACKAGES]
    return [
        f"{_processor()}, {os.cpu_count()} cores, {pinning}, Linux {platform.release()}",
        f"Python {platform.python_version()}, {', '.join(versions)}, "
        f"{nginx.strip().rpartition(' ')[2].replace('/', ' ')}",
    ]


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and its descendants so far, all threads, as the scheduler counts."""
    total = 0
    for member in _tree(pid):
        with suppress(OSError):
            for thread in Path(f"/proc/{member}/task").iterdir():
                with suppress(OSError):
                    total += int((thread / "schedstat").read_text().split()[0])
    return total / 1e9


def memory_kib(pid: int) -> int:
    """Proportional set size of a process and its descendants."""
    total = 0
    for member in _tree(pid):
        with suppress(OSError):
            for line in Path(f"/proc/{member}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total


def _tree(pid: int) -> list[int]:
    found = [pid]
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in (thread / "children").read_text().split():
                found += _tree(int(child))
    return found


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"
