"""`python -m benchmarks.convert_memorybank SOURCE DEST`: MemoryBank's Chinese part for `benchmarks.memory`.

SOURCE holds `memory_bank_cn.json` ({user: {"history": {day: [{"query", "response"}]}}}) and `labels.jsonl`
({"user", "q", "evidence": ["MM-DD#n"]}: the n-th exchange of that day, from 0). The data tells days only: a
day's exchanges are taken as a session from noon on, a minute apart, and questions are asked the day after
the last.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any


def convert(source: Path, dest: Path) -> tuple[int, int]:
    """Writes the data set; returns how many turns and questions it has."""
    bank = json.loads((source / "memory_bank_cn.json").read_text("utf-8"))
    lines: list[dict[str, Any]] = []
    ends: dict[str, datetime] = {}
    for user, person in bank.items():
        for day, exchanges in sorted(person["history"].items()):
            noon = datetime.fromisoformat(day).replace(hour=12, tzinfo=UTC)
            ends[user] = noon + timedelta(days=1)
            for number, exchange in enumerate(exchanges):
                at = noon + timedelta(minutes=number)
                name = {"user": user, "session": day, "id": f"{day[5:]}#{number}", "at": at.isoformat()}
                said = {"speaker": user, "text": exchange["query"], "reply": exchange["response"]}
                lines.append(name | said)
    questions: list[dict[str, Any]] = []
    for label in map(json.loads, (source / "labels.jsonl").read_text("utf-8").splitlines()):
        user = label["user"]
        asked = {"user": user, "question": label["q"], "evidence": label["evidence"]}
        questions.append(asked | {"at": ends[user].isoformat(), "asker": user})
    dest.mkdir(parents=True, exist_ok=True)
    for name, rows in (("conversations", lines), ("questions", questions)):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (dest / f"{name}.jsonl").write_text(text, "utf-8")
    return len(lines), len(questions)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python -m benchmarks.convert_memorybank SOURCE DEST")
    turns, questions = convert(Path(sys.argv[1]), Path(sys.argv[2]))
    print(f"{turns} turns, {questions} questions")
