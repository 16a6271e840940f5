"""One real chat with each provider whose key is in the environment; names those it skipped.

usage: python scripts/live.py [PROVIDER…]   (costs a few tokens each; `make e2e-live`)
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import anyio
import msgspec

from docker_agent.env.chain import Values
from docker_agent.errors import DockerAgentError
from docker_agent.events import Event, TextDelta
from docker_agent.events import Source as Speaker
from docker_agent.loader.build import open_team
from docker_agent.loader.choose import AUTO_ROWS, DOCKER, DOCKER_MODEL
from docker_agent.loader.overrides import Overrides
from docker_agent.loader.source import Source, find_source
from docker_agent.messages import UserMessage
from docker_agent.models import table
from docker_agent.models.dmr_find import HOST_VARIABLE
from docker_agent.models.endpoints import ENDPOINTS
from docker_agent.models.road import open_road
from docker_agent.runtime.loop import run
from docker_agent.runtime.request import RunRequest

LIMIT = 60.0
"""Seconds one chat may take."""

_FILE = """\
agents:
  root:
    model: {model}
    instruction: Answer in one short sentence.
    toolsets: [{{type: think}}]
"""


class Row(msgspec.Struct, frozen=True):
    """A provider, the variables any of which lets us in, and the model to ask."""

    provider: str
    variables: tuple[str, ...]
    model: str


def rows() -> Iterator[Row]:
    """The providers this program speaks, in the order of `auto`."""
    spoken = {*ENDPOINTS, *table.PROVIDERS}
    for row in AUTO_ROWS:
        if row.provider in spoken:
            yield Row(row.provider, row.variables, row.model)
    yield Row(DOCKER, (HOST_VARIABLE,), DOCKER_MODEL)


async def chat(row: Row) -> str:
    """What the provider's model answers, streamed. Raises an error of ours when it does not."""
    pieces: list[str] = []

    async def hear(source: Speaker, events: tuple[Event, ...]) -> None:
        pieces.extend(event.text for event in events if isinstance(event, TextDelta))

    with tempfile.TemporaryDirectory() as folder:
        source = _source(Path(folder), row)
        overrides = Overrides(Path(folder), Path(folder), Path(folder))
        async with (
            open_road() as http,
            open_team(source, overrides, Values(os.environ), http) as team,
        ):
            request = RunRequest("live", "root", (UserMessage("Say hello."),))
            with anyio.fail_after(LIMIT):
                outcome = await run(team, request, hear)
    if outcome.failure is not None:
        raise DockerAgentError(outcome.failure.message)
    return "".join(pieces).strip()


def _source(folder: Path, row: Row) -> Source:
    file = folder / "live.yaml"
    file.write_text(_FILE.format(model=f"{row.provider}/{row.model}"))
    return find_source(str(file))


async def live(wanted: Sequence[str]) -> int:
    """The exit status: 1 when a provider that could be asked did not answer."""
    failed = 0
    skipped: list[str] = []
    for row in rows():
        if wanted and row.provider not in wanted:
            continue
        if not any(os.environ.get(name) for name in row.variables):
            skipped.append(f"{row.provider} ({' or '.join(row.variables)})")
            continue
        try:
            said = await chat(row)
        except (DockerAgentError, TimeoutError) as exc:
            failed += 1
            print(f"FAILED   {row.provider} {row.model}: {exc or 'no answer in time'}")  # noqa: T201
        else:
            print(f"answered {row.provider} {row.model}: {said}")  # noqa: T201
    print(f"skipped, no key: {', '.join(skipped) or 'none'}")  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(live(sys.argv[1:])))
