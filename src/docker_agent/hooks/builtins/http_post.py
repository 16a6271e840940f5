"""Sends what it is told to an address."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import urlsplit

import msgspec

from docker_agent.env.secret_text import redact
from docker_agent.errors import ConfigError
from docker_agent.hooks.command import encoded
from docker_agent.hooks.port import NO_VERDICT, Hook, HookFailed, HookInput, Verdict
from docker_agent.hooks.template import Template

Post = Callable[[str, bytes], Awaitable[int]]
"""Sends a JSON body to an address that is not private, returns the status. Raises `HookFailed`."""


def http_post(args: Sequence[str], post: Post) -> Hook:
    """A hook for any event: POSTs its input, or a template filled from it, without secrets. Any
    status but 2xx is a failure.

    `args` are the address and, if wished, the template. Raises `ConfigError` for anything else.
    Source: runtime.md §12.6.
    """
    if not args or len(args) > 2 or not _is_address(args[0]):
        raise ConfigError("http_post takes an http(s) address, and a template for the body")
    url = args[0]
    template = Template(args[1]) if len(args) == 2 else None

    async def send(given: HookInput) -> Verdict:
        body = encoded(given)
        if template is not None:
            body = template.fill(msgspec.json.decode(body)).encode()
        status = await post(url, redact(body.decode()).encode())
        if not 200 <= status < 300:
            raise HookFailed(f"was answered with status {status}")
        return NO_VERDICT

    return send


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)
