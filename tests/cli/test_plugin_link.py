"""`docker-agent plugin install|uninstall`, and the real docker command. Source: parts.md D."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from tests.harness import START_LIMIT, STOP_LIMIT, agent_yaml, clean_environment
from tests.requirements import requirement
from tests.scripted.client import Client
from tests.scripted.model import Scripted

PROGRAM = Path(sys.executable).with_name("docker-agent")
DOCKER = shutil.which("docker")
with_docker = pytest.mark.skipif(DOCKER is None, reason="the docker command is not installed")


def run(
    command: list[str], home: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself."""
    return subprocess.run(
        command,
        env=clean_environment(home, env),
        cwd=home,
        capture_output=True,
        text=True,
        timeout=START_LIMIT,
        check=False,
    )


def plugin(verb: str, home: Path, *flags: str, config: Path | None = None) -> str:
    """`docker-agent plugin VERB`; everything it says."""
    env = {"DOCKER_CONFIG": str(config)} if config else None
    done = run([str(PROGRAM), "plugin", verb, *flags], home, env)
    assert "Traceback" not in done.stderr
    return f"{done.returncode} {done.stdout}{done.stderr}"


@requirement("packaging:plugin")
def test_install_links_and_uninstall_unlinks(tmp_path: Path) -> None:
    """parts.md D: ~/.docker/cli-plugins, or cli-plugins under DOCKER_CONFIG."""
    for config in (None, tmp_path / "elsewhere"):
        link = (config or tmp_path / ".docker") / "cli-plugins/docker-agent"
        assert plugin("uninstall", tmp_path, config=config).startswith("0 there is no plugin")
        assert plugin("install", tmp_path, config=config).startswith("0 docker agent is now")
        assert link.readlink() == PROGRAM
        assert "already" in plugin("install", tmp_path, config=config)
        assert plugin("uninstall", tmp_path, config=config).startswith("0 docker agent is no")
        assert not link.is_symlink()


@requirement("packaging:plugin")
def test_a_link_of_an_environment_that_is_gone_is_replaced(tmp_path: Path) -> None:
    """A new environment after an old one: nothing to force."""
    link = tmp_path / ".docker/cli-plugins/docker-agent"
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "old-venv/bin/docker-agent")
    assert plugin("install", tmp_path).startswith("0 ")
    assert link.readlink() == PROGRAM


@requirement("packaging:plugin")
@pytest.mark.parametrize("kind", ["file", "link"])
def test_another_plugin_is_left_alone(tmp_path: Path, kind: str) -> None:
    """A plugin of the same name that is somebody else's; only --force replaces it."""
    link = tmp_path / ".docker/cli-plugins/docker-agent"
    link.parent.mkdir(parents=True)
    other = tmp_path / "other/docker-agent" if kind == "link" else link
    other.parent.mkdir(exist_ok=True)
    other.write_bytes(b"\x7fELF somebody else's")
    if kind == "link":
        link.symlink_to(other)
    for verb in ("install", "uninstall"):
        assert plugin(verb, tmp_path).startswith("1 docker-agent: "), verb
    assert link.read_bytes().startswith(b"\x7fELF")
    assert plugin("install", tmp_path, "--force").startswith("0 ")
    assert link.readlink() == PROGRAM


@requirement("packaging:plugin")
def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """STYLE.md, Errors: what was wrong, and where."""
    (tmp_path / ".docker").write_text("a file")
    said = plugin("install", tmp_path)
    assert said.startswith("1 docker-agent: ")
    assert "cli-plugins/docker-agent: " in said


@pytest.fixture
def docker_home(tmp_path: Path) -> Path:
    """A home where docker finds the plugin."""
    assert plugin("install", tmp_path).startswith("0 ")
    return tmp_path


@requirement("packaging:docker")
@with_docker
def test_docker_runs_the_plugin_as_its_own_command(docker_home: Path) -> None:
    """parts.md D: arguments, output, exit codes; listed in docker's own help; no engine needed."""
    assert DOCKER
    assert run([DOCKER, "agent", "version"], docker_home).stdout.startswith("docker-agent version")
    assert "agent" in run([DOCKER, "--help"], docker_home).stdout
    for command in (["agent", "--help"], ["help", "agent"], ["-D", "agent", "serve", "--help"]):
        done = run([DOCKER, *command], docker_home)
        assert (done.returncode, "Serve agents" in done.stdout) == (0, True), command
    config = str(docker_home / ".docker")
    done = run([DOCKER, "--config", config, "agent", "version"], docker_home)
    assert done.stdout.startswith("docker-agent version")
    wrong = run([DOCKER, "agent", "serve", "chat", "missing.yaml"], docker_home)
    assert (wrong.returncode, "missing.yaml" in wrong.stderr) == (1, True)
    assert run([DOCKER, "agent", "serve", "chat", "--nope"], docker_home).returncode == 2
    again = run([DOCKER, "agent", "plugin", "install"], docker_home)
    assert "already" in again.stdout


@pytest.fixture
def under_docker(
    docker_home: Path, scripted: Scripted
) -> Generator[tuple[subprocess.Popen[str], Client]]:
    """`docker agent serve chat`, listening, in a session of its own as from a terminal."""
    assert DOCKER
    agent = docker_home / "agent.yaml"
    agent.write_text(agent_yaml(scripted.url, "docker"))
    scripted.model("docker").forget()
    command = [DOCKER, "agent", "serve", "chat", "agent.yaml", "--listen", "127.0.0.1:0"]
    child = subprocess.Popen(
        command,
        env=clean_environment(docker_home),
        cwd=docker_home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert child.stdout is not None
    with child, child.stdout:
        try:
            address = child.stdout.readline().removeprefix("Listening on ").strip()
            yield child, Client(port=int(address.rpartition(":")[2]))
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)


@requirement("packaging:docker")
@with_docker
@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL], ids=lambda n: n.name
)
def test_a_signal_to_docker_ends_the_server(
    under_docker: tuple[subprocess.Popen[str], Client], number: signal.Signals
) -> None:
    """parts.md D: docker passes no signal on, it closes its socket; whatever ends docker ends the
    server too, and leaves no orphan."""
    docker, client = under_docker
    assert client.chat("hi").content == "hi"
    docker.send_signal(number)
    assert docker.stdout is not None
    # The end of stdout is the end of everybody who holds it: docker and the server.
    docker.stdout.read()
    died_of_it = number in (signal.SIGHUP, signal.SIGKILL)
    assert docker.wait(STOP_LIMIT) == (-number if died_of_it else 0)
    with pytest.raises(OSError, match="refused"):
        client.chat("hi")
