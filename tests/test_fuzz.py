"""The fuzzer finds what it looks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from duihua.ports import Delta, Finish, TextDelta
from duihua.providers.qianfan_wire import QianfanAnswer
from tests import fuzz
from tests.providers.damage import finding
from tests.providers.recorded import KINDS, Kind

SAID = b'data: {"result":"hi","is_end":true}\n\n'


def broken(change: Callable[[list[Delta]], Any]) -> Kind:
    class Broken(QianfanAnswer):
        def feed(self, data: bytes) -> list[Delta]:
            return change(super().feed(data))

    return replace(KINDS["v1"], make=lambda: Broken("m"))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda deltas: deltas, ""),
        (lambda deltas: [*deltas, TextDelta("?")], "invented 'hi?'"),
        (lambda deltas: deltas[5], "raised IndexError"),
        (lambda deltas: [*deltas, Finish("stop")], "neither by an error nor by one finish"),
        (lambda deltas: deltas * 99, "100 deltas from"),
    ],
)
def test_what_readers_do_wrong_is_found(change: Callable[[list[Delta]], Any], found: str) -> None:
    assert found in finding(broken(change), SAID)
    assert bool(found) == bool(finding(broken(change), SAID))


def test_a_reader_that_depends_on_the_cuts_is_found() -> None:
    class Forgetful(QianfanAnswer):
        def feed(self, data: bytes) -> list[Delta]:
            return super().feed(data) if data.endswith(b"\n") else []

    kind = replace(KINDS["v1"], make=lambda: Forgetful("m"))
    assert "in pieces" in finding(kind, SAID, 7)


def test_findings_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(KINDS, "v1", broken(lambda deltas: [*deltas, TextDelta("?")]))
    row = fuzz.fuzz("v1", [SAID], 20, 1, tmp_path)
    kept = sorted(tmp_path.iterdir())
    assert row.tried == 20
    assert row.findings >= len(kept) == fuzz.KEPT
    assert finding(KINDS["v1"], kept[0].read_bytes())
    assert capsys.readouterr().out.count("kept in") == fuzz.KEPT


def test_a_run_tells_its_seed_and_ends_with_a_sum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["fuzz", "--count", "40", "--seed", "5"])
    assert fuzz.main() == 0
    first, *rows, last = capsys.readouterr().out.splitlines()
    assert first == "seed 5"
    assert len(rows) == len(KINDS)
    assert last == f"40 damaged answers, {len(KINDS)} readers: no findings"
    assert list(tmp_path.iterdir()) == []
