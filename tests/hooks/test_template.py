"""Templates of hooks. Source: runtime.md §12.1."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_agent.errors import ConfigError
from docker_agent.hooks.model import read_decision
from docker_agent.hooks.port import HookFailed
from docker_agent.hooks.template import MAX_TEXT, Template
from docker_agent.messages import JSON
from tests.requirements import requirement

VALUES: dict[str, JSON] = {
    "tool_name": "shell",
    "tool_use_id": "c1",
    "tool_input": {"cmd": "ls <b>", "n": 3, "deep": {"a": [1]}},
    "stop_response": "a long answer",
    "iteration": 2,
}


@requirement("hooks:template")
@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("", ""),
        ("plain } text {", "plain } text {"),
        ("{{ .ToolName }}", "shell"),
        ("{{.ToolUseID}} {{ .tool_use_id }} {{.Iteration}}", "c1 c1 2"),
        ("{{ .ToolInput }}", '{"cmd":"ls <b>","n":3,"deep":{"a":[1]}}'),
        ("{{ toJSON .ToolName }}", '"shell"'),
        ("{{ .ToolInput.cmd }} {{ .ToolInput.deep.a }} {{ .ToolInput.no.way }}|", "ls <b> [1] |"),
        ("{{ truncate .StopResponse 6 }}", "a long"),
        ("{{ .ToolInput | toJSON | truncate 5 }}", '{"cmd'),
        ("{{ if .Prompt }}yes{{ else }}no{{ end }}", "no"),
        ("{{ if .ToolName }}{{ if .Prompt }}a{{ end }}b{{ end }}c", "bc"),
        ("a {{- .ToolName -}} b", "ashellb"),
        ("{{/* nothing */}}x", "x"),
        ("{{ .Summary }}", ""),
    ],
)
def test_a_template_is_filled(text: str, filled: str) -> None:
    """Fields by the names of the program that this format comes from, or by those of the JSON."""
    assert Template(text).fill(VALUES) == filled


@requirement("hooks:template")
@pytest.mark.parametrize(
    "text",
    [
        "{{ .NoSuchField }}",
        "{{ .ToolName",
        "{{ if .ToolName }}",
        "{{ end }}",
        "{{ if .ToolName }}{{ else }}{{ else }}{{ end }}",
        "{{ truncate .ToolName }}",
        "{{ toJSON }}",
        "{{ upper .ToolName }}",
        "{{ .ToolName .Prompt }}",
        "{{ 5 }}",
        "{{ }}",
        "{{ range .Messages }}",
        '{{ "text" }}',
        "{{ if .Prompt }}" * 5000 + "{{ end }}" * 5000,
    ],
)
def test_what_cannot_be_read_is_an_error(text: str) -> None:
    """A prompt that asks for nothing it gets would judge nothing."""
    with pytest.raises(ConfigError, match="the template"):
        Template(text)


@requirement("hooks:template")
@given(st.text(alphabet="{}-. ToolName|if else end 12", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing else is raised, and filling never fails."""
    try:
        template = Template(text)
    except ConfigError:
        return
    template.fill(VALUES)


@requirement("hooks:template")
def test_a_filled_template_is_bounded() -> None:
    """However much a hook is told."""
    assert len(Template("{{ .Prompt }}").fill({"prompt": "x" * (MAX_TEXT + 1)})) == MAX_TEXT


@requirement("hooks:model")
@pytest.mark.parametrize(
    ("answer", "decision"),
    [
        ('{"decision": "allow"}', ("allow", "")),
        ('{"decision": "deny", "reason": "r"}', ("deny", "r")),
        ('Well {"a": 1} then:\n```json\n{"decision": "ask", "reason": 5}\n``` ok?', ("ask", "")),
        ('{ broken {"decision": "deny"} }', ("deny", "")),
    ],
)
def test_a_decision_is_found_in_an_answer(answer: str, decision: tuple[str, str]) -> None:
    """Fenced or wrapped in prose."""
    assert read_decision(answer) == decision


@requirement("hooks:model")
@pytest.mark.parametrize("answer", ["", "allow", "{}", '{"decision": "maybe"}', "{" * 100_000])
def test_an_answer_without_a_decision_is_a_failure(answer: str) -> None:
    """runtime.md §12.1: unparsable is a failure, which denies."""
    with pytest.raises(HookFailed):
        read_decision(answer)
