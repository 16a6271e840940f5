"""What an agent file says of a model on Bedrock, and what comes of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import msgspec
import pytest

from docker_agent.config.model import EFFORTS
from docker_agent.env.chain import Values
from docker_agent.errors import ConfigError
from docker_agent.messages import JSON
from docker_agent.models.anthropic_thinking import NO_THINKING, Thinking
from docker_agent.models.bedrock_credentials import Account, Keys
from docker_agent.models.bedrock_request import ConverseSettings
from docker_agent.models.bedrock_settings import account_of, bearer_of, converse_settings
from tests.models.bedrock.asking import CLAUDE
from tests.models.test_resolve import resolved
from tests.requirements import requirement

OPUS = "us.anthropic.claude-opus-4-6-v1"
NOVA = "us.amazon.nova-pro-v1:0"


def settings_of(
    env: Mapping[str, str] | None = None,
    providers: Mapping[str, JSON] | None = None,
    **model: JSON,
) -> ConverseSettings:
    """The settings of a model; provider and model id are filled in."""
    found = resolved({"provider": "amazon-bedrock", "model": CLAUDE, **model}, providers)
    secrets = Values(env or {})
    settings = converse_settings(found, secrets, bearer_of(found, secrets), cached=True)
    return msgspec.structs.replace(settings, secrets=tuple(settings.secrets))


def account(env: Mapping[str, str] | None = None, **options: JSON) -> Account:
    """Whose credentials sign."""
    model = {"provider": "amazon-bedrock", "model": CLAUDE, "provider_opts": options}
    return account_of(resolved(model), Values(env or {}))


HOST = "https://bedrock-runtime.{}.amazonaws.com/model/{}/converse-stream"
PATH = "us.anthropic.claude-sonnet-4-5-20250929-v1%3A0"


@requirement("models:bedrock:settings")
@pytest.mark.parametrize(
    ("env", "model", "url"),
    [
        ({}, {}, HOST.format("us-east-1", PATH)),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, {}, HOST.format("eu-west-1", PATH)),
        ({"AWS_REGION": "eu-north-1", "AWS_DEFAULT_REGION": "eu-west-1"}, {},
         HOST.format("eu-north-1", PATH)),
        ({"AWS_REGION": "eu-north-1"}, {"provider_opts": {"region": "us-gov-west-1"}},
         HOST.format("us-gov-west-1", PATH)),
        ({}, {"provider_opts": {"region": 7}}, HOST.format("us-east-1", PATH)),
        ({"AWS_REGION": "cn-north-1"}, {"model": "m"},
         "https://bedrock-runtime.cn-north-1.amazonaws.com.cn/model/m/converse-stream"),
        ({"M": "arn:aws:bedrock:us-east-1:1:application-inference-profile/p"}, {"model": "$M"},
         HOST.format("us-east-1",
                     "arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aapplication-inference-profile%2Fp")),
        ({"H": "H.test"}, {"model": "m", "provider_opts": {"endpoint_url": "https://$H:443/x/"}},
         "https://h.test/x/model/m/converse-stream"),
        ({}, {"model": "m", "base_url": "http://h.test:80"},
         "http://h.test/model/m/converse-stream"),
        ({"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "http://a:1", "AWS_ENDPOINT_URL": "http://b"},
         {"model": "m"}, "http://a:1/model/m/converse-stream"),
        ({"AWS_ENDPOINT_URL": "http://b"}, {"model": "m"}, "http://b/model/m/converse-stream"),
    ],
)  # fmt: skip
def test_where_a_model_is(env: dict[str, str], model: dict[str, JSON], url: str) -> None:
    """agent-file.md §3.2.2, §3.7: region, endpoint_url, the variables AWS's programs read."""
    assert settings_of(env, **model).url == url


@requirement("models:bedrock:settings")
@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"provider_opts": {"region": "evil.example/"}}, "is no AWS region; use one such as"),
        ({"provider_opts": {"endpoint_url": "ftp://h"}}, "is no http(s) address"),
        ({"provider_opts": {"endpoint_url": "http://h:x"}}, "Port could not be cast"),
        ({"model": "$NOT_SET"}, "NOT_SET"),
        ({"token_key": "MINE"}, "MINE environment variable is required"),
    ],
)
def test_what_cannot_be_reached_stops_the_start(model: dict[str, JSON], said: str) -> None:
    """STYLE.md: what was wrong, where, what would be right."""
    with pytest.raises(ConfigError) as failed:
        settings_of(**model)
    assert said in str(failed.value)


@requirement("models:bedrock:settings")
def test_a_bearer_token_is_enough() -> None:
    """agent-file.md §3.2.2: token_key or AWS_BEARER_TOKEN_BEDROCK."""
    env = {"AWS_BEARER_TOKEN_BEDROCK": "a", "MINE": "m"}
    assert settings_of(env).headers == {"Authorization": "Bearer a"}
    mine = settings_of(env, token_key="MINE")
    assert (mine.headers, mine.secrets[0]) == ({"Authorization": "Bearer m"}, "m")
    defined = {"house": {"provider": "amazon-bedrock", "token_key": "MINE"}}
    assert settings_of(env, defined, provider="house").headers == mine.headers
    assert settings_of({}).headers == {}


@requirement("models:bedrock:settings")
def test_whose_credentials_sign() -> None:
    """agent-file.md §3.7: the options; keys of the chain of secrets before AWS's own chain."""
    keys = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "s"}
    assert account() == Account("us-east-1")
    assert account(keys) == Account("us-east-1", Keys("AKIA", "s"))
    session = {**keys, "AWS_SESSION_TOKEN": "t"}
    assert account(session).keys == Keys("AKIA", "s", "t")
    named = account(keys, profile="work")
    assert (named.profile, named.keys) == ("work", None)
    assert account({"AWS_PROFILE": "home"}).profile == "home"
    role = account(keys, role_arn="arn", external_id="x", role_session_name=7)
    assert (role.role_arn, role.external_id) == ("arn", "x")
    assert role.role_session_name == "docker-agent-bedrock-session"
    assert account({}, role_session_name="mine").role_session_name == "mine"
    with pytest.raises(ConfigError, match="AWS_SECRET_ACCESS_KEY environment variable is required"):
        account({"AWS_ACCESS_KEY_ID": "AKIA"})


@requirement("models:bedrock:settings")
def test_options_are_read_and_wrong_types_are_ignored() -> None:
    """agent-file.md §3.7."""
    plain = settings_of()
    assert (plain.interleaved, plain.caching, plain.top_k) == (True, True, None)
    options = {"interleaved_thinking": False, "disable_prompt_caching": True, "top_k": 5}
    found = settings_of(provider_opts=options)
    assert (found.interleaved, found.caching, found.top_k) == (False, False, 5)
    wrong = {"interleaved_thinking": "no", "disable_prompt_caching": "yes", "top_k": True}
    assert settings_of(provider_opts=wrong) == plain
    headers = settings_of({"AWS_BEARER_TOKEN_BEDROCK": "a"}, provider_opts={
        "http_headers": {"X-Amzn-Bedrock-GuardrailIdentifier": "g"}}).headers  # fmt: skip
    assert headers["X-Amzn-Bedrock-GuardrailIdentifier"] == "g"


@requirement("models:bedrock:thinking")
@pytest.mark.parametrize(
    ("model", "budget", "thinking", "warned"),
    [
        (CLAUDE, None, NO_THINKING, ""),
        (CLAUDE, 0, NO_THINKING, ""),
        (CLAUDE, "none", NO_THINKING, ""),
        (CLAUDE, 4096, Thinking(tokens=4096), ""),
        (CLAUDE, "minimal", Thinking(tokens=1024), ""),
        (CLAUDE, "high", Thinking(tokens=16_384), ""),
        (CLAUDE, "xhigh", Thinking(tokens=32_768), ""),
        (CLAUDE, "adaptive/low", Thinking(tokens=2048), ""),
        (CLAUDE, 1000, NO_THINKING, "the API takes 1024 or more"),
        (OPUS, 4096, Thinking(effort="high"), ""),
        (OPUS, "minimal", Thinking(effort="low"), ""),
        (OPUS, "medium", Thinking(effort="medium"), ""),
        (OPUS, "adaptive", Thinking(effort="high"), ""),
        ("global.anthropic.claude-sonnet-4-6", "adaptive/max", Thinking(effort="max"), ""),
        ("global.anthropic.claude-sonnet-4-6", "high", Thinking(tokens=16_384), ""),
        (NOVA, 4096, NO_THINKING, "only Claude takes a budget"),
    ],
)
def test_a_budget_becomes_thinking(
    model: str,
    budget: int | str | None,
    thinking: Thinking,
    warned: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """agent-file.md §3.9, rows of Bedrock's Claude."""
    with caplog.at_level(logging.WARNING):
        assert settings_of(model=model, thinking_budget=budget).thinking == thinking
    assert bool(caplog.records) is bool(warned)
    assert warned in caplog.text


@requirement("models:bedrock:thinking")
def test_every_effort_is_known() -> None:
    """agent-file.md §3.9: no word of a file is without effect on Claude."""
    for effort in EFFORTS:
        wanted = settings_of(thinking_budget=effort).thinking
        assert bool(wanted) is (effort != "none"), effort


@requirement("models:bedrock:thinking")
def test_a_budget_that_leaves_no_answer_is_ignored(caplog: pytest.LogCaptureFixture) -> None:
    """agent-file.md §3.9: ≥ max_tokens is ignored, and said."""
    assert settings_of(thinking_budget=4096, max_tokens=4096).thinking == NO_THINKING
    assert "leave none of max_tokens (4096)" in caplog.text
    assert settings_of(thinking_budget=4096, max_tokens=4097).thinking == Thinking(tokens=4096)
