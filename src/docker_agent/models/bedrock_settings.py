"""What an agent file says of a model on Bedrock, as the adapter's settings.

Source: agent-file.md §3.2.2, §3.6, §3.7 and §3.9.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from urllib.parse import quote, urlsplit, urlunsplit

from docker_agent.config.expand import expand_shell
from docker_agent.env.chain import Secrets
from docker_agent.errors import ConfigError
from docker_agent.messages import JSON
from docker_agent.models.anthropic_thinking import MIN_BUDGET, NO_THINKING, Thinking
from docker_agent.models.bedrock_credentials import (
    DEFAULT_SESSION,
    REMEDY,
    Account,
    Keys,
    has_signer,
)
from docker_agent.models.bedrock_request import ConverseSettings, converse_thinking, is_claude
from docker_agent.models.resolve import Resolved, overlaid

log = logging.getLogger(__name__)

TOKEN = "AWS_BEARER_TOKEN_BEDROCK"
REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
DEFAULT_REGION = "us-east-1"
ENDPOINTS = ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "AWS_ENDPOINT_URL")
"""Variables that name another address, as AWS's own programs read them."""

KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")

NEEDS_EXTRA = (
    "amazon-bedrock signs its requests with AWS credentials, which needs an extra: "
    "pip install 'docker-agent[bedrock]'; with " + TOKEN + " (or token_key) it needs none"
)

_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+")
_DEFAULT_PORTS: Mapping[str, int] = {"http": 80, "https": 443}


def bearer_of(resolved: Resolved, secrets: Secrets) -> str | None:
    """The bearer token; None: requests are signed. Raises `ConfigError` when `token_key` names a
    variable that is not set."""
    if resolved.key is None:
        return secrets.get(TOKEN) or None
    token = secrets.get(resolved.key)
    if not token:
        raise ConfigError(f"{resolved.key} environment variable is required")
    return token


def refuse_unsigned_by_aws(resolved: Resolved, secrets: Secrets) -> None:
    """Raise `ConfigError` when requests must be signed and nothing here can, or with half a pair of
    keys. Source: agent-file.md §3.2.2."""
    if resolved.key or secrets.get(TOKEN):
        return
    if not has_signer():
        raise resolved.declared.error(NEEDS_EXTRA, "provider")
    account_of(resolved, secrets)


def account_of(resolved: Resolved, secrets: Secrets) -> Account:
    """Whose credentials sign. Raises `ConfigError` for half a pair of keys."""
    profile, role = _option(resolved, "profile"), _option(resolved, "role_arn")
    keys = None if profile else _keys(secrets)
    if not (profile or keys):
        profile = secrets.get("AWS_PROFILE") or ""
    return Account(
        region=region_of(resolved, secrets),
        keys=keys,
        profile=profile,
        role_arn=role,
        role_session_name=_option(resolved, "role_session_name") or DEFAULT_SESSION,
        external_id=_option(resolved, "external_id"),
    )


def _keys(secrets: Secrets) -> Keys | None:
    access, secret, token = (secrets.get(name) or "" for name in KEYS)
    if bool(access) is not bool(secret):
        missing = KEYS[1] if access else KEYS[0]
        raise ConfigError(f"{missing} environment variable is required beside the other; {REMEDY}")
    return Keys(access, secret, token or None) if access else None


def region_of(resolved: Resolved, secrets: Secrets) -> str:
    """The region. Raises `ConfigError` for what cannot be one: it becomes part of an address."""
    named = (secrets.get(name) for name in REGIONS)
    region = _option(resolved, "region") or next(filter(None, named), DEFAULT_REGION)
    if not _REGION.fullmatch(region):
        raise resolved.declared.error(
            f"{region!r} is no AWS region; use one such as {DEFAULT_REGION}", "provider_opts"
        )
    return region


def endpoint_of(resolved: Resolved, secrets: Secrets) -> str:
    """The address, without a slash at its end: the file's, a variable's, else the region's."""
    named = _option(resolved, "endpoint_url") or resolved.base_url
    named = named or next(filter(None, (secrets.get(name) for name in ENDPOINTS)), "")
    if not named:
        region = region_of(resolved, secrets)
        domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
        return f"https://bedrock-runtime.{region}.{domain}"
    return expand_shell(named, secrets.get).rstrip("/")


def converse_settings(
    resolved: Resolved, secrets: Secrets, bearer: str | None, *, cached: bool
) -> ConverseSettings:
    """How a declared model is reached and asked; `cached` says that its prompts may be cached.
    Raises `ConfigError` naming the model's place in the file."""
    options = resolved.options
    try:
        endpoint = _plain_address(endpoint_of(resolved, secrets))
        model = expand_shell(resolved.model, secrets.get)
    except (ConfigError, ValueError) as exc:
        raise resolved.declared.error(str(exc)) from exc
    interleaved, top_k = options.get("interleaved_thinking"), options.get("top_k")
    return ConverseSettings(
        url=f"{endpoint}/model/{quote(model, safe='~')}/converse-stream",
        model=model,
        headers=overlaid({"Authorization": f"Bearer {bearer}"} if bearer else {}, resolved.headers),
        secrets=resolved.unshown(bearer),
        sampling=resolved.sampling,
        top_k=top_k if isinstance(top_k, int) and not isinstance(top_k, bool) else None,
        thinking=_thinking(resolved, model),
        interleaved=interleaved is not False,
        caching=cached and options.get("disable_prompt_caching") is not True,
        track_usage=resolved.track_usage,
    )


def _plain_address(url: str) -> str:
    """The address as it is signed and sent: no port where it is the scheme's own."""
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ConfigError(f"the endpoint {url!r} is no http(s) address")
    own = parts.port == _DEFAULT_PORTS[parts.scheme]
    host = parts.netloc.rpartition(":")[0] if own else parts.netloc
    return urlunsplit((parts.scheme, host.lower(), parts.path.rstrip("/"), "", ""))


def _thinking(resolved: Resolved, model: str) -> Thinking:
    """The model's thinking; what it cannot do is ignored with a warning."""
    budget = resolved.inherited.thinking_budget
    if budget in (None, 0, "none"):
        return NO_THINKING
    thinking = converse_thinking(budget, model) if is_claude(model) else NO_THINKING
    cap = resolved.inherited.max_tokens or 0
    text = ""
    if not is_claude(model):
        text = f"{budget!r} is ignored: of Bedrock's models only Claude takes a budget"
    elif not thinking:
        text = f"{budget} tokens are ignored; the API takes {MIN_BUDGET} or more"
    elif cap and thinking.tokens >= cap:
        text = f"{thinking.tokens} tokens are ignored: they leave none of max_tokens ({cap})"
        thinking = NO_THINKING
    if text:
        log.warning("%s", resolved.declared.error(text, "thinking_budget"))
    return thinking


def _option(resolved: Resolved, name: str) -> str:
    value: JSON = resolved.options.get(name)
    if value is not None and not isinstance(value, str):
        log.debug("provider_opts.%s is no text and is left out", name)
    return value.strip() if isinstance(value, str) else ""
