"""simonw's `llm`, as a person would use it in a shell."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from commands import run
from wire import SCHEMA, Ask, serve

LLM = str(Path(sys.executable).with_name("llm"))
FUNCTION = '''
def weather(city: str) -> str:
    """The weather in a city."""
    return f"22 degrees in {city}"
'''


def llm(ask: Ask, *flags: str, home: Path | None = None) -> str:
    home = home or Path(tempfile.mkdtemp(dir=os.environ["HOME"]))
    entry = {
        "model_id": "agent",
        "model_name": ask["model"],
        "api_base": ask["url"],
        "api_key_name": "agents",
        "headers": ask.get("headers") or {},
        "supports_tools": True,
        "supports_schema": True,
    }
    (home / "extra-openai-models.yaml").write_text(json.dumps([entry]))
    command = [LLM, "prompt", "-m", "agent", "--key", ask["key"], *flags, ask.get("text", "hi")]
    if "max_tokens" in ask:
        command += ["-o", "max_tokens", str(ask["max_tokens"])]
    return run(command, env={"LLM_USER_PATH": str(home)}).removesuffix("\n")


def logged_usage(home: Path) -> list[int]:
    logs = run([LLM, "logs", "list", "-n", "1", "--json"], env={"LLM_USER_PATH": str(home)})
    row = json.loads(logs)[0]
    given, got = row["input_tokens"], row["output_tokens"]
    return [given, got, given + got]


def asked(ask: Ask, *flags: str) -> Any:
    home = Path(tempfile.mkdtemp(dir=os.environ["HOME"]))
    return {"text": llm(ask, *flags, home=home), "usage": logged_usage(home)}


serve(
    whole=lambda ask: asked(ask, "--no-stream"),
    stream=asked,
    tools=lambda ask: {"text": llm(ask, "--no-stream", "--functions", FUNCTION)},
    tools_stream=lambda ask: {"text": llm(ask, "--functions", FUNCTION)},
    schema=lambda ask: json.loads(llm(ask, "--no-stream", "--schema", json.dumps(SCHEMA))),
)
