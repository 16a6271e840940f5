"""Nothing in a request may ever cause a 500 or a traceback. Source: chat-server.md §3."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.harness import Server, agent_yaml
from tests.requirements import requirement
from tests.scripted.model import Scripted

EXAMPLES = 1250
"""Per property: four of them make 5,000 request bodies."""

Strategy = st.SearchStrategy[Any]

scalars: Strategy = (
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["", "user", "tool", "auto", "\ud800", "\x00", "a" * 300])
)
anything: Strategy = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=12,
)
roles = st.sampled_from(["system", "developer", "user", "assistant", "tool", "function", "alien"])


def objects(required: Mapping[str, Strategy], optional: Mapping[str, Strategy]) -> Strategy:
    """Objects that have all of one and some of the other."""
    return st.fixed_dictionaries(dict(required), optional=dict(optional))


kinds = st.sampled_from(["text", "image_url", "input_audio", "file", "refusal", "odd"])
part_fields = dict.fromkeys(["text", "image_url", "input_audio", "file"], anything)
parts = objects({}, {"type": kinds | scalars, **part_fields})
functions = objects({}, {"name": scalars, "arguments": anything})
calls = objects({}, {"id": scalars, "type": scalars, "function": functions})
messages = objects(
    {"role": roles},
    {
        "content": st.text(max_size=20) | st.lists(parts, max_size=3) | anything,
        "tool_calls": st.lists(calls, max_size=2) | anything,
        "tool_call_id": st.sampled_from(["a", "b"]) | scalars,
        "name": scalars,
    },
)
FIELDS = [
    "model",
    "stream",
    "stream_options",
    "temperature",
    "top_p",
    "max_tokens",
    "max_completion_tokens",
    "stop",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "reasoning_effort",
    "verbosity",
    "parallel_tool_calls",
    "response_format",
    "logit_bias",
    "user",
    "metadata",
    "safety_identifier",
    "prompt_cache_key",
    "service_tier",
    "n",
    "logprobs",
    "top_logprobs",
    "tools",
    "tool_choice",
    "functions",
    "modalities",
    "audio",
    "store",
]
names = objects({"name": st.text(max_size=8)}, {"parameters": anything})
tools = st.lists(objects({"type": st.just("function")}, {"function": names}), max_size=2)
schemas = objects({"name": st.text(max_size=5)}, {"schema": anything})
format_types = st.sampled_from(["text", "json_object", "json_schema"])
formats = objects({"type": format_types}, {"json_schema": schemas})
near = objects(
    {"messages": st.lists(messages, max_size=4)},
    {
        **dict.fromkeys(FIELDS, scalars),
        "tools": tools | anything,
        "response_format": formats | anything,
        "tool_choice": anything,
        "logit_bias": st.dictionaries(st.text(max_size=4), scalars, max_size=2),
        "metadata": st.dictionaries(st.text(max_size=4), scalars, max_size=2),
    },
)
keys = st.sampled_from(["messages", *FIELDS]) | st.text(max_size=5)
far: Strategy = st.dictionaries(keys, anything, max_size=6)


@pytest.fixture(scope="module")
def hardened(scripted: Scripted, tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """A server of its own, whose log must stay free of tracebacks."""
    with Server(
        agent_yaml(scripted.url, "property"), home=tmp_path_factory.mktemp("home")
    ) as server:
        yield server
        assert "Traceback" not in server.log


def check(server: Server, body: bytes) -> None:
    """One request: an answer of the right shape, whatever was asked."""
    reply = server.client("").request("POST", "/v1/chat/completions", body)
    assert reply.status < 500, reply.text
    if reply.status != 200:
        assert set(reply.json["error"]) == {"message", "type", "param", "code"}
    elif reply.headers["content-type"].startswith("text/event-stream"):
        assert reply.body.endswith(b"data: [DONE]\n\n")
        assert b'"error"' not in reply.body.partition(b'"content"')[0]
    else:
        assert reply.json["object"] == "chat.completion"


bounded = settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@requirement("chat:3:never-500")
@given(near)
@bounded
def test_requests_that_are_nearly_right_are_answered(
    hardened: Server, body: dict[str, Any]
) -> None:
    """chat-server.md §3: types are checked, the rest passes."""
    check(hardened, json.dumps(body).encode())


@requirement("chat:3:never-500")
@given(far)
@bounded
def test_requests_that_are_far_from_right_are_answered(
    hardened: Server, body: dict[str, Any]
) -> None:
    """chat-server.md §3: 400 with the path, never a 500."""
    check(hardened, json.dumps(body).encode())


@requirement("chat:3:never-500")
@given(st.binary(max_size=200))
@bounded
def test_bytes_that_are_no_json_are_answered(hardened: Server, body: bytes) -> None:
    """chat-server.md §3: 400."""
    check(hardened, body)


@requirement("chat:3:never-500")
@given(near, st.integers(0, 400), st.binary(max_size=3))
@bounded
def test_requests_with_a_few_wrong_bytes_are_answered(
    hardened: Server, body: dict[str, Any], place: int, wrong: bytes
) -> None:
    """chat-server.md §3: any damage to a good request is the client's, not ours."""
    data = json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
    check(hardened, data[:place] + wrong + data[place + len(wrong) :])
