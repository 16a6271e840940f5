"""A web server on loopback that answers as a test wishes, and remembers what it was asked."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Got:
    """One request; names of `headers` in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Said:
    """One answer; `pieces` are sent one after another, without a length when `endless`."""

    status: int
    pieces: Iterable[bytes] = ()
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    endless: bool = False


Play = Callable[[Got], Said]


def say(status: int = 200, body: bytes = b"", **headers: str) -> Said:
    """A plain answer; `content_type=…` becomes `content-type`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Said(status, (body,), named)


class Site:
    """Answers by method and path (without query); 404 for the rest."""

    def __init__(self) -> None:
        self._plays: dict[tuple[str, str], Play] = {}
        self.got: list[Got] = []
        self.port = 0

    @property
    def host(self) -> str:
        """`127.0.0.1:port`."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://{self.host}"

    def on(self, method: str, path: str, play: Play | Said) -> None:
        """Answer so from now on; a GET also answers HEAD."""
        self._plays[method, path] = play if callable(play) else lambda _: play

    def count(self, method: str, path: str = "") -> int:
        """How many such requests there were."""
        return sum(1 for got in self.got if got.method == method and got.path.startswith(path))

    def answer(self, got: Got) -> Said:
        """What is said to a request."""
        self.got.append(got)
        path = got.path.partition("?")[0]
        for method in (got.method, "GET") if got.method == "HEAD" else (got.method,):
            if play := self._plays.get((method, path)):
                return play(got)
        return say(404)


@contextmanager
def site(certificate: Path | None = None) -> Generator[Site]:
    """A site that runs until the block is left; with a `certificate` it speaks TLS."""
    made = Site()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            got = Got(self.command, self.path, headers, self.rfile.read(length))
            said = made.answer(got)
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            pieces = said.pieces
            if said.endless:
                self.close_connection = True
            elif "content-length" not in {name.lower() for name in said.headers}:
                pieces = (b"".join(pieces),)
                self.send_header("content-length", str(len(pieces[0])))
            self.end_headers()
            if self.command != "HEAD" and said.status not in (204, 304):
                with suppress(OSError):
                    for piece in pieces:
                        self.wfile.write(piece)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = handle_any

        def log_message(self, format: str, *args: object) -> None:
            """Tests look at `got` instead."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, certificate.with_name("certificate-key.pem"))
        server.socket = context.wrap_socket(server.socket, server_side=True)
    made.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
