"""What is kept in memory of the index: what was searched last, and no more bytes than it may."""

from __future__ import annotations

import tracemalloc

import pytest

from duihua.memories import Document
from duihua.messages import TurnRef
from duihua_storage.cache import SegmentCache
from duihua_storage.segments import Segment, build, decode, encode, search


def segment(documents: int = 1, terms: int = 30) -> Segment:
    """Of documents that share some of their terms."""
    return build(
        Document(TurnRef(1, seq), seq, dict.fromkeys(map(str, range(seq * 20, seq * 20 + terms)), 1))
        for seq in range(1, documents + 1)
    )


def test_who_did_not_search_for_the_longest_time_makes_room() -> None:
    one = segment()
    cache = SegmentCache(5 * one.size)
    cache.put(1, {1: one, 2: one})
    cache.put(2, {3: one, 4: one})
    assert cache.get(1, [1, 2]).keys() == {1, 2}
    cache.put(3, {5: one, 6: one})
    assert not cache.get(2, [3, 4])
    cache.put(4, {7: one})
    assert cache.get(1, [1, 2]).keys() == {1, 2}
    assert cache.get(3, [5, 6]).keys() == {5, 6}


def test_what_was_merged_or_erased_makes_room() -> None:
    one = segment()
    cache = SegmentCache(4 * one.size)
    for id_ in range(1, 50):  # each takes the place of the one before
        assert cache.get(1, [id_ - 1]).keys() == ({id_ - 1} if id_ > 1 else set())
        assert not cache.get(1, [id_])
        cache.put(1, {id_: one})
    cache.put(2, {50: one, 51: one, 52: one})
    assert cache.get(1, [49]).keys() == {49}
    assert cache.get(2, [50, 51, 52]).keys() == {50, 51, 52}


@pytest.mark.parametrize(("documents", "terms"), [(1, 3), (1, 30), (30, 40), (300, 40), (2_000, 40)])
def test_a_segment_is_counted_as_about_what_it_takes(documents: int, terms: int) -> None:
    body = encode(segment(documents, terms))
    asked = [str(n) for n in range(20, 20 * documents + terms, 1 + documents * 20 // 4_000)]
    found, many = search([decode(body)], asked, 100, None), min(50, 6 + 3_000 // documents)
    assert sum(found.holding) > documents // 2
    tracemalloc.start()
    search([decode(body)], asked, 100, None)  # Python keeps some of what it takes and frees, for the next one
    before = tracemalloc.get_traced_memory()[0]
    kept = [decode(body) for _ in range(many)]
    for each in kept:
        search([each], asked, 100, None)
    taken = (tracemalloc.get_traced_memory()[0] - before) / many
    tracemalloc.stop()
    assert 0.7 < kept[0].size / taken < 2
