"""Models on Google Cloud's Vertex AI: whether one is there, where, and what opens it.

Gemini itself by generateContent, Claude by rawPredict, models of other publishers by Chat
Completions. Source: agent-file.md §3.2.2 and §3.2.4; wire:
https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest.
"""

from __future__ import annotations

import re
from urllib.parse import quote

import msgspec

from docker_agent.config.expand import Lookup, expand_shell
from docker_agent.config.required import LOCATION, PROJECT, wants_vertex
from docker_agent.env.chain import Secrets, StandIns
from docker_agent.errors import ConfigError
from docker_agent.models.anthropic_request import MessagesSettings
from docker_agent.models.anthropic_settings import messages_settings
from docker_agent.models.bearer import Bearer, VariableTickets
from docker_agent.models.google_credentials import (
    credentials_file,
    is_installed,
    read_credentials,
)
from docker_agent.models.http_port import Http
from docker_agent.models.port import ModelCard
from docker_agent.models.resolve import Resolved

ANTHROPIC_VERSION = "vertex-2023-10-16"
"""What the body of a question to Claude says on Vertex AI."""

GOOGLE = "google"
ANTHROPIC = "anthropic"
GLOBAL = "global"
MULTI_REGIONS = ("us", "eu")

_IDENTIFIER = re.compile(r"[a-z][a-z0-9-]{1,29}")
_API = re.compile(r"/v1(beta1|beta|alpha)?$")


class Place(msgspec.Struct, frozen=True):
    """Where models of a `publisher` are served. `base_url` is an address in place of Google's."""

    project: str
    location: str
    publisher: str = GOOGLE
    base_url: str = ""

    def address(self, version: str) -> str:
        """The address of the location, in a version of the API that one of its own may override."""
        base_url = self.base_url or self._host()
        if not _API.search(base_url):
            base_url += f"/{version}"
        return f"{base_url}/projects/{self.project}/locations/{self.location}"

    def _host(self) -> str:
        if self.location == GLOBAL:
            return "https://aiplatform.googleapis.com"
        if self.location in MULTI_REGIONS:
            return f"https://aiplatform.{self.location}.rep.googleapis.com"
        return f"https://{self.location}-aiplatform.googleapis.com"


def vertex_place(resolved: Resolved, env: Lookup) -> Place | None:
    """Where on Vertex AI a model of Google's is; None when it is not there.

    A models gateway speaks Gemini's own API. Raises `ConfigError` naming what is missing or wrong.
    """
    options, declared = resolved.options, resolved.declared
    publisher = str(options.get("publisher") or GOOGLE).strip().lower()
    placed = any(options.get(name) for name in ("project", "location"))
    if not (placed or publisher != GOOGLE or wants_vertex(env)):
        return None
    if resolved.gated:
        if publisher == GOOGLE:
            return None
        raise declared.error(
            f"models of {publisher!r} on Vertex AI sign in at Google Cloud and cannot go through a "
            "models gateway; set bypass_models_gateway: true",
            "provider_opts",
        )
    try:
        base_url = expand_shell(resolved.base_url, env).rstrip("/")
    except ConfigError as exc:
        raise declared.error(str(exc)) from exc
    return Place(
        project=_identifier(resolved, env, "project", PROJECT, "my-project"),
        location=_identifier(resolved, env, "location", LOCATION, "us-central1"),
        publisher=publisher,
        base_url=base_url,
    )


def _identifier(resolved: Resolved, env: Lookup, option: str, variable: str, like: str) -> str:
    given, declared = resolved.options.get(option), resolved.declared
    try:
        text = expand_shell(given, env) if isinstance(given, str) else ""
    except ConfigError as exc:
        raise declared.error(f"provider_opts.{option}: {exc}") from exc
    where = f"provider_opts.{option}" if text else variable
    text = text or env(variable) or ""
    if not text:
        raise declared.error(
            f"Vertex AI needs a {option}: set provider_opts.{option} (such as {like}) or {variable}"
        )
    if not _IDENTIFIER.fullmatch(text):
        raise declared.error(
            f"{where}: {text!r} is no {option} of Google Cloud; one has 2 to 30 small letters, "
            f"digits and hyphens, such as {like}"
        )
    return text


def replayed_env(secrets: Secrets) -> Lookup:
    """Variables for a model that answers from a recording, where no place is needed."""
    return StandIns(secrets, (PROJECT, LOCATION)).get


def generate_url(place: Place, model: str) -> str:
    """Where a Gemini model answers in a stream."""
    named = model if model.startswith("publishers/") else f"publishers/google/models/{model}"
    if model.startswith("models/"):
        named = f"publishers/google/{model}"
    return f"{place.address('v1beta1')}/{quote(named)}:streamGenerateContent?alt=sse"


def claude_settings(
    resolved: Resolved, place: Place, secrets: Secrets, output: int
) -> MessagesSettings:
    """How a Claude model is asked there: its name stands in the address, the API's version in the
    body. Raises `ConfigError`."""
    keyless = msgspec.structs.replace(resolved, base_url=place.address("v1"), gated=True)
    settings = messages_settings(keyless, secrets, output)
    models = f"{place.address('v1')}/publishers/anthropic/models"
    own = {name: text for name, text in settings.headers.items() if name != "anthropic-version"}
    return msgspec.structs.replace(
        settings,
        url=f"{models}/{quote(settings.model, safe='@')}:streamRawPredict",
        count_url=f"{models}/count-tokens:rawPredict",
        version=ANTHROPIC_VERSION,
        headers=own,
    )


def claude_card(card: ModelCard) -> ModelCard:
    """The card of a Claude model, by the name the catalogue knows it: `@` begins its date there."""
    return msgspec.structs.replace(card, provider=ANTHROPIC, name=card.name.replace("@", "-"))


def as_called(card: ModelCard, model: str) -> ModelCard:
    """The same card under the name and the provider of the agent file."""
    return msgspec.structs.replace(card, provider=GOOGLE, name=model)


def on_openapi(resolved: Resolved, place: Place) -> Resolved:
    """A model of another publisher, as one behind a Chat Completions endpoint."""
    model = resolved.model
    if "/" not in model and "$" not in model:
        model = f"{place.publisher}/{model}"
    return msgspec.structs.replace(
        resolved,
        model=model,
        base_url=f"{place.address('v1beta1')}/endpoints/openapi",
        key=None,
        optional_key=None,
        merge=True,
    )


def signed(http: Http, resolved: Resolved, secrets: Secrets, *, trusted: bool) -> Http:
    """The client that signs in: with the token in the variable that `token_key` names, else as the
    Application Default Credentials say.

    Raises `ConfigError` when neither can be had; what needs the network shows at the first call.
    """
    if resolved.base_url and not trusted:
        raise resolved.declared.error(
            "would send a token of Google Cloud to another address, and the file is not on this "
            "machine; if you trust the file, start it with an explicit --safety",
            "base_url",
        )
    if resolved.key:
        return Bearer(http, VariableTickets(secrets, resolved.key), resolved.minted)
    refuse_unsigned(resolved, secrets)
    from docker_agent.models.google_sign_in import GoogleTickets

    return Bearer(http, GoogleTickets(secrets), resolved.minted)


def refuse_unsigned(resolved: Resolved, secrets: Secrets) -> None:
    """Raise `ConfigError` when it can be seen without the network that signing in will fail."""
    if resolved.key:
        return
    if not is_installed():
        raise resolved.declared.error(
            "Vertex AI needs an extra: pip install 'docker-agent[vertex]'; or name a variable "
            "that holds an access token: token_key"
        )
    path = credentials_file(secrets)
    if path is not None:
        read_credentials(path)
