"""A crowd is let in a few at a time, in order."""

from __future__ import annotations

import asyncio

from tradewright.services.guards import Turns


async def test_so_many_begin_in_one_pass_of_the_loop() -> None:
    turns = Turns(3)
    begun: list[int] = []

    async def come(number: int) -> None:
        await turns.take()
        begun.append(number)

    crowd = [asyncio.create_task(come(number)) for number in range(10)]
    seen = []
    while len(begun) < 10:
        before = len(begun)
        await asyncio.sleep(0)
        seen.append(len(begun) - before)
    await asyncio.gather(*crowd)
    assert begun == list(range(10))
    assert max(seen) <= 3


async def test_who_comes_alone_does_not_wait() -> None:
    turns = Turns(1)
    for _ in range(3):
        taking = turns.take()
        try:
            taking.send(None)
        except StopIteration:
            await asyncio.sleep(0)
        else:
            raise AssertionError


async def test_who_leaves_while_waiting_uses_up_no_turn() -> None:
    turns = Turns(1)
    first, second, third = (asyncio.create_task(turns.take()) for _ in range(3))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait_for(asyncio.gather(first, third), 5)
    assert second.cancelled()
