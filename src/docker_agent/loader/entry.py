"""What an agent file says around its toolsets, put on in one order: filter, read-only, prompt text,
TOON, model, deferral. Source: runtime.md §8.3."""

from __future__ import annotations

from collections.abc import Sequence

from docker_agent.config import agent_file as declared
from docker_agent.config.toolset import Toolset as Entry
from docker_agent.errors import ConfigError
from docker_agent.tools.deferred import Deferred, Hidden
from docker_agent.tools.port import Toolset
from docker_agent.tools.rewritten import Described, Modelled, Tooned, toon_patterns
from docker_agent.tools.select import select


def as_wished(
    toolset: Toolset, entry: Entry, agent: declared.Agent, instruction: str | None
) -> Toolset:
    """The toolset as its entry and its agent want it; `instruction` is expanded.

    Raises `ConfigError` with its line for a `toon` that is no list of expressions.
    """
    toolset = select(
        toolset,
        tools=entry.tools,
        readonly=entry.readonly or agent.readonly,
        instruction=instruction,
    )
    if agent.add_description_parameter:
        toolset = Described(toolset)
    if entry.toon:
        try:
            toolset = Tooned(toolset, toon_patterns(entry.toon))
        except ConfigError as exc:
            raise entry.error(str(exc), "toon") from exc
    if entry.model:
        toolset = Modelled(toolset, entry.model)
    if entry.defer:
        toolset = Hidden(toolset, None if entry.defer is True else entry.defer)
    return toolset


def with_search(toolsets: Sequence[Toolset]) -> list[Toolset]:
    """The toolsets, and behind them the search for what some of them hide."""
    hidden = [toolset for toolset in toolsets if isinstance(toolset, Hidden)]
    return [*toolsets, Deferred(hidden)] if hidden else [*toolsets]
