"""`docker-agent init`: a first file that works, and never another one lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from docker_agent.config.parse import parse
from tests.harness import run_command
from tests.requirements import requirement


@requirement("cli:init:writes")
@pytest.mark.parametrize("name", ["agent.yaml", "other.yml", "team.hcl"])
def test_a_first_file_is_written_and_right(tmp_path: Path, name: str) -> None:
    """Both forms pass `check`, and say what to do next."""
    done = run_command("init", name, "--model", "ollama/llama3.2", home=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"{name} is written. Next: docker-agent check {name}\n"
    checked = run_command("check", name, "--strict", home=tmp_path)
    assert checked.returncode == 0, checked.stdout
    assert "model ollama/llama3.2" in checked.stdout
    assert f"docker-agent serve chat {name}" in (tmp_path / name).read_text()


@requirement("cli:init:writes")
def test_what_the_comments_offer_is_right_too(tmp_path: Path) -> None:
    """Every commented key can be used by taking its `#` away."""
    run_command("init", home=tmp_path)
    lines = (tmp_path / "agent.yaml").read_text().split("\n")
    head = lines.index('version: "12"')
    offered = "\n".join(
        line.replace("# ", "", 1) if line.lstrip().startswith("# ") and _is_yaml(line) else line
        for line in lines[head:]
    )
    file = parse(offered.encode(), "agent.yaml", tmp_path)
    root = file.agents[0]
    assert [agent.name for agent in file.agents] == ["root", "helper"]
    assert root.sub_agents == ("helper",)
    assert [toolset.type for toolset in root.toolsets] == ["think", "filesystem", "shell"]
    assert list(file.models) == ["careful"]
    assert file.permissions.deny == ("read_file:path=*.key",)


def _is_yaml(line: str) -> bool:
    """A comment that is a line of YAML, and no sentence."""
    text = line.lstrip()[2:].strip()
    key, colon, rest = text.removeprefix("- ").partition(":")
    return bool(colon) and " " not in key and (rest == "" or rest.startswith(" "))


@requirement("cli:init:keeps")
@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["there.yaml"], 1, "there.yaml is there already; name another file"),
        (["a.txt"], 2, "an agent file is called *.yaml or *.hcl"),
        (["no/a.yaml"], 1, "no/a.yaml: cannot be written: No such file or directory"),
        (["a.yaml", "--model", "gpt"], 2, "write provider/model"),
        (["a.yaml", "--model", "a/b\nagents: 1"], 2, "write provider/model"),
    ],
)
def test_nothing_is_overwritten(
    tmp_path: Path, arguments: list[str], status: int, said: str
) -> None:
    """What was there stays."""
    (tmp_path / "there.yaml").write_text("mine")
    done = run_command("init", *arguments, home=tmp_path)
    assert done.returncode == status
    assert said in done.stderr
    assert (tmp_path / "there.yaml").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["there.yaml"]
