"""Recall over a real database: it finds what it finds in plain dictionaries, on both databases the same."""

from __future__ import annotations

import pytest

from duihua.memories import Document, Hit, Kept
from duihua.memory.recall import LexicalRecall
from duihua.memory.terms import document_terms
from duihua_storage import SqlStore
from tests.memory.plain_index import PlainIndex
from tests.storage.talk import at, end, say

SAID = [
    ("我今天去绿禾公园散步了", "真好，看到了什么？"),
    ("看到一朵樱花和一只松鼠", "真可爱！"),
    ("推荐一本科幻小说吧", "推荐《三体》，作者刘慈欣"),
    ("I painted a lake at sunrise last year", "It sounds special."),
    ("明天我去买颜料", "好的，颜料记得买蓝色的"),
    ("绿禾公园的樱花谢了", "明年还会开"),
    ("We went to the museum with the children", "What did they like best?"),
]
ASKED = [
    "我在绿禾公园看到了什么？",
    "你推荐过什么小说",
    "What did I paint?",
    "which museum did my child like?",
    "我们第一次聊了什么",
    "我们今天聊了什么",
    "颜料",
    "what did my kid like?",
    "你推荐过什么书籍",
]


async def test_both_databases_find_the_same_as_plain_dictionaries(store: SqlStore) -> None:
    for text, reply in SAID:
        await end(store, await say(store, text), reply)
    info = await store.session(at())
    assert info is not None
    chore = await store.chore(info.id)
    assert chore is not None
    documents = tuple(Document(turn.ref, turn.at, document_terms(turn)) for turn in chore.turns)
    assert await store.keep(chore, Kept(len(SAID), chore.owner, documents=documents))
    plain = PlainIndex(*chore.turns)

    def now() -> int:
        return chore.turns[-1].at + 1_000

    real, oracle = LexicalRecall(store, clock=now), LexicalRecall(plain, clock=now)  # type: ignore[arg-type]
    for question in ASKED:
        found, expected = await real.search(chore.owner, question), await oracle.search(1, question)
        assert [hit.text for hit in found] == [hit.text for hit in expected], question
        assert _scores(found) == pytest.approx(_scores(expected), abs=1e-9)
        assert found, question
        assert not await real.search(chore.owner + 1, question)


def _scores(hits: object) -> list[float]:
    assert isinstance(hits, (list, tuple))
    return [hit.score for hit in hits if isinstance(hit, Hit)]
