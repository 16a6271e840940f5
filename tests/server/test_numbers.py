"""Whole numbers of a request, as any JSON writer may write them. Source: chat-server.md §3,
clients.md 45."""

from __future__ import annotations

import pytest

from tests.conftest import Lane
from tests.requirements import requirement


@requirement("chat:3:whole-numbers")
@pytest.mark.parametrize(("written", "heard"), [(b"100", 100), (b"100.0", 100), (b"1e2", 100)])
def test_a_whole_number_may_have_a_point(lane: Lane, written: bytes, heard: int) -> None:
    """chat-server.md §3: read generously; JSON knows no difference between 100 and 100.0."""
    body = b'{"messages": [{"role": "user", "content": "hi"}], "n": 1.0, "seed": %b, '
    body += b'"max_tokens": %b, "model": "%b"}'
    done = lane.client.post("/v1/chat/completions", body % (written, written, lane.agent.encode()))
    assert done.status == 200
    asked = lane.model.heard[0].body
    limit = asked.get("max_tokens", asked.get("max_completion_tokens"))
    assert [(value, type(value)) for value in (limit, asked["seed"])] == [(heard, int)] * 2


@requirement("chat:3:whole-numbers")
@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens", "seed"])
@pytest.mark.parametrize("value", [1.5, 1e300, 2**63])
def test_what_is_no_whole_number_of_64_bits_is_refused(lane: Lane, name: str, value: float) -> None:
    """chat-server.md §3: 400 with the path, whichever of the two limits it is."""
    ask = {"messages": [{"role": "user", "content": "hi"}], "model": lane.agent}
    both = {"max_completion_tokens": 5, name: value}
    refused = lane.client.post("/v1/chat/completions", {**ask, **both})
    assert (refused.status, refused.error["param"]) == (400, name)
