"""What is learnt of a model's tokenizer, and that requests packed by it fit."""

from __future__ import annotations

import random
from math import log

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duihua.dialect import ChatDialect
from duihua.memory.calibration import (
    CAREFUL,
    LEAST_SCALE,
    LEAST_WEIGHT,
    MOST_SCALE,
    MOST_WEIGHT,
    STEP,
    STUBBORN,
    Calibration,
    Features,
    corrected,
    features,
    rescaled,
)
from duihua.messages import Step, Text, Turn, TurnRef
from duihua.ports import Limits, Packed, ToolSpec
from duihua.tokens import estimate
from tests.strategies import conversations, systems, tools

WIDE = ChatDialect("any/model", Limits(None, None), Limits(None, None), system="field")
ZH, EN = "今天天气怎么样，我们去公园走走吧。", "How is the weather today? Let us go to the park. "
parts = st.floats(0, 50_000)
requests = st.builds(Features, parts, parts, parts, parts)


def request(rng: random.Random) -> Features:
    size = rng.randint(50, 5_000)
    share = rng.random()
    return Features(size * share, size * (1 - share), 4.0 * rng.randint(1, 60), rng.choice((0.0, 300.0)))


def taught(weights: tuple[float, ...], count: int = 60, noise: float = 0.0, seed: int = 7) -> Calibration:
    """What is known of a tokenizer of these weights after some requests."""
    rng, known = random.Random(seed), Calibration()
    for _ in range(count):
        asked = request(rng)
        known = known.learnt(asked, true(weights, asked, rng.gauss(0, noise)))
    return known


def true(weights: tuple[float, ...], asked: Features, noise: float = 0.0) -> int:
    return max(1, round(sum(w * part for w, part in zip(weights, asked, strict=True)) * (1 + noise)))


def of_text(*texts: str) -> Packed:
    turns = [
        Turn(TurnRef(1, n + 1), n, None, (Text(text),), (Step((Text(text),)),), "done")
        for n, text in enumerate(texts)
    ]
    return WIDE.pack("", [*turns, Turn(TurnRef(1, 99), 98, None, (Text("?"),), (), "running")])


# ---------------------------------------------------------------- features


def test_the_parts_are_those_of_the_estimate() -> None:
    packed = of_text(ZH * 9, EN * 9, '{"a": 1}\n')
    found = features(packed)
    assert found.total == pytest.approx(packed.tokens, abs=1)
    assert found.frames == 4 * 7
    assert found.cjk == pytest.approx(2 * estimate(ZH * 9), rel=0.02)


def test_a_long_request_is_sampled() -> None:
    found = features(of_text(*[ZH * 20, EN * 20] * 60))
    assert found.cjk == pytest.approx(120 * estimate(ZH * 20), rel=0.15)


@settings(max_examples=12)
@given(systems, conversations(most=6), tools, st.floats(0.5, 3))
def test_no_part_is_negative_and_no_scale_matters(
    system: str, turns: object, tools: object, scale: float
) -> None:
    packed = ChatDialect("a/b", Limits(None, 500), Limits(None, 500)).pack(system, turns, tools, scale=scale)  # type: ignore[arg-type]
    found = features(packed)
    assert min(found) >= 0
    assert found.total == pytest.approx(packed.tokens / scale, abs=1 / scale + 0.01)


def test_schemas_are_a_part_of_their_own() -> None:
    tool = ToolSpec("clock", "What time it is.", {"type": "object"})
    turn = Turn(TurnRef(1, 1), 0, None, (Text("hi"),), (), "running")
    without, offered = features(WIDE.pack("", [turn])), features(WIDE.pack("", [turn], [tool]))
    assert offered.schemas > 10
    assert offered[:3] == pytest.approx(without[:3], abs=1)


# ---------------------------------------------------------------- learning


@pytest.mark.parametrize("weights", [(1.5, 1.5, 1.5, 1.5), (2.6, 0.9, 1.2, 1.0), (0.6, 1.1, 0.8, 0.3)])
def test_it_converges(weights: tuple[float, ...]) -> None:
    known, rng = taught(weights), random.Random(1)
    for _ in range(20):
        asked = request(rng)
        ratio = known.scale(asked) * asked.total / true(weights, asked)
        assert 1 <= ratio < 1.2


def test_it_is_careful_at_first() -> None:
    known = Calibration()
    for _ in range(5):
        assert known.scale(Features(500, 500, 40)) >= CAREFUL
        known = known.learnt(Features(500, 500, 40), 1_000)
    for _ in range(30):
        known = known.learnt(Features(500, 500, 40), 1_000)
    assert known.scale() < 1.1


def test_a_model_that_changes_is_followed() -> None:
    known = taught((1.0, 1.0, 1.0, 1.0))
    rng = random.Random(2)
    for _ in range(STUBBORN + 40):
        asked = request(rng)
        known = known.learnt(asked, true((2.2, 2.2, 2.2, 2.2), asked))
    assert known.scale(Features(1_000, 1_000, 100)) == pytest.approx(2.2, rel=0.35)


def test_an_absurd_count_now_and_then_changes_little() -> None:
    known = taught((1.2, 1.2, 1.2, 1.2), noise=0.02)
    usual, rng = Features(1_000, 1_000, 100), random.Random(3)
    before = known.scale(usual)
    for _ in range(20):
        asked = request(rng)
        known = known.learnt(asked, rng.choice((0, -5, 1, 3 * int(asked.total), 10**9)))
        assert known.scale(usual) == pytest.approx(before, rel=0.06)
        known = known.learnt(asked, true((1.2,) * 4, asked, rng.gauss(0, 0.02)))


def test_what_a_session_was_off_by_is_made_good() -> None:
    """A language that the weights do not tell apart is counted right in the sessions that speak it."""
    known, bias, rng = taught((1.0,) * 4, noise=0.02), None, random.Random(4)
    for _ in range(20):
        asked = request(rng)
        tokens = true((1.4,) * 4, asked)
        ratio = known.scale(asked, bias) * asked.total / tokens
        known, bias = known.learnt(asked, tokens, bias), known.bias(asked, tokens)
        other = request(rng)
        known = known.learnt(other, true((1.0,) * 4, other), 0.0)
    assert 1 <= ratio < 1.5


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(requests, st.integers(-10, 10**6), st.sampled_from((None, 0.0, 0.5, -0.5))), max_size=30
    )
)
def test_nothing_leaves_its_bounds(observed: list[tuple[Features, int, float | None]]) -> None:
    known = Calibration()
    for asked, tokens, bias in observed:
        known = known.learnt(asked, tokens, bias)
        assert all(LEAST_WEIGHT <= weight <= MOST_WEIGHT for weight in known.weights)
        for scale in (known.scale(asked, bias), known.scale()):
            assert LEAST_SCALE <= scale <= MOST_SCALE * STEP
            assert log(scale) / log(STEP) == pytest.approx(round(log(scale) / log(STEP)), abs=1e-6)
    assert Calibration.load(known.dump()).count == known.count


# ---------------------------------------------------------------- kept


def test_what_is_kept_is_small_and_tells_the_same() -> None:
    known = taught((2.0, 1.0, 1.0, 1.0), noise=0.03)
    again, asked = Calibration.load(known.dump()), Features(1_000, 500, 50)
    assert len(known.dump()) < 300
    assert again.scale(asked) == pytest.approx(known.scale(asked), rel=STEP - 1)
    assert again.count == known.count


@pytest.mark.parametrize(
    "data", [None, b"", b"{", b"[]", b"null", b"[2,1]", b'[1,"x"]', b"[1,1" + b",1e999" * 20 + b"]", b"\xff"]
)
def test_what_is_damaged_is_as_if_nothing_were_known(data: bytes | None) -> None:
    assert Calibration.load(data) == Calibration()


@settings(max_examples=40)
@given(st.integers(2, 21), st.sampled_from((None, True, "1", -1, 1e9, -1e9, [], {})))
def test_one_wrong_number_does_no_harm(place: int, value: object) -> None:
    numbers = orjson.loads(taught((1.5, 1.0, 1.0, 1.0)).dump())
    numbers[place] = value
    scale = Calibration.load(orjson.dumps(numbers)).scale(Features(1_000, 1_000, 100))
    assert LEAST_SCALE <= scale <= MOST_SCALE * STEP


# ---------------------------------------------------------------- packing by it


@pytest.mark.parametrize("weights", [(1.5, 1.5, 1.5, 1.5), (2.2, 0.9, 1.5, 1.0)])
def test_no_request_is_above_the_limit_once_calibrated(weights: tuple[float, ...]) -> None:
    """Two conversations, in Chinese and in English, with a model that counts far more than is estimated."""
    dialect, known, rng = (
        ChatDialect("a/b", Limits(None, 2_000), Limits(None, 2_000)),
        Calibration(),
        random.Random(5),
    )
    starts, biases, counts = [0, 0], list[float | None]([None, None]), list[int]()
    pasts: list[list[Turn]] = [[], []]
    lasts: list[Features | None] = [None, None]
    for number in range(160):
        one = number % 2
        text = (ZH, EN)[one] * rng.randint(1, 6)
        turn = Turn(TurnRef(one, len(pasts[one]) + 1), len(pasts[one]), None, (Text(text),), (), "running")
        turns, scale = (*pasts[one], turn), known.scale(lasts[one], biases[one])
        packed = dialect.pack("", turns, start=starts[one], scale=scale)
        if again := corrected(known, packed, 2_000, biases[one]):
            same = rescaled(packed, again, 2_000)
            packed = same or dialect.pack("", turns, start=packed.start, scale=again)
        starts[one] = packed.start
        asked = lasts[one] = features(packed)
        counts.append(true(weights, asked, rng.gauss(0, 0.01)))
        biases[one], known = known.bias(asked, counts[-1]), known.learnt(asked, counts[-1], biases[one])
        pasts[one].append(Turn(turn.ref, turn.parent, None, turn.input, (Step((Text(text),)),), "done"))
    assert max(counts[5:]) <= 2_000
    assert max(counts) > 1_500  # the window is used
