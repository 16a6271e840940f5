"""The bounds on what MCP servers may send and take, in one place."""

from __future__ import annotations

MAX_MESSAGE = 16 * 1024 * 1024
"""Bytes of one message of a server; one that sends more is ended."""

MAX_TOOLS = 1000
MAX_PAGES = 100
"""Tools of one server, and the pages they may come on."""

MAX_DESCRIPTION = 16_384
MAX_INSTRUCTIONS = 16_384
"""Characters of a tool's description, and of a server's instructions."""

MAX_MEDIA = 4_500_000
"""Bytes of one picture or document in a result (runtime.md §5.7)."""

CALL_TIMEOUT = 120.0
"""Seconds of one call without `lifecycle.call_timeout` (runtime.md §10.6)."""

REQUEST_TIMEOUT = 60.0
"""Seconds of one message to a remote server that is no call: hello, listing."""

LISTING_TIMEOUT = 20.0
"""Seconds for all pages of a listing; with a later one a run goes on as before."""

CONNECT_TIMEOUT = 20.0
"""Seconds to a connection with a remote server."""

GOODBYE_SECONDS = 1.0
"""For closing a session politely."""
