"""The sign-in at ChatGPT that another program left on this machine.

Source: agent-file.md §6.1, row 6.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path

import msgspec

log = logging.getLogger(__name__)

TOKEN = "CHATGPT_OAUTH_TOKEN"
FILE = "chatgpt-auth.json"
"""In the configuration directory."""

HELP = (
    f"it is the access token of a sign-in at ChatGPT; set it, or have a program keep one in {FILE} "
    "in the configuration directory (this one signs nobody in)"
)

_MAX_FILE = 256 * 1024
"""Bytes."""
_KNOWN_SINCE = 2000
"""A year before this one says that nobody knows when the sign-in ends."""


class _SignIn(msgspec.Struct, frozen=True):
    access_token: str = ""
    expires_at: str = ""


_decode = msgspec.json.Decoder(_SignIn).decode


class ChatGptSignIn:
    """`CHATGPT_OAUTH_TOKEN` from a file, which is read each time: whoever wrote it may renew it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._told = ""

    def get(self, name: str) -> str | None:
        """The access token, while it holds."""
        if name != TOKEN:
            return None
        try:
            with self._path.open("rb") as file:
                found = _decode(file.read(_MAX_FILE))
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as exc:
            self._tell(f"cannot be read: {getattr(exc, 'strerror', None) or exc}")
            return None
        if _has_ended(found.expires_at):
            self._tell(f"is a sign-in at ChatGPT that ended at {found.expires_at}; sign in again")
            return None
        return found.access_token or None

    def _tell(self, what: str) -> None:
        if what != self._told:
            self._told = what
            log.warning("%s %s", self._path, what)


def _has_ended(moment: str) -> bool:
    """Whether a moment is over; one that cannot be read is not."""
    try:
        end = datetime.fromisoformat(moment)
    except ValueError:
        return False
    if end.year < _KNOWN_SINCE:
        return False
    return (end if end.tzinfo else end.replace(tzinfo=UTC)) <= datetime.now(UTC)
