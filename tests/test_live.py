"""The script that asks real providers, and the table that says which were. Source: issue 4."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from scripts.provider_docs import OWN, WORKS, provider_rows

from docker_agent.models.endpoints import ENDPOINTS
from docker_agent.models.table import PROVIDERS
from tests.harness import clean_environment
from tests.models.runner import running
from tests.requirements import requirement

ROOT = Path(__file__).parent.parent


@requirement("providers:live")
def test_each_provider_whose_key_is_set_is_asked_and_the_rest_are_named(tmp_path: Path) -> None:
    """issue 4: `make e2e-live` runs one real chat each and names those it skipped."""
    command = [sys.executable, str(ROOT / "scripts/live.py")]
    with running("ai/qwen3:latest") as runner:
        env = clean_environment(tmp_path, {"MODEL_RUNNER_HOST": runner.address})
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        answered, skipped = done.stdout.splitlines()
        assert answered == "answered dmr ai/qwen3:latest: I run here."
        assert "openai (OPENAI_API_KEY)" in skipped and "google (GOOGLE_API_KEY or" in skipped
        assert "cloudflare-workers-ai (CLOUDFLARE_API_TOKEN, CLOUDFLARE_ACCOUNT_ID)" in skipped
        named = {part.partition(" (")[0] for part in skipped.partition(": ")[2].split("), ")}
        assert named == {*ENDPOINTS, *OWN} - {"dmr"}
        runner.missing = True
        done = subprocess.run(
            [*command, "dmr"], env=env, capture_output=True, text=True, timeout=60
        )
    assert done.returncode == 1
    assert done.stdout.startswith("FAILED   dmr ai/qwen3:latest: model ai/qwen3:latest failed")
    assert "e2e-live:" in (ROOT / "Makefile").read_text()


@requirement("providers:docs")
def test_the_table_of_providers_has_every_protocol() -> None:
    """issue 4: docs/reference/providers.md is generated from the tables."""
    assert set(OWN) == {name for name in PROVIDERS if not name.startswith("openai_")}
    spoken = {part for _, protocol, *_ in provider_rows() for part in protocol.split(", ")}
    assert spoken <= set(WORKS)
    assert len({len(carried) for carried in WORKS.values()}) == 1
