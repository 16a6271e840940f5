"""Where the credentials of Google Cloud are on this machine, and whether they can be used.

Source: https://cloud.google.com/docs/authentication/application-default-credentials.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import msgspec

from docker_agent.env.chain import Secrets
from docker_agent.errors import ConfigError
from docker_agent.messages import JSON, UNREADABLE

CREDENTIALS = "GOOGLE_APPLICATION_CREDENTIALS"
MAX_CREDENTIALS = 256 * 1024
"""Bytes of a file with credentials."""

_GCLOUD_FILE = "application_default_credentials.json"


def is_installed() -> bool:
    """Whether the library that signs in is here; it is an extra."""
    try:
        return all(importlib.util.find_spec(name) for name in ("google.auth", "requests"))
    except ModuleNotFoundError:
        return False


def credentials_file(secrets: Secrets) -> Path | None:
    """The file that a variable names, else gcloud's own when it is there."""
    named = secrets.get(CREDENTIALS)
    if named:
        return Path(named)
    folder = _gcloud_folder(os.environ)
    path = folder / _GCLOUD_FILE if folder else None
    return path if path is not None and path.is_file() else None


def _gcloud_folder(environ: Mapping[str, str]) -> Path | None:
    if folder := environ.get("CLOUDSDK_CONFIG"):
        return Path(folder)
    if sys.platform == "win32":
        return Path(environ["APPDATA"]) / "gcloud" if environ.get("APPDATA") else None
    home = environ.get("HOME")
    return Path(home) / ".config" / "gcloud" if home else None


def read_credentials(path: Path) -> Mapping[str, JSON]:
    """What a file of credentials holds. Raises `ConfigError` when it holds none."""
    try:
        with path.open("rb") as file:
            found: JSON = msgspec.json.decode(file.read(MAX_CREDENTIALS))
    except OSError as exc:
        raise ConfigError(f"{CREDENTIALS}: {path} cannot be read: {exc.strerror or exc}") from exc
    except UNREADABLE as exc:
        raise ConfigError(f"{CREDENTIALS}: {path} is no JSON file with credentials") from exc
    if not isinstance(found, dict) or "type" not in found:
        raise ConfigError(f"{CREDENTIALS}: {path} holds no credentials of Google Cloud")
    return cast(dict[str, JSON], found)
