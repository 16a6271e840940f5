"""The table of providers for docs/reference/providers.md, from the tables of the code."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from docker_agent.config.required import USE_VERTEX
from docker_agent.env.chatgpt import TOKEN
from docker_agent.loader.choose import AUTO_ROWS
from docker_agent.models import (
    anthropic_settings,
    bedrock_settings,
    chatgpt,
    dmr_find,
    gemini,
    table,
)
from docker_agent.models.endpoints import ENDPOINTS, required_variables


class Own(msgspec.Struct, frozen=True):
    """A provider with a protocol of its own."""

    protocol: str
    address: str
    variables: tuple[str, ...]
    notes: str = ""


OWN = {
    "anthropic": Own("Messages", anthropic_settings.BASE_URL, (anthropic_settings.KEY,)),
    "google": Own(
        "generateContent",
        gemini.BASE_URL,
        gemini.KEYS,
        f"on [Vertex AI](#vertex-ai) with `provider_opts.project` or `{USE_VERTEX}`",
    ),
    "chatgpt": Own(
        "Responses",
        chatgpt.BASE_URL,
        (TOKEN,),
        "[a subscription's sign-in](#a-chatgpt-subscription)",
    ),
    "amazon-bedrock": Own(
        "ConverseStream",
        "https://bedrock-runtime.<region>.amazonaws.com",
        (bedrock_settings.TOKEN,),
        "or AWS credentials, with the extra `bedrock`; see "
        "[Use Amazon Bedrock](../how-to/use-amazon-bedrock.md)",
    ),
    "dmr": Own(
        "Chat Completions",
        "found by itself",
        (),
        f"`{dmr_find.HOST_VARIABLE}` names another host; models are pulled when missing",
    ),
    "local": Own("an engine of its own", "this machine", (), "`docker-agent models pull`"),
}
"""Every row of `PROVIDERS` that is no protocol of OpenAI's."""

WORKS = {
    "Chat Completions": ("as it comes", "yes", "passed on", "passed on", "yes"),
    "Responses": ("as a summary, replayed encrypted", "yes", "yes", "refused", "yes"),
    "Messages": ("replayed with its signatures", "yes", "yes", "refused", "yes"),
    "generateContent": ("replayed with its signatures", "yes", "yes", "yes", "yes"),
    "ConverseStream": ("replayed with its signatures", "yes", "yes", "passed on", "asked in words"),
    "Chat Completions of `dmr`": (
        "as it comes",
        "with `supports_images`",
        "with `supports_pdf`",
        "passed on",
        "yes",
    ),
    "an engine of its own": ("as it comes", "left out", "left out", "passed on", "yes"),
}
"""What each protocol carries beside text whole and streamed, tools one and many at a time, token
counts, refusals and errors, which all do: reasoning, pictures, documents, spoken input, shapes."""

RUN = frozenset({"local"})
"""Providers that answered this program for real; the rest were tried against scripted servers that
the vendors' own clients get along with (`make e2e-live` asks those whose key is set)."""


def provider_rows() -> Iterator[tuple[str, str, str, str, str, str]]:
    """Id, protocols, address, variables, what is special, whether it was run for real."""
    needed = required_variables()
    for name, row in ENDPOINTS.items():
        protocols = "Chat Completions, Responses" if row.responses else "Chat Completions"
        address = f"`{row.base_url}`" if row.base_url else "your `base_url`"
        notes = "merges neighbouring messages" if row.merge else ""
        yield f"`{name}`", protocols, address, _code(needed[name]), notes, _run(name)
    for name, own in OWN.items():
        address = f"`{own.address}`" if own.address.startswith("http") else own.address
        yield f"`{name}`", own.protocol, address, _code(own.variables), own.notes, _run(name)


def _code(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def _run(name: str) -> str:
    return "yes" if name in RUN else "no"


def works_rows() -> Iterator[tuple[str, ...]]:
    """Protocol, and what it carries."""
    for protocol, carried in WORKS.items():
        yield protocol, *carried


def auto_rows() -> Iterator[tuple[str, str, str]]:
    """What `auto` looks for, in order."""
    spoken = {*ENDPOINTS, *table.PROVIDERS}
    for row in AUTO_ROWS:
        if row.provider in spoken:
            yield f"`{row.provider}`", _code(row.variables), f"`{row.model}`"
