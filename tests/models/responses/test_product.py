"""The whole product over the Responses API: what a client sees, and what the provider hears."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from typing import Any

import pytest

from tests.harness import Server
from tests.requirements import requirement
from tests.scripted.client import finish_of, text_of
from tests.scripted.gate import Gate
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import (
    call,
    die,
    fail,
    finish,
    hold,
    rate_limited,
    refuse,
    say,
    think,
    usage,
)
from tests.scripted.responses import encrypted, failed
from tests.scripted.steps import Reply

SHAPE = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
AGENTS: Mapping[str, Mapping[str, Any]] = {
    "plain": {"fallback": {"retries": 1}},
    "desk": {"toolsets": [{"type": "think"}, {"type": "filesystem"}]},
    "shaped": {"structured_output": {"name": "answer", "strict": True, "schema": SHAPE}},
}
"""Their models are named after them: `gpt-5-plain`."""


@pytest.fixture(scope="module")
def house(scripted: Scripted, tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """A server whose agents speak with gpt-5 at `openai`, here a scripted address."""
    home = tmp_path_factory.mktemp("responses")
    (home / "note.txt").write_text("remember the milk")
    models = {
        name: {"provider": "openai", "model": f"gpt-5-{name}", "base_url": scripted.url}
        for name in AGENTS
    }
    agents = {
        name: {"model": name, "instruction": "You answer.", **more} for name, more in AGENTS.items()
    }
    file = json.dumps({"version": "12", "models": models, "agents": agents}, indent=1)
    flags = ("--working-dir", str(home), "--conversations-max", "10")
    with Server(file, *flags, home=home, env={"OPENAI_API_KEY": "sk-test"}) as server:
        yield server


@pytest.fixture
def plain(scripted: Scripted) -> Model:
    """The model of the agent `plain`, an echo that heard nothing."""
    return scripted.model("gpt-5-plain").forget()


@pytest.fixture
def desk(scripted: Scripted) -> Model:
    """The model of the agent `desk`."""
    return scripted.model("gpt-5-desk").forget()


def items(model: Model, kind: str) -> list[dict[str, Any]]:
    """The items of a kind that the model was shown last."""
    return [item for item in model.heard[-1].body["input"] if item["type"] == kind]


def kinds(model: Model) -> list[str]:
    """The kinds of items that the model was shown last, system items left out."""
    return [item["type"] for item in model.heard[-1].body["input"] if item.get("role") != "system"]


@requirement("models:responses:product")
def test_an_agent_answers_over_responses(house: Server, plain: Model) -> None:
    """agent-file.md §3.1: gpt-5 at openai; text, reasoning beside it, tokens."""
    plain.script(think("hm") + say("Hel", "lo") + usage(25, 9, cached=3, reasoning=2))
    body = house.client("plain").chat("hi").json
    [choice] = body["choices"]
    assert choice["message"]["content"] == "Hello"
    assert choice["message"]["reasoning_content"] == "hm"
    assert choice["finish_reason"] == "stop"
    assert body["usage"]["prompt_tokens_details"]["cached_tokens"] == 3
    assert body["usage"]["completion_tokens_details"]["reasoning_tokens"] == 2
    heard = plain.heard[0]
    assert heard.path == "/v1/responses"
    assert heard.headers["authorization"] == "Bearer sk-test"
    system, user = heard.body["input"]
    assert (system["role"], system["content"]) == ("system", "You answer.")
    assert (user["role"], user["content"]) == ("user", "hi")


@requirement("models:responses:product")
def test_text_streams_as_it_comes(house: Server, plain: Model) -> None:
    """DESIGN.md §5: the first piece is there before the second was said."""
    gate = Gate()
    plain.script(think("hm") + say("Hel") + hold(gate) + say("lo"))
    with house.client("plain").stream("hi") as stream:
        assert stream.next_text() == "Hel"
        gate.open()
        rest = stream.rest()
        assert text_of(rest) == "lo"
        assert finish_of(rest) == "stop"
        assert stream.done


@requirement("models:responses:replay")
def test_encrypted_reasoning_goes_back_over_a_tool_turn(house: Server, desk: Model) -> None:
    """agent-file.md §3.2.3: what the model thought before a call stands before it again."""
    desk.script(
        encrypted("blob", "Look first.", id="rs_1")
        + call("read_file", {"path": "note.txt"}, id="c1"),
        say("Milk."),
    )
    assert house.client("desk").chat("what is in the note?").content == "Milk."
    first, second = (heard.body for heard in desk.heard)
    assert first["include"] == ["reasoning.encrypted_content"]
    assert first["store"] is second["store"] is False
    assert kinds(desk) == ["message", "reasoning", "function_call", "function_call_output"]
    assert items(desk, "reasoning") == [
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "Look first."}],
            "encrypted_content": "blob",
        }
    ]
    assert items(desk, "function_call_output") == [
        {"type": "function_call_output", "call_id": "c1", "output": "remember the milk"}
    ]


@requirement("models:responses:replay")
def test_a_conversation_keeps_the_reasoning(house: Server, desk: Model) -> None:
    """chat-server.md §7: the next request of a conversation replays it, and shows it nobody."""
    desk.script(encrypted("blob", id="rs_1") + say("One."), say("Two."))
    client, headers = house.client("desk"), {"X-Conversation-Id": "kept"}
    first = client.chat("one?", headers=headers)
    assert "blob" not in first.text
    assert client.chat("two?", headers=headers).content == "Two."
    assert kinds(desk) == ["message", "reasoning", "message", "message"]
    assert items(desk, "reasoning")[0]["encrypted_content"] == "blob"


@requirement("models:responses:product")
def test_parallel_calls_and_failing_ones_are_answered(house: Server, desk: Model) -> None:
    """runtime.md §5.2 and §5.3: each call has its output, an error too."""
    desk.script(
        call("read_file", {"path": "note.txt"}, id="c1", pieces=3)
        + call("read_file", {"path": "missing.txt"}, id="c2")
        + call("read_file", '{"path": ', id="c3"),
        say("Done."),
    )
    assert house.client("desk").chat("go").content == "Done."
    assert {tool["name"] for tool in desk.heard[0].body["tools"]} >= {"think", "read_file"}
    assert desk.heard[0].body["parallel_tool_calls"] is True
    milk, missing, broken = items(desk, "function_call_output")
    assert (milk["call_id"], milk["output"]) == ("c1", "remember the milk")
    assert (missing["call_id"], broken["call_id"]) == ("c2", "c3")
    assert missing["output"] == "not found"
    assert broken["output"]


@requirement("models:responses:product")
def test_a_clients_own_tools_are_called(house: Server, plain: Model) -> None:
    """chat-server.md §3: the run pauses for the client and goes on with its answer."""
    plain.script(call("weather", {"city": "Rome"}, id="c1"), say("Sunny."))
    tool = {"type": "function", "function": {"name": "weather", "parameters": SHAPE}}
    client = house.client("plain")
    question = {"role": "user", "content": "weather?"}
    [choice] = client.chat([question], tools=[tool]).json["choices"]
    assert choice["finish_reason"] == "tool_calls"
    answer = {"role": "tool", "tool_call_id": "c1", "content": "sun"}
    done = client.chat([question, choice["message"], answer], tools=[tool])
    assert done.content == "Sunny."
    assert items(plain, "function_call_output")[0]["output"] == "sun"


@requirement("models:responses:product")
def test_a_picture_goes_in(house: Server, plain: Model) -> None:
    """chat-server.md §3: image parts reach the model."""
    url = "data:image/png;base64,iVBORw0KGgo="
    parts = [
        {"type": "text", "text": "what is it?"},
        {"type": "image_url", "image_url": {"url": url}},
    ]
    plain.script(say("A dot."))
    reply = house.client("plain").chat([{"role": "user", "content": parts}])
    assert reply.content == "A dot."
    assert items(plain, "message")[-1]["content"] == [
        {"type": "input_text", "text": "what is it?"},
        {"type": "input_image", "image_url": url, "detail": "auto"},
    ]


@requirement("models:responses:product")
def test_an_answer_has_the_files_shape(house: Server, scripted: Scripted) -> None:
    """agent-file.md §2.4: `structured_output` is `text.format`."""
    shaped = scripted.model("gpt-5-shaped").forget().script(say('{"a": "b"}'))
    assert house.client("shaped").chat("hi").content == '{"a": "b"}'
    form = shaped.heard[0].body["text"]["format"]
    assert (form["type"], form["name"], form["strict"]) == ("json_schema", "answer", True)
    assert form["schema"]["required"] == ["a"]


@requirement("models:responses:product")
@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (say("cut") + finish("length"), "length"),
        (refuse("I can't."), "content_filter"),
        (say("no") + finish("content_filter"), "content_filter"),
    ],
)
def test_why_an_answer_ended_is_told(
    house: Server, plain: Model, script: Reply, reason: str
) -> None:
    """chat-server.md §4: length and refusals have finish reasons of their own."""
    plain.script(script)
    [choice] = house.client("plain").chat("hi", max_tokens=50).json["choices"]
    assert choice["finish_reason"] == reason
    assert plain.heard[0].body["max_output_tokens"] == 50


@requirement("models:responses:product")
@pytest.mark.parametrize(
    ("script", "status", "code"),
    [
        (rate_limited("120"), 429, "model_rate_limited"),
        (fail(401, "Incorrect API key provided: sk-test"), 502, "model_error"),
        (failed("server_error", "it broke"), 502, "model_error"),
        (failed("context_length_exceeded", "too long"), 400, "context_length_exceeded"),
    ],
)
def test_failures_have_their_status(
    house: Server, plain: Model, script: Reply, status: int, code: str
) -> None:
    """chat-server.md §4: by kind; never the key."""
    plain.script(script)
    reply = house.client("plain").chat("hi")
    assert (reply.status, reply.error["code"]) == (status, code)
    assert "sk-test" not in reply.text


@requirement("models:responses:product")
@pytest.mark.parametrize("script", [fail(503, "Overloaded"), die(), think("") + die()])
def test_what_may_pass_is_tried_again(house: Server, plain: Model, script: Reply) -> None:
    """runtime.md §4.2: while nothing was shown."""
    plain.script(script, say("There."))
    assert house.client("plain").chat("hi").content == "There."
    assert len(plain.heard) == 2


@requirement("models:responses:product")
def test_after_text_nothing_is_tried_again(house: Server, plain: Model) -> None:
    """runtime.md §4.2: it would be said twice."""
    plain.script(say("Half") + die(), say("Whole"))
    with house.client("plain").stream("hi") as stream:
        events = stream.rest()
        assert stream.done
    assert text_of([event for event in events if "choices" in event]) == "Half"
    assert events[-1]["error"]["code"] == "model_error"
    assert len(plain.heard) == 1


@requirement("models:responses:cancel")
def test_a_client_that_leaves_stops_the_model(house: Server, plain: Model) -> None:
    """chat-server.md §1, `--on-disconnect cancel`: the provider sees it too."""
    gate = Gate()
    plain.script(say("a") + hold(gate) + say("b"))
    with house.client("plain").stream("hi") as stream:
        assert stream.next_text() == "a"
        stream.hang_up()
    assert plain.wait_heard().wait_cut()
