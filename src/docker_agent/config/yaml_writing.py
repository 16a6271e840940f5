"""Plain data as YAML that reads back as the same data, for people to go on with."""

from __future__ import annotations

from typing import Any

import yaml

from docker_agent.config.scalars import resolve
from docker_agent.config.tree import plain
from docker_agent.config.yaml_text import read_yaml
from docker_agent.errors import ConfigError

_WIDTH = 10_000
"""Columns before a text is folded: never, so that lines stay as they were written."""


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks, no aliases, lists indented."""

    def ignore_aliases(self, data: object) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(_: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None if isinstance(resolve(text), str) else '"'
    return yaml.ScalarNode("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def write_yaml(data: Any) -> str:  # noqa: ANN401 - any plain data
    """The text of plain data: None, bool, int, float, str, list or dict.

    Falls back to JSON, which is YAML too, for what would not read back the same.
    """
    text = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)
    try:
        node = read_yaml(text)
    except (ConfigError, ValueError):
        node = None
    if node is None or plain(node) != data:
        import json

        return json.dumps(data, indent=2) + "\n"
    return text
