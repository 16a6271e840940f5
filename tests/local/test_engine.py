"""The engine's process: its protocol, its manners, and its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec
import pytest

from docker_agent.errors import ModelError
from docker_agent.models.engine import EngineSettings, Listening, cpu_problem
from docker_agent.models.engine_life import CRASH_WINDOW, open_engine
from docker_agent.models.local import LocalOptions, engine_settings
from tests.local.processes import Watch, command_of, engines_of, environment_of
from tests.requirements import requirement

LIMIT = 60.0
"""Seconds a step may take on a busy machine."""

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def settings_for(path: Path, *, slots: int = 1, context: int = 512) -> EngineSettings:
    """Settings of a small engine."""
    return engine_settings("smollm2", path, LocalOptions(context, slots, 1))


@contextmanager
def engine_process(settings: EngineSettings) -> Generator[subprocess.Popen[bytes]]:
    """The bare process, with its first line still to be read."""
    process = subprocess.Popen(
        (sys.executable, "-P", "-m", "docker_agent.models.engine"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdin
        process.stdin.write(msgspec.json.encode(settings) + b"\n")
        process.stdin.flush()
        yield process
    finally:
        process.kill()
        process.communicate()


def first_words(process: subprocess.Popen[bytes]) -> Listening:
    """What the engine answers."""
    assert process.stdout
    return msgspec.json.decode(process.stdout.readline(), type=Listening)


def get(url: str, key: str) -> tuple[int, bytes]:
    """Status and body of a GET."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=LIMIT) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code, exc.read()


@requirement("local:engine:protocol")
def test_the_engine_says_one_line_serves_and_ends_with_its_input(smollm2: Path) -> None:
    """parts.md A3, child process."""
    settings = settings_for(smollm2)
    with engine_process(settings) as process:
        answer = first_words(process)
        assert answer.listening.startswith("http://127.0.0.1:")
        assert not answer.error
        rest, _ = process.communicate(timeout=LIMIT)
        assert (process.returncode, rest) == (0, b"")


@requirement("local:engine:closed-door")
def test_the_engine_answers_nobody_without_its_key_and_tells_no_path(smollm2: Path) -> None:
    """parts.md A3: the listener is always open, so it is locked."""
    settings = settings_for(smollm2)
    with engine_process(settings) as process:
        base = first_words(process).listening
        for path in ("/v1/models", "/v1/chat/completions", "/props", "/slots"):
            assert get(base + path, "wrong")[0] == 401
        status, body = get(f"{base}/v1/models", settings.key)
        assert status == 200
        assert b'"id":"smollm2"' in body
        assert str(smollm2).encode() not in body
        assert get(f"{base}/slots", settings.key)[0] == 501
        assert get(f"{base}/", settings.key)[0] == 404


@requirement("local:engine:errors")
@pytest.mark.parametrize("content", [None, b"GGUF but nothing more"])
def test_a_file_the_engine_cannot_load_is_a_sentence(content: bytes | None, tmp_path: Path) -> None:
    """parts.md A3: a missing model raises in native code."""
    path = tmp_path / "model.gguf"
    if content is not None:
        path.write_bytes(content)
    with engine_process(settings_for(path)) as process:
        answer = first_words(process)
        assert not answer.listening
        assert "could not load" in answer.error
        assert str(path) not in answer.error
        assert process.wait(LIMIT) == 0


_PARENT = """
import os, subprocess, sys
read_end = int(sys.argv[1])
process = subprocess.Popen(
    [sys.executable, "-P", "-m", "docker_agent.models.engine"],
    stdin=read_end, stdout=subprocess.PIPE, start_new_session=True,
)
process.stdout.readline()
print(process.pid, flush=True)
sys.stdin.read()
"""


@on_linux
@requirement("local:engine:orphan")
def test_the_engine_dies_with_a_killed_parent_even_when_its_input_stays_open(
    smollm2: Path,
) -> None:
    """DESIGN.md §6: nothing is left behind, whatever happens."""
    read_end, write_end = os.pipe()
    parent = subprocess.Popen(
        (sys.executable, "-c", _PARENT, str(read_end)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=(read_end,),
    )
    try:
        settings = msgspec.structs.replace(settings_for(smollm2), parent=parent.pid)
        os.write(write_end, msgspec.json.encode(settings) + b"\n")
        assert parent.stdout
        with closing(Watch(int(parent.stdout.readline()))) as engine:
            parent.kill()
            parent.wait(LIMIT)
            assert engine.ended()
    finally:
        parent.kill()
        parent.communicate()
        os.close(read_end)
        os.close(write_end)


@requirement("local:engine:orphan")
def test_an_engine_whose_parent_is_gone_already_serves_nobody(smollm2: Path) -> None:
    """DESIGN.md §6: the parent may die before the engine can ask to die with it."""
    settings = msgspec.structs.replace(settings_for(smollm2), parent=1)
    with engine_process(settings) as process:
        rest, _ = process.communicate(timeout=LIMIT)
        assert (process.returncode, rest) == (0, b"")


FULL = "processor\t: 0\nflags\t\t: fpu sse avx avx2 fma f16c bmi1 bmi2\n"


@requirement("local:engine:cpu")
@pytest.mark.parametrize(
    ("cpuinfo", "machine", "problem"),
    [
        (FULL, "x86_64", ""),
        (FULL.replace(" avx2", ""), "x86_64", "lacks AVX2,"),
        ("flags : fpu\n", "AMD64", "lacks AVX2, FMA, F16C, BMI2,"),
        ("flags : fpu\n", "aarch64", ""),
        ("Features : fp asimd\n", "x86_64", ""),
        (None, "x86_64", ""),
    ],
)
def test_an_old_cpu_is_told_before_it_could_crash(
    cpuinfo: str | None, machine: str, problem: str, tmp_path: Path
) -> None:
    """parts.md A3: the engine's build needs these instruction sets."""
    path = tmp_path / "cpuinfo"
    if cpuinfo is not None:
        path.write_text(cpuinfo)
    found = cpu_problem(path, machine)
    assert problem in found
    assert bool(found) == bool(problem)


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


@requirement("local:engine:restart")
@pytest.mark.anyio
async def test_an_engine_that_keeps_failing_is_not_started_again_for_a_minute(
    tmp_path: Path,
) -> None:
    """DESIGN.md §6: restarted once."""
    path = tmp_path / "model.gguf"
    clock = Clock()
    said: list[str] = []
    with anyio.fail_after(LIMIT):
        async with open_engine(settings_for(path), now=clock) as engine:
            for wait in (0.0, 0.0, 0.0, CRASH_WINDOW):
                clock.time += wait
                with pytest.raises(ModelError) as caught:
                    async with engine.use():
                        pass
                assert not caught.value.transient
                said.append(str(caught.value))
    refused = ["may be tried again in 60 s" in text for text in said]
    assert refused == [False, False, True, False]


@on_linux
@requirement("local:engine:manners")
@pytest.mark.anyio
async def test_the_engine_sees_no_keys_and_has_a_session_of_its_own(smollm2: Path) -> None:
    """DESIGN.md §6: Ctrl-C is not for it, and providers' keys are not either."""
    others = engines_of(os.getpid())
    environment = {"PATH": os.environ["PATH"], "OPENAI_API_KEY": "sk-secret", "HOME": "/"}
    settings = settings_for(smollm2)
    with anyio.fail_after(LIMIT):
        async with open_engine(settings, environment=environment) as engine, engine.use():
            (process,) = engines_of(os.getpid(), but=others)
            assert environment_of(process) == {"PATH": environment["PATH"], "HOME": "/"}
            assert os.getsid(process) == process
            assert settings.key not in command_of(process)


@on_linux
@requirement("local:engine:end")
@pytest.mark.anyio
@pytest.mark.parametrize("before", [signal.SIGCONT, signal.SIGSTOP])
async def test_leaving_the_context_ends_the_engine_even_when_it_hangs(
    before: signal.Signals, smollm2: Path
) -> None:
    """DESIGN.md §6: its input is closed; then it is killed."""
    others = engines_of(os.getpid())
    with anyio.fail_after(LIMIT):
        async with open_engine(settings_for(smollm2)) as engine:
            async with engine.use():
                (process,) = engines_of(os.getpid(), but=others)
                watch = Watch(process)
            os.kill(process, before)
        with closing(watch):
            assert await anyio.to_thread.run_sync(watch.ended)


@on_linux
@requirement("local:engine:end")
@pytest.mark.anyio
async def test_leaving_the_context_ends_an_engine_that_still_loads(tmp_path: Path) -> None:
    """DESIGN.md §6. This engine reads a pipe for ever; once the pipe opens, it is loading."""
    others = engines_of(os.getpid())
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "xllamacpp.py").write_text(f"open({str(pipe)!r}).read()")
    environment = {"PYTHONPATH": str(tmp_path)}
    with anyio.fail_after(LIMIT):
        async with open_engine(settings_for(tmp_path), environment=environment):
            writing = await anyio.to_thread.run_sync(os.open, pipe, os.O_WRONLY)
            assert len(engines_of(os.getpid(), but=others)) == 1
        assert engines_of(os.getpid(), but=others) == []
        os.close(writing)


@on_linux
@requirement("local:engine:idle")
@pytest.mark.anyio
async def test_an_idle_engine_ends_and_the_next_request_starts_another(smollm2: Path) -> None:
    """DESIGN.md §6: idle exit."""
    others = engines_of(os.getpid())
    clock = Clock()
    with anyio.fail_after(LIMIT):
        async with open_engine(settings_for(smollm2), idle=0.01, now=clock) as engine:
            async with engine.use():
                (process,) = engines_of(os.getpid(), but=others)
                watch = Watch(process)
                clock.time += 1
            clock.time += 1
            with closing(watch):
                assert await anyio.to_thread.run_sync(watch.ended)
            async with engine.use() as lease:
                assert process not in engines_of(os.getpid())
                url = f"{lease.address}/v1/models"
                status, _ = await anyio.to_thread.run_sync(get, url, engine.settings.key)
                assert status == 200
