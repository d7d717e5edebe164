"""Whatever a model writes: valid messages, nothing lost, the same however it is cut."""

from __future__ import annotations

from unittest.mock import patch

from hypothesis import example, given, settings
from hypothesis import strategies as st

from duihua.telegram.text import Stream, render, split
from tests.telegram.checking import check

MARKS = ["**", "*", "_", "__", "`", "```", "~~", "\n", "\n\n", "- ", "1. ", "> ", "# ", "[", "](", ")", "|"]
MARKS += ["|---|---|\n", "$", "$$", "\\(", "\\[", "\\]", "![", "\t", "\\", "<", ">", "&amp;", "\r", "\u202e"]
WORDS = ["中文", "字", "word", "é", "😀", "👨‍👩‍👧", "🇨🇳", " ", "。", "：", "\ud83d", "\ude00", "x", "7"]
wild = st.lists(st.sampled_from(MARKS + WORDS), max_size=60).map("".join)
MOST = ["**中文**", "**word**", "**（x）**", "**中文（**", "**，中**", "`code`", "中文", "word", "，", " "]
MOST += ["**", "`", "1", ":", "://", "_", "*", "!", "&", "&lt;", "（", "）", "\n"]
common = st.lists(st.sampled_from(MOST), max_size=12).map("".join)
row = st.lists(st.sampled_from(["a", " 中文 ", "", "**x**", ":-:", "---", " :-- "]), min_size=1, max_size=3)
table = st.lists(row.map(lambda cells: f"|{'|'.join(cells)}|"), max_size=5).map("\n".join)
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


@settings(max_examples=300, deadline=None)
@given(common | table, st.sampled_from(["", "- ", "2. ", "## ", "|a|b|\n|-|:-|\n"]))
@example("中文 ", "")
def test_what_is_read_fast_is_what_every_rule_would_read(source: str, mark: str) -> None:
    fast = render(mark + source)
    with (
        patch("duihua.telegram.text.parser._simple", return_value=None),
        patch("duihua.telegram.text.inlines.pieces", return_value=None),
        patch("duihua.telegram.text.rendering.is_paragraph", return_value=False),
        patch("duihua.telegram.text.rendering.plain_item", return_value=None),
    ):
        assert fast == render(mark + source)
