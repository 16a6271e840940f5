"""Path leniency: what clients make of a base URL, brought back to our paths. Pure.

Source: chat-server.md §2, clients.md 62 and 63. No redirects: they turn a POST into a GET.
"""

from __future__ import annotations

_BARE = ("/models", "/chat/completions")


def canonical(path: str) -> str:
    """The path without doubled and trailing slashes, with exactly one `/v1` where one belongs."""
    while "//" in path:
        path = path.replace("//", "/")
    if len(path) > 1:
        path = path.rstrip("/") or "/"
    while path.startswith("/v1/v1/"):
        path = path[len("/v1") :]
    if path in _BARE or path.startswith("/models/"):
        return f"/v1{path}"
    return path
