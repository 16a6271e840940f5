"""Pulling and pushing as the loader does, with a folder and an environment of the test's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import anyio

from docker_agent.registry.artifact import (
    AGENT_TYPE,
    MANIFEST_TYPE,
    Artifact,
    digest_of,
    make_artifact,
)
from docker_agent.registry.elsewhere import open_elsewhere
from docker_agent.registry.pull import Pulled
from docker_agent.registry.reference import parse_reference
from tests.registry.real import PASSWORD, USER, basic
from tests.registry.site import Site, say

LIMIT = 30.0
FILE = b"agents: {root: {model: local/smollm2}}\n"


async def pull(
    reference: str, folder: Path, env: Mapping[str, str] | None = None, **how: bool
) -> Pulled:
    """What a reference brings; `folder` keeps copies, and is HOME."""
    environ = {"HOME": str(folder), **(env or {})}
    with anyio.fail_after(LIMIT):
        async with open_elsewhere(folder / "data", environ, environ.get) as elsewhere:
            return await elsewhere.pull(parse_reference(reference), **how)


async def push(
    reference: str,
    folder: Path,
    file: bytes = FILE,
    annotations: Mapping[str, str] | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """Push an agent file; returns its digest."""
    artifact = make_artifact(file, annotations or {})
    environ = {"HOME": str(folder), **(env or {})}
    with anyio.fail_after(LIMIT):
        async with open_elsewhere(folder / "data", environ, environ.get) as elsewhere:
            await elsewhere.push(parse_reference(reference), artifact)
    return artifact.digest


def sign_in(folder: Path, host: str, user: str = USER, password: str = PASSWORD) -> Path:
    """What `docker login` writes."""
    auth = basic(user, password).removeprefix("Basic ")
    return docker_config(folder, {"auths": {host: {"auth": auth}}})


def docker_config(folder: Path, content: Mapping[str, object]) -> Path:
    """Docker's configuration below a HOME."""
    path = folder / ".docker" / "config.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def helper(folder: Path, script: str, name: str = "test") -> dict[str, str]:
    """An environment whose PATH has a credential helper, a script for sh."""
    program = folder / "bin" / f"docker-credential-{name}"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return {"PATH": f"{program.parent}:/usr/bin:/bin"}


def serve_artifact(site: Site, repository: str, artifact: Artifact, tag: str = "latest") -> None:
    """Make a site a registry that has one artifact."""
    base = f"/v2/{repository}"
    manifest = say(
        200,
        artifact.manifest,
        content_type=MANIFEST_TYPE,
        docker_content_digest=artifact.digest,
    )
    site.on("GET", f"{base}/manifests/{tag}", manifest)
    site.on("GET", f"{base}/manifests/{artifact.digest}", manifest)
    for blob in (artifact.config, artifact.file):
        site.on("GET", f"{base}/blobs/{digest_of(blob)}", say(200, blob))


def foreign(kind: str = AGENT_TYPE) -> bytes:
    """A manifest without the mark of an agent."""
    layer = {"mediaType": "application/yaml", "digest": digest_of(FILE), "size": len(FILE)}
    config = {"mediaType": kind, "digest": digest_of(b"{}"), "size": 2}
    content = {"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": config, "layers": [layer]}
    return json.dumps(content).encode()
