"""Skills in folders of this machine. Source: runtime.md §13.1, agent-file.md §2.5."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path, PurePath

from docker_agent.errors import ConfigError, ToolError
from docker_agent.tools.skills.skill import MAX_FILE, SKILL_FILE, Skill, read_skill_file

log = logging.getLogger(__name__)

MAX_SKILLS = 200
MAX_FILES = 200
MAX_DEPTH = 6
MAX_FOLDERS = 2_000
"""Skills of one agent, files named per skill, and how far folders are searched."""

_COMMAND = re.compile(r"^!`([^`\n]+)`[ \t]*$", re.MULTILINE)

RunLine = Callable[[str], Awaitable[str | None]]
"""The output of a command that stands in a skill; None when it must not run."""


class Folder:
    """The texts of one skill, read from its folder each time."""

    def __init__(self, folder: Path, run_line: RunLine) -> None:
        self._folder = folder
        self._run_line = run_line

    async def body(self) -> str:
        text = await asyncio.to_thread(_read, self._folder, SKILL_FILE)
        try:
            _, body = read_skill_file(text, self._folder.name)
        except ConfigError as exc:
            raise ToolError(f"the skill cannot be read: {exc}") from exc
        return await self._with_outputs(body)

    async def file(self, path: str) -> str:
        return await asyncio.to_thread(_read, self._folder, path)

    async def _with_outputs(self, body: str) -> str:
        """The body with the output of the commands in it, where they may run."""
        pieces: list[str] = []
        at = 0
        for found in _COMMAND.finditer(body):
            output = await self._run_line(found[1])
            pieces += (body[at : found.start()], found[0] if output is None else output.rstrip())
            at = found.end()
        return "".join((*pieces, body[at:]))


def find_skills(
    working_dir: Path, environ: Mapping[str, str], run_line: RunLine, *, personal: bool
) -> dict[str, Skill]:
    """The skills of this machine by name; of equal names the nearest to the working directory.

    `personal`: those of the operator's home count too. What is wrong with one is a warning.
    """
    found: dict[str, Skill] = {}
    for root, deep, bound in _roots(working_dir, environ, personal=personal):
        for folder in _folders(root, deep=deep):
            skill = _skill(folder, bound, run_line)
            if skill is not None:
                found.pop(skill.name, None)
                found[skill.name] = skill
            if len(found) >= MAX_SKILLS:
                log.warning("more than %d skills; the rest is passed over", MAX_SKILLS)
                return found
    return found


def _roots(
    working_dir: Path, environ: Mapping[str, str], *, personal: bool
) -> Iterator[tuple[Path, bool, Path | None]]:
    """Where skills lie, whether folders in folders are searched, and the folder that a skill's
    files must not leave (None: its own is enough)."""
    if kit := environ.get("DOCKER_AGENT_KIT_DIR"):
        yield Path(kit) / "skills", True, None
        return
    home = Path(environ["HOME"]) if environ.get("HOME") else None
    if personal and home is not None:
        yield home / ".codex" / "skills", True, None
        yield home / ".claude" / "skills", False, None
        yield home / ".agents" / "skills", True, None
    above = _project(working_dir, home)
    yield working_dir / ".claude" / "skills", False, above[0]
    for directory in above:
        yield directory / ".github" / "skills", False, above[0]
        yield directory / ".agents" / "skills", False, above[0]


def _project(working_dir: Path, home: Path | None) -> list[Path]:
    """The working directory and the folders above it that belong to the same project, the topmost
    first."""
    above = [working_dir, *working_dir.parents]
    for count, directory in enumerate(above, 1):
        if (directory / ".git").exists():
            return above[:count][::-1]
    if home is not None and working_dir.is_relative_to(home) and working_dir != home:
        return above[: above.index(home)][::-1]
    return [working_dir]


def _folders(root: Path, *, deep: bool) -> Iterator[Path]:
    waiting = [(root, 0)]
    seen = 0
    while waiting:
        directory, depth = waiting.pop()
        try:
            inside = sorted(path for path in directory.iterdir() if path.is_dir())
        except OSError:
            continue
        for folder in inside:
            seen += 1
            if seen > MAX_FOLDERS:
                return
            if (folder / SKILL_FILE).is_file():
                yield folder
            elif deep and depth < MAX_DEPTH and not folder.is_symlink():
                waiting.append((folder, depth + 1))


def _skill(folder: Path, bound: Path | None, run_line: RunLine) -> Skill | None:
    try:
        if bound is not None and not folder.resolve().is_relative_to(bound.resolve()):
            raise ConfigError(f"it leads out of {bound}")
        head, _ = read_skill_file(_read(folder, SKILL_FILE), folder.name)
    except (ConfigError, ToolError) as exc:
        log.warning("the skill in %s is left out: %s", folder, exc)
        return None
    return Skill(head, Folder(folder, run_line), tuple(_files(folder)))


def _files(folder: Path) -> list[str]:
    found: list[str] = []
    for path in sorted(folder.rglob("*")):
        if len(found) >= MAX_FILES:
            break
        if path.is_file() and path.name != SKILL_FILE:
            found.append(path.relative_to(folder).as_posix())
    return found


def _read(folder: Path, name: str) -> str:
    """A text of the folder. Raises `ToolError` for one that leads out of it or is none."""
    given = PurePath(name)
    root = folder.resolve()
    try:
        path = (root / given).resolve()
        if given.is_absolute() or not path.is_relative_to(root):
            raise ToolError(f"'{name}' leads out of the skill's folder")
        if not path.is_file():
            raise ToolError(f"the skill has no file '{name}'")
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
        if len(data) > MAX_FILE:
            raise ToolError(f"'{name}' is larger than {MAX_FILE} bytes")
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ToolError(f"'{name}' is no text") from None
    except (OSError, ValueError) as exc:
        raise ToolError(f"'{name}' cannot be read") from exc
