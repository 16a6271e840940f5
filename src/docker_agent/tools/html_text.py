"""Text out of the bytes of a web page: its character set, and HTML as Markdown or plain text."""

from __future__ import annotations

import codecs
import html
import re
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from html_to_markdown import ConversionOptions

_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_CHARSET = re.compile(r"""charset\s*=\s*["']?([A-Za-z0-9._:-]+)""", re.IGNORECASE)
_ENCODING = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?([A-Za-z0-9._:-]{1,40})""", re.I)
_KNOWN_CHARSET = re.compile(
    r"(?:utf-?(?:8|16)|iso|latin|l\d|ascii|us-ascii|windows|cp|koi8|mac|gb|big5|euc|shift|sjis|tis)"
    r"[A-Za-z0-9_:-]*",
    re.IGNORECASE,
)
_SUPERSETS = {"ascii": "cp1252", "iso8859-1": "cp1252", "gb2312": "gb18030", "gbk": "gb18030"}
"""What the web means by these names (WHATWG Encoding)."""
_LOOKED_AT = 1024
"""Bytes at the beginning of a page in which it may name its character set."""
_BINARY = re.compile(
    r"(?:image|audio|video|font)/(?!svg)|application/(?:octet-stream|pdf|zip|gzip|x-)"
)
_SCRIPTS = ("script", "style", "template")


def decoded(body: bytes, content_type: str) -> str:
    """The text of a body: by its byte order mark, the charset of `content_type`, what the page says
    of itself, else as UTF-8; bytes that do not fit become `\ufffd`. Never raises."""
    for mark, charset in _BOMS:
        if body.startswith(mark):
            return body[len(mark) :].decode(charset, "replace")
    named = _CHARSET.search(content_type)
    charset = _codec(named[1]) if named else None
    if charset is None:
        inside = _ENCODING.search(body[:_LOOKED_AT])
        charset = _codec(inside[1].decode("ascii")) if inside else None
        if charset is not None and charset.startswith("utf-16"):
            charset = None
    return body.decode(charset or "utf-8", "replace")


def is_html(text: str, content_type: str) -> bool:
    """Whether a text is a web page: by its type, or by its look when it has none."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind:
        return kind in ("text/html", "application/xhtml+xml")
    return re.match(r"\s*<(?:!doctype html|html|head|body)\b", text, re.IGNORECASE) is not None


def is_binary(body: bytes, content_type: str) -> bool:
    """Whether a body is nothing to read: a picture, an archive, bytes with zeros among them."""
    if _BINARY.match(content_type.strip().lower()):
        return True
    wide = body.startswith((b"\xff\xfe", b"\xfe\xff")) or "utf-16" in content_type.lower()
    return not wide and b"\0" in body[: 8 * _LOOKED_AT]


def converted(page: str, format: Literal["text", "markdown"], url: str) -> str:
    """A web page as text or Markdown, without scripts and styles; links in Markdown are absolute,
    seen from `url`.

    Takes up to seconds for hostile pages, during which other threads go on: call it in one.
    """
    import html_to_markdown

    try:
        result = html_to_markdown.convert(page, _options(format, url))
    except (ValueError, html_to_markdown.ConversionError):
        return stripped(page)
    too_deep = html_to_markdown.WarningKind.DEPTH_LIMIT_EXCEEDED
    if any(warning.kind == too_deep for warning in result.warnings):
        return stripped(page)
    return (result.content or "").strip()


def stripped(page: str) -> str:
    """What stands between the tags of a page, in one pass: for pages too deep to convert."""
    texts: list[str] = []
    inside = ""
    for index, piece in enumerate(page.split("<")):
        tag, closed, text = piece.partition(">") if index else ("", ">", piece)
        name = tag.partition(" ")[0].lower()
        if inside:
            inside = "" if name == f"/{inside}" else inside
        elif name in _SCRIPTS:
            inside = name
        if not inside and closed and text.strip():
            texts.append(html.unescape(text).strip())
    return "\n".join(texts)


def _options(format: Literal["text", "markdown"], url: str) -> ConversionOptions:
    from html_to_markdown import ConversionOptions, PreprocessingOptions

    return ConversionOptions(
        output_format="plain" if format == "text" else "markdown",
        extract_metadata=False,
        compact_tables=True,
        inline_data_media="alt_text_only",
        preprocessing=PreprocessingOptions(remove_navigation=False, remove_forms=False),
        base_url=url,
    )


def _codec(name: str) -> str | None:
    if not _KNOWN_CHARSET.fullmatch(name):
        return None
    try:
        found = codecs.lookup(name).name
    except LookupError:
        return None
    return _SUPERSETS.get(found, found)
