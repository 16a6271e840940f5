"""aider's one-shot mode, in a git repository of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from commands import CommandFailed, run
from wire import Ask, serve

AIDER = str(Path(sys.executable).with_name("aider"))
QUIET = [
    "--no-show-model-warnings",
    "--no-check-update",
    "--analytics-disable",
    "--no-gitignore",
    "--yes-always",
    "--no-auto-commits",
    "--no-fancy-input",
    "--no-pretty",
    "--map-tokens=0",
    "--no-detect-urls",
    "--no-suggest-shell-commands",
]
REFUSED = re.compile(r"litellm\.\w*Error|The API provider")
TOO_LONG = "has hit a token limit"
"""Also said of an answer that was cut, which a small model with a small limit may well give."""


def aider(ask: Ask, *flags: str) -> Any:
    home = Path(tempfile.mkdtemp(dir=os.environ["HOME"]))
    subprocess.run(["git", "init", "--quiet", str(home)], check=True, capture_output=True)
    (home / "main.py").write_text("x = 1\n")
    env = {
        "OPENAI_API_BASE": ask["url"],
        "OPENAI_API_KEY": ask["key"],
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@example.com",
        "HOME": str(home),
    }
    command = [AIDER, "--model", f"openai/{ask['model']}", *QUIET, *flags]
    command += ["--message", ask.get("text", "hi"), "main.py"]
    said = run(command, env=env, cwd=home)
    if REFUSED.search(said) or (TOO_LONG in said and not ask.get("may_be_cut")):
        raise CommandFailed(said)
    used = re.search(r"Tokens: ([\d.k,]+) sent, ([\d.k,]+) received", said)
    return {
        "text": said,
        "usage": [int(part) for part in used.groups()] if used else None,
        "file": (home / "main.py").read_text(),
    }


serve(
    whole=lambda ask: aider(ask, "--no-stream"),
    stream=lambda ask: aider(ask, "--stream"),
    edit=lambda ask: aider(ask, "--stream", "--edit-format", "whole"),
)
