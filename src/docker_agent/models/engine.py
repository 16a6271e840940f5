"""The embedded engine's process: one model behind a loopback listener, until its standard input
ends.

Run as `python -m docker_agent.models.engine`. It reads one JSON line, `EngineSettings`, answers
with one, `{"listening": address}` or `{"error": sentence}`, and serves. A native crash takes no
conversation along, since nothing else lives here. Only this process imports the engine.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import platform
import signal
import sys
from pathlib import Path

import msgspec

CPUINFO = Path("/proc/cpuinfo")

NEEDED = ("avx2", "fma", "f16c", "bmi2")
"""Instruction sets the engine's x86-64 build uses without asking: without one it dies of an illegal
instruction."""

_PR_SET_PDEATHSIG = 1


class EngineSettings(msgspec.Struct, frozen=True):
    """What the engine serves. `context` is in tokens for each of `slots` requests at a time;
    `alias` is the only name of the model it tells; `parent` is the process it may not outlive."""

    path: str
    alias: str
    context: int
    slots: int
    threads: int
    key: str
    parent: int


class Listening(msgspec.Struct, frozen=True):
    """The engine's answer: where it listens, or why it does not, for a person."""

    listening: str = ""
    error: str = ""


def cpu_problem(cpuinfo: Path = CPUINFO, machine: str | None = None) -> str:
    """Why this CPU cannot run the engine; empty when it can, or when nobody can tell.

    Source: parts.md A3. Only Linux on x86-64 says what its CPU has.
    """
    if (machine or platform.machine()).lower() not in ("x86_64", "amd64"):
        return ""
    try:
        lines = cpuinfo.read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        name, _, flags = line.partition(":")
        if name.strip() == "flags":
            missing = [flag.upper() for flag in NEEDED if flag not in flags.split()]
            lacks = ", ".join(missing)
            return f"this CPU lacks {lacks}, which the embedded engine needs" if missing else ""
    return ""


def main() -> None:
    """Serve until the parent closes our standard input, or dies."""
    answers = os.dup(1)
    os.dup2(2, 1)
    settings = msgspec.json.decode(sys.stdin.buffer.readline(), type=EngineSettings)
    if not _bound_to(settings.parent):
        return
    server: object = None
    try:
        server, answer = _serve(settings)
    except Exception as exc:  # noqa: BLE001 native code raises what it likes; a person must read it
        said = " ".join(str(exc).split()) or type(exc).__name__
        answer = Listening(error=f"the engine could not load the model's file ({said})")
    os.write(answers, msgspec.json.encode(answer) + b"\n")
    os.close(answers)
    if server is not None:
        sys.stdin.buffer.read()
    os._exit(0)


def _bound_to(parent: int) -> bool:
    """Ask the kernel to end us with our parent; false when it has ended already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    return os.getppid() == parent


def _serve(settings: EngineSettings) -> tuple[object, Listening]:
    if problem := cpu_problem():
        return None, Listening(error=problem)
    xllamacpp = importlib.import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = settings.path
    params.model_alias = {settings.alias}
    params.n_ctx = settings.context * settings.slots
    params.n_parallel = settings.slots
    params.cpuparams.n_threads = settings.threads
    params.cpuparams_batch.n_threads = settings.threads
    params.api_keys = [settings.key]
    params.ui = False
    params.endpoint_slots = False
    params.verbosity = -1
    server = xllamacpp.Server(params)
    return server, Listening(listening=server.listening_address)


if __name__ == "__main__":
    main()
