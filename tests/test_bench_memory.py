"""The measurement of memory on data of one's own: it touches nothing else, and says what is wrong."""

from __future__ import annotations

import codecs
import json
from pathlib import Path

import pytest
from benchmarks.memory import bench, main
from benchmarks.memory_data import Line, places, read

Row = dict[str, object]

SAID: Row = {"user": "ann", "session": "s1", "id": "1", "at": 1_700_000_000_000, "text": "My cat is Tom."}
ASKED: Row = {"user": "ann", "question": "What is my cat's name?", "evidence": ["1"]}


def data(folder: Path, said: bytes | list[Row] | None = None, asked: bytes | list[Row] | None = None) -> Path:
    """A data set, of rows or of the bytes of a file."""
    folder.mkdir(exist_ok=True)
    for name, given, usual in (("conversations", said, SAID), ("questions", asked, ASKED)):
        rows = [usual] if given is None else given
        whole = rows if isinstance(rows, bytes) else "\n".join(map(json.dumps, rows)).encode()
        (folder / f"{name}.jsonl").write_bytes(whole)
    return folder


async def test_the_databases_of_the_user_stay_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here, named = tmp_path / "here", tmp_path / "named.db"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("DUIHUA_DATABASE_URL", f"sqlite+aiosqlite:///{named}")
    await bench(data(tmp_path / "data"), blend=True)
    assert "blend, own: any@10 100.0%" in capsys.readouterr().out
    assert list(here.iterdir()) == []
    assert not named.exists()


@pytest.mark.parametrize(
    ("said", "asked", "where", "why"),
    [
        (b"", None, "conversations.jsonl", "the file has no turns"),
        (None, b"\n", "questions.jsonl", "the file has no questions"),
        (None, [{**ASKED, "evidence": None}], "questions.jsonl", "no question has evidence"),
        ([SAID, {**SAID, "id": "2", "text": None}], None, "conversations.jsonl:2", "'text' is missing"),
        ([{**SAID, "text": 3}], None, "conversations.jsonl:1", "'text' is not a string"),
        ([{**SAID, "text": "\ud800"}], None, "conversations.jsonl:1", "half of a surrogate pair"),
        ([{**SAID, "at": "8 May 2023"}], None, "conversations.jsonl:1", "ms since 1970: '8 May 2023'"),
        ([{**SAID, "at": float("nan")}], None, "conversations.jsonl:1", "ms since 1970: nan"),
        ([{**SAID, "at": 10**400}], None, "conversations.jsonl:1", "ms since 1970: 1000"),
        ([{**SAID, "at": True}], None, "conversations.jsonl:1", "ms since 1970: True"),
        ([{**SAID, "at": {"ms": 1}}], None, "conversations.jsonl:1", "ms since 1970: {'ms'"),
        ([{**SAID, "id": 1.5}], None, "conversations.jsonl:1", "'id' is neither a string nor"),
        ([SAID, SAID], None, "conversations.jsonl:2", "conversations.jsonl:1 too"),
        (b'\n{"user": ', None, "conversations.jsonl:2", "not JSON"),
        (b"[" * 100_000, None, "conversations.jsonl:1", "not JSON"),
        (b"[1]", None, "conversations.jsonl:1", "not a JSON object"),
        ("{}".encode("utf-16"), None, "conversations.jsonl:1", "not in UTF-8"),
        (None, [{**ASKED, "user": "bob"}], "questions.jsonl:1", "user 'bob' has no turn"),
        (None, [{**ASKED, "question": None}], "questions.jsonl:1", "'question' is missing"),
    ],
)
def test_wrong_data_ends_in_a_line_that_says_where(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    said: bytes | list[Row] | None,
    asked: bytes | list[Row] | None,
    where: str,
    why: str,
) -> None:
    assert main([str(data(tmp_path, said, asked))]) == 2
    out, error = capsys.readouterr()
    assert (out, error.count("\n")) == ("", 1)
    assert error.startswith(f"{tmp_path / where}: ")
    assert why in error


def test_a_folder_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err == f"{tmp_path}/none/conversations.jsonl: No such file or directory\n"


def test_evidence_that_is_not_there_is_counted_as_not_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = data(tmp_path, asked=[ASKED, {**ASKED, "evidence": ["1", "9", "8"]}])
    assert main([str(folder), "--no-blend"]) == 0
    out, error = capsys.readouterr()
    assert "own: recall@1/5/10/20 66.7%" in out
    assert error.startswith(f"{folder}: 2 of 4 names in evidence ")
    assert error.count("\n") == 1


def test_targets_are_of_the_practice_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = data(tmp_path, asked=[{**ASKED, "evidence": "9"}])
    assert main([str(folder), "--no-blend"]) == 0
    assert "below 93%" not in capsys.readouterr().err
    assert main([str(folder), "--no-blend", "--check"]) == 1
    assert "own: any@5 is 0.0%, below 93%\n" in capsys.readouterr().err


def test_what_is_left_out_may_be_null_and_a_mark_may_lead_the_file(tmp_path: Path) -> None:
    bare = {"user": "ann", "id": 1, "session": None, "at": None, "speaker": None, "text": "Hi", "reply": None}
    marked = codecs.BOM_UTF8 + json.dumps(bare).encode() + b"\r\n"
    asked = {**ASKED, "evidence": "10", "at": None, "asker": None}
    lines, questions = read(data(tmp_path, marked, [asked, {**asked, "evidence": 0}]))
    assert lines == [Line("ann", "1970-01-01", ("1",), 60_000, "", "Hi", "")]
    assert [(one.evidence, one.at, one.asker) for one in questions] == [
        (("10",), 120_000, ""),
        (("0",), 120_000, ""),
    ]


def test_a_name_of_a_line_and_of_a_session_means_the_line() -> None:
    lines = [
        Line("ann", session, (id_,), 0, "", "", "") for session, id_ in (("a", "x"), ("b", "a"), ("a", "y"))
    ]
    assert places(lines) == {
        ("ann", "x"): {(1, 1)},
        ("ann", "a"): {(2, 1)},
        ("ann", "y"): {(1, 2)},
        ("ann", "b"): {(2, 1)},
    }
