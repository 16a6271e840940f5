"""The nginx configuration of the documentation, in a real nginx with TLS. Source:
docs/how-to/put-nginx-in-front.md, clients.md 17."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Generator
from contextlib import closing, contextmanager

import pytest

from tests.harness import START_LIMIT, Server, agent_yaml
from tests.playing import ROOT, blocks
from tests.requirements import requirement
from tests.scripted.gate import Gate
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import begin, hold, say

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
PAGE = ROOT / "docs/how-to/put-nginx-in-front.md"
DATA = ROOT / "tests/data"
HEADERS = {"Content-Type": "application/json", "Authorization": "Bearer k"}
pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")


@pytest.fixture(scope="module")
def behind(scripted: Scripted, tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """Our server, as the page starts it."""
    home = tmp_path_factory.mktemp("behind")
    with Server(agent_yaml(scripted.url, "nginx"), "--api-key", "k", home=home) as running:
        yield running


@pytest.fixture(scope="module")
def front(behind: Server, tmp_path_factory: pytest.TempPathFactory) -> Generator[int]:
    """A real nginx with the page's own configuration; its port."""
    assert NGINX
    home = tmp_path_factory.mktemp("nginx")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    [site] = [block.text for block in blocks(PAGE) if block.kind == "nginx"]
    for written, here in {
        "127.0.0.1:8083": behind.address,
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "/etc/ssl/agents/fullchain.pem": str(DATA / "certificate.pem"),
        "/etc/ssl/agents/key.pem": str(DATA / "certificate-key.pem"),
    }.items():
        assert site.count(written) == 1, written
        site = site.replace(written, here)
    temporary = "".join(
        f"{name}_temp_path {home}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (home / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {home}/pid; error_log {home}/error.log;\n"
        f"events {{}}\nhttp {{ access_log off;\n{temporary}{site}}}\n"
    )
    command = [NGINX, "-p", str(home), "-e", str(home / "error.log"), "-c", "nginx.conf"]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    with child:
        try:
            _wait_for(port, child)
            yield port
        finally:
            child.terminate()


def _wait_for(port: int, child: subprocess.Popen[str]) -> None:
    """nginx tells nobody when it listens."""
    deadline = time.monotonic() + START_LIMIT
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert child.poll() is None, child.stderr and child.stderr.read()
            assert time.monotonic() < deadline, "nginx does not listen"
            time.sleep(0.02)
        else:
            return


@contextmanager
def ask(port: int, **more: object) -> Generator[http.client.HTTPResponse]:
    """A chat through nginx, over TLS."""
    trusted = ssl.create_default_context(cafile=str(DATA / "certificate.pem"))
    trusted.check_hostname = False
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=trusted, timeout=60)
    body = {"model": "root", "messages": [{"role": "user", "content": "hi"}], **more}
    with closing(connection):
        connection.request("POST", "/v1/chat/completions", json.dumps(body), HEADERS)
        with connection.getresponse() as reply:
            yield reply


@pytest.fixture
def model(scripted: Scripted) -> Model:
    """The model behind it all."""
    return scripted.model("nginx").forget()


@requirement("packaging:nginx")
def test_a_stream_gets_through_piece_by_piece(front: int, model: Model) -> None:
    """clients.md 17: nginx holds nothing back."""
    gate = Gate()
    model.script(begin() + say("one ") + hold(gate) + say("two"))
    with ask(front, stream=True) as reply:
        seen = b""
        while b"one " not in seen:
            seen += reply.readline()
        gate.open()
        rest = reply.read()
    assert b"two" in rest
    assert rest.endswith(b"data: [DONE]\n\n")


@requirement("packaging:nginx")
def test_a_client_that_leaves_nginx_leaves_the_model(front: int, model: Model) -> None:
    """clients.md 26: who leaves is gone for everybody behind."""
    model.script(begin() + say("one ") + hold(Gate()))
    with ask(front, stream=True) as reply:
        while b"one " not in reply.readline():
            pass
    assert model.heard[0].wait_cut(60)


@requirement("packaging:nginx")
def test_errors_and_ids_get_through(front: int, model: Model) -> None:
    """clients.md 67, 74: our errors, not nginx's, and nginx's id for the request."""
    with ask(front, temperature=9) as reply:
        assert (reply.status, json.load(reply)["error"]["param"]) == (400, "temperature")
    with ask(front, user="x" * (3 << 19)) as reply:
        assert (reply.status, json.load(reply)["error"]["code"]) == (413, "request_too_large")
    with ask(front) as reply:
        assert len(reply.headers["x-request-id"]) == 32
        assert json.load(reply)["choices"][0]["message"]["content"] == "hi"
    assert len(model.heard) == 1
