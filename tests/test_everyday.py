"""The sets of everyday talk: whole, and with enough questions."""

from __future__ import annotations

from benchmarks.everyday import DATA
from benchmarks.memory_data import read, unknown


def test_every_set_is_whole() -> None:
    assert sorted(folder.name for folder in DATA.iterdir()) == ["en", "held-out-en", "held-out-zh", "zh"]
    for folder in DATA.iterdir():
        lines, asked = read(folder)
        assert not unknown(lines, asked)
        assert len(lines) > 120
        assert len({one.text for one in asked}) == len(asked) > 70
