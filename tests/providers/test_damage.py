"""Answers as the simulator streams them, cut at every byte and damaged at random."""

from __future__ import annotations

import random

import pytest

from duihua.ports import Finish, TextDelta
from tests.providers.damage import damage, finding
from tests.providers.recorded import KINDS, Kind, read, recorded, sense

_ANSWERS: dict[str, list[bytes]] = {}  # the simulator's clock stands still: they are the same each time


@pytest.fixture(params=KINDS)
async def platform(request: pytest.FixtureRequest) -> tuple[Kind, list[bytes]]:
    kind = str(request.param)
    if kind not in _ANSWERS:
        _ANSWERS[kind] = await recorded(kind, stream=True) + await recorded(kind, stream=False)
    return KINDS[kind], _ANSWERS[kind]


async def test_an_answer_cut_at_any_byte_says_the_same(platform: tuple[Kind, list[bytes]]) -> None:
    kind, streams = platform
    said = ""
    for data in streams:
        whole, error = read(kind.make(), data)
        assert (error is not None) == any(mark in data for mark in kind.failures)
        said += "".join(d.text for d in whole if isinstance(d, TextDelta))
        meaning, reason = sense(whole), str(error)
        for at in range(1, len(data)):
            deltas, problem = read(kind.make(), data[:at], data[at:])
            assert sense(deltas) == meaning
            assert str(problem) == reason
    assert "小明" in said


async def test_an_answer_that_ends_at_any_byte_is_no_whole_one(platform: tuple[Kind, list[bytes]]) -> None:
    kind, streams = platform
    for data in streams:
        full = sense(read(kind.make(), data)[0])[0]
        assert isinstance(full, str)
        for at in range(len(data)):
            deltas, error = read(kind.make(), data[:at])
            assert error is not None or isinstance(deltas[-1], Finish)
            assert full.startswith(str(sense(deltas)[0]))


async def test_damage_raises_nothing_and_invents_nothing(platform: tuple[Kind, list[bytes]]) -> None:
    kind, streams = platform
    seed = 20261121
    print(f"seed {seed}")
    rng = random.Random(seed)
    for _ in range(2_000):  # `make fuzz` tries many more
        data = damage(rng, streams)
        assert finding(kind, data, rng.randrange(len(data) + 1)) == "", data
