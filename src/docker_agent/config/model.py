"""What an agent file declares about models and their providers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from docker_agent.config.marks import Count, Threshold, Word
from docker_agent.config.tree import Placed, Raw
from docker_agent.errors import ConfigError

ApiType = Literal["openai_chatcompletions", "openai_responses"]

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
ADAPTIVE = (
    "adaptive",
    "adaptive/low",
    "adaptive/medium",
    "adaptive/high",
    "adaptive/xhigh",
    "adaptive/max",
)


def thinking_word(text: str) -> str:
    """The effort in lower case, without blanks around it.

    Raises `ConfigError` listing the words there are. Source: agent-file.md §3.9.
    """
    word = text.strip().lower()
    if word not in (*EFFORTS, *ADAPTIVE):
        raise ConfigError(
            f"{text!r} is no thinking budget; it must be a number of tokens or one of "
            f"{', '.join((*EFFORTS, *ADAPTIVE))}"
        )
    return word


ThinkingBudget = Annotated[int, msgspec.Meta(ge=-1)] | Annotated[str, Word(thinking_word)]
"""Tokens (0 off, -1 dynamic) or an effort of §3.9, in lower case."""


class TaskBudget(Placed, frozen=True, kw_only=True):
    """Tokens for a whole task; `total` 0 is off."""

    type: Literal["tokens"] = "tokens"
    total: Count = 0


class Routing(Placed, frozen=True, kw_only=True):
    """One rule of a router: texts like `examples` go to `model`."""

    model: str = ""
    examples: tuple[str, ...] = ()


class Capabilities(Placed, frozen=True, kw_only=True):
    """What a model's input may hold beside text."""

    image: bool = False
    pdf: bool = False


class IdentityToken(Placed, frozen=True, kw_only=True):
    """Where an identity token comes from; exactly one of `file`, `env`, `command`, `url`."""

    file: str = ""
    env: str = ""
    command: tuple[str, ...] = ()
    url: str = ""
    headers: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    response_field: str = ""


class WorkloadIdentity(Placed, frozen=True, kw_only=True):
    """Workload identity federation with Anthropic."""

    federation_rule_id: str = ""
    organization_id: str = ""
    service_account_id: str = ""
    identity_token: IdentityToken | None = None


class Auth(Placed, frozen=True, kw_only=True):
    """Credentials other than a key."""

    type: str = ""
    workload_identity_federation: WorkloadIdentity | None = None


class Tuning(Placed, frozen=True, kw_only=True):
    """What a model and a provider definition may both say; None: not said."""

    provider: str = ""
    base_url: str = ""
    token_key: str = ""
    temperature: float | None = None
    max_tokens: Count | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    parallel_tool_calls: bool | None = None
    track_usage: bool | None = None
    thinking_budget: ThinkingBudget | None = None
    task_budget: Count | TaskBudget | None = None
    provider_opts: Raw | None = None
    auth: Auth | None = None


class Model(Tuning, frozen=True, kw_only=True):
    """One entry of `models`, or an inline `provider/model` registered under its whole text.

    An alloy has no provider and a comma in `model`; a selector has only `first_available`.
    """

    model: str = ""
    routing: tuple[Routing, ...] = ()
    first_available: tuple[str, ...] | None = None
    title_model: str = ""
    compaction_model: str = ""
    compaction_threshold: Threshold | None = None
    capabilities: Capabilities | None = None
    bypass_models_gateway: bool = False

    @property
    def is_selector(self) -> bool:
        """Whether the environment decides which of its candidates it is."""
        return self.first_available is not None

    @property
    def is_alloy(self) -> bool:
        """Whether it stands for several models, one of which answers each call."""
        return not self.provider and "," in self.model


class Provider(Tuning, frozen=True, kw_only=True):
    """One entry of `providers`: a model's `provider` may name it."""

    api_type: str = ""
    unload_api: str = ""
