"""`/while` and `/thinking`: how a conversation is held, as long as nobody says otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from duihua.command import Answer, Command, Scene, Show
from duihua.escapes import one_line
from duihua.joining import MEANWHILE, Meanwhile

if TYPE_CHECKING:
    from duihua_prompts import Catalogue

_WORDS: dict[str, Meanwhile] = {
    **{value: value for value in MEANWHILE},
    "排队": "queue",
    "合并": "join",
    "打断": "interrupt",
}
_ON, _OFF = ("on", "开", "打开"), ("off", "关", "关闭")


async def _while(scene: Scene) -> Answer:
    words, wish = scene.words, scene.args.casefold()
    if not wish:
        now = (await scene.session.settings()).get("meanwhile") or MEANWHILE[0]
        return Show("\n".join([words.t("command.while.title"), *_choices(words, now)]))
    wanted = _WORDS.get(wish)
    if wanted is None:
        wrong = words.t("command.while.wrong", given=one_line(scene.args, 40))
        return Show("\n".join([wrong, *_choices(words)]))
    await scene.session.configure(meanwhile=wanted)
    return Show(words.t("command.while.done", choice=words.t(f"command.while.{wanted}")))


def _choices(words: Catalogue, now: str = "") -> list[str]:
    return [f"{'*' if value == now else ' '} {words.t(f'command.while.{value}')}" for value in MEANWHILE]


async def _thinking(scene: Scene) -> Answer:
    words, wish = scene.words, scene.args.casefold()
    on = wish in _ON
    if not (on or wish in _OFF):
        now = "on" if (await scene.session.settings()).get("thoughts") else "off"
        return Show(f"{words.t(f'command.thinking.{now}')}\n{words.t('command.thinking.usage')}")
    await scene.session.configure(thoughts=on)
    return Show(words.t(f"command.thinking.{'on' if on else 'off'}"))


THINKING = Command("thinking", _thinking, ("思考",), takes=True)
"""For front ends that show what a model thinks."""
COMMANDS = (Command("while", _while, ("插话",), takes=True),)
"""For every front end."""
