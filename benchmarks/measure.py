"""One measurement: load on a target, CPU time of its process tree per unit."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import msgspec

from benchmarks.machine import OTHER_CORE, cpu_seconds, memory_kib, pinned
from benchmarks.programs import Target, build
from benchmarks.scenarios import Scenario, write_body

PATH = "/v1/chat/completions"
WARM_UP = 0.2
WARM_UP_CONNECTIONS = 2
MEMORY_POLL = 0.5
PACED_LIMIT = 60.0
"""Seconds after which a paced run is given up."""


class Load(msgspec.Struct, frozen=True):
    """What the load client printed; times in microseconds (see load.c). `ev_min` is the number of
    events in the shortest stream."""

    ok: int
    bad: int
    unfinished: int
    ev_min: int
    secs: float
    rps: float
    lat50: float
    ttft50: float
    ttft99: float
    ttftmax: float
    lag50: float
    lag99: float
    lagmax: float


class Sample(msgspec.Struct, frozen=True):
    """One scenario on one target once. `cpu` is microseconds per unit, 0 when nothing was
    answered."""

    scenario: str
    target: str
    cpu: float
    load: Load

    @property
    def failed(self) -> int:
        """Answers that did not come whole and with status 200; 1 when none came at all."""
        return self.load.bad or int(self.load.ok == 0)


def sample(target: Target, scenario: Scenario, folder: Path, seconds: float) -> Sample:
    """Run a scenario once. `seconds` is for closed loops; paced ones last as long as they last."""
    # A byte forwarder must be asked for a stream, or the model would answer in one piece and the
    # floor would be that of another job.
    body = write_body(folder, scenario, stream=scenario.stream or target.forwards)
    if not scenario.ramp:
        _load(target, scenario, body, WARM_UP_CONNECTIONS, WARM_UP)
    before = cpu_seconds(target.pid)
    limit = PACED_LIMIT if scenario.ramp else seconds
    result = _load(target, scenario, body, scenario.connections, limit)
    spent = cpu_seconds(target.pid) - before
    units = result.ok * scenario.units
    cpu = spent * 1e6 / units if units else 0.0
    return Sample(scenario.name, target.name, cpu, strict(result, scenario))


def strict(result: Load, scenario: Scenario) -> Load:
    """The same with answers as `bad` that have status 200 and are no answers all the same."""
    # Closed loops are stopped in the middle of their last answers; paced ones must end.
    cut_off = result.unfinished if scenario.ramp else 0
    # An error in the middle of a stream comes after status 200.
    short = scenario.stream and result.ok > 0 and result.ev_min < scenario.units
    return msgspec.structs.replace(result, bad=result.bad + cut_off + int(short))


def rounds(
    targets: Sequence[Target],
    scenarios: Sequence[Scenario],
    folder: Path,
    *,
    count: int,
    seconds: float,
) -> list[Sample]:
    """All scenarios on all targets, `count` times, targets taking turns."""
    samples: list[Sample] = []
    for number in range(count):
        # Every other round the other way about, so that nobody always runs on a warm machine.
        order = list(targets)[:: -1 if number % 2 else 1]
        for scenario in scenarios:
            samples += [sample(target, scenario, folder, seconds) for target in order]
    return samples


def stream_memory(target: Target, scenario: Scenario, folder: Path) -> tuple[float, float, Sample]:
    """MiB of the idle target, KiB that each active stream adds, and how the streams went."""
    idle = highest = memory_kib(target.pid)
    with ThreadPoolExecutor(1) as pool:
        streams = pool.submit(sample, target, scenario, folder, PACED_LIMIT)
        while not streams.done():
            highest = max(highest, memory_kib(target.pid))
            wait((streams,), MEMORY_POLL)
        return idle / 1024, (highest - idle) / scenario.connections, streams.result()


def _load(target: Target, scenario: Scenario, body: Path, connections: int, seconds: float) -> Load:
    mode = "o" if scenario.ramp else "c"
    command = [
        *pinned(OTHER_CORE),
        str(build("load")),
        *(str(target.port), PATH, str(body), str(connections), str(seconds), "0"),
        *(mode, str(scenario.ramp)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"load on {target.name} failed: {done.stderr.strip()}")
    return msgspec.json.decode(done.stdout, type=Load)
