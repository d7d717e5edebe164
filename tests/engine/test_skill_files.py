"""What skills bring beside text: images, files, long results."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from duihua import Attachment, Context, SkillAttached, TurnFinished, skill
from duihua.errors import ProviderError, Superseded
from duihua.messages import Address, Call, Media, Step, Text, TurnRef, Usage, call_id, media_of
from duihua.ports import CallDelta, Input
from duihua.skills.files import LARGEST
from duihua_storage import open_store
from tests.engine.conftest import Make, collect

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 100
BOOK = "".join(f"{n:05d}," for n in range(2_000))


def call(name: str, arguments: str = "{}") -> CallDelta:
    return CallDelta(0, "", name, arguments)


@skill(effect="read")
async def chart() -> Any:
    """Draws a chart."""
    return ["drawn", Attachment(data=PNG, name="chart.png")]


@skill(effect="write", confirm=True)
async def letter(ctx: Context) -> str:
    """Writes a letter."""
    ctx.attach(Attachment(data=b"Dear", name="letter.txt"))
    return "written"


@skill(effect="read")
async def book() -> str:
    """Reads a long book."""
    return BOOK


@pytest.fixture
def skills() -> list[Any]:
    return [chart, letter, book]


async def test_a_file_is_stored_shown_and_named_in_the_answer(make: Make, skills: list[Any]) -> None:
    engine, model = await make([call("chart"), "here it is"], skills=skills)
    session = engine.session("a")
    events = await collect(session.say("draw"))
    [shown] = [e for e in events if isinstance(e, SkillAttached)]
    assert (shown.file, shown.mime, shown.media, shown.size) == ("chart.png", "image/png", "image", len(PNG))
    end = events[-1]
    assert isinstance(end, TurnFinished)
    assert end.attachments == (Media("image", shown.attachment, "image/png", "chart.png"),)
    [turn] = await session.history()
    assert media_of(turn) == end.attachments
    file = await session.attachment(shown.attachment)
    assert (file.data, file.part) == (PNG, end.attachments[0])
    assert "[shown to the user: chart.png" in str(model.sent[1])


async def test_the_reply_and_a_late_reader_have_it_too(make: Make, skills: list[Any]) -> None:
    engine, _ = await make([call("chart"), "here"] * 2, skills=skills)
    session = engine.session("a")
    reply = await session.ask("draw")
    assert [file.name for file in reply.attachments] == ["chart.png"]
    again = await session.submit("draw", key=("t", "1"))
    live = await collect(session.events(again))
    late = await collect(session.events(again))
    assert late[-1].attachments == live[-1].attachments != reply.attachments


async def test_it_is_of_its_own_session_alone_and_goes_with_it(make: Make, skills: list[Any]) -> None:
    engine, _ = await make([call("chart"), "here", "hi"], skills=skills)
    reply = await engine.ask("a", "draw")
    await engine.ask("b", "hello")
    id_ = reply.attachments[0].attachment
    assert await engine.session("b").attachment(id_) is None
    await engine.session("a").forget()
    assert list(await engine.store.attachments([id_])) == []


async def test_an_approved_call_brings_its_file_with_the_next_answer(make: Make, skills: list[Any]) -> None:
    engine, _ = await make([call("letter"), "done"], skills=skills)
    session = engine.session("a")
    await collect(session.say("write"))
    [held] = await session.held()
    events = await collect(session.events(await session.decide(held.call.id, True)))
    assert [file.name for file in events[-1].attachments] == ["letter.txt"]
    file = await session.attachment(events[-1].attachments[0].attachment)
    assert file.data == b"Dear"


async def test_a_turn_that_fails_later_keeps_it(make: Make, skills: list[Any]) -> None:
    error = ProviderError("no", category="auth", provider="scripted")
    engine, _ = await make([call("chart"), error], skills=skills)
    session = engine.session("a")
    await collect(session.say("draw"))
    [turn] = await session.history()
    assert [file.name for file in media_of(turn)] == ["chart.png"]


async def test_a_terminal_s_answer_carries_it_to_the_outbox(make: Make, skills: list[Any]) -> None:
    engine, _ = await make([call("chart"), "here"], skills=skills)
    address = Address("terminal", "a")
    await collect(engine.session(address).say("draw"))
    [send] = await engine.store.take_sends(["terminal"], lease=1_000)
    assert b'"attachments":[{"media":"image"' in send.body


# ---------------------------------------------------------------- read_more


async def test_a_long_result_can_be_read_to_its_end(make: Make, skills: list[Any]) -> None:
    def script(request: Any) -> Any:
        last = str(model.sent[-1][-1]["content"]) if model.sent else ""
        if len(model.requests) == 1:
            return call("book")
        if len(model.requests) > 6:
            return "read"
        found = re.search(r"read_more\(call=\\+\"(.+?)\\+\", offset=(\d+)\)", last) or re.search(
            r"()offset=(\d+) reads on", last
        )
        if found is None:
            return "read"
        return call("read_more", f'{{"call": "1.0.0", "offset": {found[2]}}}')

    engine, model = await make(script, skills=skills, max_steps=12)
    reply = await engine.ask("a", "read")
    pages = [c.result.partition("\n")[2] for c in reply.calls]
    assert len(pages) > 3
    assert "".join(pages) == BOOK
    assert all(len(c.result) <= 2_560 for c in reply.calls), "half of a small window"
    assert [t.name for t in model.requests[0].tools] == ["chart", "letter", "book"], "nothing to read on yet"
    assert [t.name for t in model.requests[1].tools][-1] == "read_more"


async def test_another_session_s_result_is_not_read(make: Make, skills: list[Any]) -> None:
    engine, _ = await make(
        [call("book"), "ok", call("read_more", '{"call": "1.0.0"}'), "no",
         call("read_more", '{"call": "0/../1.1.0.0"}'), "no"],
        skills=skills,
    )  # fmt: skip
    await engine.ask("a", "read")
    for text in ("peek", "peek again"):
        [asked] = (await engine.ask("b", text)).calls
        assert (asked.state, asked.result) == (
            "failed",
            "There is no such result, or it is not kept any more.",
        )


async def test_a_forgotten_result_is_gone(make: Make, skills: list[Any]) -> None:
    engine, _ = await make([call("book"), "ok"], skills=skills)
    reply = await engine.ask("a", "read")
    id_ = f"{reply.calls[0].id}/whole"
    [whole] = await engine.store.attachments([id_])
    assert whole.data == BOOK.encode()
    assert reply.attachments == (), "it is nothing to show"
    await engine.erase([TurnRef(1, 1)])
    assert list(await engine.store.attachments([id_])) == []


# ---------------------------------------------------------------- after a crash


async def test_a_restarted_turn_still_names_its_files(
    make: Make, skills: list[Any], database_url: str
) -> None:
    store = open_store(database_url, upgrade=True)
    await store.open()
    given = Input("t", "1", Address("embed", "a"), parts=(Text("draw"),))
    work = (await store.accept(given, token="elsewhere:1:x/1", lease=1)).work
    assert work is not None
    asked = Call(call_id(work.fence.ref, 0, 0), "chart", "{}", effect="read")
    await store.step(work.fence, 0, Step((), (asked,)), usage=Usage())
    file = Attachment(f"{asked.id}/0", "image", "image/png", PNG, "chart.png")
    await store.call(work.fence, asked.id, "done", "drawn", files=[file])
    with pytest.raises(Superseded):
        await store.call(work.fence, asked.id, "done", "drawn", files=[replace(file, id="other")])
    assert list(await store.attachments(["other"])) == [], "a call that is settled takes no more files"
    await store.aclose()
    engine, _ = await make(["here"], skills=skills)
    session = engine.session("a")
    [ticket] = await session.waiting()
    events = await collect(session.events(ticket))
    assert events[-1].attachments == (file.part,)


async def test_the_largest_file_is_kept_whole(make: Make) -> None:
    data = b"\xff\x00" * (LARGEST // 2)

    @skill(effect="read")
    async def film() -> Attachment:
        """Films."""
        return Attachment(data=data, name="film.bin")

    engine, _ = await make([call("film"), "here"], skills=[film])
    reply = await engine.ask("a", "go")
    file = await engine.session("a").attachment(reply.attachments[0].attachment)
    assert file.data == data
