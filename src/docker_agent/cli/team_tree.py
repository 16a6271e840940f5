"""A team as a tree of lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from docker_agent.loader.look import AgentLook, Look, ModelLook, ToolsetLook

_MOST_TEXT = 72
"""Characters of a description that are shown."""


def tree(look: Look) -> Iterator[str]:
    """The lines of a look at a file: its team, then what is missing or wrong."""
    if look.agents:
        count = "1 agent" if len(look.agents) == 1 else f"{len(look.agents)} agents"
        yield _printable(f"{look.file}: version {look.version}, {count}")
        for place, agent in enumerate(look.agents):
            last = place == len(look.agents) - 1
            yield _printable(f"{'└──' if last else '├──'} {_title(agent, look.default)}")
            yield from _branches(_parts(agent), "    " if last else "│   ")
    else:
        yield _printable(look.file)
    for model in look.models_beside:
        yield _printable(_model("beside them: model", model))
    if look.missing:
        yield f"missing on this machine: {', '.join(look.missing)}"
    for kind, texts in (
        ("unavailable", look.unavailable),
        ("warning", look.warnings),
        ("problem", look.problems),
    ):
        for text in texts:
            yield _printable(f"{kind}: {text}", keep_lines=True)
    yield _verdict(look)


def _verdict(look: Look) -> str:
    if look.problems:
        return "The file cannot be served."
    if look.starts_here:
        return "The file is right."
    return "The file is right, but this machine lacks what it needs."


def _title(agent: AgentLook, default: str) -> str:
    mark = " (default)" if agent.name == default else ""
    description = " ".join(agent.description.split())
    if len(description) > _MOST_TEXT:
        description = description[: _MOST_TEXT - 1] + "…"
    return f"{agent.name}{mark}{': ' if description else ''}{description}"


def _parts(agent: AgentLook) -> list[str]:
    handed = [
        *agent.handoffs,
        *([f"{agent.force_handoff} (always)"] if agent.force_handoff else []),
    ]
    return [
        *(_model("model", model) for model in agent.models),
        *(_model("fallback", model) for model in agent.fallbacks),
        *chain.from_iterable(_toolset(toolset, agent) for toolset in agent.toolsets),
        *([f"gives tasks to {', '.join(agent.sub_agents)}"] if agent.sub_agents else []),
        *([f"hands off to {', '.join(handed)}"] if handed else []),
    ]


def _model(role: str, model: ModelLook) -> str:
    whole = f"{model.provider}/{model.model}"
    meant = f" = {whole}" if model.provider and whole != model.name else ""
    needs = f" (needs {', '.join(model.missing)})" if model.missing else ""
    state = " (unavailable)" if model.unavailable else " (cannot be used)" if model.problem else ""
    return f"{role} {model.name}{meant}{needs}{state}"


def _toolset(toolset: ToolsetLook, agent: AgentLook) -> Iterator[str]:
    name = toolset.type if toolset.name == toolset.type else f"{toolset.type} {toolset.name}"
    if toolset.tools is None:
        yield f"toolset {name}: its tools are known once it runs"
    else:
        yield f"toolset {name}: {', '.join(toolset.tools) or 'no tools'}"
    part = (f"{each} (but not every call)" for each in toolset.refused_in_part)
    if refused := (*toolset.refused, *part):
        yield f"refused by safety mode {agent.safety}: {', '.join(refused)}"


def _branches(lines: Sequence[str], indent: str) -> Iterator[str]:
    for place, line in enumerate(lines):
        yield _printable(f"{indent}{'└──' if place == len(lines) - 1 else '├──'} {line}")


def _printable(text: str, *, keep_lines: bool = False) -> str:
    """Without what would move a terminal's cursor or colour it."""
    return "".join(
        character if character.isprintable() or (keep_lines and character == "\n") else "?"
        for character in text
    )
