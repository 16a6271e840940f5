"""Signing in at Google Cloud as its Application Default Credentials say, over google-auth; imported
when a model is first reached that way.

A key file or a user's sign-in (`GOOGLE_APPLICATION_CREDENTIALS`, else gcloud's own), else the
metadata server of the machine. Source: agent-file.md §3.2.2 and §3.2.4; wire:
https://cloud.google.com/docs/authentication/application-default-credentials.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# google-auth declares itself typed and leaves half of its arguments out.
from __future__ import annotations

import asyncio
import threading
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

import google.auth
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, TransportError
from google.auth.transport.requests import Request
from google.oauth2 import credentials as of_users
from google.oauth2 import service_account

from docker_agent.env.chain import Secrets
from docker_agent.errors import ConfigError
from docker_agent.messages import JSON
from docker_agent.models.bearer import Ticket
from docker_agent.models.errors import HttpError
from docker_agent.models.failures import clean
from docker_agent.models.google_credentials import (
    CREDENTIALS,
    credentials_file,
    read_credentials,
)
from docker_agent.models.scrub import scrubbed

SCOPE = "https://www.googleapis.com/auth/cloud-platform"

REQUEST_TIMEOUT = 10.0
"""Seconds that one request for a token may take."""
SPARE = 225.0
"""Seconds before its end at which a token is fetched anew; the metadata server has a new one 5
minutes before."""
DEFAULT_LIFE = 300.0
"""Seconds a token is used that does not say how long it holds."""

HELP = (
    f"set {CREDENTIALS} to a key file, or run: gcloud auth application-default login "
    "(on Google Cloud the machine's service account is used)"
)

_HIDDEN = ("private_key", "refresh_token", "client_secret")
_Found = TypeVar("_Found")


class GoogleTickets:
    """`Tickets` of the credentials that this machine has by default."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    async def fresh(self) -> Ticket:
        return await _apart(lambda: _granted(self._secrets))


async def _apart(work: Callable[[], _Found]) -> _Found:
    """What `work` finds, in a thread that nobody waits for once the caller was cancelled."""
    found: Future[_Found] = Future()

    def run() -> None:
        if not found.set_running_or_notify_cancel():
            return
        try:
            found.set_result(work())
        except BaseException as exc:  # noqa: BLE001 - it is raised where the work was asked for
            found.set_exception(exc)

    threading.Thread(target=run, name="google-sign-in", daemon=True).start()
    return await asyncio.wrap_future(found)


class _Credentials(Protocol):
    """What google-auth's kinds of credentials have in common. `expiry` is in UTC."""

    token: str | None
    expiry: datetime | None

    def refresh(self, request: Request) -> None: ...


class _Bounded(Request):
    """A request that does not take google-auth's two minutes."""

    def __call__(self, *args: Any, **more: Any) -> Any:  # noqa: ANN401 - google-auth has no types here
        more["timeout"] = min(more.get("timeout") or REQUEST_TIMEOUT, REQUEST_TIMEOUT)
        return super().__call__(*args, **more)


def _granted(secrets: Secrets) -> Ticket:
    """A new token; blocks. Raises `HttpError`."""
    path = credentials_file(secrets)
    info: Mapping[str, JSON] = {}
    try:
        info = read_credentials(path) if path else info
        request = _Bounded()
        credentials = _credentials(info, request)
        credentials.refresh(request)
    except ConfigError as exc:
        raise HttpError(f"signing in at Google Cloud failed: {exc}", transient=False) from exc
    except DefaultCredentialsError as exc:
        text = clean(str(exc), ()) if path else f"there are no credentials; {HELP}"
        raise HttpError(f"signing in at Google Cloud failed: {text}", transient=False) from exc
    except (GoogleAuthError, ValueError) as exc:
        hidden = [value for name in _HIDDEN if isinstance(value := info.get(name), str)]
        raise _refused(exc, hidden) from None
    quota: str | None = getattr(credentials, "quota_project_id", None)
    token = credentials.token
    if not token:
        raise HttpError("signing in at Google Cloud brought no token", transient=False)
    headers = {"Authorization": f"Bearer {token}"}
    if quota:
        headers["x-goog-user-project"] = quota
    return Ticket(headers, token, _lifetime(credentials.expiry))


def _credentials(info: Mapping[str, JSON], request: Request) -> _Credentials:
    match info.get("type", ""):
        case "service_account":
            return service_account.Credentials.from_service_account_info(info, scopes=[SCOPE])
        case "authorized_user":
            return of_users.Credentials.from_authorized_user_info(info, scopes=[SCOPE])
        case "":
            return google.auth.default(scopes=[SCOPE], request=request)[0]
        case _:
            with warnings.catch_warnings():
                # The file is the operator's own, not one that came from elsewhere.
                warnings.simplefilter("ignore", DeprecationWarning)
                found = google.auth.load_credentials_from_dict(
                    dict(info), scopes=[SCOPE], request=request
                )
                return found[0]


def _refused(exc: Exception, hidden: list[str]) -> HttpError:
    said = clean(scrubbed(str(exc.args[0]) if exc.args else "", hidden), ())
    transient = isinstance(exc, TransportError) or bool(getattr(exc, "retryable", False))
    if isinstance(exc, TransportError):
        said = "the server that gives tokens could not be reached"
    return HttpError(
        f"signing in at Google Cloud failed{f': {said}' if said else ''}", transient=transient
    )


def _lifetime(expiry: datetime | None) -> float:
    if expiry is None:
        return DEFAULT_LIFE
    left = expiry.replace(tzinfo=UTC) - datetime.now(UTC)
    return max(0.0, left.total_seconds() - SPARE)
