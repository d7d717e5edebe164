import json
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from duihua.exporting import Extent, extent, inline, markdown, to_json
from duihua_prompts import Catalogue
from duihua_storage import SqlStore
from tests.storage.test_export import fill

BEIJING = timezone(timedelta(hours=8))


@pytest.fixture
async def data(tmp_path: Path) -> dict[str, Any]:
    """An export with something in every place."""
    url = f"sqlite+aiosqlite:///{tmp_path}/x.db"
    store = SqlStore(url)
    await store.open()
    exported = await store.export(await fill(store, url))
    await store.aclose()
    return dict(exported)


@pytest.mark.parametrize(
    ("lang", "lines"),
    [
        (
            "zh",
            [
                "# 关于 Alice 保存的全部内容",
                "## 事实",
                "- **喜欢猫** (#1; 喜好; 最早 1970-01-02，最近 1970-01-02; 把握 100 %; 已由 #99 取代; "
                "来自第 1.1 轮)",
                "### 笔记",
                "- 第 1-1 轮（1970-01-01）：笔记",
                "### 还没有回答的消息",
                "### 还没有送出的内容",
                "## 在别人的对话 2 里",
                "## 尚未处理的消息",
            ],
        ),
        (
            "en",
            [
                "# What is stored about Alice",
                "## Facts",
                "- **喜欢猫** (#1; preference; first said 1970-01-02, last 1970-01-02; 100 % sure; "
                "replaced by #99; from turns 1.1)",
                "### Notes",
                "- turns 1-1 (1970-01-01): 笔记",
                "### Waiting for an answer",
                "### Not delivered yet",
                "## In conversation 2 of someone else",
                "## Messages not worked through",
            ],
        ),
    ],
)
async def test_an_export_reads_well(data: dict[str, Any], lang: str, lines: list[str]) -> None:
    page = markdown(data, Catalogue(lang), BEIJING).split("\n")
    assert [line for line in lines if line not in page] == []
    said = ["> 第一句", "> 让我看看", '{"a": 1}', "晴天", "> 答案", "> 还在等", "要送的", "> in bob's group"]
    places = [page.index(line) for line in said]
    assert places == sorted(places)  # in the order in which it was said
    assert any("小猫.png" in line for line in page)


async def test_how_much_there_is(data: dict[str, Any]) -> None:
    assert extent(data) == Extent(sessions=1, turns=2, facts=2, elsewhere=1)


async def test_nothing_from_outside_ends_its_quotation(data: dict[str, Any]) -> None:
    [session] = data["sessions"]
    turn = session["turns"][0]
    turn["input"] = [{"t": "text", "text": "a\n\n# b <b>\r\n<img src=x>![i](u)"}]
    turn["steps"][0]["calls"][0]["result"] = "x\n````\n# y"
    turn["author"] = "*A*\n# B"
    session["title"] = "[t](http://x) \x1b[2J`"
    page = markdown(data, Catalogue("en"))
    assert "> a\n>\n> # b \\<b>\n> \\<img src=x>!\\[i](u)\n" in page
    assert "`````text\nx\n````\n# y\n`````\n" in page
    assert "**\\*A\\* \\# B**" in page
    assert "\\[t\\](http://x) \\`" in page
    assert "\x1b" not in page


async def test_what_is_nested_too_deep_for_a_fast_writer_is_written(data: dict[str, Any]) -> None:
    deep: object = 1
    for _ in range(252):
        deep = [deep]
    whole = {**data, "deep": {"er": deep}}
    assert json.loads(to_json(whole)) == whole
    assert to_json(data).startswith('{\n  "format": 1,')


def test_a_line_takes_no_marks() -> None:
    assert inline("a_b\n<c> | `d`") == "a\\_b \\<c\\> \\| \\`d\\`"
