"""A fuzzer that knows nothing but /openapi.json finds no difference between what it says and what
the server does. Source: parts.md H."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.e2e import table
from tests.e2e.places import E2E_HOME
from tests.harness import agent_yaml, clean_environment
from tests.requirements import requirement
from tests.scripted.model import Scripted

COMMAND = E2E_HOME / "schemathesis/bin/schemathesis"
LIMIT = 240


@requirement("abuse:schema")
@pytest.mark.skipif(not COMMAND.exists(), reason="schemathesis is not installed")
@pytest.mark.parametrize("key", ["", "sesame"], ids=["open", "with a key"])
def test_the_fuzzer_finds_no_failure(
    key: str, serve: Serve, scripted: Scripted, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """parts.md H: valid bodies are taken, invalid ones refused, every answer is as documented."""
    scripted.model("schema").forget()
    flags = ("--conversations-max", "20", *(("--api-key", key) if key else ()))
    server = serve(agent_yaml(scripted.url, {"root": "schema", "a/b c": "schema"}), *flags)
    command = [str(COMMAND), "run", f"http://{server.address}/openapi.json", "--no-color"]
    command += ["--phases", "examples,coverage,fuzzing", "--max-examples", "25"]
    command += ["--seed", "1", "--continue-on-failure"]
    if key:
        command += ["--header", f"Authorization: Bearer {key}"]
    else:
        # The document tells of a key; a server without one takes everybody.
        command += ["--exclude-checks", "ignored_auth"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=clean_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=LIMIT,  # seconds
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    [cases] = re.findall(r"(\d+) generated", done.stdout)
    table.figure(request, "requests made up from the document", cases)
    assert int(cases) > 300
    assert "Traceback" not in server.log
    assert server.client(key=key).chat("still well").content == "still well"
