"""Servers of Docker's catalogue through `docker mcp gateway`, with their secrets in files that only
we can read. Source: runtime.md §10.3."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from docker_agent.config.expand import Lookup, expand_shell, variable_names
from docker_agent.config.tree import Raw
from docker_agent.errors import ConfigError
from docker_agent.messages import JSON
from docker_agent.tools.child import Program
from docker_agent.tools.mcp.catalog import Entry

NO_DOCKER = "without Docker, an 'mcps' entry with a 'command' can take its place"
NO_GATEWAY = (
    "this docker command has no 'docker mcp'; install Docker's MCP Toolkit. Without it, an 'mcps' "
    "entry with a 'command' can take its place"
)


class Gateway(msgspec.Struct, frozen=True):
    """One server behind the gateway: which one, of which catalogue, with which secrets by name and
    which configuration."""

    server: str
    catalog: str
    secrets: Mapping[str, str]
    config: JSON
    directory: Path
    environ: Mapping[str, str]

    @contextmanager
    def program(self) -> Generator[Program]:
        """What to start; its files are there as long as the context."""
        folder = Path(tempfile.mkdtemp(prefix="docker-agent-mcp-"))
        try:
            secrets, config = folder / "secrets.env", folder / "config.yaml"
            lines = [f"{name}={value}\n" for name, value in self.secrets.items()]
            for path, text in (
                (secrets, "".join(lines)),
                (config, msgspec.json.encode({self.server: self.config}).decode()),
            ):
                path.touch(mode=0o600)
                path.write_text(text)
            yield Program(
                (
                    *("docker", "mcp", "gateway", "run", "--servers", self.server),
                    *("--catalog", self.catalog),
                    *("--secrets", str(secrets), "--config", str(config)),
                ),
                self.directory,
                self.environ,
                hint=NO_DOCKER,
            )
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def lacks_gateway(complaint: str) -> bool:
    """Whether a docker command that does not know `mcp` wrote this."""
    return "unknown flag: --servers" in complaint or "is not a docker command" in complaint


def secrets_of(options: Raw, server: str, entry: Entry, env: Lookup) -> dict[str, str]:
    """The secrets of a server, from the toolset's `env` or the variables the catalogue names.

    Raises `ConfigError` with all that are missing. Source: agent-file.md §6.4.
    """
    found: dict[str, str] = {}
    missing: dict[str, None] = {}
    declared = options.get("env")
    for secret in entry.secrets or ():
        own = declared.get(secret.env) if declared is not None else None
        if own is not None:
            text = str(own.plain())
            lacking = [name for name in sorted(variable_names(text)) if not env(name)]
            missing.update(dict.fromkeys(lacking))
            value = "" if lacking else expand_shell(text, env)
        else:
            value = env(secret.env) or ""
            if not value:
                missing[secret.env] = None
        if "\n" in value or "\r" in value:
            raise options.error(f"the secret {secret.env} of docker:{server} has several lines")
        found[secret.name] = value
    if missing:
        raise ConfigError(
            str(
                options.error(
                    f"docker:{server} needs these environment variables, which are not "
                    f"set: {', '.join(missing)}"
                )
            )
        )
    return found
