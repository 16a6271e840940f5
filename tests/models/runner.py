"""A scripted Docker Model Runner, over a port or a socket, and a scripted `docker` command."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Runner:
    """What it has, and what it heard: `(path, body)` of each POST."""

    def __init__(self, models: Sequence[str]) -> None:
        self.models = list(models)
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.address = ""
        self.missing = False

    def bodies(self, ending: str) -> list[dict[str, Any]]:
        """The bodies that were posted to such a path."""
        return [body for path, body in self.heard if path.endswith(ending)]


class _UnixServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


@contextmanager
def running(*models: str, unix: Path | None = None) -> Generator[Runner]:
    """A runner on a free port, or on a socket."""
    runner = Runner(models)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def address_string(self) -> str:
            return "peer"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def _send(self, status: int, body: bytes, kind: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            listing = {"object": "list", "data": [{"id": name} for name in runner.models]}
            found = self.path.endswith("/models")
            self._send(200 if found else 404, json.dumps(listing if found else {}).encode())

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            runner.heard.append((self.path, body))
            if not self.path.endswith("chat/completions"):
                self._send(202, b"")
            elif runner.missing:
                error = {"error": {"message": "model not found"}}
                self._send(404, json.dumps(error).encode())
            else:
                chunk = {"choices": [{"delta": {"content": "I run here."}}]}
                end: dict[str, Any] = {"choices": [{"delta": {}, "finish_reason": "stop"}]}
                events = (json.dumps(chunk), json.dumps(end), "[DONE]")
                text = "".join(f"data: {event}\n\n" for event in events)
                self._send(200, text.encode(), "text/event-stream")

    if unix is None:
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        runner.address = f"http://127.0.0.1:{server.server_address[1]}"
    else:
        server = _UnixServer(str(unix), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield runner
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def docker_command(folder: Path, cases: str) -> str:
    """A PATH with a `docker` whose words are the branches of a shell `case` over its arguments;
    it notes them in `folder/calls`, with its variables in `folder/env`."""
    program = folder / "docker"
    program.write_text(
        f'#!/bin/sh\necho "$*" >> {folder}/calls\nenv > {folder}/env\n'
        f'case "$*" in\n{cases}\n*) echo "unexpected" >&2; exit 3;;\nesac\n'
    )
    program.chmod(0o755)
    return f"{folder}:/usr/bin:/bin"
