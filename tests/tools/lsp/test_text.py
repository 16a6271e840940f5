"""Places and edits in texts, and the frames of messages: pure. Source: the Language Server
Protocol, base protocol and positions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_agent.errors import ToolError
from docker_agent.tools.lsp.frames import Frames, Malformed, framed
from docker_agent.tools.lsp.languages import FileTypes, language_of
from docker_agent.tools.lsp.limits import MAX_HEADER, MAX_MESSAGE
from docker_agent.tools.lsp.protocol import Position, Range, TextEdit
from docker_agent.tools.lsp.text import ENCODINGS, Encoding, Text, edited, points, units
from tests.requirements import requirement

texts = st.text(st.characters(exclude_categories=["Cs"]))
encodings = st.sampled_from(ENCODINGS)


@requirement("lsp:places")
@given(texts, encodings, st.integers(0, 30))
def test_units_and_characters_lead_back_to_each_other(
    line: str, encoding: Encoding, character: int
) -> None:
    """3.17, `PositionEncodingKind`."""
    character = min(character, len(line))
    assert points(line, units(line[:character], encoding), encoding) == character


@requirement("lsp:places")
@pytest.mark.parametrize(("encoding", "unit"), [("utf-32", 2), ("utf-16", 3), ("utf-8", 6)])
def test_characters_count_as_one_whatever_the_server_counts_in(
    encoding: Encoding, unit: int
) -> None:
    """Beside `ü` and an emoji; places are told as a model counts."""
    text = Text("first\r\nü😀x\rlast")
    place = text.position(2, 3, encoding)
    assert place == Position(1, unit)
    assert text.shown(place, encoding) == "2:3"
    assert text.whole[text.offset(place, encoding)] == "x"
    assert [text.line(number) for number in range(-1, 4)] == ["", "first", "ü😀x", "last", ""]


@requirement("lsp:places")
def test_a_place_behind_a_line_is_its_end_and_a_line_that_is_not_there_is_told() -> None:
    """3.17: a character behind the end of its line is the end."""
    text = Text("one\n")
    assert text.position(1, 99, "utf-16") == Position(0, 3)
    assert text.position(2, 1, "utf-16") == Position(1, 0)
    assert text.offset(Position(0, 99), "utf-16") == 3
    assert text.offset(Position(9, 0), "utf-16") == text.offset(Position(1, 9), "utf-16") == 4
    for line, character in ((0, 1), (3, 1), (1, 0), (-1, 1)):
        with pytest.raises(ToolError, match=r"no line|counts from 1"):
            text.position(line, character, "utf-16")


def _edit(start: tuple[int, int], end: tuple[int, int], new: str) -> TextEdit:
    return TextEdit(Range(Position(*start), Position(*end)), new)


@requirement("lsp:edits")
def test_edits_are_of_the_text_before_any_of_them() -> None:
    """3.17, `TextEdit[]`: in any order; several at one place stand as they were given."""
    text = Text("aa = 1\r\nbb = aa\r\n")
    edits = [
        _edit((1, 5), (1, 7), "long"),
        _edit((0, 0), (0, 2), "long"),
        _edit((0, 0), (0, 0), "1"),
        _edit((0, 0), (0, 0), "2"),
        _edit((2, 0), (9, 9), "# end\n"),
    ]
    assert edited(text, edits, "utf-16") == "12long = 1\r\nbb = long\r\n# end\n"
    with pytest.raises(ToolError, match="overlap"):
        edited(text, [_edit((0, 0), (0, 4), ""), _edit((0, 3), (0, 5), "")], "utf-16")
    with pytest.raises(ToolError, match="overlap"):
        edited(text, [_edit((1, 0), (0, 0), "")], "utf-16")


@requirement("lsp:edits")
@given(texts, texts, encodings)
def test_a_whole_text_can_be_replaced(before: str, after: str, encoding: Encoding) -> None:
    """What formatters send."""
    whole = _edit((0, 0), (2**31 - 1, 0), after)
    assert edited(Text(before), [whole], encoding) == after


@requirement("lsp:frames")
@given(st.lists(st.binary(max_size=60), max_size=4), st.integers(1, 9))
def test_messages_arrive_whole_however_they_are_cut(bodies: list[bytes], size: int) -> None:
    """Base protocol: `Content-Length`, other headers, and what wrappers print before."""
    data = b"".join(
        b"installing a wheel\n" + framed(body) if number % 2 else framed(body)
        for number, body in enumerate(bodies)
    )
    frames = Frames()
    found = [
        body
        for start in range(0, len(data), size)
        for body in frames.feed(data[start : start + size])
    ]
    assert found == bodies


@requirement("lsp:frames")
def test_headers_come_in_any_order_and_case() -> None:
    """As HTTP's."""
    head = b"Content-Type: application/vscode-jsonrpc; charset=utf-8\r\ncontent-length:2\r\n\r\n"
    more = b"Content-Length: 2\r\nContent-Type: x\r\n\r\n"
    assert Frames().feed(head + b"{}" + more + b"[]") == [b"{}", b"[]"]


@requirement("lsp:malformed")
def test_what_is_no_message_is_not_kept() -> None:
    """Bounded: neither endless chatter nor a length that nobody could hold."""
    with pytest.raises(Malformed, match="no message"):
        Frames().feed(b"x" * MAX_HEADER)
    with pytest.raises(Malformed, match="more than"):
        Frames().feed(b"Content-Length: %d\r\n\r\n" % (MAX_MESSAGE + 1))


@requirement("lsp:types")
@pytest.mark.parametrize("named", ["py", ".py", "*.py", " PY "])
def test_file_types_are_endings_however_they_are_written(named: str) -> None:
    """agent-file.md §2.9: `file_types`."""
    types = FileTypes([named])
    assert types.has("/a/b.py") and types.has("B.PY")
    assert not types.has("/a/b.pyi") and not types.has("/a/spy")
    assert str(types) == ".py"
    assert FileTypes([]).has("anything") and str(FileTypes([])) == "all files"
    assert FileTypes(["Dockerfile"]).has("/x/Dockerfile")


@requirement("lsp:fresh")
@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("a.py", "python"),
        ("a.tsx", "typescriptreact"),
        ("a.go", "go"),
        ("a.rs", "rust"),
        ("Dockerfile", "dockerfile"),
        ("README", "plaintext"),
    ],
)
def test_a_file_is_shown_with_its_language(name: str, language: str) -> None:
    """3.17, `TextDocumentItem.languageId`."""
    assert language_of(name) == language
