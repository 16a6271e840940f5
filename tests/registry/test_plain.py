"""Registries that speak plain HTTP. Source: agent-file.md §5.3."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from docker_agent.registry.artifact import make_artifact
from docker_agent.registry.client import Registry
from docker_agent.registry.credentials import Credentials
from docker_agent.registry.http import Reach, RemoteError, open_client
from docker_agent.registry.reference import parse_reference
from tests.registry.pulling import FILE, serve_artifact
from tests.registry.site import Site, say
from tests.requirements import requirement

pytestmark = pytest.mark.anyio


async def _loopback(host: str, port: int) -> Sequence[str]:
    return ["127.0.0.1"]


async def _manifest(web: Site, host: str, reach: Reach, known: Credentials | None = None) -> bytes:
    """The manifest of `a/b` at the site, which is called `host` here."""
    reference = parse_reference(f"{host}:{web.host.rpartition(':')[2]}/a/b")

    async def credentials(_: str) -> Credentials | None:
        return known

    async with open_client(resolve=_loopback, public=lambda _: True) as client:
        return await Registry(client, reference, reach, credentials).manifest()


@requirement("refs:5.3:plain")
@pytest.mark.parametrize(
    ("host", "near"),
    [
        ("reg.local", True),
        ("10.1.2.3:5000", True),
        ("172.31.0.1", True),
        ("192.168.1.5:5000", True),
        ("[fd00::5]:5000", True),
        ("172.32.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("8.8.8.8", False),
        ("local.example.com", False),
        ("reglocal.com", False),
        ("docker.io", False),
    ],
)
def test_a_private_network_is_told_by_the_name(host: str, near: bool) -> None:
    """agent-file.md §5.3: `*.local` and private ranges; metadata services are neither."""
    assert parse_reference(f"{host}/a/b").is_in_own_network is near


@requirement("refs:5.3:plain")
async def test_a_registry_of_the_own_network_may_speak_plain_http(
    web: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """Only where the operator named it, and only when it has no TLS."""
    artifact = make_artifact(FILE, {})
    serve_artifact(web, "a/b", artifact)
    assert await _manifest(web, "reg.local", "anywhere") == artifact.manifest
    assert "reg.local" in caplog.text
    assert "plain HTTP" in caplog.text
    others: list[tuple[str, Reach]] = [("reg.local", "public"), ("reg.example.com", "anywhere")]
    web.got.clear()
    for host, reach in others:
        with pytest.raises(RemoteError, match="no TLS connection"):
            await _manifest(web, host, reach)
    assert web.got == []


@requirement("refs:5.3:plain")
@pytest.mark.parametrize(
    ("challenge", "said"),
    [
        ('Basic realm="r"', "credentials leave this machine encrypted only"),
        ('Bearer realm="http://reg.local/token",service="s"', "without encryption"),
    ],
)
async def test_credentials_never_go_out_over_plain_http(
    web: Site, challenge: str, said: str
) -> None:
    """Whatever the registry asks for."""
    web.on("GET", "/v2/a/b/manifests/latest", say(401, www_authenticate=challenge))
    with pytest.raises(RemoteError, match=said):
        await _manifest(web, "reg.local", "anywhere", Credentials("ada", "hunter2"))
    assert [got.path for got in web.got] == ["/v2/a/b/manifests/latest"]
    assert "authorization" not in web.got[0].headers
