"""Images in a conversation: how they are taken, stored, packed, forgotten."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import orjson
import pytest

from duihua import ChatEngine, Settings, UnsupportedInput, image, read_image
from duihua.dialect import ChatDialect
from duihua.messages import Attachment, Media, Text, Turn, TurnRef
from duihua.pictures import LARGEST, NEWEST, wanted
from duihua.ports import Limits
from duihua.simulator.modelarts_rules import LARGEST_IMAGE
from duihua.testing import ScriptedModel
from duihua_storage import SqlStore, open_store
from tests.leftovers import leftovers
from tests.storage.talk import LEASE, end, queue, said, say, token

PNG = b"\x89PNG\r\n\x1a\n" + b"unmistakable pixels"
ROOM = Limits(None, 8_000)
SEES: dict[str, ChatDialect] = {
    "data_url": ChatDialect("s/a", ROOM, ROOM, images="data_url"),
    "base64": ChatDialect("s/b", ROOM, ROOM, images="base64"),
    "dashscope": ChatDialect("s/c", ROOM, ROOM, images="dashscope"),
}
BLIND = ChatDialect("s/blind", ROOM, ROOM)


def contents(messages: tuple[bytes, ...]) -> list[Any]:
    return [orjson.loads(m)["content"] for m in messages]


def asked(seq: int, *parts: Any) -> Turn:
    return Turn(TurnRef(1, seq), seq - 1, input=tuple(parts), state="running")


# ---------------------------------------------------------------- reading


@pytest.mark.parametrize(
    ("data", "mime"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
    ],
)
def test_images_are_known_by_their_bytes(data: bytes, mime: str) -> None:
    assert (image(data, "x.txt").mime, image(data).data) == (mime, data)


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"", "not_image"), (b"RIFF....WAVE", "not_image"), (PNG + bytes(LARGEST), "too_large")],
)
def test_what_is_no_image_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(UnsupportedInput) as caught:
        image(data, "cat.png")
    assert caught.value.code == code
    assert "cat.png" in str(caught.value)


def test_the_largest_image_is_within_what_platforms_take_as_base64_text() -> None:
    largest = PNG + bytes(LARGEST - len(PNG))
    url = contents(
        SEES["data_url"].pack("", (asked(1, cat().part),), images={"c1": image(largest)}).messages
    )[0][0]["image_url"]["url"]
    assert len(url) <= LARGEST_IMAGE


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(PNG)
    assert read_image(tmp_path / "cat.png").name == "cat.png"
    for wrong in (tmp_path / "dog.png", tmp_path, "a\0b"):
        with pytest.raises(UnsupportedInput) as caught:
            read_image(wrong)
        assert caught.value.code == "unreadable"


# ---------------------------------------------------------------- packing


@pytest.mark.parametrize("form", SEES)
def test_an_image_stands_beside_the_words_of_its_message(form: str) -> None:
    cat = Attachment("c1", "image", "image/png", PNG, "cat.png")
    turns = (asked(1, cat.part, Text("What is this?")),)
    plain = SEES[form].pack("be kind", turns)
    packed = SEES[form].pack("be kind", turns, images={"c1": cat})
    data = base64.b64encode(PNG).decode()
    url = {"base64": data}.get(form, f"data:image/png;base64,{data}")
    words = "[image: cat.png]\nWhat is this?"
    wanted_content = (
        [{"image": url}, {"text": words}]
        if form == "dashscope"
        else [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": words}]
    )
    assert contents(packed.messages) == ["be kind", wanted_content]
    assert contents(plain.messages) == ["be kind", words]
    assert packed.tokens > plain.tokens


def test_images_of_inputs_that_were_joined_stand_with_them() -> None:
    a, b = (Attachment(i, "image", "image/png", PNG, f"{i}.png") for i in "ab")
    failed = Turn(TurnRef(1, 1), 0, input=(a.part, Text("first")), state="failed")
    turns = (failed, Turn(TurnRef(1, 2), 1, input=(b.part, Text("second")), state="running"))
    packed = SEES["data_url"].pack("", turns, images={"a": a, "b": b})
    assert [p["type"] for p in contents(packed.messages)[0]] == ["image_url", "image_url", "text"]


def test_a_model_that_does_not_see_reads_the_name_alone() -> None:
    cat = Attachment("c1", "image", "image/png", PNG, "cat.png")
    packed = BLIND.pack("", (asked(1, cat.part, Text("?")),), images={"c1": cat})
    assert contents(packed.messages) == ["[image: cat.png]\n?"]


def test_only_the_newest_images_are_sent() -> None:
    turns = [asked(i, Media("image", f"i{i}", "image/png")) for i in range(1, 9)]
    assert wanted(turns) == ("i8", "i7", "i6", "i5")
    assert NEWEST == 4


@pytest.mark.parametrize(
    ("dialect", "media", "code"),
    [(BLIND, "image", "no_images"), (BLIND, "audio", "no_media"), (SEES["data_url"], "file", "no_media")],
)
def test_what_a_model_does_not_take_is_refused_before_it_is_accepted(
    dialect: ChatDialect, media: Any, code: str
) -> None:
    with pytest.raises(UnsupportedInput) as caught:
        dialect.admit("", [Media(media, "x", "a/b")])
    assert caught.value.code == code
    SEES["data_url"].admit("", [Media("image", "x", "image/png")])


# ---------------------------------------------------------------- storing


def cat(id_: str = "c1") -> Attachment:
    return Attachment(id_, "image", "image/png", PNG, "cat.png")


async def test_an_image_is_kept_with_its_turn_and_erased_with_it(store: SqlStore) -> None:
    work = await say(store, "", parts=(cat().part,), attachments=(cat(),))
    await end(store, work)
    assert await store.attachments(["c1", "none"]) == [cat()]
    await store.erase(work.fence.ref.session, [work.fence.ref.seq])
    assert await store.attachments(["c1"]) == []


async def test_an_image_that_waits_goes_to_its_turn(store: SqlStore) -> None:
    first = await say(store, "one")
    await queue(store, "", parts=(cat().part,), attachments=(cat(),))
    session = first.fence.ref.session
    await store.erase(session, [first.fence.ref.seq], fence=first.fence)
    assert await store.attachments(["c1"]) == [cat()]  # it belongs to another input
    second = await end(store, first)
    assert second is not None
    await store.erase(session, [second.fence.ref.seq])
    assert await store.attachments(["c1"]) == []


async def test_forgetting_everything_takes_images_that_wait(store: SqlStore, database_url: str) -> None:
    first = await say(store, "one")
    await queue(store, "", parts=(cat().part,), attachments=(cat(),))
    await store.erase(first.fence.ref.session)
    assert await store.attachments(["c1"]) == []
    await store.aclose()
    assert leftovers(database_url, "unmistakable pixels") == []


async def test_the_same_input_again_keeps_no_second_image(store: SqlStore) -> None:
    given = said("", parts=(cat().part,), attachments=(cat(),))
    await store.accept(given, token=token())
    again = await store.accept(given, token=token(), lease=LEASE)
    assert not again.new


# ---------------------------------------------------------------- talking


async def test_an_image_is_seen_again_in_the_next_turn_and_after_a_restart(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/a.db"
    settings = Settings.load(None, database_url=url, skills=())
    for number in range(2):
        model = ScriptedModel(["A cat.", "Still a cat."][number:], SEES["data_url"])
        engine = ChatEngine(
            "scripted/any",
            settings=settings,
            provider={"scripted": model},
            store=open_store(url, upgrade=True),
        )
        async with engine:
            session = engine.session("a")
            if number == 0:
                await session.ask([image(PNG, "cat.png"), Text("What is this?")])
            await session.ask("And now?")
        seen = [m for m in model.sent[-1] if isinstance(m["content"], list)]
        assert len(seen) == 1
        assert seen[0]["content"][0]["image_url"]["url"].startswith("data:image/png;base64,")


async def test_a_blind_model_refuses_and_nothing_is_accepted(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/a.db"
    model = ScriptedModel([], BLIND)
    engine = ChatEngine(
        "scripted/any",
        settings=Settings.load(None, database_url=url),
        provider={"scripted": model},
        store=open_store(url, upgrade=True),
    )
    async with engine:
        with pytest.raises(UnsupportedInput):
            await engine.session("a").ask([image(PNG)])
        assert await engine.session("a").history() == []
    assert leftovers(url, "unmistakable pixels") == []
