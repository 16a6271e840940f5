"""Server-sent events: the cases of the HTML standard, and the law of cutting."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docker_agent.sse import MAX_EVENT, EventReader, EventTooLarge
from tests.requirements import requirement

CASES: dict[str, tuple[bytes, list[bytes]]] = {
    "nothing": (b"", []),
    "one": (b"data: a\n\n", [b"a"]),
    "two": (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
    "no space after the colon": (b"data:a\n\n", [b"a"]),
    "only one space is taken away": (b"data:  a\n\n", [b" a"]),
    "a tab is no space": (b"data:\ta\n\n", [b"\ta"]),
    "several lines": (b"data: a\ndata: b\ndata:c\n\n", [b"a\nb\nc"]),
    "colons in the value": (b'data: {"a": 1}\n\n', [b'{"a": 1}']),
    "a comment": (b": keep-alive\n\ndata: a\n\n", [b"a"]),
    "a comment without text": (b":\n\ndata: a\n\n", [b"a"]),
    "a comment inside": (b"data: a\n: not this\ndata: b\n\n", [b"a\nb"]),
    "other fields": (b"event: x\nid: 7\nretry: 10\ndata: a\n\n", [b"a"]),
    "other fields behind": (b"data: a\nid: 7\n\n", [b"a"]),
    "only other fields": (b"event: ping\nid: 1\n\ndata: a\n\n", [b"a"]),
    "an unknown field": (b"database: x\ndata: a\n\n", [b"a"]),
    "a field name with a space before it": (b" data: x\n\ndata: a\n\n", [b"a"]),
    "empty data": (b"data:\n\n", [b""]),
    "empty data with its space": (b"data: \n\n", [b""]),
    "a field without a colon": (b"data\n\n", [b""]),
    "two empty lines of data": (b"data\ndata\n\n", [b"\n"]),
    "many blank lines": (b"\n\n\ndata: a\n\n\n\n\ndata: b\n\n", [b"a", b"b"]),
    "CR LF": (b"data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n", [b"a\nb", b"c"]),
    "CR": (b"data: a\rdata: b\r\rdata: c\r\r", [b"a\nb", b"c"]),
    "line ends mixed": (b"data: a\n\r\ndata: b\r\n\ndata: c\r\r\n", [b"a", b"b", b"c"]),
    "a byte order mark": (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
    "only the first mark counts": (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [b"a"]),
    "two marks": (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n", [b"b"]),
    "a mark alone": (b"\xef\xbb\xbf", []),
    "half a mark": (b"\xef\xbb", []),
    "bytes that are no UTF-8": (b"data: \xff\xfe\n\n", [b"\xff\xfe"]),
    "an event that no blank line ends": (b"data: a\n\ndata: b\n", [b"a", b"b"]),
    "an event that nothing ends": (b"data: a\n\ndata: b", [b"a", b"b"]),
    "a last event with CR": (b"data: a\rdata: b\r", [b"a\nb"]),
    "a last comment": (b"data: a\n\n: bye", [b"a"]),
}


def read(*pieces: bytes) -> list[bytes]:
    """All payloads of a stream that comes in these pieces."""
    reader = EventReader()
    return [*(data for piece in pieces for data in reader.feed(piece)), *reader.finish()]


@requirement("models:sse")
@pytest.mark.parametrize(("stream", "payloads"), CASES.values(), ids=CASES.keys())
def test_streams_are_read_as_the_html_standard_has_them(
    stream: bytes, payloads: list[bytes]
) -> None:
    """DESIGN.md §5; the standard drops an unfinished last event, which some servers send."""
    assert read(stream) == payloads


@requirement("models:sse")
@pytest.mark.parametrize(("stream", "payloads"), CASES.values(), ids=CASES.keys())
def test_every_stream_of_the_table_may_be_cut_at_every_byte(
    stream: bytes, payloads: list[bytes]
) -> None:
    """DESIGN.md §5: a read of a socket ends anywhere."""
    for place in range(len(stream) + 1):
        assert read(stream[:place], stream[place:]) == payloads
    assert read(*(stream[at : at + 1] for at in range(len(stream)))) == payloads


ends = st.sampled_from([b"\n", b"\r\n", b"\r"])
values = st.binary(max_size=12).map(lambda raw: raw.replace(b"\n", b"").replace(b"\r", b""))
fields = st.sampled_from([b"data: ", b"data:", b"data", b": ", b":", b"event: ", b"id:", b"", b"x"])


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """A stream of lines of every kind, each with any of the three line ends."""
    lines = draw(st.lists(st.tuples(fields, values, ends), max_size=12))
    mark = draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))
    return mark + b"".join((field + (value if field else b"")) + end for field, value, end in lines)


@requirement("models:sse")
@settings(max_examples=400, deadline=None)
@given(streams(), st.lists(st.integers(0, 200), max_size=8))
def test_how_a_stream_is_cut_does_not_change_what_it_says(stream: bytes, cuts: list[int]) -> None:
    """DESIGN.md §5: the same payloads from any reads."""
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(places)]
    assert read(*pieces) == read(stream) == _by_the_standard(stream)


def _by_the_standard(stream: bytes) -> list[bytes]:
    """The standard's own algorithm, line by line."""
    text = stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    found: list[bytes] = []
    data: list[bytes] = []
    for line in [*text.split(b"\n"), b""]:
        name, _, value = line.partition(b":")
        if not line and data:
            found.append(b"\n".join(data))
            data = []
        elif name == b"data":
            data.append(value.removeprefix(b" "))
    return found


@requirement("models:sse")
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_an_event_is_there_with_its_blank_line(end: bytes) -> None:
    """DESIGN.md §5: nothing waits for more."""
    reader = EventReader()
    assert reader.feed(b"data: a" + end) == []
    assert reader.feed(end) == [b"a"]


@requirement("models:sse")
@pytest.mark.parametrize("end", [b"", b"\r\n"])
def test_an_event_without_end_is_refused(end: bytes) -> None:
    """DESIGN.md §5: memory per stream stays bounded."""
    reader = EventReader()
    half = b"data: " + b"x" * (MAX_EVENT // 2) + end
    assert reader.feed(half) == []
    with pytest.raises(EventTooLarge):
        reader.feed(half)


@requirement("models:sse")
def test_many_events_may_be_more_than_one_may() -> None:
    """DESIGN.md §5: the bound is one event's."""
    event = b"data: " + b"x" * (MAX_EVENT // 3) + b"\n\n"
    reader = EventReader()
    assert sum(len(reader.feed(event)) for _ in range(4)) == 4
