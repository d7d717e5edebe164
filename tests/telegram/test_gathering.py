"""Which messages are one input, and when nothing more of it is waited for."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from aiogram.types import Update

from duihua.messages import Text
from duihua.telegram.gathering import CUT, QUIET, TEXTS, Job, gathered, joined, whole_at
from duihua.telegram.incoming import ALBUM
from duihua.telegram.updates import Me, Said, read

ME = Me(7, "duihua_bot")
LONG = "a" * CUT
_NUMBERS = count(1)
_PHOTO = {"file_id": "x", "file_unique_id": "x", "width": 1, "height": 1}


def job(
    text: str = "", album: str = "", *, at: float = 0.0, who: int = 42, date: int = 1_000, **more: Any
) -> Job:
    number = next(_NUMBERS)
    body: dict[str, Any] = {"message_id": number, "date": date, "chat": {"id": 1, "type": "private"}, **more}
    body["from"] = {"id": who, "is_bot": False, "first_name": "Ada"}
    body |= {"media_group_id": album, "photo": [_PHOTO], "caption": text} if album else {"text": text}
    event = read(Update.model_validate({"update_id": number, "message": body}), ME)
    assert event is not None
    return Job(number, str(number), event, at)


def edited(one: Job) -> Job:
    assert isinstance(one.event, Said)
    return replace(one, event=replace(one.event, edited=True))


def said(pieces: list[Job]) -> Said:
    event = joined(pieces).event
    assert isinstance(event, Said)
    return event


def test_the_pictures_of_an_album_are_found_among_other_messages() -> None:
    one, other, two, late = job(album="x"), job("hm", who=43), job("what?", "x"), job(album="x", at=9.0)
    lane = [one, other, two, job(album="y"), edited(job(album="x")), job(album="x", who=43), late]
    assert gathered(lane) == [one, two, late]
    whole = joined([one, two, late])
    assert isinstance(whole.event, Said)
    assert (whole.event.key, whole.event.text, whole.key) == (f"1/{one.arrival}", "what?", late.key)
    assert [m.message_id for m in whole.event.sent] == [one.arrival, two.arrival, late.arrival]


def test_an_album_has_ten_pictures_with_those_that_are_known() -> None:
    lane = [job(album="x") for _ in range(ALBUM + 2)]
    assert gathered(lane) == lane[:ALBUM]
    assert gathered(lane[ALBUM - 1 :], lane[: ALBUM - 1]) == [lane[ALBUM - 1]]
    assert whole_at(lane[:ALBUM]) == 0.0
    assert whole_at(lane[:2]) == QUIET


def test_a_text_that_an_app_has_cut_is_put_together() -> None:
    lane = [job(LONG), job("b" * 4_001, at=QUIET), job("end", at=2 * QUIET), job("more", at=2 * QUIET)]
    assert gathered(lane) == lane[:3]
    whole = said(lane[:3])
    assert whole.text == f"{LONG}{'b' * 4_001}\nend"  # where a word ends, apps take the space away
    assert whole.asks(whole.text) == (Text(LONG), Text("b" * 4_001), Text("\nend"))


def test_a_command_before_a_long_text_is_not_part_of_it() -> None:
    head = f"/ask {LONG}"[:CUT]
    whole = said([job(head), job("end")])
    assert whole.pieces(whole.text.removeprefix("/ask ")) == (head.removeprefix("/ask "), "end")


def test_more_is_waited_for_behind_a_long_text_alone() -> None:
    assert whole_at([job("short", at=5.0)]) == 0.0
    assert whole_at([job("文" * 3_999, at=5.0)]) == 0.0
    assert whole_at([job("😀" * 2_000, at=5.0)]) == 5.0 + QUIET
    assert whole_at([job(LONG), job("end", at=5.0)]) == 0.0
    assert whole_at([edited(job(LONG))]) == 0.0


@pytest.mark.parametrize(
    "second",
    [
        {"text": "end", "at": QUIET + 0.01},
        {"text": "end", "date": 1_003},
        {"text": "end", "who": 43},
        {"text": "/help"},
        {"text": "end", "album": "x"},
        {"text": "end", "message_thread_id": 5, "is_topic_message": True},
    ],
    ids=str,
)
def test_what_does_not_belong_to_a_long_text(second: dict[str, Any]) -> None:
    lane = [job(LONG), job(**second)]
    assert gathered(lane) == lane[:1]


def test_nobody_sends_a_text_without_end() -> None:
    lane = [job(LONG) for _ in range(TEXTS + 1)]
    assert gathered(lane) == lane[:TEXTS]
    assert whole_at(lane[:TEXTS]) == 0.0
