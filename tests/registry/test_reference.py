"""Names of artifacts, and what agents in registries look like. Source: agent-file.md §5.3, §5.4."""

from __future__ import annotations

import gzip
import json
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_agent.errors import ConfigError
from docker_agent.messages import JSON
from docker_agent.registry.artifact import (
    MANIFEST_TYPE,
    MAX_FILE,
    agent_layer,
    digest_of,
    make_artifact,
    unpacked,
)
from docker_agent.registry.challenge import Challenge, read_challenge
from docker_agent.registry.reference import Reference, parse_reference
from tests.requirements import requirement

DIGEST = "sha256:" + "a" * 64


@requirement("refs:5.3:grammar")
@pytest.mark.parametrize(
    ("text", "expected", "base_url"),
    [
        ("pirate", "docker.io/library/pirate:latest", "https://registry-1.docker.io"),
        ("agentcatalog/pirate", "docker.io/agentcatalog/pirate:latest", "registry-1.docker.io"),
        ("agentcatalog/pirate:v2", "docker.io/agentcatalog/pirate:v2", "registry-1.docker.io"),
        ("docker.io/a/b", "docker.io/a/b:latest", "https://registry-1.docker.io"),
        ("index.docker.io/a/b:1", "docker.io/a/b:1", "https://registry-1.docker.io"),
        ("ghcr.io/me/my-agent_x.y", "ghcr.io/me/my-agent_x.y:latest", "https://ghcr.io"),
        ("localhost/aa", "localhost/aa:latest", "http://localhost"),
        ("localhost:5000/a/b/c:t", "localhost:5000/a/b/c:t", "http://localhost:5000"),
        ("127.0.0.1:5000/a1", "127.0.0.1:5000/a1:latest", "http://127.0.0.1:5000"),
        ("[::1]:5000/a1", "[::1]:5000/a1:latest", "http://[::1]:5000"),
        ("reg.localhost:1/a1", "reg.localhost:1/a1:latest", "http://reg.localhost:1"),
        ("10.0.0.1:5000/a1", "10.0.0.1:5000/a1:latest", "https://10.0.0.1:5000"),
        ("reg.local/a1", "reg.local/a1:latest", "https://reg.local"),
        (f"a/b@{DIGEST}", f"docker.io/a/b@{DIGEST}", "registry-1.docker.io"),
        (f"a/b:t@{DIGEST}", f"docker.io/a/b@{DIGEST}", "registry-1.docker.io"),
        ("REG.example.com/a1", "reg.example.com/a1:latest", "https://reg.example.com"),
    ],
)
def test_a_reference_is_host_repository_and_tag_or_digest(
    text: str, expected: str, base_url: str
) -> None:
    """agent-file.md §5.3: Docker Hub and `latest` where nothing is said; plain HTTP only here."""
    found = parse_reference(text)
    assert str(found) == expected
    assert found.base_url.endswith(base_url)
    assert parse_reference(str(found)) == found or found.digest


@requirement("refs:5.3:grammar")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "characters"),
        ("a", "2 to 255 characters"),
        ("Agents/Pirate", "lower case: 'agents/pirate'"),
        ("a/b:", "no tag"),
        ("a/b:-x", "no tag"),
        ("a/b@sha256:123", "64 hexadecimal digits"),
        ("a/b@md5:" + "a" * 64, "64 hexadecimal digits"),
        ("a//b", "'' is no part"),
        ("a/../b", "'..' is no part"),
        ("a b/c", "'a b' is no part"),
        ("-x.com/ab", "is no host"),
        ("x/" + "y" * 260, "255 characters"),
        ("a\nb/c", "is no part"),
    ],
)
def test_what_is_no_reference_says_which_part(text: str, said: str) -> None:
    """agent-file.md §5.1 row 7, E38: 'not a valid reference', and why."""
    with pytest.raises(ConfigError) as refused:
        parse_reference(text)
    assert "is not a valid reference of a registry" in str(refused.value)
    assert said in str(refused.value)


@requirement("refs:5.3:grammar")
@given(st.text(max_size=40))
def test_any_text_is_a_reference_or_an_error(text: str) -> None:
    """agent-file.md §5.3: never anything else; what is read is read again the same."""
    try:
        found = parse_reference(text)
    except ConfigError:
        return
    assert parse_reference(str(found)) in (found, found.pinned(found.digest))


@requirement("refs:5.4:shape")
def test_an_agent_is_one_layer_with_a_mark() -> None:
    """agent-file.md §5.4: manifest, types and annotations as other programs expect them."""
    artifact = make_artifact(b"agents: {}\n", {"org.opencontainers.image.authors": "me"})
    manifest = json.loads(artifact.manifest)
    assert manifest["mediaType"] == MANIFEST_TYPE
    kind = "application/vnd.docker.agent.config.v1+json"
    assert manifest["artifactType"] == manifest["config"]["mediaType"] == kind
    [layer] = manifest["layers"]
    size, digest = len(artifact.file), digest_of(artifact.file)
    assert layer == {"mediaType": "application/yaml", "digest": digest, "size": size}
    assert manifest["annotations"]["org.opencontainers.image.authors"] == "me"
    assert manifest["annotations"]["io.docker.agent.version"]
    assert json.loads(artifact.config)["rootfs"] == {"type": "layers", "diff_ids": [digest]}
    assert agent_layer(artifact.manifest, "x").digest == digest


@requirement("refs:5.4:foreign")
@pytest.mark.parametrize(
    ("manifest", "said"),
    cast(
        list[tuple[dict[str, JSON], str]],
        [
            (
                {"config": {"mediaType": "application/vnd.oci.image.config.v1+json"}},
                "x is not an agent but an ordinary image",
            ),
            ({"manifests": [{}]}, "an image for several platforms"),
            (
                {"artifactType": "application/vnd.cncf.helm"},
                "an artifact of type application/vnd.cncf",
            ),
            ({"annotations": {"io.docker.agent.version": "1"}}, "without a file"),
            (
                {
                    "annotations": {"io.docker.cagent.version": "1"},
                    "layers": [{"mediaType": "x", "digest": DIGEST, "size": MAX_FILE + 1}],
                },
                "at most 10485760",
            ),
            ({"layers": 5}, "cannot be read"),
        ],
    ),
)
def test_what_is_no_agent_is_refused_with_what_it_is(manifest: dict[str, JSON], said: str) -> None:
    """agent-file.md §5.4, E38: one of two annotations makes an agent; the type does not count."""
    config = manifest.get("config")
    if isinstance(config, dict):
        manifest["config"] = {**config, "digest": DIGEST, "size": 2}
    with pytest.raises(ConfigError) as refused:
        agent_layer(json.dumps(manifest).encode(), "x")
    assert said in str(refused.value)


@requirement("refs:5.4:shape")
def test_a_layer_may_be_packed_but_not_without_end() -> None:
    """agent-file.md §5.4: accept gzip too; a bomb is stopped at the limit."""
    assert unpacked(b"agents: {}", "x") == b"agents: {}"
    assert unpacked(gzip.compress(b"agents: {}"), "x") == b"agents: {}"
    for layer, said in [
        (gzip.compress(bytes(MAX_FILE + 1)), "unpacks to more"),
        (gzip.compress(b"agents: {}")[:-9], "ends too early"),
        (b"\x1f\x8bxx", "is broken"),
    ]:
        with pytest.raises(ConfigError, match=said):
            unpacked(layer, "x")


@requirement("refs:5.5:auth")
@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('Basic realm="test"', Challenge("basic", "test")),
        (
            'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",'
            'scope="repository:a/b:pull,push"',
            Challenge(
                "bearer",
                "https://auth.docker.io/token",
                "registry.docker.io",
                "repository:a/b:pull,push",
            ),
        ),
        ('bearer realm="a\\"b", error=insufficient', Challenge("bearer", 'a"b')),
        ("Bearer", Challenge()),
        ("Negotiate", Challenge()),
        ("", Challenge()),
    ],
)
def test_a_challenge_is_read(header: str, expected: Challenge) -> None:
    """agent-file.md §5.5: the standard token flow via `WWW-Authenticate`."""
    assert read_challenge(header) == expected


@requirement("refs:5.3:grammar")
def test_a_digest_wins_over_a_tag() -> None:
    """agent-file.md §5.3: both may stand there."""
    found = parse_reference(f"a/b:t@{DIGEST}")
    assert (found.which, found.tag) == (DIGEST, "t")
    assert found.pinned(DIGEST) == Reference("docker.io", "a/b", digest=DIGEST)
