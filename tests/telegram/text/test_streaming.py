"""Frames of an answer that arrives in pieces."""

from __future__ import annotations

import pytest

from duihua.telegram.text import Stream, render, split
from tests.telegram.checking import check
from tests.telegram.text.test_nasty import BLOCKS, LINES, written


def shown(markdown: str) -> str:
    """What a frame shows while the text ends here."""
    stream = Stream()
    stream.feed(markdown)
    frame = stream.frame()
    assert [wrong for part in frame.open for wrong in check(part)] == []
    return "|".join(written(it) for it in frame.open)


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("这是**重", "这是<bold>重</bold>"),
        ("这是**重点*", "这是<bold>重点</bold>"),
        ("这是**", "这是"),
        ("a ~~b", "a <strikethrough>b</strikethrough>"),
        ("用 `x", "用 <code>x</code>"),
        ("用 `", "用"),
        ("见 [文](https://a.co", "见 文"),
        ("见 [文](https://a.com)", "见 <text_link https://a.com>文</text_link>"),
        ("见 ![文](https://a.co/x_(y", "见 文"),
        ("见 [文](地址](https://a.co", "见 [文](地址](https://a.co"),
        ("见 \\[文](地址", "见 [文](地址"),
        ("见 \\![文](https://a.co", "见 !文"),
        ("用 `a[i](x", "用 <code>a[i](x</code>"),
        ("**a `b", "<bold>a</bold> <code>b</code>"),
        ("2*3", "2*3"),
        ("x**2", "x**2"),
        ("```python\nx = 1\n``", "<pre python>x = 1\n``</pre>"),
        ("- a\n- **b", "• a\n• <bold>b</bold>"),
        ("> 一**二", "<blockquote>一<bold>二</bold></blockquote>"),
        ("# 标", "<bold>标</bold>"),
        ("", ""),
    ],
)
def test_a_frame_closes_what_is_open(prefix: str, expected: str) -> None:
    assert shown(prefix) == expected


@pytest.mark.parametrize("source", [it[0] for it in (*LINES.values(), *BLOCKS.values())])
def test_streamed_by_character_is_the_same_as_whole(source: str) -> None:
    stream = Stream()
    for char in source:
        stream.feed(char)
        frame = stream.frame()
        assert [wrong for part in frame.open for wrong in check(part)] == []
    assert list(stream.finish()) == split(render(source))


def test_a_link_that_the_next_line_cannot_end_is_shown_as_written() -> None:
    stream = Stream()
    stream.feed("见 [文](地址\n![")
    assert stream.frame().open[0].text == "见 [文](地址"


def test_a_sealed_message_never_changes() -> None:
    source = "\n\n".join(f"第{i}段 **重点** " + "文字" * 30 for i in range(60))
    stream, before = Stream(limit=500), ()
    for at in range(0, len(source), 37):
        stream.feed(source[at : at + 37])
        frame = stream.frame()
        assert frame.sealed[: len(before)] == before
        assert sum(it.units for it in frame.open) <= 1000
        before = frame.sealed
    assert len(before) > 5
    assert stream.finish() == tuple(split(render(source), 500))


def test_long_lines_and_long_code_are_read_once() -> None:
    """Frames keep only what may change: less than two sections, however long a block is."""
    for source in ("```\n" + "x = 1\n" * 1000, "字" * 12_000, "- 一\n" * 1000, "a *b* " * 2000):
        stream = Stream()
        for at in range(0, len(source), 1000):
            stream.feed(source[at : at + 1000])
            assert sum(it.units for it in stream.frame().open) < 3 * 4096
        assert list(stream.finish()) == split(render(source))
