"""The table in the documents is what the platforms do now."""

from __future__ import annotations

from tests.platforms.matrix import BLOCK, DOCUMENTS, REASONS, Reason, block, judged, replaced, tried
from tests.platforms.rows import Lacks

WHY = Reason("Because.", "因为。")


async def test_the_documents_hold_what_was_tried() -> None:
    table = await tried(REASONS)
    assert table.wrong == ()
    for language, path in DOCUMENTS.items():
        found = BLOCK.search(path.read_text("utf-8"))
        assert found, path
        assert found[0] == block(table, REASONS, language), "out of date: run `make providers`"


def test_an_empty_cell_needs_a_reason_and_a_full_one_must_not_have_any() -> None:
    ends = {
        ("a", "x"): None,
        ("a", "y"): Lacks(),
        ("b", "x"): None,
        ("b", "y"): Lacks(),
        ("c", "x"): KeyError(),
    }
    table = judged(ends, {("a", "x"): WHY, ("a", "y"): WHY, ("d", "x"): WHY})
    assert [line.partition(":")[0] for line in table.wrong] == [
        "('a', 'x')",
        "('b', 'y')",
        "('c', 'x')",
        "('d', 'x')",
    ]
    assert table.cells == {place: end is None for place, end in ends.items()}


def test_a_table_takes_the_place_of_the_older_one() -> None:
    older = "a\n<!-- begin: generated -->\nold\n<!-- end: generated -->\nb\n"
    assert replaced(older, "| new |\n") == older.replace("old\n", "| new |\n")
