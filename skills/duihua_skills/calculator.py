"""Arithmetic, exactly and without `eval`: what people type is parsed, every node is checked and bounded."""

from __future__ import annotations

import ast
import math
import re
import unicodedata
from collections.abc import Callable
from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_UP,
    Context,
    Decimal,
    DecimalException,
    DivisionByZero,
    InvalidOperation,
    Overflow,
)
from typing import Annotated

from pydantic import Field

from duihua.skills.contract import SkillError
from duihua.skills.schema import skill
from duihua_skills._units import asked, converted

Number = int | Decimal

_LENGTH = 1_000  # characters
_DEPTH = 300  # levels: a sum of n numbers has n
_BITS = 4096  # of a whole number, about 1,200 digits
_TRAPS = [InvalidOperation, DivisionByZero, Overflow]
_EXACT = Context(prec=34, Emax=9999, Emin=-9999, traps=_TRAPS)
_SERIES = Context(prec=30, Emax=9999, Emin=-9999, traps=_TRAPS)  # hides the last digits of a series
_SHOWN = Context(prec=15, rounding=ROUND_HALF_UP, Emax=9999, Emin=-9999, traps=_TRAPS)

_SIGNS = str.maketrans({"×": "*", "✕": "*", "÷": "/", "−": "-", "–": "-", "＾": "^", "π": "pi"})
_SUPERSCRIPT = re.compile(r"[⁰¹²³⁴-⁹]+")
_ROOT = re.compile(r"√\s*(\d+(?:\.\d+)?)|√(?=\s*\()")
_TIMES = re.compile(r"(?<=[\d)])\s*x\s*(?=[\d(])")
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")
_PERCENT = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*%(?=\s*(?:$|[-+*/),]))")
_FACTORIAL = re.compile(r"(?<![\w.])(\d+)\s*!")
_TOKEN = re.compile(
    r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)|(?P<name>[a-z]\w*)|(?P<sign>\*\*|//|[-+*/%(),])|(?P<other>\S)"
)


@skill(effect="read", timeout=5)
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
        value = _decimal(calculate(plain(amount)))
        return (
            f"{plain(amount)} {given} = {shown(converted(value, given, wanted).normalize(_SHOWN))} {wanted}"
        )
    source = plain(expression)
    return f"{source} = {shown(calculate(source))}"


def plain(expression: str) -> str:
    """What people type, in Python's notation: full-width signs, `×`, `^`, `15%`, `5!`, `1,000`, `2pi`, `=?`.

    Raises:
        SkillError: it is too long, or holds something that is no arithmetic.
    """
    if len(expression) > _LENGTH:
        raise SkillError(f"the expression is too long: {len(expression)} characters, at most {_LENGTH}")
    text = _SUPERSCRIPT.sub(lambda found: f"**{unicodedata.normalize('NFKC', found[0])}", expression)
    text = unicodedata.normalize("NFKC", text.translate(_SIGNS)).lower().strip()
    text = re.sub(r"\bmod\b", "%", text.rstrip("=? ").replace("^", "**"))
    text = _ROOT.sub(lambda found: f"sqrt({found[1]})" if found[1] else "sqrt", text)
    text = text if re.search(r"\b0x", text) else _TIMES.sub("*", text)  # 0x10 is no product
    if not re.search(r"[a-z]", text):  # in max(1,234) the comma means something else
        text = _THOUSANDS.sub(lambda found: found[0].replace(",", ""), text)
    text = _PERCENT.sub(r"(\1/100)", text)
    return _joined(_FACTORIAL.sub(r"factorial(\1)", text))


def calculate(source: str) -> Number:
    """The value of what `plain` returned.

    Raises:
        SkillError: it is no expression, has no real value, or one that is too large.
    """
    try:
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
    """A number in full if it ends within 28 digits (whole ones always), else with 15."""
    if isinstance(value, int):
        return str(value)
    full = value.normalize(_SERIES)
    value = full if len(full.as_tuple().digits) <= 28 else value.normalize(_SHOWN)
    return format(value, "f") if -7 <= value.adjusted() <= 30 else str(value)


def _joined(text: str) -> str:
    """Known tokens only, `*` where people leave it out, no leading zeros: the parser sees nothing else."""
    parts: list[str] = []
    complete = False  # a value ends here
    for token in _TOKEN.finditer(text):
        kind, word = token.lastgroup, token[0]
        if kind == "other" or (kind == "number" and complete):
            raise SkillError(f"{word[:40]!r} is not understood in an expression")
        if kind == "name" and word not in _FUNCTIONS and word not in _CONSTANTS:
            known = ", ".join([*_CONSTANTS, *_FUNCTIONS])
            raise SkillError(f"{word[:40]!r} is not known; these are: {known}")
        if complete and (kind == "name" or word == "("):
            parts.append("*")
        if kind == "number" and word.isdecimal():
            word = word.lstrip("0") or "0"
        binary = kind == "sign" and word not in "()," and complete
        parts.append(f" {word} " if binary and word != "**" else word + " " * (word == ","))
        complete = kind == "number" or word in _CONSTANTS or word == ")"
    return "".join(parts)


def _value(node: ast.expr, source: str, depth: int) -> Number:
    if not depth:
        raise SkillError("the expression is nested too deeply")
    match node:
        case ast.Constant(value=int(whole)):
            return _bounded(whole)
        case ast.Constant(value=float()):  # read from the source: a float has 17 digits at most
            return _EXACT.create_decimal(source[node.col_offset : node.end_col_offset])
        case ast.Name(id=name) if name in _CONSTANTS:
            return _CONSTANTS[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            value = _value(operand, source, depth - 1)
            return -value if isinstance(value, int) else _EXACT.minus(value)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand, source, depth - 1)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _bounded(
                _OPERATORS[type(op)](_value(left, source, depth - 1), _value(right, source, depth - 1))
            )
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
            values = [_value(arg, source, depth - 1) for arg in args]
            least, most = _FUNCTIONS[name][1:]
            if not least <= len(values) <= most:
                wanted = str(least) if least == most else f"{least} to {most}"
                raise SkillError(f"{name} takes {wanted} numbers, not {len(values)}")
            return _bounded(_FUNCTIONS[name][0](*values))
        case _:
            raise SkillError(f"this is not arithmetic: {ast.unparse(node)[:60]}")


def _bounded(value: Number) -> Number:
    if isinstance(value, int) and value.bit_length() > _BITS:
        raise OverflowError
    return value


def _decimal(value: float | Number) -> Decimal:
    if isinstance(value, float) and not math.isfinite(value):
        raise OverflowError
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


def _either(
    whole: Callable[[int, int], int], real: Callable[[Decimal, Decimal], Decimal]
) -> Callable[[Number, Number], Number]:
    def apply(a: Number, b: Number) -> Number:
        if isinstance(a, int) and isinstance(b, int):
            return whole(a, b)
        return real(_decimal(a), _decimal(b))

    return apply


def _divide(a: Number, b: Number) -> Number:
    if b == 0:
        raise ZeroDivisionError
    if isinstance(a, int) and isinstance(b, int) and a % b == 0:
        return a // b
    return _EXACT.divide(_decimal(a), _decimal(b))


def _modulo(a: Decimal, b: Decimal) -> Decimal:
    if b == 0:
        raise ZeroDivisionError
    rest = _EXACT.remainder(a, b)  # has the sign of a; the one of b is meant
    return _EXACT.add(rest, b) if rest and (rest < 0) != (b < 0) else rest


def _floor_divide(a: Decimal, b: Decimal) -> Decimal:
    return _EXACT.divide(_EXACT.subtract(a, _modulo(a, b)), b)


def _power(base: Number, exponent: Number) -> Number:
    if base == 0 and exponent < 0:
        raise ZeroDivisionError
    if isinstance(base, int) and isinstance(exponent, int) and exponent >= 0:
        if abs(base) > 1 and (base.bit_length() - 1) * exponent > _BITS:
            raise OverflowError
        return base**exponent
    return _EXACT.power(_decimal(base), _decimal(exponent))


def _sqrt(value: Number) -> Number:
    return _EXACT.sqrt(_decimal(value))


def _exp(value: Number) -> Number:
    return _EXACT.exp(_decimal(value))


def _abs(value: Number) -> Number:
    return abs(value) if isinstance(value, int) else value.copy_abs()


def _log(value: Number, base: Number = 0) -> Number:
    if value <= 0 or base < 0 or base == 1:
        raise ValueError
    result = _EXACT.ln(_decimal(value))
    return _SERIES.plus(_EXACT.divide(result, _EXACT.ln(_decimal(base))) if base else result)


def _log2(value: Number) -> Number:
    return _log(value, 2)


def _log10(value: Number) -> Number:
    return _log(value, 10)


def _cbrt(value: Number) -> Number:
    root = _SERIES.plus(_EXACT.power(_decimal(abs(value)), _EXACT.divide(Decimal(1), Decimal(3))))
    return root if value >= 0 else _EXACT.minus(root)


def _round(value: Number, digits: Number = 0) -> Number:
    places = _whole(digits)
    if abs(places) > 30:
        raise OverflowError
    if isinstance(value, int) and places >= 0:
        return value
    rounded = _decimal(value).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP, _EXACT)
    return rounded if places > 0 else int(rounded)


def _integral(rounding: str) -> Callable[[Number], Number]:
    return lambda value: int(_decimal(value).to_integral_value(rounding))


def _whole(value: Number) -> int:
    if value != int(value):
        raise SkillError(f"a whole number is needed, not {shown(value)}")
    return int(value)


def _factorial(value: Number) -> Number:
    number = _whole(value)
    if number > 500:
        raise OverflowError
    return math.factorial(number)


def _float(function: Callable[[float], float]) -> Callable[[Number], Number]:
    def apply(value: Number) -> Number:
        result = function(float(value))
        # sin(pi) is 0, although the nearest float of pi is not quite pi
        return 0 if abs(result) < 1e-15 and abs(value) > 1e-9 else _SHOWN.plus(_decimal(result))

    return apply


def _tan(value: float) -> float:
    if abs(math.cos(value)) < 1e-15:
        raise ValueError
    return math.tan(value)


def _gcd(*values: Number) -> Number:
    return math.gcd(*map(_whole, values))


def _lcm(*values: Number) -> Number:
    return math.lcm(*map(_whole, values))


def _least(*values: Number) -> Number:
    return min(values)


def _most(*values: Number) -> Number:
    return max(values)


def _total(*values: Number) -> Number:
    total: Number = 0
    for value in values:
        total = _OPERATORS[ast.Add](total, value)
    return total


_CONSTANTS: dict[str, Number] = {
    "pi": Decimal("3.141592653589793238462643383279503"),
    "e": Decimal("2.718281828459045235360287471352662"),
}
_OPERATORS: dict[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: _either(int.__add__, _EXACT.add),
    ast.Sub: _either(int.__sub__, _EXACT.subtract),
    ast.Mult: _either(int.__mul__, _EXACT.multiply),
    ast.Div: _divide,
    ast.FloorDiv: _either(int.__floordiv__, _floor_divide),
    ast.Mod: _either(int.__mod__, _modulo),
    ast.Pow: _power,
}
_FUNCTIONS: dict[str, tuple[Callable[..., Number], int, int]] = {  # with the least and most arguments
    "sqrt": (_sqrt, 1, 1),
    "cbrt": (_cbrt, 1, 1),
    "exp": (_exp, 1, 1),
    "ln": (_log, 1, 1),
    "log": (_log, 1, 2),
    "log2": (_log2, 1, 1),
    "log10": (_log10, 1, 1),
    "sin": (_float(math.sin), 1, 1),
    "cos": (_float(math.cos), 1, 1),
    "tan": (_float(_tan), 1, 1),
    "asin": (_float(math.asin), 1, 1),
    "acos": (_float(math.acos), 1, 1),
    "atan": (_float(math.atan), 1, 1),
    "degrees": (_float(math.degrees), 1, 1),
    "radians": (_float(math.radians), 1, 1),
    "abs": (_abs, 1, 1),
    "round": (_round, 1, 2),
    "floor": (_integral(ROUND_FLOOR), 1, 1),
    "ceil": (_integral(ROUND_CEILING), 1, 1),
    "min": (_least, 1, 100),
    "max": (_most, 1, 100),
    "sum": (_total, 1, 100),
    "gcd": (_gcd, 2, 100),
    "lcm": (_lcm, 2, 100),
    "factorial": (_factorial, 1, 1),
    "pow": (_power, 2, 2),
}
