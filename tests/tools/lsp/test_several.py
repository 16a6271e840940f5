"""Several language servers of one agent. Source: runtime.md §8.5, agent-file.md §2.9."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from docker_agent.errors import ToolError
from docker_agent.messages import JSON
from docker_agent.runtime.agent import Agent
from docker_agent.tools.lsp.languages import FileTypes
from docker_agent.tools.lsp.several import Several
from tests.loader.loading import loaded
from tests.requirements import requirement
from tests.tools.lsp.opening import names, opened, scripted, text
from tests.tools.surroundings import around, context

pytestmark = pytest.mark.anyio

HOVER: Mapping[str, JSON] = {"hoverProvider": True}


def named(word: str, **capabilities: JSON) -> dict[str, Any]:
    """A server that says this word of everything."""
    answers = {
        "textDocument/hover": {"contents": word},
        "workspace/symbol": [{"name": word, "kind": 5, "location": {"uri": "file:///x"}}],
    }
    settings: dict[str, JSON] = {"capabilities": capabilities} if capabilities else {}
    return scripted(answers=answers, problems=[], **settings)


@asynccontextmanager
async def several(folder: Path, *servers: tuple[dict[str, Any], str]) -> AsyncGenerator[Several]:
    """Servers with the files that each knows."""
    async with AsyncExitStack() as stack:
        members = [
            (
                await stack.enter_async_context(opened(folder, file_types=types.split(), **keys)),
                FileTypes(types.split()),
            )
            for keys, types in servers
        ]
        yield Several(members)


@requirement("lsp:several")
async def test_the_file_says_who_is_asked(tmp_path: Path) -> None:
    """§8.5: one set of names, routed by the file's ending."""
    (tmp_path / "a.py").write_text("x\n")
    (tmp_path / "a.go").write_text("x\n")
    snake, gopher = (named("snake"), "py pyi"), (named("gopher"), "go")
    async with several(tmp_path, snake, gopher) as both:
        listing = await both.tools(around())
        assert len(listing.specs) == len(listing.by_name) == 15
        assert await both.tools(around()) is listing
        assert ".py, .pyi" in listing.instructions and ".go" in listing.instructions
        for name, word in (("a.py", "snake"), ("a.go", "gopher")):
            at: dict[str, JSON] = {"file": str(tmp_path / name), "line": 1, "character": 1}
            assert await text(both, "hover", **at) == word
        found = await text(both, "workspace_symbols", query="x")
        assert "class snake" in found and "class gopher" in found
        with pytest.raises(ToolError, match=r"no language server knows x\.rs; there are .*\.go"):
            await text(both, "hover", file="x.rs", line=1, character=1)
        with pytest.raises(ToolError, match="argument `file` is missing"):
            await text(both, "hover", line=1, character=1)


@requirement("lsp:several")
async def test_the_first_that_can_do_it_answers(tmp_path: Path) -> None:
    """Two servers of one language: each does what the other cannot."""
    (tmp_path / "a.py").write_text("x\n")
    lazy = named("lazy", definitionProvider=True)
    able = named("able", **HOVER, definitionProvider=False)
    async with several(tmp_path, (lazy, "py"), (able, "py")) as both:
        assert await names(both) == [
            *("lsp_workspace", "lsp_hover", "lsp_definition", "lsp_diagnostics"),
        ]
        at: dict[str, JSON] = {"file": str(tmp_path / "a.py"), "line": 1, "character": 1}
        assert await text(both, "hover", **at) == "able"
        assert (await text(both, "diagnostics", file=str(tmp_path / "a.py"))).count(
            "No problems"
        ) == 2


@requirement("lsp:several")
async def test_one_that_is_not_there_does_not_take_the_others_along(tmp_path: Path) -> None:
    """§8.4: its tools are missing, and its state is told."""
    (tmp_path / "a.py").write_text("x\n")
    broken: dict[str, Any] = {"command": "no-such-server"}
    async with several(tmp_path, (broken, "py go"), (named("there", **HOVER), "py")) as both:
        assert "lsp_hover" in await names(both)
        assert both.status.state == "failed" and "no-such-server" in both.status.reason
        at: dict[str, JSON] = {"line": 1, "character": 1}
        assert await text(both, "hover", file=str(tmp_path / "a.py"), **at) == "there"
        with pytest.raises(ToolError, match="cannot do lsp_hover, or is not there"):
            await both.call("lsp_hover", {"file": "a.go", **at}, context())
    async with several(tmp_path, (broken, "py"), (broken, "go")) as both:
        with pytest.raises(ToolError, match="no-such-server"):
            await both.tools(around())


@requirement("lsp:several")
async def test_an_agent_file_with_several_has_one_set_in_the_place_of_the_first(
    tmp_path: Path,
) -> None:
    """agent-file.md §2.9: merged after each was wrapped as its entry wants it."""
    (tmp_path / "a.py").write_text("x\n")
    (tmp_path / "a.go").write_text("x\n")
    root: dict[str, JSON] = {
        "model": "ollama/x",
        "toolsets": [
            {"type": "lsp", "file_types": ["py"], "tools": ["lsp_hover"], **named("snake")},
            {"type": "think"},
            {"type": "lsp", "file_types": ["go"], "readonly": True, "defer": True, **named("go")},
        ],
    }
    async with loaded(tmp_path, {"agents": {"root": root}}) as team:
        agent: Agent = team.agents["root"]
        toolsets = agent.toolbox.toolsets
        assert [each.name for each in toolsets] == ["lsp", "think", "deferred"]
        assert await names(toolsets[0]) == ["lsp_hover"]
        added = context()
        search = {"name": "lsp_references"}
        result = await toolsets[2].call("add_tool", search, added)
        assert "is activated" in result.text
        result = await toolsets[2].call("add_tool", {"name": "lsp_rename"}, added)
        assert result.is_error
