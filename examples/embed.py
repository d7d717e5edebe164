"""A conversation inside of your own program. It needs a platform's key, see `.env.example`.

To try it without a key, run `duihua simulator` and put the lines that it prints into `.env`.
"""

import asyncio

from skill_dice import dice

from duihua import ChatEngine, TextDelta


async def main() -> None:
    """Says two things and forgets them."""
    async with ChatEngine(skills=[dice]) as engine:
        alice = engine.session("alice")
        async for event in alice.say("你好，我叫小明"):
            if isinstance(event, TextDelta):
                print(event.text, end="", flush=True)
        print()
        reply = await alice.ask("我叫什么名字？")
        print(reply.text)
        print(await alice.forget(), "turns forgotten")


asyncio.run(main())
