"""Agent files at web addresses. Source: agent-file.md §5.2."""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
import pytest

from docker_agent.errors import ConfigError
from docker_agent.registry.elsewhere import open_elsewhere
from docker_agent.registry.http import Client
from docker_agent.registry.web_file import WebFiles, check_address
from tests.registry.site import Got, Said, Site, say
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

FILE = b"agents: {root: {model: local/smollm2}}\n"
DATA = Path(__file__).parent.parent / "data"


async def fetch(url: str, folder: Path, **how: bool) -> bytes:
    """What an address brings; `folder` keeps copies."""
    with anyio.fail_after(30):
        async with open_elsewhere(folder, {}, lambda _: None) as elsewhere:
            return await elsewhere.fetch(url, **how)


@requirement("refs:5.2:cache")
async def test_an_unchanged_file_is_not_sent_again(web: Site, tmp_path: Path) -> None:
    """agent-file.md §5.2: If-None-Match; 304 takes the kept copy; a new one replaces it."""

    def answer(got: Got) -> Said:
        if got.headers.get("if-none-match") == '"one"':
            return say(304)
        return say(200, FILE, etag='"one"')

    web.on("GET", "/agent.yaml", answer)
    for _ in range(2):
        assert await fetch(f"{web.url}/agent.yaml", tmp_path) == FILE
    assert [got.headers.get("if-none-match") for got in web.got] == [None, '"one"']
    web.on("GET", "/agent.yaml", say(200, b"agents: {}"))
    assert await fetch(f"{web.url}/agent.yaml", tmp_path) == b"agents: {}"
    assert await fetch(f"{web.url}/agent.yaml", tmp_path) == b"agents: {}"
    assert "if-none-match" not in web.got[-1].headers


@requirement("refs:5.2:cache")
@pytest.mark.parametrize("status", [404, 500, 0])
async def test_a_kept_copy_stands_in_when_the_web_fails(
    web: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    """agent-file.md §5.2, E39: any failure; without a copy the address and the status."""
    web.on("GET", "/agent.yaml", say(200, FILE))
    url = f"{web.url}/agent.yaml"
    await fetch(url, tmp_path)
    said = say(status) if status else Said(200, (b"cut",), {"content-length": "9"}, endless=True)
    web.on("GET", "/agent.yaml", said)
    with caplog.at_level(logging.WARNING, "docker_agent"):
        assert await fetch(url, tmp_path) == FILE
    assert "the kept copy is used" in caplog.text
    with pytest.raises(ConfigError, match=f"fetching {url}: ") as refused:
        await fetch(url, tmp_path / "new")
    assert str(status or "connection broke") in str(refused.value)


@requirement("refs:5.2:cache")
async def test_copies_are_private(web: Site, tmp_path: Path) -> None:
    """agent-file.md §7.1."""
    web.on("GET", "/agent.yaml", say(200, FILE, etag='"one"'))
    await fetch(f"{web.url}/agent.yaml", tmp_path / "data")
    cache = tmp_path / "data" / "url_cache"
    assert {path.suffix for path in cache.iterdir()} == {"", ".etag"}
    modes = {oct(path.stat().st_mode & 0o777) for path in (cache, *cache.iterdir())}
    assert modes == {"0o700", "0o600"}


@requirement("refs:5.2:scheme")
@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://example.com/a.yaml", "over https only"),
        ("http://10.0.0.1/a.yaml", "over https only"),
        ("ftp://example.com/a.yaml", "over https only"),
        ("https:///a.yaml", "has no host"),
        ("https://[::1/a.yaml", "is no address"),
    ],
)
def test_only_https_and_this_machine_are_asked(url: str, said: str) -> None:
    """agent-file.md §5.2, Q5, E39: http for localhost and 127.0.0.1 alone."""
    with pytest.raises(ConfigError, match=said):
        check_address(url)
    for fine in ("https://example.com/a", "http://localhost:1/a", "http://127.0.0.1/a"):
        check_address(fine)
    with pytest.raises(ConfigError, match="over https only"):
        check_address("http://localhost:1/a", from_elsewhere=True)


@requirement("refs:5.2:guard")
@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://127.0.0.1:1/a", "127.0.0.1 is not a public address"),
        ("https://localhost:1/a", "localhost leads to an address that is not public"),
        ("https://169.254.169.254/a", "169.254.169.254 is not a public address"),
        ("https://[fd00::1]/a", "fd00::1 is not a public address"),
        ("https://[64:ff9b::7f00:1]/a", "is not a public address"),
    ],
)
async def test_private_addresses_are_not_reached_over_https(
    tmp_path: Path, url: str, said: str
) -> None:
    """agent-file.md §5.2, E39: the address is judged when it is resolved."""
    with pytest.raises(ConfigError, match=said):
        await fetch(url, tmp_path)


@requirement("refs:5.2:guard")
@pytest.mark.parametrize(
    "target", ["http://10.0.0.1/x", "https://127.0.0.1:1/x", "https://example.com/x", "ftp://a/b"]
)
async def test_a_redirect_from_this_machine_stays_on_it(
    web: Site, tmp_path: Path, target: str
) -> None:
    """agent-file.md §5.2: localhost case: localhost only."""
    web.on("GET", "/agent.yaml", say(302, location=target))
    with pytest.raises(ConfigError, match="a redirect leads from this machine"):
        await fetch(f"{web.url}/agent.yaml", tmp_path)


@requirement("refs:5.2:guard")
async def test_redirects_end(web: Site, tmp_path: Path) -> None:
    """agent-file.md §5.2: max 10."""
    web.on("GET", "/moved", say(302, location="agent.yaml"))
    web.on("GET", "/agent.yaml", say(200, FILE))
    assert await fetch(f"{web.url}/moved", tmp_path) == FILE
    web.on("GET", "/moved", say(302, location="moved"))
    with pytest.raises(ConfigError, match="more than 10 redirects"):
        await fetch(f"{web.url}/moved", tmp_path / "new")


@asynccontextmanager
async def public_site(
    web: Site, folder: Path, monkeypatch: pytest.MonkeyPatch, env: Mapping[str, str]
) -> AsyncGenerator[WebFiles]:
    """Files from the web where every name leads to a TLS site on loopback, which counts as
    public."""
    context = ssl.create_default_context(cafile=str(DATA / "certificate.pem"))
    context.check_hostname = False
    monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", context)

    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    async with AsyncExitStack() as stack:
        yield WebFiles(Client(stack, lambda _: True, resolve), folder, env.get)


@requirement("refs:5.2:tokens")
@pytest.mark.parametrize(
    ("host", "token"),
    [
        ("raw.githubusercontent.com", "Bearer hub-token"),
        ("github.com", "Bearer hub-token"),
        ("desktop.docker.com", "Bearer docker-token"),
        ("example.com", None),
        ("evilgithub.com", None),
        ("github.com.evil.com", None),
        ("notdocker.com", None),
    ],
)
async def test_tokens_go_to_the_hosts_they_are_for(
    tls_web: Site,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    host: str,
    token: str | None,
) -> None:
    """agent-file.md §5.2, Q6: GITHUB_TOKEN and DOCKER_TOKEN, also not after a redirect to
    others."""
    env = {"GITHUB_TOKEN": "hub-token", "DOCKER_TOKEN": "docker-token"}
    tls_web.on("GET", "/agent.yaml", say(200, FILE))
    moved = f"https://example.com:{tls_web.port}/agent.yaml"
    tls_web.on("GET", "/moved", say(302, location=moved))
    async with public_site(tls_web, tmp_path, monkeypatch, env) as files:
        assert await files.read(f"https://{host}:{tls_web.port}/agent.yaml") == FILE
        assert tls_web.got[-1].headers.get("authorization") == token
        assert await files.read(f"https://{host}:{tls_web.port}/moved") == FILE
        assert "authorization" not in tls_web.got[-1].headers


@requirement("refs:5.2:guard")
@pytest.mark.parametrize("target", ["http://example.com/x", "http://localhost/x"])
async def test_a_redirect_from_https_stays_encrypted(
    tls_web: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    """agent-file.md §5.2, acceptance test 16: redirect to http refused."""
    tls_web.on("GET", "/agent.yaml", say(302, location=target))
    async with public_site(tls_web, tmp_path, monkeypatch, {}) as files:
        with pytest.raises(ConfigError, match="without encryption"):
            await files.read(f"https://example.com:{tls_web.port}/agent.yaml")
