"""Hosts that speak OpenAI's Chat Completions: one row each. Source: agent-file.md §3.2.1."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec


class Endpoint(msgspec.Struct, frozen=True):
    """One host. `base_url` may name variables as `${NAME}`; `key` is the variable that holds the
    key.

    `merge` joins neighbouring system and user messages, for strict chat templates; `responses` says
    that some of its models answer on the Responses API; `headers` go with every request.
    """

    base_url: str
    key: str | None = None
    merge: bool = False
    responses: bool = False
    headers: Mapping[str, str] = {}


_CLOUDFLARE = "https://api.cloudflare.com/client/v4/accounts/${CLOUDFLARE_ACCOUNT_ID}/ai/v1"
_CLOUDFLARE_GATEWAY = (
    "https://gateway.ai.cloudflare.com/v1/${CLOUDFLARE_ACCOUNT_ID}/${CLOUDFLARE_GATEWAY_ID}/compat"
)

ENDPOINTS: Mapping[str, Endpoint] = {
    "openai": Endpoint("https://api.openai.com/v1", "OPENAI_API_KEY", responses=True),
    "azure": Endpoint("", "AZURE_API_KEY"),
    "requesty": Endpoint("https://router.requesty.ai/v1", "REQUESTY_API_KEY"),
    "xai": Endpoint("https://api.x.ai/v1", "XAI_API_KEY"),
    "nebius": Endpoint("https://api.studio.nebius.com/v1", "NEBIUS_API_KEY", merge=True),
    "nvidia": Endpoint("https://integrate.api.nvidia.com/v1", "NVIDIA_API_KEY", merge=True),
    "openrouter": Endpoint("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", merge=True),
    "mistral": Endpoint("https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    "ollama": Endpoint("http://localhost:11434/v1"),
    "minimax": Endpoint("https://api.minimax.io/v1", "MINIMAX_API_KEY"),
    "baseten": Endpoint("https://inference.baseten.co/v1", "BASETEN_API_KEY", merge=True),
    "ovhcloud": Endpoint(
        "https://oai.endpoints.kepler.ai.cloud.ovh.net/v1",
        "OVH_AI_ENDPOINTS_ACCESS_TOKEN",
        merge=True,
    ),
    "groq": Endpoint("https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    "fireworks": Endpoint("https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY", merge=True),
    "deepseek": Endpoint("https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    "cerebras": Endpoint("https://api.cerebras.ai/v1", "CEREBRAS_API_KEY", merge=True),
    "together": Endpoint("https://api.together.xyz/v1", "TOGETHER_API_KEY", merge=True),
    "huggingface": Endpoint("https://router.huggingface.co/v1", "HF_TOKEN", merge=True),
    "moonshot": Endpoint("https://api.moonshot.ai/v1", "MOONSHOT_API_KEY"),
    "vercel": Endpoint("https://ai-gateway.vercel.sh/v1", "AI_GATEWAY_API_KEY", merge=True),
    "cloudflare-workers-ai": Endpoint(_CLOUDFLARE, "CLOUDFLARE_API_TOKEN", merge=True),
    "cloudflare-ai-gateway": Endpoint(_CLOUDFLARE_GATEWAY, "CLOUDFLARE_API_TOKEN", merge=True),
    "github-copilot": Endpoint(
        "https://api.githubcopilot.com",
        "GITHUB_TOKEN",
        responses=True,
        headers={"Copilot-Integration-Id": "copilot-developer-cli"},
    ),
    "opencode-go": Endpoint("https://opencode.ai/zen/go/v1", "OPENCODE_API_KEY"),
    "opencode-zen": Endpoint("https://opencode.ai/zen/v1", "OPENCODE_API_KEY", responses=True),
}
"""`chatgpt` signs in and takes a Responses API of its own: it is a protocol by itself."""


def required_variables() -> dict[str, tuple[str, ...]]:
    """For each host, the variables that must be set: its key and the names in its address."""
    return {name: _variables(endpoint) for name, endpoint in ENDPOINTS.items()}


def _variables(endpoint: Endpoint) -> tuple[str, ...]:
    named = [piece.split("}", 1)[0] for piece in endpoint.base_url.split("${")[1:]]
    return (*([endpoint.key] if endpoint.key else []), *named)


_RESPONSES_PREFIXES = ("gpt-4.1", "gpt-5", "codex", "o1", "o3", "o4")


def prefers_responses(model: str) -> bool:
    """Whether OpenAI serves this model on the Responses API first. Source: agent-file.md §3.1."""
    bare = model.lower().rsplit("/", 1)[-1]
    return bare.startswith(_RESPONSES_PREFIXES) or "-codex" in bare


def takes_effort(model: str) -> bool:
    """Whether OpenAI's API takes `reasoning_effort` for this model. Source: agent-file.md §3.9."""
    bare = model.lower().rsplit("/", 1)[-1]
    return bare.startswith(("o1", "o3", "o4")) or (
        bare.startswith("gpt-5") and not bare.startswith("gpt-5-chat")
    )


def takes_no_effort(model: str) -> bool:
    """Whether `none` is an effort to this model: gpt-5.6 and later. Source: agent-file.md §3.9."""
    version = re.match(r"gpt-(\d+)(?:\.(\d+))?", model.lower().rsplit("/", 1)[-1])
    return version is not None and (int(version[1]), int(version[2] or 0)) >= (5, 6)
