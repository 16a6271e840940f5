"""One registry: manifests and blobs by the OCI distribution protocol, and who we are to it.

Anonymous first; credentials only after the registry asked for them. Source: agent-file.md §5.5.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import quote, urljoin, urlsplit

import msgspec

from docker_agent.registry.artifact import (
    MANIFEST_TYPE,
    MAX_FILE,
    MAX_MANIFEST,
    Artifact,
    digest_of,
)
from docker_agent.registry.challenge import Challenge, read_challenge
from docker_agent.registry.credentials import Credentials
from docker_agent.registry.http import Answer, Client, NoTLSError, Reach, RemoteError, Step
from docker_agent.registry.reference import Reference, is_this_machine

log = logging.getLogger(__name__)

ACCEPTED = ", ".join(
    (
        MANIFEST_TYPE,
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    )
)
"""An index is taken too, so that it can be named as what it is."""

_ASK_AGAIN = (401, 403, 429)
_CLIENT_ID = "docker-agent"
_FORM = "application/x-www-form-urlencoded"

FindCredentials = Callable[[str], Awaitable[Credentials | None]]
"""The credentials for a host, if anybody knows some."""


class _Token(msgspec.Struct, frozen=True):
    token: str = ""
    access_token: str = ""


class _Problem(msgspec.Struct, frozen=True):
    code: str = ""
    message: str = ""


class _Problems(msgspec.Struct, frozen=True):
    errors: tuple[_Problem, ...] = ()


class Registry:
    """The repository of one reference.

    `reach` says which addresses its host may have. What it points to elsewhere (a token server, a
    store of blobs) must be public and encrypted, unless the registry itself lies in a private
    network. There it may speak plain HTTP, if it does not speak TLS; no credentials go that way.
    """

    def __init__(
        self, client: Client, reference: Reference, reach: Reach, credentials: FindCredentials
    ) -> None:
        self._client = client
        self._reference = reference
        self._reach: Reach = "here" if reference.is_on_this_machine else reach
        self._find_credentials = credentials
        self._base = f"{reference.base_url}/v2/{reference.repository}"
        self._may_be_plain = reach == "anywhere" and reference.is_in_own_network
        self._authorization = ""
        self._known: Credentials | None = None

    async def digest(self) -> str:
        """The digest the reference has now; empty when the registry does not say. Raises
        `RemoteError`."""
        answer = await self._ask("HEAD", f"manifests/{self._reference.which}")
        if answer.status in (404, 405):
            return ""
        _expect(answer, 200)
        return answer.headers.get("docker-content-digest", "")

    async def manifest(self) -> bytes:
        """The manifest, which has the digest that was asked for, if one was. Raises
        `RemoteError`."""
        answer = await self._ask("GET", f"manifests/{self._reference.which}", limit=MAX_MANIFEST)
        _expect(answer, 200)
        _verify(answer.body, self._reference.digest)
        return answer.body

    async def blob(self, digest: str, size: int) -> bytes:
        """A blob, whole and unaltered. Raises `RemoteError`."""
        answer = await self._ask("GET", f"blobs/{digest}", limit=min(size, MAX_FILE))
        _expect(answer, 200)
        _verify(answer.body, digest)
        return answer.body

    async def push(self, artifact: Artifact) -> None:
        """Put an artifact under the reference. Raises `RemoteError`."""
        for blob in (artifact.config, artifact.file):
            await self._push_blob(blob)
        answer = await self._ask(
            "PUT",
            f"manifests/{self._reference.tag}",
            body=artifact.manifest,
            headers={"Content-Type": MANIFEST_TYPE},
        )
        _expect(answer, 200, 201, 202)

    async def _push_blob(self, blob: bytes) -> None:
        digest = digest_of(blob)
        if (await self._ask("HEAD", f"blobs/{digest}", push=True)).status == 200:
            return
        begun = await self._ask("POST", "blobs/uploads/", body=b"", push=True)
        _expect(begun, 202)
        place = urljoin(begun.url, begun.headers.get("location", ""))
        if urlsplit(place)[:2] != urlsplit(self._base)[:2]:
            raise RemoteError("the registry wants the upload to go to another host")
        address = f"{place}{'&' if '?' in place else '?'}digest={quote(digest, safe='')}"
        headers = {"Content-Type": "application/octet-stream"}
        _expect(await self._ask("PUT", address, body=blob, headers=headers, push=True), 201)

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        limit: int = MAX_MANIFEST,
        body: bytes | None = None,
        headers: Mapping[str, str] = {},
        push: bool = False,
    ) -> Answer:
        """One request; when the registry wants to know who asks, again as nobody in particular,
        then as the user, who is told at once from then on."""
        push = push or method == "PUT"
        if self._may_be_plain:
            await self._find_scheme()

        async def once() -> Answer:
            return await self._once(method, path, limit, body, headers)

        answer = await once()
        if answer.status not in _ASK_AGAIN:
            return answer
        challenge = read_challenge(answer.headers.get("www-authenticate", ""))
        if challenge.scheme == "bearer" and await self._authorize(
            challenge, self._known, push=push
        ):
            answer = await once()
        if answer.status in _ASK_AGAIN:
            self._known = self._known or await self._find_credentials(self._reference.host)
            if self._known and await self._authorize(challenge, self._known, push=push):
                answer = await once()
        return answer

    async def _find_scheme(self) -> None:
        """Ask once whether the registry speaks TLS. Raises `RemoteError`."""
        address = f"{self._reference.base_url}/v2/"
        try:
            await self._client.send("GET", address, Step(self._reach))
        except NoTLSError:
            self._base = self._base.replace("https://", "http://", 1)
            log.warning("%s does not speak TLS; asked over plain HTTP", self._reference.host)
        self._may_be_plain = False

    def _refuse_to_tell(self, credentials: Credentials | None) -> None:
        """Raise `RemoteError` when credentials would be sent unencrypted to another machine."""
        if credentials is None or self._reach == "here" or self._base.startswith("https:"):
            return
        raise RemoteError(
            "the registry asks who you are over plain HTTP, and credentials leave this machine "
            "encrypted only; give the registry TLS"
        )

    async def _once(
        self, method: str, path: str, limit: int, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        url = path if "://" in path else f"{self._base}/{path}"
        if method in ("PUT", "POST"):
            return await self._client.send(method, url, self._step(url, headers), body=body)
        return await self._client.follow(
            method, url, lambda address: self._step(address, headers), limit=limit
        )

    def _step(self, url: str, headers: Mapping[str, str]) -> Step:
        """The registry itself is told who asks; nobody it points to is."""
        if urlsplit(url)[:2] == urlsplit(self._base)[:2]:
            who = {"Authorization": self._authorization} if self._authorization else {}
            return Step(self._reach, {"Accept": ACCEPTED, **headers, **who})
        return self._elsewhere(url)

    def _elsewhere(self, url: str) -> Step:
        parts = urlsplit(url)
        if parts.scheme != "https":
            raise RemoteError(f"the registry leads to {parts.hostname} without encryption")
        return Step("anywhere" if self._reach == "anywhere" else "public")

    async def _authorize(
        self, challenge: Challenge, credentials: Credentials | None, *, push: bool
    ) -> bool:
        """Whether there is a new way to say who asks. Raises `RemoteError`."""
        self._refuse_to_tell(credentials)
        if challenge.scheme == "bearer":
            token = await self._token(challenge, credentials, push=push)
            self._authorization = f"Bearer {token}" if token else ""
            return bool(token)
        if credentials is None or not credentials.username:
            return False
        self._authorization = credentials.basic
        return True

    async def _token(
        self, challenge: Challenge, credentials: Credentials | None, *, push: bool
    ) -> str:
        """A token for this repository; empty when the token server gives none."""
        actions = "pull,push" if push else "pull"
        scope = challenge.scope or f"repository:{self._reference.repository}:{actions}"
        wanted = {"service": challenge.service, "scope": scope}
        step = self._token_step(challenge.realm)
        if credentials is not None and credentials.identity_token:
            form = {
                "grant_type": "refresh_token",
                "refresh_token": credentials.identity_token,
                "client_id": _CLIENT_ID,
                **wanted,
            }
            headers = {**step.headers, "Content-Type": _FORM}
            answer = await self._client.send(
                "POST", challenge.realm, Step(step.reach, headers), body=_query(form).encode()
            )
        else:
            who = {"Authorization": credentials.basic} if credentials is not None else {}
            join = "&" if "?" in challenge.realm else "?"
            address = f"{challenge.realm}{join}{_query(wanted)}"
            answer = await self._client.send("GET", address, Step(step.reach, who))
        if answer.status != 200:
            return ""
        try:
            found = msgspec.json.decode(answer.body, type=_Token)
        except msgspec.DecodeError as exc:
            raise RemoteError("the registry's token server does not answer with a token") from exc
        return found.token or found.access_token

    def _token_step(self, realm: str) -> Step:
        """A token server on this machine may only be asked for a registry on this machine."""
        parts = urlsplit(realm)
        if (
            parts.scheme == "http"
            and self._reach == "here"
            and is_this_machine(parts.hostname or "")
        ):
            return Step("here")
        return self._elsewhere(realm)


def _query(values: Mapping[str, str]) -> str:
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in values.items() if value)


def _verify(data: bytes, digest: str) -> None:
    if digest and digest_of(data) != digest:
        raise RemoteError(f"the registry sent other bytes than those of {digest}")


def _expect(answer: Answer, *statuses: int) -> None:
    """Raise `RemoteError` for any other status, with what the registry says about it."""
    if answer.status in statuses:
        return
    try:
        problems = msgspec.json.decode(answer.body, type=_Problems).errors
    except (msgspec.DecodeError, UnicodeDecodeError):
        problems = ()
    said = ", ".join(problem.message or problem.code for problem in problems[:3])[:_MOST_SAID]
    if answer.status in (401, 403):
        reason = "access denied; sign in with 'docker login', or check the name"
    elif answer.status == 404:
        reason = "there is nothing of this name"
    elif answer.status == 429:
        reason = "the registry asks to wait; sign in with 'docker login' for a higher limit"
    else:
        reason = f"the registry answered {answer.status}"
    raise RemoteError(f"{reason} ({said})" if said else reason)


_MOST_SAID = 200
"""Characters of a registry's own message."""
