"""Debian's docker-registry on loopback: open, behind a password, or behind a token server."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest

from tests.registry.site import Got, Said, Site, say, site

PROGRAM = "docker-registry"
USER, PASSWORD = "alice", "secret"
HTPASSWD = f"{USER}:$2b$04$HLCSeVdhaPvsvQPLJ/c9/e6KkKP0Sjf4EBSnqRmHSoJxwtfUSJMjW\n"
"""The password by bcrypt, the one form the registry reads."""
START_LIMIT = 20.0
"""Seconds until it answers."""
INSTALL_LIMIT = 120.0
"""Seconds for each step of an installation."""
DATA = Path(__file__).parent.parent / "data"
SERVICE, ISSUER = "registry", "tests"


def find_program() -> str:
    """The registry's program, installed if this may be done; else the test is skipped."""
    found = shutil.which(PROGRAM)
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", PROGRAM]
        for line in (["apt-get", "update", "-qq"], command):
            subprocess.run(line, check=False, capture_output=True, timeout=INSTALL_LIMIT)
        found = shutil.which(PROGRAM)
    if found is None:
        pytest.skip(f"{PROGRAM} is not here: apt-get install {PROGRAM}")
    return found


@contextmanager
def registry(folder: Path, auth: dict[str, Any] | None = None) -> Generator[str]:
    """A running registry, by its `host:port`."""
    program = find_program()
    with socket.create_server(("127.0.0.1", 0)) as free:
        host = f"127.0.0.1:{free.getsockname()[1]}"
    config = {
        "version": "0.1",
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "store")}},
        "http": {"addr": host, "secret": "only for tests"},
        **({"auth": auth} if auth else {}),
    }
    (folder / "config.yml").write_text(json.dumps(config))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, "serve", str(folder / "config.yml")],
            stdout=log,
            stderr=log,
            env={"PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none"},
        )
    try:
        _wait(host, process, folder / "log")
        yield host
    finally:
        process.terminate()
        process.wait(10)


def _wait(host: str, process: subprocess.Popen[bytes], log: Path) -> None:
    limit = time.monotonic() + START_LIMIT
    while time.monotonic() < limit and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://{host}/v2/", timeout=2).close()
        except urllib.error.HTTPError as answer:
            answer.close()
            return
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError(f"the registry does not answer: {log.read_text()}")


@contextmanager
def password_registry(folder: Path) -> Generator[str]:
    """A registry that wants `USER` and `PASSWORD` for everything."""
    file = folder / "htpasswd"
    file.write_text(HTPASSWD)
    with registry(folder, {"htpasswd": {"realm": "test", "path": str(file)}}) as host:
        yield host


class TokenRegistry:
    """A registry with a token server: `public/…` may be pulled by anybody, the rest by `USER`."""

    def __init__(self, host: str, tokens: Site) -> None:
        self.host = host
        self.tokens = tokens


@contextmanager
def token_registry(folder: Path) -> Generator[TokenRegistry]:
    """See `TokenRegistry`."""
    with ExitStack() as stack:
        tokens = stack.enter_context(site())
        tokens.on("GET", "/token", _token)
        auth = {
            "token": {
                "realm": f"{tokens.url}/token",
                "service": SERVICE,
                "issuer": ISSUER,
                "rootcertbundle": str(DATA / "certificate.pem"),
            }
        }
        yield TokenRegistry(stack.enter_context(registry(folder, auth)), tokens)


def _token(got: Got) -> Said:
    """A token for what the asker may do, whatever they wish for."""
    asked = parse_qs(urlsplit(got.path).query)
    signed_in = got.headers.get("authorization") == basic()
    if "authorization" in got.headers and not signed_in:
        return say(401)
    access: list[dict[str, Any]] = []
    for scope in asked.get("scope", []):
        kind, name, actions = scope.rsplit(":", 2) if scope.count(":") == 2 else ("", "", "")
        granted = (
            actions.split(",") if signed_in else ["pull"] if name.startswith("public/") else []
        )
        access.append({"type": kind, "name": name, "actions": granted})
    pem = (DATA / "certificate.pem").read_text()
    der = "".join(line for line in pem.splitlines() if "-----" not in line)
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "sub": USER if signed_in else "",
        "aud": SERVICE,
        "exp": now + 300,
        "nbf": now - 10,
        "iat": now - 10,
        "jti": uuid.uuid4().hex,
        "access": access,
    }
    key = (DATA / "certificate-key.pem").read_text()
    token = jwt.encode(claims, key, algorithm="ES256", headers={"x5c": [der]})
    return say(200, json.dumps({"token": token}).encode())


def basic(user: str = USER, password: str = PASSWORD) -> str:
    """The header that shows who asks."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
