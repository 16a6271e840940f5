"""Instructions that stand in files of their own, read into an agent."""

from __future__ import annotations

import stat
from pathlib import Path, PurePath, PureWindowsPath

import msgspec

from docker_agent.config.agent_file import Agent
from docker_agent.config.decode import LARGEST
from docker_agent.config.tree import Raw
from docker_agent.errors import ConfigError


def with_instructions(agent: Agent, directory: Path | None) -> Agent:
    """The agent with the files of its `instruction_file` as its `instruction`, joined with one
    blank line.

    `directory` is where the agent file lies, None when it comes from elsewhere than a local file.
    Raises `ConfigError` naming agent and file: a path outside the directory, also by a symlink, a
    file that cannot be read, no directory. Source: agent-file.md §1.7.
    """
    places = [place for place in _places(agent) if place.plain() != ""]
    if not places:
        return msgspec.structs.replace(agent, instruction_file=())
    if directory is None:
        raise places[0].error(
            f"agent {agent.name!r}: instruction files need an agent file on this machine; "
            "write the text into 'instruction'"
        )
    texts = [_read(agent, place, directory) for place in places]
    return msgspec.structs.replace(agent, instruction="\n\n".join(texts), instruction_file=())


def _places(agent: Agent) -> list[Raw]:
    found = agent.source.get("instruction_file")
    if found is None:
        return []
    return [found] if isinstance(agent.instruction_file, str) else list(found.elements())


def _read(agent: Agent, place: Raw, directory: Path) -> str:
    name = getattr(place.node, "text", "")
    try:
        path = _inside(name, directory)
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise ConfigError("is no ordinary file")
        if found.st_size > LARGEST:
            raise ConfigError(f"is larger than {LARGEST} bytes")
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except ConfigError as exc:
        reason = str(exc)
    except UnicodeDecodeError:
        reason = "is no UTF-8 text"
    except OSError as exc:
        reason = f"cannot be read: {exc.strerror or exc}"
    except ValueError:
        reason = "cannot be read: a path must not hold a NUL character"
    raise place.error(f"agent {agent.name!r}: {name!r} {reason}")


def _inside(name: str, directory: Path) -> Path:
    given = PurePath(name)
    if given.is_absolute() or PureWindowsPath(name).anchor:
        raise ConfigError("is an absolute path; write one relative to the agent file")
    if ".." in given.parts or ".." in PureWindowsPath(name).parts:
        raise ConfigError("leaves the directory of the agent file")
    root = directory.resolve()
    path = (root / given).resolve()
    if not path.is_relative_to(root):
        raise ConfigError("leads out of the directory of the agent file through a symlink")
    return path
