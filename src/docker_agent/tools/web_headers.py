"""Headers and addresses that an agent file writes as templates: `${env.X}` and `${headers.X}`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from docker_agent.config.expand import Lookup, expand_template
from docker_agent.env.secret_text import MARKER
from docker_agent.messages import JSON
from docker_agent.tools.environment import looks_secret

_INCOMING = re.compile(
    r"""\bheaders(?:\.([A-Za-z_$][A-Za-z0-9_$]*)|\[\s*(["'])([A-Za-z0-9_-]+)\2\s*\])"""
)
_DASHED = re.compile(r"\$\{\s*headers\.([A-Za-z0-9_]+-[A-Za-z0-9_-]*)(?=\s*(?:\}|\|\||\?))")
_CREDENTIALS = frozenset({"authorization", "proxy-authorization", "cookie"})
"""Headers that hold credentials, beside those that say so by their names."""
_SHORTEST_SECRET = 6
"""Characters below which a value is taken for a word."""
_BREAKS = re.compile(r"[\r\n\0]+")


def spelled(template: str) -> str:
    """A template that may say `${headers.X-Api-Key}`, as JavaScript spells it:
    `${headers["X-Api-Key"]}`."""
    return _DASHED.sub(r'${headers["\1"]', template)


def incoming_names(templates: Iterable[str]) -> frozenset[str]:
    """The headers of the incoming request that templates ask for, as they spell them.

    Source: runtime.md §8.6, `${headers.NAME}`.
    """
    return frozenset(
        match[1] or match[3]
        for template in templates
        if "${" in template
        for match in _INCOMING.finditer(spelled(template))
    )


def asked_for(names: Iterable[str], incoming: Mapping[str, str]) -> dict[str, str]:
    """The incoming headers of these names, in any case, under the spelling of `names`; empty where
    there is none."""
    found = {name.lower(): value for name, value in incoming.items()}
    return {name: found.get(name.lower(), "") for name in names}


class Templates:
    """Texts by name, expanded for each request; those that no request can change only once.

    `passes` says whether `${headers.X}` is answered: with the header X of the incoming request,
    in any case, or with nothing.
    """

    def __init__(self, texts: Mapping[str, str], env: Lookup, *, passes: bool = True) -> None:
        self.incoming = incoming_names(texts.values()) if passes else frozenset[str]()
        self._passes = passes
        self._env = env
        texts = {name: spelled(text) for name, text in texts.items()}
        self._varying = {
            name: text for name, text in texts.items() if incoming_names([text]) and passes
        }
        self._order = tuple(texts)
        self._fixed = {
            name: _one_line(expand_template(text, env, {"headers": {}} if passes else None))
            for name, text in texts.items()
            if name not in self._varying
        }

    def expanded(self, incoming: Mapping[str, str]) -> dict[str, str]:
        """All texts, on one line each; `incoming` are the headers of the request that came in."""
        if not self._varying:
            return dict(self._fixed)
        values: JSON = {"headers": asked_for(self.incoming, incoming)}
        return {
            name: self._fixed[name]
            if name in self._fixed
            else _one_line(expand_template(self._varying[name], self._env, values))
            for name in self._order
        }


def hiding(headers: Mapping[str, str]) -> Callable[[str], str]:
    """Blots the credentials among these headers out of a text."""
    found: set[str] = set()
    for name, value in headers.items():
        if name.lower() in _CREDENTIALS or looks_secret(name.replace("-", "_")):
            found |= {value, value.partition(" ")[2]}
    secrets = sorted((each for each in found if len(each) >= _SHORTEST_SECRET), key=len)

    def hide(text: str) -> str:
        for secret in reversed(secrets):
            text = text.replace(secret, MARKER)
        return text

    return hide


def _one_line(text: str) -> str:
    return _BREAKS.sub("", text).strip()
