"""The parts of the benchmarks that can be wrong without a stopwatch."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import msgspec
import pytest
from benchmarks import machine
from benchmarks.chart import chart
from benchmarks.measure import Load, Sample, strict
from benchmarks.programs import tools_agent
from benchmarks.report import (
    Figure,
    Ratio,
    compare_table,
    compared,
    figure_table,
    overload_table,
    protocol_figures,
    ratio_table,
    ratios,
    table,
    tools_figure,
)
from benchmarks.run import CHART, main, read_options, summary
from benchmarks.scenarios import (
    AGENTS,
    FIRST_TOKEN,
    GOAL_PROTOCOL,
    MEMORY,
    OVERLOAD,
    SCENARIOS,
    TOOL_COUNT,
    TOOLS,
    chosen,
    shortened,
    spoken,
    with_and_without_tools,
    write_body,
)

from tests.conftest import Serve
from tests.requirements import requirement
from tests.scripted.model import Scripted
from tests.scripted.parts import say

N1, N20 = SCENARIOS[:2]


def sampled(scenario: str, target: str, cpu: float, *, bad: int = 0, ok: int = 10) -> Sample:
    load = Load(
        ok=ok,
        bad=bad,
        unfinished=0,
        ev_min=204,
        secs=1.5,
        rps=100.0,
        lat50=900.0,
        ttft50=500.0,
        ttft99=800.0,
        ttftmax=4000.0,
        lag50=0.0,
        lag99=0.0,
        lagmax=0.0,
    )
    return Sample(scenario, target, cpu, load)


SAMPLES = [
    sampled("n1", "nginx", 10.0),
    sampled("n1", "product", 70.0),
    sampled("n1", "nginx", 20.0),
    sampled("n1", "product", 80.0),
    sampled("n20", "nginx", 10.0),
    sampled("n20", "product", 35.0),
]


@requirement("bench:goals")
def test_the_goals_are_those_of_the_design() -> None:
    """Source: DESIGN.md §5, goals and tight row."""
    assert {one.name: (one.goal, one.tight) for one in SCENARIOS} == {
        "n1": (12, 8),
        "n20": (3, 3),
        "s200": (5, 5),
        "p2k": (4, 3.2),
        "p10k": (3, 2.6),
    }


@requirement("bench:goals")
@pytest.mark.parametrize(
    ("value", "failed", "verdict"),
    [(8.0, 0, "meets tight"), (8.1, 0, "meets"), (12.1, 0, "misses"), (1.0, 1, "failed")],
)
def test_a_ratio_is_judged_by_goal_and_tight_goal(value: float, failed: int, verdict: str) -> None:
    """Source: DESIGN.md §5."""
    assert Ratio(N1, value, failed).verdict == verdict


@requirement("bench:table")
def test_ratios_are_medians_over_the_medians_of_the_floor() -> None:
    """Source: DESIGN.md §5, CPU against nginx in the same run."""
    found = ratios(SAMPLES, (N1, N20), floor="nginx", target="product")
    assert [one.value for one in found] == [5.0, 3.5]
    assert [one.verdict for one in found] == ["meets tight", "misses"]
    lines = ratio_table(SAMPLES, found, floor="nginx", target="product").splitlines()
    assert lines[0].split()[:2] == ["scenario", "target"]
    assert lines[2].split()[:3] == ["n1", "product", "75.0"]
    assert lines[2].endswith("5.00  12 (8)  meets tight")
    assert summary(found, [Figure("start", 0.9, "s", 0.7)]) == (
        "n20 3.5x (goal 3); start 0.90 s (goal 0.7)"
    )


@requirement("bench:table")
def test_a_run_in_which_nothing_was_answered_failed() -> None:
    """Source: a figure of failed answers is no figure."""
    samples = [sampled("n1", "nginx", 10.0), sampled("n1", "product", 0.0, ok=0)]
    (found,) = ratios(samples, (N1,), floor="nginx", target="product")
    assert found.verdict == "failed"


@requirement("bench:table")
def test_streams_that_end_early_count_as_failures() -> None:
    """Source: an error in the middle of a stream has status 200 too."""
    load = sampled("s200", "product", 3.0).load
    burst, paced = SCENARIOS[2], SCENARIOS[3]
    assert strict(load, burst).bad == 0
    assert strict(msgspec.structs.replace(load, ev_min=3), burst).bad == 1
    assert strict(msgspec.structs.replace(load, ev_min=0), N1).bad == 0
    assert strict(msgspec.structs.replace(load, unfinished=4), burst).bad == 0
    assert strict(msgspec.structs.replace(load, unfinished=4), paced).bad == 4


@requirement("bench:compare")
@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [(1.10, "unchanged"), (1.11, "slower"), (0.95, "unchanged"), (0.9, "faster")],
)
def test_up_to_a_tenth_counts_as_unchanged(ratio: float, verdict: str) -> None:
    """Source: DESIGN.md §5, comparison of two commits."""
    assert compared(ratio) == verdict


@requirement("bench:compare")
def test_products_are_compared_by_their_minima() -> None:
    """Source: DESIGN.md §5, ratio of minima."""
    samples = [sampled("n1", *row) for row in [("old", 50.0), ("new", 90.0)]]
    samples += [sampled("n1", "old", 60.0), sampled("n1", "new", 40.0)]
    (_, line) = compare_table(samples, (N1,), old="old", new="new").splitlines()
    assert line.split() == ["n1", "request", "50.0", "40.0", "0.80", "faster"]


@requirement("bench:protocols")
def test_a_chunk_over_each_protocol_is_compared_with_chat_completions(tmp_path: Path) -> None:
    """Source: issue 4, per-chunk CPU within 1.5 of Chat Completions."""
    asked = {agent: spoken(agent) for agent in AGENTS}
    samples = [
        sampled(scenario.name, "product", 4.0 if agent == "root" else 7.0)
        for agent, scenarios in asked.items()
        for scenario in scenarios
    ]
    samples.append(sampled("s200-gemini", "product", 6.0))
    figures = protocol_figures(samples, asked, GOAL_PROTOCOL)
    assert len(figures) == 8
    by_name = {one.name: (one.value, one.verdict) for one in figures}
    assert by_name["s200-gemini, 6.0 us"] == (1.5, "meets")
    assert by_name["p2k-messages, 7.0 us"] == (1.75, "misses")
    body = json.loads(write_body(tmp_path, asked["gemini"][0], stream=True).read_text())
    assert body["model"] == "gemini"


@requirement("bench:tools")
def test_what_tools_add_is_the_difference_of_the_least_of_both() -> None:
    """DESIGN.md §5: nothing per request that is proportional to the tool list."""
    scenarios = with_and_without_tools()
    assert [one.agent for one in scenarios] == ["root", TOOLS]
    assert len({one.name for one in scenarios}) == 2
    found = [(0, 150.0), (1, 190.0), (0, 140.0), (1, 171.0), (1, 180.0)]
    samples = [sampled(scenarios[which].name, "tools", cpu) for which, cpu in found]
    figure = tools_figure(samples, scenarios, "tools", 30.0)
    assert (figure.value, figure.verdict) == (31.0, "misses")


@requirement("bench:tools")
def test_the_agent_with_tools_offers_as_many_as_are_measured(
    scripted: Scripted, serve: Serve, tmp_path: Path
) -> None:
    """DESIGN.md §5: fifty tools, 16 KiB of schemas in all."""
    fake = scripted.model("fake").script(say("ok"))
    file = tmp_path / "agent.yaml"
    file.write_text(tools_agent(TOOL_COUNT).format(model=urlsplit(scripted.url).port))
    client = serve(file).client(TOOLS)
    assert client.chat("hi").status == 200
    offered = fake.wait_heard().body["tools"]
    assert len(offered) == TOOL_COUNT
    size = len(json.dumps(offered, separators=(",", ":")))
    assert 12 * 1024 < size <= 16 * 1024


@requirement("bench:table")
def test_columns_stand_under_their_heads() -> None:
    """Source: one readable table a run."""
    assert table(("a", "b", "ccc"), [("long", "x", "1")]) == "a     b  ccc\nlong  x    1"
    assert figure_table([Figure("start", 0.75, "s", 0.7)]).endswith("0.75   0.7   misses")
    assert (
        overload_table([sampled("overload", "asyncio", 30.0)])
        .splitlines()[1]
        .endswith("  0.5  0.8  4.0         0.0  0.0  0.0")
    )


@requirement("bench:svg")
def test_the_chart_has_a_bar_for_each_ratio() -> None:
    """Source: an SVG of the ratios, for the documentation."""
    found = [Ratio(N1, 6.0), Ratio(N20, 4.0)]
    root = ElementTree.fromstring(chart(found, ["<machine> & " + "versions " * 40]))
    space = "{http://www.w3.org/2000/svg}"
    bars = [one for one in root.iter(f"{space}rect") if one.get("class") != "paper"]
    assert [one.get("class") for one in bars] == ["bar", "over"]
    assert float(bars[0].get("width", "")) == pytest.approx(
        1.5 * float(bars[1].get("width", "")), 0.01
    )
    texts = [one.text or "" for one in root.iter(f"{space}text")]
    assert any("<machine> &" in text for text in texts)
    assert all(len(text) <= 120 for text in texts)


@requirement("bench:options")
def test_the_command_line_says_what_runs(tmp_path: Path) -> None:
    """Source: the flags of the benchmark command."""
    usual = read_options([])
    assert usual.wants(FIRST_TOKEN) and usual.wants(MEMORY) and not usual.wants(OVERLOAD)
    assert read_options(["--smoke"]).wants(OVERLOAD)
    assert not read_options(["--only", "n1"]).wants(MEMORY)
    assert read_options(["--svg"]).svg == CHART
    assert read_options(["--svg", str(tmp_path)]).svg == tmp_path
    assert [one.name for one in chosen("p2k,n1")] == ["n1", "p2k"]
    assert chosen("c1") == ()


@requirement("bench:options")
@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["--only", "n2"], "no scenario 'n2'; there are n1, n20"),
        (["--compare", "/nowhere"], "holds no src/docker_agent"),
        (["--loop", "trio"], "uvloop"),
    ],
)
def test_a_wrong_flag_is_explained(
    arguments: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Source: usage errors leave with 2 and say what would be right."""
    with pytest.raises(SystemExit) as left:
        read_options(arguments)
    assert left.value.code == 2
    assert hint in capsys.readouterr().err


@requirement("bench:missing")
def test_without_its_programs_it_says_how_to_get_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Source: without gcc or nginx one line says what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(machine.sys, "platform", "linux")
    assert main([]) == 1
    assert "apt-get install gcc nginx-light" in capsys.readouterr().err


@requirement("bench:requests")
def test_a_request_carries_the_marker_in_its_last_message(tmp_path: Path) -> None:
    """Source: the model reads the last marker of a body."""
    body = json.loads(write_body(tmp_path, N1, stream=True).read_text())
    assert body["stream"] is True
    assert body["messages"][-1]["content"].endswith(N1.marker)
    assert [len(one["content"]) for one in body["messages"][:-1]] == [220, 220]
    assert "stream" not in json.loads(write_body(tmp_path, N1, stream=False).read_text())
    assert shortened(N1) == N1
    assert shortened(OVERLOAD).connections < 50
