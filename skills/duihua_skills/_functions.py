"""What a calculator can do: operators, functions and constants by their names."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction
from functools import partial, reduce

from duihua.skills.contract import SkillError
from duihua_skills._numbers import BITS, CLEAN, EXACT, Number, bounded, decimal

_PLACES = 30  # of `round`, at most


def _either(
    exact: Callable[[Fraction, Fraction], Fraction], long: Callable[[Decimal, Decimal], Decimal]
) -> Callable[[Number, Number], Number]:
    """For two fractions, or with a decimal among them: Python does not mix them."""

    def apply(a: Number, b: Number) -> Number:
        if isinstance(a, Fraction) and isinstance(b, Fraction):
            return bounded(exact(a, b))
        return long(decimal(a), decimal(b))

    return apply


def _power(base: Number, exponent: Number) -> Number:
    if base == 0 and exponent < 0:
        raise ZeroDivisionError
    if isinstance(base, Fraction) and isinstance(exponent, Fraction) and exponent.denominator == 1:
        bits = max(base.numerator.bit_length(), base.denominator.bit_length()) - 1
        if bits * abs(exponent) <= BITS:  # never counted first and looked at then
            return bounded(base**exponent.numerator)
        if base.denominator == 1 and exponent > 0:
            raise OverflowError
    return EXACT.power(decimal(base), decimal(exponent))


def _series(function: Callable[[Decimal], Decimal]) -> Callable[[Number], Number]:
    return lambda value: CLEAN.plus(function(decimal(value)))


def _cbrt(value: Number) -> Number:
    root = CLEAN.plus(EXACT.power(decimal(abs(value)), decimal(Fraction(1, 3))))
    return root if value >= 0 else -root


def _log(value: Number, base: Number | None = None) -> Number:
    if value <= 0 or (base is not None and (base <= 0 or base == 1)):
        raise ValueError
    natural = EXACT.ln(decimal(value))
    return CLEAN.plus(natural if base is None else EXACT.divide(natural, EXACT.ln(decimal(base))))


def _abs(value: Number) -> Number:
    return abs(value)


def _round(value: Number, digits: Number = Fraction()) -> Number:
    """Half away from zero, as people do."""
    if abs(digits) > _PLACES:
        raise OverflowError
    scale = Fraction(10) ** _whole(digits)
    rounded = math.floor(abs(Fraction(value)) * scale + Fraction(1, 2)) / scale
    return rounded if value >= 0 else -rounded


def _whole(value: Number) -> int:
    if value != int(value):
        raise SkillError(f"a whole number is needed, not {decimal(value):.10g}")
    return int(value)


def _factorial(value: Number) -> int:
    if value > 500:
        raise OverflowError
    return math.factorial(_whole(value))


def _tan(angle: float) -> float:
    if abs(math.cos(angle)) < 1e-15:
        raise ValueError
    return math.tan(angle)


def _float(function: Callable[[float], float]) -> Callable[[Number], Number]:
    def apply(value: Number) -> Number:
        result = function(float(value))
        if math.isinf(result):
            raise OverflowError
        # sin(pi) is 0, although the nearest float of pi is not quite pi
        return Decimal(0 if abs(result) < 1e-15 and abs(value) > 1e-9 else f"{result:.15g}")

    return apply


def _all(function: Callable[[Sequence[Number]], Number | int]) -> Callable[..., Number | int]:
    return lambda *values: function(values)


_add = _either(lambda a, b: a + b, EXACT.add)
OPERATORS: dict[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: _add,
    ast.Sub: _either(lambda a, b: a - b, EXACT.subtract),
    ast.Mult: _either(lambda a, b: a * b, EXACT.multiply),
    ast.Div: _either(lambda a, b: a / b, EXACT.divide),
    ast.FloorDiv: lambda a, b: bounded(Fraction(a) // Fraction(b)),
    ast.Mod: lambda a, b: bounded(Fraction(a) % Fraction(b)),
    ast.Pow: _power,
}
CONSTANTS: dict[str, Number] = {
    "pi": Decimal("3.141592653589793238462643383279503"),
    "e": Decimal("2.718281828459045235360287471352662"),
}
_FLOATS = (math.sin, math.cos, _tan, math.asin, math.acos, math.atan, math.degrees, math.radians)
FUNCTIONS: dict[str, tuple[Callable[..., Number | int], int, int]] = {  # with the least and most arguments
    "sqrt": (_series(EXACT.sqrt), 1, 1),
    "cbrt": (_cbrt, 1, 1),
    "exp": (_series(EXACT.exp), 1, 1),
    "ln": (_log, 1, 1),
    "log": (_log, 1, 2),
    "log2": (partial(_log, base=Fraction(2)), 1, 1),
    "log10": (partial(_log, base=Fraction(10)), 1, 1),
    **{function.__name__.lstrip("_"): (_float(function), 1, 1) for function in _FLOATS},
    "abs": (_abs, 1, 1),
    "round": (_round, 1, 2),
    "floor": (math.floor, 1, 1),
    "ceil": (math.ceil, 1, 1),
    "min": (_all(min), 1, 100),
    "max": (_all(max), 1, 100),
    "sum": (_all(lambda values: reduce(_add, values)), 1, 100),
    "gcd": (_all(lambda values: math.gcd(*map(_whole, values))), 2, 100),
    "lcm": (_all(lambda values: math.lcm(*map(_whole, values))), 2, 100),
    "factorial": (_factorial, 1, 1),
    "pow": (_power, 2, 2),
}
