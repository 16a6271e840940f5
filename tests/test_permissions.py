"""May this call run: rules, globs and modes, as tables and as laws."""

from __future__ import annotations

import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_agent.errors import ConfigError
from docker_agent.messages import JSON, Meaning, ToolSpec
from docker_agent.permissions import (
    SAFETY_MODES,
    Glob,
    Rules,
    SafetyMode,
    decide,
    label,
    parse_rule,
    refusal,
    strictest,
)
from tests.requirements import requirement

SAFE = ToolSpec("read_file", "", {}, read_only=True)
DESTRUCTIVE = ToolSpec("delete", "", {}, read_only=True, destructive=True)
UNKNOWN = ToolSpec("shell", "", {})
HARMLESS = ToolSpec("think", "", {}, harmless=True, destructive=True)


def rules(**patterns: list[str]) -> Rules:
    """Rules from patterns by tier."""
    return Rules(
        **{tier: tuple(parse_rule(one) for one in every) for tier, every in patterns.items()}
    )


@requirement("permissions:rules")
@pytest.mark.parametrize(
    ("pattern", "name", "arguments", "matches"),
    [
        ("shell", "shell", {}, True),
        ("shell", "SHELL", {}, True),
        ("Shell", "shell", {"cmd": "x"}, True),
        ("shell", "shell2", {}, False),
        ("shell", "my_shell", {}, False),
        ("*", "anything", {}, True),
        ("read_*", "read_file", {}, True),
        ("*_file", "read_file", {}, True),
        ("r?ad_file", "read_file", {}, True),
        ("r?ad_file", "rad_file", {}, False),
        ("github_*", "github_create_issue", {}, True),
        ("mcp:github:create_issue", "github_create_issue", {}, True),
        ("mcp:github:*", "github_create_issue", {}, True),
        ("mcp:github:*", "gitlab_create_issue", {}, False),
        ("mcp:github:create:title=a*", "github_create", {"title": "abc"}, True),
        (" shell ", "shell", {}, True),
        ("shell:cmd=ls*", "shell", {"cmd": "ls -la"}, True),
        ("shell:cmd=ls*", "shell", {"cmd": "LS"}, True),
        ("shell:cmd=ls*", "shell", {"cmd": "rm ls"}, False),
        ("shell:cmd=ls*", "other", {"cmd": "ls"}, False),
        ("shell:cmd=rm*-rf*", "shell", {"cmd": "rm -rf /tmp/x"}, True),
        ("shell:cmd=rm*-rf*", "shell", {"cmd": "rm /tmp/x"}, False),
        ("shell:cmd=*", "shell", {"cmd": "a\nb"}, True),
        ("shell:cmd=*", "shell", {}, False),
        ("shell:cmd=", "shell", {"cmd": ""}, True),
        ("shell:cmd=", "shell", {"cmd": "x"}, False),
        ("shell:cmd=ls*:cwd=/tmp", "shell", {"cmd": "ls", "cwd": "/tmp"}, True),
        ("shell:cmd=ls*:cwd=/tmp", "shell", {"cmd": "ls", "cwd": "/etc"}, False),
        ("shell:cmd=ls*:cwd=/tmp", "shell", {"cmd": "ls"}, False),
        ("shell:cmd=a*:cmd=*b", "shell", {"cmd": "a b"}, True),
        ("shell:cmd=a*:cmd=*b", "shell", {"cmd": "a c"}, False),
        ("fetch:url=http://a.test:80/*", "fetch", {"url": "http://a.test:80/x"}, True),
        ("fetch:url=https:*", "fetch", {"url": "https://a"}, True),
        ("t:a=1:2=3", "t", {"a": "1:2=3"}, True),
        ("t:n=5", "t", {"n": 5}, True),
        ("t:n=1.5", "t", {"n": 1.5}, True),
        ("t:b=true", "t", {"b": True}, True),
        ("t:b=false", "t", {"b": False}, True),
        ("t:b=null", "t", {"b": None}, True),
        ("t:l=[1,2]", "t", {"l": [1, 2]}, True),
        ('t:o={"a":*}', "t", {"o": {"a": "x"}}, True),
        ("t:a=x=y", "t", {"a": "x=y"}, True),
        ("t:a=[ab]", "t", {"a": "[ab]"}, True),
        ("t:a=[ab]", "t", {"a": "a"}, False),
        ("t:a=/tmp/*", "t", {"a": "/tmp/x/y/z"}, True),
        ("t:A=x", "t", {"a": "x"}, False),
    ],
)
def test_a_rule_matches_a_call(
    pattern: str, name: str, arguments: dict[str, JSON], matches: bool
) -> None:
    """runtime.md §6.3: the table, with the project's column."""
    assert parse_rule(pattern).matches(name, arguments, if_unreadable=False) is matches
    assert parse_rule(pattern).matches(name, arguments, if_unreadable=True) is matches


@requirement("permissions:unreadable")
@pytest.mark.parametrize("tier", ["deny", "ask"])
def test_rules_that_refuse_match_arguments_nobody_can_read(tier: str) -> None:
    """runtime.md §6.3: fail closed."""
    found = decide(rules(**{tier: ["shell:cmd=rm*"]}), "autonomous", UNKNOWN, None)
    assert not found.allowed
    assert decide(rules(**{tier: ["other:cmd=rm*"]}), "autonomous", UNKNOWN, None).allowed


@requirement("permissions:unreadable")
def test_rules_that_allow_do_not() -> None:
    """runtime.md §6.3: a rule with arguments needs arguments; one without does not."""
    assert not decide(rules(allow=["shell:cmd=ls*"]), "strict", UNKNOWN, None).allowed
    assert decide(rules(allow=["shell"]), "strict", UNKNOWN, None).allowed


@requirement("permissions:unreadable")
def test_arguments_too_deep_to_look_into_count_as_unreadable() -> None:
    """runtime.md §6.3: fail closed, and no crash."""
    deep: JSON = []
    for _ in range(100_000):
        deep = [deep]
    assert not decide(rules(allow=["shell:cmd=*"]), "strict", UNKNOWN, {"cmd": deep}).allowed
    assert decide(rules(deny=["shell:cmd=x"]), "autonomous", UNKNOWN, {"cmd": deep}).final


DENIED = ("team_permissions_deny", "Tool 'shell' is denied by permissions configuration.")
ASKED = (
    "team_permissions_ask",
    "Tool 'shell' requires user confirmation but the session is non-interactive.",
)


@requirement("permissions:order")
@pytest.mark.parametrize("mode", SAFETY_MODES)
@pytest.mark.parametrize(
    ("tiers", "source", "text"),
    [
        ({"deny": ["*"], "allow": ["*"], "ask": ["*"]}, *DENIED),
        ({"deny": ["sh*"], "allow": ["shell"]}, *DENIED),
        ({"allow": ["*"], "ask": ["*"]}, "team_permissions_allow", ""),
        ({"ask": ["*"]}, *ASKED),
        ({"deny": ["other"], "ask": ["shell"]}, *ASKED),
    ],
)
def test_deny_comes_before_allow_and_allow_before_ask(
    mode: SafetyMode, tiers: dict[str, list[str]], source: str, text: str
) -> None:
    """runtime.md §6.2 and §6.3: in every mode; ask is a refusal, the texts are exact (§5.3)."""
    found = decide(rules(**tiers), mode, UNKNOWN, {})
    assert (found.source, found.text) == (source, text)
    assert found.allowed is (source == "team_permissions_allow")


@requirement("permissions:modes")
@pytest.mark.parametrize(
    ("mode", "safe", "destructive", "unknown"),
    [
        ("strict", False, False, False),
        ("restricted", True, False, False),
        ("balanced", True, False, False),
        ("autonomous", True, True, True),
    ],
)
def test_the_mode_decides_by_the_label(
    mode: SafetyMode, safe: bool, destructive: bool, unknown: bool
) -> None:
    """runtime.md §6.4: the table; the text names mode and tool, and says not to try again."""
    for spec, allowed in (
        (SAFE, safe),
        (HARMLESS, safe),
        (DESTRUCTIVE, destructive),
        (UNKNOWN, unknown),
    ):
        found = decide(Rules(), mode, spec, {})
        assert (found.allowed, found.source) == (allowed, f"mode_{mode}")
        assert (found.text == "") is allowed
        if not allowed:
            assert found.text.startswith(f"Tool '{spec.name}' was denied: safety mode '{mode}'")
            assert "Do not try again" in found.text


@requirement("permissions:modes")
def test_tools_say_of_themselves_what_they_do() -> None:
    """runtime.md §6.4: destructive before read-only, else unknown; runtime tools are safe."""
    specs = (SAFE, DESTRUCTIVE, UNKNOWN, HARMLESS)
    assert [label(spec) for spec in specs] == ["safe", "destructive", "unknown", "safe"]


@requirement("permissions:modes")
def test_a_classifier_may_know_better() -> None:
    """runtime.md §6.4: shell commands are labelled by their text."""
    found = decide(Rules(), "restricted", UNKNOWN, {"cmd": "ls"}, lambda spec, arguments: "safe")
    assert found.allowed


@requirement("permissions:modes")
@given(st.lists(st.none() | st.sampled_from(SAFETY_MODES)))
def test_the_strictest_mode_counts(modes: list[SafetyMode | None]) -> None:
    """runtime.md §6.4: strict, restricted, balanced, autonomous; autonomous when nobody says."""
    found = strictest(*modes)
    places = [SAFETY_MODES.index(mode) for mode in modes if mode is not None]
    assert SAFETY_MODES.index(found) == min(places, default=3)


@requirement("permissions:rules")
@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("ab*ba", "aba", False),
        ("*ab*ab", "ab", False),
        ("*ab*ab", "abab", True),
        ("a*", "", False),
        ("*", "", True),
        ("", "", True),
        ("", "a", False),
        ("?", "\n", True),
    ],
)
def test_the_pieces_of_a_glob_do_not_overlap(pattern: str, text: str, matches: bool) -> None:
    """runtime.md §6.3: each character of the text is matched once."""
    assert Glob(pattern).matches(text) is matches


letters = st.text(alphabet="aAbB.\\\n/-[]é", max_size=12)
patterns = st.lists(st.sampled_from(["*", "?", "a", "b", "B", ".", "\\", "[", "]", "é", "\n", "/"]))


@requirement("permissions:glob-law")
@given(patterns.map("".join), letters)
def test_a_glob_is_what_it_says(pattern: str, text: str) -> None:
    """runtime.md §6.3: `*` anything, `?` one character, all else itself, without case."""
    oracle = fnmatch.translate(pattern.lower().replace("[", "[[]"))
    assert Glob(pattern).matches(text) is (re.match(oracle, text.lower()) is not None)


@requirement("permissions:glob-law")
@given(st.lists(letters, min_size=1, max_size=5), st.lists(letters, min_size=5, max_size=5))
def test_a_glob_matches_whatever_fills_its_gaps(pieces: list[str], fillers: list[str]) -> None:
    """runtime.md §6.3: any characters anywhere."""
    filled = pieces[0] + "".join(
        filler + piece for filler, piece in zip(fillers, pieces[1:], strict=False)
    )
    assert Glob("*".join(pieces)).matches(filled)


@requirement("permissions:glob-linear")
@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("*a" * 50 + "b", "a" * 100_000),
        ("a*" * 50 + "b", "a" * 100_000),
        ("*?*?*?*?*?*?*?*?*b", "a" * 100_000),
        ("**************************b", "a" * 100_000),
        ("*" + "a*" * 200, "b" * 100_000),
    ],
)
def test_no_pattern_takes_for_ever(pattern: str, text: str) -> None:
    """permissions.py, Glob: linear, whatever a model writes; a backtracking match would not end."""
    assert not Glob(pattern).matches(text)
    assert Glob(pattern.removesuffix("b") + "*").matches(text + "a") is ("b" not in text)


@requirement("cli:check:refused-in-part")
@pytest.mark.parametrize(
    ("mode", "patterns", "much"),
    [
        ("autonomous", {}, ""),
        ("balanced", {}, "part"),
        ("restricted", {}, "part"),
        ("strict", {}, "whole"),
        ("strict", {"allow": ["shell:cmd=ls*"]}, "part"),
        ("strict", {"allow": ["other:cmd=ls*"]}, "whole"),
        ("strict", {"allow": ["shell"]}, ""),
        ("balanced", {"deny": ["shell"]}, "whole"),
        ("balanced", {"deny": ["shell:cmd=rm*"]}, "part"),
        ("balanced", {"ask": ["shell"]}, "whole"),
    ],
)
def test_a_mode_may_refuse_some_calls_of_a_tool(
    mode: SafetyMode, patterns: dict[str, list[str]], much: str
) -> None:
    """A shell runs what only looks, or what a rule lets through."""
    judged = ToolSpec("shell", "", {}, meaning=lambda _: Meaning("unknown"))
    assert refusal(rules(**patterns), mode, judged) == much
    assert refusal(rules(), mode, UNKNOWN) == ("" if mode == "autonomous" else "whole")


@requirement("permissions:rules")
@pytest.mark.parametrize("pattern", ["mcp:github", "mcp:github:", "mcp::x", "mcp:*:x", "mcp:?*:x"])
def test_a_rule_for_no_server_in_particular_is_refused(pattern: str) -> None:
    """runtime.md §6.3: it would speak of every tool there is."""
    with pytest.raises(ConfigError, match="must name a server and its tools"):
        parse_rule(pattern)


@requirement("permissions:modes")
@pytest.mark.parametrize(
    ("mode", "spec", "text", "asks"),
    [
        ("strict", SAFE, "no tool without an allow rule", True),
        ("balanced", UNKNOWN, "only safe tools", True),
        ("restricted", UNKNOWN, "only safe tools", False),
    ],
)
def test_a_refusal_of_the_mode_says_what_it_allows(
    mode: SafetyMode, spec: ToolSpec, text: str, asks: bool
) -> None:
    """runtime.md §6.2, §6.4: strict and balanced ask; a deny rule alone is the last word."""
    found = decide(Rules(), mode, spec, {})
    assert f"safety mode '{mode}' allows {text}" in found.text
    assert (found.allowed, found.asks, found.final) == (False, asks, False)
    for tier, final in (("deny", True), ("ask", False)):
        ruled = decide(rules(**{tier: [spec.name]}), mode, spec, {})
        assert (ruled.allowed, ruled.asks, ruled.final) == (False, False, final)
    allowed = decide(rules(allow=[spec.name]), mode, spec, {})
    assert (allowed.allowed, allowed.asks, allowed.final) == (True, False, False)


@requirement("permissions:modes")
def test_a_call_is_labelled_by_what_it_means_where_that_is_known() -> None:
    """runtime.md §6.4: by its arguments first, which must be readable for that."""
    wise = ToolSpec(
        "wise",
        "",
        {},
        read_only=True,
        meaning=lambda arguments: Meaning("destructive" if arguments.get("all") else "safe"),
    )
    assert [label(wise, each) for each in (None, {}, {"all": True})] == [
        "unknown",
        "safe",
        "destructive",
    ]
    assert [label(each, None) for each in (SAFE, DESTRUCTIVE, UNKNOWN, HARMLESS)] == [
        "safe",
        "destructive",
        "unknown",
        "safe",
    ]


@requirement("permissions:unreadable")
@pytest.mark.parametrize("pattern", ["shell:cmd=ls", "shell:cmd=*"])
def test_no_allow_rule_with_arguments_fits_what_cannot_be_read(pattern: str) -> None:
    """runtime.md §6.3: also one without wildcards."""
    assert not decide(rules(allow=[pattern]), "strict", UNKNOWN, None).allowed
    assert decide(rules(allow=["shell"]), "strict", UNKNOWN, None).allowed
