"""Titles of conversations, as topics and lists show them."""

from __future__ import annotations

import pytest

from duihua.escapes import columns
from duihua.titles import WIDTH, title_of


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("你好", "你好"),
        ("  what\n is  a prime? ", "what is a prime?"),
        ("**Plan** a [trip](https://x.example/a) to `Rome`", "Plan a trip to Rome"),
        ("# 标题\n> 引用的话\n- 一件事", "标题 引用的话 一件事"),
        ("```python\nprint(2*3*4)\n```", "print(2*3*4)"),
        ("snake_case_name and __init__ stay", "snake_case_name and __init__ stay"),
        ("帮我写一封请假邮件。理由是家里有事，要回老家三天，语气客气一些。", "帮我写一封请假邮件。"),
        (
            "请帮我规划一次从北京出发去云南的七日旅行，要包括大理和丽江",
            "请帮我规划一次从北京出发去云南的七日旅…",
        ),
        ("我下周要去上海出差，想顺便看看外滩和豫园，请安排一下行程", "我下周要去上海出差…"),
        ("Could you explain how photosynthesis works in plants?", "Could you explain how photosynthesis…"),
        ("Hello there, friend. Could you explain how it works?", "Hello there, friend."),
        ("Pneumonoultramicroscopicsilicovolcanoconiosis", "Pneumonoultramicroscopicsilicovolcanoco…"),
        ("用 Python 的 asyncio 写一个可以同时下载很多文件的程序", "用 Python 的 asyncio 写一个可以同时下载…"),
        (" \n```\n```", ""),
    ],
)
def test_a_title_is_short_and_plain(text: str, title: str) -> None:
    assert title_of(text) == title
    assert columns(title) <= WIDTH


def test_a_title_ends_with_no_half_of_a_sign() -> None:
    family = "👩\u200d👩\u200d👧"
    for pad in range(WIDTH):
        title = title_of("好" * (pad // 2) + "a" * (pad % 2) + family * 20)
        assert not title.rstrip("…").endswith("\u200d")
