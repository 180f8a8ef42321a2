"""What passes between a Tune actor and the worker group that it keeps."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from rookery.search.standing_group import Mailbox
from rookery.search.trial_plan import FINISHED, STEP

FIRST, LAST = {STEP: 1}, {FINISHED: [0.5]}


def run(what: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(what, 60))


def test_a_report_waits_until_the_driver_has_decided() -> None:
    async def talk() -> None:
        post = Mailbox(60, 60)
        number = await post.give({"trial": 7})
        assert number is not None
        assert await post.next(0) == (number, {"trial": 7})
        said = asyncio.create_task(post.say(number, FIRST))
        assert await post.hear(0, 60) == [FIRST]
        assert not said.done()
        listening = asyncio.create_task(post.hear(1, 60))
        assert not await said, "one that is heard and not withdrawn goes on"
        assert not await post.say(number, LAST), "the last word waits for no answer"
        assert await listening == [LAST]

    run(talk())


def test_a_network_that_is_withdrawn_stops_at_its_report_and_the_next_one_is_taken() -> None:
    async def talk() -> None:
        post = Mailbox(60, 60)
        first = await post.give({"trial": 1})
        assert first is not None
        said = asyncio.create_task(post.say(first, FIRST))
        assert await post.hear(0, 60) == [FIRST]
        await post.withdraw(first)
        assert await said
        second = await post.give({"trial": 2})
        assert await post.next(first) == (second, {"trial": 2})
        assert await post.say(first, LAST), "what comes late is nobody's report"
        assert await post.hear(0, 0) == []
        await post.withdraw(first)
        assert second is not None
        assert not await post.say(second, LAST), "whose end does not touch the one after it"

    run(talk())


def test_one_that_was_withdrawn_before_its_turn_is_not_trained() -> None:
    async def talk() -> None:
        post = Mailbox(60, 60)
        first = await post.give({"trial": 1})
        assert first is not None
        await post.withdraw(first)
        waiting = asyncio.create_task(post.next(0))
        second = await post.give({"trial": 2})
        assert await waiting == (second, {"trial": 2})

    run(talk())


def test_training_goes_on_where_the_driver_does_not_answer_and_an_idle_group_ends() -> None:
    async def talk() -> None:
        post = Mailbox(0.05, 0.05)
        number = await post.give({})
        assert number is not None
        assert not await post.say(number, FIRST)
        assert await post.next(number) is None
        assert await post.give({}) is None, "its workers have gone"

    run(talk())
