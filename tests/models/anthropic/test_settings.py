"""What an agent file says of a Claude model, and what comes of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_agent.config.model import ADAPTIVE, EFFORTS
from docker_agent.env.chain import Values
from docker_agent.errors import ConfigError
from docker_agent.messages import JSON
from docker_agent.models.anthropic_request import MessagesSettings
from docker_agent.models.anthropic_settings import messages_settings
from docker_agent.models.anthropic_thinking import Thinking, is_adaptive, thinking_of, version_of
from tests.models.test_resolve import resolved
from tests.requirements import requirement

KEYS = {"ANTHROPIC_API_KEY": "k", "MINE": "m", "HOST": "h.test", "VERSION": "4-5"}
OLD = "claude-sonnet-4-5"
NEW = "claude-sonnet-4-6"


def settings_of(
    model: Mapping[str, JSON],
    providers: Mapping[str, JSON] | None = None,
    env: Mapping[str, str] = KEYS,
    output: int = 0,
) -> MessagesSettings:
    """The settings of a model; provider and model id are filled in."""
    whole = {"provider": "anthropic", "model": OLD, **model}
    return messages_settings(resolved(whole, providers), Values(env), output)


OURS = "https://api.anthropic.com/v1/messages"
WHERE: dict[str, tuple[dict[str, JSON], dict[str, JSON], tuple[str, str | None]]] = {
    "by itself": ({}, {}, (OURS, "k")),
    "another key": ({"token_key": "MINE"}, {}, (OURS, "m")),
    "elsewhere": ({"base_url": "http://a.test/"}, {}, ("http://a.test/v1/messages", "k")),
    "elsewhere with its key": (
        {"base_url": "http://a.test/x", "token_key": "MINE"},
        {},
        ("http://a.test/x/v1/messages", "m"),
    ),
    "an address that names the version": (
        {"base_url": "http://$HOST/v1/"},
        {},
        ("http://h.test/v1/messages", "k"),
    ),
    "a definition": ({"provider": "mine"}, {"mine": {"provider": "anthropic"}}, (OURS, "k")),
    "a definition elsewhere": (
        {"provider": "mine"},
        {"mine": {"provider": "anthropic", "base_url": "http://a.test"}},
        ("http://a.test/v1/messages", None),
    ),
    "a definition with its key": (
        {"provider": "mine"},
        {"mine": {"provider": "anthropic", "base_url": "http://a.test", "token_key": "MINE"}},
        ("http://a.test/v1/messages", "m"),
    ),
}


@requirement("models:anthropic:key")
@pytest.mark.parametrize(("model", "providers", "where"), WHERE.values(), ids=WHERE.keys())
def test_where_a_model_is_and_which_key_opens_it(
    model: dict[str, JSON], providers: dict[str, JSON], where: tuple[str, str | None]
) -> None:
    """agent-file.md §2.8.1 and §3.2.2; token_key is honoured (a decision on Q3)."""
    settings = settings_of(model, providers)
    assert (settings.url, settings.headers.get("x-api-key")) == where
    assert [*settings.secrets] == ([] if where[1] is None else [where[1]])
    assert settings.headers["anthropic-version"] == "2023-06-01"


@requirement("models:anthropic:key")
@pytest.mark.parametrize("name", ["ANTHROPIC_API_KEY", "MINE"])
@pytest.mark.parametrize("value", [{}, {"ANTHROPIC_API_KEY": "", "MINE": ""}])
def test_a_missing_key_is_named(name: str, value: dict[str, str]) -> None:
    """agent-file.md §3.2.1: the variable's name."""
    model = {} if name == "ANTHROPIC_API_KEY" else {"token_key": name}
    with pytest.raises(ConfigError, match=f"{name} environment variable is required"):
        settings_of(model, env=value)


@requirement("models:anthropic:key")
def test_a_server_elsewhere_may_need_no_key() -> None:
    """agent-file.md §6.4: base_url set, nothing required."""
    assert "x-api-key" not in settings_of({"base_url": "http://a.test"}, env={}).headers


@requirement("models:anthropic:options")
def test_the_options_of_the_file_are_read() -> None:
    """agent-file.md §3.7: top_k, fallbacks, headers; wrong types are ignored."""
    settings = settings_of(
        {
            "model": "claude-sonnet-$VERSION",
            "track_usage": False,
            "temperature": 0.5,
            "provider_opts": {
                "top_k": 5,
                "fallbacks": ["a", 1, "b"],
                "http_headers": {"Anthropic-Beta": "x, y", "X-Team": "t"},
            },
        }
    )
    assert settings.model == OLD
    assert (settings.top_k, settings.fallbacks, settings.betas) == (5, ("a", "b"), ("x", "y"))
    assert settings.headers["X-Team"] == "t"
    assert "Anthropic-Beta" not in settings.headers
    assert (settings.track_usage, settings.sampling.temperature) == (False, 0.5)
    odd = settings_of({"provider_opts": {"top_k": True, "fallbacks": "a"}})
    assert (odd.top_k, odd.fallbacks) == (None, ())


@requirement("models:anthropic:options")
@pytest.mark.parametrize(
    ("budget", "sent"), [(None, 0), (0, 0), (20_000, 20_000), ({"total": 30_000}, 30_000)]
)
def test_a_task_has_its_budget(budget: JSON, sent: int) -> None:
    """agent-file.md §2.7.1: a number or an object; 0 is off."""
    assert settings_of({} if budget is None else {"task_budget": budget}).task_budget == sent


@requirement("models:anthropic:auth")
def test_a_variable_nobody_set_is_named() -> None:
    """agent-file.md §3.1: model and base_url are expanded."""
    with pytest.raises(ConfigError, match="NOWHERE"):
        settings_of({"model": "$NOWHERE"})


CAPS: list[tuple[dict[str, JSON], int, int]] = [
    ({}, 0, 32_000),
    ({}, 64_000, 64_000),
    ({"max_tokens": 100}, 64_000, 100),
    ({"max_tokens": 0}, 64_000, 8192),
    ({"thinking_budget": 40_000}, 0, 48_192),
    ({"thinking_budget": 40_000, "max_tokens": 0}, 0, 48_192),
    ({"thinking_budget": "max"}, 0, 40_960),
    ({"thinking_budget": 2048, "max_tokens": 2049}, 0, 2049),
]


@requirement("models:anthropic:max-tokens")
@pytest.mark.parametrize(("model", "output", "cap"), CAPS)
def test_the_cap_on_an_answer(model: dict[str, JSON], output: int, cap: int) -> None:
    """agent-file.md §3.6: the file's, the model's own, or 32000; room beside a budget."""
    assert settings_of(model, output=output).max_tokens == cap


@requirement("models:anthropic:max-tokens")
def test_a_cap_without_room_for_the_budget_stops_the_start() -> None:
    """agent-file.md §3.6: an error that says what would be right."""
    with pytest.raises(ConfigError, match=r"models\.m\.max_tokens: .*use at least 3072"):
        settings_of({"thinking_budget": 2048, "max_tokens": 2048})


@requirement("models:anthropic:thinking")
@pytest.mark.parametrize(
    ("model", "options", "thinking", "interleaved"),
    [
        ({}, {}, Thinking(), False),
        ({"thinking_budget": 0}, {}, Thinking(), False),
        ({}, {"interleaved_thinking": True}, Thinking(), True),
        ({"thinking_budget": "low"}, {}, Thinking(tokens=2048), True),
        (
            {"thinking_budget": "low"},
            {"interleaved_thinking": False},
            Thinking(tokens=2048),
            False,
        ),
        (
            {"thinking_budget": "adaptive", "model": NEW},
            {"thinking_display": "omitted"},
            Thinking("high", display="omitted"),
            True,
        ),
        ({"provider": "mine"}, {}, Thinking(tokens=4096), True),
    ],
)
def test_thinking_may_be_interleaved(
    model: dict[str, JSON], options: dict[str, JSON], thinking: Thinking, interleaved: bool
) -> None:
    """agent-file.md §3.9: interleaved with a budget unless set; definitions fill gaps."""
    providers = {"mine": {"provider": "anthropic", "thinking_budget": 4096}}
    settings = settings_of({**model, "provider_opts": options}, providers)
    assert (settings.thinking, settings.interleaved) == (thinking, interleaved)


@requirement("models:anthropic:thinking")
@pytest.mark.parametrize(
    ("model", "word"),
    [
        ({"thinking_budget": 1000}, "1000 tokens are ignored"),
        ({"provider_opts": {"thinking_display": "loud"}}, "'loud' is ignored"),
    ],
)
def test_what_is_ignored_is_said(
    caplog: pytest.LogCaptureFixture, model: dict[str, JSON], word: str
) -> None:
    """agent-file.md §3.7 and §3.9: ignored with a warning."""
    with caplog.at_level(logging.WARNING):
        assert not settings_of(model).thinking
    assert word in caplog.text


VERSIONS = {
    "claude-sonnet-4-5-20250929": (4, 5),
    "claude-opus-4-20250514": (4, 0),
    "claude-3-7-sonnet-20250219": (3, 7),
    "claude-3-opus-20240229": (3, 0),
    "claude-opus-4.6": (4, 6),
    "us.anthropic.claude-opus-4-6-v1": (4, 6),
    "claude-haiku-5": (5, 0),
    "claude-5": (5, 0),
    "my-own": (0, 0),
}


@requirement("models:anthropic:thinking")
@pytest.mark.parametrize(("model", "version"), VERSIONS.items())
def test_a_models_id_shows_its_version(model: str, version: tuple[int, int]) -> None:
    """agent-file.md §3.9: the ids of Claude models, old and new."""
    assert version_of(model) == version


@requirement("models:anthropic:thinking")
@pytest.mark.parametrize(
    ("model", "adaptive"),
    [
        ("claude-sonnet-4-6", True),
        ("claude-opus-4-6-20260205", True),
        ("claude-opus-4-8", True),
        ("claude-haiku-5", True),
        ("claude-sonnet-5-1", True),
        ("claude-fable", True),
        ("Claude-Mythos-preview", True),
        ("claude-haiku-4-6", False),
        ("claude-sonnet-4-5", False),
        ("claude-opus-4-20250514", False),
        ("claude-3-7-sonnet-latest", False),
        ("my-own", False),
    ],
)
def test_newer_models_decide_how_much_to_think(model: str, adaptive: bool) -> None:
    """agent-file.md §3.9: Opus and Sonnet from 4.6, every Claude 5, fable, mythos."""
    assert is_adaptive(model) is adaptive


BUDGETS: list[tuple[int | str | None, str, Thinking]] = [
    (None, NEW, Thinking()),
    ("none", NEW, Thinking()),
    (0, NEW, Thinking()),
    ("minimal", NEW, Thinking("low")),
    ("xhigh", NEW, Thinking("xhigh")),
    ("adaptive", NEW, Thinking("high")),
    ("adaptive/max", NEW, Thinking("max")),
    (5000, NEW, Thinking(tokens=5000)),
    (-1, NEW, Thinking("high")),
    (5000, "claude-opus-4-6", Thinking("high")),
    (5000, "claude-opus-4-8", Thinking("high")),
    (5000, "claude-opus-4-5", Thinking(tokens=5000)),
    (5000, "claude-opus-5", Thinking(tokens=5000)),
    ("minimal", OLD, Thinking(tokens=1024)),
    ("low", OLD, Thinking(tokens=2048)),
    ("medium", OLD, Thinking(tokens=8192)),
    ("high", OLD, Thinking(tokens=16_384)),
    ("xhigh", OLD, Thinking(tokens=32_768)),
    ("max", OLD, Thinking(tokens=32_768)),
    ("adaptive", OLD, Thinking(tokens=16_384)),
    ("adaptive/low", OLD, Thinking(tokens=2048)),
    (1024, OLD, Thinking(tokens=1024)),
    (1023, OLD, Thinking()),
    (-1, OLD, Thinking()),
]


@requirement("models:anthropic:thinking")
@pytest.mark.parametrize(("budget", "model", "thinking"), BUDGETS)
def test_a_budget_in_the_words_of_the_api(
    budget: int | str | None, model: str, thinking: Thinking
) -> None:
    """agent-file.md §3.9, rows of Anthropic."""
    assert thinking_of(budget, model) == thinking


@requirement("models:anthropic:thinking")
@given(
    st.one_of(st.integers(-1, 100_000), st.sampled_from([*EFFORTS, *ADAPTIVE])),
    st.sampled_from([*VERSIONS, OLD, NEW]),
)
def test_every_budget_has_one_meaning(budget: int | str, model: str) -> None:
    """agent-file.md §3.9: an effort or tokens, never both, never fewer than the API takes."""
    thinking = thinking_of(budget, model)
    assert not (thinking.effort and thinking.tokens)
    assert thinking.tokens == 0 or thinking.tokens >= 1024
    assert thinking.effort in ("", "low", "medium", "high", "xhigh", "max")
    assert bool(thinking) or isinstance(budget, int) or budget == "none"
