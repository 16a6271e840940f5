"""OpenAI's models by a ChatGPT subscription: the Responses API as its backend for coding agents
takes it, with the token of a sign-in in place of a key.

Source: agent-file.md §3.2.1. What the backend refuses is left out: sampling, caps, who the user is.
"""

from __future__ import annotations

import asyncio
import base64
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import msgspec

from docker_agent.config.expand import expand_shell
from docker_agent.env.chain import Secrets
from docker_agent.env.chatgpt import HELP, TOKEN
from docker_agent.errors import ConfigError
from docker_agent.messages import JSON, UNREADABLE, Message, SystemMessage
from docker_agent.models.bearer import KEPT_TOKEN, Bearer, Ticket
from docker_agent.models.catalogue import Catalogue
from docker_agent.models.endpoints import takes_effort
from docker_agent.models.errors import HttpError
from docker_agent.models.http_port import Http
from docker_agent.models.openai_responses import OpenAIResponses, ResponsesSettings
from docker_agent.models.port import Ask, ModelCard
from docker_agent.models.resolve import Resolved, overlaid

BASE_URL = "https://chatgpt.com/backend-api/codex"
INSTRUCTIONS = "Be a helpful assistant."
"""What stands for system text where there is none: the backend takes no question without."""

ORIGINATOR = "docker-agent"
_DROPPED = ("temperature", "top_p", "max_output_tokens", "user", "safety_identifier")
_CLAIMS = "https://api.openai.com/auth"


class ChatGpt(OpenAIResponses):
    """A `Model` of a ChatGPT subscription."""

    def __init__(self, http: Http, settings: ResponsesSettings, card: ModelCard) -> None:
        super().__init__(http, settings, card)
        own = {"OpenAI-Beta": "responses=experimental", "originator": ORIGINATOR}
        self._common = overlaid(own, self.headers)
        self._sessions = uuid.uuid4()

    def headed(self, ask: Ask) -> Mapping[str, str]:
        """The same session for all of a conversation; its name stays here."""
        session = str(uuid.uuid5(self._sessions, ask.session))
        return overlaid({"session_id": session}, self._common)

    def fields(self, ask: Ask) -> dict[str, JSON]:
        """The body as the backend takes it: system text as `instructions`."""
        rest = tuple(one for one in ask.messages if not isinstance(one, SystemMessage))
        fields = super().fields(msgspec.structs.replace(ask, messages=rest))
        for name in _DROPPED:
            fields.pop(name, None)
        fields["instructions"] = _system_text(ask.messages) or INSTRUCTIONS
        if (reasoning := fields.get("reasoning")) and "summary" in reasoning:
            fields["reasoning"] = {**reasoning, "summary": "auto"}
        return fields


def _system_text(messages: Sequence[Message]) -> str:
    texts = (one.text for one in messages if isinstance(one, SystemMessage))
    return "\n\n".join(text for text in texts if text.strip())


class ChatGptTickets:
    """`Tickets` of a sign-in at ChatGPT, whose token names the account."""

    def __init__(
        self, secrets: Secrets, name: str = TOKEN, now: Callable[[], float] = time.time
    ) -> None:
        self._secrets = secrets
        self._name = name
        self._now = now

    async def fresh(self) -> Ticket:
        token = await asyncio.to_thread(self._secrets.get, self._name)
        if not token:
            raise HttpError(f"{self._name} is not set any more; {HELP}", transient=False)
        claims = claims_of(token)
        left = _number(claims.get("exp"), self._now() + KEPT_TOKEN) - self._now()
        if left <= 0:
            raise HttpError(
                f"the sign-in at ChatGPT in {self._name} has ended; sign in again", transient=False
            )
        headers = {"Authorization": f"Bearer {token}"}
        account = _mapping(claims.get(_CLAIMS)).get("chatgpt_account_id")
        if isinstance(account, str) and account.isprintable():
            headers["chatgpt-account-id"] = account
        return Ticket(headers, token, min(left, KEPT_TOKEN))


def claims_of(token: str) -> Mapping[str, JSON]:
    """What a token says of itself; nothing when it is none of that kind. Nobody trusts it: the
    backend checks its signature."""
    body = token.split(".")[1] if token.count(".") == 2 else ""
    try:
        text = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
        return _mapping(msgspec.json.decode(text))
    except (ValueError, *UNREADABLE):
        return {}


def _mapping(value: JSON) -> Mapping[str, JSON]:
    return cast(dict[str, JSON], value) if isinstance(value, dict) else {}


def _number(value: JSON, otherwise: float) -> float:
    return value if isinstance(value, int | float) else otherwise


def chatgpt_settings(resolved: Resolved, secrets: Secrets, *, direct: bool) -> ResponsesSettings:
    """How a model is reached and asked. Raises `ConfigError`: nobody is signed in, and the backend
    is asked `direct`."""
    name = resolved.key or TOKEN
    if direct and not secrets.get(name):
        raise ConfigError(f"{name} environment variable is required; {HELP}")
    try:
        base_url = expand_shell(resolved.base_url or BASE_URL, secrets.get).rstrip("/")
        model = expand_shell(resolved.model, secrets.get)
    except ConfigError as exc:
        raise resolved.declared.error(str(exc)) from exc
    return ResponsesSettings(
        url=f"{base_url}/responses",
        model=model,
        headers=resolved.headers,
        secrets=resolved.unshown(None),
        sampling=resolved.sampling,
        reasons=takes_effort(model),
        track_usage=resolved.track_usage,
    )


def by_subscription(card: ModelCard, catalogue: Catalogue) -> ModelCard:
    """The card with what is known of the model at OpenAI, but for its price: tokens have none."""
    known = catalogue.completed(msgspec.structs.replace(card, provider="openai"))
    free = dict.fromkeys(("price_in", "price_out", "price_cached", "price_cache_write"))
    return msgspec.structs.replace(known, provider=card.provider, **free)


def signed_in(http: Http, resolved: Resolved, secrets: Secrets) -> Http:
    """The client whose requests carry the sign-in."""
    return Bearer(http, ChatGptTickets(secrets, resolved.key or TOKEN), resolved.minted)
