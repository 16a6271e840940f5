"""Files of variables, and the flag that names them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_agent.env.files import flagged_files, flagged_path, parse_env, read_env_file
from docker_agent.errors import ConfigError
from tests.requirements import requirement


@requirement("file:6.2:format")
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("A=1\nB=2\n", {"A": "1", "B": "2"}),
        ("  A = 1 \r\n\n# C=3\n  #x\nB=\n", {"A": "1", "B": ""}),
        ("A=b=c", {"A": "b=c"}),
        ('A=" b "', {"A": " b "}),
        ('A=""b""', {"A": '"b"'}),
        ('A="', {"A": '"'}),
        ("A='b'", {"A": "'b'"}),
        ("export A=1", {"export A": "1"}),
        ("A=1 # no comment", {"A": "1 # no comment"}),
        ("A=$B\\n", {"A": "$B\\n"}),
        ("A=1\nA=2", {"A": "1"}),
    ],
)
def test_a_line_is_a_name_and_a_value(text: str, found: dict[str, str]) -> None:
    """agent-file.md §6.2."""
    assert parse_env(text, "x.env") == found


@requirement("file:6.2:format", "file:8:E42")
@pytest.mark.parametrize("line", ["NAME", "= value", "export"])
def test_a_line_that_is_neither_is_refused_with_its_number(line: str) -> None:
    """agent-file.md §6.2: error naming file and line."""
    with pytest.raises(ConfigError) as raised:
        parse_env(f"# first\nA=1\n{line}\n", "x.env")
    assert str(raised.value) == "x.env:3: is no NAME=value line"


@requirement("file:6.2:format")
@given(
    st.dictionaries(
        st.from_regex(r"[A-Z_]+", fullmatch=True), st.from_regex(r"[^\s\"][^\s]*", fullmatch=True)
    )
)
def test_what_was_written_is_read(values: dict[str, str]) -> None:
    """agent-file.md §6.2."""
    text = "".join(f"{name}={value}\n" for name, value in values.items())
    assert parse_env(text, "x.env") == values


@requirement("file:6.3:paths")
@pytest.mark.parametrize(
    ("name", "path"),
    [
        (".env", "/place/.env"),
        ("a/b.env", "/place/a/b.env"),
        ("a/../b.env", "/place/a/../b.env"),
        ("/etc/x.env", "/etc/x.env"),
        ("~/x.env", "/home/me/x.env"),
        ("..env", "/place/..env"),
    ],
)
def test_a_path_of_the_flag_is_found(name: str, path: str) -> None:
    """agent-file.md §6.3."""
    assert flagged_path(name, Path("/place"), Path("/home/me")) == Path(path)


@requirement("file:6.3:paths", "file:8:E42")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("../x.env", "leaves the working directory /place"),
        ("a/../../x.env", "leaves the working directory /place"),
        ("/etc/../x.env", "an absolute path must not hold '..'"),
        ("~/../x.env", "an absolute path must not hold '..'"),
        ("~other/x.env", "the home directories of other users are not looked up"),
        ("a\0b", "a path must not hold a NUL character"),
    ],
)
def test_a_path_that_leaves_its_place_is_refused(name: str, said: str) -> None:
    """agent-file.md §6.3."""
    with pytest.raises(ConfigError) as raised:
        flagged_path(name, Path("/place"), Path("/home/me"))
    assert str(raised.value) == said


@requirement("file:6.3:paths", "file:8:E42")
def test_a_home_is_needed_for_a_tilde() -> None:
    """agent-file.md §6.3."""
    with pytest.raises(ConfigError, match="no home directory"):
        flagged_path("~/x", Path("/place"), None)


@requirement("file:6.3:flag")
def test_the_flag_may_be_repeated_and_hold_several_names(tmp_path: Path) -> None:
    """agent-file.md §6.1, row 1: flag repeatable and comma-separated, in order."""
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text(f"NAME={name}\n")
    found = list(flagged_files(["a, b", "", "c,"], tmp_path, None))
    assert found == [{"NAME": "a"}, {"NAME": "b"}, {"NAME": "c"}]


@requirement("file:6.3:flag", "file:8:E42")
def test_a_file_that_is_missing_or_malformed_is_an_error_that_names_the_flag(
    tmp_path: Path,
) -> None:
    """agent-file.md §6.3."""
    (tmp_path / "bad").write_text("A=1\noops\n")
    (tmp_path / "latin").write_bytes(b"A=\xe9\n")
    said: list[str] = []
    for name in ("none", "bad", "latin", ".."):
        with pytest.raises(ConfigError) as raised:
            list(flagged_files([name], tmp_path, None))
        said.append(str(raised.value))
    assert said == [
        f"--env-from-file none: {tmp_path}/none: cannot be read: No such file or directory",
        f"--env-from-file bad: {tmp_path}/bad:2: is no NAME=value line",
        f"--env-from-file latin: {tmp_path}/latin: is no UTF-8 text",
        f"--env-from-file ..: leaves the working directory {tmp_path}",
    ]


@requirement("file:6.2:format")
def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    """agent-file.md §6.2: UTF-8 lines."""
    (tmp_path / "x.env").write_bytes(b"\xef\xbb\xbfA=1\n")
    assert read_env_file(tmp_path / "x.env") == {"A": "1"}
