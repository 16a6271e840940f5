"""Asks drivers: programs in environments of their own, each with one client library.

`drivers/wire.py` has the other end.
"""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from tests.harness import clean_environment

ANSWER_LIMIT = 150.0
"""Seconds one case may take; some clients start a Python of their own for each."""


class ClientError(Exception):
    """What the client library raised. `status` is the HTTP status when the library tells it."""

    def __init__(self, type: str, status: int | None, message: str) -> None:
        super().__init__(f"{type} {status}: {message}")
        self.type = type
        self.status = status
        self.message = message


class Asked:
    """One case under way."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self.pieces: list[str] = []

    def wait_piece(self, text: str) -> None:
        """Return once the pieces so far contain `text`; fails when the case ends before."""
        while text not in "".join(self.pieces):
            said = self._driver.said()
            assert "piece" in said, f"{said} came before {text!r}; {self.pieces}"
            self.pieces.append(said["piece"])

    def done(self) -> Any:  # noqa: ANN401 - each case has an answer of its own
        """What came of it. Raises `ClientError`."""
        while "piece" in (said := self._driver.said()):
            self.pieces.append(said["piece"])
        if error := said.get("error"):
            raise ClientError(error["type"], error["status"], error["message"])
        return said["done"]


class Driver:
    """A running driver; used by one test at a time."""

    def __init__(self, command: tuple[str, ...], home: Path) -> None:
        self._errors = (home / "driver-stderr.log").open("wb")
        self._process = subprocess.Popen(
            command,
            env=clean_environment(home),
            cwd=home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self.cases: list[str] = self.said()["done"]

    @property
    def log(self) -> str:
        """All of the client's stderr."""
        return Path(self._errors.name).read_text(errors="replace")

    def ask(self, case: str, **ask: object) -> Asked:
        """Begin a case."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"case": case, **ask}) + "\n")
        self._process.stdin.flush()
        return Asked(self)

    def said(self) -> dict[str, Any]:
        """The next line. Fails with the client's stderr when none comes."""
        deadline = time.monotonic() + ANSWER_LIMIT
        try:
            line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise AssertionError(f"nothing in {ANSWER_LIMIT} s\n{self.log}") from None
        assert line is not None, f"the driver ended\n{self.log}"
        return json.loads(line)

    def close(self) -> None:
        """End it; it may be in the middle of something."""
        self._process.kill()
        self._process.wait()
        self._listener.join()
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._lines.put(line)
        self._lines.put(None)
