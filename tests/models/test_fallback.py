"""The one retry rule: which model is asked when, with a clock and sleeps of the test's own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_agent.errors import ModelError
from docker_agent.events import Delta, EmitDeltas, TextDelta
from docker_agent.messages import (
    AssistantMessage,
    ImagePart,
    Message,
    TextPart,
    UserMessage,
)
from docker_agent.models.fallback import Alloy, Fallback, backoff
from docker_agent.models.fitting import fitting
from docker_agent.models.http import open_http
from docker_agent.models.openai_chat import ChatSettings, OpenAIChat
from docker_agent.models.port import Ask, Model, ModelCard, Reply
from docker_agent.models.routing import Router
from tests.models.talking import CARD, HI, Told
from tests.requirements import requirement
from tests.scripted import heard
from tests.scripted.model import Scripted
from tests.scripted.parts import fail, say

pytestmark = pytest.mark.anyio

OK = "ok"


def down(status: int = 500) -> ModelError:
    """A failure that may pass."""
    return ModelError("model_error", f"HTTP {status}", transient=True)


def wrong() -> ModelError:
    """A failure that stays: a wrong key."""
    return ModelError("model_error", "HTTP 401")


def limited(seconds: float | None = None) -> ModelError:
    """A rate limit."""
    return ModelError("model_rate_limited", "HTTP 429", retry_after=seconds)


def overflow(*, transient: bool = False) -> ModelError:
    """A history that does not fit."""
    return ModelError("context_length_exceeded", "too long", transient=transient)


def broken_off() -> ModelError:
    """A failure after text was shown."""
    return ModelError("model_error", "cut", transient=True, emitted=True)


class Actor:
    """A model that plays a list: errors are raised, texts said; the last one repeats."""

    def __init__(self, name: str, *plays: str | ModelError) -> None:
        self.card = ModelCard(name, "actor")
        self.plays = list(plays)
        self.asked = 0

    async def reply(self, ask: Ask, emit: EmitDeltas) -> Reply:
        play = self.plays[min(self.asked, len(self.plays) - 1)]
        self.asked += 1
        if isinstance(play, ModelError):
            if play.emitted:
                await emit((TextDelta("half"),))
            raise play
        await emit((TextDelta(play),))
        return Reply(AssistantMessage(play), model=self.card.name)


@dataclass(slots=True)
class Stage:
    """A chain of actors, a clock, and the sleeps so far."""

    actors: Sequence[Actor]
    retries: int = 2
    now: float = 1000.0
    slept: list[float] = field(default_factory=list[float])
    said: list[Delta] = field(default_factory=list[Delta])
    _chain: Fallback | None = None

    @property
    def chain(self) -> Fallback:
        """The chain, made at first use."""
        if self._chain is None:
            self._chain = Fallback(
                self.actors,
                retries=self.retries,
                cooldown=60,
                now=lambda: self.now,
                sleep=self.sleep,
                spread=lambda: 0.0,
            )
        return self._chain

    async def sleep(self, seconds: float) -> None:
        """Time passes at once."""
        self.slept.append(seconds)
        self.now += seconds

    async def emit(self, deltas: tuple[Delta, ...]) -> None:
        """The listener."""
        self.said.extend(deltas)

    async def ask(self, ask: Ask = HI) -> str:
        """The name of the model that answered, or the kind of the error."""
        try:
            return (await self.chain.reply(ask, self.emit)).model
        except ModelError as exc:
            return str(exc)

    @property
    def asked(self) -> list[int]:
        """How often each was asked so far."""
        return [actor.asked for actor in self.actors]


@requirement("models:fallback:retry")
async def test_a_failure_that_passes_is_tried_again() -> None:
    """agent-file.md §11 test 13: 500, 500, 200 is three attempts, after 0.2 and 0.4 s."""
    stage = Stage([Actor("a", down(), down(), OK)])
    assert await stage.ask() == "a"
    assert (stage.asked, stage.slept) == ([3], [0.2, 0.4])


@requirement("models:fallback:retry")
async def test_each_model_has_its_own_tries() -> None:
    """agent-file.md §3.10: 1 + retries attempts each; the last cause is told."""
    stage = Stage([Actor("a", down(500)), Actor("b", down(502)), Actor("c", down(503))])
    assert await stage.ask() == "all models failed: HTTP 503"
    assert stage.asked == [3, 3, 3]
    assert stage.slept == [0.2, 0.4] * 3


@requirement("models:fallback:retry")
@pytest.mark.parametrize("retries", [0, 1, 5])
async def test_the_file_says_how_often(retries: int) -> None:
    """agent-file.md §3.10: `retries`; none at 0 (the file's -1)."""
    stage = Stage([Actor("a", down())], retries=retries)
    await stage.ask()
    assert stage.asked == [1 + retries]


@requirement("models:fallback:retry")
@given(st.integers(0, 40), st.floats(-1, 1))
def test_pauses_double_up_to_two_seconds(retry: int, spread: float) -> None:
    """agent-file.md §3.10: 200 ms x 2^n, at most 2 s, ± 10 %."""
    base = min(0.2 * 2**retry, 2.0)
    assert base * 0.899 <= backoff(retry, spread) <= base * 1.101
    assert backoff(retry, 0) == base


@requirement("models:fallback:retry")
async def test_a_provider_that_asks_for_more_time_gets_it() -> None:
    """runtime.md §4.2: Retry-After on a failure that passes, up to 60 s."""
    error = ModelError("model_error", "503", transient=True, retry_after=5.0)
    long = ModelError("model_error", "503", transient=True, retry_after=500.0)
    stage = Stage([Actor("a", error, long, OK)])
    assert await stage.ask() == "a"
    assert stage.slept == [5.0, 0.4]


@requirement("models:fallback:next")
@pytest.mark.parametrize("error", [wrong(), limited(1), limited()])
async def test_what_another_try_does_not_help_goes_to_the_next_model(error: ModelError) -> None:
    """agent-file.md §3.10: 429, keys and other 4xx skip at once."""
    stage = Stage([Actor("a", error), Actor("b", OK)])
    assert await stage.ask() == "b"
    assert (stage.asked, stage.slept) == ([1, 1], [])


@requirement("models:fallback:next")
async def test_a_stalled_model_is_not_asked_again_but_the_next_is() -> None:
    """runtime.md §3.8: five minutes of silence are enough."""
    stalled = ModelError("model_error", "model stream stalled", transient=False)
    stage = Stage([Actor("a", stalled), Actor("b", OK)])
    assert (await stage.ask(), stage.asked) == ("b", [1, 1])


@requirement("models:fallback:all-failed")
async def test_the_end_of_a_chain_says_that_all_failed() -> None:
    """runtime.md §4.2: "all models failed", and the last cause with its kind."""
    chain = Fallback([Actor("a", wrong()), Actor("b", limited(90))], retries=0)
    with pytest.raises(ModelError, match=r"^all models failed: HTTP 429$") as failed:
        await chain.reply(HI, Told().hear)
    assert (failed.value.kind, failed.value.retry_after) == ("model_rate_limited", 90)
    with pytest.raises(ModelError, match=r"^HTTP 401$"):
        await Fallback([Actor("a", wrong())]).reply(HI, Told().hear)


@requirement("models:fallback:reads")
async def test_each_model_of_a_chain_is_shown_what_it_can_read() -> None:
    """agent-file.md §3.13: inputs a model cannot take are dropped before the call, also where it
    stands in for one that can."""
    seen: dict[str, Sequence[Message]] = {}

    class Reader(Actor):
        async def reply(self, ask: Ask, emit: EmitDeltas) -> Reply:
            seen[self.card.name] = ask.messages
            return await Actor.reply(self, ask, emit)

    sighted, blind, unknown = Reader("sighted", wrong()), Reader("blind", wrong()), Reader("u", OK)
    sighted.card = ModelCard("sighted", "actor", 0, image=True, document=True)
    blind.card = ModelCard("blind", "actor", 90, image=False, document=False)
    parts = (TextPart("what is it?"), ImagePart("data:image/png;base64,AA=="))
    ask = Ask((UserMessage(parts),))
    models = [fitting(one) for one in (sighted, blind, unknown)]
    await Fallback(models).reply(ask, Told().hear)
    assert seen["sighted"] == seen["u"] == ask.messages
    assert seen["blind"] == (UserMessage(parts[:1]),)
    for made in (Fallback(models), Alloy(models), Router(models[0], models[1:], [["x"], ["y"]])):
        assert (made.card.name, made.card.image, made.card.document) == ("sighted", True, True)
    assert [Alloy(models).card.context, Fallback(models).card.context] == [90, 0]
    card = Fallback([blind, unknown]).card
    assert (card.image, card.document) == (None, None)
    assert Fallback([blind, blind]).card.image is False


@requirement("models:fallback:next")
async def test_without_another_model_a_lasting_failure_is_told_at_once() -> None:
    """agent-file.md §3.10: a wrong key stays wrong."""
    stage = Stage([Actor("a", wrong())])
    assert (await stage.ask(), stage.asked) == ("HTTP 401", [1])


@requirement("models:fallback:next")
async def test_going_on_is_told_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """runtime.md §3.10: model_fallback says from, to and why."""
    with caplog.at_level(logging.WARNING, "docker_agent"):
        await Stage([Actor("a", wrong()), Actor("b", OK)]).ask()
    assert [record.getMessage() for record in caplog.records] == ["HTTP 401; trying b"]


@requirement("models:fallback:rate-limit")
@pytest.mark.parametrize(
    ("seconds", "slept"), [(7.0, 7.0), (0.0, 0.0), (60.0, 60.0), (None, 1.0), (0.25, 0.25)]
)
async def test_a_rate_limit_of_the_last_model_is_waited_out(
    seconds: float | None, slept: float
) -> None:
    """runtime.md §4.2: with no fallback left, retry with Retry-After ≤ 60 s."""
    stage = Stage([Actor("a", wrong()), Actor("b", limited(seconds), OK)])
    assert await stage.ask() == "b"
    assert (stage.asked, stage.slept) == ([1, 2], [slept])


@requirement("models:fallback:rate-limit")
async def test_a_rate_limit_is_not_waited_out_too_long_or_too_often() -> None:
    """runtime.md §4.2: more than 60 s is an error at once; the tries are the same."""
    stage = Stage([Actor("a", limited(61))])
    assert (await stage.ask(), stage.asked, stage.slept) == ("HTTP 429", [1], [])
    stage = Stage([Actor("a", limited(2))])
    assert (await stage.ask(), stage.asked, stage.slept) == ("HTTP 429", [3], [2, 2])


@requirement("models:fallback:deadline")
@pytest.mark.parametrize("error", [limited(30), down()])
async def test_nobody_waits_past_the_deadline(error: ModelError) -> None:
    """runtime.md §4.2: inside the request's deadline, in the loop's time."""
    near = asyncio.get_running_loop().time() + 0.05
    stage = Stage([Actor("a", error, OK)])
    ask = Ask(HI.messages, deadline=near)
    assert (await stage.ask(ask), stage.asked, stage.slept) == (str(error), [1], [])
    far = asyncio.get_running_loop().time() + 300
    stage = Stage([Actor("a", error, OK)])
    assert await stage.ask(Ask(HI.messages, deadline=far)) == "a"


@requirement("models:fallback:overflow")
@pytest.mark.parametrize("transient", [False, True])
async def test_a_context_that_is_too_long_is_never_tried_again(transient: bool) -> None:
    """runtime.md §4.2: the history would not fit elsewhere either; others may shorten it."""
    stage = Stage([Actor("a", overflow(transient=transient)), Actor("b", OK)])
    assert (await stage.ask(), stage.asked) == ("too long", [1, 0])


@requirement("models:fallback:emitted")
async def test_a_call_that_has_shown_something_is_never_tried_again() -> None:
    """DESIGN.md §8: another try would say it twice."""
    stage = Stage([Actor("a", broken_off()), Actor("b", OK)])
    assert (await stage.ask(), stage.asked, stage.said) == ("cut", [1, 0], [TextDelta("half")])


@requirement("models:fallback:cooldown")
async def test_a_fallback_stays_for_the_cooldown_after_a_lasting_failure() -> None:
    """agent-file.md §3.10: pinned for the cooldown, then the first is tried first again."""
    stage = Stage([Actor("a", wrong(), OK), Actor("b", OK), Actor("c", OK)])
    assert [await stage.ask() for _ in range(3)] == ["b", "b", "b"]
    assert stage.asked == [1, 3, 0]
    stage.now += 59.9
    assert await stage.ask() == "b"
    stage.now += 0.2
    assert await stage.ask() == "a"


@requirement("models:fallback:cooldown")
async def test_a_fallback_does_not_stay_after_a_failure_that_passes() -> None:
    """agent-file.md §3.10: only a skip-type error pins."""
    stage = Stage([Actor("a", down(), down(), down(), OK), Actor("b", OK)])
    assert [await stage.ask() for _ in range(2)] == ["b", "a"]


@requirement("models:fallback:cooldown")
async def test_a_pinned_fallback_that_fails_hands_on_to_those_after_it() -> None:
    """runtime.md §4.2: the chain from the pinned one on."""
    stage = Stage([Actor("a", wrong()), Actor("b", OK, wrong()), Actor("c", OK)])
    assert [await stage.ask() for _ in range(3)] == ["b", "c", "c"]
    assert stage.asked == [1, 2, 2]


@requirement("models:fallback:cooldown")
async def test_the_first_models_success_clears_the_pin() -> None:
    """agent-file.md §3.10: primary success clears it; the next failure pins anew."""
    stage = Stage([Actor("a", wrong(), OK, wrong(), OK), Actor("b", OK)])
    assert await stage.ask() == "b"
    stage.now += 61
    assert [await stage.ask() for _ in range(3)] == ["a", "b", "b"]
    stage.now += 61
    assert await stage.ask() == "a"


@requirement("models:fallback:cancel")
async def test_cancelling_ends_a_pause_and_is_never_tried_again() -> None:
    """runtime.md §4.2: cancellation is raised as it is."""
    actor = Actor("a", down())
    pausing = asyncio.Event()

    async def sleep(seconds: float) -> None:
        pausing.set()
        await asyncio.Event().wait()

    chain = Fallback([actor, Actor("b", OK)], sleep=sleep)
    task = asyncio.create_task(chain.reply(HI, Stage([]).emit))
    await pausing.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert actor.asked == 1


@requirement("models:fallback:alloy")
async def test_an_alloy_chooses_for_each_call() -> None:
    """agent-file.md §2.7.2: one of them for each model call."""
    one, two = Actor("a", OK), Actor("b", OK)
    order = iter([two, one, two])
    alloy = Alloy([one, two], lambda models: next(order))
    said = [(await alloy.reply(HI, Stage([]).emit)).model for _ in range(3)]
    assert said == ["b", "a", "b"]
    assert alloy.card.name == "a"
    fair = Alloy([one, two])
    assert {(await fair.reply(HI, Stage([]).emit)).model for _ in range(200)} == {"a", "b"}


kinds = st.sampled_from([down, wrong, limited, overflow, broken_off])


@requirement("models:fallback:law")
@given(
    st.lists(st.lists(kinds.map(lambda make: make()) | st.just(OK), min_size=1), min_size=1),
    st.integers(0, 3),
)
async def test_the_rule_holds_for_any_chain(
    plays: list[list[str | ModelError]], retries: int
) -> None:
    """DESIGN.md §8: bounded tries, nothing said twice, and in the order of the file."""
    actors = [Actor(str(place), *play) for place, play in enumerate(plays)]
    stage = Stage(actors, retries)
    answered = await stage.ask()
    assert all(actor.asked <= 1 + retries for actor in actors)
    assert len(stage.said) <= 1
    asked = [actor.asked > 0 for actor in actors]
    assert asked == sorted(asked, reverse=True)
    last = actors[sum(asked) - 1]
    played = last.plays[min(last.asked, len(last.plays)) - 1]
    if isinstance(played, ModelError):
        over = len(actors) > 1 and not played.emitted and played.kind != "context_length_exceeded"
        assert answered == ("all models failed: " if over else "") + str(played)
    else:
        assert answered == last.card.name
    assert sum(stage.slept) <= len(actors) * 3 * 2.2


@requirement("models:fallback:retry")
async def test_a_provider_that_recovers_is_heard_over_the_wire(
    scripted: Scripted, model: heard.Model
) -> None:
    """agent-file.md §11 test 13, over a socket: three requests, one answer."""
    model.script(fail(500), fail(503), say("Hello"))
    stage = Stage([])
    async with open_http() as http:
        config = ChatSettings(f"{scripted.url}/chat/completions", model.name)
        chain: Model = Fallback([OpenAIChat(http, config, CARD)], sleep=stage.sleep)
        reply = await chain.reply(HI, stage.emit)
    assert (reply.message.text, len(model.heard), len(stage.slept)) == ("Hello", 3, 2)
    assert 0.18 <= stage.slept[0] <= 0.22
    assert 0.36 <= stage.slept[1] <= 0.44
