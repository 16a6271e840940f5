"""Asking an agent what the command line says, with the flags of a server."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from docker_agent.cli.opening import Opened
from docker_agent.cli.serving import Serving
from docker_agent.cli.talk import Bounds, open_talk
from docker_agent.errors import ConfigError


async def ask(serving: Serving, messages: Sequence[str]) -> None:
    """Ask the entry agent one message after the other in one conversation; answers go to stdout
    as they come. Raises `ConfigError` when the start or a run fails."""
    opened = Opened(serving.source, serving.overrides, serving.secrets)
    bounds = Bounds(serving.settings.request_timeout, serving.settings.max_turns)
    opening = open_talk(
        opened, bounds, _write, lambda _: None, fake=serving.fake, record=serving.record
    )
    async with opening as talk:
        for text in messages:
            failure = await talk.say(text)
            _write("\n")
            if failure is not None:
                raise ConfigError(f"the run failed: {failure.message}")


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
