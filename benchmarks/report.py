"""From samples to lines of text: ratios, verdicts, tables. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from benchmarks.measure import Sample
from benchmarks.scenarios import Scenario

UNCHANGED = 1.10
"""A ratio of minima up to this is noise on machines like these."""


class Ratio(msgspec.Struct, frozen=True):
    """CPU per unit of a scenario as a multiple of the floor's, with what is allowed."""

    scenario: Scenario
    value: float
    failed: int = 0

    @property
    def verdict(self) -> str:
        """`failed`, `misses`, `meets`, or `meets tight`; "" without a goal."""
        if self.failed:
            return "failed"
        if not self.scenario.goal:
            return ""
        if self.value > self.scenario.goal:
            return "misses"
        return "meets tight" if self.value <= self.scenario.tight else "meets"


class Figure(msgspec.Struct, frozen=True):
    """A figure that is no ratio: seconds, MiB, KiB; at most `goal` is wanted."""

    name: str
    value: float
    unit: str
    goal: float

    @property
    def verdict(self) -> str:
        """`meets` or `misses`."""
        return "meets" if self.value <= self.goal else "misses"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns side by side, the first two to the left, the others to the right."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def ratios(
    samples: Sequence[Sample], scenarios: Sequence[Scenario], *, floor: str, target: str
) -> list[Ratio]:
    """Medians of the target over medians of the floor."""
    found: list[Ratio] = []
    for scenario in scenarios:
        base, own = _of(samples, scenario, floor), _of(samples, scenario, target)
        failed = sum(one.failed for one in (*base, *own))
        below, above = (statistics.median(one.cpu for one in some) for some in (base, own))
        found.append(Ratio(scenario, above / below if below else 0.0, failed))
    return found


def ratio_table(
    samples: Sequence[Sample], found: Sequence[Ratio], *, floor: str, target: str
) -> str:
    """One line for each scenario and target: medians of all rounds."""
    rows: list[tuple[str, ...]] = []
    for ratio in found:
        for name in (floor, target):
            some = _of(samples, ratio.scenario, name)
            judged = (
                (f"{ratio.value:.2f}", _goals(ratio.scenario), ratio.verdict)
                if name == target
                else ("1.00", "", "")
            )
            rows.append((ratio.scenario.name, name, *_medians(some), *judged))
    head = ("scenario", "target", "CPU us/unit", "answers/s", "first us", "lag us", "lag99 us")
    return table((*head, "failed", "x nginx", "goal", "verdict"), rows)


def figure_table(figures: Sequence[Figure]) -> str:
    """One line for each figure."""
    rows = [
        (one.name, one.unit, f"{one.value:.2f}", f"{one.goal:g}", one.verdict) for one in figures
    ]
    return table(("figure", "unit", "value", "goal", "verdict"), rows)


def compare_table(
    samples: Sequence[Sample], scenarios: Sequence[Scenario], *, old: str, new: str
) -> str:
    """Two products in one run: ratio of minima, and what it means."""
    rows: list[tuple[str, ...]] = []
    for scenario in scenarios:
        before, after = _of(samples, scenario, old), _of(samples, scenario, new)
        low, now = (min(one.cpu for one in some) for some in (before, after))
        failed = sum(one.failed for one in (*before, *after))
        ratio = now / low if low else 0.0
        verdict = "failed" if failed else compared(ratio)
        rows.append((scenario.name, scenario.unit, f"{low:.1f}", f"{now:.1f}", f"{ratio:.2f}"))
        rows[-1] += (verdict,)
    return table(("scenario", "unit", f"{old} us", f"{new} us", "ratio", "verdict"), rows)


def compared(ratio: float) -> str:
    """`faster`, `unchanged` or `slower`, for new over old."""
    if ratio > UNCHANGED:
        return "slower"
    return "unchanged" if ratio >= 1 / UNCHANGED else "faster"


def protocol_figures(
    samples: Sequence[Sample], spoken: Mapping[str, Sequence[Scenario]], goal: float
) -> list[Figure]:
    """CPU per chunk over every protocol as a multiple of the first one's, scenario by scenario."""
    first, *others = spoken
    figures: list[Figure] = []
    for agent in others:
        for base, own in zip(spoken[first], spoken[agent], strict=True):
            below, above = (
                min((one.cpu for one in samples if one.scenario == scenario.name), default=0.0)
                for scenario in (base, own)
            )
            value = above / below if below else 0.0
            figures.append(Figure(f"{own.name}, {above:.1f} us", value, "x chat", goal))
    return figures


def tools_figure(
    samples: Sequence[Sample], scenarios: tuple[Scenario, Scenario], name: str, goal: float
) -> Figure:
    """CPU of a request in the second scenario beyond that in the first: minima, since what is left
    of two figures this close is mostly noise otherwise."""
    without, having = (
        min((one.cpu for one in samples if one.scenario == scenario.name), default=0.0)
        for scenario in scenarios
    )
    return Figure(name, having - without, "us", goal)


def overload_table(samples: Sequence[Sample]) -> str:
    """One line for each target: who waits how long when there is more than one core can do."""
    rows = [
        (
            one.target,
            one.scenario,
            str(one.load.ok),
            str(one.failed),
            f"{one.load.secs:.1f}",
            f"{one.cpu:.1f}",
            *(f"{us / 1000:.1f}" for us in (one.load.ttft50, one.load.ttft99, one.load.ttftmax)),
            *(f"{us / 1000:.1f}" for us in (one.load.lag50, one.load.lag99, one.load.lagmax)),
        )
        for one in samples
    ]
    head = ("target", "scenario", "ok", "failed", "s", "CPU us/unit", "first p50 ms", "p99", "max")
    return table((*head, "lag p50 ms", "p99", "max"), rows)


def _of(samples: Sequence[Sample], scenario: Scenario, target: str) -> list[Sample]:
    return [one for one in samples if (one.scenario, one.target) == (scenario.name, target)]


def _medians(samples: Sequence[Sample]) -> tuple[str, ...]:
    loads = [one.load for one in samples]
    waits = (
        [one.ttft50 for one in loads],
        [one.lag50 for one in loads],
        [one.lag99 for one in loads],
    )
    return (
        f"{statistics.median(one.cpu for one in samples):.1f}",
        f"{statistics.median(one.rps for one in loads):.0f}",
        # Answers in one piece have no first token, bursts no time stamps.
        *(f"{statistics.median(some):.0f}" if any(some) else "-" for some in waits),
        str(sum(one.failed for one in samples)),
    )


def _goals(scenario: Scenario) -> str:
    return f"{scenario.goal:g} ({scenario.tight:g})" if scenario.goal else ""
