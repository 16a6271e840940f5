"""What every toolset of the table keeps, whatever it does. Source: DESIGN.md §1 and §7, the port
`Toolset`."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, get_args

import anyio
import msgspec
import pytest
from jsonschema import Draft202012Validator

from docker_agent.config.decode import decode
from docker_agent.env.chain import Values
from docker_agent.errors import ConfigError, ToolError
from docker_agent.messages import ToolList
from docker_agent.tools.opening import Opening
from docker_agent.tools.port import Scope, Status, Toolset
from docker_agent.tools.table import TOOLSETS
from tests.requirements import requirement
from tests.tools.lsp.opening import scripted
from tests.tools.mcp.opening import plain
from tests.tools.surroundings import around, context
from tests.tools.web_server import Answer, site

pytestmark = pytest.mark.anyio

FUNCTIONS = '''
def shout(text: str, names: list[str]) -> str:
    """Say it louder."""
    return text.upper()
'''
TEXTS = {"type": "array", "items": {"type": "string"}}
LOOK = {
    "operationId": "look",
    "summary": "Look it up.",
    "parameters": [{"name": "tags", "in": "query", "schema": TEXTS}],
}
DOCUMENT = {"openapi": "3.0.0", "paths": {"/x": {"get": LOOK}}}
API = {"name": "weather", "endpoint": "https://example.com/{place}", "method": "GET"}
CARD = {"name": "Librarian", "url": "/rpc", "skills": [{"id": "look"}]}
OPTIONS: Mapping[str, dict[str, Any]] = {
    "script": {
        "shell": {
            "hello": {"cmd": "echo hello", "description": "Greets."},
            "tag": {"cmd": 'echo "$tags"', "args": {"tags": TEXTS}},
        }
    },
    "api": {
        "api_config": {
            **API,
            "args": {"place": {"type": "string"}, "tags": TEXTS},
            "required": ["place"],
        }
    },
    "openapi": {"url": "{site}/doc", "allow_private_ips": True},
    "a2a": {"url": "{site}/agent.json", "allow_private_ips": True},
    "model_picker": {"models": ["openai/gpt-5.6"]},
    "open_url": {"url": "https://example.com"},
    "python": {"ref": "contract_functions:shout"},
    "mcp": plain(),
    "lsp": scripted(),
    "rag": {"rag_config": {"docs": ["."], "strategies": [{"type": "bm25"}]}},
}
"""What a row needs to have tools; the others have theirs without a word."""

BARE = frozenset({"open_url", "session_context"})
"""Rows that have no tools here."""


@asynccontextmanager
async def opened(row: str, folder: Path) -> AsyncGenerator[Toolset]:
    """A toolset of this row, working in `folder`."""
    (folder / "contract_functions.py").write_text(FUNCTIONS)
    pages = {"/doc": DOCUMENT, "/agent.json": CARD}
    answers = {at: Answer(json.dumps(page), type="application/json") for at, page in pages.items()}
    async with site(answers) as web:
        text = json.dumps(OPTIONS.get(row, {})).replace("{site}", web.url)
        opening = Opening(
            folder, Values({}), data_dir=folder / "data", config_dir=folder, source="agent.yaml"
        )
        async with TOOLSETS[row](decode(text.encode(), "agent.yaml"), opening) as toolset:
            try:
                yield toolset
            finally:
                await opening.background.close()


async def listing_of(toolset: Toolset) -> ToolList:
    """Its tools, once it has started."""
    return await toolset.tools(around())


@requirement("tool:contract:listing")
@pytest.mark.parametrize("row", TOOLSETS)
async def test_a_listing_is_the_same_until_it_changes_and_every_provider_can_take_it(
    row: str, tmp_path: Path
) -> None:
    """Port `Toolset`: the same object; runtime.md §5.1 and §8.5: names, schemas."""
    async with opened(row, tmp_path) as toolset:
        listing = await listing_of(toolset)
        assert await toolset.tools(around()) is listing
        assert bool(listing) is (row not in BARE)
        assert len(listing.by_name) == len(listing.specs)
        for spec in listing.specs:
            assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", spec.name)
            schema = dict(spec.parameters)
            assert schema["type"] == "object" and isinstance(schema["properties"], dict)
            Draft202012Validator.check_schema(schema)
            assert not (spec.read_only and spec.destructive)


@requirement("tool:contract:about")
@pytest.mark.parametrize("row", TOOLSETS)
async def test_it_says_what_it_is_and_how_it_stands(row: str, tmp_path: Path) -> None:
    """Port `Toolset`: name, scope, status, cheap and at any time."""
    async with opened(row, tmp_path) as toolset:
        assert toolset.name
        assert toolset.scope in get_args(Scope)
        assert isinstance(toolset.status, Status)
        await listing_of(toolset)
        assert toolset.status.state == "ready"


@requirement("tool:contract:errors")
@pytest.mark.parametrize("row", TOOLSETS)
async def test_what_a_model_writes_wrong_is_a_tool_error(row: str, tmp_path: Path) -> None:
    """Port `Toolset`: `ToolError`, or a result that is an error; never anything else."""
    nonsense: list[dict[str, Any]] = [{}, {"zz": None}, {"text": {"deep": [1, {"x": None}]}}]
    async with opened(row, tmp_path) as toolset:
        listing = await listing_of(toolset)
        harmless = [spec.name for spec in listing.specs if spec.name not in WAITING]
        for name in harmless:
            for arguments in nonsense:
                surroundings = msgspec.structs.replace(context(), run=f"{name}")
                try:
                    result = await toolset.call(name, dict(arguments), surroundings)
                except ToolError as exc:
                    assert str(exc)
                else:
                    assert isinstance(result.text, str)


@requirement("tool:arguments:tidy")
@pytest.mark.parametrize("row", sorted(set(TOOLSETS) - {"mcp"}))
async def test_guards_are_shown_arguments_as_the_tool_reads_them(row: str, tmp_path: Path) -> None:
    """runtime.md §5.4 R: a list written as text with escapes hides nothing from a rule. An MCP
    server's arguments are nobody's to repair."""
    async with opened(row, tmp_path) as toolset:
        for spec in (await listing_of(toolset)).specs:
            kinds = {name: of.get("type") for name, of in spec.parameters["properties"].items()}
            lists = [name for name, kind in kinds.items() if kind == "array"]
            written = dict.fromkeys(lists, '[{"a": "\\u0073ecret"}]')
            assert spec.tidy is not None
            seen = spec.tidy(written)
            assert not [name for name in lists if "secret" not in json.dumps(seen[name])]
            odd = {name: {"deep": [None]} for name in kinds}
            assert spec.tidy(odd).keys() == odd.keys() and spec.tidy({"zz": 1}) == {"zz": 1}


WAITING = frozenset({"slow", "crash", "leave", "endless", "huge"})
"""Tools of the plain server that never answer, or end it."""


@requirement("tool:contract:end")
@pytest.mark.parametrize("row", TOOLSETS)
async def test_it_leaves_nothing_behind(row: str, tmp_path: Path) -> None:
    """STYLE.md, Async: tasks have an owner that waits for them."""
    before = asyncio.all_tasks()
    async with opened(row, tmp_path) as toolset:
        await listing_of(toolset)
    async with asyncio.timeout(5):
        while asyncio.all_tasks() - before:
            await anyio.lowlevel.checkpoint()


@requirement("tool:contract:unknown-key")
@pytest.mark.parametrize("row", sorted(set(TOOLSETS) - {"think", "user_prompt", *BARE}))
async def test_a_key_it_does_not_know_is_an_error_with_its_place(row: str, tmp_path: Path) -> None:
    """DESIGN.md §2: each adapter owns its options."""
    options = {**OPTIONS.get(row, {}), "no_such_key": 1}
    opening = Opening(tmp_path, Values({}), data_dir=tmp_path, config_dir=tmp_path)
    with pytest.raises(ConfigError, match=r"agent.yaml:1: .*no_such_key"):
        async with TOOLSETS[row](decode(json.dumps(options).encode(), "agent.yaml"), opening):
            pass
