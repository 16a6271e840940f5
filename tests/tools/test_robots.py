"""What a robots.txt allows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_agent.tools.robots import MAX_SIZE, read_robots
from tests.requirements import requirement

ROBOT = "docker-agent"

CASES = [
    ("", "/x", True),
    ("User-agent: *\nDisallow:", "/x", True),
    ("User-agent: *\nDisallow: /", "/x", False),
    ("User-agent: *\nDisallow: /", "/robots.txt", True),
    ("user-agent:*\ndisallow:/private # not for you", "/private/x", False),
    ("User-agent: *\nDisallow: /private", "/PRIVATE", True),
    ("User-agent: *\r\nDisallow: /a\r\n\r\nDisallow: /b\r\n", "/b", False),
    ("User-agent: *\rDisallow: /a", "/a", False),
    ("\ufeffUser-agent: *\nDisallow: /a", "/a", False),
    ("Disallow: /a", "/a", True),
    # The group that names the robot, in any case, in place of the general one.
    ("User-agent: *\nDisallow: /\n\nUser-agent: Docker-Agent\nDisallow: /x", "/y", True),
    ("User-agent: docker-agent/1.0 (x)\nDisallow: /x\nUser-agent: *\nAllow: /", "/x", False),
    ("User-agent: docker\nDisallow: /", "/x", True),
    ("User-agent: docker-agent-other\nDisallow: /", "/x", True),
    ("User-agent: a\nUser-agent: docker-agent\nDisallow: /x", "/x", False),
    ("User-agent: docker-agent\nDisallow: /x\nUser-agent: b\nDisallow: /y", "/y", True),
    (
        "User-agent: docker-agent\nDisallow: /x\n\nUser-agent: docker-agent\nDisallow: /y",
        "/y",
        False,
    ),
    ("User-agent: docker-agent\nCrawl-delay: 1\nUser-agent: b\nDisallow: /y", "/y", False),
    # The longest rule decides, of equally long ones the one that allows.
    ("User-agent: *\nDisallow: /a\nAllow: /a/b", "/a/b/c", True),
    ("User-agent: *\nAllow: /a/b\nDisallow: /a", "/a/c", False),
    ("User-agent: *\nDisallow: /a\nAllow: /a", "/a", True),
    ("User-agent: *\nAllow: /$\nDisallow: /", "/", True),
    ("User-agent: *\nAllow: /$\nDisallow: /", "/x", False),
    ("User-agent: *\nDisallow: /*.pdf$", "/a/b.pdf", False),
    ("User-agent: *\nDisallow: /*.pdf$", "/a/b.pdf?x", True),
    ("User-agent: *\nDisallow: /a*b*c", "/axxbyycz", False),
    ("User-agent: *\nDisallow: /a*b*c", "/axxcyyb", True),
    ("User-agent: *\nDisallow: /*ab$", "/abab", False),
    ("User-agent: *\nDisallow: /ab*b$", "/ab", True),
    ("User-agent: *\nDisallow: *x", "/a/x", False),
    ("User-agent: *\nDisallow: /s?q=", "/s?q=1", False),
    ("User-agent: *\nDisallow: /s?q=", "/s", True),
    # Encoded or not, a path is the same.
    ("User-agent: *\nDisallow: /%7Ejoe", "/~joe", False),
    ("User-agent: *\nDisallow: /~joe", "/%7ejoe", False),
    ("User-agent: *\nDisallow: /ü", "/%C3%BC", False),
    ("User-agent: *\nDisallow: /%C3%BC", "/%c3%bc", False),
    ("User-agent: *\nDisallow: /a%2Fb", "/a/b", True),
    ("User-agent: *\nDisallow: /a%2fb", "/a%2Fb", False),
    ("User-agent: *\nDisallow: /a%2Ab", "/axb", True),
]


@requirement("fetch:robots:rules")
@pytest.mark.parametrize(("text", "path", "allowed"), CASES)
def test_the_longest_rule_for_us_decides(text: str, path: str, allowed: bool) -> None:
    """RFC 9309 §2.2."""
    assert read_robots(text.encode(), ROBOT).allows(path) is allowed


@requirement("fetch:robots:rules")
@given(st.binary(max_size=200), st.text(max_size=30))
def test_any_file_can_be_read(data: bytes, path: str) -> None:
    """RFC 9309 §2.2: lines that make no sense are passed over."""
    read_robots(b"User-agent: *\nDisallow: " + data, ROBOT).allows(f"/{path}")


@requirement("fetch:robots:rules")
@given(st.from_regex(r"\A/[a-z/]{0,12}\Z"), st.from_regex(r"\A[a-z/?=]{0,12}\Z"))
def test_a_rule_means_everything_below_it(path: str, more: str) -> None:
    """RFC 9309 §2.2.2."""
    robots = read_robots(f"User-agent: *\nDisallow: {path}".encode(), ROBOT)
    assert not robots.allows(path + more)
    whole = read_robots(f"User-agent: *\nDisallow: {path}$".encode(), ROBOT)
    assert whole.allows(path + more) is bool(more)


@requirement("fetch:robots:rules")
def test_a_file_that_is_too_long_counts_up_to_its_last_whole_line() -> None:
    """runtime.md §9.7: 64 KB."""
    start = b"User-agent: *\nDisallow: /a\n"
    data = start + b"#" * (MAX_SIZE - len(start) - len(b"\nDisallow: /b")) + b"\nDisallow: /book"
    robots = read_robots(data, ROBOT)
    assert not robots.allows("/a")
    assert robots.allows("/b") and robots.allows("/book")


@requirement("fetch:robots:rules")
def test_a_hostile_rule_takes_no_time() -> None:
    """runtime.md §9.7: a site cannot keep the server busy; this would never end by backtracking."""
    robots = read_robots(b"User-agent: *\nDisallow: /" + b"*a" * 30_000 + b"b$", ROBOT)
    assert robots.allows("/" + "a" * 30_000)
