"""Counts since the start, as plain numbers: adding to them costs a dict entry, nothing more.

`routes/metrics.py` writes them in Prometheus's words when somebody asks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from typing import TypeVar

from docker_agent.server.record import Ended, Record

FIRST_TOKEN_BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
DURATION_BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Seconds: upper bounds of the buckets."""

MAX_SERIES = 2_000
"""Label sets kept for one metric. A provider chooses what its models call themselves."""

OTHER = "other"
"""The endpoint of a path that is none of ours, and the labels of what came too late."""


class Histogram:
    """How many values fell below each bound, and their sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def cumulated(self) -> Iterator[tuple[str, int]]:
        """Bounds as text with the number of values up to each; the last one is `+Inf`."""
        count = 0
        for bound, here in zip((*self.bounds, None), self.counts, strict=True):
            count += here
            yield "+Inf" if bound is None else repr(bound), count


Counts = dict[tuple[str, ...], int]
Number = TypeVar("Number", int, float)


class Tally:
    """Adds up requests when they end."""

    def __init__(self) -> None:
        self.requests: Counts = {}
        """By endpoint, method, status and caller."""
        self.errors: Counts = {}
        """By type and code."""
        self.tokens: Counts = {}
        """By agent, model and kind."""
        self.dollars: dict[tuple[str, ...], float] = {}
        """By agent and model, where prices are known."""
        self.tool_calls: Counts = {}
        """By agent, tool and result."""
        self.first_tokens = defaultdict[tuple[str, ...], Histogram](
            lambda: Histogram(FIRST_TOKEN_BOUNDS)
        )
        self.durations = defaultdict[tuple[str, ...], Histogram](lambda: Histogram(DURATION_BOUNDS))
        """Both by agent."""

    def __call__(self, ended: Ended) -> None:
        """A `Watcher`."""
        self.add(self.requests, (ended.endpoint, ended.method, str(ended.status), ended.caller))
        if ended.error is not None:
            self.add(self.errors, ended.error)
        if ended.run is not None:
            self._run(ended, ended.run)

    @staticmethod
    def add(
        counter: dict[tuple[str, ...], Number], labels: tuple[str, ...], count: Number = 1
    ) -> None:
        """Add to one series; what is one too many goes into a series of its own."""
        known = counter.get(labels)
        if known is None and len(counter) >= MAX_SERIES:
            labels = (OTHER,) * len(labels)
            known = counter.get(labels)
        counter[labels] = (known or 0) + count

    def _run(self, ended: Ended, record: Record) -> None:
        self.durations[record.agent,].add(ended.seconds)
        if record.first_token is not None:
            self.first_tokens[record.agent,].add(record.first_token - ended.started)
        for call in record.model_calls:
            who, usage = (call.source.agent, call.model), call.usage
            self.add(self.tokens, (*who, "prompt"), usage.prompt)
            self.add(self.tokens, (*who, "completion"), usage.completion)
            if usage.cached:
                self.add(self.tokens, (*who, "cached"), usage.cached)
            if usage.reasoning:
                self.add(self.tokens, (*who, "reasoning"), usage.reasoning)
            if usage.cost is not None:
                self.add(self.dollars, who, usage.cost)
        for use in record.tools:
            result = "error" if use.failed else "ok"
            self.add(self.tool_calls, (use.source.agent, use.tool, result))
