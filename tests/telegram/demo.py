"""`make telegram-demo`: a bot, the fake Bot API and the simulated platform together, and people who talk.

The bot is the real program, `duihua telegram`, in a process of its own; it gets loopback addresses and no
setting of this machine. What people see is printed as it comes; of the frames of answers only those that
somebody waits for. Ends with 1 if something was not answered, or the bot did anything that the fake refused.

    python -m tests.telegram.demo            prints it
    python -m tests.telegram.demo --readme   puts it into the documents, too
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import AliasChoices

from duihua import Settings
from duihua.escapes import one_line
from duihua.simulator import Simulator
from duihua.simulator.phrasing import long
from duihua.simulator.telegram import FakeTelegram, Group, User
from duihua.simulator.telegram.messages import Message
from duihua.simulator.telegram.transcript import Line
from duihua.telegram.menu import LANGUAGES

ROOT = Path(__file__).parents[2]
DOCUMENTS = (ROOT / "README.md", ROOT / "README.zh-CN.md")
BLOCK = re.compile(r"(?<=<!-- begin: make telegram-demo -->\n).*?(?=<!-- end: make telegram-demo -->)", re.S)
PATIENCE = 60.0
"""Seconds that anything is waited for."""
ENDING = 30.0
"""Seconds in which the bot ends when it is told to."""
WIDTH, ROWS = 92, 9
"""Characters of a line, and lines of a message, that are printed."""
LONG = 4_500
ADA, MING, EVE, TEAM = 1, 2, 3, -1_001_000_000_001
OWNERS = frozenset({ADA, MING})

NO_CHAT = "setMyCommands: Bad Request: chat not found"

TODAY = datetime(2026, 5, 1, 4, tzinfo=UTC)
"""Of the platform and its weather."""
_TABLE = (
    "**Green** or *black*?\n\n| tea | minutes |\n|---|---|\n| green | 2 |\n| black | 4 |\n\n`!` is not code"
)

_STORY = "Tell me a story that never ends: " + "the fox went out for tea, and the tea for a fox; " * 4


class Missing(Exception):
    """Something that was to be answered was not."""


@dataclass(frozen=True)
class Said:
    """What somebody said, and the bot's message that answers it."""

    message: Message
    answer: Message


class Stage:
    """Where people talk, and what is said about it.

    Args:
        fake: the Bot API.
        tell: gets every line as it is known.
    """

    def __init__(self, fake: FakeTelegram, tell: Callable[[str], None]) -> None:
        self.fake, self._tell = fake, tell
        self._seen = 0  # lines of the fake's transcript that were looked at
        self._final: set[tuple[int, int]] = set()  # messages of the bot that were printed
        _ = fake.transcript  # listens from here on

    def begin(self) -> None:
        """What has happened so far is nobody's business."""
        self._seen = len(self.fake.transcript.lines)

    # ------------------------------------------------------------ what people do

    async def say(self, who: User, text: str, answer: str, to: Group | None = None, **reply: Any) -> Said:
        """Somebody says something, which is to be answered by these words; `reply` as of `User.say`."""
        message = who.say(text, to, **reply)
        return Said(message, await self.answered(answer, to.id if to else who.id))

    async def draft(self, who: User, least: int) -> None:
        """Waits until somebody sees so many characters of an answer that is not finished, and prints them."""

        def shown() -> Any:
            draft = self.fake.chat(who.id).draft(self.fake.clock.now())
            return draft if draft is not None and len(draft.text) >= least else None

        draft = await self._wait(shown, f"{who.person.first_name} sees no draft")
        self._tell_up_to(None)
        self._tell(f"{self.fake.bot.person.name} ‹ ⋯ {one_line(draft.text[:least], WIDTH)}…")

    async def answered(self, words: str, chat: int, clip: int = 0) -> Message:
        """Waits for a message of the bot that has these words and is finished; prints all up to there."""
        after = self._seen

        def found() -> Any:
            new = (
                line for line in self.fake.transcript.after(after) if line.chat == chat and _finished(line)
            )
            return next((line for line in new if words in line.text), None)

        line: Line = await self._wait(found, f"there is no answer with {words!r} in chat {chat}")
        self._tell_up_to(line, clip)
        return self.fake.chat(chat).messages[line.message]

    async def heard(self, user: User, words: str) -> None:
        """Waits until the bot has told a person something that they did not ask for."""

        def found() -> Any:
            lines = (line for line in self.fake.transcript.after(0) if line.chat == user.id)
            return next((line for line in lines if line.bot and words in line.text), None)

        line: Line = await self._wait(found, f"{user.id} was not told of {words!r}")
        self._tell_up_to(line)

    async def _wait(self, condition: Callable[[], Any], missing: str) -> Any:
        try:
            return await self.fake.until(condition, PATIENCE)
        except TimeoutError:
            self._tell_up_to(None)
            raise Missing(missing) from None

    # ------------------------------------------------------------ how it is told

    def _tell_up_to(self, last: Line | None, clip: int = 0) -> None:
        for line in self.fake.transcript.after(self._seen):
            if last is None or line.number <= last.number:
                self._seen = line.number
                self._print(line, clip)

    def _print(self, line: Line, clip: int) -> None:
        if line.kind == "draft" or (line.bot and not _finished(line)):
            return  # frames come as time lets them
        place = f"{line.title}: " if line.chat < 0 else ""
        key = line.chat, line.message
        again = line.kind == "edited" and (not line.bot or key in self._final)
        sign = {"pressed": "☞ ", "stopped": "⏹ ", "deleted": "✗ "}.get(line.kind, "✎ " if again else "")
        if line.bot:
            self._final.add(key)
        text = _CODE.sub("ABCD-2345", line.text) if line.kind != "stopped" else ""
        text = text[:clip] + "…" if clip and line.bot and len(text) > clip else text
        rows = [one_line(row, WIDTH) for row in text.splitlines() if row.strip()]
        rows = [*rows[:ROWS], "…"] if len(rows) > ROWS else rows or [""]
        buttons = "".join(f" [{label}]" for row in line.buttons for label in row)
        head = f"{place}{line.who} {'‹' if line.bot else '›'} {sign}"
        self._tell(f"{head}{rows[0]}{'' if rows[1:] else buttons}".rstrip())
        for row in rows[1:]:
            self._tell(f"    {row}{buttons if row is rows[-1] else ''}")


_CODE = re.compile(r"\b[2-9A-Z]{4}-[2-9A-Z]{4}\b")  # of a stranger: another one each time


def _finished(line: Line) -> bool:
    """Whether a message of the bot is none that still grows: those have a button that stops them."""
    stops = any(label.startswith("⏹") for row in line.buttons for label in row)
    return line.bot and line.kind in ("said", "edited") and not stops


async def converse(stage: Stage) -> None:
    """All that is said, one thing after the other."""
    fake = stage.fake
    ada = fake.user(ADA, "Ada", language_code="en")
    ming = fake.user(MING, "小明", language_code="zh-hans")
    eve = fake.user(EVE, "Eve", language_code="en")
    group = fake.group(TEAM, "Tea", members=[ada, ming])
    group.chat.members[fake.bot.id], group.chat.people[fake.bot.id] = "member", fake.bot.person  # for long
    stage.begin()

    await stage.say(ming, "你好，我叫小明。", "小明")
    await stage.say(ada, _TABLE, "is not code")
    await stage.say(eve, "May I, too?", "Pass this code on")
    await stage.heard(ming, "Eve")
    await stage.heard(ada, "Eve")
    asked = await stage.say(ming, "北京今天天气怎么样？", "北京")

    ada.say(f"{_STORY} !slow 60")
    await stage.draft(ada, 24)
    ada.stop()
    await stage.answered("You said", ADA, clip=24)

    await stage.say(ming, "我叫什么名字？", "小明")
    answer = await stage.say(ada, "/ask what is 12*(3+4)?", "84", group)
    await stage.say(ming, "请再算一遍。", "84", group, reply_to=answer.answer, quote="12*(3+4)")
    ming.edit(asked.message, "上海今天天气怎么样？")
    await stage.answered("上海", MING)

    told = await stage.say(ada, "And tea?", "And tea?")
    ada.press(told.answer, "🔄 Again")
    await stage.answered("And tea?", ADA)
    await stage.say(ming, f"写一篇长文。 !long {LONG}", long(LONG, "zh")[-10:])
    await stage.say(ada, "/persona", "Translator")
    await stage.say(ming, "说点别的。 !flag", "重新开始")


@asynccontextmanager
async def program(fake: FakeTelegram, simulator: Simulator) -> AsyncIterator[asyncio.subprocess.Process]:
    """The bot in a process of its own; it is told to end, and killed if it does not."""
    fields = (field.validation_alias for field in Settings.model_fields.values())
    known = {name for one in fields if isinstance(one, AliasChoices) for name in one.choices}
    mine = {n: v for n, v in os.environ.items() if n not in known and not n.startswith("DUIHUA_")}
    with tempfile.TemporaryDirectory(prefix="duihua-demo-") as folder:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "duihua", "telegram"),
            cwd=folder,  # so that no .env is read, and the database goes with it
            env=mine
            | simulator.settings()
            | {
                "TELEGRAM_API_URL": fake.url,
                "TELEGRAM_BOT_TOKEN": fake.token,
                "TELEGRAM_RICH": "never",  # a transcript shows of a rich table the words alone
                "DUIHUA_OWNERS": ",".join(f"telegram/{owner}" for owner in sorted(OWNERS)),
            },
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), ENDING)
            except TimeoutError:
                process.kill()
                await process.wait()


def faults(fake: FakeTelegram) -> list[str]:
    """What was not as it should be."""
    gauges = fake.bot.budget.gauges.as_dict()
    passed = [f"the limit {name} was passed" for name, gauge in gauges.items() if gauge["refused"]]
    waiting = [f"{len(fake.bot.updates)} updates were not taken"] if fake.bot.updates else []
    refused = [f"{c.method}: {c.error}" for c in fake.calls if c.error]
    menus = [each for each in refused if each == NO_CHAT]
    others = [f"refused: {each}" for each in refused if each != NO_CHAT]
    if len(menus) != len(LANGUAGES):  # when the program starts 小明 has written, and Ada has no chat yet
        others.append(f"{len(menus)} menus were refused")
    return [*waiting, *passed, *others]


async def play(tell: Callable[[str], None]) -> list[str]:
    """Everything, from the start of the servers to their end; what went wrong."""
    wrong: list[str] = []
    async with Simulator(clock=lambda: TODAY) as simulator, FakeTelegram() as fake:
        async with program(fake, simulator) as bot:
            try:
                await converse(Stage(fake, tell))
            except Missing as e:
                wrong.append(str(e))
        if bot.returncode:
            wrong.append(f"the bot ended with {bot.returncode}")
        return wrong + faults(fake)


def shown(text: str) -> str:
    """The block of a document."""
    return f"\n```text\n{text}\n```\n\n"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make telegram-demo")
    parser.add_argument("--readme", action="store_true", help="put the transcript into the documents")
    given = parser.parse_args()
    lines: list[str] = []

    def tell(line: str) -> None:
        lines.append(line)
        print(line, flush=True)

    wrong = asyncio.run(play(tell))
    for line in wrong:
        print(line, file=sys.stderr)
    if given.readme and not wrong:
        for path in DOCUMENTS:
            block = shown("\n".join(lines))
            path.write_text(BLOCK.sub(lambda _, block=block: block, path.read_text("utf-8")), "utf-8")
    return int(bool(wrong))


if __name__ == "__main__":
    raise SystemExit(main())
