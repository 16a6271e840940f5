"""What a declared model comes down to, and what its provider then hears."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from docker_agent.config.agent_file import AgentFile
from docker_agent.config.parse import parse
from docker_agent.errors import ConfigError
from docker_agent.messages import JSON
from docker_agent.models.endpoints import ENDPOINTS, required_variables
from docker_agent.models.resolve import Resolved, output_field, resolve
from tests.requirements import requirement


def file_of(model: Mapping[str, JSON], providers: Mapping[str, JSON] | None = None) -> AgentFile:
    """An agent file whose only named model is `m`."""
    content: JSON = {"version": "12", "models": {"m": model}, "agents": {"root": {"model": "m"}}}
    if providers:
        content["providers"] = providers
    return parse(json.dumps(content).encode(), "agent.yaml")


def resolved(model: Mapping[str, JSON], providers: Mapping[str, JSON] | None = None) -> Resolved:
    """The whole of that model."""
    file = file_of(model, providers)
    return resolve(file.models["m"], file.providers)


BASE = "http://base.test/v1"
CUSTOM = {"api_type": "openai_chatcompletions", "base_url": BASE}

WHERE: dict[str, tuple[dict[str, JSON], dict[str, JSON], tuple[str, str | None, str | None]]] = {
    "an alias": (
        {"provider": "groq"},
        {},
        ("https://api.groq.com/openai/v1", "GROQ_API_KEY", None),
    ),
    "an alias with another key": (
        {"provider": "groq", "token_key": "MINE"},
        {},
        ("https://api.groq.com/openai/v1", "MINE", None),
    ),
    "an alias elsewhere": (
        {"provider": "groq", "base_url": BASE},
        {},
        (BASE, None, "GROQ_API_KEY"),
    ),
    "openai": (
        {"provider": "openai"},
        {},
        ("https://api.openai.com/v1", "OPENAI_API_KEY", None),
    ),
    "openai elsewhere": (
        {"provider": "openai", "base_url": BASE},
        {},
        (BASE, None, "OPENAI_API_KEY"),
    ),
    "openai elsewhere with its key": (
        {"provider": "openai", "base_url": BASE, "token_key": "MINE"},
        {},
        (BASE, "MINE", None),
    ),
    "ollama": ({"provider": "ollama"}, {}, ("http://localhost:11434/v1", None, None)),
    "ollama elsewhere": ({"provider": "ollama", "base_url": BASE}, {}, (BASE, None, None)),
    "azure": ({"provider": "azure", "base_url": BASE}, {}, (BASE, None, "AZURE_API_KEY")),
    "a definition without key": ({"provider": "mine"}, {"mine": CUSTOM}, (BASE, None, None)),
    "a definition with its key": (
        {"provider": "mine"},
        {"mine": {**CUSTOM, "token_key": "MINE"}},
        (BASE, "MINE", None),
    ),
    "a model over its definition": (
        {"provider": "mine", "base_url": "http://own.test", "token_key": "OWN"},
        {"mine": {**CUSTOM, "token_key": "MINE"}},
        ("http://own.test", "OWN", None),
    ),
    "a definition of an alias (Q16)": (
        {"provider": "mine"},
        {"mine": {"provider": "openrouter", "temperature": 0.5}},
        ("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", None),
    ),
    "a definition of an alias with its key": (
        {"provider": "mine"},
        {"mine": {"provider": "openrouter", "token_key": "MINE"}},
        ("https://openrouter.ai/api/v1", "MINE", None),
    ),
    "a definition of an alias elsewhere": (
        {"provider": "mine"},
        {"mine": {"provider": "openrouter", "base_url": BASE}},
        (BASE, None, None),
    ),
    "a definition in a builtin's name": (
        {"provider": "groq"},
        {"groq": CUSTOM},
        (BASE, None, None),
    ),
}


@requirement("models:resolve:address")
@pytest.mark.parametrize(("model", "providers", "where"), WHERE.values(), ids=WHERE.keys())
def test_where_a_model_is_and_which_key_opens_it(
    model: dict[str, JSON],
    providers: dict[str, JSON],
    where: tuple[str, str | None, str | None],
) -> None:
    """agent-file.md §2.8, §3.1 and §3.2.1 with Q16: address, needed key, key sent if set."""
    found = resolved({"model": "x", **model}, providers)
    assert (found.base_url, found.key, found.optional_key) == where


SETTINGS: dict[str, JSON] = {
    "temperature": 0.5,
    "max_tokens": 50,
    "top_p": 0.5,
    "frequency_penalty": 0.5,
    "presence_penalty": 0.5,
}


@requirement("models:resolve:merge")
def test_a_definition_fills_what_its_model_leaves_open() -> None:
    """agent-file.md §2.8.1: defaults for models; a model's own value wins, 0 too."""
    providers: dict[str, JSON] = {"mine": {**CUSTOM, **SETTINGS, "track_usage": False}}
    filled = resolved({"provider": "mine", "model": "x"}, providers)
    assert filled.track_usage is False
    for name, value in SETTINGS.items():
        assert getattr(filled.sampling, name) == value
    own: dict[str, JSON] = {"temperature": 0, "top_p": 0.25, "track_usage": True}
    kept = resolved({"provider": "mine", "model": "x", **own}, providers)
    assert (kept.sampling.temperature, kept.sampling.top_p, kept.track_usage) == (0, 0.25, True)
    assert kept.sampling.max_tokens == 50


@requirement("models:resolve:merge")
def test_provider_options_merge_key_by_key() -> None:
    """agent-file.md §2.8.1: the model wins for each key, `seed` and headers included."""
    mine = {**CUSTOM, "provider_opts": {"seed": 1, "top_k": 2, "min_p": 0.1}}
    found = resolved(
        {"provider": "mine", "model": "x", "provider_opts": {"top_k": 5}}, {"mine": mine}
    )
    assert found.options == {
        "api_type": CUSTOM["api_type"],
        "seed": 1,
        "top_k": 5,
        "min_p": 0.1,
    }
    assert found.sampling.seed == 1


@requirement("models:resolve:merge")
@pytest.mark.parametrize("seed", ["1", True, 1.5, None])
def test_a_seed_that_is_no_number_is_left_out(seed: JSON) -> None:
    """agent-file.md §3.7: wrong-typed values are ignored."""
    found = resolved({"provider": "openai", "model": "x", "provider_opts": {"seed": seed}})
    assert found.sampling.seed is None


@requirement("models:resolve:merge")
@pytest.mark.parametrize(
    ("model", "providers", "merge"),
    [
        ({"provider": "openai"}, {}, False),
        ({"provider": "openai", "base_url": BASE}, {}, True),
        ({"provider": "groq"}, {}, False),
        ({"provider": "groq", "base_url": BASE}, {}, False),
        (
            {"provider": "groq", "provider_opts": {"api_type": "openai_chatcompletions"}},
            {},
            True,
        ),
        ({"provider": "nebius"}, {}, True),
        ({"provider": "mine"}, {"mine": CUSTOM}, True),
        ({"provider": "mine"}, {"mine": {"provider": "groq"}}, True),
    ],
)
def test_who_gets_neighbours_merged(
    model: dict[str, JSON], providers: dict[str, JSON], merge: bool
) -> None:
    """agent-file.md §3.2.1: by row, by explicit api_type, and openai with a base_url."""
    assert resolved({"model": "x", **model}, providers).merge is merge


@requirement("models:resolve:protocol")
@pytest.mark.parametrize(
    ("model", "providers", "protocol"),
    [
        ({"provider": "openai"}, {}, "openai_chatcompletions"),
        ({"provider": "mine"}, {"mine": CUSTOM}, "openai_chatcompletions"),
        (
            {"provider": "openai", "provider_opts": {"api_type": "openai_responses"}},
            {},
            "openai_responses",
        ),
        (
            {"provider": "mine", "provider_opts": {"api_type": "openai_responses"}},
            {"mine": CUSTOM},
            "openai_responses",
        ),
        ({"provider": "anthropic"}, {}, "anthropic"),
        ({"provider": "mine"}, {"mine": {"provider": "anthropic"}}, "anthropic"),
        ({"provider": "local"}, {}, "local"),
    ],
)
def test_which_protocol_a_model_speaks(
    model: dict[str, JSON], providers: dict[str, JSON], protocol: str
) -> None:
    """agent-file.md §3.1 step 5: the model's option, the definition's, the provider's."""
    assert resolved({"model": "x", **model}, providers).protocol == protocol


@requirement("models:resolve:protocol")
def test_a_protocol_nobody_knows_is_an_error() -> None:
    """agent-file.md §2.8.1: any other value is an error, at its place."""
    with pytest.raises(ConfigError, match="api_type"):
        resolved({"provider": "openai", "model": "x", "provider_opts": {"api_type": "soap"}})


@requirement("models:resolve:output")
@pytest.mark.parametrize(
    ("model", "field"),
    [
        ("gpt-4o", "max_tokens"),
        ("gpt-4.1-mini", "max_completion_tokens"),
        ("GPT-5", "max_completion_tokens"),
        ("o3", "max_completion_tokens"),
        ("openai/gpt-5.6", "max_completion_tokens"),
        ("my-codex", "max_completion_tokens"),
        ("codex-mini", "max_completion_tokens"),
        ("llama-3", "max_tokens"),
        ("gpt-5/llama", "max_tokens"),
    ],
)
def test_what_the_cap_on_tokens_is_called(model: str, field: str) -> None:
    """agent-file.md §3.1 and §3.2.3: by the bare, lower-case id."""
    assert output_field(resolved({"provider": "openrouter", "model": model})) == field


@requirement("models:resolve:thinking")
@pytest.mark.parametrize(
    ("provider", "model", "budget", "effort"),
    [
        ("openai", "gpt-5", "high", "high"),
        ("openai", "gpt-5", " High ", "high"),
        ("openai", "gpt-5", None, None),
        ("openai", "gpt-5", 0, None),
        ("openai", "gpt-5", "none", None),
        ("openai", "gpt-5.6", "none", "none"),
        ("openai", "gpt-5.6-sol", 0, None),
        ("openai", "o3-mini", None, "medium"),
        ("openai", "o1", "low", "low"),
        ("openai", "o4-mini", "none", None),
        ("openai", "gpt-5-chat-latest", "high", None),
        ("openai", "gpt-4o", "high", None),
        ("openai", "gpt-4o", 1024, None),
        ("azure", "gpt-5", "minimal", "minimal"),
        ("openrouter", "openai/gpt-5", "low", "low"),
        ("openrouter", "openai/gpt-5.6", "none", "none"),
        ("openrouter", "meta/llama", "low", None),
        ("groq", "o3", "low", "low"),
        ("github-copilot", "gpt-5", "high", "high"),
        ("opencode-zen", "o4-mini", None, "medium"),
        ("github-copilot", "gpt-5.6", "none", None),
    ],
)
def test_a_thinking_budget_is_an_effort_to_openais_models(
    provider: str, model: str, budget: JSON, effort: str | None
) -> None:
    """agent-file.md §3.9: o-series and gpt-5, whoever serves them; `none` from gpt-5.6 on, and at
    OpenAI's own endpoints."""
    given: dict[str, JSON] = {} if budget is None else {"thinking_budget": budget}
    found = resolved({"provider": provider, "model": model, "base_url": BASE, **given})
    assert found.sampling.reasoning_effort == effort


@requirement("models:resolve:thinking")
@pytest.mark.parametrize("budget", [1024, -1, "adaptive", "adaptive/low"])
def test_a_budget_that_openai_does_not_know_is_an_error(budget: JSON) -> None:
    """agent-file.md §3.9: an integer or adaptive is an error, with the efforts there are."""
    with pytest.raises(ConfigError, match=r"thinking_budget: .* use one of none, minimal"):
        resolved({"provider": "openai", "model": "gpt-5", "thinking_budget": budget})


@requirement("models:resolve:endpoints")
@pytest.mark.parametrize("name", ENDPOINTS)
def test_every_row_needs_what_it_says(name: str) -> None:
    """agent-file.md §6.4: a row needs its key and the names in its address."""
    endpoint = ENDPOINTS[name]
    needed = required_variables()[name]
    assert set(needed) >= ({endpoint.key} if endpoint.key else set())
    assert all(f"${{{variable}}}" in endpoint.base_url for variable in needed[1:])
    if name != "azure":
        found = resolved({"provider": name, "model": "x"})
        assert (found.base_url, found.key) == (endpoint.base_url, endpoint.key)
