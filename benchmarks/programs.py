"""The programs of a run: the model and the load client in C, nginx as the floor, the product."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from benchmarks.machine import OTHER_CORE, TARGET_CORE, pinned

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SOURCES = {"model": ("model.c", "answers.c", "answers.h"), "load": ("load.c",)}
START_LIMIT = 30.0
STOP_LIMIT = 5.0
POLL = 0.005
"""Seconds."""
KEY = "test-key"
"""The load client sends it, so that the product checks a key as it does in life."""
NGINX = """\
worker_processes 1; daemon off; master_process off; pid {folder}/pid; {user}
error_log {folder}/error.log warn;
events {{ worker_connections 8192; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  client_body_buffer_size 1m; client_max_body_size 2m; keepalive_requests 100000000;
  upstream model {{
    server 127.0.0.1:{model}; keepalive 4096; keepalive_requests 100000000;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://model; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off;
    }}
  }}
}}
"""
AGENT = """\
version: "9"
providers:
  bench: {{api_type: openai_chatcompletions, base_url: "http://127.0.0.1:{model}/v1"}}
  newer: {{api_type: openai_responses, base_url: "http://127.0.0.1:{model}/v1"}}
  claude: {{provider: anthropic, base_url: "http://127.0.0.1:{model}"}}
  google: {{provider: google, base_url: "http://127.0.0.1:{model}"}}
  aws: {{provider: amazon-bedrock, base_url: "http://127.0.0.1:{model}"}}
models:
  m: {{provider: bench, model: fake}}
  responses: {{provider: newer, model: fake}}
  messages: {{provider: claude, model: fake}}
  gemini: {{provider: google, model: gemini-fake}}
  converse: {{provider: aws, model: claude-fake}}
agents:
  root: {{model: m, instruction: You answer.}}
  responses: {{model: responses, instruction: You answer.}}
  messages: {{model: messages, instruction: You answer.}}
  gemini: {{model: gemini, instruction: You answer.}}
  converse: {{model: converse, instruction: You answer.}}
"""
"""One agent for each protocol; the scenarios say which is asked."""


def tools_agent(count: int) -> str:
    """Agents for `product`: one without tools, and one with `count` of the size people write."""
    about = "Does a thing with a file."
    arguments = {
        "path": {"type": "string", "description": "The file's path."},
        "word": {"type": "string", "description": "A word in it."},
    }
    tool = {"cmd": "true", "description": about, "args": arguments}
    shell = {f"tool_{number:02d}": tool for number in range(count)}
    toolset = json.dumps({"type": "script", "shell": shell}).replace("{", "{{").replace("}", "}}")
    return f"""{AGENT}  tools: {{{{model: m, instruction: You answer., toolsets: [{toolset}]}}}}
"""


class Target(msgspec.Struct, frozen=True):
    """Something that answers on a port. `forwards`: it passes bytes on as the model sends them.

    `started` is seconds from the command to the port.
    """

    name: str
    port: int
    pid: int
    started: float = 0
    forwards: bool = False


def build(name: str) -> Path:
    """The compiled program; compiled anew only when its sources have changed."""
    sources = [HERE / file for file in SOURCES[name]]
    mark = hashlib.sha256(b"".join(file.read_bytes() for file in sources)).hexdigest()[:16]
    binary = Path(tempfile.gettempdir()) / "docker-agent-benchmarks" / f"{name}-{mark}"
    if not binary.exists():
        binary.parent.mkdir(exist_ok=True)
        # Two runs may build at the same time: each its own file, put in place in one step.
        fresh = binary.with_suffix(f".{os.getpid()}")
        units = [str(file) for file in sources if file.suffix == ".c"]
        command = ["gcc", "-O2", "-Wall", "-Wextra", "-o", str(fresh), *units]
        subprocess.run(command, check=True)
        fresh.replace(binary)
    return binary


@contextmanager
def model_server() -> Generator[Target]:
    """The model, on the core of the load client."""
    port = free_port()
    command = [*pinned(OTHER_CORE), str(build("model")), str(port)]
    with _running(command) as process:
        took = _wait_for_port(port, process)
        yield Target("model", port, process.pid, took, forwards=True)


@contextmanager
def nginx(model: Target, folder: Path) -> Generator[Target]:
    """nginx passing bytes on to the model: the floor of any gateway."""
    port = free_port()
    folder = folder / "nginx"
    for name in ("body", "proxy"):
        (folder / name).mkdir(parents=True)
    # Only root may and must name a user; others run as themselves.
    user = "user root;" if os.geteuid() == 0 else ""
    text = NGINX.format(folder=folder, user=user, model=model.port, port=port)
    config = folder / "nginx.conf"
    config.write_text(text)
    errors = str(folder / "error.log")
    command = [*pinned(TARGET_CORE), "nginx", "-e", errors, "-c", str(config)]
    with _running(command) as process:
        took = _wait_for_port(port, process)
        yield Target("nginx", port, process.pid, took, forwards=True)


@contextmanager
def product(
    model: Target,
    folder: Path,
    *,
    name: str = "product",
    source: Path | None = None,
    loop: str = "",
    agents: str = AGENT,
) -> Generator[Target]:
    """`docker-agent serve chat` as its users run it, with a home of its own.

    `source` is another checkout whose code runs in this environment; None: the installed command.
    `loop` "" leaves the choice to the product; `agents` is its file, without the model's port.
    """
    home = folder / name
    home.mkdir()
    agent = home / "agent.yaml"
    agent.write_text(agents.format(model=model.port))
    flags = ["--listen", "127.0.0.1:0", "--api-key", KEY, *(("--loop", loop) if loop else ())]
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
    environment["AWS_BEARER_TOKEN_BEDROCK"] = KEY
    if source is None:
        command = [str(Path(sys.executable).with_name("docker-agent"))]
    else:
        command = [sys.executable, "-m", "docker_agent"]
        environment["PYTHONPATH"] = str(source / "src")
    command = [*pinned(TARGET_CORE), *command, "serve", "chat", str(agent), *flags]
    log = home / "stderr.log"
    begun = time.monotonic()
    with _running(command, environment, log) as process:
        port = _read_banner(process, log)
        yield Target(name, port, process.pid, time.monotonic() - begun)


def free_port() -> int:
    """A port nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def _running(
    command: list[str], environment: dict[str, str] | None = None, log: Path | None = None
) -> Generator[subprocess.Popen[str]]:
    if shutil.which(command[0]) is None:
        raise SystemExit(f"{command[0]} is not there; run the project's set-up first")
    errors = log.open("wb") if log else None
    try:
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE if log else None,
            stderr=errors,
            text=True,
        )
    finally:
        if errors:
            errors.close()
    try:
        yield process
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_LIMIT)
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def _read_banner(process: subprocess.Popen[str], log: Path) -> int:
    """The port in the product's first line. Raises `SystemExit` with its stderr when none comes."""
    assert process.stdout is not None
    patience = threading.Timer(START_LIMIT, process.kill)
    patience.start()
    line = process.stdout.readline()
    patience.cancel()
    if not line.startswith("Listening on "):
        process.wait()
        raise SystemExit(f"the product did not start:\n{line}{log.read_text(errors='replace')}")
    return int(line.rpartition(":")[2])


def _wait_for_port(port: int, process: subprocess.Popen[str]) -> float:
    begun = time.monotonic()
    while time.monotonic() - begun < START_LIMIT:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
        except OSError:
            if process.poll() is not None:
                raise SystemExit(f"{process.args} ended early") from None
            time.sleep(POLL)
        else:
            return time.monotonic() - begun
    raise SystemExit(f"{process.args}: port {port} never opened")
