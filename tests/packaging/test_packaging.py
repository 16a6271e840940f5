"""The files in `packaging/` do what they say, as far as a machine without systemd as its init and
without a container engine can tell. Source: DESIGN.md §9."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import Serve
from tests.harness import agent_yaml, run_command
from tests.requirements import requirement
from tests.scripted.model import Scripted

ROOT = Path(__file__).parent.parent.parent
UNIT = ROOT / "packaging/systemd/docker-agent.service"
CONTAINERFILE = ROOT / "packaging/container/Containerfile"
COMPOSE = ROOT / "packaging/container/compose.yaml"


def instructions() -> list[tuple[str, str]]:
    """The Containerfile's instructions, lines joined."""
    text = re.sub(r"^#.*\n", "", CONTAINERFILE.read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [
        (word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines) if word
    ]


def flags_of(words: Sequence[str]) -> list[str]:
    """The flags after `serve chat FILE`, on a free port."""
    start = list(words).index("chat") + 2
    return [word.replace(":8083", ":0") for word in words[start:]]


@requirement("packaging:systemd")
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
def test_the_unit_is_valid_and_closed(tmp_path: Path) -> None:
    """systemd-analyze knows every key, and counts what is left open: 2.0 of 10 at most."""
    program = Path(sys.executable).with_name("docker-agent")
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/opt/docker-agent/bin/docker-agent", str(program)))
    command = ["systemd-analyze", "verify", "--man=no", str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    about_it = [line for line in done.stderr.splitlines() if UNIT.name in line]
    assert (done.returncode, about_it) == (0, [])
    command = ["systemd-analyze", "security", "--offline=yes", "--threshold=20", str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout[-400:]


@requirement("packaging:systemd")
def test_the_units_command_starts(scripted: Scripted, serve: Serve, tmp_path: Path) -> None:
    """Its flags are ours: keys from a credential, conversations that survive, own folders."""
    [line] = re.findall(r"^ExecStart=(.*)$", UNIT.read_text(), re.MULTILINE)
    for specifier, name in (("%d", "credentials"), ("%S", "state"), ("%C", "cache")):
        (tmp_path / name / "docker-agent").mkdir(parents=True)
        line = line.replace(specifier, str(tmp_path / name))
    (tmp_path / "credentials/keys").write_text("ann:k1\n")
    (tmp_path / "credentials/keys").chmod(0o400)
    scripted.model("unit").forget()
    server = serve(agent_yaml(scripted.url, "unit"), *flags_of(shlex.split(line)))
    headers = {"X-Conversation-Id": "c"}
    assert server.client(key="k1").chat("hi", headers=headers).content == "hi"
    assert server.client().chat("hi").status == 401
    assert (tmp_path / "state/docker-agent/conversations.db").exists()


@requirement("packaging:container")
def test_the_container_is_made_of_what_is_here() -> None:
    """Everything it copies exists, pinned packages are checked, and it ends as a plain user."""
    steps = instructions()
    copied = [rest.split()[:-1] for word, rest in steps if word == "COPY" and "--from" not in rest]
    assert [name for names in copied for name in names if not (ROOT / name).exists()] == []
    installs = [rest for word, rest in steps if word == "RUN" and "requirements/" in rest]
    assert [("--require-hashes" in rest) for rest in installs] == [True] * len(installs)
    last = max(i for i, (word, _) in enumerate(steps) if word == "FROM")
    users = [rest for word, rest in steps[last:] if word == "USER"]
    assert users == ["10001:10001"]


@requirement("packaging:container")
def test_the_containers_command_and_health_check_work(
    scripted: Scripted, serve: Serve, tmp_path: Path
) -> None:
    """CMD starts with a key and not without; HEALTHCHECK is well while the server is, and only
    then."""
    steps = dict(instructions())
    assert steps["ENTRYPOINT"] == '["docker-agent"]'
    command: list[str] = json.loads(steps["CMD"])
    text = agent_yaml(scripted.url, "container")
    (tmp_path / "agent.yaml").write_text(text)
    refused = run_command("serve", "chat", "agent.yaml", *flags_of(command), home=tmp_path)
    assert (refused.returncode, "CHAT_BEARER_TOKEN" in refused.stderr) == (1, True)
    server = serve(text, *flags_of(command), env={"CHAT_BEARER_TOKEN": "t"})
    check: list[str] = json.loads(steps["HEALTHCHECK"].partition(" CMD ")[2])
    check = [sys.executable, *(word.replace(":8083", f":{server.port}") for word in check[1:])]
    assert subprocess.run(check, timeout=30, check=False).returncode == 0
    server.stop()
    gone = subprocess.run(check, timeout=30, check=False, capture_output=True)
    assert gone.returncode != 0


@requirement("packaging:container")
def test_compose_starts_agents_with_flags_we_have(
    scripted: Scripted, serve: Serve, tmp_path: Path
) -> None:
    """Its command starts; Open WebUI waits for it, has the same key, and reaches it by name."""
    services: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"]
    agents, webui = services["agents"], services["webui"]
    dockerfile = agents["build"]["dockerfile"]
    assert (COMPOSE.parent / agents["build"]["context"] / dockerfile).resolve() == CONTAINERFILE
    store = f"sqlite:{tmp_path}/conversations.db"
    flags = [re.sub(r"sqlite:.*", store, flag) for flag in flags_of(agents["command"])]
    scripted.model("compose").forget()
    token = {"CHAT_BEARER_TOKEN": "t"}
    server = serve(agent_yaml(scripted.url, "compose"), *flags, env=token)
    asked = server.client(key="t").chat("hi", headers={"X-OpenWebUI-Chat-Id": "c"})
    assert (asked.content, asked.headers["x-conversation-id"]) == ("hi", "c")
    assert webui["depends_on"]["agents"]["condition"] == "service_healthy"
    environment = webui["environment"]
    assert environment["OPENAI_API_BASE_URL"] == "http://agents:8083/v1"
    assert environment["OPENAI_API_KEY"] == agents["environment"]["CHAT_BEARER_TOKEN"]
