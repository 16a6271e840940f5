"""Variables that are Docker's own. Source: agent-file.md §6.1, rows 2, 7 and 8."""

from __future__ import annotations

import logging
import socketserver
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from docker_agent.config.user_file import read_user_file
from docker_agent.env.chain import standard_chain
from docker_agent.env.docker import Desktop
from tests.env.test_chain import folders, program
from tests.requirements import requirement

ANSWERS = {
    "/registry/token": b'"desktop-token"',
    "/registry/info": b'{"id": "ada", "email": "ada@example.com", "more": 1}',
}


class _Backend(BaseHTTPRequestHandler):
    """What Docker Desktop answers on its socket."""

    def do_GET(self) -> None:
        body = ANSWERS.get(self.path, b"")
        self.send_response(200 if body else 404)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "a socket"

    def log_message(self, format: str, *args: object) -> None:
        """Nothing to say."""


@pytest.fixture
def home(tmp_path: Path) -> Generator[Path]:
    """A home directory where Docker Desktop runs."""
    path = tmp_path / ".docker" / "desktop" / "backend.sock"
    path.parent.mkdir(parents=True)
    with socketserver.ThreadingUnixStreamServer(str(path), _Backend) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield tmp_path
        server.shutdown()
        thread.join()


@requirement("file:6.1:desktop")
def test_docker_desktop_tells_who_is_signed_in(home: Path) -> None:
    """agent-file.md §6.1, row 8: three variables and no other."""
    chain = standard_chain({"HOME": str(home)}, [], home, folders(home), home / "none")
    assert chain.get("DOCKER_TOKEN") == "desktop-token"
    assert chain.get("DOCKER_USERNAME") == "ada"
    assert chain.get("DOCKER_EMAIL") == "ada@example.com"
    assert chain.get("DOCKER_OTHER") is None


@requirement("file:6.1:desktop")
def test_a_desktop_that_does_not_answer_has_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """agent-file.md §6.1, row 8: where present."""
    for body in (b"", b"{", b"[1]", b"null"):
        monkeypatch.setitem(ANSWERS, "/registry/token", body)
        found = Desktop.found(str(home))
        assert found is not None
        assert found.get("DOCKER_TOKEN") is None
    assert Desktop.found(None) is None
    assert Desktop.found(str(home / "none")) is None


@requirement("file:6.1:helper")
def test_the_helper_of_the_settings_prints_a_docker_token(home: Path) -> None:
    """agent-file.md §6.1, row 7, and §7.2: before Docker Desktop, `DOCKER_TOKEN` only."""
    path = program(home / "bin", 'test "$*" = "get it" && echo helped', "my-helper")
    directories = folders(home)
    (directories.config / "config.yaml").write_text(
        "credential_helper: {command: my-helper, args: [get, it]}\n"
    )
    user = read_user_file(directories.config)
    assert user.credential_helper == ("my-helper", "get", "it")
    environ = {"HOME": str(home), "PATH": f"{path}:/usr/bin:/bin"}
    chain = standard_chain(
        environ, [], home, directories, home / "none", helper=user.credential_helper
    )
    assert chain.get("DOCKER_TOKEN") == "helped"
    assert chain.get("DOCKER_USERNAME") == "ada"
    assert chain.get("GITHUB_TOKEN") is None


@requirement("file:6.1:helper")
def test_a_helper_that_is_not_there_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """agent-file.md §7.2: settings never stop a start."""
    with caplog.at_level(logging.WARNING, logger="docker_agent"):
        chain = standard_chain({}, [], tmp_path, folders(tmp_path), tmp_path, helper=["nowhere"])
    assert chain.get("DOCKER_TOKEN") is None
    assert "the credential helper nowhere is no program" in caplog.text


@requirement("file:6.1:sandbox")
def test_a_sandbox_has_its_token_in_a_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """agent-file.md §6.1, row 2: before the environment, inside a sandbox only, and anew each
    time."""
    directories = folders(tmp_path)
    file = directories.config / "sandbox-tokens.json"
    environ = {"SANDBOX_VM_ID": "vm", "DOCKER_TOKEN": "from-process"}
    outside = standard_chain({"DOCKER_TOKEN": "x"}, [], tmp_path, directories, tmp_path)
    inside = standard_chain(environ, [], tmp_path, directories, tmp_path)
    assert inside.get("DOCKER_TOKEN") == "from-process"
    file.write_text('{"docker_token": "one"}')
    assert inside.get("DOCKER_TOKEN") == "one"
    file.write_text('{"docker_token": "two"}')
    assert inside.get("DOCKER_TOKEN") == "two"
    assert outside.get("DOCKER_TOKEN") == "x"
    with caplog.at_level(logging.WARNING, logger="docker_agent"):
        file.write_text("{two")
        assert inside.get("DOCKER_TOKEN") == "from-process"
    assert "sandbox-tokens.json cannot be read" in caplog.text
    assert "two" not in caplog.text
