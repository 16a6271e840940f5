"""What a live agent is: an immutable value that holds ports, shared by all runs at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from docker_agent.hooks.port import CUT_RESULTS, NO_HOOKS, Hooks, Results
from docker_agent.messages import Format
from docker_agent.models.port import Model
from docker_agent.permissions import NO_RULES, Rules, SafetyMode
from docker_agent.runtime.answers import Caching
from docker_agent.runtime.code_mode import CodeMode
from docker_agent.runtime.summaries import Compaction
from docker_agent.runtime.toolbox import NO_TOOLBOX, Toolbox

DEFAULT_REPEATS = 5
"""Identical batches of tool calls in a row that end a run (runtime.md §3.6)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one agent, 0 meaning none.

    `max_iterations` model calls per run; `repeats` identical batches of tool calls in a row;
    `history_items` messages that are neither system nor user; `old_tool_tokens` and `result_tokens`
    are counted as four characters each.
    """

    max_iterations: int = 0
    repeats: int = DEFAULT_REPEATS
    history_items: int = 0
    old_tool_tokens: int = 0
    result_tokens: int = 0


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Fork:
    """A skill that works in a conversation of its own: `body` gives its instructions, `toolbox` is
    all it may use, `model` who works (None: the agent's)."""

    body: Callable[[], Awaitable[str]]
    toolbox: Toolbox
    model: Model | None = None


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent, ready to run. `instruction` is expanded; names in `sub_agents`, `handoffs`,
    `force_handoff` are the team's. `models` are those that its tools may name for the next call,
    `choices` those that a conversation may choose in place of its own.
    `forks` are its skills that work for themselves.
    `rules` hold for its calls in place of the team's, when it comes from another file that has
    some. Without `compaction` no history is ever summarized, without `caching` no answer given
    twice."""

    name: str
    model: Model
    description: str = ""
    instruction: str = ""
    toolbox: Toolbox = NO_TOOLBOX
    code_mode: CodeMode | None = None
    models: Mapping[str, Model] = field(default_factory=dict[str, Model])
    choices: Mapping[str, Model] = field(default_factory=dict[str, Model])
    hooks: Hooks = NO_HOOKS
    limits: Limits = NO_LIMITS
    format: Format | None = None
    compaction: Compaction | None = None
    caching: Caching | None = None
    safety: SafetyMode | None = None
    rules: Rules | None = None
    sub_agents: tuple[str, ...] = ()
    handoffs: tuple[str, ...] = ()
    force_handoff: str | None = None
    forks: Mapping[str, Fork] = field(default_factory=dict[str, Fork])


@dataclass(frozen=True, slots=True)
class Team:
    """The agents of one agent file. `listed` are those a client may choose, in the file's order;
    `default` answers the rest.

    `loaded` is when it was built, in seconds since 1970; `working_dir` is told to hooks; `headers`
    are those of an incoming request that its toolsets pass on, in lower case; `results` is where
    tool results lie that are too large for a model.
    """

    agents: Mapping[str, Agent]
    default: str
    listed: tuple[str, ...]
    rules: Rules = NO_RULES
    loaded: int = 0
    working_dir: str = ""
    headers: frozenset[str] = frozenset()
    results: Results = CUT_RESULTS


class Teams(Protocol):
    """The team as it is now, and as it was for runs that began before a reload."""

    def current(self) -> AbstractAsyncContextManager[Team]:
        """Lease the newest generation; what an old one holds is closed when its last lease ends."""
        ...

    def peek(self) -> Team:
        """The newest generation, for a look that awaits nothing."""
        ...

    def unready(self) -> Mapping[str, str]:
        """What is not ready, by name, with a reason each; empty when all is well."""
        ...


class OneTeam:
    """`Teams` of one team that never changes: for tests, and for programs that build their
    agents by hand."""

    def __init__(self, team: Team) -> None:
        self._lease = _Forever(team)

    def current(self) -> AbstractAsyncContextManager[Team]:
        """The team."""
        return self._lease

    def peek(self) -> Team:
        """The team."""
        return self._lease.team

    def unready(self) -> Mapping[str, str]:
        """Toolsets that are not ready."""
        found = [agent.toolbox.unready() for agent in self._lease.team.agents.values()]
        return {name: reason for part in found for name, reason in part.items()}


class _Forever:
    """A lease that holds nothing, so it may be entered by any number of runs at once."""

    def __init__(self, team: Team) -> None:
        self.team = team

    async def __aenter__(self) -> Team:
        return self.team

    async def __aexit__(self, *exc: object) -> None:
        return None
