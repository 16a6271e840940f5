"""The real command as a child process, with a home of its own, for tests to talk to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from tests.scripted.client import Client

START_LIMIT = 30.0
"""Seconds to the two banner lines; the machine may be busy."""
STOP_LIMIT = 15.0
"""Seconds from SIGTERM to SIGKILL; above the default `--shutdown-timeout`."""
COMMAND = (sys.executable, "-m", "docker_agent")
PASSED_ON = ("PATH", "PYTHONPATH", "LANG", "TMPDIR", "SYSTEMROOT", "COVERAGE_PROCESS_START")


def agent_yaml(
    base_url: str,
    agents: str | Mapping[str, str | Mapping[str, Any]],
    *,
    models: Mapping[str, Mapping[str, Any]] | None = None,
    top: Mapping[str, Any] | None = None,
) -> str:
    """An agent file whose models are scripted ones behind `base_url`.

    `agent_yaml(url, "name")` has one agent `root` that speaks with the scripted model "name".
    `agent_yaml(url, {"root": "a", "helper": {"model": "b", "toolsets": […]}})` has several: the
    value is a scripted model's name, or the agent's keys with such a name under `model`. Each
    agent has a model entry of its own name; `models={"root": {"temperature": 0.5}}` adds keys to
    it, or adds entries. `top` adds top-level keys. The text is YAML that is also JSON.
    """
    every: dict[str, dict[str, Any]] = {}
    entries: dict[str, dict[str, Any]] = {}
    for name, given in ({"root": agents} if isinstance(agents, str) else agents).items():
        keys: dict[str, Any] = {"model": given} if isinstance(given, str) else dict(given)
        if "model" in keys:
            entries[name] = {"provider": "scripted", "model": keys["model"]}
            keys["model"] = name
        every[name] = {"instruction": "You answer.", **keys}
    for name, more in (models or {}).items():
        entries[name] = {"provider": "scripted", **entries.get(name, {}), **more}
    provider = {"api_type": "openai_chatcompletions", "base_url": base_url}
    content = {
        "version": "9",
        "providers": {"scripted": provider},
        "models": entries,
        "agents": every,
        **(top or {}),
    }
    return json.dumps(content, indent=1)


def clean_environment(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a child gets: no keys, no settings of the person who runs the tests."""
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {**kept, "HOME": str(home), **(more or {})}


def run_command(
    *arguments: str, home: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself: `run_command("version", home=tmp_path)`."""
    return subprocess.run(
        [*COMMAND, *arguments],
        env=clean_environment(home, env),
        cwd=cwd or home,
        capture_output=True,
        text=True,
        timeout=START_LIMIT,
        check=False,
    )


class Server:
    """`docker-agent serve chat FILE` on a free port, until the block is left.

    `agent` is the text of an agent file, a path, or a reference. A `--listen` among the flags
    replaces the free port. `home` is HOME, and where the child runs.
    """

    def __init__(
        self, agent: str | Path, *flags: str, home: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.home = home
        self.log_file = Path(tempfile.mkstemp(dir=home, prefix="stderr-", suffix=".log")[1])
        self.banner: list[str] = []
        if isinstance(agent, str) and "\n" in agent:
            self.agent_file = Path(tempfile.mkstemp(dir=home, prefix="agent-", suffix=".yaml")[1])
            self.agent_file.write_text(agent)
            agent = self.agent_file
        else:
            self.agent_file = Path(agent)
        listen = () if {"-l", "--listen"} & set(flags) else ("--listen", "127.0.0.1:0")
        self.command: tuple[str, ...] = (
            *COMMAND,
            "serve",
            "chat",
            str(agent),
            *listen,
            *flags,
        )
        self._env = clean_environment(home, env)
        self._process: subprocess.Popen[str] | None = None
        self._changed = threading.Condition()
        self._closed = False

    @property
    def process(self) -> subprocess.Popen[str]:
        """The running child."""
        if self._process is None:
            raise RuntimeError("the server was not started")
        return self._process

    @property
    def address(self) -> str:
        """What the first line says: `127.0.0.1:4711`, or a socket's path."""
        return self.banner[0].removeprefix("Listening on ").removeprefix("unix://")

    @property
    def port(self) -> int:
        """The real port."""
        return int(self.address.rpartition(":")[2])

    @property
    def url(self) -> str:
        """Base URL for client libraries, with `/v1`."""
        return self.banner[1].split(": ", 1)[1].removesuffix("/chat/completions")

    @property
    def log(self) -> str:
        """All of stderr so far."""
        return self.log_file.read_text(errors="replace")

    def client(self, agent: str = "root", *, key: str = "") -> Client:
        """A client of this server that speaks with `agent` unless told otherwise."""
        headers = {"authorization": f"Bearer {key}"} if key else {}
        if self.address.startswith("/"):
            return Client(unix=self.address, agent=agent, headers=headers)
        return Client(port=self.port, agent=agent, headers=headers)

    def start(self) -> Self:
        """Start and wait for the two lines; fails the test with stderr when they do not come."""
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(
                self.command,
                env=self._env,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        threading.Thread(target=self._listen, daemon=True).start()
        with self._changed:
            self._changed.wait_for(lambda: len(self.banner) >= 2 or self._closed, START_LIMIT)
        if len(self.banner) < 2:
            status = self.stop()
            said = "\n".join(self.banner)
            raise AssertionError(f"no banner (exit {status})\nstdout: {said}\nstderr: {self.log}")
        return self

    def signal(self, number: signal.Signals) -> None:
        """Send any signal."""
        self.process.send_signal(number)

    def wait(self, limit: float = STOP_LIMIT) -> int:
        """The exit status, once it ends by itself."""
        return self.process.wait(limit)

    def stop(self) -> int:
        """SIGTERM, and SIGKILL after a while. Returns the exit status."""
        process = self.process
        if process.poll() is None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_LIMIT)
        if process.poll() is None:
            process.kill()
        status = process.wait()
        with self._changed:
            self._changed.wait_for(lambda: self._closed, STOP_LIMIT)
        return status

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _listen(self) -> None:
        """Read stdout to its end, so that the child never waits for us."""
        stdout = self.process.stdout
        assert stdout is not None
        for line in stdout:
            with self._changed:
                self.banner.append(line.rstrip("\n"))
                self._changed.notify_all()
        stdout.close()
        with self._changed:
            self._closed = True
            self._changed.notify_all()
