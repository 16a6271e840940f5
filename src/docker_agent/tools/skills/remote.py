"""Skills that a web server lists under `/.well-known/skills/`. Source: runtime.md §13.2."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from docker_agent.disk import write_whole
from docker_agent.env.directories import private
from docker_agent.errors import ConfigError, ToolError
from docker_agent.tools.skills.skill import MAX_FILE, SKILL_FILE, Skill, read_skill_file
from docker_agent.tools.web import Request, Web

if TYPE_CHECKING:
    from yarl import URL

log = logging.getLogger(__name__)

HTTP_TIMEOUT = 30.0
"""Seconds for one file."""
DEFAULT_AGE = 3600.0
"""Seconds that a file counts as fresh when its server says nothing."""
MAX_AGE = 7 * 24 * 3600.0
MAX_SKILLS = 100

_PATH = re.compile(r"[A-Za-z0-9_.@+-]+(?:/[A-Za-z0-9_.@+-]+)*")
_MAX_AGE = re.compile(r"max-age=(\d{1,9})")
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)


class Listed(msgspec.Struct, frozen=True):
    """A skill in an index."""

    name: str
    description: str = ""
    files: tuple[str, ...] = ()


class Index(msgspec.Struct, frozen=True):
    """What a server says of its skills."""

    skills: tuple[Listed, ...] = ()


class Kept(msgspec.Struct, frozen=True):
    """A file as it came, fresh until a time in seconds since 1970."""

    until: float
    body: bytes


class Shelf:
    """Files of the web with copies in a folder, so that they are fetched once an hour and are there
    without a network."""

    def __init__(self, web: Web, folder: Path, now: Callable[[], float] = time.time) -> None:
        self._web = web
        self._folder = folder
        self._now = now

    async def text(self, url: str) -> str:
        """The file at `url`, a copy while that is fresh or nothing better can be had.

        Raises `ToolError`.
        """
        kept = await asyncio.to_thread(self._kept, url)
        if kept is None or kept.until <= self._now():
            try:
                kept = await self._fetch(url)
            except ToolError as exc:
                if kept is None:
                    raise
                log.warning("%s: %s; an older copy is used", url, exc)
        try:
            return kept.body.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise ToolError(f"{url} is no text") from None

    async def _fetch(self, url: str) -> Kept:
        async def stays(step: URL) -> None:
            if step.origin() != _origin(url):
                raise ToolError(f"{url} leads to another server")

        request = Request(url, timeout=HTTP_TIMEOUT, limit=MAX_FILE)
        reply = await self._web.send(request, stays)
        if reply.status != 200:
            raise ToolError(f"{url}: {reply.status} {reply.reason}".rstrip())
        if reply.cut:
            raise ToolError(f"{url} is larger than {MAX_FILE} bytes")
        said = reply.headers.get("cache-control", "").lower()
        found = _MAX_AGE.search(said)
        age = 0.0 if "no-store" in said or "no-cache" in said else DEFAULT_AGE
        age = min(float(found[1]), MAX_AGE) if found and age else age
        kept = Kept(self._now() + age, reply.body)
        await asyncio.to_thread(self._keep, url, kept)
        return kept

    def _place(self, url: str) -> Path:
        return self._folder / hashlib.sha256(url.encode()).hexdigest()

    def _kept(self, url: str) -> Kept | None:
        try:
            return msgspec.msgpack.decode(self._place(url).read_bytes(), type=Kept)
        except (OSError, *_UNREADABLE):
            return None

    def _keep(self, url: str, kept: Kept) -> None:
        try:
            place = private(self._folder) / self._place(url).name
            write_whole(place, msgspec.msgpack.encode(kept))
        except (OSError, ConfigError) as exc:
            log.warning("%s is not kept: %s", url, exc)


class Remote:
    """The texts of a skill elsewhere."""

    def __init__(self, shelf: Shelf, base: str, listed: Listed) -> None:
        self._shelf = shelf
        self._base = base
        self._listed = listed

    async def body(self) -> str:
        return (await self.read())[1]

    async def file(self, path: str) -> str:
        if path not in self._listed.files:
            raise ToolError(f"the skill has no file '{path}'")
        return await self._shelf.text(f"{self._base}/{self._listed.name}/{path}")

    async def read(self) -> tuple[Skill, str]:
        """The skill and its instructions. Raises `ToolError`."""
        text = await self._shelf.text(f"{self._base}/{self._listed.name}/{SKILL_FILE}")
        try:
            head, body = read_skill_file(text, self._listed.name)
        except ConfigError as exc:
            raise ToolError(f"the skill cannot be read: {exc}") from exc
        files = tuple(path for path in self._listed.files if path != SKILL_FILE)
        return Skill(msgspec.structs.replace(head, name=self._listed.name), self, files), body


async def fetch_skills(source: str, shelf: Shelf) -> dict[str, Skill]:
    """The skills that the server of `source` lists, by name; those that cannot be read are left out
    with a warning.

    Raises `ToolError` when there is no list.
    """
    base = f"{source.rstrip('/')}/.well-known/skills"
    text = await shelf.text(f"{base}/index.json")
    try:
        index = msgspec.json.decode(text.encode(), type=Index)
    except _UNREADABLE as exc:
        raise ToolError(f"{base}/index.json is no list of skills: {exc}") from exc
    found: dict[str, Skill] = {}
    for listed in index.skills[:MAX_SKILLS]:
        if not _plain(listed.name) or not all(_plain(path) for path in listed.files):
            log.warning("%s: the skill %r has names that are no plain paths", source, listed.name)
            continue
        try:
            skill, _ = await Remote(shelf, base, listed).read()
        except ToolError as exc:
            log.warning("%s: the skill %s is left out: %s", source, listed.name, exc)
            continue
        found[skill.name] = skill
    return found


def _plain(path: str) -> bool:
    return _PATH.fullmatch(path) is not None and ".." not in path.split("/")


def _origin(url: str) -> URL:
    from yarl import URL as Address

    return Address(url).origin()
