"""Measures the product beside nginx in one run and prints one table.

python -m benchmarks.run                         every goal, two rounds
python -m benchmarks.run --only n1,c1 --rounds 5
python -m benchmarks.run --only protocols        a chunk over each provider's protocol
python -m benchmarks.run --only tools            what fifty tools add to a request
python -m benchmarks.run --only overload         both event loops with more than they can do
python -m benchmarks.run --compare ../other      two checkouts, interleaved
python -m benchmarks.run --smoke                 does everything answer?
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from benchmarks.chart import chart
from benchmarks.machine import allow_many_connections, described, missing
from benchmarks.measure import Sample, rounds, sample, stream_memory
from benchmarks.programs import ROOT, Target, model_server, nginx, product, tools_agent
from benchmarks.report import (
    Figure,
    Ratio,
    compare_table,
    figure_table,
    overload_table,
    protocol_figures,
    ratio_table,
    ratios,
    tools_figure,
)
from benchmarks.scenarios import (
    AGENTS,
    FIRST_TOKEN,
    GOAL_FIRST_TOKEN_MS,
    GOAL_IDLE_MIB,
    GOAL_PROTOCOL,
    GOAL_START_S,
    GOAL_STREAM_KIB,
    GOAL_TOOLS_US,
    MEMORY,
    OVERLOAD,
    PROTOCOLS,
    TOOL_COUNT,
    TOOLS,
    Scenario,
    chosen,
    shortened,
    spoken,
    with_and_without_tools,
)

CHART = ROOT / "docs" / "explanation" / "bench.svg"
LOOPS = ("uvloop", "asyncio")
COMPARE_ROUNDS = 5
PROTOCOL_ROUNDS = 3
TOOLS_ROUNDS = 5
SMOKE_SECONDS = 0.2


class Options(msgspec.Struct, frozen=True):
    """What the command line asks for. `only` empty: all but `overload`; `rounds` 0: the usual."""

    rounds: int = 0
    seconds: float = 1.5
    only: str = ""
    loop: str = ""
    svg: Path | None = None
    compare: Path | None = None
    smoke: bool = False
    check: bool = False

    def wants(self, scenario: Scenario) -> bool:
        """Whether a special scenario is to run."""
        if not self.only:
            return scenario is not OVERLOAD or self.smoke
        return scenario.name in self.only.split(",")


def read_options(arguments: Sequence[str]) -> Options:
    """Options from the command line. Leaves with 2 and a message when it is wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--rounds", type=int, default=0, help="2, with --compare 5")
    parser.add_argument("--seconds", type=float, default=1.5, help="for each closed loop")
    parser.add_argument("--only", default="", help="comma list of scenarios")
    parser.add_argument("--loop", choices=LOOPS, default="", help="instead of the product's choice")
    parser.add_argument("--svg", type=Path, nargs="?", const=CHART, help=f"draw; into {CHART.name}")
    parser.add_argument("--compare", type=Path, metavar="DIR", help="another checkout")
    parser.add_argument("--smoke", action="store_true", help="short; only: did anything fail?")
    parser.add_argument("--check", action="store_true", help="leave with 1 when a goal is missed")
    options = Options(**vars(parser.parse_args(arguments)))
    try:
        chosen(options.only)
    except ValueError as exc:
        parser.error(str(exc))
    if options.compare and not (options.compare / "src" / "docker_agent").is_dir():
        parser.error(f"{options.compare} holds no src/docker_agent")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 1 when answers failed, when a goal was missed under `--check`, or when a
    program is missing."""
    options = read_options(sys.argv[1:] if arguments is None else arguments)
    if lack := missing():
        sys.stderr.write(lack + "\n")
        return 1
    allow_many_connections()
    with tempfile.TemporaryDirectory(prefix="bench-") as name, model_server() as model:
        folder = Path(name)
        say(*described(), "")
        if options.compare:
            return compare(options, model, folder)
        if options.only == OVERLOAD.name:
            return overload(options, model, folder)
        return against_nginx(options, model, folder)


def against_nginx(options: Options, model: Target, folder: Path) -> int:
    """The main run: ratios, then figures, then perhaps the chart."""
    scenarios = chosen(options.only)
    count, seconds = options.rounds or 2, options.seconds
    if options.smoke:
        scenarios, count, seconds = tuple(map(shortened, scenarios)), 1, SMOKE_SECONDS
    with nginx(model, folder) as floor, product(model, folder, loop=options.loop) as own:
        samples = rounds((floor, own), scenarios, folder, count=count, seconds=seconds)
        found = ratios(samples, scenarios, floor=floor.name, target=own.name)
        if found:
            say(ratio_table(samples, found, floor=floor.name, target=own.name), "")
        figures, more = measure_figures(options, model, own, folder)
        if figures:
            say(figure_table(figures), "")
    failed = sum(one.failed for one in (*samples, *more))
    if options.wants(OVERLOAD):
        failed += overload(options, model, folder)
    if options.smoke:
        say("A smoke run is too short for its figures to mean anything.")
        say(f"{failed} answers failed" if failed else "everything answered")
        return int(failed > 0)
    if options.svg and found:
        options.svg.parent.mkdir(parents=True, exist_ok=True)
        options.svg.write_text(chart(found, described()))
    short = summary(found, figures)
    say(f"falls short: {short}" if short else "all goals are met")
    return int(failed > 0 or (options.check and bool(short)))


def measure_figures(
    options: Options, model: Target, own: Target, folder: Path
) -> tuple[list[Figure], list[Sample]]:
    """What is no ratio: time to the first token, memory, start."""
    figures: list[Figure] = []
    samples: list[Sample] = []
    seconds = SMOKE_SECONDS if options.smoke else options.seconds
    if options.wants(FIRST_TOKEN):
        samples = [sample(one, FIRST_TOKEN, folder, seconds) for one in (model, own)]
        direct, through = (one.load.ttft50 for one in samples)
        added = (through - direct) / 1000
        figures.append(Figure("first token, added", added, "ms", GOAL_FIRST_TOKEN_MS))
    if options.wants(MEMORY):
        scenario = shortened(MEMORY) if options.smoke else MEMORY
        idle, each, load = stream_memory(own, scenario, folder)
        samples.append(load)
        figures.append(Figure("memory, idle", idle, "MiB", GOAL_IDLE_MIB))
        figures.append(Figure("memory, each stream", each, "KiB", GOAL_STREAM_KIB))
    if not options.only or PROTOCOLS in options.only.split(","):
        found, asked = protocols(options, own, folder)
        figures += found
        samples += asked
    if not options.only or TOOLS in options.only.split(","):
        added, asked = tools(options, model, folder)
        figures.append(added)
        samples += asked
    if not options.only:
        figures.append(Figure("start to listening", own.started, "s", GOAL_START_S))
    return figures, samples


def protocols(options: Options, own: Target, folder: Path) -> tuple[list[Figure], list[Sample]]:
    """What a chunk costs over each protocol, taking turns."""
    asked = {agent: spoken(agent) for agent in AGENTS}
    scenarios = [one for each in zip(*asked.values(), strict=True) for one in each]
    count, seconds = options.rounds or PROTOCOL_ROUNDS, options.seconds
    if options.smoke:
        scenarios, count, seconds = list(map(shortened, scenarios)), 1, SMOKE_SECONDS
    samples = rounds((own,), scenarios, folder, count=count, seconds=seconds)
    return protocol_figures(samples, asked, GOAL_PROTOCOL), samples


def tools(options: Options, model: Target, folder: Path) -> tuple[Figure, list[Sample]]:
    """What an agent's tools add to a request: a server of its own, two agents taking turns."""
    scenarios = with_and_without_tools()
    count, seconds = options.rounds or TOOLS_ROUNDS, options.seconds
    if options.smoke:
        count, seconds = 1, SMOKE_SECONDS
    agents = tools_agent(TOOL_COUNT)
    with product(model, folder, name=TOOLS, loop=options.loop, agents=agents) as own:
        samples = rounds((own,), scenarios, folder, count=count, seconds=seconds)
    return tools_figure(samples, scenarios, f"{TOOL_COUNT} tools, added", GOAL_TOOLS_US), samples


def compare(options: Options, model: Target, folder: Path) -> int:
    """Another checkout against this one: `old` is the other, `new` is here."""
    assert options.compare is not None
    scenarios = chosen(options.only)
    count = options.rounds or COMPARE_ROUNDS
    with ExitStack() as running:
        sources = {"old": options.compare.resolve(), "new": ROOT}
        targets = [
            running.enter_context(
                product(model, folder, name=name, source=source, loop=options.loop)
            )
            for name, source in sources.items()
        ]
        samples = rounds(targets, scenarios, folder, count=count, seconds=options.seconds)
    say(compare_table(samples, scenarios, old="old", new="new"))
    return int(any(one.failed for one in samples))


def overload(options: Options, model: Target, folder: Path) -> int:
    """Both loops and nginx, one after the other, with more than one core can do."""
    scenario = shortened(OVERLOAD) if options.smoke else OVERLOAD
    folder = folder / "overload"
    folder.mkdir()
    count = 1 if options.smoke else options.rounds or 2
    samples: list[Sample] = []
    with ExitStack() as running:
        targets = [running.enter_context(nginx(model, folder))]
        targets += [
            running.enter_context(product(model, folder, name=loop, loop=loop))
            for loop in ((options.loop,) if options.loop else LOOPS)
        ]
        for _ in range(count):
            samples += [sample(target, scenario, folder, options.seconds) for target in targets]
    say(overload_table(samples), "")
    return int(any(one.failed for one in samples))


def summary(found: Sequence[Ratio], figures: Sequence[Figure]) -> str:
    """What misses its goal, on one line; "" when nothing does."""
    short = [
        f"{one.scenario.name} {one.value:.1f}x (goal {one.scenario.goal:g})"
        for one in found
        if one.verdict in {"misses", "failed"}
    ]
    short += [
        f"{one.name} {one.value:.2f} {one.unit} (goal {one.goal:g})"
        for one in figures
        if one.verdict == "misses"
    ]
    return "; ".join(short)


def say(*lines: str) -> None:
    """Print at once, since runs are long."""
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
