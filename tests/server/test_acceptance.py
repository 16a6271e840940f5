"""Rows of the acceptance list that no other file shows from outside. Source: runtime.md §20.2."""

from __future__ import annotations

import json
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Server, agent_yaml
from tests.requirements import requirement
from tests.scripted.client import text_of
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import call, die, fail, say, usage
from tests.tools.mcp.opening import plain

SHELL = {"toolsets": [{"type": "shell"}]}
AGENTS: dict[str, dict[str, Any]] = {
    "shell": SHELL,
    "careful": {**SHELL, "safety": "restricted"},
    "think": {"toolsets": [{"type": "think"}]},
    "lead": {"sub_agents": ["aide"]},
    "aide": {},
    "mcp": {"toolsets": [{"type": "mcp", **plain()}]},
    "fetch": {"toolsets": [{"type": "fetch"}]},
    "backed": {"fallback": {"models": ["second"]}},
}
SECRET = "ghp_" + "a1B2" * 9


class Rows:
    """The server, and the models behind its agents."""

    def __init__(self, server: Server, scripted: Scripted, folder: Path) -> None:
        self.server = server
        self.scripted = scripted
        self.folder = folder

    def model(self, agent: str) -> Model:
        """The scripted model of an agent."""
        return self.scripted.model(f"row-{agent}").forget()


@pytest.fixture(scope="module")
def rows(scripted: Scripted, tmp_path_factory: pytest.TempPathFactory) -> Generator[Rows]:
    """One server with an agent for each kind of row."""
    agents = {name: {"model": f"row-{name}", **of} for name, of in AGENTS.items()}
    second = {"second": {"model": "row-second"}}
    top = {"version": "12", "permissions": {"deny": ["shell:cmd=rm*-rf*"]}}
    file = agent_yaml(scripted.url, agents, models=second, top=top)
    folder = tmp_path_factory.mktemp("work")
    flags = ("--working-dir", str(folder), "--conversations-max", "9")
    with Server(file, *flags, home=tmp_path_factory.mktemp("home")) as server:
        yield Rows(server, scripted, folder)


def results(model: Model) -> list[str]:
    """The tool messages the model was shown last."""
    return [one["content"] for one in model.heard[-1].messages if one["role"] == "tool"]


@requirement("runtime:20.2:parallel")
def test_two_calls_of_one_message_run_together_and_answer_in_order(rows: Rows) -> None:
    """Row 2: each waits for the other, so neither could run alone; the first ends last, and both
    results precede the next model call, in call order."""
    model = rows.model("shell")
    meet = rows.folder / "meet"
    first = (
        f"mkfifo {meet}.a; touch {meet}; read other < {meet}.a; "
        "while kill -0 $other 2> /dev/null; do sleep 0.01; done; echo one"
    )
    second = f"until test -e {meet}; do sleep 0.01; done; echo $$ > {meet}.a; echo two"
    model.script(
        call("shell", {"cmd": first}, id="c1", index=0)
        + call("shell", {"cmd": second}, id="c2", index=1),
        say("both"),
    )
    assert rows.server.client("shell").chat("go").content == "both"
    assert len(model.heard) == 2
    told = [
        (m["tool_call_id"], m["content"]) for m in model.heard[1].messages if m["role"] == "tool"
    ]
    assert told == [("c1", "one"), ("c2", "two")]


@requirement("runtime:20.2:shell-restricted")
@pytest.mark.parametrize(
    ("cmd", "runs"), [("ls -la", True), ("rm -rf x", False), ("ls; rm x", False)]
)
def test_restricted_runs_harmless_commands_alone(rows: Rows, cmd: str, runs: bool) -> None:
    """Row 9."""
    model = rows.model("careful").script(call("shell", {"cmd": cmd}), say("ok"))
    assert rows.server.client("careful").chat("go").content == "ok"
    [told] = results(model)
    assert told.startswith("Tool 'shell' ") is not runs


@requirement("runtime:20.2:shell-denied")
def test_a_deny_rule_holds_in_autonomous_mode(rows: Rows) -> None:
    """Row 10."""
    victim = rows.folder / "victim"
    victim.mkdir()
    model = rows.model("shell").script(call("shell", {"cmd": f"rm -rf {victim}"}), say("ok"))
    rows.server.client("shell").chat("go")
    assert results(model) == ["Tool 'shell' is denied by permissions configuration."]
    assert victim.is_dir()


@requirement("runtime:20.2:fallback-stays")
def test_a_fallback_answers_and_is_asked_first_next_time(rows: Rows) -> None:
    """Row 11: primary 401, fallback ok; within a minute the next request starts there."""
    first = rows.model("backed").script(fail(401, "no"))
    second = rows.model("second").script(say("from the second"))
    client = rows.server.client("backed")
    assert [client.chat("hi").content for _ in range(2)] == ["from the second"] * 2
    assert (len(first.heard), len(second.heard)) == (1, 2)


@requirement("runtime:20.2:retry")
@pytest.mark.parametrize("stream", [False, True])
def test_a_model_that_is_busy_twice_answers_once(rows: Rows, stream: bool) -> None:
    """Row 12: 503, 503, ok: one answer, nothing doubled, pauses of 0.2 and 0.4 s."""
    model = rows.model("think").script(fail(503, "busy"), fail(503, "busy"), say("here"))
    began = time.monotonic()
    client = rows.server.client("think")
    if stream:
        with client.stream("hi") as answer:
            assert text_of(answer.rest()) == "here"
    else:
        assert client.chat("hi").content == "here"
    assert time.monotonic() - began >= 0.9 * 0.6
    assert len(model.heard) == 3


@requirement("runtime:20.2:broken-stream")
def test_a_stream_that_breaks_after_text_is_not_begun_again(rows: Rows) -> None:
    """Row 13: an error, not a restart."""
    model = rows.model("think").script(say("half an ") + die(), say("whole"))
    with rows.server.client("think").stream("hi") as answer:
        *chunks, last = answer.rest()
    assert text_of(chunks) == "half an "
    assert last["error"]["code"] == "model_error"
    reply = rows.server.client("think").chat("hi")
    assert len(model.heard) == 2
    assert reply.content == "whole"


@requirement("runtime:20.2:task", "runtime:20.2:task-fails")
@pytest.mark.parametrize("works", [True, False])
def test_a_task_is_answered_or_told_to_have_failed(rows: Rows, works: bool) -> None:
    """Rows 14 and 15: the parent sees the child's answer, or an error, and answers 200."""
    lead = rows.model("lead")
    aide = rows.model("aide").script(say("42") if works else fail(401, "no"))
    task = {"agent": "aide", "task": "the answer", "expected_output": ""}
    lead.script(call("transfer_task", task), say("I heard."))
    client = rows.server.client("lead")
    with client.stream("go") as answer:
        assert text_of(answer.rest()) == "I heard."
    [told] = results(lead)
    assert told == "42" if works else told.startswith("Error calling tool: ")
    lead.script(call("transfer_task", task), say("I heard."))
    reply = client.chat("go")
    assert (reply.status, reply.content) == (200, "I heard.")
    assert len(aide.heard) == 2


@requirement("runtime:20.2:elicitation")
def test_a_question_of_an_mcp_server_is_declined_at_once(rows: Rows) -> None:
    """Row 18: the server sees the decline before the answer to a ping that it sent behind the
    question, every time; the quickest of ten, on a busy machine too, within 100 ms."""
    model = rows.model("mcp")
    ten = [call("asks", {"text": str(n)}, id=f"c{n}", index=n) for n in range(10)]
    model.script(sum(ten[1:], ten[0]), say("done"))
    assert rows.server.client("mcp").chat("go").content == "done"
    found = [json.loads(told) for told in results(model)]
    assert [each["answer"] for each in found] == [{"action": "decline"}] * 10
    assert [each["order"] for each in found] == [["asks", "ping"]] * 10
    assert min(each["seconds"] for each in found) < 0.1


@requirement("runtime:20.2:dial")
def test_a_name_that_leads_to_this_machine_is_not_fetched(rows: Rows) -> None:
    """Row 25: refused where it is dialled, by whatever name."""
    port = rows.scripted.url.split(":")[-1].split("/")[0]
    before = len(rows.scripted.visits)
    urls = [f"http://localhost:{port}/v1/models", f"http://127.0.0.1:{port}/v1/models"]
    model = rows.model("fetch").script(call("fetch", {"urls": urls, "format": "text"}), say("no"))
    rows.server.client("fetch").chat("go")
    for each in json.loads(results(model)[0]):
        assert "public" in each["error"] and "body" not in each
    visits = rows.scripted.visits[before:]
    assert not [visit for visit in visits if visit.startswith("GET")]


@requirement("runtime:20.2:usage")
def test_usage_is_the_sum_over_all_calls_of_a_run(rows: Rows) -> None:
    """Row 26: three model calls."""
    rows.model("think").script(
        call("think", {"thought": "a"}) + usage(10, 1),
        call("think", {"thought": "b"}) + usage(20, 2),
        say("done") + usage(30, 3),
    )
    told = rows.server.client("think").chat("hi").json["usage"]
    assert (told["prompt_tokens"], told["completion_tokens"]) == (60, 6)


WRITTEN = (
    "Let me see. ",
    "<tool",
    '_call>{"name": "think", "argu',
    'ments": {"thought": "x"}}</tool_call>',
)


@requirement("runtime:20.2:text-call")
@pytest.mark.parametrize("stream", [False, True])
def test_a_call_written_as_text_is_run_and_not_shown(rows: Rows, stream: bool) -> None:
    """Row 27: streamed and whole, however the text is cut."""
    model = rows.model("think").script(say(*WRITTEN), say(*WRITTEN[1:]), say("Done."))
    client = rows.server.client("think")
    if stream:
        with client.stream("hi") as answer:
            text = text_of(answer.rest())
            assert b"tool_call" not in answer.raw.replace(b"tool_calls", b"")
    else:
        text = client.chat("hi").content
    assert [part.strip() for part in text.split("\n\n")] == ["Let me see.", "Done."]
    assert results(model)[0] == "Thoughts:\nx"
    ids = [one["tool_call_id"] for one in model.heard[-1].messages if one["role"] == "tool"]
    assert len(set(ids)) == 2


@requirement("runtime:20.2:redacted")
def test_a_secret_in_output_reaches_neither_model_nor_client(rows: Rows) -> None:
    """Row 28: also where it comes in pieces."""
    half = len(SECRET) // 2
    cmd = f"printf {SECRET[:half]}; sleep 0.1; echo {SECRET[half:]}"
    model = rows.model("shell").script(call("shell", {"cmd": cmd}), say("done"))
    with rows.server.client("shell").stream("go") as answer:
        answer.rest()
        assert SECRET.encode() not in answer.raw
    assert results(model) == ["[REDACTED]"]
    assert SECRET not in json.dumps([heard.body for heard in model.heard]) + rows.server.log


@requirement("chat:3:client-tools")
def test_a_models_call_ids_may_repeat(rows: Rows) -> None:
    """chat-server.md §3: models that count their calls anew in each message pause all the same."""
    model = rows.model("think")
    theirs = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    model.script(
        call("think", {"thought": "x"}, id="call_0"), call("look", {}, id="call_0"), say("seen")
    )
    client = rows.server.client("think")
    history: list[dict[str, Any]] = [{"role": "user", "content": "look"}]
    paused = client.chat(history, tools=[theirs]).json["choices"][0]
    assert paused["finish_reason"] == "tool_calls"
    [asked] = paused["message"]["tool_calls"]
    assert asked["function"]["name"] == "look"
    answer = {"role": "tool", "tool_call_id": asked["id"], "content": "a cat"}
    resumed = client.chat([*history, paused["message"], answer], tools=[theirs])
    assert resumed.content == "seen"
    assert results(model) == ["Thoughts:\nx", "a cat"]
