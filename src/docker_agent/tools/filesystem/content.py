"""What kind of file the first bytes belong to: pure, by signature, never by name."""

from __future__ import annotations

SNIFFED = 8192
"""Bytes that are looked at."""

_IMAGES = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)

_NO_TEXT = bytes([*range(0x09), 0x0B, *range(0x0E, 0x1B), *range(0x1C, 0x20)])
"""Control bytes that text does not hold; the list of the WHATWG's MIME sniffing standard."""


def image_type(head: bytes) -> str | None:
    """The MIME type of a picture that models take, None for anything else."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return next((mime for signature, mime in _IMAGES if head.startswith(signature)), None)


def is_binary(head: bytes) -> bool:
    """Whether a file that begins so is no text."""
    head = head[:SNIFFED]
    return head.startswith(b"%PDF-") or len(head.translate(None, _NO_TEXT)) < len(head)
