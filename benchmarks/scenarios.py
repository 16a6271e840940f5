"""The kinds of traffic that are measured, and what they may cost."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

HISTORY = 3
"""Messages in a request."""
MESSAGE_LENGTH = 220
"""Characters in each message before the last."""
PROSE = (
    "Streaming gateways forward each token of the answer to the caller while it is still being "
    "written by the model. "
)


class Scenario(msgspec.Struct, frozen=True):
    """One kind of traffic.

    `marker` tells the model what to answer (see model.c); `stream` is what the client asks the
    product for. `ramp` 0: closed loop, every connection asks again at once, for the seconds of the
    run. `ramp` > 0: each connection asks once, and so many start per second. `units` are counted
    in one answer. `goal` and `tight` are CPU per unit as multiples of nginx; 0: none. `agent` is
    the one asked.
    """

    name: str
    about: str
    marker: str
    stream: bool
    connections: int
    ramp: int
    unit: str
    units: int
    goal: float = 0
    tight: float = 0
    agent: str = "root"


SCENARIOS = (
    Scenario("n1", "JSON, 1 token", "@@b1,1000000@@", False, 16, 0, "request", 1, goal=12, tight=8),
    Scenario("n20", "JSON, 20 tokens", "@@b20,1@@", False, 16, 0, "request", 1, goal=3, tight=3),
    Scenario("s200", "bursts of 200", "@@b200,4@@", True, 16, 0, "chunk", 200, goal=5, tight=5),
    Scenario("p2k", "2k tokens/s", "@@p60,20@@", True, 100, 200, "chunk", 60, goal=4, tight=3.2),
    Scenario(
        "p10k", "10k tokens/s", "@@p100,25@@", True, 400, 400, "chunk", 100, goal=3, tight=2.6
    ),
)
FIRST_TOKEN = Scenario("c1", "one connection", "@@b1,1000000@@", True, 1, 0, "request", 1)
MEMORY = Scenario("mem", "1,000 slow streams", "@@p30,2@@", True, 1000, 250, "chunk", 30)
OVERLOAD = Scenario("overload", "50k tokens/s", "@@p200,50@@", True, 1000, 500, "chunk", 200)
PROTOCOLS = "protocols"
TOOLS = "tools"
SPECIAL = (FIRST_TOKEN.name, MEMORY.name, OVERLOAD.name, PROTOCOLS, TOOLS)

AGENTS = ("root", "responses", "messages", "gemini", "converse")
"""One for each protocol; the first speaks Chat Completions, which the others are compared with."""
GOAL_PROTOCOL = 1.5


def spoken(agent: str) -> tuple[Scenario, ...]:
    """Bursts and a paced stream, asked of one agent."""
    return tuple(
        msgspec.structs.replace(one, name=f"{one.name}-{agent}", agent=agent, goal=0, tight=0)
        for one in SCENARIOS
        if one.name in ("s200", "p2k")
    )


TOOL_COUNT = 50
"""Tools of the agent that has some; their schemas are some 16 KiB in all."""
GOAL_TOOLS_US = 30.0
"""CPU that they may add to a request."""


def with_and_without_tools() -> tuple[Scenario, Scenario]:
    """The smallest request, asked of an agent without tools and of one with `TOOL_COUNT`."""
    small = SCENARIOS[0]
    without, having = (
        msgspec.structs.replace(small, name=f"{small.name}-{agent}", agent=agent, goal=0, tight=0)
        for agent in ("root", TOOLS)
    )
    return without, having


GOAL_FIRST_TOKEN_MS = 1.0
GOAL_STREAM_KIB = 45.0
GOAL_START_S = 0.7
GOAL_IDLE_MIB = 75.0

SMOKE_CONNECTIONS = 10
SMOKE_PACE = "@@p5,50@@"


def shortened(scenario: Scenario) -> Scenario:
    """The same traffic, just enough of it to see that nothing fails."""
    if not scenario.ramp:
        return scenario
    return msgspec.structs.replace(
        scenario, marker=SMOKE_PACE, connections=SMOKE_CONNECTIONS, ramp=100, units=5
    )


def chosen(only: str) -> tuple[Scenario, ...]:
    """The scenarios of a comma list, all when it is empty. Raises `ValueError` with the names
    there are."""
    names = [name for name in only.split(",") if name]
    known = [scenario.name for scenario in SCENARIOS]
    for name in names:
        if name not in known and name not in SPECIAL:
            raise ValueError(f"no scenario {name!r}; there are {', '.join((*known, *SPECIAL))}")
    return tuple(scenario for scenario in SCENARIOS if not names or scenario.name in names)


def write_body(folder: Path, scenario: Scenario, *, stream: bool) -> Path:
    """The file with the request body that the load client sends."""
    roles = ("user", "assistant")
    messages = [
        {"role": roles[number % 2], "content": (PROSE * 9)[:MESSAGE_LENGTH]}
        for number in range(HISTORY - 1)
    ]
    messages.append({"role": "user", "content": f"Hello! Please write a poem. {scenario.marker}"})
    body = {"model": scenario.agent, "messages": messages} | ({"stream": True} if stream else {})
    file = folder / f"{scenario.name}-{'stream' if stream else 'json'}.json"
    file.write_text(json.dumps(body))
    return file
