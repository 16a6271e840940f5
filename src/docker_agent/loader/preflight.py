"""What a team lacks before it can start, told at once: variables, and who needs each.

Source: agent-file.md §6.4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from docker_agent.config.agent_file import AgentFile
from docker_agent.env.chatgpt import HELP, TOKEN
from docker_agent.errors import ConfigError

Lacking = Callable[[str], Sequence[str]]
"""The variables that a model of a file needs and nobody has."""

HINTS = {TOKEN: HELP}
"""What is to be known of variables that hold no key a provider's page would give."""

Missing = Mapping[str, Sequence[str]]
"""For each variable that nobody has, who needs it."""


def missing_for(file: AgentFile, lacking: Lacking) -> dict[str, list[str]]:
    """The variables that the agents of a file need for their models, and who needs each."""
    missing: dict[str, list[str]] = {}
    for agent in file.agents:
        for model in dict.fromkeys(agent.models):
            for name in lacking(model):
                missing.setdefault(name, []).append(f"agent {agent.name} ({model})")
    return missing


def refuse_missing(found: Sequence[Missing]) -> None:
    """Raise `ConfigError` when the files of a team lack anything."""
    missing: dict[str, list[str]] = {}
    for each in found:
        for name, who in each.items():
            missing.setdefault(name, []).extend(who)
    if not missing:
        return
    width = max(map(len, missing))
    lines = [f"  {name:<{width}}  for {_few(missing[name])}" for name in sorted(missing)]
    listed = "\n".join(lines)
    hints = "".join(f"{name}: {HINTS[name]}.\n" for name in sorted(missing) if name in HINTS)
    raise ConfigError(
        f"these environment variables are needed and not set:\n{listed}\n{hints}"
        "Set them in the shell (export NAME=...), in a file given with --env-from-file, "
        "or in 'pass'; or use the embedded model, which needs no key: model: local/smollm2"
    )


def _few(who: Sequence[str], most: int = 3) -> str:
    more = f" and {len(who) - most} more" if len(who) > most else ""
    return ", ".join(who[:most]) + more
