"""Plays a page of documentation from top to bottom, as a reader would.

`yaml` and `hcl` blocks must load, `json` must parse, `python` must run, `sh` is executed, and a
`docker-agent serve chat` starts a server for the rest of the page. `text` is for people. A comment
above a block says more: `<!-- file: NAME -->` keeps it for later blocks, `<!-- fails -->` expects a
failure.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import msgspec
import yaml

from docker_agent.loader.build import open_team
from docker_agent.loader.overrides import Overrides
from docker_agent.loader.source import find_source
from docker_agent.models.google_credentials import CREDENTIALS
from docker_agent.models.http import open_http
from docker_agent.models.weights import KNOWN
from tests.harness import Server, clean_environment
from tests.registry.real import registry
from tests.scripted.model import Scripted
from tests.valkey import Valkey

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"((?:^<!-- .*? -->\n)*)^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LIMIT = 30.0
"""Seconds one block may run."""
OURS, OLLAMA, REDIS = "127.0.0.1:8083", "127.0.0.1:11434", "redis://127.0.0.1:6379/0"
REGISTRY = "localhost:5000"
"""Addresses as readers see them; the test puts its own in their place."""
PLAIN_COMMANDS = {"curl", "chmod", "mkdir", "echo", "export"}


class Block(msgspec.Struct, frozen=True):
    """A fenced block, and the comments above it."""

    kind: str
    text: str
    notes: tuple[str, ...]


def blocks(page: Path) -> list[Block]:
    """All blocks of a page, in order."""
    found = BLOCK.findall(page.read_text())
    return [
        Block(kind, text, tuple(re.findall("<!-- (.*?) -->", notes))) for notes, kind, text in found
    ]


class AnyKey:
    """Every variable is set, but for those of AWS and the one that would name a file."""

    def get(self, name: str) -> str | None:
        return None if name == CREDENTIALS or name.startswith("AWS_") else "set"


class Play:
    """One page being played: its folder, its variables, its server."""

    def __init__(self, home: Path, scripted: Scripted, running: ExitStack) -> None:
        self._home = home
        self._scripted = scripted
        self._running = running
        # A reader's `python` is the one that docker-agent was installed into.
        self._env = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        self._server: Server | None = None
        self._host = ""
        (home / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n")

    def block(self, block: Block) -> None:
        """Play one block. Raises AssertionError when it does not do what it says."""
        for note in block.notes:
            if note.startswith("file: "):
                (self._home / note.removeprefix("file: ")).write_text(block.text)
        match block.kind:
            case "text" | "nginx":
                pass
            case "json":
                json.loads(block.text)
            case "yaml" if "of another program" in block.notes:
                assert yaml.safe_load(block.text)
            case "yaml" | "hcl" as form:
                asyncio.run(self._load(block.text, form))
            case "python":
                self._python(block)
            case "sh":
                self._shell(block)
            case kind:
                raise AssertionError(f"blocks of kind {kind!r} are not played; use another")

    def _python(self, block: Block) -> None:
        """Run it here, or in one of the environments of `make e2e`; without that, look at it."""
        names = [note.split()[1] for note in block.notes if note.startswith("environment: ")]
        python = Path(sys.executable)
        for name in names:
            python = Path(os.environ.get("E2E_HOME", "/nowhere"), name, "bin/python")
        if python.exists():
            self._run([str(python), "-c", self._addressed(block.text)])
        else:
            compile(block.text, "block", "exec")

    async def _load(self, text: str, form: str) -> None:
        file = self._home / f"block.{form}"
        file.write_text(text.replace("local/", "ollama/"))
        overrides = Overrides(self._home, self._home / "cache", self._home / "data")
        async with (
            open_http() as http,
            open_team(find_source(str(file)), overrides, AnyKey(), http) as team,
        ):
            assert team.agents

    def _shell(self, block: Block) -> None:
        plain: list[str] = []
        for line in block.text.replace("\\\n", " ").splitlines():
            match shlex.split(line, comments=True):
                case []:
                    pass
                case ["make", target]:
                    assert f"\n{target}:" in (ROOT / "Makefile").read_text(), line
                    if target == "serve":
                        hello = (ROOT / "examples/hello.yaml").read_text()
                        self._serve(self._scripted_models(hello), [])
                case ["docker-agent", "serve", "chat", file, *flags]:
                    if (self._home / file).is_file():
                        self._serve(self._scripted_models((self._home / file).read_text()), flags)
                    else:
                        self._serve(self._addressed(file), flags)
                case ["docker-agent", "share" | "alias" as group, *words]:
                    self._command(group, *words)
                case ["docker-agent", "record", file, *words]:
                    arguments = [str(self._home / file), *words]
                    self._run([sys.executable, "-m", "docker_agent", "record", *arguments])
                case ["docker-agent", "init" | "check" | "schema", *_]:
                    plain.append(
                        line.replace("docker-agent", f"{sys.executable} -m docker_agent", 1)
                    )
                case ["docker-agent", "chat", file, *words]:
                    self._command("chat", file, *words)
                case ["docker-agent", "plugin" | "version", *_]:
                    plain.append(line)
                case ["docker", "agent", "version"]:
                    plain.append(line if shutil.which("docker") else "true")
                case ["docker-agent", "models", "pull", name]:
                    assert name in KNOWN, line
                case [command, *words] if command in PLAIN_COMMANDS:
                    plain.append(self._addressed(line))
                    if command == "export":
                        name, _, value = self._addressed(words[0]).partition("=")
                        self._env[name] = value
                case words:
                    raise AssertionError(f"{words[0]} is not a command the documentation uses")
        if plain:
            self._run(["sh", "-euc", "\n".join(plain)], fails="fails" in block.notes)

    def _command(self, *words: str) -> None:
        """A command that reads agent files as they are, so their models are changed first."""
        for word in words:
            if (path := self._home / word).is_file():
                path.write_text(self._scripted_models(path.read_text()))
        program = [sys.executable, "-m", "docker_agent"]
        self._run([*program, *(self._addressed(word) for word in words)])

    def _scripted_models(self, text: str) -> str:
        scripted = (
            f"scripted: {{api_type: openai_chatcompletions, base_url: '{self._scripted.url}'}}"
        )
        text = re.sub(r"\b(local|ollama|openai|groq|mistral)/[\w.:-]+", "scripted/echo", text)
        head = "providers:\n"
        text = text if head in text else text + head
        return text if scripted in text else text.replace(head, f"{head}  {scripted}\n")

    def _serve(self, agent: str, flags: list[str]) -> None:
        flags = [self._store(flag.replace(":8083", ":0")) for flag in flags]
        server = Server(agent, *flags, home=self._home, env=self._env)
        self._server = self._running.enter_context(server)

    def _store(self, flag: str) -> str:
        """A store of conversations as readers see it is one of the test's."""
        if flag != REDIS:
            return flag
        return self._running.enter_context(Valkey(self._home)).url

    def _run(self, command: list[str], *, fails: bool = False) -> None:
        done = subprocess.run(
            command,
            env=clean_environment(self._home, self._env),
            cwd=self._home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        log = self._server.log if self._server else ""
        assert (done.returncode != 0) == fails, f"{done.stdout}\n{done.stderr}\n{log}"
        assert '{"error"' not in done.stdout or fails, done.stdout

    def _registry(self) -> str:
        """A registry of this page's own."""
        if not self._host:
            folder = self._home / "registry"
            folder.mkdir()
            self._host = self._running.enter_context(registry(folder))
        return self._host

    def _addressed(self, text: str) -> str:
        if self._server is not None:
            text = text.replace(OURS, f"127.0.0.1:{self._server.port}")
        if REGISTRY in text:
            text = text.replace(REGISTRY, self._registry())
        return text.replace(OLLAMA, self._scripted.url.split("/")[2])
