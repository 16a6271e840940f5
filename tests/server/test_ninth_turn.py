"""An overload deep in a run: retried where it happened. Source: issue 4, done when."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Serve
from tests.harness import Server, agent_yaml
from tests.requirements import requirement
from tests.scripted import bedrock_parts, gemini_parts, parts
from tests.scripted.anthropic import scripted_claude
from tests.scripted.anthropic_parts import overloaded
from tests.scripted.bedrock import BEARER, scripted_bedrock
from tests.scripted.client import finish_of, text_of
from tests.scripted.gemini import gemini_server
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import begin, die, fail
from tests.scripted.responses import failed
from tests.scripted.steps import Reply

TURNS = 9
SHELL = [{"type": "shell"}]


def run_of(words: Any, trouble: Reply) -> list[Reply]:  # noqa: ANN401 - a module of parts
    """Eight turns that speak and act, trouble in the ninth, and its end."""
    acting = [
        words.say(f"Step {n}.") + words.call("shell", {"cmd": f"echo {n} >> ran.txt"})
        for n in range(1, TURNS)
    ]
    return [*acting, trouble, words.say("Done", ".")]


def check(server: Server, home: Path, model: Model, replies: list[Reply]) -> None:
    """Streamed and whole: every step ran once, every text came once."""
    steps = [f"Step {n}." for n in range(1, TURNS)]
    expected = "\n\n".join([*steps, "Done."])
    for streamed in (True, False):
        (home / "ran.txt").unlink(missing_ok=True)
        model.forget().script(*replies)
        if streamed:
            with server.client().stream("go") as stream:
                chunks = stream.rest()
            assert (text_of(chunks), finish_of(chunks)) == (expected, "stop")
        else:
            assert server.client().chat("go").content == expected
        ran = (home / "ran.txt").read_text().split()
        assert ran == [str(n) for n in range(1, TURNS)]
        assert len(model.heard) == TURNS + 1
        assert model.heard[-1].raw == model.heard[-2].raw


@requirement("models:fallback:ninth-turn")
@pytest.mark.parametrize(
    "trouble", [fail(529, "Overloaded", type="overloaded_error"), die()], ids=["529", "cut"]
)
def test_an_overload_in_the_ninth_turn_is_retried_there(
    scripted: Scripted, model: Model, serve: Serve, tmp_path: Path, trouble: Reply
) -> None:
    """DESIGN.md §8: a call is retried, a run is never restarted, a tool never runs twice."""
    file = agent_yaml(scripted.url, {"root": {"model": model.name, "toolsets": SHELL}})
    server = serve(file, "--working-dir", str(tmp_path))
    check(server, tmp_path, model, run_of(parts, trouble))


@requirement("models:fallback:ninth-turn")
@pytest.mark.parametrize(
    "trouble",
    [fail(529, "Overloaded"), failed("server_error", "Overloaded"), begin() + die()],
    ids=["529", "failed", "cut"],
)
def test_the_responses_api_is_retried_there(
    scripted: Scripted, serve: Serve, tmp_path: Path, trouble: Reply
) -> None:
    """The same over OpenAI's Responses API, where a call may also fail after it began."""
    model = scripted.model("gpt-5-ninth")
    declared = {"provider": "openai", "model": model.name, "base_url": scripted.url}
    root = {"model": "m", "toolsets": SHELL}
    file = json.dumps({"models": {"m": declared}, "agents": {"root": root}}, indent=1)
    server = serve(file, "--working-dir", str(tmp_path), env={"OPENAI_API_KEY": "k"})
    check(server, tmp_path, model, run_of(parts, trouble))
    assert model.heard[0].path == "/v1/responses"


@requirement("models:fallback:ninth-turn")
@pytest.mark.parametrize("provider", ["anthropic", "google", "amazon-bedrock"])
def test_the_other_protocols_are_retried_there_too(
    serve: Serve, tmp_path: Path, provider: str
) -> None:
    """The same in their own words."""
    opened: Callable[[], Any]
    if provider == "anthropic":
        opened, name, words, trouble = scripted_claude, "ninth", parts, overloaded()
    elif provider == "amazon-bedrock":
        opened, name, words = scripted_bedrock, "ninth", parts
        trouble = bedrock_parts.raised("modelStreamErrorException", "Overloaded")
    else:
        opened, name, words = gemini_server, "gemini-3-ninth", gemini_parts
        trouble = gemini_parts.overloaded()
    with opened() as vendor:
        declared = {"provider": provider, "model": name, "base_url": vendor.url}
        root = {"model": "m", "toolsets": SHELL}
        file = json.dumps({"models": {"m": declared}, "agents": {"root": root}}, indent=1)
        keys = {"ANTHROPIC_API_KEY": "k", "GOOGLE_API_KEY": "k", "AWS_BEARER_TOKEN_BEDROCK": BEARER}
        server = serve(file, "--working-dir", str(tmp_path), env=keys)
        check(server, tmp_path, vendor.model(name), run_of(words, trouble))
        server.stop()
