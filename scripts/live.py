"""One real chat with each provider whose key is in the environment; names those it skipped.

usage: python scripts/live.py [PROVIDER[=MODEL]…]   (costs a few tokens each; `make e2e-live`)
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
from docker_agent.env.directories import Directories
from docker_agent.errors import DockerAgentError
from docker_agent.events import Event, TextDelta
from docker_agent.events import Source as Speaker
from docker_agent.loader.build import open_team
from docker_agent.loader.choose import AUTO_ROWS, DOCKER, DOCKER_MODEL, LOCAL_MODEL
from docker_agent.loader.overrides import Overrides
from docker_agent.loader.source import Source, find_source
from docker_agent.messages import UserMessage
from docker_agent.models import table
from docker_agent.models.dmr_find import HOST_VARIABLE
from docker_agent.models.endpoints import ENDPOINTS, required_variables
from docker_agent.models.road import open_road
from docker_agent.models.weights import locate
from docker_agent.runtime.loop import run
from docker_agent.runtime.request import RunRequest

LIMIT = 60.0
"""Seconds one chat may take."""

LOCAL = "local"
CACHE = Directories.chosen(os.environ).cache
"""Where weights are."""

_FILE = """\
models:
  asked: {model}
agents:
  root:
    model: asked
    instruction: Answer in one short sentence.
    toolsets: [{{type: think}}]
"""


_MODELS = {
    "azure": "gpt-4o-mini",
    "cloudflare-ai-gateway": "workers-ai/@cf/meta/llama-3.1-8b-instruct",
    "cloudflare-workers-ai": "@cf/meta/llama-3.1-8b-instruct",
    "github-copilot": "gpt-4o",
    "minimax": "MiniMax-M2",
    "nebius": "meta-llama/Llama-3.3-70B-Instruct",
    "nvidia": "meta/llama-3.3-70b-instruct",
    "ollama": "llama3.2",
    "requesty": "openai/gpt-4o-mini",
    "xai": "grok-4",
}
"""What hosts that `auto` passes over are asked for, unless the command line names a model."""

_ADDRESSES = {"azure": "AZURE_BASE_URL", "ollama": "OLLAMA_BASE_URL"}
"""Hosts whose address is one's own: the variable of this script that holds it."""


class Row(msgspec.Struct, frozen=True):
    """A provider and the model to ask. Any of `variables` lets us in, beside all of `needed`."""

    provider: str
    variables: tuple[str, ...]
    model: str
    needed: tuple[str, ...] = ()

    def lacking(self) -> str:
        """What must be set before it can be asked; empty when nothing."""
        lacking = [name for name in self.needed if not os.environ.get(name)]
        if self.variables and not any(os.environ.get(name) for name in self.variables):
            lacking.insert(0, " or ".join(self.variables))
        if self.provider == LOCAL and locate(self.model, CACHE) is None:
            lacking.append(f"docker-agent models pull {self.model}")
        return ", ".join(lacking)


def rows() -> Iterator[Row]:
    """Every provider this program speaks: those of `auto` in its order, then the other hosts, then
    what runs on this machine."""
    spoken = {*ENDPOINTS, *table.PROVIDERS}
    automatic = [row for row in AUTO_ROWS if row.provider in spoken]
    for row in automatic:
        yield Row(row.provider, row.variables, row.model)
    for name, variables in sorted(required_variables().items()):
        if name not in {row.provider for row in automatic}:
            own = (_ADDRESSES[name],) if name in _ADDRESSES else ()
            yield Row(name, (), _MODELS[name], (*variables, *own))
    yield Row(DOCKER, (HOST_VARIABLE,), DOCKER_MODEL)
    yield Row(LOCAL, (), LOCAL_MODEL)


async def chat(row: Row) -> str:
    """What the provider's model answers, streamed. Raises an error of ours when it does not."""
    pieces: list[str] = []

    async def hear(source: Speaker, events: tuple[Event, ...]) -> None:
        pieces.extend(event.text for event in events if isinstance(event, TextDelta))

    with tempfile.TemporaryDirectory() as folder:
        source = _source(Path(folder), row)
        overrides = Overrides(Path(folder), CACHE, Path(folder))
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
    model = {"provider": row.provider, "model": row.model}
    if row.provider in _ADDRESSES:
        model["base_url"] = f"${{{_ADDRESSES[row.provider]}}}"
    file.write_text(_FILE.format(model=msgspec.json.encode(model).decode()))
    return find_source(str(file))


async def live(wanted: Sequence[str]) -> int:
    """The exit status: 1 when a provider that could be asked did not answer."""
    failed = 0
    skipped: list[str] = []
    named: dict[str, str] = {}
    for one in wanted:
        name, _, model = one.partition("=")
        named[name] = model
    for row in rows():
        if wanted and row.provider not in named:
            continue
        if model := named.get(row.provider):
            row = msgspec.structs.replace(row, model=model)
        if lacking := row.lacking():
            skipped.append(f"{row.provider} ({lacking})")
            continue
        try:
            said = await chat(row)
        except (DockerAgentError, TimeoutError) as exc:
            failed += 1
            print(f"FAILED   {row.provider} {row.model}: {exc or 'no answer in time'}")  # noqa: T201
        else:
            print(f"answered {row.provider} {row.model}: {said}")  # noqa: T201
    print(f"skipped, not set: {', '.join(skipped) or 'none'}")  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(live(sys.argv[1:])))
