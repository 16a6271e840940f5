"""Registries that mean no good. Source: agent-file.md §5.5, DESIGN.md §8."""

from __future__ import annotations

import itertools
import tracemalloc
from pathlib import Path

import pytest

from docker_agent.errors import ConfigError
from docker_agent.registry.artifact import MAX_MANIFEST, digest_of, make_artifact
from tests.registry.pulling import FILE, foreign, pull, serve_artifact, sign_in
from tests.registry.site import Said, Site, say
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

ARTIFACT = make_artifact(FILE, {})
BLOB = f"/v2/a/b/blobs/{digest_of(FILE)}"
MANIFEST = "/v2/a/b/manifests/latest"


@pytest.fixture
def registry(web: Site) -> Site:
    """A registry that has one agent and means no harm yet."""
    serve_artifact(web, "a/b", ARTIFACT)
    return web


@requirement("refs:5.5:digests")
async def test_other_bytes_than_those_of_the_digest_are_refused(
    registry: Site, tmp_path: Path
) -> None:
    """agent-file.md §5.5, 3: digests are verified, of the layer and of a pinned manifest."""
    registry.on("GET", BLOB, say(200, FILE.replace(b"smollm2", b"evilone")))
    with pytest.raises(ConfigError, match="sent other bytes than those of sha256:"):
        await pull(f"{registry.host}/a/b", tmp_path)
    other = make_artifact(b"agents: {}", {})
    registry.on("GET", f"/v2/a/b/manifests/{ARTIFACT.digest}", say(200, other.manifest))
    with pytest.raises(ConfigError, match="sent other bytes than those of sha256:"):
        await pull(f"{registry.host}/a/b@{ARTIFACT.digest}", tmp_path)
    assert not list((tmp_path / "data").rglob("file"))


@requirement("refs:5.5:bounds")
@pytest.mark.parametrize("path", [MANIFEST, BLOB])
async def test_an_endless_body_is_cut(registry: Site, tmp_path: Path, path: str) -> None:
    """DESIGN.md §8, limits on every size: a body without an end costs a bounded piece of memory."""
    registry.on("GET", path, Said(200, itertools.repeat(bytes(65536)), endless=True))
    registry.on("HEAD", MANIFEST, say(404))
    tracemalloc.start()
    with pytest.raises(ConfigError, match="is larger than"):
        await pull(f"{registry.host}/a/b", tmp_path)
    assert tracemalloc.get_traced_memory()[1] < 4 * MAX_MANIFEST
    tracemalloc.stop()


@requirement("refs:5.5:bounds")
async def test_a_packed_body_that_nobody_asked_for_is_refused(
    registry: Site, tmp_path: Path
) -> None:
    """DESIGN.md §8: no bomb is unpacked."""
    registry.on("GET", BLOB, say(200, b"x", content_encoding="gzip"))
    with pytest.raises(ConfigError, match="packs its answers without being asked"):
        await pull(f"{registry.host}/a/b", tmp_path)


@requirement("refs:5.5:redirects")
@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("http://169.254.169.254/latest/meta-data", "leads to 169.254.169.254 without encryption"),
        ("https://169.254.169.254/latest", "169.254.169.254 is not a public address"),
        ("https://10.0.0.1/x", "10.0.0.1 is not a public address"),
        ("https://[::1]:1/x", "::1 is not a public address"),
        ("https://localhost:1/x", "localhost leads to an address that is not public"),
        ("http://127.0.0.1:1/x", "leads to 127.0.0.1 without encryption"),
        ("file:///etc/passwd", "without encryption"),
    ],
)
@pytest.mark.parametrize("path", [MANIFEST, BLOB])
async def test_a_redirect_into_a_private_network_is_refused(
    registry: Site, tmp_path: Path, path: str, target: str, said: str
) -> None:
    """agent-file.md §5.2 and §5.5: what a registry points to must be public and encrypted."""
    registry.on("HEAD", MANIFEST, say(404))
    registry.on("GET", path, say(307, location=target))
    with pytest.raises(ConfigError) as refused:
        await pull(f"{registry.host}/a/b", tmp_path)
    assert said in str(refused.value)


@requirement("refs:5.5:redirects")
async def test_a_redirect_at_the_registry_itself_is_followed_but_not_for_ever(
    registry: Site, tmp_path: Path
) -> None:
    """agent-file.md §5.2: at most 10."""
    registry.on("GET", BLOB, say(307, location="/stored/blob"))
    registry.on("GET", "/stored/blob", say(200, FILE))
    assert (await pull(f"{registry.host}/a/b", tmp_path)).file == FILE
    registry.on("GET", "/stored/blob", say(302, location="/stored/blob"))
    with pytest.raises(ConfigError, match="more than 10 redirects"):
        await pull(f"{registry.host}/a/b", tmp_path / "new")


@requirement("refs:5.5:redirects")
@pytest.mark.parametrize(
    "realm", ["http://10.0.0.1/token", "https://10.0.0.1/token", "https://localhost:1/token"]
)
async def test_a_password_is_not_sent_wherever_a_registry_says(
    registry: Site, tmp_path: Path, realm: str
) -> None:
    """agent-file.md §5.5: a token server is public and encrypted, or beside the registry."""
    sign_in(tmp_path, registry.host)
    registry.on("GET", MANIFEST, say(401, www_authenticate=f'Bearer realm="{realm}",service="s"'))
    with pytest.raises(ConfigError, match=r"not a public|is not public|without encryption"):
        await pull(f"{registry.host}/a/b", tmp_path)


@requirement("refs:5.4:foreign")
async def test_a_foreign_artifact_is_refused_also_when_a_copy_is_kept(
    registry: Site, tmp_path: Path
) -> None:
    """agent-file.md §5.4, E38: the tag means something else now, and nothing must hide that."""
    await pull(f"{registry.host}/a/b", tmp_path)
    registry.on("GET", MANIFEST, say(200, foreign("application/vnd.oci.image.config.v1+json")))
    with pytest.raises(ConfigError, match="is not an agent but an ordinary image"):
        await pull(f"{registry.host}/a/b", tmp_path)


@requirement("refs:5.6:elsewhere")
async def test_a_file_from_elsewhere_cannot_point_here(registry: Site, tmp_path: Path) -> None:
    """agent-file.md §5.2, §5.6: only the operator may name a registry on this machine."""
    with pytest.raises(ConfigError, match="lies on this machine, where a file from elsewhere"):
        await pull(f"{registry.host}/a/b", tmp_path, from_elsewhere=True)
    assert registry.got == []
    with pytest.raises(ConfigError, match="only public addresses may be reached"):
        await pull("10.255.255.1:5000/a/b", tmp_path, from_elsewhere=True)
