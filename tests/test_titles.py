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
            "请帮我规划一次从北京出发去云南的…",  # and not within a word
        ),
        ("我想请你帮我修改一下昨天晚上写好的工作总结", "我想请你帮我修改一下昨天晚上写好的…"),
        ("请详细介绍北京大学计算机科学技术系和数学科学学院", "请详细介绍北京大学计算机科学技术系…"),
        ("Расскажи мне пожалуйста про достопримечательности", "Расскажи мне пожалуйста про…"),
        ("Pneumonoultramicroscopicsilicovolcanoconiosis" * 2, "Pneumonoultramicroscopicsilicovolcanoco…"),
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


@pytest.mark.parametrize("sign", ["👩\u200d👩\u200d👧", "👍🏽", "🇨🇳", "ก็", "q\u0323\u0307", "1\ufe0f\u20e3"])
def test_a_title_ends_with_no_half_of_a_sign(sign: str) -> None:
    for pad in range(WIDTH):
        lead = "好" * (pad // 2) + "a" * (pad % 2)
        title = title_of(lead + sign * 40).removesuffix("…")
        assert lead.startswith(title.replace(sign, ""))
    assert title_of("q" + "\u0323" * 500) == "q…"
