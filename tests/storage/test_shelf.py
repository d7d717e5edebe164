"""Segments on shelves answer what they answer one by one."""

from __future__ import annotations

import tracemalloc
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duihua.memories import Document
from duihua.messages import TurnRef
from duihua_storage import shelf
from duihua_storage.cache import SegmentCache
from duihua_storage.segments import Run, Segment, build, hashed, search
from duihua_storage.shelf import Shelves

WORDS = "abcdef"


def segment(random: Random, session: int, seq: int, at: int) -> Segment:
    """Of one turn or a few; times may be those of others, or earlier."""
    count = random.choice([1, 1, 1, 2, 5])
    return build(
        Document(
            TurnRef(session, seq + n),
            at + random.randint(0, 2),
            {word: random.randint(1, 20) for word in random.sample(WORDS, random.randint(0, 4))},
        )
        for n in range(count)
    )


@settings(max_examples=20, deadline=None)
@given(st.randoms(use_true_random=False))
def test_shelves_answer_what_their_segments_would(random: Random) -> None:
    shelves, segments = Shelves(), dict[int, Segment]()
    at = 0
    for id_ in range(1, 30):
        at += random.randint(-2, 6)
        segments[id_] = segment(random, random.randint(1, 2), id_ * 10, at)
        if random.random() < 0.2:
            for gone in random.sample(list(segments), random.randint(1, len(segments))):
                del segments[gone]
        terms = random.sample([*WORDS, "nowhere"], random.randint(0, 4))
        between = random.choice([None, (at - 9, at + random.randint(-3, 3))])
        asked = terms, random.choice([1, 3, 9, 99]), between
        assert search(shelves.arranged(segments), *asked) == search(list(segments.values()), *asked)


@pytest.fixture
def lone() -> dict[int, Segment]:
    """As many new turns as wait for a merge, with words that they share and words of their own."""
    words = {n: [f"{n}.{m}" for m in range(30)] + [f"all{m}" for m in range(10)] for n in range(1, 32)}
    return {n: build([Document(TurnRef(1, n), n, dict.fromkeys(own, 1))]) for n, own in words.items()}


def test_small_segments_are_searched_as_one(lone: dict[int, Segment]) -> None:
    shelves = Shelves()
    assert len(shelves.arranged(lone)) == 1
    late = {40: build([Document(TurnRef(2, 1), 3, {"late": 1})])}
    assert len(shelves.arranged(lone | late)) == 2
    assert len(shelves.arranged(late)) == 1
    assert not shelves.arranged({})


def test_there_are_no_more_documents_on_a_shelf_than_numbers(
    monkeypatch: pytest.MonkeyPatch, lone: dict[int, Segment]
) -> None:
    monkeypatch.setattr(shelf, "CAPACITY", 30)
    parts = Shelves().arranged(lone)
    assert list(map(len, parts)) == [30, 1]


def test_shelves_are_counted_as_about_what_they_take(lone: dict[int, Segment]) -> None:
    Shelves().arranged(lone)  # Python keeps some of what it takes and frees
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    made = [Shelves() for _ in range(20)]
    for one in made:
        one.arranged(lone)
    taken = (tracemalloc.get_traced_memory()[0] - before) / len(made)
    tracemalloc.stop()
    assert 0.7 < made[0].size / taken < 1.5


def test_shelves_take_part_of_the_room_of_the_cache(lone: dict[int, Segment]) -> None:
    size = sum(one.size for one in lone.values())
    cache = SegmentCache(size + 10_000)
    for searches in range(3):
        known = cache.get(1, lone)
        assert bool(known) is (searches == 1)
        cache.put(1, lone)
        assert cache.search(1, lone, ["all1"], 99, None).holding == [31]


def test_nothing_of_a_segment_that_is_gone_stays_on_a_shelf(lone: dict[int, Segment]) -> None:
    shelves = Shelves()
    shelves.arranged(lone)
    left = {id_: one for id_, one in lone.items() if id_ != 7}
    [part] = shelves.arranged(left)
    runs: dict[int, list[Run]] = {hashed(term): [] for term in ("7.1", "8.1")}
    part.find(runs)
    assert [len(found) for found in runs.values()] == [0, 1]
    assert (1, 7) not in set(zip(part.sessions, part.seqs, strict=True))
