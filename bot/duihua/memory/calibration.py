"""What a model's tokenizer counts where the estimate says so much: learnt from the `usage` that comes back.

A request is four parts of its estimate: text beyond ASCII, other text, the frames of its messages, and the
schemas of skills. Recursive least squares finds what each is in the model's own tokens. It forgets, so that a
model which changes under its name is followed. What it says is corrected by how far off it was the last time
for this session, as most of a request was in the last one too, and raised by a margin, so that it is hardly
ever too low.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, exp, isfinite, log, sqrt
from operator import mul
from typing import Any, NamedTuple

import orjson

from duihua.fragments import PER_MESSAGE
from duihua.memory.window import HIGH
from duihua.ports import Packed
from duihua.tokens import HAN, HAN_PUNCTUATION

FORGETTING = 0.97
"""What an observation still weighs after the next one: about 33 requests are remembered."""
LEAST_WEIGHT, MOST_WEIGHT = 0.05, 20.0
"""Tokens of the model per estimated token, for one part alone."""
LEAST_SCALE, MOST_SCALE = 0.5, 20.0
"""The same for a whole request: no tokenizer needs less, whatever a platform reports."""
MARGIN = 3.0
"""How many standard deviations a safe count lies above the expected one."""
PRIOR, FLOOR = 0.12, 0.015
"""Standard deviation of the count's logarithm: before anything is known, and at best."""
STEP = 1.03
"""Scales are powers of this: one that trembled would give the same conversation another size each time."""
FIRST, CAREFUL = 5, 4 / 3
"""The first requests of a model, which fill at most three quarters of the limit."""
MOST_BIAS = 0.5
"""How far off a session may be, as a logarithm; what is farther off is not believed at once."""
STUBBORN = 8
"""So many unbelievable counts in a row are believed: it is another tokenizer under the same name."""

_SMALL = 32  # tokens: so much more or less says little, so a short request teaches little
_NOISE = 0.03**2  # variance of an observation, relative
_UNSURE = (
    0.09,
    0.09,
    0.01,
    0.25,
)  # of the weights, at first and at most: what is unseen would grow on
_RATE = 0.05  # at which variances are renewed
_SAMPLE = 16_384  # bytes of a request that are looked at
_CLOSE = 0.8  # of the limit: below it a request fits, if it is much like the last one
_ANY = 0.3  # of the limit: below it any request fits, and no window has moved too soon
_FORMAT = 1
_MARKS = "，。、：？！"
_PARTS = range(4)
_LOG_STEP = log(STEP)


class Features(NamedTuple):
    """A request in estimated tokens: text beyond ASCII, other text, frames of messages, schemas of skills."""

    cjk: float
    other: float
    frames: float
    schemas: float = 0.0

    @property
    def total(self) -> float:
        """The whole estimate."""
        return sum(self)


def features(packed: Packed) -> Features:
    """What a request without images consists of; of a long one some messages are looked at, evenly spread."""
    messages, system = packed.messages, packed.system
    size = sum(map(len, messages)) + len(system)
    step = (size // _SAMPLE + 1) | 1  # odd, or else of questions and answers it would see only one
    text = b"".join(messages[::step]) + system[:_SAMPLE]
    words = text.decode("utf-8", "replace")
    beyond = (len(text) - len(words)) / 2  # a character of three bytes is two more than one
    marks = sum(map(words.count, _MARKS)) if beyond else 0
    share = size / len(text) if text else 0.0
    total = max(0.0, packed.tokens / packed.scale - packed.schemas)
    frames = min(total, float(PER_MESSAGE * (len(messages) + bool(system))))
    cjk = min(total - frames, share * (HAN * beyond + (HAN_PUNCTUATION - HAN) * marks))
    return Features(cjk, total - frames - cjk, frames, packed.schemas)


Row = tuple[float, ...]

_EVEN = Features(1.0, 1.0, 1.0)
_START = tuple(tuple(_UNSURE[i] if i == j else 0.0 for j in _PARTS) for i in _PARTS)


@dataclass(frozen=True, slots=True)
class Calibration:
    """What is known of one model's tokenizer; a new one follows from each observation.

    A `bias` is how far off the expected count of a session was the last time (`bias()`); None if that is not
    known.

    Attributes:
        weights: the model's tokens per estimated token of each part of `Features`.
        covariance: of the weights, four rows.
        variance: of the logarithm of the true count over the expected one.
        steady: the same, where the session's bias was known.
        count: observations so far.
        odd: observations in a row that were too far off to be believed.
        last: the request that was learnt from last.
    """

    weights: Row = (1.0, 1.0, 1.0, 1.0)
    covariance: tuple[Row, ...] = _START
    variance: float = PRIOR**2
    steady: float = PRIOR**2
    count: int = 0
    odd: int = 0
    last: Features = _EVEN

    def expected(self, request: Features) -> float:
        """The model's tokens of a request, most likely."""
        return sum(map(mul, self.weights, request))

    def bias(self, request: Features, tokens: int) -> float:
        """How far off the expected count is from the platform's, as a logarithm, at most `MOST_BIAS`."""
        return max(-MOST_BIAS, min(MOST_BIAS, self._residual(request, tokens)))

    def scale(self, request: Features | None = None, bias: float | None = None) -> float:
        """Tokens of the model per estimated token that a request hardly ever exceeds; a power of `STEP`.

        Args:
            request: one of this kind; None: as the last one.
            bias: of the session.
        """
        request = request or self.last
        total = request.total
        if total <= 0:
            return 1.0
        expected = self.expected(request)
        if bias is None:
            unsure = sum(map(mul, request, _product(self.covariance, request))) / (expected + _SMALL) ** 2
            deviation, bias = sqrt(max(self.variance, FLOOR**2) + max(0.0, unsure)), 0.0
        else:
            deviation = max(sqrt(self.steady), FLOOR)
        safe = expected / total * exp(MARGIN * deviation + bias)
        if self.count < FIRST:
            safe = max(safe, CAREFUL)
        return STEP ** ceil(log(max(LEAST_SCALE, min(MOST_SCALE, safe))) / _LOG_STEP - 1e-9)

    def learnt(self, request: Features, tokens: int, bias: float | None = None) -> Calibration:
        """What is known once the platform has counted `tokens`; the same as before if that cannot be true."""
        total = request.total
        if tokens <= 0 or not total / 8 - _SMALL < tokens < 8 * (total + 4 * _SMALL):
            return self
        residual = self._residual(request, tokens)
        known = self
        if self.count >= FIRST and abs(residual - (bias or 0.0)) > MOST_BIAS:
            if self.odd + 1 < STUBBORN:
                return replace(self, odd=self.odd + 1)
            known = replace(self, covariance=_START)
        norm = total + _SMALL
        error = (tokens - self.expected(request)) / norm
        weights, covariance = known._updated([part / norm for part in request], error)
        rate = max(_RATE, 1 / (self.count + 3))
        residual = max(-MOST_BIAS, min(MOST_BIAS, residual))
        variance, steady = self.variance, self.steady
        if bias is None:
            variance += rate * (residual**2 - variance)
        else:  # a session's residuals are much alike: they say less of those of others
            variance += rate / 4 * (residual**2 - variance)
            steady += rate * ((residual - bias) ** 2 - steady)
        return Calibration(weights, covariance, variance, steady, self.count + 1, 0, request)

    def dump(self) -> bytes:
        """A few bytes of JSON."""
        upper = [self.covariance[i][j] for i in _PARTS for j in range(i, len(_PARTS))]
        numbers = (*self.weights, *upper, self.variance, self.steady, *self.last)
        return orjson.dumps([_FORMAT, self.count, *(float(f"{number:.5g}") for number in numbers)])

    @classmethod
    def load(cls, data: bytes | None) -> Calibration:
        """What `dump` wrote; if that is damaged or of another format, nothing is known."""
        try:
            value: Any = orjson.loads(data or b"null")
        except orjson.JSONDecodeError:
            return cls()
        match value:
            case [int(form), int(count), *numbers] if form == _FORMAT and count >= 0 and len(numbers) == 20:
                return cls._of(count, numbers) if _are_finite(numbers) else cls()
            case _:
                return cls()

    @classmethod
    def _of(cls, count: int, numbers: list[float]) -> Calibration:
        weights, upper, (variance, steady), last = numbers[:4], numbers[4:14], numbers[14:16], numbers[16:]
        cells = iter(upper)
        square = [[0.0] * 4 for _ in _PARTS]
        for i in _PARTS:
            for j in range(i, 4):
                square[i][j] = square[j][i] = next(cells)
        sound = (
            all(LEAST_WEIGHT <= weight <= MOST_WEIGHT for weight in weights)
            and all(0 <= v <= 1 for v in (variance, steady))
            and min(last) >= 0
            and all(0 <= square[i][i] <= 1.01 * _UNSURE[i] for i in _PARTS)
            and all(square[i][j] ** 2 <= 1.01 * square[i][i] * square[j][j] for i in _PARTS for j in _PARTS)
        )
        if not sound:
            return cls()
        covariance = tuple(tuple(map(float, row)) for row in square)
        return cls(tuple(map(float, weights)), covariance, variance, steady, count, 0, Features(*last))

    def _residual(self, request: Features, tokens: int) -> float:
        return log((max(0, tokens) + _SMALL) / (self.expected(request) + _SMALL))

    def _updated(self, x: Sequence[float], error: float) -> tuple[Row, tuple[Row, ...]]:
        """Weights and covariance after one step of the least squares; `error` and `x` are relative."""
        px = _product(self.covariance, x)
        divisor = FORGETTING * _NOISE + max(0.0, sum(map(mul, x, px)))
        step = error / divisor
        weights = tuple(
            max(LEAST_WEIGHT, min(MOST_WEIGHT, weight + p * step))
            for weight, p in zip(self.weights, px, strict=True)
        )
        rows = [
            [(cell - p * q / divisor) / FORGETTING for cell, q in zip(row, px, strict=True)]
            for row, p in zip(self.covariance, px, strict=True)
        ]
        held = [
            sqrt(most / max(most, row[i])) for i, (row, most) in enumerate(zip(rows, _UNSURE, strict=True))
        ]
        covariance = tuple(
            tuple(cell * h * k for cell, k in zip(row, held, strict=True))
            for row, h in zip(rows, held, strict=True)
        )
        return weights, covariance


def corrected(known: Calibration, packed: Packed, limit: int | None, bias: float | None) -> float | None:
    """The scale to pack with once more, because the request is not of the kind that it was packed for.

    Args:
        known: of the model.
        packed: without images.
        limit: tokens of the request; None: any number.
        bias: of the session; with one, it was packed like the session's last request.

    Returns:
        None if the request is right as it is, or far from the limit, or nothing is known that is better.
    """
    if not known.count or limit is None or packed.tokens < limit * (_ANY if bias is None else _CLOSE):
        return None
    scale = known.scale(features(packed), bias)
    return None if scale == packed.scale else scale


def rescaled(packed: Packed, scale: float, limit: int | None) -> Packed | None:
    """The same request by another scale; None if its window would move then, or was cut by the old scale.

    Args:
        packed: without images.
        scale: what it should have been packed with.
        limit: tokens of the request; None: any number.
    """
    tokens = ceil(packed.tokens / packed.scale * scale)
    if limit is not None and max(tokens, packed.tokens) > limit * HIGH:
        return None
    return replace(packed, tokens=tokens, scale=scale)


def _product(rows: tuple[Row, ...], x: Sequence[float]) -> list[float]:
    return [sum(map(mul, row, x)) for row in rows]


def _are_finite(numbers: list[Any]) -> bool:
    return all(type(number) in (int, float) and isfinite(number) for number in numbers)
