"""Instruction files beside an agent file, and the guards around them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from docker_agent.config.agent_file import Agent
from docker_agent.config.parse import inline_instruction_files
from docker_agent.errors import ConfigError
from tests.config.reading import complaints, read
from tests.requirements import requirement


def inlined(value: str, directory: Path | None) -> Agent:
    """The agent of a file whose `instruction_file`, on line 4, is `value`."""
    file = read(f"agents:\n  root:\n    model: a/b\n    instruction_file: {value}\n")
    return inline_instruction_files(file, directory).agents[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an agent file's neighbours, and a secret outside of it."""
    (tmp_path / "secret.md").write_text("secret")
    folder = tmp_path / "agents"
    (folder / "texts").mkdir(parents=True)
    (folder / "one.md").write_bytes("Grüße\r\n".encode())
    (folder / "texts" / "two.md").write_text("two\n")
    (folder / "latin.md").write_bytes(b"\xe9")
    (folder / "out.md").symlink_to(tmp_path / "secret.md")
    (folder / "in.md").symlink_to(folder / "one.md")
    (folder / "texts" / "up").symlink_to(tmp_path)
    return folder


@requirement("file:1.7:inline")
@pytest.mark.parametrize(
    ("value", "instruction"),
    [
        ("one.md", "Grüße\n"),
        ("[one.md]", "Grüße\n"),
        ("[one.md, '', ./texts/two.md]", "Grüße\n\n\ntwo\n"),
        ("in.md", "Grüße\n"),
        ("''", ""),
        ("['', '']", ""),
        ("null", ""),
    ],
)
def test_the_files_become_the_instruction(folder: Path, value: str, instruction: str) -> None:
    """agent-file.md §1.7: joined with one blank line, nothing trimmed, the field cleared."""
    agent = inlined(value, folder)
    assert agent.instruction == instruction
    assert agent.instruction_file == ()


@requirement("file:1.7:guards", "file:8:E25")
@pytest.mark.parametrize(
    ("value", "name", "said"),
    [
        ("/etc/passwd", "/etc/passwd",
         "is an absolute path; write one relative to the agent file"),
        ("C:\\a.md", "C:\\\\a.md", "is an absolute path; write one relative to the agent file"),
        ("../secret.md", "../secret.md", "leaves the directory of the agent file"),
        ("texts/../../secret.md", "texts/../../secret.md",
         "leaves the directory of the agent file"),
        ("out.md", "out.md", "leads out of the directory of the agent file through a symlink"),
        ("texts/up/secret.md", "texts/up/secret.md",
         "leads out of the directory of the agent file through a symlink"),
        ("none.md", "none.md", "cannot be read: No such file or directory"),
        ("texts", "texts", "is no ordinary file"),
        ("latin.md", "latin.md", "is no UTF-8 text"),
        ('"a\\0b"', "a\\x00b", "cannot be read: a path must not hold a NUL character"),
    ],
)  # fmt: skip
def test_a_file_that_must_not_or_cannot_be_read_is_refused(
    folder: Path, value: str, name: str, said: str
) -> None:
    """agent-file.md §1.7 and §11, test 7."""
    with pytest.raises(ConfigError) as raised:
        inlined(value, folder)
    assert str(raised.value) == (
        f"agent.yaml:4: agents.root.instruction_file: agent 'root': '{name}' {said}"
    )


@requirement("file:1.7:guards", "file:8:E25")
def test_a_pipe_is_not_waited_for(folder: Path) -> None:
    """agent-file.md §1.7: local files; a start that hangs would be no error at all."""
    os.mkfifo(folder / "pipe.md")
    with pytest.raises(ConfigError, match=r"'pipe.md' is no ordinary file$"):
        inlined("pipe.md", folder)


@requirement("file:1.7:guards", "file:8:E25")
def test_a_file_from_elsewhere_has_no_instruction_files() -> None:
    """agent-file.md §1.7: OCI, URL and builtin sources have no directory."""
    with pytest.raises(ConfigError) as raised:
        inlined("[one.md]", None)
    assert str(raised.value) == (
        "agent.yaml:4: agents.root.instruction_file[0]: agent 'root': instruction files need an "
        "agent file on this machine; write the text into 'instruction'"
    )
    assert inlined("['']", None).instruction == ""


@requirement("file:1.7:exclusive", "file:8:E25")
def test_an_instruction_and_a_file_exclude_each_other() -> None:
    """agent-file.md §1.7."""
    complaints(
        "agents:\n  root:\n    model: a/b\n    instruction: x\n    instruction_file: [a.md]\n",
        "5: agents.root.instruction_file: 'instruction' and 'instruction_file' exclude each other",
    )
    complaints("agents: {r: {model: a/b, instruction: x, instruction_file: ['']}}")
    complaints("agents: {r: {model: a/b, instruction: '', instruction_file: a.md}}")
