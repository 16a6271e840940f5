"""How replies and errors look on the wire. Source: chat-server.md §4."""

from __future__ import annotations

import hmac

import pytest

from docker_agent.errors import Kind, RequestError
from docker_agent.server.errors import from_request_error
from docker_agent.server.keys import Keys
from tests.conftest import Lane, Serve
from tests.harness import agent_yaml
from tests.requirements import requirement
from tests.scripted.model import Scripted
from tests.scripted.parts import say

CHAT = "/v1/chat/completions"
REQUEST = "invalid_request_error"
RATE = "rate_limit_error"
SERVER = "server_error"
WAIT = {"retry-after": "1", "retry-after-ms": "1000"}


@requirement("chat:4:lines", "client:11", "client:17", "client:18", "client:19")
def test_a_stream_is_data_lines_alone(lane: Lane) -> None:
    """chat-server.md §4: no id, event or retry lines, LF, no compression, no buffering proxies."""
    lane.model.script(say("one", " two\r\n", " three\u2028"))
    with lane.client.stream("hi", headers={"Accept-Encoding": "gzip, br"}) as stream:
        stream.read_to_end()
        raw, headers = stream.raw, stream.headers
    assert b"\r" not in raw
    events = raw.split(b"\n\n")
    assert events.pop() == b""
    assert all(event.startswith(b"data: ") and b"\n" not in event for event in events)
    assert events[-1] == b"data: [DONE]"
    assert "content-encoding" not in headers
    assert headers["x-accel-buffering"] == "no"
    assert headers["cache-control"] == "no-cache, no-transform"


@requirement("chat:4:error-table")
@pytest.mark.parametrize(
    ("kind", "status", "type", "code", "headers"),
    [
        ("invalid_request", 400, REQUEST, "a_field", {}),
        ("unsupported_content_type", 400, REQUEST, "unsupported_content_type", {}),
        ("invalid_api_key", 401, REQUEST, "invalid_api_key", {"www-authenticate": "Bearer"}),
        ("forbidden_host", 403, REQUEST, "forbidden_host", {}),
        ("forbidden_origin", 403, REQUEST, "forbidden_origin", {}),
        ("hook_blocked", 403, REQUEST, "hook_blocked", {}),
        ("method_not_allowed", 405, REQUEST, "method_not_allowed", {}),
        ("unsupported_encoding", 415, REQUEST, "unsupported_encoding", {}),
        ("not_found", 404, REQUEST, "not_found", {}),
        ("model_not_found", 404, REQUEST, "model_not_found", {}),
        ("conversation_busy", 409, REQUEST, "conversation_busy", {"x-should-retry": "false"}),
        ("turn_expired", 409, REQUEST, "turn_expired", {"x-should-retry": "false"}),
        ("request_timeout", 408, REQUEST, "request_timeout", {"connection": "close"}),
        ("headers_too_large", 431, REQUEST, "headers_too_large", {}),
        ("request_too_large", 413, REQUEST, "request_too_large", {}),
        ("context_length_exceeded", 400, REQUEST, "context_length_exceeded", {}),
        ("too_many_requests", 429, RATE, "too_many_requests", WAIT),
        ("model_rate_limited", 429, RATE, "model_rate_limited", WAIT),
        ("model_error", 502, SERVER, "model_error", {}),
        ("loop_detected", 500, SERVER, "loop_detected", {}),
        ("internal_error", 500, SERVER, "internal_error", {}),
        ("draining", 503, SERVER, "draining", WAIT),
        ("not_ready", 503, SERVER, "not_ready", WAIT),
        ("store_unavailable", 503, SERVER, "store_unavailable", WAIT),
        ("timeout", 504, SERVER, "timeout", {}),
    ],
)
def test_each_kind_of_error_has_its_row(
    kind: Kind, status: int, type: str, code: str, headers: dict[str, str]
) -> None:
    """chat-server.md §4: the table, row by row."""
    field = "a_field" if kind == "invalid_request" else None
    found = from_request_error(RequestError(kind, "why", param="x", code=field))
    assert found.status == status
    assert {name.decode(): value.decode() for name, value in found.headers} == headers
    error = found.body.error
    assert (error.message, error.type, error.param, error.code) == ("why", type, "x", code)


@requirement("chat:4:constant-time")
def test_a_key_is_compared_with_every_known_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """chat-server.md §4: the right guess takes as long as a wrong one."""
    compared: list[int] = []
    real = hmac.compare_digest

    def counting(known: bytes, given: bytes) -> bool:
        compared.append(len(given))
        return real(known, given)

    monkeypatch.setattr(hmac, "compare_digest", counting)
    keys = Keys(("first", "second"))
    assert keys.caller({b"authorization": b"Bearer first"})
    with pytest.raises(RequestError):
        keys.caller({b"authorization": b"Bearer " + b"x" * 5000})
    assert compared == [32, 32, 32, 32]


@requirement("chat:4:order")
def test_the_size_is_looked_at_before_the_key_and_the_key_before_the_body(
    scripted: Scripted, serve: Serve
) -> None:
    """chat-server.md §4: request id, size by Content-Length, auth, body."""
    server = serve(agent_yaml(scripted.url, "ordered"), "--api-key", "k")
    large, broken = b" " * 2_000_000, b"{"
    for key, body, status in [
        ("", large, 413),
        ("", broken, 401),
        ("k", broken, 400),
    ]:
        reply = server.client(key=key).post(CHAT, body, {"X-Request-Id": "mine"})
        assert (reply.status, reply.headers["x-request-id"]) == (status, "mine")
