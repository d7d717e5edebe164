"""`python -m benchmarks.skills`: what many skills cost, and whether the right one is among those offered.

An engine has the 200 skills of `tests/data/skills.jsonl`; each input of the files beside it is put to
`Session.context`, which packs the request that would be sent. The right skill must be offered, and the
request may cost 1.2 times as much as that of an engine with ten of the skills (in the mean of all tens). The
inputs of the second file were written after the code and are never tuned on. Each file is also talked through
as one conversation, in which every input wants something else: what was offered before stays as far as it
has room. The time is that of choosing alone, in such a conversation.

A line of inputs: `{"say": "...", "skills": ["right", "or also right"], "language": "zh"}`.

`--check` exits with 1 when a goal is missed; of the time only with `--small` left out.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from duihua import ChatEngine, Settings
from duihua.messages import Text, Turn, TurnRef
from duihua.ports import Limits, Skill, ToolSpec
from duihua.skills.choosing import choice_of, chosen
from duihua.testing.scripted import STRICT, ScriptedModel

DATA = Path(__file__).parent.parent / "tests" / "data"
SKILLS = "skills.jsonl"
FILES = ("skill_inputs.jsonl", "skill_inputs_held_out.jsonl")
HITS = 95.0
"""Percent of the inputs for which the right skill must be offered."""
COST = 1.2
"""The prompt with 200 skills may cost so many times that with ten."""
TIME = 0.2
"""Milliseconds that choosing may take for a turn."""
WINDOW = 128_000
"""Tokens of the model's window: it is no window that keeps skills out."""


@dataclass(frozen=True)
class Said:
    """An input, and the skills of which one is right for it."""

    text: str
    skills: frozenset[str]
    language: str


@dataclass(frozen=True)
class Found:
    """What was offered for an input: the names, the tokens of the request, the same in a conversation."""

    said: Said
    offered: tuple[str, ...]
    tokens: int
    later: tuple[str, ...]

    @property
    def hit(self) -> bool:
        return not self.said.skills.isdisjoint(self.offered)

    @property
    def later_hit(self) -> bool:
        return not self.said.skills.isdisjoint(self.later)


async def _nothing(arguments: Mapping[str, Any], context: Any) -> str:
    return ""


def load_skills() -> list[Skill]:
    """The 200 skills; nothing runs."""
    lines = (DATA / SKILLS).read_text(encoding="utf-8").splitlines()
    specs = (json.loads(line) for line in lines)
    return [
        Skill(ToolSpec(s["name"], s["description"], s["parameters"]), _nothing, json.loads) for s in specs
    ]


def load(name: str) -> list[Said]:
    """The inputs of a file."""
    lines = (DATA / name).read_text(encoding="utf-8").splitlines()
    values = (json.loads(line) for line in lines)
    return [Said(v["say"], frozenset(v["skills"]), v["language"]) for v in values]


def _engine(skills: Sequence[Skill]) -> ChatEngine:
    limits = Limits(None, WINDOW)
    model = ScriptedModel((), replace(STRICT, soft=limits, hard=limits))
    settings = Settings.load(env_file=None, database_url="sqlite+aiosqlite://", memory="off", lang="zh")
    return ChatEngine("scripted/any", skills=skills, settings=settings, provider={"scripted": model})


async def judged(skills: Sequence[Skill], inputs: Sequence[Said]) -> list[Found]:
    """What is offered for each input by an engine with these skills."""
    out: list[Found] = []
    past: list[Turn] = []
    choice = choice_of(skills, WINDOW)
    async with _engine(skills) as engine:
        session = engine.session("new")
        for number, said in enumerate(inputs, 1):
            view = await session.context(said.text)
            turn = Turn(TurnRef(1, number), number - 1, input=(Text(said.text),))
            later = tuple(tool.name for tool in chosen(choice, past, turn))
            past.append(turn)
            out.append(Found(said, view.skills, view.tokens, later))
    return out


async def ten(skills: Sequence[Skill], inputs: Sequence[Said]) -> float:
    """Tokens of the request of an engine with ten skills, in the mean of all tens."""
    sums: list[int] = []
    for first in range(0, len(skills), 10):
        async with _engine(skills[first : first + 10]) as engine:
            view = await engine.session("new").context(inputs[first % len(inputs)].text)
            sums.append(view.tokens)
    return sum(sums) / len(sums)


def cpu(skills: Sequence[Skill], inputs: Sequence[Said]) -> float:
    """Milliseconds for choosing in a turn: the median of several conversations' means."""
    choice = choice_of(skills, WINDOW)
    means: list[float] = []
    for _ in range(7):
        past: list[Turn] = []
        begun = time.process_time()
        for number, said in enumerate(inputs, 1):
            turn = Turn(TurnRef(1, number), number - 1, input=(Text(said.text),))
            chosen(choice, past, turn)
            past.append(turn)
        means.append((time.process_time() - begun) / len(inputs))
    return 1000 * sorted(means)[len(means) // 2]


def share(hits: Sequence[bool]) -> float:
    """Percent."""
    return 100 * sum(hits) / max(1, len(hits))


def report(name: str, found: Sequence[Found], few: float, *, verbose: bool) -> None:
    """Prints what was found of a file's inputs."""
    by_language: dict[str, list[bool]] = defaultdict(list)
    for one in found:
        by_language[one.said.language].append(one.hit)
    parts = ", ".join(f"{lang} {sum(hits)}/{len(hits)}" for lang, hits in sorted(by_language.items()))
    mean, most = sum(one.tokens for one in found) / len(found), max(one.tokens for one in found)
    print(
        f"{name}: the right one offered for {share([one.hit for one in found]):.1f} % ({parts}),"
        f" {share([one.later_hit for one in found]):.1f} % within a conversation;"
        f" {mean:.0f} tokens in the mean, {most} at most: {mean / few:.2f} and {most / few:.2f} x"
    )
    for one in found if verbose else ():
        if not (one.hit and one.later_hit):
            print(
                f"  {'missed' if not one.hit else 'later'}  {one.said.text} <- {', '.join(one.said.skills)}"
            )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.skills")
    parser.add_argument("--check", action="store_true", help="fail if a goal is missed")
    parser.add_argument("--small", action="store_true", help="the time is no goal: it is the machine's")
    parser.add_argument("--verbose", action="store_true", help="print each input that was missed")
    args = parser.parse_args()
    skills, halves = load_skills(), [load(name) for name in FILES]
    inputs = [said for half in halves for said in half]
    few = asyncio.run(ten(skills, inputs))
    print(f"10 skills: a request of {few:.0f} tokens in the mean; {len(skills)} skills:")
    good = True
    for name, half in zip(FILES, halves, strict=True):
        found = asyncio.run(judged(skills, half))
        report(name, found, few, verbose=args.verbose)
        good &= share([one.hit for one in found]) >= HITS
        good &= max(one.tokens for one in found) <= COST * few
    spent = cpu(skills, inputs)
    print(f"choosing takes {spent:.3f} ms of CPU a turn")
    good &= args.small or spent < TIME
    return 0 if good or not args.check else 1


if __name__ == "__main__":
    sys.exit(main())
