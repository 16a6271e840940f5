"""What a toolset is opened with."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from docker_agent.config.tree import Raw
from docker_agent.env.chain import Secrets
from docker_agent.tools.background import Background
from docker_agent.tools.filesystem.work import PathLocks
from docker_agent.tools.jobs import Jobs
from docker_agent.tools.rag.lent import Lent


class NoOptions(msgspec.Struct, frozen=True):
    """What a toolset takes that has no keys of its own."""


class Opening(msgspec.Struct, frozen=True):
    """What toolsets may use. `trusted` is false for files from a registry or URL: lists in them
    that open more than the working directory do not count. `withheld` names variables that hold the
    server's own secrets, whatever they are called: no child process gets them.

    `config_dir` is what relative paths of the file mean (None: it lies on no disk), `source` the
    file's full name, `data_dir` where data of agents is kept, `cache_dir` where downloads are.
    `name` is the one that the entry has, `sub_agents` are those of its agent, `background` keeps
    what it starts, `jobs` are those of the whole server, `lent` the models that it asks. `folders`
    are the options of the agent's own `filesystem` entries, `locks` those of files that are
    written.
    """

    working_dir: Path
    secrets: Secrets
    trusted: bool = True
    withheld: frozenset[str] = frozenset()
    data_dir: Path | None = None
    config_dir: Path | None = None
    source: str = ""
    cache_dir: Path | None = None
    name: str = ""
    sub_agents: tuple[str, ...] = ()
    background: Background = msgspec.field(default_factory=Background)
    jobs: Jobs = msgspec.field(default_factory=Jobs)
    lent: Lent = Lent()
    folders: tuple[Raw, ...] = ()
    locks: PathLocks = msgspec.field(default_factory=PathLocks)

    def own_data(self, kind: str) -> Path | None:
        """Where data of this kind lies that belongs to this file alone; None without a data
        directory."""
        return self.data_dir and self.data_dir / kind / self.config_id

    @property
    def config_id(self) -> str:
        """A name for what belongs to this file alone. Source: agent-file.md §7.1."""
        digest = hashlib.sha256(self.source.encode("utf-8", "surrogateescape")).hexdigest()
        return f"{Path(self.source).stem}-{digest[:8]}"
