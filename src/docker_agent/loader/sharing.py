"""An agent file as it is put into a registry: as it is, or written anew where it would mean less
elsewhere.

Source: agent-file.md §5.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from docker_agent.config.agent_file import AgentFile
from docker_agent.config.decode import decode, looks_like_hcl
from docker_agent.config.yaml_writing import write_yaml
from docker_agent.loader.reading import read_agent_file
from docker_agent.loader.source import Source
from docker_agent.registry.artifact import Artifact, make_artifact

_OPENCONTAINERS = "org.opencontainers.image"
TAGS_ANNOTATION = "io.docker.agent.tags"


def shared_artifact(source: Source, now: datetime | None = None) -> Artifact:
    """The artifact of an agent file on this machine. Raises `ConfigError` for a file that would
    not load."""
    data = source.read()
    file = read_agent_file(data, source)
    return make_artifact(_content(data, file, source), _annotations(file, now or datetime.now(UTC)))


def _content(data: bytes, file: AgentFile, source: Source) -> bytes:
    """The bytes as they are; written anew as YAML when the version is not said, or when texts stand
    in files beside it."""
    raw = decode(data, source.name, source.directory)
    text = data.decode("utf-8-sig")
    inlined = {agent.name: agent.instruction for agent in file.agents if agent.source.get(_BESIDE)}
    reads_beside = looks_like_hcl(source.name, text) and "file(" in text
    if raw.get("version") is not None and not inlined and not reads_beside:
        return data
    tree: dict[str, Any] = {"version": file.version, **raw.plain()}
    tree["version"] = tree["version"] or file.version
    for name, instruction in inlined.items():
        agent = tree["agents"][name]
        del agent[_BESIDE]
        agent["instruction"] = instruction
    return write_yaml(tree).encode()


_BESIDE = "instruction_file"


def _annotations(file: AgentFile, now: datetime) -> dict[str, str]:
    metadata = file.metadata
    said: Mapping[str, str] = {
        f"{_OPENCONTAINERS}.description": metadata.description,
        f"{_OPENCONTAINERS}.authors": metadata.author,
        f"{_OPENCONTAINERS}.licenses": metadata.license,
        f"{_OPENCONTAINERS}.revision": metadata.version,
        TAGS_ANNOTATION: ",".join(metadata.tags),
    }
    created = now.replace(microsecond=0).isoformat().replace("+00:00", "Z")
    return {
        f"{_OPENCONTAINERS}.created": created,
        **{name: value for name, value in said.items() if value},
    }
