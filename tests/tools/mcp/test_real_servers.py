"""Servers that others wrote, from PyPI (new protocol) and npm (old protocol). Source: runtime.md
§10."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from docker_agent.errors import ToolError
from docker_agent.tools.port import Toolset
from tests.requirements import requirement
from tests.tools.mcp import npm
from tests.tools.mcp.opening import names, opened, text, value
from tests.tools.surroundings import around, context

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="session")
def from_npm() -> Path:
    """Where the commands of the npm servers are."""
    found = npm.servers()
    if isinstance(found, str):
        pytest.skip(found)
    return found


@pytest.fixture
def repository(tmp_path: Path) -> None:
    """A git repository with one commit in the test's folder."""
    git = ("git", "-C", str(tmp_path), "-c", "user.name=A", "-c", "user.email=a@example.com")
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    (tmp_path / "note.txt").write_text("one")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "the first one"], check=True)


def python(module: str, *args: str) -> dict[str, Any]:
    """The keys of a server from PyPI."""
    return {"command": sys.executable, "args": ["-m", module, *args]}


async def error(toolset: Toolset, tool: str, **arguments: Any) -> str:  # noqa: ANN401 - JSON
    """What a tool says that fails."""
    try:
        result = await toolset.call(tool, arguments, context())
    except ToolError as exc:
        return str(exc)
    assert result.is_error
    return result.text


@requirement("mcp:real:time")
async def test_the_time_server(tmp_path: Path) -> None:
    """PyPI mcp-server-time."""
    async with opened(tmp_path, name="clock", **python("mcp_server_time")) as toolset:
        assert toolset.life.held is None
        assert await names(toolset) == ["clock_get_current_time", "clock_convert_time"]
        assert toolset.life.held is not None and toolset.life.held.protocol == "2026-07-28"
        asked = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}
        found = await value(toolset, "clock_convert_time", **asked)
        assert found["time_difference"] == "+9.0h"
        assert "No time zone" in await error(toolset, "clock_get_current_time", timezone="Moon")


@requirement("mcp:real:git")
async def test_the_git_server(tmp_path: Path, repository: None) -> None:
    """PyPI mcp-server-git, in a repository of its own."""
    keys = python("mcp_server_git", "--repository", str(tmp_path))
    async with opened(tmp_path, **keys) as toolset:
        listing = await toolset.tools(around())
        assert listing.by_name["git_status"].read_only
        assert not listing.by_name["git_commit"].read_only
        assert "the first one" in await text(toolset, "git_log", repo_path=str(tmp_path))
        assert "main" in await text(
            toolset, "git_branch", repo_path=str(tmp_path), branch_type="local"
        )
        assert await error(toolset, "git_log", repo_path="/")


@requirement("mcp:real:filesystem")
async def test_the_filesystem_server(tmp_path: Path, from_npm: Path) -> None:
    """npm server-filesystem: reads and writes in its folder alone; asks for roots."""
    inside = tmp_path / "inside"
    inside.mkdir()
    keys: dict[str, Any] = {
        "command": str(from_npm / "mcp-server-filesystem"),
        "args": [str(inside)],
    }
    async with opened(inside, **keys) as toolset:
        assert "read_text_file" in await names(toolset)
        assert toolset.life.held is not None and toolset.life.held.protocol < "2026"
        note = str(inside / "note.txt")
        await text(toolset, "write_file", path=note, content="remember the milk")
        assert await text(toolset, "read_text_file", path=note) == "remember the milk"
        outside = await error(toolset, "read_text_file", path="/etc/passwd")
        assert "denied" in outside.lower()


@requirement("mcp:real:memory")
async def test_the_memory_server(tmp_path: Path, from_npm: Path) -> None:
    """npm server-memory: its file is named by the toolset's `env`."""
    path = tmp_path / "memory.jsonl"
    keys: dict[str, Any] = {
        "command": str(from_npm / "mcp-server-memory"),
        "env": {"MEMORY_FILE_PATH": str(path)},
    }
    entity = {"name": "Ann", "entityType": "person", "observations": ["likes milk"]}
    async with opened(tmp_path, **keys) as toolset:
        await text(toolset, "create_entities", entities=[entity])
    async with opened(tmp_path, **keys) as toolset:
        assert "likes milk" in await text(toolset, "search_nodes", query="Ann")


@requirement("mcp:real:everything")
async def test_the_everything_server(tmp_path: Path, from_npm: Path) -> None:
    """npm server-everything: pictures, resources, structure, progress, and questions back."""
    keys: dict[str, Any] = {
        "command": str(from_npm / "mcp-server-everything"),
        "args": ["stdio"],
    }
    async with opened(tmp_path, **keys) as toolset:
        listing = await toolset.tools(around())
        assert listing.instructions
        assert "hi" in await text(toolset, "echo", message="hi")
        picture = await toolset.call("get-tiny-image", {}, context())
        assert len(picture.parts) == 1 and picture.text
        weather = await toolset.call("get-structured-content", {"location": "New York"}, context())
        assert set(weather.structured or {}) >= {"temperature", "conditions"}
        assert "42" in await text(toolset, "get-sum", a=40, b=2)
        linked = await text(toolset, "get-resource-links", count=2)
        assert linked.count("](") == 2
        if "trigger-elicitation-request" in listing.by_name:
            asked = await toolset.call("trigger-elicitation-request", {}, context())
            assert "decline" in asked.text.lower()
        assert "trigger-sampling-request" not in listing.by_name
        done = await text(toolset, "trigger-long-running-operation", duration=0.2, steps=2)
        assert "complete" in done.lower()
