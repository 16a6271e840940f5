"""What is known of models, where it comes from, and what it changes. Source: agent-file.md §3.5."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from docker_agent.loader.choose import AUTO_ROWS
from docker_agent.messages import Usage
from docker_agent.models.catalogue import FILE, Catalogue, cost_of
from docker_agent.models.openai_messages import sampling_fields
from docker_agent.models.port import ModelCard
from tests.conftest import Serve
from tests.harness import run_command
from tests.loader.loading import answer, loaded
from tests.requirements import requirement
from tests.scripted.anthropic import scripted_claude
from tests.scripted.model import Scripted
from tests.scripted.parts import call, say, usage

TINY = {
    "openai": {
        "models": {
            "gpt-4o": {
                "id": "gpt-4o",
                "limit": {"context": 5000, "output": 100},
                "cost": {"input": 1, "output": 2},
                "modalities": {"input": ["text"], "output": ["text"]},
                "release_date": "2024-08-06",
            }
        }
    }
}


def card(provider: str, model: str, folder: Path | None = None, **own: Any) -> ModelCard:  # noqa: ANN401 - fields of a card
    """The card of a model, completed."""
    return Catalogue(folder).completed(ModelCard(model, provider, **own))


@requirement("models:catalogue:known")
@pytest.mark.parametrize(
    ("provider", "model", "context", "output"),
    [
        ("anthropic", "claude-sonnet-4-6", 1_000_000, 64_000),
        ("anthropic", "claude-sonnet-4-5-20250929", 200_000, 64_000),
        ("openai", "gpt-4o-2024-08-06", 128_000, 16_384),
        ("openai", "gpt-5.6", 1_050_000, 128_000),
        ("google", "gemini-3.5-flash", 1_048_576, 65_536),
        ("openai", "gpt-nobody", 0, 0),
        ("nobody", "gpt-4o", 0, 0),
    ],
)
def test_windows_are_known_offline(provider: str, model: str, context: int, output: int) -> None:
    """agent-file.md §3.5: a snapshot is shipped; a missing model has an unknown window."""
    found = card(provider, model)
    assert (found.context, found.output) == (context, output)


@requirement("models:catalogue:known")
def test_the_models_that_auto_takes_of_the_big_providers_are_known() -> None:
    """agent-file.md §3.3 and §3.5."""
    for row in AUTO_ROWS:
        if row.provider in ("anthropic", "openai", "google", "mistral", "deepseek", "groq"):
            found = card(row.provider, row.model)
            assert found.context and found.price_in is not None, row


@requirement("models:catalogue:file")
def test_what_the_file_says_stays() -> None:
    """agent-file.md §3.7: context_size is authoritative, capabilities are."""
    found = card("openai", "gpt-4o", context=9000, image=False)
    assert (found.context, found.image, found.document) == (9000, False, True)
    unknown = card("openai", "gpt-nobody", image=True)
    assert (unknown.image, unknown.document, unknown.price_in) == (True, None, None)


@requirement("models:catalogue:file")
def test_a_fetched_catalogue_goes_before_the_shipped_one(tmp_path: Path) -> None:
    """agent-file.md §3.5: `~/.cagent/models_dev.json`; what it does not have is looked up in the
    snapshot; a broken one is passed over."""
    kept = {"database": {"providers": TINY}, "last_refresh": "x", "etag": "e"}
    (tmp_path / FILE).write_text(json.dumps(kept))
    assert card("openai", "gpt-4o", tmp_path).context == 5000
    assert card("openai", "gpt-4o", tmp_path).image is False
    assert card("openai", "gpt-5", tmp_path).context == 400_000
    (tmp_path / FILE).write_text("{")
    assert card("openai", "gpt-4o", tmp_path).context == 128_000


@requirement("models:catalogue:cost")
def test_a_call_costs_what_its_tokens_cost() -> None:
    """runtime.md §3.9: fresh, cached and written prompts, and the answer; null without a price."""
    found = card("anthropic", "claude-sonnet-4-6")
    spent = Usage(prompt=1_600_000, completion=100_000, cached=500_000, cache_write=100_000)
    assert cost_of(found, spent) == pytest.approx(3.0 + 1.5 + 0.15 + 0.375)
    assert cost_of(card("openai", "x"), spent) is None
    total = Usage(1, cost=0.5) + Usage(2) + Usage(3, cost=0.25)
    assert (total.prompt, total.cost) == (6, 0.75)
    assert (Usage() + Usage()).cost is None


@requirement("models:catalogue:clamp")
def test_the_cap_on_an_answer_leaves_room_in_the_window() -> None:
    """agent-file.md §3.2.3: clamped to the window minus 1024, when the window is known."""
    from docker_agent.messages import NO_SAMPLING, Sampling

    for context, sent in ((0, 9000), (8192, 7168), (100_000, 9000), (1024, 9000)):
        fields = sampling_fields(
            Sampling(max_tokens=9000),
            NO_SAMPLING,
            output_field="max_tokens",
            tools=False,
            context=context,
        )
        assert fields["max_tokens"] == sent
    fields = sampling_fields(
        NO_SAMPLING, NO_SAMPLING, output_field="max_tokens", tools=False, context=8192
    )
    assert "max_tokens" not in fields


@requirement("models:catalogue:clamp")
@pytest.mark.anyio
async def test_a_claude_may_answer_as_long_as_it_can(tmp_path: Path) -> None:
    """agent-file.md §3.6: the catalogue's output limit before 32,000."""
    with scripted_claude() as claude:
        for model, most in (("claude-sonnet-4-6", 64_000), ("claude-nobody", 32_000)):
            declared = {"provider": "anthropic", "model": model, "base_url": claude.url}
            content = {"models": {"m": declared}, "agents": {"root": {"model": "m"}}}
            async with loaded(tmp_path, content, {"ANTHROPIC_API_KEY": "k"}) as team:
                await answer(team.agents["root"])
            assert claude.model(model).heard[-1].body["max_tokens"] == most


@requirement("models:catalogue:header")
def test_a_whole_reply_says_what_it_cost(scripted: Scripted, serve: Serve) -> None:
    """issue 4.5: an optional header, all calls of the run together; not without the flag."""
    declared = {"provider": "openai", "model": "gpt-4o", "base_url": scripted.url}
    root = {"model": "m", "toolsets": [{"type": "think"}]}
    file = json.dumps({"models": {"m": declared}, "agents": {"root": root}}, indent=1)
    model = scripted.model("gpt-4o")
    acting = call("think", {"thought": "x"}) + usage(1000, 100)
    answers = (acting, say("Hi") + usage(1000, 100, cached=400))
    server = serve(file, "--cost-header")
    model.script(*answers)
    reply = server.client().chat("hi")
    assert reply.headers["x-cost-usd"] == "0.006500"
    model.script(*answers)
    assert "x-cost-usd" not in serve(file).client().chat("hi").headers
    model.forget()


class _Publisher(BaseHTTPRequestHandler):
    """A site that publishes a catalogue, with a tag."""

    body = b""

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        same = self.headers.get("If-None-Match") == '"v1"'
        self.send_response(304 if same else 200)
        self.send_header("ETag", '"v1"')
        self.end_headers()
        if not same:
            self.wfile.write(self.body)


@pytest.fixture
def site() -> Generator[str]:
    """Where a catalogue is published."""
    server = HTTPServer(("127.0.0.1", 0), _Publisher)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/api.json"
    server.shutdown()
    server.server_close()
    thread.join()


@requirement("models:catalogue:refresh")
def test_the_catalogue_is_fetched_when_asked_for(site: str, tmp_path: Path) -> None:
    """issue 4.5: refreshed when online and asked to; agent-file.md §3.5: If-None-Match; what is
    there stays when it fails."""
    env = {"DOCKER_AGENT_MODELS_CATALOGUE": site}

    def refresh() -> tuple[int, str]:
        done = run_command("models", "refresh", home=tmp_path, env=env)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stderr

    _Publisher.body = b"<html>"
    assert refresh()[0] == 1
    assert not (tmp_path / ".cagent" / FILE).exists()
    _Publisher.body = json.dumps(TINY).encode()
    assert refresh() == (0, "the catalogue has 1 models of 1 providers\n")
    assert card("openai", "gpt-4o", tmp_path / ".cagent").context == 5000
    assert refresh() == (0, "the catalogue is as new as can be\n")
    env["DOCKER_AGENT_MODELS_CATALOGUE"] = "http://127.0.0.1:9/"
    status, said = refresh()
    assert status == 1 and "the one that is here stays" in said
    env["DOCKER_AGENT_MODELS_CATALOGUE"] = "file:///etc/passwd"
    assert "is no http(s) address" in refresh()[1]
    assert card("openai", "gpt-4o", tmp_path / ".cagent").context == 5000
