"""Arithmetic, exactly and without `eval`: what people type is parsed, every node is checked and bounded."""

from __future__ import annotations

import ast
from decimal import ROUND_HALF_UP, Context, DecimalException, Overflow, localcontext
from fractions import Fraction
from typing import Annotated

from pydantic import Field

from duihua.skills.contract import SkillError
from duihua.skills.schema import skill
from duihua_skills._functions import CONSTANTS, FUNCTIONS, OPERATORS
from duihua_skills._notation import plain
from duihua_skills._numbers import CLEAN, EXACT, Number, bounded, decimal, literal
from duihua_skills._units import asked, converted

_DEPTH = 300  # levels: a sum of n numbers has n
_SHORT = Context(prec=15, rounding=ROUND_HALF_UP, Emax=9999, Emin=-9999)


@skill(effect="read", timeout=5, title={"zh": "计算", "en": "Calculating"})
async def calculator(
    expression: Annotated[
        str,
        Field(
            description="For example (3+4)*5, 2^10, 15% * 80, 7 % 3, 5!, sqrt(2). Functions: sqrt cbrt exp "
            "ln log(x, base) log2 log10 sin cos tan asin acos atan (radians) degrees radians abs round floor "
            "ceil min max sum gcd lcm factorial pow; constants: pi e. Units: 5 km in miles, 10 f to c, 2斤=kg"
        ),
    ],
) -> str:
    """Calculates exactly: use it for any arithmetic, also when the numbers look easy.

    `log` is natural unless a base is given; `round` rounds half up; `7%` before a sign is seven hundredths.
    """
    # Async without an await: it takes microseconds and is bounded, a thread would cost more.
    if (units := asked(expression)) is not None:
        amount, given, wanted = units
        source = plain(amount)
        value = converted(decimal(calculate(source)), given, wanted)
        return f"{source} {given} = {shown(value.normalize(_SHORT))} {wanted}"
    source = plain(expression)
    return f"{source} = {shown(calculate(source))}"


def calculate(source: str) -> Number:
    """The value of what `plain` returned.

    Raises:
        SkillError: it is no expression, has no real value, or one that is too large.
    """
    try:
        with localcontext(EXACT):
            return _value(ast.parse(source, mode="eval").body, source, _DEPTH)
    except (SyntaxError, RecursionError, MemoryError):
        raise SkillError(f"this is not a complete expression: {source}") from None
    except ZeroDivisionError:
        raise SkillError("division by zero") from None
    except (OverflowError, Overflow):
        raise SkillError("the number becomes too large") from None
    except (DecimalException, ValueError):
        raise SkillError("this has no real value") from None


def shown(value: Number) -> str:
    """A number in full if it ends within 28 digits (exact whole ones always), else with 15."""
    if isinstance(value, Fraction) and value.denominator == 1:
        return str(value.numerator)
    full = decimal(value).normalize(CLEAN)
    short = full if len(full.as_tuple().digits) <= 28 else decimal(value).normalize(_SHORT)
    return format(short, "f") if -7 <= short.adjusted() <= 30 else str(short)


def _value(node: ast.expr, source: str, depth: int) -> Number:
    if not depth:
        raise SkillError("the expression is nested too deeply")
    match node:
        case ast.Constant():  # read from the source: a float has 17 digits at most
            return bounded(literal(source[node.col_offset : node.end_col_offset]))
        case ast.Name(id=name) if name in CONSTANTS:
            return CONSTANTS[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, source, depth - 1)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand, source, depth - 1)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            return OPERATORS[type(op)](_value(left, source, depth - 1), _value(right, source, depth - 1))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in FUNCTIONS:
            function, least, most = FUNCTIONS[name]
            if not least <= len(args) <= most:
                wanted = str(least) if least == most else f"{least} to {most}"
                raise SkillError(f"{name} takes {wanted} numbers, not {len(args)}")
            return bounded(function(*(_value(arg, source, depth - 1) for arg in args)))
        case _:
            raise SkillError(f"this is not arithmetic: {ast.unparse(node)[:60]}")
