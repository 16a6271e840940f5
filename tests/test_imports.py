"""What each command imports, and what it must not: time and memory. Source: DESIGN.md §6."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.harness import agent_yaml, run_command
from tests.requirements import requirement
from tests.scripted.heard import Model
from tests.scripted.model import Scripted

SERVING = frozenset({"starlette", "uvicorn", "uvloop"})
RARE = frozenset({"aiohttp", "xllamacpp", "quickjs", "mcp", "hcl2", "lark"}) | {
    "prometheus_client",
    "redis",
    "opentelemetry",
    "brotli",
    "google",
    "requests",
    "botocore",
}
"""Only a proxy, a sign-in at Google Cloud or AWS, the embedded model, a script in an agent file, an
MCP server, HCL, a scrape, a store, a trace or a packed body needs these."""

_SPY = """
import sys

class Spy:
    def __init__(self, path):
        self.file = open(path, "a", buffering=1)

    def find_spec(self, name, path=None, target=None):
        self.file.write(name + "\\n")

sys.meta_path.insert(0, Spy({path!r}))
"""


class Imported:
    """Notes every module that a child process imports, through a `sitecustomize` of its own."""

    def __init__(self, folder: Path) -> None:
        self._notes = folder / "imported.txt"
        self._notes.touch()
        (folder / "sitecustomize.py").write_text(_SPY.format(path=str(self._notes)))
        self.env = {"PYTHONPATH": str(folder)}

    def names(self) -> set[str]:
        """Everything that was looked for, by its whole name."""
        return set(self._notes.read_text().split())

    def packages(self) -> set[str]:
        """The packages that were imported, by their first name."""
        return {name.partition(".")[0] for name in self.names()}


@pytest.fixture
def imported(tmp_path: Path) -> Imported:
    """A spy for one child process."""
    return Imported(tmp_path)


@requirement("design:6:imports")
@pytest.mark.parametrize("command", ["version", "--version"])
def test_the_version_is_told_before_click_is_imported(
    imported: Imported, tmp_path: Path, command: str
) -> None:
    """DESIGN.md §6: `version` answers before click is imported."""
    done = run_command(command, home=tmp_path, env=imported.env)
    assert (done.returncode, done.stderr) == (0, "")
    assert imported.packages() & {"click", "msgspec", "asyncio"} == set()


@requirement("design:6:imports")
@pytest.mark.parametrize(
    "command",
    [("--help",), ("serve", "chat", "--help"), ("models", "list"), ("completion", "bash")],
)
def test_only_a_server_imports_what_serves(
    imported: Imported, tmp_path: Path, command: tuple[str, ...]
) -> None:
    """DESIGN.md §6: import cost counts; help needs neither a web server nor a model."""
    done = run_command(*command, home=tmp_path, env=imported.env)
    assert done.returncode == 0, done.stderr
    assert "click" in imported.packages()
    assert imported.packages() & (SERVING | RARE) == set()


@requirement("design:6:imports")
def test_a_look_at_a_file_imports_no_web_server(imported: Imported, tmp_path: Path) -> None:
    """DESIGN.md §6: `check` never imports aiohttp, starlette or uvicorn."""
    toolsets = [{"type": name} for name in ("filesystem", "shell", "fetch", "mcp")]
    toolsets[-1]["command"] = "some-server"
    file = tmp_path / "agent.yaml"
    file.write_text(
        agent_yaml("http://127.0.0.1:1", {"root": {"model": "m", "toolsets": toolsets}})
    )
    done = run_command("check", str(file), home=tmp_path, env=imported.env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "yaml" in imported.packages()
    assert imported.packages() & (SERVING | RARE) == set()


@requirement("design:6:imports")
def test_a_server_that_answers_has_imported_nothing_rare(
    imported: Imported, scripted: Scripted, serve: Serve, model: Model
) -> None:
    """DESIGN.md §6: the MCP SDK takes a second to import, so only when a file needs it."""
    server = serve(agent_yaml(scripted.url, model.name), env=imported.env)
    assert server.client().chat("hi").content == "hi"
    assert {"starlette", "uvicorn"} <= imported.packages()
    assert imported.packages() & RARE == set()
