"""Commands that run after a file was written."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from docker_agent.config.decode import decode
from docker_agent.env.chain import Values
from docker_agent.errors import ConfigError
from docker_agent.tools.filesystem.options import FilesystemOptions, PostEdit
from docker_agent.tools.filesystem.toolset import Filesystem
from docker_agent.tools.opening import Opening
from docker_agent.tools.table import TOOLSETS
from tests.processes import wait_gone
from tests.requirements import requirement
from tests.tools.filesystem.desk import Desk, call
from tests.tools.surroundings import context

pytestmark = pytest.mark.anyio


def options(*commands: tuple[str, str]) -> FilesystemOptions:
    return FilesystemOptions(post_edit=tuple(PostEdit(path, cmd) for path, cmd in commands))


async def write(filesystem: Filesystem, path: str) -> tuple[str, bool]:
    result = await call(filesystem, "write_file", path=path, content="text")
    return result.text, result.is_error


@requirement("tool:filesystem:post_edit")
async def test_a_command_runs_for_files_whose_base_name_fits(desk: Desk) -> None:
    """runtime.md §9.1, post_edit: base name, in order, env `file`."""
    commands = options(
        ("*.py", 'echo "$file" >> log'), ("*", 'printf "%s" "$(cat "$file")!" > "$file"')
    )
    filesystem = desk.filesystem(commands)
    written = "File written successfully: {} (4 bytes)"
    assert await write(filesystem, "d/a.py") == (written.format("d/a.py"), False)
    assert await write(filesystem, "d.py/b.txt") == (written.format("d.py/b.txt"), False)
    edits = [{"oldText": "!", "newText": "?"}]
    await call(filesystem, "edit_file", path="d/a.py", edits=edits)
    path = desk.root / "d/a.py"
    assert (desk.root / "log").read_text().splitlines() == [str(path), str(path)]
    assert path.read_text() == "text?!"
    assert (desk.root / "d.py/b.txt").read_text() == "text!"


@requirement("tool:filesystem:post_edit")
async def test_a_command_that_fails_is_told_to_the_model(desk: Desk) -> None:
    """runtime.md §9.1, post_edit: failure → err; nothing runs after it."""
    filesystem = desk.filesystem(options(("*", "echo bad >&2; exit 3"), ("*", "touch never")))
    text, is_error = await write(filesystem, "a")
    assert is_error
    assert text == (
        "File written successfully: a (4 bytes)\n"
        "But the post_edit command 'echo bad >&2; exit 3' failed: exit status 3\nOutput: bad"
    )
    assert (desk.root / "a").read_text() == "text"
    assert not (desk.root / "never").exists()


@requirement("tool:filesystem:post_edit")
async def test_no_command_runs_for_a_write_that_failed(desk: Desk) -> None:
    """runtime.md §9.1, post_edit: after write or edit of a file."""
    filesystem = desk.put({"a": "text"}).filesystem(options(("*", "touch never")))
    edits = [{"oldText": "nope", "newText": "?"}]
    assert (await call(filesystem, "edit_file", path="a", edits=edits)).is_error
    assert not (desk.root / "never").exists()


@requirement("tool:filesystem:post_edit")
async def test_much_output_neither_blocks_nor_floods(desk: Desk) -> None:
    """runtime.md §9.1, post_edit: bounded."""
    filesystem = desk.filesystem(options(("*", "yes | head -c 1000000; exit 1")))
    with anyio.fail_after(30):
        text, is_error = await write(filesystem, "a")
    assert is_error
    assert 10_000 < len(text) < 20_000


LASTING = "exec 3>pipe; echo started >&3; sleep 600 & sleep 600"


async def is_closed(pipe: int) -> bool:
    """True once nobody has the pipe open for writing any more."""
    with anyio.fail_after(10):
        await anyio.wait_readable(pipe)
    return os.read(pipe, 100) == b""


def open_pipe(directory: Path) -> int:
    os.mkfifo(directory / "pipe")
    return os.open(directory / "pipe", os.O_RDONLY | os.O_NONBLOCK)


@requirement("tool:filesystem:post_edit")
async def test_a_command_that_takes_too_long_is_killed_with_all_it_started(desk: Desk) -> None:
    """runtime.md §9.1, post_edit: killed as a group."""
    pipe = open_pipe(desk.root)
    filesystem = desk.filesystem(options(("*", LASTING)), command_seconds=1.0)
    with anyio.fail_after(30):
        text, is_error = await write(filesystem, "a")
    assert os.read(pipe, 100) == b"started\n"
    assert is_error
    assert "it was stopped after 1 seconds" in text
    assert await is_closed(pipe)
    os.close(pipe)


@requirement("tool:filesystem:post_edit")
async def test_cancellation_kills_a_command_with_all_it_started(desk: Desk) -> None:
    """tools/port.py: cancellation stops the work and everything it started."""
    pipe = open_pipe(desk.root)
    filesystem = desk.filesystem(options(("*", LASTING)))
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(write, filesystem, "a")
            await anyio.wait_readable(pipe)
            assert os.read(pipe, 100) == b"started\n"
            group.cancel_scope.cancel()
    assert await is_closed(pipe)
    os.close(pipe)


@requirement("tool:filesystem:post_edit")
async def test_a_process_left_behind_is_ended_and_holds_nothing_up(desk: Desk) -> None:
    """runtime.md §9.1, post_edit: what it started ends with it, in a session of its own too."""
    mark = f"600.{os.getpid()}77"
    leaves = f"sleep {mark} & setsid sleep {mark} > /dev/null 2>&1 & true"
    filesystem = desk.filesystem(options(("*", leaves)))
    with anyio.fail_after(15):
        assert not (await write(filesystem, "a"))[1]
    await to_thread.run_sync(wait_gone, mark)


@requirement("tool:filesystem:environment")
async def test_commands_do_not_see_credentials(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """chat-server.md §6: child processes get the environment without provider keys, and without
    what the server or its models are given by a name that looks harmless."""
    for name in ("OPENAI_API_KEY", "CHATDOOR", "MODELDOOR", "PLAIN"):
        monkeypatch.setenv(name, "value")
    opening = Opening(desk.root, Values({}), withheld=frozenset(("CHATDOOR", "MODELDOOR")))
    file = b'{"post_edit": [{"path": "*", "cmd": "env > seen"}]}'
    async with TOOLSETS["filesystem"](decode(file, "agent.yaml"), opening) as toolset:
        arguments = {"path": "a", "content": "text"}
        assert not (await toolset.call("write_file", arguments, context())).is_error
    seen = dict(line.split("=", 1) for line in (desk.root / "seen").read_text().splitlines())
    assert not seen.keys() & {"OPENAI_API_KEY", "CHATDOOR", "MODELDOOR"}
    assert (seen["PLAIN"], seen["file"]) == ("value", str(desk.root / "a"))


@requirement("tool:filesystem:post_edit")
@pytest.mark.parametrize("command", [("", "true"), ("*", " ")])
def test_a_command_that_means_nothing_stops_the_start(desk: Desk, command: tuple[str, str]) -> None:
    """agent-file.md §2.9: malformed entry = error."""
    with pytest.raises(ConfigError, match=r"post_edit\[0\]"):
        desk.filesystem(options(command))
