"""What an agent file says around its toolsets, put on in one order: filter, read-only, prompt text,
TOON, model, deferral; and around them all. Source: runtime.md §8.3, §8.5."""

from __future__ import annotations

from collections.abc import Sequence

from docker_agent.config import agent_file as declared
from docker_agent.config.convert import convert
from docker_agent.config.toolset import Toolset as Entry
from docker_agent.errors import ConfigError
from docker_agent.tools.deferred import Deferred, Hidden
from docker_agent.tools.lsp.languages import FileTypes
from docker_agent.tools.lsp.options import LspOptions
from docker_agent.tools.lsp.several import Several
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


def together(toolsets: Sequence[Toolset], entries: Sequence[Entry]) -> list[Toolset]:
    """The toolsets of these entries. Several `lsp` ones become one, in the place of the first.
    Source: agent-file.md §2.9."""
    servers = [pair for pair in zip(toolsets, entries, strict=True) if pair[1].type == "lsp"]
    if len(servers) < 2:
        return list(toolsets)
    types = [FileTypes(convert(entry.options, LspOptions).file_types) for _, entry in servers]
    one = Several([(each, known) for (each, _), known in zip(servers, types, strict=True)])
    merged = [
        one if entry.type == "lsp" else each for each, entry in zip(toolsets, entries, strict=True)
    ]
    return list(dict.fromkeys(merged))


def with_search(toolsets: Sequence[Toolset]) -> list[Toolset]:
    """The toolsets, and behind them the search for what some of them hide."""
    hidden = [
        member
        for toolset in toolsets
        for member in (
            [each for each, _ in toolset.members] if isinstance(toolset, Several) else [toolset]
        )
        if isinstance(member, Hidden)
    ]
    return [*toolsets, Deferred(hidden)] if hidden else [*toolsets]
