"""The command line: what it prints, what it refuses, how it ends. Source: chat-server.md §1."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.harness import Server, agent_yaml, run_command
from tests.requirements import requirement
from tests.scripted.model import Scripted

GOOD = """version: "12"
agents:
  root: {model: local/smollm2, instruction: hi}
"""


@requirement("seed:banner")
def test_the_banner_is_exactly_the_seeds(scripted: Scripted, serve: Serve) -> None:
    """seed.txt: two lines on stdout; the port is the real one; everything else goes to stderr."""
    server = serve(agent_yaml(scripted.url, "banner"))
    address = f"127.0.0.1:{server.port}"
    assert server.banner == [
        f"Listening on {address}",
        f"OpenAI-compatible chat completions endpoint: http://{address}/v1/chat/completions",
    ]
    assert server.port != 0


@requirement("chat:1:listen")
@pytest.mark.parametrize(
    ("listen", "shown", "reached"),
    [
        ("[::1]:0", r"\[::1\]:\d+", r"\[::1\]:\d+"),
        ("localhost:0", r"127\.0\.0\.1:\d+", r"127\.0\.0\.1:\d+"),
        (":0", r"0\.0\.0\.0:\d+", r"127\.0\.0\.1:\d+"),
    ],
)
def test_the_banner_names_an_address_that_can_be_reached(
    scripted: Scripted, serve: Serve, listen: str, shown: str, reached: str
) -> None:
    """chat-server.md §1: wildcard addresses print the bound address and a 127.0.0.1 URL."""
    server = serve(agent_yaml(scripted.url, "listen"), "--listen", listen, "--insecure-no-auth")
    first, second = server.banner
    assert re.fullmatch(f"Listening on {shown}", first)
    assert re.search(f" http://{reached}/v1/chat/completions$", second)


@requirement("chat:1:errors")
@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["serve", "chat", "missing.yaml"], 1, "missing.yaml"),
        (["serve", "chat", "."], 1, "is a directory"),
        (["serve", "chat", "127.0.0.1:1/nothing/here"], 1, "no file of this name here"),
        (["serve", "chat", "good.yaml", "--agent", "x"], 1, "agent 'x' not found; there are: root"),
        (["serve", "chat", "good.yaml", "--bogus"], 2, "--bogus"),
        (["serve", "chat", "good.yaml", "--listen", "here"], 2, "host:port"),
        (["serve", "chat", "good.yaml", "--listen", "::1:80"], 2, "brackets"),
        (["serve", "chat", "good.yaml", "--request-timeout", "soon"], 2, "--request-timeout"),
        (["serve", "chat", "good.yaml", "--request-timeout", "0"], 2, "--request-timeout"),
        (["serve", "chat", "good.yaml", "--safety", "wild"], 2, "autonomous"),
        (["serve", "chat", "good.yaml", "--listen", "0.0.0.0:0"], 1, "--api-key-env"),
        (["serve", "chat", "good.yaml", "--api-key-env", "UNSET_KEY"], 1, "UNSET_KEY"),
        (["serve", "chat", "good.yaml", "--working-dir", "nowhere"], 1, "--working-dir"),
        (["serve", "chat", "good.yaml", "--env-from-file", "nowhere"], 1, "--env-from-file"),
        (["serve", "chat", "good.yaml", "--log-file", "no/such/dir/log"], 1, "--log-file"),
        (["serve", "chat", "broken.yaml"], 1, "broken.yaml:2"),
        (["serve", "chat", "empty.yaml"], 1, "no agents"),
        (
            ["serve", "chat", "keys.yaml"],
            1,
            "  GROQ_API_KEY     for agent root (groq/y)\n  MISTRAL_API_KEY  for",
        ),
        (["serve"], 2, "chat"),
        (["bogus"], 2, "bogus"),
        (["models", "pull", "gpt-9"], 1, "smollm2"),
    ],
)
def test_what_cannot_be_is_refused_in_words(
    tmp_path: Path, arguments: list[str], status: int, said: str
) -> None:
    """chat-server.md §1: one clear message on stderr, status 2 for flags, 1 for the rest, no
    traceback."""
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "broken.yaml").write_text("agents:\n  root: [}\n")
    (tmp_path / "empty.yaml").write_text("version: '12'\n")
    keys = "version: '12'\nagents:\n  a: {model: mistral/x}\n  root: {model: groq/y}\n"
    (tmp_path / "keys.yaml").write_text(keys)
    done = run_command(*arguments, home=tmp_path)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@requirement("chat:1:errors")
def test_a_taken_port_is_named(scripted: Scripted, tmp_path: Path) -> None:
    """chat-server.md §1: a taken port is one clear message, status 1."""
    (tmp_path / "agent.yaml").write_text(agent_yaml(scripted.url, "taken"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run_command("serve", "chat", "agent.yaml", "--listen", address, home=tmp_path)
    assert done.returncode == 1
    assert address in done.stderr and "in use" in done.stderr


@requirement("chat:1:version")
def test_the_version_is_told(tmp_path: Path) -> None:
    """chat-server.md §1: `docker-agent version`."""
    for arguments in (["version"], ["--version"]):
        done = run_command(*arguments, home=tmp_path)
        assert re.fullmatch(r"docker-agent version \d+\.\d+\.\d+\n", done.stdout)


@requirement("chat:1:help")
@pytest.mark.parametrize("command", [[], ["serve"], ["serve", "chat"], ["models"], ["completion"]])
def test_help_is_everywhere(tmp_path: Path, command: list[str]) -> None:
    """chat-server.md §1: `--help` everywhere, with an example."""
    for flag in ("--help", "-h"):
        done = run_command(*command, flag, home=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert "Usage: docker-agent" in done.stdout
    if command == ["serve", "chat"]:
        assert "docker-agent serve chat agent.yaml" in done.stdout


@requirement("chat:1:completion")
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_can_complete(tmp_path: Path, shell: str) -> None:
    """The command prints a completion script for each common shell."""
    done = run_command("completion", shell, home=tmp_path)
    assert done.returncode == 0
    assert "_DOCKER_AGENT_COMPLETE" in done.stdout


@requirement("chat:1:global-flags")
@pytest.mark.parametrize("before", [True, False])
def test_global_flags_stand_before_and_after_the_command(
    scripted: Scripted, tmp_path: Path, before: bool
) -> None:
    """chat-server.md §1, agent-file.md §7.3: -d, --log-file and the directories, on either side."""
    log = tmp_path / "agent.log"
    flags = ["--debug", "--log-file", str(log), "--cache-dir", str(tmp_path / "cache")]
    server = Server(agent_yaml(scripted.url, f"flags-{before}"), home=tmp_path)
    place = server.command.index("serve") if before else len(server.command)
    server.command = (*server.command[:place], *flags, *server.command[place:])
    with server:
        assert server.client().chat("hi").status == 200
        assert server.log == ""
    assert "safety mode" in log.read_text()


@requirement("chat:1:env-from-file")
def test_variables_come_from_files_in_order(
    scripted: Scripted, serve: Serve, tmp_path: Path
) -> None:
    """agent-file.md §6.1, §6.3: files beat the environment; the first definition wins."""
    (tmp_path / "one.env").write_text('WHO="Ada"\n# comment\n')
    (tmp_path / "two.env").write_text("WHO=Bob\nWHAT=tea\n")
    model = scripted.model("env-files")
    agent = {"model": model.name, "instruction": "${env.WHO} likes ${env.WHAT || 'nothing'}"}
    server = serve(
        agent_yaml(scripted.url, {"root": agent}),
        *("--working-dir", str(tmp_path), "--env-from-file", "one.env,two.env"),
        env={"WHO": "Eve"},
    )
    server.client().chat("hi")
    assert model.heard[0].messages[0]["content"] == "Ada likes tea"


@requirement("cli:elsewhere")
@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["run", "a.yaml"], "docker-agent chat"),
        (["new"], "docker-agent init"),
        (["pull", "org/agent"], "docker-agent share pull"),
        (["serve", "api", "a.yaml"], "docker-agent serve chat"),
        (["a.yaml"], "docker-agent serve chat a.yaml"),
        (["serve", "a.hcl"], "docker-agent serve chat a.hcl"),
        (["serve", "chat", "a.yaml", "--yolo"], "--safety autonomous"),
    ],
)
def test_commands_of_other_programs_are_told_what_they_are_here(
    arguments: list[str], meant: str, tmp_path: Path
) -> None:
    """Hands know `run`, `new` and `--yolo`, and files are given without a command."""
    done = run_command(*arguments, home=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(f"Did you mean '{meant}'?\n")


@requirement("cli:elsewhere")
def test_a_typing_mistake_is_still_told_the_nearest_command(tmp_path: Path) -> None:
    """click's own suggestion; nothing is suggested for a word that is like none."""
    assert "'check'" in run_command("chek", "a.yaml", home=tmp_path).stderr
    assert "mean" not in run_command("bogus", home=tmp_path).stderr
    assert "mean" not in run_command("share", "a.yaml", home=tmp_path).stderr
