"""What the server counts. Source: chat-server.md §2; issue: metrics."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,  # pyright: ignore[reportUnknownVariableType]
)
from prometheus_client.parser import text_string_to_metric_families

from docker_agent.server.routes.metrics import ROWS
from docker_agent.server.tally import MAX_SERIES, OTHER, Histogram, Tally
from tests.conftest import Serve
from tests.harness import Server, agent_yaml
from tests.requirements import requirement
from tests.scripted.gate import Gate
from tests.scripted.model import Scripted
from tests.scripted.parts import call, fail, hold, say, usage

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
KEY = {"authorization": "Bearer k"}


@pytest.fixture(scope="module")
def counted(scripted: Scripted, tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """A server with a named caller, tools and conversations."""
    home = tmp_path_factory.mktemp("home")
    keys = home / "keys"
    keys.write_text("ann:k\n")
    keys.chmod(0o600)
    agents = {"root": {"model": "counted", "toolsets": [{"type": "think"}]}, "other": "counted-2"}
    flags = ("--api-keys-file", str(keys), "--conversations-max", "9", "--strict-models")
    with Server(agent_yaml(scripted.url, agents), *flags, home=home) as server:
        yield server


def samples(server: Server) -> Samples:
    reply = server.client(key="k").get("/metrics")
    assert (reply.status, reply.headers["content-type"]) == (
        200,
        "text/plain; version=0.0.4; charset=utf-8",
    )
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(reply.text)
        for sample in family.samples
    }


def grown(before: Samples, after: Samples, name: str) -> dict[tuple[str, ...], float]:
    """How much each series of a metric has grown, by the values of its labels."""
    return {
        tuple(value for _, value in labels): value - before.get((found, labels), 0)
        for (found, labels), value in after.items()
        if found == f"docker_agent_{name}" and value != before.get((found, labels), 0)
    }


@requirement("chat:2:metrics")
def test_a_chat_is_counted_once_in_every_respect(counted: Server, scripted: Scripted) -> None:
    """chat-server.md §2: requests, time to first token, tokens, tool calls; the caller's name is
    a label, the key is nowhere."""
    before = samples(counted)
    numbers = usage(10, 5, cached=4)
    scripted.model("counted").script(call("think", {"thought": "x"}) + numbers, say("Hi") + numbers)
    with counted.client(key="k").stream("hi") as stream:
        stream.rest()
    after = samples(counted)
    chat = ("ann", "/v1/chat/completions", "POST", "200")
    assert grown(before, after, "requests_total")[chat] == 1
    assert grown(before, after, "run_seconds_count") == {("root",): 1}
    assert grown(before, after, "first_token_seconds_count") == {("root",): 1}
    assert grown(before, after, "tokens_total") == {
        ("root", "prompt", "counted"): 20,
        ("root", "completion", "counted"): 10,
        ("root", "cached", "counted"): 8,
    }
    assert grown(before, after, "tool_calls_total") == {("root", "ok", "think"): 1}
    assert grown(before, after, "errors_total") == {}
    assert "Bearer" not in str(after)


@requirement("chat:2:metrics")
def test_errors_are_counted_by_type_and_code(counted: Server, scripted: Scripted) -> None:
    """chat-server.md §2: errors by type, those inside a stream too."""
    before = samples(counted)
    client = counted.client(key="k")
    scripted.model("counted").script(fail(400, "no"))
    with client.stream("hi") as stream:
        assert "error" in stream.rest()[-1]
    assert client.chat("hi", model="nobody").status == 404
    assert client.post("/v1/chat/completions", b"{").status == 400
    assert client.get("/no/such/place").status == 404
    assert counted.client().get("/v1/models").status == 401
    after = samples(counted)
    assert grown(before, after, "errors_total") == {
        ("model_error", "server_error"): 1,
        ("model_not_found", "invalid_request_error"): 1,
        ("invalid_json", "invalid_request_error"): 1,
        ("not_found", "invalid_request_error"): 1,
        ("invalid_api_key", "invalid_request_error"): 1,
    }
    assert grown(before, after, "requests_total")["ann", OTHER, "GET", "404"] == 1


@requirement("chat:2:metrics")
def test_what_is_there_now_is_counted(counted: Server, scripted: Scripted) -> None:
    """chat-server.md §2: runs in flight, conversations held; a client that leaves is a 499."""
    gate = Gate()
    scripted.model("counted-2").script(say("a") + hold(gate))
    before = samples(counted)
    client = counted.client("other", key="k")
    with client.stream("hi", headers={"X-Conversation-Id": "c"}) as stream:
        stream.next_text()
        during = samples(counted)
        stream.hang_up()
    assert scripted.model("counted-2").heard[-1].wait_cut()
    gate.open()
    scripted.model("counted").script(say("kept"))
    counted.client(key="k").chat("hi", headers={"X-Conversation-Id": "c"})
    after = samples(counted)
    in_flight = ("docker_agent_runs_in_flight", ())
    assert (before[in_flight], during[in_flight], after[in_flight]) == (0, 1, 0)
    assert after["docker_agent_conversations", ()] == before["docker_agent_conversations", ()] + 1
    assert grown(before, after, "errors_total") == {("client_left", "client"): 1}
    assert after["docker_agent_ready", ()] == 1
    assert after["process_resident_memory_bytes", ()] > 1 << 20


@requirement("chat:2:metrics")
def test_metrics_stand_behind_the_key_and_in_both_formats(counted: Server) -> None:
    """chat-server.md §2: `GET /metrics` needs the key; HEAD on every GET."""
    assert counted.client().get("/metrics").status == 401
    head = counted.client(key="k").request("HEAD", "/metrics")
    assert (head.status, head.body) == (200, b"")
    accept = {"Accept": "application/openmetrics-text; version=1.0.0", **KEY}
    reply = counted.client().get("/metrics", accept)
    assert reply.headers["content-type"].startswith("application/openmetrics-text")
    assert {family.name for family in parse_openmetrics(reply.text)} >= {  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        row.name.removesuffix("_total") for row in ROWS if row.kind != "histogram"
    } - {"docker_agent_build_info"}


@requirement("chat:2:metrics")
def test_a_scrape_needs_no_key_where_nothing_does(scripted: Scripted, serve: Serve) -> None:
    """chat-server.md §2: behind the key, when there is one."""
    assert serve(agent_yaml(scripted.url, "plain")).client().get("/metrics").status == 200


@requirement("chat:2:metrics")
def test_buckets_are_cumulated() -> None:
    """Prometheus: each bucket counts what lies at or below its bound."""
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 9.0):
        histogram.add(value)
    assert [*histogram.cumulated()] == [("1.0", 2), ("2.0", 3), ("+Inf", 4)]
    assert histogram.total == 12.0


@requirement("chat:2:metrics")
def test_the_number_of_series_is_bounded() -> None:
    """Clients choose methods and paths, providers the names of models."""
    tally = Tally()
    for number in range(MAX_SERIES + 5):
        tally.add(tally.errors, ("t", str(number)))
    assert len(tally.errors) == MAX_SERIES + 1
    assert tally.errors[OTHER, OTHER] == 5
