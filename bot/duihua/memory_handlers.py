"""Commands by which people see and rule what is remembered of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta, tzinfo
from itertools import groupby
from typing import TYPE_CHECKING

from duihua.command import Answer, Command, Confirm, Document, Scene, Show
from duihua.escapes import clean, one_line
from duihua.memories import Fact
from duihua.memory.naming import Span, holding, means_span, span
from duihua.messages import Turn, text_of
from duihua.person_session import CODE_SECONDS
from duihua.reminders import Reminder

if TYPE_CHECKING:
    from duihua_prompts import Catalogue

PAGE = 10
"""Facts on a page of /memory."""
SHOWN = 8
"""Things listed before they are forgotten."""
LINE = 100
"""Characters of a listed text."""

MIDNIGHT = time()

_ON, _OFF, _ALL = ("on", "开", "开启"), ("off", "关", "关闭"), ("all", "全部", "所有")


# ---------------------------------------------------------------- what is remembered


async def _memory(scene: Scene) -> Answer:
    words, session = scene.words, scene.session
    wish = scene.args.casefold()
    if wish in (*_ON, *_OFF):
        on = await session.remember(wish in _ON)
        key = "on" if on else "off" if wish in _OFF else "cannot"
        return Show(words.t(f"command.memory.{key}"))
    state = words.t("command.memory.is_on" if await session.remembers() else "command.memory.is_off")
    if wish and not (wish.isascii() and wish.isdigit() and len(wish) < 6):
        hits = await session.search(scene.args)
        found = [f"- {clean(hit.text).strip()}" for hit in hits]
        return Show("\n".join(found) or words.t("command.memory.no_hit"))
    facts = await session.facts()
    if not facts:
        return Show(f"{state}\n{words.t('command.memory.nothing')}")
    pages = (len(facts) + PAGE - 1) // PAGE
    asked = int(wish or 1)
    page = min(max(1, asked), pages)
    first = (page - 1) * PAGE
    listed = facts[first : first + PAGE]
    sources = await _sources(scene, listed)
    lines = [
        words.t(
            "command.memory.line",
            number=number,
            text=one_line(fact.text, LINE),
            date=_day(fact.last_seen, scene.engine.timezone),
            source=source,
        )
        for number, (fact, source) in enumerate(zip(listed, sources, strict=True), first + 1)
    ]
    more = [words.t("command.memory.page", page=page, pages=pages)] if pages > 1 else []
    if page != asked:
        state = words.t("command.memory.no_page", number=asked, page=page, pages=pages)
    return Show("\n".join([state, *lines, *more]))


async def _sources(scene: Scene, facts: Sequence[Fact]) -> list[str]:
    """Where each fact comes from: what the person said last that it rests on."""
    newest = [fact.sources[-1] for fact in facts if fact.sources]
    said = {turn.ref: turn for turn in await scene.engine.store.said(newest)}
    out: list[str] = []
    for fact in facts:
        turn = said.get(fact.sources[-1]) if fact.sources else None
        quoted = one_line(text_of(turn.input), 30) if turn else ""
        out.append(
            scene.words.t("command.memory.source", turn=turn.ref.seq, text=quoted)
            if turn
            else scene.words.t("command.memory.stays" if fact.stays else "command.memory.told")
        )
    return out


def _day(at: int, zone: tzinfo | None) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).astimezone(zone).date().isoformat()


# ---------------------------------------------------------------- forgetting


async def _forget(scene: Scene) -> Answer:
    wish = scene.args.strip()
    if not wish:
        return _forget_session(scene)
    if wish.casefold() in _ALL:
        return _forget_all(scene)
    now = datetime.fromtimestamp(scene.engine.clock(), UTC).astimezone(scene.engine.timezone)
    if (named := span(wish, now)) is not None:
        return await _forget_between(scene, named)
    if means_span(wish):
        return Show(scene.words.t("command.forget.no_span", text=one_line(wish, 40)))
    if wish.isascii() and wish.isdigit() and len(wish) < 6:
        facts = await scene.session.facts()
        if not 1 <= int(wish) <= len(facts):
            return Show(scene.words.t("command.forget.no_number", number=wish, count=len(facts)))
        hint = scene.words.t("command.forget.hint")
        return await _forget_these(scene, [facts[int(wish) - 1]], [], tail=[hint])
    facts, turns = await scene.session.mentions(wish)
    holds = holding(wish)
    mine = [] if scene.session.address.shared else await scene.session.reminders()
    reminders = [one for one in mine if holds(one.text)]
    if not (facts or turns or reminders):
        text = scene.words.t("command.forget.no_words", text=one_line(wish, 40))
        return Show("\n".join([text, *await _unanswered(scene)]))
    return await _forget_these(scene, facts, turns, reminders=reminders)


def _forget_session(scene: Scene) -> Answer:
    words = scene.words

    async def proceed() -> Answer:
        return Show(words.t("command.forget.done", count=await scene.session.forget()))

    return Confirm(words.t("command.forget.ask"), words.t("command.forget.kept"), proceed)


def _forget_all(scene: Scene) -> Answer:
    words = scene.words

    async def proceed() -> Answer:
        return Show(words.t("command.forget.done_all", count=await scene.session.forget_everything()))

    return Confirm(words.t("command.forget.ask_all"), words.t("command.forget.kept"), proceed)


async def _forget_between(scene: Scene, named: Span) -> Answer:
    when = _dates(scene.words, named)
    turns, facts = await scene.session.between(*named), await scene.session.staying(*named)
    if not turns and not facts:
        text = scene.words.t("command.forget.no_turns", when=when)
        return Show("\n".join([text, *await _unanswered(scene)]))
    return await _forget_these(scene, facts, turns, head=[scene.words.t("command.forget.between", when=when)])


async def _unanswered(scene: Scene) -> list[str]:
    """That what is being answered now is in none of it, if there is something."""
    answering = await scene.session.answering()
    return [scene.words.t("command.forget.running")] if answering else []


def _dates(words: Catalogue, named: Span) -> str:
    """A span as it was understood: whole days as such, the last one included."""
    first, after = named
    if first.time() == after.time() == MIDNIGHT:
        first, last = (f"{day:%Y-%m-%d}" for day in (first, after - timedelta(days=1)))
    else:
        first, last = (f"{moment:%Y-%m-%d %H:%M}" for moment in named)
    return first if first == last else words.t("command.forget.dates", first=first, last=last)


async def _forget_these(
    scene: Scene,
    facts: Sequence[Fact],
    turns: Sequence[Turn],
    *,
    reminders: Sequence[Reminder] = (),
    head: Sequence[str] = (),
    tail: Sequence[str] = (),
) -> Answer:
    words, session = scene.words, scene.session
    named = {turn.ref for turn in turns}
    behind = [turn for turn in await session.behind(facts) if turn.ref not in named]
    gone = await session.resting(facts, turns)
    stays = [fact for fact in await session.resting(facts, [*turns, *behind]) if fact not in gone]
    listed = _cut(words, [*(_fact(fact) for fact in gone), *(_line(turn) for turn in (*turns, *behind))])
    if stays:
        listed += [words.t("command.forget.stays"), *_cut(words, [_fact(fact) for fact in stays])]
    listed += [words.t("command.forget.reminder", text=one_line(one.text, LINE)) for one in reminders]
    tail = [*tail, *await _unanswered(scene)]
    much = {"facts": len(gone), "turns": len(turns) + len(behind)}
    question = words.t("command.forget.ask_these", **much)

    async def proceed() -> Answer:
        for one in reminders:
            await session.cancel_reminder(one.id)
        await session.forget_these(facts, [turn.ref for turn in turns])
        return Show("\n".join([*head, words.t("command.forget.done_these", **much), *tail]))

    return Confirm("\n".join([*head, *listed, question]), words.t("command.forget.kept"), proceed)


def _cut(words: Catalogue, lines: Sequence[str]) -> list[str]:
    more = len(lines) - SHOWN
    return [*lines[:SHOWN], *([words.t("command.forget.more", count=more)] if more > 0 else [])]


def _fact(fact: Fact) -> str:
    return f"- {one_line(fact.text, LINE)}"


def _line(turn: Turn) -> str:
    return "- " + one_line(f"{text_of(turn.input)} -> {turn.text}", LINE)


# ---------------------------------------------------------------- seeing


async def _export(scene: Scene) -> Answer:
    from duihua.exporting import markdown

    words = scene.words
    if scene.session.address.public:
        return Show(words.t("command.export.shared"))
    data = await scene.session.export()
    text = markdown(data, words)
    name = f"duihua-{datetime.now(UTC).astimezone(scene.engine.timezone):%Y-%m-%d}.md"
    return Document(name, text.encode("utf-8", "replace"), "text/markdown", words.t("command.export.done"))


async def _context(scene: Scene) -> Answer:
    words = scene.words
    view = await scene.session.context(scene.args, count=True)
    lines = [words.t("command.context.title", model=view.model)]
    for kind, parts in groupby(view.parts, key=lambda part: part.kind):
        listed = list(parts)
        text = clean("\n".join(part.text for part in listed))
        if kind == "turn":
            text = words.t("command.context.turns", first=listed[0].turn, last=listed[-1].turn)
        elif kind == "skills":
            text = ", ".join(view.skills)
        lines.append(_part(words, kind, sum(part.tokens for part in listed), text))
    for hit in view.recalled:
        date = _day(hit.at, scene.engine.timezone)
        key = "command.context.from_turn" if hit.ref else "command.context.from_fact"
        source = words.t(key, turn=hit.ref.seq, date=date) if hit.ref else words.t(key, date=date)
        lines.append(f"  {source} ({hit.score:.2f}): {one_line(hit.text, 60)}")
    limit = f"{view.limit:,}" if view.limit else words.t("command.context.no_limit")
    much = {"tokens": f"{view.tokens:,}", "expected": f"{view.expected:,}"}
    lines.append(words.t("command.context.total", limit=limit, **much))
    if view.counted is not None:
        lines.append(words.t("command.context.counted", tokens=f"{view.counted:,}"))
    return Show("\n".join(lines))


def _part(words: Catalogue, kind: str, tokens: int, text: str) -> str:
    head = words.t("command.context.part", name=words.t(f"command.context.{kind}"), tokens=f"{tokens:,}")
    body = "\n".join(f"  {line}" for line in text.strip().splitlines())
    return f"{head}\n{body}"


async def _private(scene: Scene) -> Answer:
    on = await scene.session.private(scene.args.casefold() not in _OFF if scene.args else None)
    return Show(scene.words.t("command.private.on" if on else "command.private.off"))


async def _link(scene: Scene) -> Answer:
    words, session = scene.words, scene.session
    if session.address.public:
        ended = bool(scene.args) and await session.disclosed(scene.args)
        return Show(words.t("command.link.ended" if ended else "command.link.shared"))
    if not scene.args:
        code = await session.link_code()
        return Show(words.t("command.link.code", code=code, minutes=CODE_SECONDS // 60))
    joined = await session.link(scene.args)
    return Show(words.t("command.link.done" if joined else "command.link.wrong"))


COMMANDS: tuple[Command, ...] = (
    Command("memory", _memory, ("记忆",), takes=True, role="owner"),
    Command("forget", _forget, ("忘记",), takes=True, role="owner"),
    Command("link", _link, ("关联",), takes=True, role="owner"),
    Command("export", _export, ("导出",), role="owner"),
    Command("context", _context, ("上下文",), takes=True),
    Command("private", _private, ("私聊", "无痕"), takes=True, role="owner"),
)
"""In the order of /help."""
