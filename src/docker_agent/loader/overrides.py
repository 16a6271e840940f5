"""What the command line says about loading, as one value."""

from __future__ import annotations

from pathlib import Path

import msgspec

from docker_agent.permissions import SafetyMode


class Overrides(msgspec.Struct, frozen=True):
    """`working_dir` is where tools work; `cache_dir` and `data_dir` are ours.

    `withheld` names variables that hold the server's own secrets, which no child process gets.
    `agent` is the one agent to expose, `safety` the server's mode, which the log at the start
    speaks of; `safety_explicit` says that the operator chose it. `replay`: models answer from a
    recording, so no key is needed.
    """

    working_dir: Path
    cache_dir: Path
    data_dir: Path
    agent: str | None = None
    safety: SafetyMode = "autonomous"
    safety_explicit: bool = False
    withheld: frozenset[str] = frozenset()
    replay: bool = False
