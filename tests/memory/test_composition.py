"""A request is put together once: what one turn computes holds until the window moves again."""

from __future__ import annotations

import pytest

from duihua.composition import Composer, Remembered, Words
from duihua.dialect import ChatDialect
from duihua.memories import Fact, Note
from duihua.messages import Step, Text, Turn, TurnRef
from duihua.ports import Limits
from duihua_prompts import memory

DIALECT = ChatDialect("any/model", Limits(None, 1_000), Limits(None, 1_000))


def talk(count: int) -> tuple[Turn, ...]:
    said = [
        Turn(
            TurnRef(1, n), n - 1, None, (Text(f"我喜欢第{n}道菜。"),), (Step((Text("好的，" * 5),)),), "done"
        )
        for n in range(1, count)
    ]
    return (*said, Turn(TurnRef(1, count), count - 1, None, (Text("还记得吗？"),), (), "running"))


@pytest.mark.parametrize("better", [0.5, 0.9, 1.0, 1.1])
def test_a_window_that_has_moved_stays_where_it_is_when_the_scale_is_corrected(better: float) -> None:
    """What is left in it says nothing of what was in it before."""
    composer = Composer(Words(memory.context_text, memory.recalled_text))
    before = composer.compose(DIALECT, "", talk(60), start=1)
    assert before.packed.start > 1
    assert before.pending
    after = composer.compose(DIALECT, "", talk(60), start=1, correct=lambda packed: better)
    assert after.packed.start == before.packed.start
    assert after.packed.messages == before.packed.messages
    assert after.pending == before.pending
    assert after.packed.scale == better
    assert after.packed.tokens == pytest.approx(before.packed.tokens * better, abs=1)


def test_a_window_moves_when_the_corrected_scale_asks_for_it() -> None:
    composer = Composer(Words(memory.context_text, memory.recalled_text))
    turns = talk(24)
    assert composer.compose(DIALECT, "", turns, start=1).packed.start == 1
    again = composer.compose(DIALECT, "", turns, start=1, correct=lambda packed: 2.0)
    assert again.packed.start > 1
    assert again.packed.tokens <= 1_000


def test_the_words_of_memory_are_made_anew_only_when_it_has_changed() -> None:
    made: list[tuple[object, ...]] = []

    def context(*parts: object) -> str:
        made.append(parts)
        return str(parts)

    composer = Composer(Words(context, memory.recalled_text))
    notes = (Note(1, 2, 0, ((1, 2),), "第一条"),)
    wishes = (Fact(1, 1, "instruction", "", "以后简短一点"),)
    for _ in range(3):
        text = composer.compose(DIALECT, "", talk(3), remembered=Remembered("zh", wishes, notes)).memory
    assert len(made) == 1
    assert "第一条" in text
    assert "短" not in composer.compose(DIALECT, "", talk(3), remembered=Remembered("zh", (), notes)).memory
    composer.forget(1)
    composer.compose(DIALECT, "", talk(3), remembered=Remembered("zh", (), notes))
    assert len(made) == 3
