"""What is known of models, where it comes from, and what it changes. Source: agent-file.md §3.5."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from docker_agent.errors import ModelError
from docker_agent.loader.choose import AUTO_ROWS
from docker_agent.messages import Usage, UserMessage
from docker_agent.models.catalogue import FILE, Catalogue, cost_of
from docker_agent.models.gateway import parse_gateway
from docker_agent.models.openai_messages import sampling_fields
from docker_agent.models.port import Ask, ModelCard
from tests.conftest import Serve
from tests.loader.loading import answer, loaded
from tests.models.talking import Told
from tests.requirements import requirement
from tests.scripted.anthropic import scripted_claude
from tests.scripted.model import Scripted
from tests.scripted.parts import call, fail, say, usage

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


NAMED = {
    "anthropic": {
        "models": {
            "claude-next": {"name": "Claude Next (latest)"},
            "claude-next-20300101": {"name": "Claude Next"},
            "claude-next-20310101": {"name": "Claude Next"},
            "claude-next-fast-20320101": {"name": "Claude Next Fast"},
            "claude-lone": {"name": "Claude Lone (latest)"},
            "claude-own": {"name": "Claude Own"},
        }
    }
}


@requirement("models:catalogue:latest")
def test_a_name_for_the_newest_version_has_a_dated_id(tmp_path: Path) -> None:
    """agent-file.md §3.5: its name ends " (latest)", the dated one has the same without."""
    (tmp_path / FILE).write_text(json.dumps({"database": {"providers": NAMED}}))
    dated = Catalogue(tmp_path).dated
    assert dated("anthropic", "claude-next") == "claude-next-20310101"
    assert dated("anthropic", "claude-sonnet-4-5") == "claude-sonnet-4-5-20250929"
    assert dated("anthropic", "claude-sonnet-4-0") == "claude-sonnet-4-20250514"
    for name in ("claude-next-20300101", "claude-lone", "claude-own", "claude-nobody"):
        assert dated("anthropic", name) is None, name
    assert dated("nobody", "claude-next") is None


@requirement("models:catalogue:latest")
@pytest.mark.anyio
async def test_named_models_and_targets_of_routers_are_asked_by_their_dated_ids(
    tmp_path: Path,
) -> None:
    """agent-file.md §3.5: not inline references, not models with an address of their own; messages
    keep the file's name."""
    short, dated = "claude-haiku-4-5", "claude-haiku-4-5-20251001"
    inline, target = f"anthropic/{short}", "anthropic/claude-opus-4-5"
    with scripted_claude() as claude:
        named = {"provider": "anthropic", "model": short}
        routing = [{"model": target, "examples": ["prove the theorem"]}]
        content: dict[str, Any] = {
            "models": {
                "named": named,
                "elsewhere": {**named, "base_url": claude.url, "bypass_models_gateway": True},
                "router": {"provider": "anthropic", "model": "claude-own", "routing": routing},
            },
            "agents": {
                name: {"model": model}
                for name, model in {
                    "root": "named",
                    "plain": inline,
                    "elsewhere": "elsewhere",
                    "router": "router",
                }.items()
            },
        }
        env = {"DOCKER_TOKEN": "t", "ANTHROPIC_API_KEY": "k"}
        gateway = parse_gateway(claude.url)
        async with loaded(tmp_path, content, env, gateway=gateway) as team:
            for name, model in {
                "root": dated,
                "plain": short,
                "elsewhere": short,
                "router": "claude-opus-4-5-20251101",
            }.items():
                ask = Ask((UserMessage("prove the theorem"),))
                await team.agents[name].model.reply(ask, Told().hear)
                assert claude.model(model).heard[-1].body["model"] == model
            claude.model(dated).script(fail(400, "no"))
            with pytest.raises(ModelError, match=f"model {short} failed"):
                await answer(team.agents["root"])


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


@requirement("models:catalogue:metric")
def test_what_was_spent_is_counted(scripted: Scripted, serve: Serve) -> None:
    """issue 4.5: prices for a metric; the calls of streams too, by agent and model; a model
    without a price is not said to cost nothing."""
    declared = {"provider": "openai", "model": "gpt-4o", "base_url": scripted.url}
    agents = {"root": {"model": "m"}, "cheap": {"model": "free"}}
    models = {"m": declared, "free": {**declared, "model": "priceless"}}
    server = serve(json.dumps({"models": models, "agents": agents}, indent=1))
    scripted.model("gpt-4o").script(say("Hi") + usage(1000, 100))
    scripted.model("priceless").script(say("Hi") + usage(1000, 100))
    server.client("root").chat("hi")
    with server.client("root").stream("hi") as stream:
        stream.rest()
    server.client("cheap").chat("hi")
    told = server.client().get("/metrics").text
    lines = [one for one in told.splitlines() if one.startswith("docker_agent_cost_dollars_total")]
    assert lines == ['docker_agent_cost_dollars_total{agent="root",model="gpt-4o"} 0.007']
    for name in ("gpt-4o", "priceless"):
        scripted.model(name).forget()
