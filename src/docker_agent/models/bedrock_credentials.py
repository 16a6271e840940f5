"""AWS credentials, and requests signed with them: botocore's work, off the event loop.

A look-up may read files, run programs and ask the network (profiles, sign-on, roles, the metadata
of a machine), so it has a thread of its own and a limit in time; what it found is kept, and renewed
before it ends. Source: agent-file.md §3.2.2 and §3.7.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import threading
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from importlib import import_module
from typing import NamedTuple, Protocol, cast

import msgspec

from docker_agent.models.bedrock_failures import is_expired
from docker_agent.models.errors import HttpError
from docker_agent.models.http_port import Http, Response
from docker_agent.models.resolve import overlaid
from docker_agent.models.scrub import mint

log = logging.getLogger(__name__)

SERVICE = "bedrock"
DEFAULT_SESSION = "docker-agent-bedrock-session"

LOOKUP_TIMEOUT = 20.0
"""Seconds a request waits for credentials."""

CALL_TIMEOUT = 5.0
"""Seconds that reaching AWS's token service, and each of its answers, may take."""

RENEWAL_PAUSE = 30.0
"""Seconds between two attempts to renew credentials that are still good."""

REMEDY = (
    "set AWS_BEARER_TOKEN_BEDROCK, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a "
    "profile (provider_opts.profile)"
)


class Keys(NamedTuple):
    """What signs a request; `token` goes with keys that do not last."""

    access_key: str
    secret_key: str
    token: str | None = None

    def __repr__(self) -> str:
        return "Keys(***)"


class _Source(Protocol):
    """Credentials of botocore."""

    def get_frozen_credentials(self) -> Keys:
        """The keys, renewed when it is time. Blocks."""
        ...


class Account(msgspec.Struct, frozen=True):
    """Whose credentials sign, and for which region.

    `keys` are those of the chain of secrets; None leaves the search to AWS's own chain. With
    `role_arn` what was found takes on that role.
    """

    region: str
    keys: Keys | None = None
    profile: str = ""
    role_arn: str = ""
    role_session_name: str = DEFAULT_SESSION
    external_id: str = ""


def has_signer() -> bool:
    """Whether botocore is installed; it is not imported."""
    return importlib.util.find_spec("botocore") is not None


class Credentials:
    """The credentials of one account, kept and renewed. What they are goes into `minted`, for no
    message to show them."""

    def __init__(
        self, account: Account, minted: list[str], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._account = account
        self._minted = minted
        self._now = now
        self._source: _Source | None = None
        self._keys: Keys | None = None
        self._lookup: asyncio.Future[None] | None = None
        self._failure: HttpError | None = None
        self._renew_at = 0.0

    async def current(self) -> Keys:
        """Keys that are good now. Renews them beside the request while the old ones hold; waits
        when there are none. Raises `HttpError`."""
        keys = self._good()
        if keys is not None:
            if self._ages() and self._lookup is None and self._now() >= self._renew_at:
                self._look_up()
            return keys
        lookup = self._lookup or self._look_up()
        try:
            async with asyncio.timeout(LOOKUP_TIMEOUT):
                await asyncio.shield(lookup)
        except TimeoutError as exc:
            raise HttpError("looking for AWS credentials took too long", transient=True) from exc
        keys = self._good()
        if keys is None:
            raise self._failure or HttpError("the AWS credentials have ended", transient=True)
        return keys

    def forget(self) -> None:
        """Look everything up again: these were refused."""
        self._keys = None
        self._source = None

    def _good(self) -> Keys | None:
        ended = self._source is not None and _ends_within(self._source, 0)
        return None if ended else self._keys

    def _ages(self) -> bool:
        return self._source is not None and _ends_within(self._source, None)

    def _look_up(self) -> asyncio.Future[None]:
        """Begin a look-up; there is one at a time, however long it takes."""
        loop = asyncio.get_running_loop()
        lookup = self._lookup = loop.create_future()
        known, account = self._source, self._account

        def work() -> None:
            source, keys, failure = _found(account, known)
            # A server that has ended meanwhile has no loop any more.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._finish, lookup, source, keys, failure)

        # A thread that nobody waits for at the end, as one of the loop's own would be.
        threading.Thread(target=work, name="aws-credentials", daemon=True).start()
        return lookup

    def _finish(
        self,
        lookup: asyncio.Future[None],
        source: _Source | None,
        keys: Keys | None,
        failure: HttpError | None,
    ) -> None:
        self._lookup = None
        self._failure = failure
        self._renew_at = self._now() + RENEWAL_PAUSE
        if keys is not None:
            self._source, self._keys = source, keys
            mint(self._minted, *filter(None, keys))
        if not lookup.done():
            lookup.set_result(None)


def _ends_within(source: _Source, seconds: float | None) -> bool:
    """Whether credentials end in so many seconds; None: soon enough to renew them."""
    needed = getattr(source, "refresh_needed", None)
    return bool(needed(seconds)) if needed is not None else False


def _found(
    account: Account, known: _Source | None
) -> tuple[_Source | None, Keys | None, HttpError | None]:
    """The source of credentials and its keys, or why there are none. Blocks."""
    try:
        logging.getLogger("botocore").setLevel(logging.CRITICAL)
        source = known or _source_of(account)
        if source is None:
            text = f"no AWS credentials were found; {REMEDY}"
            return None, None, HttpError(text, transient=False)
        frozen = source.get_frozen_credentials()
        return source, Keys(frozen.access_key, frozen.secret_key, frozen.token), None
    except Exception as exc:  # noqa: BLE001 - the edge of a thread, and a library with many errors
        kind = _kind_of(exc)
        log.warning("AWS credentials could not be obtained (%s): %s", kind, exc)
        text = f"AWS credentials could not be obtained ({kind}); the server's log says more"
        return None, None, HttpError(text, transient=False)


def _kind_of(exc: Exception) -> str:
    answer = cast(dict[str, dict[str, str]], getattr(exc, "response", None) or {})
    return answer.get("Error", {}).get("Code") or type(exc).__name__


def _source_of(account: Account) -> _Source | None:
    """Where credentials come from: keys given, else AWS's own chain; then the role."""
    credentials = import_module("botocore.credentials")
    session = import_module("botocore.session").Session(profile=account.profile or None)
    found = (
        credentials.Credentials(*account.keys)
        if account.keys is not None
        else session.get_credentials()
    )
    if found is None or not account.role_arn:
        return found
    config = import_module("botocore.config").Config(
        connect_timeout=CALL_TIMEOUT,
        read_timeout=CALL_TIMEOUT,
        retries={"max_attempts": 1},
        region_name=account.region,
    )
    extra = {"RoleSessionName": account.role_session_name}
    if account.external_id:
        extra["ExternalId"] = account.external_id
    fetcher = credentials.AssumeRoleCredentialFetcher(
        client_creator=partial(session.create_client, config=config),
        source_credentials=found,
        role_arn=account.role_arn,
        extra_args=extra,
    )
    return credentials.DeferredRefreshableCredentials(
        refresh_using=fetcher.fetch_credentials, method="assume-role"
    )


def signed(
    keys: Keys, region: str, url: str, headers: Mapping[str, str], body: bytes
) -> dict[str, str]:
    """The headers of a POST with its signature (Signature Version 4)."""
    credentials = import_module("botocore.credentials").Credentials(*keys)
    kind = {name: value for name, value in headers.items() if name.lower() == "content-type"}
    request = import_module("botocore.awsrequest").AWSRequest(
        method="POST", url=url, headers=kind, data=body
    )
    import_module("botocore.auth").SigV4Auth(credentials, SERVICE, region).add_auth(request)
    return overlaid(headers, dict(request.headers.items()))


class Signed:
    """`Http` whose requests are signed."""

    def __init__(self, http: Http, account: Account, credentials: Credentials) -> None:
        self._http = http
        self._region = account.region
        self._credentials = credentials

    def post(
        self, url: str, headers: Mapping[str, str], body: bytes
    ) -> AbstractAsyncContextManager[Response]:
        return self._signed(url, headers, body)

    def get(self, url: str, headers: Mapping[str, str]) -> AbstractAsyncContextManager[Response]:
        """Nothing is asked of Bedrock this way."""
        return self._http.get(url, headers)

    @asynccontextmanager
    async def _signed(
        self, url: str, headers: Mapping[str, str], body: bytes
    ) -> AsyncGenerator[Response]:
        keys = await self._credentials.current()
        more = signed(keys, self._region, url, headers, body)
        async with self._http.post(url, more, body) as response:
            if is_expired(response.headers):
                self._credentials.forget()
            yield response
