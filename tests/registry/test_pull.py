"""Pulling agents from real registries, and what is kept. Source: agent-file.md §5.5."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest

from docker_agent.errors import ConfigError
from docker_agent.registry.artifact import make_artifact
from tests.registry.pulling import (
    FILE,
    docker_config,
    helper,
    pull,
    push,
    serve_artifact,
    sign_in,
)
from tests.registry.real import PASSWORD, USER, TokenRegistry
from tests.registry.site import Site, say
from tests.requirements import requirement

pytestmark = pytest.mark.anyio


@requirement("refs:5.5:pull", "refs:5.5:push")
async def test_an_agent_is_pushed_and_pulled_by_tag_and_by_digest(
    open_registry: str, tmp_path: Path
) -> None:
    """agent-file.md §5.5, against Debian's registry: the same bytes, the digest of the manifest."""
    digest = await push(f"{open_registry}/team/first:v1", tmp_path)
    for reference in (f"{open_registry}/team/first:v1", f"{open_registry}/team/first@{digest}"):
        pulled = await pull(reference, tmp_path / reference[-2:])
        assert (pulled.file, pulled.digest, pulled.degraded) == (FILE, digest, False)
    with pytest.raises(ConfigError, match="there is nothing of this name") as refused:
        await pull(f"{open_registry}/team/first:v2", tmp_path)
    assert f"{open_registry}/team/first:v2 cannot be pulled" in str(refused.value)


@requirement("refs:5.5:kept")
async def test_a_kept_digest_needs_no_network_and_a_kept_tag_one_question(
    web: Site, tmp_path: Path
) -> None:
    """agent-file.md §5.5, 1 to 3: by digest nothing is asked, by tag the digest alone; a moved tag
    is fetched."""
    first = make_artifact(FILE, {})
    serve_artifact(web, "a/b", first)
    await pull(f"{web.host}/a/b", tmp_path)
    web.got.clear()
    assert (await pull(f"{web.host}/a/b", tmp_path)).file == FILE
    assert [(got.method, got.path) for got in web.got] == [("HEAD", "/v2/a/b/manifests/latest")]
    web.got.clear()
    assert (await pull(f"{web.host}/a/b@{first.digest}", tmp_path)).file == FILE
    assert web.got == []
    serve_artifact(web, "a/b", make_artifact(b"agents: {}", {}))
    assert (await pull(f"{web.host}/a/b", tmp_path)).file == b"agents: {}"


@requirement("refs:5.5:kept")
async def test_without_a_digest_header_the_manifest_is_asked_for(web: Site, tmp_path: Path) -> None:
    """agent-file.md §5.5, 2: HEAD, with GET as the way out."""
    artifact = make_artifact(FILE, {})
    serve_artifact(web, "a/b", artifact)
    await pull(f"{web.host}/a/b", tmp_path)
    web.on("HEAD", "/v2/a/b/manifests/latest", say(405))
    assert (await pull(f"{web.host}/a/b", tmp_path)).digest == artifact.digest
    assert web.count("GET", "/v2/a/b/manifests/latest") == 2


@requirement("refs:5.5:offline")
@pytest.mark.parametrize("status", [404, 500, 503])
async def test_a_kept_copy_stands_in_when_the_registry_fails(
    web: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    """agent-file.md §5.5, 4: with a warning; without a copy an error names reference and cause."""
    artifact = make_artifact(FILE, {})
    serve_artifact(web, "a/b", artifact)
    await pull(f"{web.host}/a/b", tmp_path)
    web.on("GET", "/v2/a/b/manifests/latest", say(status))
    with caplog.at_level(logging.WARNING, "docker_agent"):
        pulled = await pull(f"{web.host}/a/b", tmp_path)
    assert (pulled.file, pulled.degraded) == (FILE, True)
    assert f"its kept copy {artifact.digest} is used" in caplog.text
    with pytest.raises(ConfigError, match=f"{web.host}/a/b:latest cannot be pulled: "):
        await pull(f"{web.host}/a/b", tmp_path / "new")


@requirement("refs:5.5:offline")
async def test_a_registry_that_is_gone_is_a_failure_too(tmp_path: Path) -> None:
    """agent-file.md §5.5, 4: nobody listens."""
    with pytest.raises(ConfigError, match="refused the connection or cannot be reached"):
        await pull("127.0.0.1:1/a/b", tmp_path)


@requirement("refs:5.5:damaged")
@pytest.mark.parametrize("name", ["file", "manifest.json"])
@pytest.mark.parametrize("damage", ["changed", "cut", "gone"])
async def test_a_damaged_copy_is_fetched_again(
    web: Site, tmp_path: Path, name: str, damage: str
) -> None:
    """agent-file.md §5.5, 5: nothing that is kept is believed without its digest."""
    artifact = make_artifact(FILE, {})
    serve_artifact(web, "a/b", artifact)
    await pull(f"{web.host}/a/b@{artifact.digest}", tmp_path)
    path = tmp_path / "data" / "artifacts" / artifact.digest.removeprefix("sha256:") / name
    match damage:
        case "changed":
            path.write_bytes(path.read_bytes().replace(b"a", b"b"))
        case "cut":
            path.write_bytes(path.read_bytes()[:-1])
        case _:
            path.unlink()
    web.got.clear()
    assert (await pull(f"{web.host}/a/b@{artifact.digest}", tmp_path)).file == FILE
    assert web.count("GET", "/v2/a/b/blobs/") == 1


@requirement("refs:5.5:kept")
async def test_copies_are_private_and_old_ones_go(web: Site, tmp_path: Path) -> None:
    """agent-file.md §7.1: folders 0700, files 0600. What no tag means any more is removed."""
    first, second = make_artifact(FILE, {}), make_artifact(b"agents: {}", {})
    store = tmp_path / "data" / "artifacts"

    def kept() -> set[str]:
        return {path.name for path in store.iterdir()} - {"refs"}

    for tag in ("latest", "stable"):
        serve_artifact(web, "a/b", first, tag)
        await pull(f"{web.host}/a/b:{tag}", tmp_path)
    serve_artifact(web, "a/b", second)
    await pull(f"{web.host}/a/b", tmp_path)
    old, new = (each.digest.removeprefix("sha256:") for each in (first, second))
    assert kept() == {old, new}
    serve_artifact(web, "a/b", second, "stable")
    await pull(f"{web.host}/a/b:stable", tmp_path)
    assert kept() == {new}
    modes = {oct(path.stat().st_mode & 0o777) for path in (store, *store.rglob("*"))}
    assert modes == {"0o700", "0o600"}


@requirement("refs:5.5:kept")
async def test_registries_do_not_mix(web: Site, open_registry: str, tmp_path: Path) -> None:
    """agent-file.md §5.5, Q15: the host is part of what a copy is kept under."""
    serve_artifact(web, "mix/ed", make_artifact(b"agents: {}", {}))
    await push(f"{open_registry}/mix/ed", tmp_path)
    assert (await pull(f"{web.host}/mix/ed", tmp_path)).file == b"agents: {}"
    assert (await pull(f"{open_registry}/mix/ed", tmp_path)).file == FILE
    web.on("GET", "/v2/mix/ed/manifests/latest", say(500))
    assert (await pull(f"{web.host}/mix/ed", tmp_path)).file == b"agents: {}"


@requirement("refs:5.5:auth")
async def test_a_locked_registry_opens_for_who_signed_in(
    locked_registry: str, tmp_path: Path
) -> None:
    """agent-file.md §5.5: anonymous first, then Basic with what docker's configuration holds."""
    reference = f"{locked_registry}/own/agent"
    for attempt in (push(reference, tmp_path), pull(reference, tmp_path)):
        with pytest.raises(ConfigError, match="access denied; sign in with 'docker login'"):
            await attempt
    sign_in(tmp_path, locked_registry, password="wrong")
    with pytest.raises(ConfigError, match="access denied"):
        await push(reference, tmp_path)
    sign_in(tmp_path, locked_registry)
    await push(reference, tmp_path)
    assert (await pull(reference, tmp_path)).file == FILE


@requirement("refs:5.5:auth")
@pytest.mark.parametrize("key", ["{}", "http://{}", "https://{}/v1/"])
@pytest.mark.parametrize("shape", ["auth", "pair"])
async def test_an_entry_is_found_however_its_key_is_written(
    locked_registry: str, tmp_path: Path, key: str, shape: str
) -> None:
    """agent-file.md §5.5: `auths[host]` with `auth`, or with username and password."""
    path = sign_in(tmp_path, key.format(locked_registry))
    if shape == "pair":
        entry = {"username": USER, "password": PASSWORD}
        docker_config(tmp_path, {"auths": {key.format(locked_registry): entry}})
    assert path.exists()
    await push(f"{locked_registry}/own/keys", tmp_path)


@requirement("refs:5.5:auth")
async def test_helpers_come_before_entries_and_the_hosts_own_before_the_store(
    locked_registry: str, tmp_path: Path
) -> None:
    """agent-file.md §5.5: `credHelpers[host]`, then `credsStore`, then `auths[host]`; the helper
    reads the host on its stdin."""
    says = f'{{"Username": "{USER}", "Secret": "{PASSWORD}"}}'
    script = f"read host; echo \"$1 $host\" >> {tmp_path}/asked; echo '{says}'"
    env = helper(tmp_path, script, "good") | helper(tmp_path, "exit 1", "bad")
    reference = f"{locked_registry}/own/helped"
    docker_config(
        tmp_path, {"credHelpers": {locked_registry: "good"}, "credsStore": "bad", "auths": {}}
    )
    await push(reference, tmp_path, env=env)
    assert set((tmp_path / "asked").read_text().splitlines()) == {f"get {locked_registry}"}
    docker_config(tmp_path, {"credsStore": "good"})
    assert (await pull(reference, tmp_path, env)).file == FILE
    sign_in(tmp_path, locked_registry)
    wrong = (tmp_path / ".docker" / "config.json").read_text()
    (tmp_path / ".docker" / "config.json").write_text(wrong[:-1] + ', "credsStore": "bad"}')
    shutil.rmtree(tmp_path / "data")
    assert (await pull(reference, tmp_path, env)).file == FILE


@requirement("refs:5.5:auth")
@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("sleep 60", "took longer than"),
        ("echo nonsense", "does not answer with a name and a password"),
    ],
)
async def test_a_helper_that_fails_is_told_and_left_out(
    locked_registry: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    said: str,
) -> None:
    """agent-file.md §5.5: a helper may take its time, but not for ever."""
    monkeypatch.setattr("docker_agent.registry.credentials.HELPER_TIMEOUT", 0.5)
    docker_config(tmp_path, {"credsStore": "test"})
    with (
        caplog.at_level(logging.WARNING, "docker_agent"),
        pytest.raises(ConfigError, match="access denied"),
    ):
        await pull(f"{locked_registry}/own/x", tmp_path, helper(tmp_path, script))
    assert said in caplog.text
    assert PASSWORD not in caplog.text


@requirement("refs:5.5:auth")
@pytest.mark.parametrize("content", ["{", '{"auths": 5}', '{"credsStore": "../../bin/sh"}'])
async def test_a_broken_configuration_is_told_and_left_out(
    open_registry: str, locked_registry: str, tmp_path: Path, content: str
) -> None:
    """agent-file.md §5.5: who needs no credentials is not bothered by broken ones."""
    await push(f"{open_registry}/broken/config", tmp_path)
    docker_config(tmp_path, {}).write_text(content)
    assert (await pull(f"{open_registry}/broken/config", tmp_path / "new")).file == FILE
    with pytest.raises(ConfigError, match="access denied"):
        await pull(f"{locked_registry}/own/x", tmp_path)


@requirement("refs:5.5:auth")
@pytest.mark.parametrize("place", ["REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "HOME"])
async def test_what_the_container_tools_know_comes_last(
    locked_registry: str, tmp_path: Path, place: str
) -> None:
    """agent-file.md §5.5: then the container-tools auth file."""
    made = sign_in(tmp_path, locked_registry)
    folder = tmp_path / "elsewhere"
    path = {
        "REGISTRY_AUTH_FILE": folder / "auth.json",
        "XDG_RUNTIME_DIR": folder / "containers" / "auth.json",
        "HOME": folder / ".config" / "containers" / "auth.json",
    }[place]
    path.parent.mkdir(parents=True)
    made.rename(path)
    env = {place: str(path if place == "REGISTRY_AUTH_FILE" else folder)}
    await push(f"{locked_registry}/own/tools", tmp_path, env=env)


@requirement("refs:5.5:auth")
async def test_a_token_server_gives_what_a_user_may_have(
    tokens: TokenRegistry, tmp_path: Path
) -> None:
    """agent-file.md §5.5: the standard token flow; a public agent needs no user, a private one
    does."""
    sign_in(tmp_path, tokens.host)
    public, private = f"{tokens.host}/public/agent", f"{tokens.host}/private/agent"
    for reference in (public, private):
        await push(reference, tmp_path)
    nobody = tmp_path / "nobody"
    nobody.mkdir()
    assert (await pull(public, nobody)).file == FILE
    with pytest.raises(ConfigError, match="access denied"):
        await pull(private, nobody)
    assert (await pull(private, tmp_path)).file == FILE


@requirement("refs:5.5:auth")
async def test_a_wrong_password_at_a_token_server_is_an_error(
    tokens: TokenRegistry, tmp_path: Path
) -> None:
    """agent-file.md §5.5: one retry with credentials, then the error."""
    sign_in(tmp_path, tokens.host, password="wrong")
    with pytest.raises(ConfigError, match="access denied"):
        await pull(f"{tokens.host}/private/other", tmp_path)


@requirement("refs:5.5:auth")
async def test_an_identity_token_is_exchanged(web: Site, tmp_path: Path) -> None:
    """agent-file.md §5.5: `identitytoken`, and helpers that say `<token>`."""
    artifact = make_artifact(FILE, {})
    serve_artifact(web, "a/b", artifact)
    guarded = "/v2/a/b/manifests/latest"
    bearer = f'Bearer realm="{web.url}/token",service="s"'
    plain = say(200, artifact.manifest)
    web.on(
        "GET",
        guarded,
        lambda got: (
            plain
            if got.headers.get("authorization") == "Bearer given"
            else say(401, www_authenticate=bearer)
        ),
    )
    web.on("GET", "/token", say(200, b'{"token": "nobodys"}'))
    web.on("POST", "/token", say(200, b'{"access_token": "given"}'))
    docker_config(tmp_path, {"auths": {web.host: {"identitytoken": "long lived"}}})
    assert (await pull(f"{web.host}/a/b", tmp_path)).file == FILE
    [asked] = [got for got in web.got if got.method == "POST"]
    assert b"grant_type=refresh_token" in asked.body
    assert b"refresh_token=long%20lived" in asked.body
    assert b"scope=repository%3Aa%2Fb%3Apull" in asked.body
