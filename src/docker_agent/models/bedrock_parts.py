"""Pictures, documents and sound in the words of Bedrock's Converse: bytes with a format. Pure.

Wire: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from pathlib import PurePath
from urllib.parse import unquote_to_bytes

from docker_agent.errors import ModelError
from docker_agent.messages import JSON, AudioPart, FilePart, ImagePart

SEE_DOCUMENT = "See the document."
"""What a message says that holds documents alone: the API wants words beside them."""

MAX_NAME = 200
"""Characters of a document's name."""

_IMAGES: Mapping[str, str] = {
    "image/png": "png",
    "image/jpeg": "jpeg",
    "image/jpg": "jpeg",
    "image/gif": "gif",
    "image/webp": "webp",
}
_DOCUMENTS: Mapping[str, str] = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
_TEXTUAL = ("application/json", "application/xml", "application/yaml", "application/x-yaml")
_DATA_URL = re.compile(r"data:([^;,]*)((?:;[^;,]*)*),")
_NOT_IN_NAME = re.compile(r"[^a-zA-Z0-9\s()\[\]-]+")


class Names:
    """Names of one request's documents: what the API allows, each only once."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, filename: str | None) -> str:
        """A name for the document of this file name."""
        stem = PurePath(filename or "").stem
        plain = " ".join(_NOT_IN_NAME.sub(" ", stem).split())[: MAX_NAME - 10] or "document"
        name, number = plain, 1
        while name in self._taken:
            number += 1
            name = f"{plain} {number}"
        self._taken.add(name)
        return name


def image_block(part: ImagePart) -> JSON:
    """A picture. Raises `ModelError` for one that is elsewhere, or of another kind."""
    found = _carried(part.url)
    if found is None:
        raise _refused("takes pictures in the request itself (a data URL), not by address")
    return _image(*found)


def _image(kind: str, data: str) -> JSON:
    form = _IMAGES.get(kind)
    if form is None:
        raise _refused(f"takes png, jpeg, gif and webp pictures, not {kind or 'unknown ones'}")
    return {"image": {"format": form, "source": {"bytes": data}}}


def document_block(part: FilePart, names: Names) -> JSON:
    """A document, or the picture that a file is; None when there is nothing in it. Raises
    `ModelError` for one that is elsewhere, or of a kind the API does not read."""
    if not part.data:
        if part.file_id:
            raise _refused("takes files in the request itself, not by id")
        return None
    if part.data.startswith(("http://", "https://")):
        raise _refused("takes files in the request itself (a data URL), not by address")
    kind, data = _carried(part.data) or ("", part.data)
    if kind.startswith("image/"):
        return _image(kind, data)
    form = _document_form(kind, part.filename)
    if form is None:
        raise _refused(
            f"takes {', '.join(_DOCUMENTS.values())} files, not {kind or 'unknown ones'}"
        )
    name = names.of(part.filename)
    return {"document": {"format": form, "name": name, "source": {"bytes": data}}}


def _document_form(kind: str, filename: str | None) -> str | None:
    known = _DOCUMENTS.get(kind)
    if known is not None:
        return known
    ending = PurePath(filename or "").suffix.lower().removeprefix(".")
    if ending in _DOCUMENTS.values():
        return ending
    if kind.startswith("text/") or kind in _TEXTUAL:
        return "txt"
    return "pdf" if not kind else None


def audio_block(part: AudioPart) -> JSON:
    """Sound."""
    return {"audio": {"format": part.format, "source": {"bytes": part.data}}}


def _carried(url: str) -> tuple[str, str] | None:
    """Kind and base64 of a data URL; None when it is none."""
    head = _DATA_URL.match(url)
    if head is None:
        return None
    data = url[head.end() :]
    if ";base64" not in head[2]:
        data = base64.b64encode(unquote_to_bytes(data)).decode()
    return head[1].lower() or "text/plain", data


def _refused(what: str) -> ModelError:
    return ModelError("unsupported_content_type", f"Amazon Bedrock {what}")
