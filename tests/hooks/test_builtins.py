"""Hooks that come with the product."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import anyio
import pytest

from docker_agent.errors import ConfigError
from docker_agent.hooks.builtins.add_date import add_date
from docker_agent.hooks.builtins.add_environment_info import add_environment_info
from docker_agent.hooks.builtins.add_prompt_files import MAX_FILE, add_prompt_files
from docker_agent.hooks.port import NO_VERDICT, Hook, HookEvent, HookInput
from tests.requirements import requirement

pytestmark = pytest.mark.anyio


async def context(hook: Hook, event: HookEvent = "turn_start") -> str:
    verdict = await hook(HookInput(event, "root", "/", "run_1"))
    assert verdict.block is None
    return verdict.context


@requirement("hook:add_date")
async def test_the_date_is_that_of_the_moment() -> None:
    """agent-file.md §2.3, add_date: YYYY-MM-DD, recomputed every model call."""
    moments = iter([datetime(2026, 1, 31, 23, 59), datetime(2026, 2, 1)])
    hook = add_date(lambda: next(moments))
    assert await context(hook) == "Today's date: 2026-01-31"
    assert await context(hook) == "Today's date: 2026-02-01"
    assert (await context(add_date())).startswith("Today's date: 2")


@requirement("hook:add_environment_info")
@pytest.mark.parametrize(
    ("system", "machine", "shown"),
    [
        ("Linux", "x86_64", ("Linux", "x64")),
        ("Darwin", "arm64", ("MacOS", "arm64")),
        ("Windows", "AMD64", ("Windows", "x64")),
        ("Linux", "riscv64", ("Linux", "riscv64")),
    ],
)
async def test_the_environment_is_described(
    tmp_path: Path, system: str, machine: str, shown: tuple[str, str]
) -> None:
    """agent-file.md §2.3, add_environment_info."""
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    hook = add_environment_info(below, system=lambda: system, machine=lambda: machine)
    plain = await context(hook, "session_start")
    (tmp_path / ".git").mkdir()
    inside = await context(hook, "session_start")
    assert f"Working directory: {below}" in plain
    assert "Git repository: no" in plain
    assert "Git repository: yes" in inside
    assert f"Operating system: {shown[0]}\n" in plain
    assert plain.endswith(f"CPU: {shown[1]}")


@requirement("hook:add_prompt_files")
async def test_the_nearest_file_and_that_of_the_home_directory_are_added(tmp_path: Path) -> None:
    """agent-file.md §2.3, add_prompt_files: in the list's order, duplicates once."""
    work, home = tmp_path / "top" / "work", tmp_path / "home"
    work.mkdir(parents=True)
    home.mkdir()
    (tmp_path / "top" / "AGENTS.md").write_text("above\n")
    (tmp_path / "AGENTS.md").write_text("too far")
    (home / "AGENTS.md").write_text("home")
    (work / "b.md").write_text("b")
    hook = add_prompt_files(["AGENTS.md", "nope.md", "b.md", "AGENTS.md"], work, home=home)
    assert await context(hook) == "above\n\nhome\n\nb"
    (work / "AGENTS.md").write_text("near")
    assert await context(hook) == "near\n\nhome\n\nb"


@requirement("hook:add_prompt_files")
async def test_a_file_is_added_once(tmp_path: Path) -> None:
    """agent-file.md §2.3, add_prompt_files: home only if it is another file."""
    (tmp_path / "AGENTS.md").write_text("once")
    (tmp_path / "CLAUDE.md").symlink_to("AGENTS.md")
    hook = add_prompt_files(["AGENTS.md", "CLAUDE.md"], tmp_path, home=tmp_path)
    assert await context(hook) == "once"


@requirement("hook:add_prompt_files")
async def test_what_is_missing_or_no_file_is_skipped(tmp_path: Path) -> None:
    """agent-file.md §2.3, add_prompt_files: silently, and without waiting."""
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").touch()
    hook = add_prompt_files(["directory", "pipe", "empty", "nope"], tmp_path, home=tmp_path)
    with anyio.fail_after(5):
        verdict = await hook(HookInput("turn_start", "root", "/", "run_1"))
    assert verdict == NO_VERDICT


@requirement("hook:add_prompt_files")
async def test_a_huge_file_is_cut(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Bounded memory: 1 MiB of each file, and the log says so."""
    (tmp_path / "big").write_bytes(b"x" * (MAX_FILE + 10))
    assert await context(add_prompt_files(["big"], tmp_path, home=tmp_path)) == "x" * MAX_FILE
    assert "big" in caplog.text


@requirement("hook:add_prompt_files")
@pytest.mark.parametrize("name", ["", " ", "/etc/passwd", "../x", "a/../../x", "a\0"])
def test_a_name_that_leads_elsewhere_stops_the_start(name: str) -> None:
    """agent-file.md §2.3, add_prompt_files: file names, searched for upward; not paths to
    anywhere."""
    with pytest.raises(ConfigError, match="add_prompt_files"):
        add_prompt_files(["AGENTS.md", name], Path("/"))
