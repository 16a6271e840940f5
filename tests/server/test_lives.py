"""Streams that are cut, stalled, silent or too long. Source: chat-server.md §4, §1."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest

from tests.conftest import Lane, Serve
from tests.harness import agent_yaml
from tests.requirements import requirement
from tests.scripted.client import text_of
from tests.scripted.gate import Gate
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import (
    broken_event,
    call,
    context_too_long,
    die,
    endless,
    fail,
    finish,
    hold,
    huge,
    no_done,
    rate_limited,
    say,
    stream_error,
    trailing,
)

MIB = 1024 * 1024


def resident(pid: int) -> int:
    """Bytes of resident memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@requirement("chat:1:disconnect", "client:26")
def test_a_client_that_hangs_up_stops_the_model_within_a_second(lane: Lane) -> None:
    """clients.md 26: a disconnect reaches the model; the model server sees its peer go."""
    lane.model.script(endless("word ", per_second=50))
    with lane.client.stream("hi") as stream:
        stream.next_text()
        heard = lane.model.wait_heard()
        stream.hang_up()
        assert heard.wait_cut(1.0)


@requirement("chat:1:disconnect")
def test_a_client_that_hangs_up_on_a_json_request_stops_the_model(lane: Lane) -> None:
    """clients.md 26: the same before any byte of an answer was sent."""
    gate = Gate()
    lane.model.script(hold(gate) + say("late"))
    body = {"model": lane.agent, "messages": [{"role": "user", "content": "hi"}]}
    with lane.client.connect() as connection:
        data = json.dumps(body).encode()
        head = (
            "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Content-Length: {len(data)}\r\n\r\n"
        )
        connection.sendall(head.encode() + data)
        gate.wait_reached()
    assert lane.model.wait_heard().wait_cut(1.0)
    gate.open()


@requirement("chat:1:disconnect")
def test_a_client_with_two_requests_at_once_that_hangs_up_stops_the_model(lane: Lane) -> None:
    """clients.md 26: also when its next request is here before the answer to the first one."""
    gate = Gate()
    lane.model.script(hold(gate) + say("late"))
    body = {"model": lane.agent, "messages": [{"role": "user", "content": "hi"}]}
    with lane.client.connect() as connection:
        data = json.dumps(body).encode()
        head = (
            "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Content-Length: {len(data)}\r\n\r\n"
        )
        connection.sendall(2 * (head.encode() + data))
        gate.wait_reached()
    assert lane.model.wait_heard().wait_cut(1.0)
    gate.open()


@requirement("design:5:back-pressure", "client:27")
def test_a_client_that_stops_reading_stalls_the_model_and_costs_no_memory(
    scripted: Scripted, serve: Serve, model: Model
) -> None:
    """DESIGN.md §5: a slow client slows the model's read; it ends at --request-timeout."""
    model.script(huge(50 * MIB))
    server = serve(agent_yaml(scripted.url, model.name), "--request-timeout", "3s")
    pid = server.process.pid
    before = resident(pid)
    with server.client().stream("hi") as stream:
        assert stream.next() is not None
        heard = model.wait_heard()
        assert heard.wait_stalled()
        assert heard.written < 40 * MIB
        assert resident(pid) - before < 2 * MIB
        assert heard.wait_cut(10.0)
    assert server.client().get("/health").status == 200


@requirement("chat:1:request-timeout")
def test_a_request_that_takes_too_long_ends_with_an_error(
    scripted: Scripted, serve: Serve, model: Model
) -> None:
    """chat-server.md §4: deadline 504; in a stream an error event, [DONE], no finish chunk."""
    model.script(say("some") + endless("", per_second=1))
    gate = Gate()
    slow = scripted.model(f"{model.name}-slow").script(hold(gate) + say("late"))
    server = serve(
        agent_yaml(scripted.url, {"root": model.name, "slow": slow.name}),
        *("--request-timeout", "400ms"),
    )
    with server.client("root").stream("hi") as stream:
        chunks = stream.rest()
        assert stream.done
    assert chunks[-1]["error"]["code"] == "timeout"
    assert all(c["choices"][0]["finish_reason"] is None for c in chunks if "choices" in c)
    assert text_of(c for c in chunks if "choices" in c) == "some"
    reply = server.client("slow").chat("hi")
    assert (reply.status, reply.error["code"]) == (504, "timeout")
    assert slow.wait_heard().wait_cut()
    gate.open()


@requirement("chat:4:cut-stream", "client:10", "client:22", "client:23")
@pytest.mark.parametrize("reset", [False, True])
def test_a_model_that_dies_in_mid_stream_gives_one_error_and_no_restart(
    lane: Lane, reset: bool
) -> None:
    """chat-server.md §4: error event then [DONE], no finish chunk; the text is never doubled."""
    lane.model.script(say("half an ans") + die(reset=reset), say("whole"))
    with lane.client.stream("hi") as stream:
        chunks = stream.rest()
        assert stream.done and stream.complete
    assert text_of(c for c in chunks if "choices" in c) == "half an ans"
    errors = [c["error"] for c in chunks if "error" in c]
    assert [e["code"] for e in errors] == ["model_error"]
    assert set(errors[0]) == {"message", "type", "param", "code"}
    assert len(lane.model.heard) == 1


@requirement("chat:4:error-kinds")
@pytest.mark.parametrize(
    ("reply", "status", "code", "kind"),
    [
        (fail(401, "bad key"), 502, "model_error", "server_error"),
        (fail(404, "no such model"), 502, "model_error", "server_error"),
        (context_too_long(), 400, "context_length_exceeded", "invalid_request_error"),
        (rate_limited("77"), 429, "model_rate_limited", "rate_limit_error"),
        (say("x") + broken_event(), 502, "model_error", "server_error"),
        (stream_error("overloaded", code="bad"), 502, "model_error", "server_error"),
    ],
)  # fmt: skip
def test_what_goes_wrong_at_the_model_has_its_kind(
    lane: Lane, reply: object, status: int, code: str, kind: str
) -> None:
    """chat-server.md §4: errors by kind, in JSON as a status, in a stream as an event."""
    lane.model.script(reply)  # type: ignore[arg-type]
    answer = lane.client.chat("hi")
    assert (answer.status, answer.error["code"], answer.error["type"]) == (status, code, kind)
    assert "x-should-retry" not in answer.headers
    if status == 429:
        assert answer.headers["retry-after"] == "77"
    with lane.client.stream("hi") as stream:
        chunks = stream.rest()
        assert stream.status == 200 and stream.done
    assert chunks[-1]["error"]["code"] == code


@requirement("chat:4:retry")
@pytest.mark.parametrize(
    "first", [fail(503, "busy"), fail(529, "overloaded"), die(), rate_limited("0")]
)
def test_a_call_that_showed_nothing_is_tried_again(lane: Lane, first: object) -> None:
    """DESIGN.md §8: a model call is retried only while that call has emitted nothing."""
    lane.model.script(first, say("well"))  # type: ignore[arg-type]
    assert lane.client.chat("hi").content == "well"
    assert len(lane.model.heard) == 2


@requirement("chat:4:retry")
def test_a_stream_cut_inside_a_tool_call_is_tried_again(lane: Lane) -> None:
    """docs/explanation/the-ports.md: half a call showed nothing, so the call may be asked again."""
    lane.model.script(call("nope", {"a": 1}, pieces=3) + die(), say("well"))
    with lane.client.stream("hi") as stream:
        assert text_of(stream.rest()) == "well"


@requirement("chat:4:no-secrets")
def test_errors_show_neither_keys_nor_addresses(scripted: Scripted, serve: Serve) -> None:
    """chat-server.md §4: no stack, path, key or provider secret."""
    model = scripted.model("leaky")
    model.script(fail(401, f"Incorrect API key sk-verysecret, see {scripted.url}/keys"))
    file = agent_yaml(
        scripted.url,
        {"root": "leaky"},
        models={"root": {"token_key": "LEAKY_KEY"}},
    )
    server = serve(file, "--debug", env={"LEAKY_KEY": "sk-verysecret"})
    reply = server.client().chat("hi")
    assert model.heard[0].headers["authorization"] == "Bearer sk-verysecret"
    assert "Incorrect API key" in reply.error["message"]
    for text in (reply.text, server.log):
        assert "sk-verysecret" not in text
    assert "127.0.0.1" not in reply.text


@requirement("chat:1:keep-alive", "client:12", "client:14", "client:15")
def test_silence_is_broken_by_empty_chunks(scripted: Scripted, serve: Serve, model: Model) -> None:
    """chat-server.md §4: an empty-delta chunk after --keep-alive of silence, never a comment."""
    gate = Gate()
    model.script(hold(gate) + say("at last"))
    server = serve(agent_yaml(scripted.url, model.name), "--keep-alive", "100ms")
    with server.client().stream("hi") as stream:
        first = [stream.next() for _ in range(4)]
        gate.open()
        rest = stream.rest()
        raw = stream.raw
    deltas = [chunk["choices"][0]["delta"] for chunk in first if chunk]
    assert deltas == [{"role": "assistant", "content": ""}, {}, {}, {}]
    assert text_of(rest) == "at last"
    assert b"\n:" not in raw


@requirement("chat:4:follow-ups")
def test_follow_ups_sent_the_moment_done_arrives_are_never_refused(lane: Lane) -> None:
    """DESIGN.md §4: the lease ends before the finish chunk leaves."""
    for number in range(200):
        with lane.client.stream(f"n{number}") as stream:
            assert stream.status == 200
            assert text_of(stream.rest()) == f"n{number}"
            assert stream.done


@requirement("design:5:many-streams")
def test_many_streams_at_once_all_get_their_text(lane: Lane) -> None:
    """DESIGN.md §5: 150 streams at once, no pool that deadlocks."""
    gate = Gate()
    lane.model.script(hold(gate) + say("x"))
    streams = [lane.client.stream("hi") for _ in range(150)]
    try:
        gate.wait_reached(count=150, timeout=30)
        gate.open()
        assert [text_of(stream.rest()) for stream in streams] == ["x"] * 150
    finally:
        for stream in streams:
            stream.hang_up()


@requirement("chat:4:odd-streams")
@pytest.mark.parametrize("odd", [no_done(), trailing(), finish("stop", text="!")])
def test_streams_that_end_oddly_are_whole_all_the_same(lane: Lane, odd: object) -> None:
    """runtime.md §4.1: read to the end, whatever the end looks like."""
    lane.model.script(say("fine") + odd)  # type: ignore[operator]
    assert lane.client.chat("hi").content.startswith("fine")


@requirement("chat:1:shutdown")
def test_a_stop_lets_a_running_stream_finish(
    scripted: Scripted, serve: Serve, model: Model
) -> None:
    """chat-server.md §1: on SIGTERM running requests finish; the process ends with status 0."""
    gate = Gate()
    model.script(say("one ") + hold(gate) + say("two"))
    server = serve(agent_yaml(scripted.url, model.name))
    with server.client().stream("hi") as stream:
        assert stream.next_text() == "one "
        stopper = threading.Thread(target=server.stop)
        stopper.start()
        deadline = time.monotonic() + 5
        while server.process.poll() is None and time.monotonic() < deadline:
            try:
                server.client().connect().close()
            except OSError:
                break
        gate.open()
        assert text_of(stream.rest()) == "two"
        assert stream.done
        stopper.join(15)
    assert server.process.returncode == 0
