"""Nothing in a request may ever cause a 500 or a traceback. Source: chat-server.md §3."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.harness import Server, agent_yaml
from tests.requirements import requirement
from tests.scripted.model import Scripted

EXAMPLES = 1250
"""Per property: four of them make 5,000 request bodies."""

scalars: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["", "user", "tool", "auto", "\ud800", "\x00", "a" * 300])
)
anything: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=12,
)
roles = st.sampled_from(["system", "developer", "user", "assistant", "tool", "function", "alien"])
parts = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["text", "image_url", "input_audio", "file", "refusal", "odd"])
        | scalars,
        "text": anything,
        "image_url": anything,
        "input_audio": anything,
        "file": anything,
    },
)
calls = st.fixed_dictionaries(
    {},
    optional={
        "id": scalars,
        "type": scalars,
        "function": st.fixed_dictionaries({}, optional={"name": scalars, "arguments": anything}),
    },
)
messages = st.fixed_dictionaries(
    {"role": roles},
    optional={
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
tools = st.lists(
    st.fixed_dictionaries(
        {"type": st.just("function")},
        optional={
            "function": st.fixed_dictionaries(
                {"name": st.text(max_size=8)}, optional={"parameters": anything}
            )
        },
    ),
    max_size=2,
)
formats = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "json_object", "json_schema"])},
    optional={
        "json_schema": st.fixed_dictionaries(
            {"name": st.text(max_size=5)}, optional={"schema": anything}
        )
    },
)
near = st.fixed_dictionaries(
    {"messages": st.lists(messages, max_size=4)},
    optional={
        **dict.fromkeys(FIELDS, scalars),
        "tools": tools | anything,
        "response_format": formats | anything,
        "tool_choice": anything,
        "logit_bias": st.dictionaries(st.text(max_size=4), scalars, max_size=2),
        "metadata": st.dictionaries(st.text(max_size=4), scalars, max_size=2),
    },
)
far = st.dictionaries(
    st.sampled_from(["messages", *FIELDS]) | st.text(max_size=5), anything, max_size=6
)


@pytest.fixture(scope="module")
def hardened(scripted: Scripted, tmp_path_factory: pytest.TempPathFactory) -> Any:
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
    suppress_health_check=list(HealthCheck),
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
