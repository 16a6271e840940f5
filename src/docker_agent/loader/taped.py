"""Which of several models a recording has answers of: a replay takes the one that was recorded,
whatever keys are set. Source: agent-file.md §3.3 and §3.4, for `--fake`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import unquote, urlsplit

import msgspec

from docker_agent.config.model import Model, Provider
from docker_agent.errors import ConfigError
from docker_agent.models import anthropic_settings, chatgpt, gemini
from docker_agent.models.http_port import Http
from docker_agent.models.replay import Replay, path_of
from docker_agent.models.resolve import CHAT, RESPONSES, Resolved, resolve

_PUBLIC: Mapping[str, str] = {
    "anthropic": anthropic_settings.BASE_URL,
    "google": gemini.BASE_URL,
    "chatgpt": chatgpt.BASE_URL,
}
_RUNNER = "/engines/"
"""Stands in every address of a Docker Model Runner."""
_BEDROCK = "bedrock-runtime"
"""Stands in the host of every region of Bedrock."""
_HERE = "http://127.0.0.1"
_APIS: Mapping[str, str] = {CHAT: "/chat/completions", RESPONSES: "/responses"}
"""The end of each one's address."""


def recorded_one(
    http: Http, candidates: Sequence[Model], providers: Mapping[str, Provider]
) -> Model | None:
    """The candidate whose provider, and best also whose model, was asked when `http` was recorded;
    None when it is no recording, or none was."""
    if not isinstance(http, Replay):
        return None
    scored = [(_score(http, model, providers), model) for model in candidates]
    best = max(scored, key=lambda one: one[0], default=None)
    return best[1] if best and best[0] else None


def over_the_recorded_api(http: Http, resolved: Resolved) -> Resolved:
    """The model over that of OpenAI's two APIs over which it was recorded, where the file leaves
    the choice to us: the Go program has chosen otherwise at times."""
    if (
        not isinstance(http, Replay)
        or resolved.protocol not in _APIS
        or resolved.options.get("api_type")
    ):
        return resolved
    names = {resolved.model, resolved.shown}
    paths = [path_of(url) for url, named in http.asked if named in names]
    recorded = [api for api, end in _APIS.items() if any(path.endswith(end) for path in paths)]
    if not recorded or resolved.protocol in recorded:
        return resolved
    return msgspec.structs.replace(resolved, protocol=recorded[0])


def _score(tape: Replay, model: Model, providers: Mapping[str, Provider]) -> int:
    try:
        found = resolve(model, providers)
    except ConfigError:
        return 0
    if found.protocol == "dmr":
        asked = [url for url, _ in tape.asked if _RUNNER in url]
    elif found.protocol == "amazon-bedrock":
        asked = [url for url, _ in tape.asked if _BEDROCK in urlsplit(url).netloc]
    elif found.protocol == "local":
        asked = [u for u, _ in tape.asked if u.startswith(_HERE) and _RUNNER not in u]
    else:
        host = urlsplit(found.base_url or _PUBLIC.get(found.protocol, "")).netloc
        asked = [url for url, _ in tape.asked if host and urlsplit(url).netloc == host]
    if not asked:
        return 0
    same = any(
        found.model == named or f"/{found.model}" in unquote(url) for url, named in tape.asked
    )
    return 2 if same else 1
