"""Recordings of what models were asked and answered: YAML in, interactions out, and back. No I/O
but the file's.

The form is the one of go-vcr, version 2, as the Go program writes it: keys we do not use pass.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

import msgspec

from docker_agent.errors import ConfigError
from docker_agent.messages import JSON

if TYPE_CHECKING:
    import yaml

VERSIONS = (1, 2)
MAX_CASSETTE = 256 * 1024 * 1024
"""Bytes of a recording that are read."""

HEAD = "---\nversion: 2\ninteractions:\n"
"""What stands before the first interaction of a recording."""

_UNUSUAL = re.compile(
    r"[^\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
    r"|\A\s|^(?:\.\.\.|---)",
    re.MULTILINE,
)
"""Characters that YAML takes for line breaks or cannot hold as they are, and texts that begin like
its own marks: those are quoted."""

_DOCUMENT_END = "...\n"
"""What the library puts after a text that ends in empty lines; more items follow here."""

_GZIP = b"\x1f\x8b"


class Interaction(msgspec.Struct, frozen=True):
    """One question over HTTP and its answer. Names of `headers` are in lower case; `answer` is the
    answer's body as it came; `cut` says that whoever asked left before its end."""

    method: str
    url: str
    body: str
    code: int
    headers: Mapping[str, str]
    answer: bytes
    cut: bool = False


def read_cassette(path: Path) -> tuple[Interaction, ...]:
    """The interactions of a recording, in order. Raises `ConfigError` naming file and place."""
    import yaml

    try:
        with path.open("rb") as file:
            data = file.read(MAX_CASSETTE + 1)
    except OSError as exc:
        raise ConfigError(f"reading the recording {path}: {exc.strerror or exc}") from exc
    if len(data) > MAX_CASSETTE:
        raise ConfigError(f"the recording {path} is larger than {MAX_CASSETTE} bytes")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        content: JSON = yaml.load(data, Loader=loader)
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        raise ConfigError(f"the recording {path} is no YAML: {_one_line(exc)}") from exc
    try:
        return tuple(_interactions(content))
    except _Malformed as exc:
        raise ConfigError(f"the recording {path}: {exc}") from exc


class _Malformed(Exception):
    """What is wrong with a recording, and where."""


def _one_line(exc: Exception) -> str:
    return " ".join(str(exc).split())


def _interactions(content: JSON) -> list[Interaction]:
    if not isinstance(content, dict) or "interactions" not in content:
        raise _Malformed("'interactions:' is missing; this is no recording of model calls")
    fields = cast(dict[str, JSON], content)
    version = fields.get("version", VERSIONS[-1])
    if version not in VERSIONS:
        raise _Malformed(f"version {version!r} is unknown; it must be 2")
    listed: JSON = fields["interactions"] or None
    if listed is None:
        return []
    if not isinstance(listed, list):
        raise _Malformed("'interactions' must be a list")
    return [
        _interaction(one, f"interactions[{n}]") for n, one in enumerate(cast(list[JSON], listed))
    ]


def _interaction(entry: JSON, place: str) -> Interaction:
    request = _map(_map(entry, place).get("request"), f"{place}.request")
    response = _map(_map(entry, place).get("response"), f"{place}.response")
    if not request.get("url"):
        raise _Malformed(f"{place}.request.url is missing")
    headers = _headers(response.get("headers"))
    return Interaction(
        method=str(request.get("method") or "POST").upper(),
        url=str(request["url"]),
        body=_bytes(request.get("body")).decode("utf-8", "replace"),
        code=_code(response, place),
        headers=headers,
        answer=_plain(_bytes(response.get("body")), headers),
        cut=response.get("cut") is True,
    )


def _map(value: JSON, place: str) -> Mapping[str, JSON]:
    if not isinstance(value, dict):
        raise _Malformed(f"{place} must be a map")
    return cast(dict[str, JSON], value)


def _code(response: Mapping[str, JSON], place: str) -> int:
    code = response.get("code")
    if code is None:
        code = str(response.get("status", "")).partition(" ")[0] or 200
    try:
        number = int(code)
    except (TypeError, ValueError):
        number = 0
    if not 200 <= number < 600:
        raise _Malformed(f"{place}.response.code: {code!r} is no HTTP status")
    return number


def _headers(value: JSON) -> dict[str, str]:
    """Headers by lower-case name; each is a text or, as Go writes them, a list of texts."""
    given = cast(dict[JSON, JSON], value) if isinstance(value, dict) else {}
    return {
        str(name).lower(): ", ".join(str(one) for one in cast(list[JSON], said))
        if isinstance(said, list)
        else str(said)
        for name, said in given.items()
    }


def _bytes(value: JSON) -> bytes:
    if value is None:
        return b""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


def _plain(body: bytes, headers: Mapping[str, str]) -> bytes:
    """The body without the compression it was recorded with, if any is left on it."""
    if body[:2] == _GZIP or "gzip" in headers.get("content-encoding", ""):
        for packed in (body, _unarmoured(body)):
            try:
                return zlib.decompress(packed, 47)
            except zlib.error:
                continue
    return body


def _unarmoured(body: bytes) -> bytes:
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        return b""


def written(interaction: Interaction) -> str:
    """An interaction as an item of a recording's list."""
    import yaml

    request = {"method": interaction.method, "url": interaction.url, "body": interaction.body}
    response: dict[str, object] = {
        "code": interaction.code,
        "headers": {name: [value] for name, value in interaction.headers.items()},
        "body": _text(interaction.answer),
    }
    if interaction.cut:
        response["cut"] = True
    item = yaml.dump(
        [{"request": request, "response": response}],
        Dumper=_dumper(),
        sort_keys=False,
        allow_unicode=True,
        width=2**30,
        indent=2,
    )
    return item.removesuffix(_DOCUMENT_END)


def _text(body: bytes) -> str | bytes:
    """A body as text; what is none, such as the frames of a binary stream, stays bytes."""
    if b"\0" in body:
        return body
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body


def _dumper() -> type[yaml.SafeDumper]:
    """A dumper that writes texts of several lines as they are, where YAML can."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Keeps its own representers."""

    def represent(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
        style = '"' if _UNUSUAL.search(text) else "|" if "\n" in text else None
        return dumper.represent_scalar(  # pyright: ignore[reportUnknownMemberType] - untyped value
            "tag:yaml.org,2002:str", text, style=style
        )

    Dumper.add_representer(str, represent)
    return Dumper
