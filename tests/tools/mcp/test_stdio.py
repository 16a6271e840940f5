"""MCP servers as child processes: started, spoken with, ended. Source: runtime.md §10."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from docker_agent.errors import ToolError
from docker_agent.tools.port import Toolset
from tests.requirements import requirement
from tests.tools.mcp.opening import (
    LIMIT,
    PLAIN,
    SDK_SERVER,
    alive,
    names,
    opened,
    plain,
    text,
    value,
)
from tests.tools.surroundings import around, context

pytestmark = pytest.mark.anyio


class Began:
    """A progress listener that tells when the first word came."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.event = asyncio.Event()

    async def __call__(self, text: str) -> None:
        self.said.append(text)
        self.event.set()


async def begun(toolset: Toolset, tool: str) -> tuple[asyncio.Task[Any], Began]:
    """A call that has arrived at the server and is not answered."""
    began = Began()
    surroundings = msgspec.structs.replace(context(), progress=began)
    task = asyncio.create_task(toolset.call(tool, {}, surroundings))
    await asyncio.wait_for(began.event.wait(), LIMIT)
    return task, began


@requirement("mcp:stdio:old", "mcp:session:paged")
async def test_a_server_of_the_old_protocol_lists_and_answers(tmp_path: Path) -> None:
    """§10.4: the newest protocol both know; listings come in pages."""
    async with opened(tmp_path, **plain()) as toolset:
        listing = await toolset.tools(around())
        assert [spec.name for spec in listing.specs][:3] == ["echo", "slow", "notes"]
        assert len(listing.specs) == 15
        assert listing.instructions == "Be plain."
        assert listing.by_name["echo"].read_only
        assert not listing.by_name["slow"].read_only
        assert listing.by_name["echo"].category == "mcp"
        assert await toolset.tools(around()) is listing
        assert await value(toolset, "echo", text="hi", empty=None) == {"text": "hi"}
        hello = json.loads((await value(toolset, "notes"))[0])
        assert hello["clientInfo"]["name"] == "docker-agent"
        assert set(hello["capabilities"]) == {"elicitation", "roots"}


@requirement("mcp:stdio:new")
async def test_a_server_of_the_new_protocol_lists_and_answers(tmp_path: Path) -> None:
    """§10.4: protocol 2026-07-28 with a server of the SDK."""
    async with opened(tmp_path, name="hard", **SDK_SERVER) as toolset:
        listing = await toolset.tools(around())
        assert toolset.life.held is not None
        assert toolset.life.held.protocol == "2026-07-28"
        assert listing.instructions == "Handle with care."
        added = await toolset.call("hard_add", {"a": 2, "b": 3}, context())
        assert (added.text, added.structured) == ("5", {"result": 5})
        failed = await toolset.call("hard_boom", {}, context())
        assert failed.is_error
        wrong = await toolset.call("hard_add", {"a": "x"}, context())
        assert wrong.is_error and "add" in wrong.text
        assert (await toolset.call("hard_nothing", {}, context())).text == "no output"


@requirement("mcp:result:parts")
async def test_everything_that_a_result_can_hold_arrives(tmp_path: Path) -> None:
    """§10.6: texts, pictures, sound, embedded resources, links."""
    async with opened(tmp_path, **SDK_SERVER) as toolset:
        result = await toolset.call("media", {}, context())
    assert result.text.split("\n") == [
        "first",
        "embedded text",
        "[the site](https://example.com/x)",
        "(image, image/png: left out, it is not valid base64)",
    ]
    picture, sound, report = result.parts
    assert getattr(picture, "url", "").startswith("data:image/png;base64,iVBOR")
    assert getattr(sound, "filename", "") == "audio.wav"
    assert getattr(report, "filename", "") == "report one.pdf"
    assert getattr(report, "data", "").startswith("data:application/pdf;base64,")


@requirement("mcp:names")
async def test_names_get_the_prefix_and_only_usable_characters(tmp_path: Path) -> None:
    """§10.4, §5.1: `<name>_<tool>`, `[A-Za-z0-9_-]{1,64}`, and back again for the call."""
    settings = plain(name="pät/h.of " + "long" * 20)
    async with opened(tmp_path, name="one two", **settings) as toolset:
        exposed = (await names(toolset))[-1]
        assert exposed.startswith("one_two_p_t_h_of_long") and len(exposed) == 64
        assert await text(toolset, exposed) == "this is pät/h.of " + "long" * 20


@requirement("mcp:changed")
@pytest.mark.parametrize("server", ["old", "new"])
async def test_a_changed_listing_is_seen_at_the_next_turn(tmp_path: Path, server: str) -> None:
    """§10.4: `tools/list_changed` is picked up on the next turn."""
    keys = plain() if server == "old" else SDK_SERVER
    async with opened(tmp_path, **keys) as toolset:
        before = await toolset.tools(around())
        assert "grown" not in before.by_name
        await text(toolset, "grow")
        with anyio.fail_after(LIMIT):
            while "grown" not in (after := await toolset.tools(around())).by_name:
                await anyio.lowlevel.checkpoint()
        assert after.version == before.version + 1
        assert "new" in await text(toolset, "grown") or server == "old"


@requirement("mcp:changed")
async def test_a_server_that_does_not_list_anew_keeps_the_tools_it_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run does not hang on a server that does not answer."""
    monkeypatch.setattr("docker_agent.tools.mcp.session.LISTING_TIMEOUT", 0.2)
    async with opened(tmp_path, **plain(deaf_after=2)) as toolset:
        listing = await toolset.tools(around())
        await text(toolset, "grow")
        with anyio.fail_after(LIMIT):
            assert await toolset.tools(around()) is listing


@requirement("mcp:cancel")
@pytest.mark.parametrize("server", ["old", "new"])
async def test_a_cancelled_call_is_cancelled_at_the_server(tmp_path: Path, server: str) -> None:
    """§3.8: a client that leaves cancels the call; the session goes on."""
    keys, ask = (plain(), "notes") if server == "old" else (SDK_SERVER, "noted")
    async with opened(tmp_path, **keys) as toolset:
        task, began = await begun(toolset, "slow")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert "began" in began.said[0]
        with anyio.fail_after(LIMIT):
            while "ancelled" not in (heard := await text(toolset, ask)):
                await anyio.lowlevel.checkpoint()
        assert sum("ancelled" in note for note in json.loads(heard)) == 1


@requirement("mcp:call:timeout")
async def test_a_call_ends_at_its_timeout_and_is_cancelled(tmp_path: Path) -> None:
    """§10.6: `call_timeout`; the server is told, the session goes on."""
    keys = plain()
    async with opened(tmp_path, lifecycle={"call_timeout": "200ms"}, **keys) as toolset:
        with pytest.raises(ToolError, match=r"no answer within 0\.2 seconds"):
            await toolset.call("slow", {}, context())
        assert toolset.status.state == "ready"
        notes = await value(toolset, "notes")
        assert any(note.startswith("cancelled") for note in notes)


@requirement("mcp:progress")
async def test_progress_is_told_as_it_comes(tmp_path: Path) -> None:
    """§10.6: progress notifications are the call's output so far."""
    async with opened(tmp_path, **SDK_SERVER) as toolset:
        task, began = await begun(toolset, "slow")
        task.cancel()
        assert began.said == ["began (1 of 4)\n"]


@requirement("mcp:elicitation", "mcp:sampling", "mcp:roots")
async def test_what_a_server_asks_back_is_answered_at_once(tmp_path: Path) -> None:
    """§10.7: elicitation is declined, sampling refused, roots are the working directory."""
    async with opened(tmp_path, **plain()) as toolset:
        await toolset.tools(around())
        began = asyncio.get_running_loop().time()
        assert await value(toolset, "ask") == {"action": "decline"}
        assert asyncio.get_running_loop().time() - began < 5
        assert "not supported" in (await value(toolset, "sample"))["message"]
        (root,) = (await value(toolset, "roots"))["roots"]
        assert root["uri"] == tmp_path.as_uri()


@requirement("mcp:elicitation")
async def test_a_question_of_the_new_protocol_is_declined_too(tmp_path: Path) -> None:
    """§10.7: there it is a result that asks for input, and the call made once more."""
    async with opened(tmp_path, **SDK_SERVER) as toolset:
        assert (await value(toolset, "ask"))["action"] == "decline"


@requirement("mcp:environment")
async def test_a_server_sees_no_secrets_and_the_files_own_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """§10.2: the host's environment without credentials, then the file's `env`, which wins."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("PLACE", "host")
    (tmp_path / "inside").mkdir()
    own = {"PLACE": "file", "GIVEN": "${env.MINE}"}
    keys: dict[str, Any] = {**plain(), "env": own, "working_dir": "inside"}
    async with opened(tmp_path, secrets={"MINE": "t1"}, **keys) as toolset:
        seen = await value(toolset, "environment")
    environ: dict[str, str] = seen["environ"]
    assert (environ["PLACE"], environ["GIVEN"]) == ("file", "t1")
    assert "OPENAI_API_KEY" not in environ
    assert "PATH" in environ
    assert seen["cwd"] == str(tmp_path / "inside")


@requirement("mcp:args")
async def test_arguments_are_expanded_and_a_missing_variable_is_told(tmp_path: Path) -> None:
    """§8.6: `args` as the values of `env`; what is not set fails the toolset, with its line."""
    settings = '{"name": "${WORD}"}'
    keys: dict[str, Any] = {"command": sys.executable, "args": [str(PLAIN), settings]}
    async with opened(tmp_path, secrets={"WORD": "expanded"}, **keys) as toolset:
        assert (await names(toolset))[-1] == "expanded"
    own: dict[str, Any] = {"command": sys.executable, "env": {"TOKEN": "${env.WORD}"}}
    for failing in (keys, own):
        async with opened(tmp_path, **failing) as toolset:
            with pytest.raises(ToolError, match=r"agent.yaml:1: .*WORD not set"):
                await toolset.tools(around())
            assert toolset.status.state == "failed"


@requirement("mcp:stdio:missing")
async def test_a_missing_command_is_named_and_not_tried_again(tmp_path: Path) -> None:
    """§10.2: an error naming the command."""
    async with opened(tmp_path, command="no-such-server") as toolset:
        with pytest.raises(ToolError, match="'no-such-server' was not found"):
            await toolset.tools(around())
        assert toolset.status.state == "failed"


@requirement("mcp:stdio:failing")
async def test_a_server_that_cannot_start_tells_its_last_words_to_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """§10.2: stderr for the error message; §10.4: three starts before it counts as failed."""
    starts = tmp_path / "starts"
    async with opened(tmp_path, **plain(exit=3, starts=str(starts))) as toolset:
        with pytest.raises(ToolError, match="exit status 3") as failed:
            await toolset.tools(around())
        assert toolset.status.state == "failed"
    assert "cannot start: no configuration" in caplog.text
    assert "configuration" not in str(failed.value)
    assert starts.read_text().count("started") == 3


@requirement("mcp:stdio:chatter")
async def test_what_a_server_prints_besides_messages_does_no_harm(tmp_path: Path) -> None:
    """Servers greet on stdout: such lines are left out."""
    async with opened(tmp_path, **plain(chatty=True)) as toolset:
        assert await value(toolset, "echo", text="x") == {"text": "x"}


@requirement("mcp:lost:between", "mcp:lost:during", "runtime:20.2:mcp-dies")
async def test_a_crash_fails_the_call_once_and_the_next_one_finds_a_new_server(
    tmp_path: Path,
) -> None:
    """§20.2 19: died during a call → an error, not run twice; the next call reconnects."""
    starts = tmp_path / "starts"
    quick = {"backoff": {"initial": "10ms"}}
    async with opened(tmp_path, lifecycle=quick, **plain(starts=str(starts))) as toolset:
        listing = await toolset.tools(around())
        with pytest.raises(ToolError, match="broke during the call"):
            await toolset.call("crash", {}, context())
        assert await toolset.tools(around()) is listing
        assert await value(toolset, "echo", text="back") == {"text": "back"}
        assert await toolset.tools(around()) is listing
        assert starts.read_text().count("started") == 2


@requirement("mcp:lifecycle:never")
async def test_a_server_that_is_never_restarted_stays_down(tmp_path: Path) -> None:
    """§8.7: `restart: never`."""
    async with opened(tmp_path, lifecycle={"restart": "never"}, **plain()) as toolset:
        await toolset.tools(around())
        with pytest.raises(ToolError):
            await toolset.call("crash", {}, context())
        with pytest.raises(ToolError, match="stays so: it ended with exit status 7"):
            await toolset.call("echo", {}, context())
        assert toolset.status.state == "failed"
        with pytest.raises(ToolError):
            await toolset.tools(around())


@requirement("mcp:lifecycle:clean")
async def test_a_server_that_left_in_peace_is_started_by_the_next_use(tmp_path: Path) -> None:
    """§8.7: `on_failure` does not restart what ended with status 0; who needs it does."""
    starts = tmp_path / "starts"
    async with opened(tmp_path, **plain(starts=str(starts))) as toolset:
        listing = await toolset.tools(around())
        with pytest.raises(ToolError):
            await toolset.call("leave", {}, context())
        assert await toolset.tools(around()) is listing
        assert await value(toolset, "echo", text="again") == {"text": "again"}
        assert starts.read_text().count("started") == 2


@requirement("mcp:lifecycle:restarts")
async def test_a_server_that_crashes_again_and_again_is_given_up(tmp_path: Path) -> None:
    """§8.7: `max_restarts`."""
    starts = tmp_path / "starts"
    quick = {"backoff": {"initial": "1ms"}, "max_restarts": 2}
    async with opened(tmp_path, lifecycle=quick, **plain(starts=str(starts))) as toolset:
        for _ in range(3):
            with pytest.raises(ToolError, match="broke during"):
                await toolset.call("crash", {}, context())
        with pytest.raises(ToolError, match="after 2 restarts"):
            await toolset.call("echo", {}, context())
        assert starts.read_text().count("started") == 3


@requirement("mcp:start:background")
async def test_a_slow_start_is_waited_for_as_long_as_the_file_says(tmp_path: Path) -> None:
    """DESIGN.md §4: a run waits up to `startup_timeout`, then goes on without."""
    sign = tmp_path / "sign"
    async with opened(tmp_path, **plain(wait_for=str(sign))) as toolset:
        assert toolset.status.state == "starting"
        with pytest.raises(ToolError, match="still starting"):
            await names(toolset, patient=False)
        waiting = asyncio.create_task(names(toolset))
        await asyncio.sleep(0)
        sign.touch()
        assert "echo" in await waiting
        assert toolset.status.state == "ready"


@requirement("mcp:start:timeout")
async def test_a_start_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    """§8.7: `startup_timeout` bounds a start, and the process that did not make it goes."""
    child = tmp_path / "pids"
    keys = plain(wait_for=str(tmp_path / "never"), child=str(child))
    async with opened(tmp_path, lifecycle={"startup_timeout": "1s"}, **keys) as toolset:
        with pytest.raises(ToolError, match=r"starting|within 1 seconds"):
            await toolset.tools(around())
        with anyio.fail_after(LIMIT):
            while toolset.status.state != "failed":
                await anyio.lowlevel.checkpoint()
        pids = [int(pid) for pid in child.read_text().split()]
        assert not any(alive(pid) for pid in pids)


@requirement("mcp:stop")
@pytest.mark.parametrize("apart", [False, True])
async def test_a_stubborn_server_and_its_children_are_gone_within_two_seconds(
    tmp_path: Path, apart: bool
) -> None:
    """§10.2, issue: none left, whatever it does with the end of stdin and SIGTERM."""
    child = tmp_path / "pids"
    async with opened(tmp_path, **plain(stubborn=True, child=str(child), apart=apart)) as toolset:
        await toolset.tools(around())
        pids = [int(pid) for pid in child.read_text().split()]
        assert len(pids) == 2 and all(map(alive, pids))
        with anyio.fail_after(2.5):
            await toolset.life.close()
            while any(map(alive, pids)):
                await anyio.lowlevel.checkpoint()


@requirement("mcp:huge")
async def test_huge_output_arrives_and_endless_output_ends_the_server(tmp_path: Path) -> None:
    """Issue: tool output that is huge or endless."""
    quick = {"backoff": {"initial": "1ms"}}
    async with opened(tmp_path, lifecycle=quick, **plain()) as toolset:
        assert len(await text(toolset, "huge", size=2_000_000)) == 2_000_000
        with pytest.raises(ToolError, match="broke during the call"):
            await toolset.call("endless", {}, context())
        assert await value(toolset, "echo", text="back") == {"text": "back"}


@requirement("mcp:errors")
async def test_a_server_that_answers_with_an_error_is_quoted(tmp_path: Path) -> None:
    """§10.6: an error of the protocol is one of the tool."""
    async with opened(tmp_path, **plain()) as toolset:
        with pytest.raises(ToolError, match="refused the call: it broke inside"):
            await toolset.call("broken", {}, context())
