"""Numbers: what is exact is a fraction, all else a decimal of 34 digits; none grows without end."""

from __future__ import annotations

from decimal import Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from fractions import Fraction

Number = Fraction | Decimal

BITS = 4096
"""Of a whole number, at most: about 1,200 digits."""
_TRAPS = [InvalidOperation, DivisionByZero, Overflow]
EXACT = Context(prec=34, Emax=9999, Emin=-9999, traps=_TRAPS)
"""Decimals are counted in this context: `with localcontext(EXACT)`."""
CLEAN = Context(prec=30, Emax=9999, Emin=-9999, traps=_TRAPS)
"""Hides the last digits of a series, which are never right."""


def literal(text: str) -> Number:
    """A number as it is written: 0.1 is a tenth; with an `e` far away it stays short."""
    if text.isdecimal():
        return Fraction(int(text))
    number = EXACT.create_decimal(text)
    return Fraction(number) if abs(number.adjusted()) <= 30 else number


def decimal(value: Number) -> Decimal:
    """A number with 34 digits."""
    if isinstance(value, Decimal):
        return value
    return EXACT.divide(Decimal(value.numerator), Decimal(value.denominator))


def bounded(value: Number | int) -> Number:
    """A fraction that grew long becomes a decimal.

    Raises:
        OverflowError: a whole number grew too long.
    """
    if isinstance(value, Decimal):
        return value
    if max(value.numerator.bit_length(), value.denominator.bit_length()) <= BITS:
        return Fraction(value)
    if value.denominator == 1:
        raise OverflowError
    return decimal(Fraction(value))
