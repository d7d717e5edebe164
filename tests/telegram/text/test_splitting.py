"""Messages never pass Telegram's limits, and together they are the whole."""

from __future__ import annotations

import pytest

from duihua.telegram.text import Entity, Formatted, Stream, quoted, render, split
from tests.telegram.checking import check


def parts_of(markdown: str, limit: int = 100, entities: int = 100) -> list[Formatted]:
    parts = split(render(markdown), limit, entities)
    assert [wrong for part in parts for wrong in check(part, limit=limit, entities=entities)] == []
    return parts


def test_a_text_of_exactly_the_limit_is_one_message() -> None:
    assert len(split(render("中" * 4096))) == 1
    assert len(split(render("😀" * 2048))) == 1
    assert len(split(render("中" * 4097))) == 2
    assert len(split(render("a" * 4096 + "\n\n"))) == 1


def test_blocks_come_before_lines_before_words() -> None:
    assert [it.text for it in parts_of("a" * 60 + "\n\n" + "b" * 20 + "\n" + "c" * 60)] == [
        "a" * 60,
        "b" * 20 + "\n" + "c" * 60,
    ]
    assert [it.text for it in parts_of("a" * 60 + "\n" + "b" * 60)] == ["a" * 60, "b" * 60]
    assert parts_of("word " * 30)[0].text.endswith("word")
    assert parts_of("一二三，" * 30)[0].text.endswith("，")


@pytest.mark.parametrize(
    "before",
    ["", "- ", "> ", "# ", "1. a\n   ", "**b** ", "|a|b|\n|-|-|\n| ", "```\n", "``` py ", "- ```\n  "],
    ids=["plain", "item", "quote", "heading", "inner", "styled", "table", "code", "info", "code in item"],
)
def test_words_of_a_long_line_stay_apart(before: str) -> None:
    source = before + "word " * 3000
    assert render(source).text.split().count("word") == 3000
    assert " ".join(part.text for part in split(render(source))).split().count("word") == 3000
    stream = Stream()
    for at in range(0, len(source), 997):
        stream.feed(source[at : at + 997])
    assert list(stream.finish()) == split(render(source))


@pytest.mark.parametrize(
    ("sentence", "more"),
    [
        ("今天天气很好，我们出去走走。", "然后，在公园里坐一会儿，再回家"),
        ("他说：“我们走吧！”", "大家都同意"),
        ("所以呢……", "谁也不知道，也许"),
        ("They went out, and it rained. ", "Then, well, they came"),
        ('"Is pi 3.14?" ', "He asked, and went"),
    ],
)
def test_sentences_come_before_words(sentence: str, more: str) -> None:
    for times in range(60 // len(sentence) + 1, 100 // len(sentence) + 1):
        text = sentence * times + more * 100
        assert parts_of(text)[0].text == (sentence * times).strip()


def test_code_is_opened_again_with_its_language_and_keeps_its_indent() -> None:
    code = "def f():\n" + "\n".join(f"    x{i} = {i}" for i in range(30))
    parts = parts_of(f"```python\n{code}\n```")
    assert len(parts) > 3
    assert {(it.type, it.language, it.offset) for part in parts for it in part.entities} == {
        ("pre", "python", 0)
    }
    assert "\n".join(it.text for it in parts) == code


def test_a_block_of_code_that_fits_is_not_cut() -> None:
    parts = parts_of("a" * 60 + "\n\n```\n" + "b" * 30 + "\n" + "c" * 30 + "\n```")
    assert [it.text for it in parts] == ["a" * 60, "b" * 30 + "\n" + "c" * 30]


def test_a_style_goes_on_in_the_next_message() -> None:
    parts = parts_of("**" + "很长" * 80 + "**")
    assert [[it.type for it in part.entities] for part in parts] == [["bold"], ["bold"]]
    link = parts_of("[" + "很长" * 80 + "](https://a.com)")
    assert {it.url for part in link for it in part.entities} == {"https://a.com"}


def test_no_more_entities_than_telegram_heeds() -> None:
    parts = parts_of(" ".join(f"**a{i}**" for i in range(250)), limit=4096)
    assert [len(it.entities) for it in parts] == [100, 100, 50]


@pytest.mark.parametrize("cluster", ["👨‍👩‍👧‍👦", "👍🏽", "🇨🇳", "❤️", "e\u0301", "🏳️‍🌈", "1️⃣"])
def test_what_is_drawn_as_one_stays_together(cluster: str) -> None:
    for parts in (parts_of("a" + cluster * 60), parts_of(cluster * 60)):
        for part in parts:
            assert part.text.removeprefix("a").replace(cluster, "") == ""


def test_what_has_no_place_to_cut_is_cut_anyway() -> None:
    parts = parts_of("e" + "\u0301" * 500)
    assert sum(len(it.text) for it in parts) == 501


def test_invisible_messages_are_not_sent() -> None:
    assert split(render("\u200b\u200d")) == []
    assert split(Formatted(" \n ", ())) == []


def test_a_quote_folds_and_drops_what_may_not_be_in_it() -> None:
    quote = quoted(render("想 `x` **b**\n\n```\ny\n```\n\n> z"))
    assert check(quote) == []
    assert [it.type for it in quote.entities] == ["expandable_blockquote", "bold"]
    long = render("> " + "长" * 500, expandable=True)
    assert long.entities == (Entity("expandable_blockquote", 0, 500),)
