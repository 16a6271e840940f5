r"""What bash reads between `$'` and `'`. Pure. Source: bash's manual, ANSI-C Quoting.

Python's own escapes differ: bash takes one digit after `\x` and `\u`, knows `\e` and `\cX`, and
leaves a backslash before what is no escape.
"""

from __future__ import annotations

import re

_ESCAPE = re.compile(
    r"""\\(?:([abeEfnrtv\\'"?])|([0-7]{1,3})|x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})"""
    r"|U([0-9a-fA-F]{1,8})|c(.))",
    re.DOTALL,
)
_LETTERS = dict(zip("abeEfnrtv\\'\"?", "\a\b\x1b\x1b\f\n\r\t\v\\'\"?", strict=True))
_LAST = 0x10FFFF


def unescaped(text: str) -> str:
    """The text that is meant; a NUL ends it."""
    return _ESCAPE.sub(_meant, text).partition("\0")[0]


def _meant(found: re.Match[str]) -> str:
    letter, octal, byte, short, long, control = found.groups()
    if letter:
        return _LETTERS[letter]
    if control:
        return chr(ord(control) & 0x1F)
    number = int(octal, 8) & 0xFF if octal else int(byte or short or long, 16)
    return chr(number) if number <= _LAST else ""
