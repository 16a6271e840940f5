"""A folder of documents and the toolset over it, for tests that call it by hand."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from docker_agent.config.decode import decode
from docker_agent.env.chain import Values
from docker_agent.tools.opening import Opening
from docker_agent.tools.port import Toolset
from docker_agent.tools.table import TOOLSETS
from tests.tools.surroundings import around, context

PATIENCE = 20.0
"""Seconds a wait lasts at most."""

BM25: Mapping[str, Any] = {"type": "bm25"}


def put(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write files, with the folders they need."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def source(*strategies: Mapping[str, Any], docs: list[str] | None = None, **more: Any) -> Any:  # noqa: ANN401 - JSON
    """A source as a file declares it: by words over `./docs`, unless told otherwise."""
    ways = [*strategies] or [BM25]
    return {"docs": ["./docs"] if docs is None else docs, "strategies": ways, **more}


@asynccontextmanager
async def shelf(
    folder: Path,
    declared: Mapping[str, Any] | None = None,
    *,
    name: str = "kb",
    settled: bool = True,
    **opening: Any,  # noqa: ANN401 - fields of Opening
) -> AsyncGenerator[Toolset]:
    """The toolset of a source in `folder`, once it has gone through the documents if `settled`."""
    config = {"rag_config": source() if declared is None else declared}
    around_it = Opening(
        folder, Values({"PLACE": "docs"}), data_dir=folder / "data", config_dir=folder, name=name
    )
    around_it = msgspec.structs.replace(around_it, **opening)
    raw = decode(json.dumps(config, indent=1).encode(), "agent.yaml")
    async with TOOLSETS["rag"](raw, around_it) as toolset:
        try:
            if settled:
                await until(lambda: toolset.status.state != "starting")
            yield toolset
        finally:
            await around_it.background.close()


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""

    async def now() -> bool:
        return holds()

    await until_true(now)


async def until_true(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something that has to be asked for holds."""
    async with asyncio.timeout(PATIENCE):
        for _ in itertools.count():
            if await holds():
                return
            await asyncio.sleep(0.02)


async def asked(toolset: Toolset, query: str) -> list[dict[str, Any]]:
    """What the tool answers."""
    (spec,) = (await toolset.tools(around())).specs
    result = await toolset.call(spec.name, {"query": query}, context())
    assert not result.is_error
    return json.loads(result.text)


async def paths(toolset: Toolset, query: str) -> list[str]:
    """The files of the results."""
    return [each["source_path"] for each in await asked(toolset, query)]
