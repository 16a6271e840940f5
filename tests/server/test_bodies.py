"""Bodies that are packed, cut, slow or enormous. Source: chat-server.md §3, clients.md 50."""

from __future__ import annotations

import gzip
import socket
import sys
import zlib
from importlib import import_module
from typing import Any

import pytest

from docker_agent.server.unpack import ENCODINGS, NotPacked, TooLarge
from tests.conftest import Lane
from tests.requirements import requirement

PATH = "/v1/chat/completions"
zstd: Any = import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
brotli: Any = import_module("brotli")

PACK = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstd.compress,
}


def asking(lane: Lane, text: str = "hi") -> bytes:
    return b'{"model": "%s", "messages": [{"role": "user", "content": "%s"}]}' % (
        lane.agent.encode(),
        text.encode(),
    )


@requirement("server:packed-bodies")
def test_every_encoding_has_a_packer_here() -> None:
    """DESIGN.md §7: contract tests run over every row."""
    assert set(PACK) == set(ENCODINGS)


@requirement("server:packed-bodies", "chat:3:br-zstd", "client:50")
@pytest.mark.parametrize("name", PACK)
def test_packed_bodies_are_read(lane: Lane, name: str) -> None:
    """clients.md 50: gzip, deflate, br and zstd by Content-Encoding, in any case."""
    body = PACK[name](asking(lane, f"packed as {name}"))
    reply = lane.client.request("POST", PATH, body, {"Content-Encoding": name.upper()})
    assert (reply.status, reply.content) == (200, f"packed as {name}")


@requirement("server:packed-bodies")
def test_encodings_over_each_other_are_taken_off_from_the_outside(lane: Lane) -> None:
    """RFC 9110 §8.4: listed in the order in which they were applied."""
    body = zstd.compress(gzip.compress(asking(lane)))
    reply = lane.client.request("POST", PATH, body, {"Content-Encoding": "identity, gzip, zstd"})
    assert reply.status == 200, reply.text
    deep = lane.client.request("POST", PATH, body, {"Content-Encoding": "gzip, gzip, zstd"})
    assert (deep.status, deep.error["code"]) == (415, "unsupported_encoding")


@requirement("server:packed-bodies")
@pytest.mark.parametrize("name", PACK)
def test_what_is_broken_or_cut_is_a_400_that_names_the_encoding(lane: Lane, name: str) -> None:
    """chat-server.md §3: nothing in a request may ever cause a 500."""
    whole = PACK[name](asking(lane) * 3)
    for body in (b"no such data at all", whole[:-5], whole[:3]):
        reply = lane.client.request("POST", PATH, body, {"Content-Encoding": name})
        assert reply.status == 400, reply.text
        assert name in reply.error["message"]


@requirement("server:unread-bodies")
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_client_that_sends_all_of_it_before_it_reads_gets_the_413(
    lane: Lane, version: str
) -> None:
    """Python's urllib does so, and asks for the end of the connection with every request."""
    size = 30 * 1024 * 1024
    head = (
        f"POST {PATH} HTTP/{version}\r\nHost: localhost\r\nConnection: close\r\n"
        f"Content-Length: {size}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", lane.server.port), timeout=30) as connection:
        connection.sendall(head.encode() + b"x" * size)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert answer.endswith(b"}}")


@requirement("server:packed-bodies")
@pytest.mark.parametrize("name", PACK)
def test_a_bomb_is_a_413(lane: Lane, name: str) -> None:
    """chat-server.md §3: bomb-safe."""
    body = PACK[name](b" " * (64 << 20))
    assert len(body) < 1 << 20
    reply = lane.client.request("POST", PATH, body, {"Content-Encoding": name})
    assert (reply.status, reply.error["code"]) == (413, "request_too_large")


@requirement("server:packed-bodies")
@pytest.mark.parametrize("name", PACK)
def test_unpacking_stops_at_the_limit(name: str) -> None:
    """chat-server.md §1: the limit counts the decoded body, exactly."""
    packed = PACK[name](b"x" * 1000)
    assert ENCODINGS[name](packed, 1000) == b"x" * 1000
    with pytest.raises(TooLarge):
        ENCODINGS[name](packed, 999)


@requirement("server:packed-bodies")
@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_several_members_are_one_body(name: str) -> None:
    """RFC 1952 §2.2, RFC 8878 §3: frames follow each other; the limit holds for their sum."""
    packed = PACK[name](b"a" * 600) + PACK[name](b"b" * 400)
    assert ENCODINGS[name](packed, 1000) == b"a" * 600 + b"b" * 400
    with pytest.raises(TooLarge):
        ENCODINGS[name](packed, 999)


@requirement("server:packed-bodies")
def test_a_frame_that_asks_for_a_huge_window_is_refused() -> None:
    """RFC 9659: windows above 8 MiB need not be taken; memory is bounded before any byte."""
    parameter = zstd.CompressionParameter
    options = {parameter.window_log: 27, parameter.content_size_flag: 0}
    squeezer = zstd.ZstdCompressor(options=options)
    packed = squeezer.compress(b"x" * 100_000) + squeezer.flush()
    with pytest.raises(NotPacked):
        ENCODINGS["zstd"](packed, 1 << 20)
