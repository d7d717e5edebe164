from __future__ import annotations

import math
import operator
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duihua.errors import SkillError
from duihua.testing import SkillHarness
from duihua_skills._notation import plain
from duihua_skills.calculator import calculate, calculator, shown


def value(expression: str) -> str:
    return shown(calculate(plain(expression)))


def cases(table: str) -> list[tuple[str, str]]:
    pairs = (line.partition(" -> ") for line in table.strip().splitlines())
    return [(expression, expected) for expression, _, expected in pairs]


VALUES = """
1+2*3 -> 7
(3+4)*5 -> 35
-2**2 -> -4
2^10 -> 1024
2**-1 -> 0.5
--3 -> 3
8/2 -> 4
1/3 -> 0.333333333333333
2/3*3 -> 2
7//2 -> 3
-7//2 -> -4
7 % 3 -> 1
-7 % 3 -> 2
-7.5 % 2 -> 0.5
-7.5 // 2 -> -4
10 mod 3 -> 1
0.1+0.2 -> 0.3
1.005*3 -> 3.015
12345678901234567.5+1 -> 12345678901234568.5
98765432109876.54+0.01 -> 98765432109876.55
1e3 -> 1000
1e-5 -> 0.00001
１＋２×３÷４ -> 2.5
（1＋2）×3 -> 9
1−1 -> 0
3x4 -> 12
3×10^8 -> 300000000
5² -> 25
2³+1 -> 9
√16 -> 4
√(9)+1 -> 4
2pi -> 6.28318530717959
2π -> 6.28318530717959
3(4+5) -> 27
(1+2)(3+4) -> 21
1,234+1 -> 1235
1,234,567.5 -> 1234567.5
007 -> 7
50%*200 -> 100
200*15% -> 30
(5%) -> 0.05
5! -> 120
3!+1 -> 7
1+1= -> 2
1+1 = ? -> 2
sqrt(2) -> 1.4142135623731
sqrt(16) -> 4
cbrt(27) -> 3
cbrt(-8) -> -2
exp(0) -> 1
ln(e) -> 1
log(8,2) -> 3
floor(log2(8)) -> 3
log10(1000) -> 3
log(e) -> 1
sin(pi) -> 0
cos(pi) -> -1
tan(pi/4) -> 1
sin(radians(30)) -> 0.5
degrees(pi) -> 180
acos(1) -> 0
abs(-3.5) -> 3.5
abs(-3) -> 3
round(2.5) -> 3
round(-2.5) -> -3
round(1.005, 2) -> 1.01
round(1234, -2) -> 1200
floor(-1.5) -> -2
ceil(1.2) -> 2
min(3, 1.5) -> 1.5
max(1,234) -> 234
sum(0.1, 0.2, 3) -> 3.3
gcd(12, 18) -> 6
lcm(4, 6) -> 12
factorial(5) -> 120
pow(2, 0.5) -> 1.4142135623731
SQRT(4) -> 2
0**0 -> 1
"""


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        *cases(VALUES),
        ("2**200", str(2**200)),
        ("10**30+0.0", "1" + "0" * 30),
        ("+".join(map(str, range(1, 101))), "5050"),
    ],
)
def test_arithmetic(expression: str, result: str) -> None:
    assert value(expression) == result


REFUSED = """
9**9**9 -> too large
9^9^9 -> too large
10**2000 -> too large
501! -> too large
10**300*10**300*10**300*10**300*10**300 -> too large
1e99999 -> too large
exp(1e9) -> too large
1.0000001**1e300 -> too large
ceil(1e9998) -> too large
sin(10**400) -> too large
round(1, 10**9) -> too large
2**2**2**2**2**2 -> too large
factorial(10**9) -> too large
1/0 -> division by zero
1.5/0 -> division by zero
0/0 -> division by zero
5//0 -> division by zero
5.5//0 -> division by zero
5%0 -> division by zero
5.5 % 0 -> division by zero
0**-1 -> division by zero
sqrt(-1) -> no real value
log(0) -> no real value
log(5, 1) -> no real value
asin(2) -> no real value
(-8)**(1/3) -> no real value
factorial(-1) -> no real value
tan(pi/2) -> no real value
gcd(1.5, 2) -> a whole number is needed
sqrt(1, 2) -> sqrt takes 1 numbers, not 2
sqrt() -> not 0
1+ -> not a complete expression
((1 -> not a complete expression
1,2 -> not arithmetic
sqrt -> not arithmetic
1 2 -> not understood
1.2.3 -> not understood
__import__('os') -> not understood
'a'*9 -> not understood
[1] -> not understood
1_000 -> not understood
1 == 1 -> not understood
1;2 -> not understood
0x10 -> not known
os -> not known
lambda: 1 -> not known
1 if 1 else 2 -> not known
max(1, 2, key=3) -> not known
½ -> not understood
True -> not known
eval(1) -> not known
5⁹⁹⁹⁹⁹⁹⁹⁹⁹ -> too large
"""


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        *cases(REFUSED),
        ("(" * 400 + "1" + ")" * 400, "not a complete expression"),
        ("-" * 999 + "1", "nested too deeply|not a complete"),
        ("1+" * 499 + "1", "nested too deeply"),
        ("1+" * 600 + "1", "too long"),
        ("", "not a complete expression"),
    ],
)
def test_what_is_no_number_is_said(expression: str, said: str) -> None:
    with pytest.raises(SkillError, match=said) as caught:
        value(expression)
    assert len(str(caught.value)) < 1_200


async def test_the_result_repeats_the_expression_as_it_was_understood() -> None:
    assert (await SkillHarness(calculator).call(expression="２×（3+4）")).result == "2 * (3 + 4) = 14"


@given(st.text("0123456789.+-*/%^()!, eπ√²x=pisqrtlogmaxmin", max_size=40) | st.text(max_size=30))
def test_any_text_has_a_value_or_is_refused(text: str) -> None:
    try:
        assert value(text)
    except SkillError:
        return


OPERATORS: dict[str, Any] = {"+": operator.add, "-": operator.sub, "*": operator.mul}


def combined(sign: str, a: tuple[str, Fraction], b: tuple[str, Fraction]) -> tuple[str, Fraction]:
    return f"({a[0]} {sign} {b[0]})", OPERATORS[sign](a[1], b[1])


NUMBERS = st.integers(-(10**6), 10**6)
TREES = st.recursive(
    NUMBERS.map(lambda n: (f"({n})", Fraction(n))),
    lambda inner: st.builds(combined, st.sampled_from("+-*"), inner, inner),
    max_leaves=12,
)


@given(TREES)
def test_whole_numbers_are_exact(tree: tuple[str, Fraction]) -> None:
    assert value(tree[0]) == str(tree[1])


def test_logarithms_of_powers_are_whole() -> None:
    assert value(" + ".join(f"floor(log({7**n}, 7))" for n in range(1, 30))) == str(sum(range(1, 30)))
    assert value(" + ".join(f"floor(cbrt({n**3}))" for n in range(1, 30))) == str(sum(range(1, 30)))


@given(NUMBERS, NUMBERS.filter(bool), st.integers(0, 3), st.integers(0, 3))
def test_division_with_remainder_is_python_s_also_for_decimals(a: int, b: int, i: int, j: int) -> None:
    x, y = Fraction(a, 10**i), Fraction(b, 10**j)
    left, right = f"({a}/10**{i})", f"({b}/10**{j})"
    assert Fraction(value(f"{left} // {right} + 0.0")) == math.floor(x / y)
    assert Fraction(value(f"{left} % {right} + 0.0")) == x - y * math.floor(x / y)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("5 km in miles", "5 km = 3.10685596118667 miles"),
        ("3*4 kg to lb", "3 * 4 kg = 26.4554714621853 lb"),
        ("100华氏度是多少摄氏度", "100 华氏度 = 37.7777777777778 摄氏度"),
        ("-40 f to c", "-40 f = -40 c"),
        ("10斤=公斤", "10 斤 = 5 公斤"),
        ("2 m² in ft2", "2 m2 = 21.5278208334194 ft2"),
        ("1 gib in mb", "1 gib = 1073.741824 mb"),
        ("2 min = seconds?", "2 min = 120 seconds"),
    ],
)
async def test_units_are_converted(expression: str, expected: str) -> None:
    call = await SkillHarness(calculator).call(expression=expression)
    assert (call.state, call.result) == ("done", expected)


async def test_units_of_different_kinds_are_refused() -> None:
    call = await SkillHarness(calculator).call(expression="5 km in kg")
    assert call.state == "failed"
    assert "km is length, kg is mass" in call.result
