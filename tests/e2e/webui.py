"""Open WebUI, headless, with nothing of the internet. Source: parts.md B2."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Self

from tests.e2e.places import E2E_HOME
from tests.harness import clean_environment

START_LIMIT = 240.0
"""Seconds to its first healthy answer; it imports half a gigabyte and migrates its database."""
COMMAND = E2E_HOME / "open-webui/bin/open-webui"
QUIET = {
    "WEBUI_SECRET_KEY": "x",
    "WEBUI_AUTH": "False",
    "OFFLINE_MODE": "True",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "ENABLE_OLLAMA_API": "False",
    "ENABLE_OPENAI_API": "True",
    "ENABLE_PERSISTENT_CONFIG": "False",
    "ENABLE_FORWARD_USER_INFO_HEADERS": "True",
    "ENABLE_VERSION_UPDATE_CHECK": "False",
    "ANONYMIZED_TELEMETRY": "False",
    "RAG_EMBEDDING_ENGINE": "openai",
    "AUDIO_STT_ENGINE": "openai",
    "BYPASS_EMBEDDING_AND_RETRIEVAL": "True",
    "OPENAI_API_BASE_URLS": "",
    "OPENAI_API_KEYS": "",
}


class OpenWebUI:
    """A running Open WebUI on a free port, its data in `home`."""

    def __init__(self, home: Path) -> None:
        self._log = home / "open-webui.log"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(COMMAND), "serve", "--host", "127.0.0.1", "--port", str(self.port)],
                env=clean_environment(home, {**QUIET, "DATA_DIR": str(home / "data")}),
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._token = ""

    def __enter__(self) -> Self:
        try:
            self._wait_healthy()
        except BaseException:
            self.__exit__()
            raise
        signed = self.post("/api/v1/auths/signin", {"email": "", "password": ""})
        self._token = signed["token"]
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def log(self) -> str:
        """All it wrote."""
        return self._log.read_text(errors="replace")

    def connect(self, url: str, key: str) -> None:
        """What "add a connection" does in its settings: verify, then save, with the header that
        names the conversation."""
        self.post("/openai/verify", {"url": url, "key": key})
        connection = {
            "enable": True,
            "connection_type": "external",
            "headers": {"X-Conversation-Id": "{{CHAT_ID}}"},
        }
        self.post(
            "/openai/config/update",
            {
                "ENABLE_OPENAI_API": True,
                "OPENAI_API_BASE_URLS": [url],
                "OPENAI_API_KEYS": [key],
                "OPENAI_API_CONFIGS": {"0": connection},
            },
        )

    def get(self, path: str) -> Any:  # noqa: ANN401 - JSON of somebody else
        """GET as the only user."""
        return self._send("GET", path, None)

    def post(self, path: str, body: object) -> Any:  # noqa: ANN401 - JSON of somebody else
        """POST as the only user."""
        return self._send("POST", path, json.dumps(body).encode())

    def _send(self, method: str, path: str, body: bytes | None) -> Any:  # noqa: ANN401
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"}
        request = urllib.request.Request(f"{self.url}{path}", body, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.load(reply)

    def _wait_healthy(self) -> None:
        """Its port says nothing before it is ready, so this asks again and again."""
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline:
            assert self._process.poll() is None, f"Open WebUI ended\n{self.log}"
            try:
                self._send("GET", "/health", None)
            except (urllib.error.URLError, OSError):
                time.sleep(0.25)
            else:
                return
        raise AssertionError(f"Open WebUI was not healthy in {START_LIMIT} s\n{self.log}")
