"""Which model an agent gets when its file leaves that to the environment: `auto` and
`first_available`.

Source: agent-file.md §3.3 and §3.4.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from docker_agent.config.agent_file import AgentFile
from docker_agent.config.expand import Lookup
from docker_agent.config.model import Model
from docker_agent.config.references import AUTO
from docker_agent.config.required import USE_VERTEX, required_variables, wants_vertex
from docker_agent.env.chain import Secrets
from docker_agent.errors import ConfigError
from docker_agent.models.endpoints import required_variables as endpoint_variables
from docker_agent.models.table import PROVIDERS

AUTO_MAX_TOKENS = 32_000
DOCKER_MAX_TOKENS = 16_000
"""Tokens an answer of the model behind `auto` may have, when Docker Model Runner runs it."""


class AutoRow(msgspec.Struct, frozen=True):
    """A provider `auto` may choose when any of its variables is set."""

    provider: str
    variables: tuple[str, ...]
    model: str


AUTO_ROWS = (
    AutoRow("anthropic", ("ANTHROPIC_API_KEY",), "claude-sonnet-4-6"),
    AutoRow("openai", ("OPENAI_API_KEY",), "gpt-5.6"),
    AutoRow("chatgpt", ("CHATGPT_OAUTH_TOKEN",), "gpt-5.6"),
    AutoRow(
        "google",
        ("GOOGLE_API_KEY", "GEMINI_API_KEY", USE_VERTEX),
        "gemini-3.5-flash",
    ),
    AutoRow("mistral", ("MISTRAL_API_KEY",), "mistral-small-latest"),
    AutoRow("openrouter", ("OPENROUTER_API_KEY",), "meta-llama/llama-3.3-70b-instruct"),
    AutoRow("baseten", ("BASETEN_API_KEY",), "deepseek-ai/DeepSeek-V3.1"),
    AutoRow("ovhcloud", ("OVH_AI_ENDPOINTS_ACCESS_TOKEN",), "Qwen3.5-397B-A17B"),
    AutoRow("groq", ("GROQ_API_KEY",), "llama-3.3-70b-versatile"),
    AutoRow("fireworks", ("FIREWORKS_API_KEY",), "accounts/fireworks/models/kimi-k2-instruct"),
    AutoRow("deepseek", ("DEEPSEEK_API_KEY",), "deepseek-chat"),
    AutoRow("cerebras", ("CEREBRAS_API_KEY",), "gpt-oss-120b"),
    AutoRow("together", ("TOGETHER_API_KEY",), "meta-llama/Llama-3.3-70B-Instruct-Turbo"),
    AutoRow("huggingface", ("HF_TOKEN",), "meta-llama/Llama-3.3-70B-Instruct"),
    AutoRow("moonshot", ("MOONSHOT_API_KEY",), "kimi-k2-0905-preview"),
    AutoRow("vercel", ("AI_GATEWAY_API_KEY",), "openai/gpt-5.6-sol"),
    AutoRow(
        "amazon-bedrock",
        ("AWS_BEARER_TOKEN_BEDROCK", "AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_ROLE_ARN"),
        "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
    ),
    AutoRow("opencode-zen", ("OPENCODE_API_KEY",), "deepseek-v4-flash-free"),
    AutoRow("opencode-go", ("OPENCODE_API_KEY",), "deepseek-v4-flash"),
)
"""In this order. Rows whose protocol this program does not speak yet are passed over."""

LOCAL_MODEL = "smollm2"
DOCKER, DOCKER_MODEL = "dmr", "ai/qwen3:latest"
"""The last resort, when there is a runner on this machine."""

AUTO_EMBEDDINGS = (("openai", "text-embedding-3-small"), (DOCKER, "ai/embeddinggemma"))
"""What `embedding_model: auto` means with a key of OpenAI, and without."""

DEFAULT_MODEL_VARIABLES = ("DOCKER_AGENT_DEFAULT_MODEL", "CAGENT_DEFAULT_MODEL")


def auto_model(
    secrets: Secrets,
    has_local: Callable[[str], bool],
    *,
    default: str = "",
    keyless: bool = False,
) -> Model:
    """The model behind `auto`: the one variables name, or `default`, else by the table; with
    `keyless` the first provider will do without a key.

    Raises `ConfigError` that says how to get one.
    """
    for named in (*map(secrets.get, DEFAULT_MODEL_VARIABLES), default):
        provider, slash, model = (named or "").partition("/")
        if slash and provider and model:
            most = DOCKER_MAX_TOKENS if provider == DOCKER else AUTO_MAX_TOKENS
            return Model(provider=provider, model=model, max_tokens=most)
    spoken = {*endpoint_variables(), *PROVIDERS}
    for row in AUTO_ROWS:
        if row.provider in spoken and any(_is_set(name, secrets) for name in row.variables):
            return Model(provider=row.provider, model=row.model, max_tokens=AUTO_MAX_TOKENS)
    if keyless:
        return Model(
            provider=AUTO_ROWS[0].provider, model=AUTO_ROWS[0].model, max_tokens=AUTO_MAX_TOKENS
        )
    if has_local(LOCAL_MODEL):
        return Model(provider="local", model=LOCAL_MODEL)
    usable = [row for row in AUTO_ROWS if row.provider in spoken]
    listed = "\n".join(f"  {row.provider}: {', '.join(row.variables)}" for row in usable)
    raise ConfigError(
        "no model is available for 'auto': no provider's key is set, and no embedded model is "
        "here.\n"
        "Either fetch the embedded model:\n"
        "  pip install 'docker-agent[local]'\n"
        f"  docker-agent models pull {LOCAL_MODEL}\n"
        f"or set a key of one of these providers:\n{listed}"
    )


def _is_set(name: str, secrets: Secrets) -> bool:
    return wants_vertex(secrets.get) if name == USE_VERTEX else bool(secrets.get(name))


def embedding_model(
    file: AgentFile, reference: str, secrets: Secrets, *, keyless: bool = False
) -> Model:
    """The model that makes vectors behind a reference; `auto` is OpenAI's where there is a key,
    else one of Docker Model Runner. Raises `ConfigError`. Source: agent-file.md §2.11."""
    if reference == AUTO and AUTO not in file.models:
        has_key = keyless or secrets.get("OPENAI_API_KEY")
        provider, model = AUTO_EMBEDDINGS[0 if has_key else 1]
        return Model(provider=provider, model=model)
    found = file.models[reference]
    if found.is_selector:
        found = file.models[first_available(file, reference, secrets, keyless=keyless)]
    if found.is_alloy:
        raise found.error("is several models, which make vectors that do not fit together")
    return found


def first_available(file: AgentFile, name: str, secrets: Secrets, *, keyless: bool = False) -> str:
    """The first candidate of a selector whose variables are all set, or, with `keyless`, the
    first there is.

    Raises `ConfigError` listing what each candidate lacks.
    """
    selector = file.models[name]
    lacking: list[str] = []
    for candidate in selector.first_available or ():
        missing = [] if keyless else missing_variables(file, candidate, secrets)
        if file.models[candidate].provider not in known_providers(file):
            missing = ["a provider this program speaks"]
        if not missing:
            return candidate
        lacking.append(f"  {candidate}: {', '.join(missing)}")
    raise selector.error(
        "none of first_available can be used; they lack:\n" + "\n".join(lacking), "first_available"
    )


def missing_variables(file: AgentFile, model: str, secrets: Secrets) -> list[str]:
    """The variables a model of the file needs that are unset or empty, sorted."""
    needed = variables_of(file, model, secrets.get)
    return sorted(name for name in needed if not secrets.get(name))


def variables_of(file: AgentFile, model: str, env: Lookup = lambda _: None) -> tuple[str, ...]:
    """The variables a model of the file needs, set or not; `env` tells which stand in for one."""
    return required_variables(file, model, endpoint_variables(), env)


def known_providers(file: AgentFile) -> set[str]:
    """Provider ids that can be reached: hosts, protocols of our own, the file's definitions."""
    return {*endpoint_variables(), *PROVIDERS, *file.providers}
