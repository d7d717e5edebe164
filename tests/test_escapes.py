from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duihua.escapes import Cleaner, clean, columns, name_of, one_line
from duihua.messages import Speaker
from duihua.naming import speaker

HOSTILE = st.text(
    st.sampled_from("ab好\n\t\r\x1b[]PX^_\\m31;?\x07\x08\x7f\x85\x9b\x9c\x9d\x18\u202e\u2066"), max_size=40
)


@pytest.mark.parametrize(
    ("text", "visible"),
    [
        ("plain 好\n\ttext", "plain 好\n\ttext"),
        ("a\x1b[31mred\x1b[0m", "ared"),
        ("a\x1b]0;title\x07b", "ab"),
        ("a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "alink"),
        ("a\x1bP1$q\x1b\\b", "ab"),
        ("a\x9b2Jb\x9d0;t\x9cc", "abc"),
        ("a\x1b(Bb\x1b7c", "abc"),
        ("a\x1b[\x1b[2Jb", "ab"),
        ("one\r\ntwo\x08\x00\x7f", "one\ntwo"),
        ("pay \u202e001\u202c", "pay 001"),
        ("a\x1b]0;never ended\nb", "a\nb"),
    ],
)
def test_nothing_that_steers_is_left(text: str, visible: str) -> None:
    assert clean(text) == visible


@given(HOSTILE, st.data())
def test_cuts_between_pieces_change_nothing(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=4)))
    cleaner = Cleaner()
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert "".join(map(cleaner.feed, pieces)) == clean(text)


@given(HOSTILE)
def test_only_visible_characters_come_out(text: str) -> None:
    assert set(clean(text)) <= set("ab好\n\t[]PX^_\\m31;?")


def test_a_sequence_without_an_end_does_not_swallow_the_answer() -> None:
    assert clean("\x1b]" + "x" * 10_000).endswith("x" * 5_000)


def test_one_line_is_one_line() -> None:
    assert one_line(" a\n\x1b[2Jb\u2028c ") == "a b c"
    assert one_line("x" * 50, 10) == "x" * 9 + "…"


def test_wide_characters_take_two_columns() -> None:
    assert columns("a好\uff0c") == 5


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("A\u200bd\u2060a", "Ada"),
        ("\u202eadA\u202c \ufeff(admin)\U000e0061", "adA (admin)"),
        ("小\u00ad安 \u3164\u2800", "小安"),
        ("\u200b\u3164\u200d", ""),
        ("می\u200cخواهم", "می\u200cخواهم"),  # spelled with it
        ("👩\u200d👩\u200d👧 ❤\ufe0f", "👩\u200d👩\u200d👧 ❤\ufe0f"),
        ("A\u200d\nB\ufe0f", "A B"),
    ],
)
def test_a_name_holds_nothing_unseen(text: str, name: str) -> None:
    assert name_of(text) == name
    assert speaker(text) == Speaker(name or "Someone")
