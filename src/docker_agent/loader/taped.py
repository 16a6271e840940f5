"""Which of several models a recording has answers of: a replay takes the one that was recorded,
whatever keys are set. Source: agent-file.md §3.3 and §3.4, for `--fake`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import unquote, urlsplit

from docker_agent.config.model import Model, Provider
from docker_agent.errors import ConfigError
from docker_agent.models import anthropic_settings, chatgpt, gemini
from docker_agent.models.http_port import Http
from docker_agent.models.replay import Replay
from docker_agent.models.resolve import resolve

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
