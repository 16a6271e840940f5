"""Which variables a model needs before it can be asked anything. Pure.

Source: agent-file.md §6.4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from docker_agent.config.agent_file import AgentFile
from docker_agent.config.expand import Lookup, variable_names
from docker_agent.config.model import Auth, Model, Provider
from docker_agent.config.references import expand

PROJECT, LOCATION = "GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION"
USE_VERTEX = "GOOGLE_GENAI_USE_VERTEXAI"
_NO = ("", "0", "false", "no", "off")

Needs = Mapping[str, tuple[str, ...]]
"""For each OpenAI-compatible host, the variables it needs."""

Options = Callable[[str], str]
"""The text of an option of a model; empty when it is not set."""


def required_variables(
    file: AgentFile, model: str, needs: Needs, env: Lookup = lambda _: None
) -> tuple[str, ...]:
    """The names of the variables a model of `file` needs, its routing targets' too, sorted.

    `model` is a key of `file.models`; an alloy needs what its parts need, a selector nothing before
    it was decided. `needs` is the table of hosts; `env` tells whether others stand in for one.
    """
    found: set[str] = set()
    for name in expand(file.models, model):
        declared = file.models.get(name)
        if declared is None:
            continue
        found.update(_of_model(file, declared, needs, env))
        for rule in declared.routing:
            target = file.models.get(rule.model)
            if target is not None:
                found.update(_of_model(file, target, needs, env))
    return tuple(sorted(found))


def _of_model(file: AgentFile, model: Model, needs: Needs, env: Lookup) -> Iterator[str]:
    if model.is_selector:
        return
    definition = file.providers.get(model.provider)
    base_url = model.base_url or (definition.base_url if definition else "")
    yield from variable_names(model.model)
    yield from variable_names(base_url)
    auth = model.auth or (definition.auth if definition else None)
    if auth is not None:
        yield from _of_auth(auth)
    elif model.token_key:
        yield model.token_key
    elif model.base_url:
        return
    elif definition is not None:
        yield from _of_definition(definition, model, needs, env)
    else:
        yield from _of_provider(model.provider, _options(model), needs, env)


def _of_definition(definition: Provider, model: Model, needs: Needs, env: Lookup) -> Iterator[str]:
    if definition.token_key:
        yield definition.token_key
    elif not definition.base_url:
        options = _options(model, definition)
        yield from _of_provider(definition.provider or "openai", options, needs, env)


def _of_provider(provider: str, options: Options, needs: Needs, env: Lookup) -> Iterator[str]:
    if provider in needs:
        yield from needs[provider]
    elif provider in _CORE:
        yield from _CORE[provider](options, env)


def _options(model: Model, definition: Provider | None = None) -> Options:
    """What `provider_opts` say of a model; its own before those of its provider."""

    def option(name: str) -> str:
        for raw in (model.provider_opts, definition.provider_opts if definition else None):
            if raw is not None and (found := raw.get(name)) is not None:
                return str(found.plain())
        return ""

    return option


def wants_vertex(env: Lookup) -> bool:
    """Whether the environment says that Gemini is reached on Vertex AI; `false` and `0` say no, as
    they do to Google's own clients."""
    return (env(USE_VERTEX) or "").strip().lower() not in _NO


def _of_anthropic(_: Options, __: Lookup) -> Iterator[str]:
    yield "ANTHROPIC_API_KEY"


def _of_openai(_: Options, __: Lookup) -> Iterator[str]:
    yield "OPENAI_API_KEY"


def _of_chatgpt(_: Options, __: Lookup) -> Iterator[str]:
    yield "CHATGPT_OAUTH_TOKEN"


def _of_google(options: Options, env: Lookup) -> Iterator[str]:
    project, location = options("project"), options("location")
    publisher = options("publisher").strip().lower()
    if project or location:
        yield from sorted(variable_names(f"{project} {location}"))
    elif publisher not in ("", "google") or wants_vertex(env):
        yield from (PROJECT, LOCATION)
    elif not env("GEMINI_API_KEY"):
        yield "GOOGLE_API_KEY"


_CORE: Mapping[str, Callable[[Options, Lookup], Iterator[str]]] = {
    "openai": _of_openai,
    "chatgpt": _of_chatgpt,
    "anthropic": _of_anthropic,
    "google": _of_google,
}


def _of_auth(auth: Auth) -> Iterator[str]:
    federation = auth.workload_identity_federation
    token = federation.identity_token if federation else None
    if token is None:
        return
    if token.env:
        yield token.env
    for text in (token.url, *token.headers.values()):
        yield from variable_names(text)
