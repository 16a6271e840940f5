"""The shell tool: what it answers, and that nothing outlives a call."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import msgspec
import pytest

from docker_agent.env.chain import Values
from docker_agent.errors import ToolError
from docker_agent.messages import JSON, ToolResult
from docker_agent.tools.port import CallContext
from docker_agent.tools.processes import MAX_OUTPUT, find_shell
from docker_agent.tools.shell import Shell
from docker_agent.tools.table import TOOLSETS, Opening
from tests.config.reading import tree
from tests.conftest import Serve
from tests.harness import agent_yaml
from tests.requirements import requirement
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import call as model_call
from tests.scripted.parts import say
from tests.tools.surroundings import around, context

pytestmark = pytest.mark.anyio

LASTING = "exec 3>pipe; echo started >&3; {}"
"""A command that a test can see starting and ending, by the other end of `pipe`."""


def shell(
    directory: Path, environ: Mapping[str, str] | None = None, *, safer: bool = False
) -> Shell:
    """The toolset, with little in its environment."""
    return Shell(directory, {"PATH": os.environ["PATH"], **(environ or {})}, safer=safer)


async def call(
    toolset: Shell, cmd: str, around: CallContext | None = None, **arguments: JSON
) -> ToolResult:
    """One call, which must end before the test is given up."""
    with anyio.fail_after(30):
        return await toolset.call("shell", {"cmd": cmd, **arguments}, around or context())


@asynccontextmanager
async def watched(directory: Path) -> AsyncGenerator[int]:
    """The reading end of `pipe` in a directory."""
    os.mkfifo(directory / "pipe")
    pipe = os.open(directory / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        yield pipe
    finally:
        os.close(pipe)


async def heard(pipe: int) -> bytes:
    """What was written to the pipe; nothing once no process has it open any more."""
    with anyio.fail_after(10):
        await anyio.wait_readable(pipe)
    return os.read(pipe, 100)


@requirement("tool:shell:result")
@pytest.mark.parametrize(
    ("cmd", "text", "is_error"),
    [
        ("echo hi", "hi", False),
        ("echo a; echo b >&2; echo c", "a\nb\nc", False),
        ("printf '  a\\n\\n'", "  a", False),
        ("true", "<no output>", False),
        ("echo; echo", "<no output>", False),
        ("echo no >&2; exit 3", "Error executing command: exit status 3\nOutput: no", True),
        ("exit 1", "Error executing command: exit status 1\nOutput: ", True),
        ("kill -9 $$", "Error executing command: signal: SIGKILL\nOutput: ", True),
        ("printf 'a\\377b\\000c\\303\\251'", "a\ufffdb\ufffdcé", False),
        ("cat", "<no output>", False),
        ("test -t 0 || test -e /dev/tty && true < /dev/tty || echo none", None, False),
    ],
)
async def test_a_command_answers_with_what_it_wrote(
    tmp_path: Path, cmd: str, text: str | None, is_error: bool
) -> None:
    """runtime.md §9.2: output in order of arrival, no input, no terminal; the texts are exact."""
    found = await call(shell(tmp_path), cmd)
    assert found.is_error is is_error
    assert text is None or found.text == text
    assert text is not None or "none" in found.text


@requirement("tool:shell:parameters")
async def test_a_command_may_be_called_command(tmp_path: Path) -> None:
    """runtime.md §9.2: the alias; `cmd` wins."""
    toolset = shell(tmp_path)
    assert (await toolset.call("shell", {"command": "echo a"}, context())).text == "a"
    both: dict[str, JSON] = {"command": "echo a", "cmd": "echo b"}
    assert (await toolset.call("shell", both, context())).text == "b"


@requirement("tool:shell:parameters")
@pytest.mark.parametrize("arguments", [{}, {"cmd": ""}, {"cmd": "  "}, {"cmd": None}, {"x": "ls"}])
async def test_without_a_command_the_model_is_shown_how(
    tmp_path: Path, arguments: dict[str, JSON]
) -> None:
    """runtime.md §9.2: an error that shows the expected JSON."""
    with pytest.raises(ToolError, match=r'expected JSON: \{"cmd": "ls -la", "cwd": ".*\}'):
        await shell(tmp_path).call("shell", arguments, context())


@requirement("tool:shell:parameters")
async def test_a_command_runs_where_it_should(tmp_path: Path) -> None:
    """runtime.md §9.2: cwd, default the working directory."""
    (tmp_path / "d").mkdir()
    toolset, here = shell(tmp_path), str(tmp_path)
    assert (await call(toolset, "pwd")).text == here
    assert (await call(toolset, "pwd", cwd=".")).text == here
    assert (await call(toolset, "pwd", cwd="d")).text == f"{here}/d"
    assert (await call(toolset, "pwd", cwd="d/../d")).text == f"{here}/d"
    assert (await call(toolset, "pwd", cwd="/")).text == "/"
    with pytest.raises(ToolError, match=r"working directory .*nope does not exist"):
        await call(toolset, "pwd", cwd="nope")


@requirement("tool:shell:parameters")
@pytest.mark.parametrize("cmd", ["echo a\0b", "echo \ud800", "echo " + "x" * 3_000_000])
async def test_what_no_process_can_be_given_is_told(tmp_path: Path, cmd: str) -> None:
    """runtime.md §5.3: an error the model can act on, whatever it writes."""
    with pytest.raises(ToolError, match="the command"):
        await call(shell(tmp_path), cmd)


@requirement("tool:shell:timeout")
async def test_a_command_that_takes_too_long_ends_with_all_it_started(tmp_path: Path) -> None:
    """runtime.md §9.2: the exact text, what was written so far, an error; the group is gone."""
    async with watched(tmp_path) as pipe:
        cmd = LASTING.format("echo early; sleep 600 & sleep 600")
        found = await call(shell(tmp_path), cmd, timeout=1)
        assert found == ToolResult("Command timed out after 1s\nOutput: early", is_error=True)
        assert await heard(pipe) == b"started\n"
        assert await heard(pipe) == b""


@requirement("tool:shell:timeout")
async def test_a_command_that_will_not_end_is_killed(tmp_path: Path) -> None:
    """runtime.md §9.2: SIGKILL 3 s after SIGTERM; both reach the whole group."""
    async with watched(tmp_path) as pipe:
        cmd = LASTING.format("trap 'echo told' TERM; while :; do sleep 600 & wait; done")
        found = await call(shell(tmp_path), cmd, timeout=1)
        assert found.is_error
        assert found.text.startswith("Command timed out after 1s\nOutput: told")
        assert await heard(pipe) == b"started\n"
        assert await heard(pipe) == b""


@requirement("tool:shell:timeout")
async def test_the_requests_time_bounds_a_commands(tmp_path: Path) -> None:
    """runtime.md §9.2: at most what remains of the request."""
    short = msgspec.structs.replace(context(), remaining=lambda: 0.5)
    found = await call(shell(tmp_path), "sleep 600", short, timeout=600)
    assert found.text == "Command timed out after 0.5s\nOutput: "


@requirement("tool:shell:timeout")
@pytest.mark.parametrize("given", [0, -1, None, "60"])
async def test_a_timeout_that_means_nothing_is_the_default(tmp_path: Path, given: JSON) -> None:
    """runtime.md §9.2: 30 s; numbers in quotes are numbers."""
    assert (await call(shell(tmp_path), "echo hi", timeout=given)).text == "hi"


@requirement("tool:shell:cancel")
@pytest.mark.parametrize("ignoring", ["", "trap '' TERM; "])
async def test_cancellation_ends_a_command_with_all_it_started(
    tmp_path: Path, ignoring: str
) -> None:
    """tools/port.py: cancellation stops the work and everything it started."""
    async with watched(tmp_path) as pipe:
        cmd = LASTING.format(ignoring + "echo $$ > id; sleep 600 & sleep 600")
        with anyio.fail_after(30):
            async with anyio.create_task_group() as group:
                group.start_soon(call, shell(tmp_path), cmd)
                assert await heard(pipe) == b"started\n"
                group.cancel_scope.cancel()
        assert await heard(pipe) == b""
    if (tmp_path / "id").exists() and (text := (tmp_path / "id").read_text()):
        with pytest.raises(ProcessLookupError):
            os.kill(int(text), 0)


@requirement("tool:shell:nothing-left")
@pytest.mark.parametrize("output", ["", " > /dev/null 2>&1"])
async def test_nothing_stays_behind_and_nothing_is_waited_for(tmp_path: Path, output: str) -> None:
    """runtime.md §9.2: pipes held by grandchildren are awaited for half a second, no longer."""
    async with watched(tmp_path) as pipe:
        cmd = LASTING.format(f"(sleep 600; echo late){output} & echo done")
        assert await call(shell(tmp_path), cmd) == ToolResult("done")
        assert await heard(pipe) == b"started\n"
        assert await heard(pipe) == b""


@requirement("tool:shell:output")
async def test_a_grandchilds_last_words_are_heard(tmp_path: Path) -> None:
    """runtime.md §9.2: what comes right after the command's end belongs to it."""
    found = await call(shell(tmp_path), "(echo one; sleep 0.05; echo two) & echo zero; wait")
    assert sorted(found.text.split()) == ["one", "two", "zero"]


@requirement("tool:shell:output")
async def test_endless_output_ends_the_command(tmp_path: Path) -> None:
    """runtime.md §5.7: reading stops at 10 MB and the command is killed."""
    async with watched(tmp_path) as pipe:
        found = await call(shell(tmp_path), LASTING.format("yes"), timeout=600)
        assert found.is_error
        assert found.text.startswith(
            "Error executing command: it wrote more than 10 MB and was stopped\nOutput: y\ny\n"
        )
        assert len(found.text.encode()) < MAX_OUTPUT + 500
        assert await heard(pipe) == b"started\n"
        assert await heard(pipe) == b""


@requirement("tool:shell:output")
async def test_large_output_is_whole(tmp_path: Path) -> None:
    """runtime.md §5.6: the runtime keeps it, and shows a model what fits."""
    found = await call(shell(tmp_path), "seq 1 100000")
    assert not found.is_error
    assert found.text.split("\n") == [str(number) for number in range(1, 100_001)]


@requirement("tool:shell:progress")
async def test_output_is_shown_while_the_command_runs(tmp_path: Path) -> None:
    """runtime.md §9.2: chunks as they come; a character that is cut in two stays whole."""
    seen: list[str] = []
    os.mkfifo(tmp_path / "go")

    async def progress(text: str) -> None:
        seen.append(text)
        if len(seen) == 1:
            go = os.open(tmp_path / "go", os.O_WRONLY)
            os.write(go, b"x\n")
            os.close(go)

    watching = msgspec.structs.replace(context(), progress=progress)
    cmd = "exec 4<>go; printf 'one \\303'; read x <&4; printf '\\251'; echo two"
    found = await call(shell(tmp_path), cmd, watching)
    assert found.text == "one étwo"
    assert seen[0] == "one "
    assert "".join(seen) == "one étwo\n"


@requirement("tool:shell:shell")
@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "/bin/sh"),
        ({"SHELL": "/bin/sh"}, "/bin/sh"),
        ({"SHELL": "sh"}, "/bin/sh"),
        ({"SHELL": "/usr/sbin/nologin"}, "/bin/sh"),
        ({"SHELL": "/usr/bin/fish"}, "/bin/sh"),
        ({"SHELL": "/nope/bash"}, "/bin/sh"),
    ],
)
def test_the_shell_is_one_that_speaks_the_usual_language(
    environ: dict[str, str], expected: str
) -> None:
    """runtime.md §9.2: `$SHELL`, `/bin/sh` where that is of no use."""
    assert find_shell(environ) == expected


@requirement("tool:shell:shell")
async def test_the_operators_shell_is_used(tmp_path: Path) -> None:
    """runtime.md §9.2: a fresh one for every call, which the prompt names."""
    own = tmp_path / "bash"
    own.write_text('#!/bin/sh\necho "mine: $1 $2"\n')
    own.chmod(0o755)
    toolset = shell(tmp_path, {"SHELL": str(own)})
    assert (await call(toolset, "ls")).text == "mine: -c ls"
    listing = await toolset.tools(around())
    assert str(own) in listing.instructions
    for word in ("30 seconds", "`timeout`", "`cwd`", "fresh shell", "exit status"):
        assert word in listing.instructions


@requirement("tool:shell:safer")
async def test_safer_refuses_what_destroys(tmp_path: Path) -> None:
    """runtime.md §6.5: `safer: true` asks before destructive commands; here nobody can be asked."""
    opening = Opening(tmp_path, Values({}))
    (tmp_path / "x").write_text("text")
    async with TOOLSETS["shell"](tree("safer: true\nsudo_askpass: true"), opening) as toolset:
        refused = await toolset.call("shell", {"cmd": "rm -rf x"}, context())
        assert refused.is_error
        assert refused.text.startswith("Tool 'shell' was denied: the command looks destructive")
        assert (tmp_path / "x").exists()
        long = "true " + "a" * 100_000 + "; rm -f x"
        assert (await toolset.call("shell", {"cmd": long}, context())).is_error
        assert (tmp_path / "x").exists()
        done = await toolset.call("shell", {"cmd": "cat x; wc -c < x"}, context())
        assert done.text.split() == ["text4"]
    async with TOOLSETS["shell"](tree("{}"), opening) as toolset:
        assert not (await toolset.call("shell", {"cmd": "rm -rf x"}, context())).is_error
        assert not (tmp_path / "x").exists()


@requirement("tool:shell:server")
def test_a_model_uses_the_shell_through_the_server(
    scripted: Scripted, serve: Serve, model: Model, tmp_path: Path
) -> None:
    """runtime.md §9.2, §6.3, from outside: a command runs, a denied one does not, in every mode."""
    agent = {"model": model.name, "toolsets": [{"type": "shell", "env": {"NAME": "Bob"}}]}
    permissions = {"permissions": {"deny": ["shell:cmd=rm*-rf*"]}}
    server = serve(
        agent_yaml(scripted.url, {"root": agent}, top=permissions), "--working-dir", str(tmp_path)
    )
    (tmp_path / "x").write_text("text")
    model.script(
        model_call("shell", {"cmd": "echo hi $NAME; ls; exit 2"}, id="c1", index=0)
        + model_call("shell", {"command": "true; r''m -rf x"}, id="c2", index=1),
        say("ok"),
    )
    assert server.client().chat("go").content == "ok"
    results = [m["content"] for m in model.heard[-1].messages if m["role"] == "tool"]
    assert results == [
        "Error executing command: exit status 2\nOutput: hi Bob\nx",
        "Tool 'shell' is denied by permissions configuration.",
    ]
    assert (tmp_path / "x").exists()


@requirement("runtime:20.2:shell-disconnect")
async def test_a_client_that_leaves_ends_the_command(
    scripted: Scripted, serve: Serve, model: Model, tmp_path: Path
) -> None:
    """runtime.md §20.2 row 24: the process group is gone."""
    agent = {"model": model.name, "toolsets": [{"type": "shell"}]}
    file = agent_yaml(scripted.url, {"root": agent})
    server = serve(file, "--working-dir", str(tmp_path))
    async with watched(tmp_path) as pipe:
        cmd = LASTING.format("sleep 600 & sleep 600")
        model.script(model_call("shell", {"cmd": cmd, "timeout": 600}))
        with server.client().stream("go") as stream:
            assert await heard(pipe) == b"started\n"
            stream.hang_up()
        assert await heard(pipe) == b""
