"""`GET /metrics`: the counts since the start, as Prometheus text. Source: chat-server.md §2."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Literal

import msgspec

from docker_agent import __version__
from docker_agent.server.exchange import Exchange, Services
from docker_agent.server.tally import Histogram

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

Labels = tuple[str, ...]


class Row(msgspec.Struct, frozen=True):
    """One metric."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    text: str
    labels: Labels = ()


class Buckets(msgspec.Struct, frozen=True):
    """A histogram as it stood."""

    cumulated: list[tuple[str, int]]
    total: float


Values = Sequence[tuple[Labels, float | Buckets]]

REQUESTS = Row(
    "docker_agent_requests_total",
    "counter",
    "Requests that have ended. The status is 499 when the client left before there was one.",
    ("endpoint", "method", "status", "caller"),
)
IN_FLIGHT = Row("docker_agent_runs_in_flight", "gauge", "Chat requests being answered now.")
DURATION = Row("docker_agent_run_seconds", "histogram", "How long chat requests took.", ("agent",))
FIRST_TOKEN = Row(
    "docker_agent_first_token_seconds",
    "histogram",
    "From the request to the first text or thought.",
    ("agent",),
)
TOKENS = Row(
    "docker_agent_tokens_total",
    "counter",
    "As providers count them; prompt includes cached, completion includes reasoning.",
    ("agent", "model", "kind"),
)
DOLLARS = Row(
    "docker_agent_cost_dollars_total",
    "counter",
    "What calls of models cost, by the catalogue's prices; models without a price are left out.",
    ("agent", "model"),
)
TOOL_CALLS = Row(
    "docker_agent_tool_calls_total",
    "counter",
    "Tools that the server ran; the result is ok or error.",
    ("agent", "tool", "result"),
)
ERRORS = Row(
    "docker_agent_errors_total",
    "counter",
    "Requests that failed, by the error's type and code.",
    ("type", "code"),
)
CONVERSATIONS = Row("docker_agent_conversations", "gauge", "Conversations kept now.")
PAUSED = Row(
    "docker_agent_paused_turns", "gauge", "Turns that wait for a client's tools outside of one."
)
READY = Row("docker_agent_ready", "gauge", "1 when every toolset is ready, else 0.")
BUILD = Row("docker_agent_build_info", "gauge", "Always 1.", ("version",))

ROWS = (
    REQUESTS,
    IN_FLIGHT,
    DURATION,
    FIRST_TOKEN,
    TOKENS,
    DOLLARS,
    TOOL_CALLS,
    ERRORS,
    CONVERSATIONS,
    PAUSED,
    READY,
    BUILD,
)


async def metrics(exchange: Exchange) -> None:
    """Prometheus text, or OpenMetrics for those who ask for it.

    The library is imported at the first request, in a thread: it takes a fifth of a second.
    """
    services = exchange.services
    values = _values(services, await services.places.kept())
    openmetrics = "application/openmetrics-text" in exchange.header(b"accept")
    body, kind = await asyncio.to_thread(_written, values, openmetrics=openmetrics)
    await exchange.respond(200, body, ((b"content-type", kind.encode()),))


def _values(services: Services, kept: int) -> Mapping[str, Values]:
    """All numbers as they are now, so that a thread may read them."""
    tally = services.tally
    return {
        REQUESTS.name: [*tally.requests.items()],
        IN_FLIGHT.name: _one(services.running.count),
        DURATION.name: _buckets(tally.durations),
        FIRST_TOKEN.name: _buckets(tally.first_tokens),
        TOKENS.name: [*tally.tokens.items()],
        DOLLARS.name: [*tally.dollars.items()],
        TOOL_CALLS.name: [*tally.tool_calls.items()],
        ERRORS.name: [*tally.errors.items()],
        CONVERSATIONS.name: _one(kept),
        PAUSED.name: _one(services.places.paused),
        READY.name: _one(0 if services.teams.unready() else 1),
        BUILD.name: [((__version__,), 1)],
    }


def _one(value: float) -> Values:
    return [((), value)]


def _buckets(histograms: Mapping[Labels, Histogram]) -> Values:
    return [
        (labels, Buckets([*histogram.cumulated()], histogram.total))
        for labels, histogram in histograms.items()
    ]


def _written(values: Mapping[str, Values], *, openmetrics: bool) -> tuple[bytes, str]:
    from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

    class Everything:
        """What the library asks for what there is."""

        def collect(self) -> Iterator[Metric]:
            yield from (_family(row, values[row.name]) for row in ROWS)
            yield from _process().collect()

    if openmetrics:
        exposition = import_module("prometheus_client.openmetrics.exposition")
        encode: Callable[[Everything], bytes] = exposition.generate_latest
        return encode(Everything()), exposition.CONTENT_TYPE_LATEST
    return generate_latest(Everything()), CONTENT_TYPE_PLAIN_0_0_4


def _family(row: Row, values: Values) -> Metric:
    from prometheus_client.core import Metric

    family = Metric(row.name.removesuffix("_total"), row.text, row.kind)
    for labels, value in values:
        named = dict(zip(row.labels, labels, strict=True))
        for suffix, more, number in _samples(row, value):
            family.add_sample(f"{row.name}{suffix}", {**named, **more}, number)
    return family


def _samples(row: Row, value: float | Buckets) -> Iterable[tuple[str, dict[str, str], float]]:
    if not isinstance(value, Buckets):
        return [("", {}, value)]
    return [
        *(("_bucket", {"le": bound}, count) for bound, count in value.cumulated),
        ("_count", {}, value.cumulated[-1][1]),
        ("_sum", {}, value.total),
    ]


@lru_cache(maxsize=1)
def _process() -> CollectorRegistry:
    """What is known of the process itself: memory, CPU, open files."""
    from prometheus_client import CollectorRegistry, ProcessCollector

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry
