"""The chain of sources: who answers first, and what must not be sent as a secret."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import pytest

from docker_agent.env.chain import Chain, Values, standard_chain
from docker_agent.env.directories import Directories
from docker_agent.env.stores import Keychain, OnePassword, PasswordStore, SecretFiles
from docker_agent.errors import ConfigError
from tests.requirements import requirement

ROWS = ("flag", "process", "mounted", "own", "pass")


def program(folder: Path, script: str, name: str = "pass") -> Path:
    """A program of our own; returns the folder for PATH."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return folder


def folders(root: Path) -> Directories:
    """Directories below `root`, with the configuration one made."""
    (root / "config").mkdir(exist_ok=True)
    return Directories(root / "config", root / "data", root / "cache")


@requirement("file:6.1:order")
@pytest.mark.parametrize("first", range(len(ROWS)))
def test_the_first_source_that_has_a_variable_wins(tmp_path: Path, first: int) -> None:
    """agent-file.md §6.1: the order of the rows."""
    has = ROWS[first:]
    directories = folders(tmp_path)
    environ = {"PATH": str(program(tmp_path / "bin", 'test "$2" = NAME && echo from-pass'))}
    if "flag" in has:
        (tmp_path / "flag.env").write_text("NAME=from-flag\n")
    if "process" in has:
        environ["NAME"] = "from-process"
    mounted = tmp_path / "secrets"
    mounted.mkdir()
    if "mounted" in has:
        (mounted / "NAME").write_text("from-mounted\n")
    if "own" in has:
        (directories.config / ".env").write_text("NAME=from-own\n")
    flags = ["flag.env"] if "flag" in has else []
    chain = standard_chain(environ, flags, tmp_path, directories, mounted)
    assert chain.get("NAME") == f"from-{has[0]}"
    assert chain.get("OTHER") is None


@requirement("file:6.1:empty", "file:9:Q13")
def test_a_variable_that_is_set_but_empty_hides_later_sources() -> None:
    """agent-file.md §6.1 and §9, Q13."""
    assert Chain([Values({"A": ""}), Values({"A": "later"})]).get("A") == ""


@requirement("file:6.1:one-password")
def test_a_reference_of_a_password_manager_is_what_op_reads(tmp_path: Path) -> None:
    """agent-file.md §6.1: values that start with op:// are resolved with `op read`, once."""
    asked = tmp_path / "asked"
    script = f'echo "$@" >> {asked}; test "$2" = op://vault/item/field && echo the-secret'
    path = program(tmp_path / "bin", script, "op")
    environ = {"KEY": "op://vault/item/field", "PATH": f"{path}:/usr/bin:/bin"}
    chain = standard_chain(environ, [], tmp_path, folders(tmp_path), tmp_path)
    assert (chain.get("KEY"), chain.get("KEY")) == ("the-secret", "the-secret")
    assert asked.read_text() == "read op://vault/item/field\n"


@requirement("file:6.1:one-password")
@pytest.mark.parametrize("script", ["exit 1", ""])
def test_a_reference_that_cannot_be_read_is_empty_and_never_given_out(
    tmp_path: Path, script: str, caplog: pytest.LogCaptureFixture
) -> None:
    """agent-file.md §6.1: failure is an empty value and a warning, which names the variable
    alone."""
    path = program(tmp_path / "bin", script, "op") if script else tmp_path
    with caplog.at_level(logging.WARNING, logger="docker_agent"):
        chain = Chain(
            [Values({"KEY": "op://vault/item/field"})],
            references=OnePassword({"PATH": f"{path}:/usr/bin:/bin"}),
        )
        assert chain.get("KEY") == ""
    assert "KEY" in caplog.text
    assert "op://" not in caplog.text


@requirement("file:6.1:one-password")
def test_values_of_env_files_are_taken_as_they_are() -> None:
    """agent-file.md §6.1: values from env files are not resolved."""
    chain = Chain([Values({"KEY": "x"})], literal=[Values({"KEY": "op://a/b"})])
    assert chain.get("KEY") == "op://a/b"


@requirement("file:6.1:own-file")
@pytest.mark.parametrize("content", [b"oops\n", b"A=\xff\n"])
def test_an_unusable_file_of_our_own_is_a_warning(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """agent-file.md §6.1, row 5: unreadable is a warning, skipped."""
    directories = folders(tmp_path)
    (directories.config / ".env").write_bytes(content)
    with caplog.at_level(logging.WARNING, logger="docker_agent"):
        chain = standard_chain({"A": "1"}, [], tmp_path, directories, tmp_path)
    assert chain.get("A") == "1"
    assert f"{directories.config}/.env" in caplog.text


@requirement("file:6.1:mounted", "file:9:Q4")
@pytest.mark.parametrize(
    ("content", "value"), [("x", "x"), ("x\n", "x"), (" x \n\n", " x \n"), ("", "")]
)
def test_a_mounted_secret_loses_one_newline(tmp_path: Path, content: str, value: str) -> None:
    """agent-file.md §9, Q4."""
    (tmp_path / "NAME").write_text(content)
    assert SecretFiles(tmp_path).get("NAME") == value


@requirement("file:6.1:mounted")
@pytest.mark.parametrize("name", ["", ".", "..", "../x", "/etc/passwd", "a\0b", "folder", "none"])
def test_a_name_does_not_lead_out_of_the_secrets(tmp_path: Path, name: str) -> None:
    """agent-file.md §6.1, row 4: no path escape."""
    (tmp_path / "x").write_text("secret")
    secrets = tmp_path / "secrets"
    (secrets / "folder").mkdir(parents=True)
    assert SecretFiles(secrets).get(name) is None


@requirement("file:6.1:mounted")
def test_a_mounted_secret_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    """STYLE.md, Errors."""
    (tmp_path / "NAME").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match=r"NAME: the secret is no UTF-8 text$"):
        SecretFiles(tmp_path).get("NAME")


def store(folder: Path, script: str, timeout: float = 5.0) -> PasswordStore:
    """A password store whose program runs `script`."""
    return PasswordStore(program(folder, script) / "pass", {"PATH": "/bin:/usr/bin"}, timeout)


@requirement("file:6.1:pass", "file:9:Q4")
def test_what_pass_prints_is_trimmed_and_asked_for_once(tmp_path: Path) -> None:
    """agent-file.md §6.1, row 9, and §9, Q4."""
    asked = tmp_path / "asked"
    found = store(tmp_path / "bin", f'echo "$@" >> {asked}; echo; echo "  one two  "; echo')
    assert found.get("NAME") == "one two"
    assert found.get("NAME") == "one two"
    assert asked.read_text() == "show NAME\n"


@requirement("file:6.1:pass")
@pytest.mark.parametrize("script", ["echo secret; exit 1", "exit 0", "exit 3"])
def test_pass_that_fails_or_prints_nothing_has_nothing(tmp_path: Path, script: str) -> None:
    """agent-file.md §6.1, row 9."""
    assert store(tmp_path / "bin", script).get("NAME") is None


@requirement("file:6.1:pass")
@pytest.mark.parametrize("name", ["--help", "a/b", "a b", "", "$(x)"])
def test_pass_is_asked_for_names_of_variables_alone(tmp_path: Path, name: str) -> None:
    """agent-file.md §6.1, row 9: a name must not become an option or a path."""
    assert store(tmp_path / "bin", "echo secret").get(name) is None


@requirement("file:6.1:pass")
def test_pass_that_hangs_is_stopped_with_what_it_started_and_not_asked_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """agent-file.md §6.1, row 9: bounded; a prompt nobody can answer must not hold up the start."""
    asked = tmp_path / "asked"
    found = store(tmp_path / "bin", f"echo x >> {asked}; sleep 100 & wait", timeout=1.5)
    with caplog.at_level(logging.WARNING, logger="docker_agent"):
        assert found.get("NAME") is None
        assert found.get("OTHER") is None
    assert asked.read_text() == "x\n"
    assert "it is not asked again" in caplog.text


@requirement("file:6.1:pass")
@pytest.mark.parametrize("environ", [{}, {"PATH": ""}, {"PATH": "/nowhere"}])
def test_without_the_program_there_is_no_such_source(environ: Mapping[str, str]) -> None:
    """agent-file.md §6.1, row 9: if the binary exists."""
    assert PasswordStore.found(environ) is None


@requirement("file:6.1:pass")
def test_a_program_that_cannot_run_has_nothing(tmp_path: Path) -> None:
    """agent-file.md §6.1, row 9."""
    assert PasswordStore(tmp_path / "none", {}).get("NAME") is None


@requirement("file:6.1:keychain")
def test_the_keychain_of_a_mac_comes_last(tmp_path: Path) -> None:
    """agent-file.md §6.1, row 10."""
    script = 'test "$*" = "find-generic-password -w -s KEY" && echo k'
    path = program(tmp_path / "bin", script, "security")
    environ = {"PATH": f"{path}:/usr/bin:/bin"}
    assert Keychain.found(environ, "linux") is None
    found = Keychain.found(environ, "darwin")
    assert found is not None
    assert (found.get("KEY"), found.get("OTHER"), found.get("-x")) == ("k", None, None)
