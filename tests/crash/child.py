"""What one process of a crash test does.

The platform and its keys come from the environment, like those of any program. The inputs have fixed keys, so
that a second run of the same scenario hands them in again: a front end does that when it does not know more.
"""

from __future__ import annotations

import os

from duihua import ChatEngine, Settings, skill
from duihua.messages import Text
from duihua.ports import Skill
from duihua.skills.contract import Context

SCENARIOS: dict[str, tuple[str, ...]] = {
    "plain": ("我叫小明",),
    "skills": ("!twocalls 北京天气怎么样? 12*3等于多少?",),
    "held": ("12*3等于多少?",),  # and then the user's decision
    "changed": ("12*3等于多少?",),  # the skill asks for consent only where the first process did not run
    "clear": ("我叫小明", "!flag"),
    "slow": ("!slow 50 请慢慢说, 我叫小明, 今天我们聊一聊很长很长的故事",),
}


def skills(path: str, *, ask: bool = False, old: bool = False) -> list[Skill]:
    """One `read` and one `write` skill that write every run of theirs into a file before they answer.

    `ask`: the `write` skill needs a person's consent; `old`: it does not know yet that it writes.
    """

    def note(name: str, context: Context) -> None:
        with open(path, "a") as file:
            file.write(f"{name} {context.idempotency_key} {os.getpid()}\n")
            file.flush()
            os.fsync(file.fileno())

    @skill(effect="read")
    def weather(city: str, context: Context, day: str = "today") -> str:
        """Weather forecast of a city. 查询城市天气。

        Args:
            city: name of the city
            day: today or tomorrow
        """
        note("read", context)
        return f"{city} {day}: 晴, 20 °C"

    @skill(effect="read" if old else "write", confirm=ask and not old)
    def calculator(expression: str, context: Context) -> str:
        """Calculates an arithmetic expression. 计算算术表达式。

        Args:
            expression: for example 12*3
        """
        note("read" if old else "asked" if ask else "write", context)
        return "36"

    return [weather, calculator]


async def run(scenario: str, database: str, effects: str) -> None:
    settings = Settings.load(env_file=None, database_url=database)
    old = scenario == "changed" and "CRASH_FIRST" in os.environ
    offered = skills(effects, ask=scenario in ("held", "changed"), old=old)
    async with ChatEngine(settings=settings, skills=offered) as engine:
        session = engine.session("crash")
        for number, text in enumerate(SCENARIOS[scenario]):
            ticket = await session.submit((Text(text),), key=("crash", f"{scenario}-{number}"))
            print("accepted", flush=True)
            async for event in session.events(ticket):
                print(event.kind, getattr(event, "text", getattr(event, "error", "")), flush=True)
        for held in await session.held():
            print("decided", flush=True)
            async for event in session.events(await session.decide(held.call.id, True)):
                print(event.kind, flush=True)
        for ticket in await session.waiting():
            async for event in session.events(ticket):
                print(event.kind, flush=True)
