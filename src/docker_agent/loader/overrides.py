"""What the command line says about loading, as one value."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from docker_agent.config.model import Provider
from docker_agent.hooks.port import HookEvent
from docker_agent.models.gateway import Gateway
from docker_agent.permissions import SafetyMode


class Overrides(msgspec.Struct, frozen=True):
    """`working_dir` is where tools work; `cache_dir` and `data_dir` are ours.

    `withheld` names variables that hold the server's own secrets, which no child process gets.
    `hooks` are commands that every agent's events run beside what its file says.
    `agent` is the one agent to expose, `safety` the server's mode, which the log at the start
    speaks of; `safety_explicit` says that the operator chose it. `at_home`: nobody but this machine
    can ask the agents. `replay`: models answer from a
    recording, so no key is needed. `gateway` is the models gateway, `default_model` the
    `provider/model` that `auto` means first, `providers` the operator's own definitions. With
    `code_mode` every agent calls its tools from scripts.
    """

    working_dir: Path
    cache_dir: Path
    data_dir: Path
    agent: str | None = None
    safety: SafetyMode = "autonomous"
    safety_explicit: bool = False
    withheld: frozenset[str] = frozenset()
    hooks: Mapping[HookEvent, tuple[str, ...]] = {}
    replay: bool = False
    at_home: bool = False
    gateway: Gateway | None = None
    default_model: str = ""
    providers: Mapping[str, Provider] = {}
    code_mode: bool = False

    @property
    def keyless(self) -> bool:
        """Whether models need no key of this machine."""
        return self.replay or self.gateway is not None
