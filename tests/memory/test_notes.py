"""Notes along a path, and what they say."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duihua.memories import Note
from duihua.memory.extract import clip, condense, extract
from duihua.memory.notes import (
    CHUNK,
    DIGEST,
    MANY,
    NOTE,
    SPANS,
    chain,
    fitting,
    fold,
    lay,
    missing,
    note_of,
    without,
)
from duihua.messages import Call, Quote, Step, Text, Turn, TurnRef
from duihua.tokens import estimate
from tests.memory.covering import covered
from tests.strategies import conversations, huge, texts


def turn(seq: int, asked: str = "q", said: str = "a", *, parent: int | None = None) -> Turn:
    before = seq - 1 if parent is None else parent
    return Turn(TurnRef(1, seq), before, None, (Text(asked),), (Step((Text(said),)),), at=seq * 10)


def note(first: int, upto: int, *, after: int | None = None, level: int = 0, text: str = "x") -> Note:
    before = first - 1 if after is None else after
    return Note(first, upto, before, ((first, upto),), text, level=1 if level else 0)


# ---------------------------------------------------------------- along a path


def test_a_chain_links_the_notes_of_a_path_alone() -> None:
    a, b, other = note(1, 3), note(4, 6), note(7, 8, after=2)
    assert chain([b, other, a], 6) == (a, b)
    assert chain([a, b, other], 8) == (other,)
    assert chain([a, b], 0) == chain([a, b], 5) == ()


def test_a_chain_tells_what_it_misses() -> None:
    assert missing(chain([note(4, 6)], 6), 6) == 3
    assert missing((), 6) == 6
    assert missing(chain([note(1, 6)], 6), 6) == missing((), 0) == 0


def test_a_digest_comes_before_a_note_that_ends_with_it() -> None:
    digest = note(1, 6, level=1)
    assert chain([note(4, 6), digest, note(7, 8)], 8) == (digest, note(7, 8))


def test_a_note_that_leads_nowhere_ends_no_chain_in_a_circle() -> None:
    assert chain([note(4, 6, after=6), note(4, 7, after=9)], 6) == ()


def test_turns_without_a_note_are_laid_between_the_notes() -> None:
    turns = [turn(seq) for seq in range(3, 10)]
    laid = lay([note(1, 4), note(6, 7)], turns)
    assert laid == (note(1, 4), (turn(5),), note(6, 7), (turn(8), turn(9)))
    assert lay([note(1, 4)], []) == ()


def test_a_note_that_leaves_older_turns_bare_is_not_laid() -> None:
    turns = [turn(seq) for seq in range(4, 7)]
    assert lay([note(1, 3), note(3, 5)], turns) == (note(1, 3), tuple(turns))


def test_a_long_run_of_turns_makes_several_notes() -> None:
    turns = [turn(seq, "字" * 1_000) for seq in range(1, 21)]
    laid = lay([], turns)
    assert [t for piece in laid if isinstance(piece, tuple) for t in piece] == turns
    sizes = [sum(estimate("字" * 1_000) for _ in piece) for piece in laid if isinstance(piece, tuple)]
    assert len(sizes) == 4
    assert max(sizes) <= CHUNK


def test_a_note_knows_its_turns() -> None:
    made = note_of([turn(2), turn(3), turn(7, parent=3)], "text", "m")
    assert made == Note(2, 7, 1, ((2, 3), (7, 7)), "text", "m", at=70)
    assert covered([made, note(9, 10)]) == {2, 3, 7, 9, 10}


def test_spans_are_bounded_and_never_leave_a_turn_out() -> None:
    turns = [turn(seq, parent=seq - 3) for seq in range(3, 900, 3)]
    made = note_of(turns, "x")
    assert len(made.covers) == SPANS
    assert covered([made]) >= {t.ref.seq for t in turns}


def test_an_erased_turn_takes_its_note_along() -> None:
    assert without(note(3, 5), {4: 3}) is None
    kept = note(6, 7)
    assert without(kept, {9: 8}) is kept
    assert without(kept, {5: 4, 4: 3}) == note(6, 7, after=3)


def test_notes_without_room_are_told_as_one_with_what_tells_most() -> None:
    said = "用户：哈哈，有道理。\n用户：今天挺好的。\n用户：我女儿叫果果，生日是{}月五号。"
    notes = tuple(note(n, n, text=said.format(n)) for n in range(1, 6))
    assert fitting(notes, 300) == notes
    older, newest = fitting(notes, 100)
    assert (older.first, older.upto, older.after, covered([older])) == (1, 4, 0, {1, 2, 3, 4})
    assert newest == notes[-1]
    assert all(f"{n}月五号" in older.text for n in range(1, 5))
    assert "哈哈" not in older.text
    assert estimate(older.text) + estimate(newest.text) <= 100


# ---------------------------------------------------------------- the digest


def grown(count: int, word: str = "我的第{0}个朋友叫人{0}，住在{0}号。") -> list[Note]:
    return [note(n, n, text=f"用户：{word.format(n)}") for n in range(1, count + 1)]


def test_few_notes_stay_notes() -> None:
    assert fold(grown(MANY - 1)) is None


def test_the_oldest_notes_become_a_digest() -> None:
    notes = grown(MANY)
    folded = fold(notes)
    assert folded is not None
    digest, gone = folded
    assert gone == tuple(notes[:4])
    assert (digest.first, digest.upto, digest.after, digest.covers) == (1, 4, 0, ((1, 4),))
    assert digest.level == 1
    assert [f"人{n}" in digest.text for n in range(1, 6)] == [True] * 4 + [False]
    assert chain([digest, *notes[4:]], MANY) == (digest, *notes[4:])


def test_a_digest_folded_again_and_again_stays_bounded_and_keeps_the_oldest_facts() -> None:
    fact = "用户：我叫张伟，我对花生过敏，我女儿朵朵2016年5月2日出生。"
    notes = [note(1, 1, text=fact), *grown(7)[1:]]
    seq = 7
    for _ in range(30):
        while sum(1 for n in notes if not n.level) < MANY:
            seq += 1
            talk = "\n".join(f"用户：今天聊了很多关于话题{seq}的第{n}种看法。" for n in range(8))
            notes.append(note(seq, seq, text=talk))
        folded = fold(notes)
        assert folded is not None
        notes = [folded[0], *(n for n in notes if n not in folded[1])]
        assert estimate(notes[0].text) <= DIGEST
        assert "朵朵2016年5月2日" in notes[0].text
        assert "花生" in notes[0].text
        assert f"话题{notes[0].upto}" in notes[0].text or seq < 12  # and what is new leaves a trace


@settings(max_examples=15)
@given(st.lists(st.one_of(texts, huge), max_size=6), st.integers(20, 300))
def test_condensed_texts_keep_their_bound(given: list[str], tokens: int) -> None:
    assert estimate(condense(given, tokens=tokens)) <= tokens
    assert estimate(clip("".join(given), tokens)) <= tokens


# ---------------------------------------------------------------- what is kept


def test_facts_stay_and_small_talk_goes() -> None:
    turns = [
        turn(1, "你好", "你好！想聊点什么？"),
        turn(2, "我女儿叫朵朵，今年五岁了。", "真可爱！"),
        turn(3, "帮我写一首关于秋天的诗，要押韵，不要太长", "秋风起兮白云飞，草木黄落兮雁南归。" * 9),
        turn(4, "Thanks! By the way, my flight is at 9:40 tomorrow.", "Have a safe trip!"),
        turn(5, "北京今天天气怎么样？", "北京今天晴，25度，适合出门。"),
    ]
    kept = extract(turns, tokens=36)
    assert kept.splitlines() == [
        "用户：我女儿叫朵朵，今年五岁了。",
        "User: By the way, my flight is at 9:40 tomorrow.",
    ]
    assert extract(turns, tokens=36) == kept


def test_the_user_comes_before_the_assistant() -> None:
    turns = [turn(1, "继续说说那座城市吧", "我2019年5月2日搬到杭州，女儿叫朵朵。")]
    assert extract(turns, tokens=20).startswith("用户：")
    assert extract(turns).splitlines()[1].startswith("助手：")


def test_only_what_was_said_counts() -> None:
    call = Call("1.1.0.0", "f", '{"name": "秘密甲"}', "done", "我叫秘密乙")
    asked = (Quote("我叫秘密丙", "Tom"), Text("我叫小明"))
    turns = [Turn(TurnRef(1, 1), 0, None, asked, (Step((Text("好的"),), (call,)),))]
    assert extract(turns) == "用户：我叫小明"


def test_a_sentence_without_end_is_cut_at_its_commas() -> None:
    long = "，".join(f"这里是没有什么内容的第几句话而且还很长{'啊' * 10}" for _ in range(20))
    assert "女儿叫朵朵" in extract([turn(1, f"{long}，我女儿叫朵朵，{long}")], tokens=40)


@pytest.mark.parametrize(
    "text", ["a" * 300_000, "\ud800" * 300_000, "，" * 300_000, "字" * 300_000, "a. " * 99_999]
)
def test_texts_from_hell_are_bounded(text: str) -> None:
    kept = extract([turn(1, text, text)])
    assert estimate(kept) <= NOTE
    kept.encode()


@settings(max_examples=15)
@given(conversations(), st.integers(20, 200))
def test_any_talk_makes_a_bounded_note(turns: tuple[Turn, ...], tokens: int) -> None:
    kept = extract(turns, tokens=tokens)
    assert estimate(kept) <= tokens
    assert kept == extract(turns, tokens=tokens)
    kept.encode()
    assert not any(line.strip() != line or not line for line in kept.splitlines())
    assert extract([], tokens=tokens) == ""
