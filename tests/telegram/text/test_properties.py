"""Whatever a model writes: valid messages, nothing lost, the same however it is cut."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from duihua.telegram.text import Stream, render, split
from tests.telegram.checking import check

MARKS = ["**", "*", "_", "__", "`", "```", "~~", "\n", "\n\n", "- ", "1. ", "> ", "# ", "[", "](", ")", "|"]
MARKS += ["|---|---|\n", "$", "$$", "\\(", "\\[", "\\]", "![", "\t", "\\", "<", ">", "&amp;", "\r", "\u202e"]
WORDS = ["中文", "字", "word", "é", "😀", "👨‍👩‍👧", "🇨🇳", " ", "。", "：", "\ud83d", "\ude00", "x", "7"]
wild = st.lists(st.sampled_from(MARKS + WORDS), max_size=60).map("".join)
plain = st.lists(
    st.sampled_from(["**", "*", "~~", "`", "> ", "- ", "\n", "\n\n", " ", "中文", "词", "😀", "，"])
)


@settings(max_examples=150, deadline=None)
@given(wild, st.sampled_from([24, 100, 4096]), st.integers(1, 40))
def test_every_frame_and_every_message_is_valid(source: str, limit: int, step: int) -> None:
    whole = render(source)
    assert check(whole, sent=False) == []
    parts = split(whole, limit)
    assert [wrong for part in parts for wrong in check(part, limit=limit)] == []
    stream = Stream(limit)
    for at in range(0, len(source), step):
        stream.feed(source[at : at + step])
        frame = stream.frame()
        shown = (*frame.sealed, *frame.open)
        assert [wrong for part in shown for wrong in check(part, limit=limit)] == []
    assert list(stream.finish()) == parts


@settings(max_examples=150, deadline=None)
@given(plain, st.sampled_from([24, 100, 4096]))
def test_no_word_is_lost_in_any_prefix(pieces: list[str], limit: int) -> None:
    words = ("中文", "词", "😀", "，")
    stream, seen = Stream(limit), ""
    for piece in pieces:
        stream.feed(piece)
        seen += piece if piece in words else ""
        frame = stream.frame()
        text = "".join(it.text for it in (*frame.sealed, *frame.open))
        assert "".join(char for char in text if char in "中文词😀，") == seen
    assert "".join(c for it in stream.finish() for c in it.text if c in "中文词😀，") == seen
