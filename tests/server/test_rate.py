"""How often each key may ask. Source: `--rate-limit`, clients.md 70 and 75."""

from __future__ import annotations

from pathlib import Path

import pytest

from docker_agent.errors import ConfigError, RequestError
from docker_agent.server.rate import MAX_CALLERS, Rate, RateLimit, parse_rate
from tests.conftest import Serve
from tests.harness import agent_yaml
from tests.requirements import requirement
from tests.scripted.heard import Model
from tests.scripted.model import Scripted


@requirement("server:rate-limit")
@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("60/m", Rate(60, 60)),
        ("5/s", Rate(5, 1)),
        ("1000/h", Rate(1000, 3600)),
        ("60", Rate(60, 60)),
        ("0", None),
    ],
)
def test_rates_are_read(text: str, rate: Rate | None) -> None:
    """A count, and per second, minute or hour."""
    assert parse_rate(text) == rate


@requirement("server:rate-limit")
@pytest.mark.parametrize("text", ["", "x", "-1", "5/d", "5/", "1.5/s", "5/m/s", "²/s"])
def test_what_is_no_rate_is_a_usage_error(text: str) -> None:
    """chat-server.md §1: exit status 2."""
    with pytest.raises(ConfigError) as caught:
        parse_rate(text)
    assert caught.value.usage


@requirement("server:rate-limit")
def test_a_burst_is_let_through_then_one_a_period() -> None:
    """All of a period may come at once; afterwards they come back one by one."""
    clock = [100.0]
    limit = RateLimit(Rate(3, 60), now=lambda: clock[0])
    for left in ("2", "1", "0"):
        assert dict(limit.take("ann"))[b"x-ratelimit-remaining-requests"] == left.encode()
    for _ in range(2):
        with pytest.raises(RequestError) as refused:
            limit.take("ann")
        assert (refused.value.kind, refused.value.retry_after) == ("too_many_requests", 20.0)
    limit.take("bob")
    clock[0] += 20
    limit.take("ann")
    with pytest.raises(RequestError):
        limit.take("ann")
    clock[0] += 1000
    assert dict(limit.take("ann"))[b"x-ratelimit-remaining-requests"] == b"2"


@requirement("server:rate-limit")
def test_callers_that_have_rested_are_forgotten() -> None:
    """Memory is bounded by those who ask now."""
    clock = [0.0]
    limit = RateLimit(Rate(1, 1), now=lambda: clock[0])
    for number in range(MAX_CALLERS):
        limit.take(str(number))
    clock[0] = 5.0
    limit.take("new")
    assert len(limit) == 1


@requirement("server:rate-limit", "client:70", "client:75")
def test_each_key_has_its_own_count(
    scripted: Scripted, serve: Serve, model: Model, tmp_path: Path
) -> None:
    """One caller's flood is a 429 with the time to wait, and nobody else's trouble."""
    keys = tmp_path / "keys"
    keys.write_text("ann:a\nbob:b\n")
    keys.chmod(0o600)
    flags = ("--rate-limit", "2/h", "--api-keys-file", str(keys))
    server = serve(agent_yaml(scripted.url, model.name), *flags)
    ann, bob = server.client(key="a"), server.client(key="b")
    first = ann.chat("1")
    assert first.headers["x-ratelimit-limit-requests"] == "2"
    assert first.headers["x-ratelimit-remaining-requests"] == "1"
    with ann.stream("2") as stream:
        assert stream.headers["x-ratelimit-remaining-requests"] == "0"
        stream.rest()
    refused = ann.chat("3")
    assert (refused.status, refused.error["code"]) == (429, "too_many_requests")
    assert refused.error["type"] == "rate_limit_error"
    assert 1700 < int(refused.headers["retry-after"]) <= 1800
    assert int(refused.headers["retry-after-ms"]) > 1_700_000
    assert len(model.heard) == 2
    assert ann.get("/v1/models").status == 200
    assert bob.chat("1").status == 200
    assert server.client().chat("x").status == 401
