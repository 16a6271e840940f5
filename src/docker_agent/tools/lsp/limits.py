"""The bounds on what language servers may send and take, in one place."""

from __future__ import annotations

MAX_MESSAGE = 16 * 1024 * 1024
"""Bytes of one message of a server; one that sends more is ended."""

MAX_HEADER = 64 * 1024
"""Bytes before a message that are no part of one: headers, and what somebody printed."""

MAX_FILE = 4 * 1024 * 1024
"""Bytes of a file that a server is shown, or that is edited."""

MAX_OPEN = 100
"""Files that a server has open at once; those not used for longest are closed."""

MAX_EDITED = 100
"""Files that one call may change."""

MAX_WATCHED = 5_000
MAX_LOOKED_AT = 50_000
"""Files of a workspace whose changes a server is told of, and names that are looked at for them."""

MAX_ROWS = 200
"""Places, symbols, problems and the like in one answer."""

MAX_TEXT = 50_000
"""Characters of one answer."""

MAX_LINE = 300
"""Characters of a line of code, or of somebody else's words, in an answer."""

MAX_ASKED = 32
"""Requests of a server that are answered at once."""

MAX_WAITING = 32 * 1024 * 1024
"""Bytes that wait for a server to read them."""

CALL_TIMEOUT = 60.0
"""Seconds of one call without `lifecycle.call_timeout`."""

HELLO_SECONDS = 120.0
"""For a server to say what it can."""

GOODBYE_SECONDS = 0.2
"""For a server to answer that it shuts down, before its stdin is closed."""

DIAGNOSTICS_SECONDS = 8.0
"""How long the problems of a file are awaited of a server that sends them by itself."""

QUIET_SECONDS = 0.4
"""Without further problems of a file, after which those that came are all."""

RETRY_SECONDS = 0.3
MAX_RETRIES = 10
"""Between two tries of what a server is not ready to answer, and how many there are."""

STUCK_CALLS = 3
"""Calls in a row that took too long, without any word of the server, after which it is ended."""
