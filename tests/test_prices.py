from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from duihua import ConfigError, Cost
from duihua.messages import Usage
from duihua.ports import Finish
from duihua.prices import Price, Prices, sums
from duihua.providers.openai_wire import ChatAnswer
from duihua.providers.qianfan_faults import V2
from duihua.providers.qianfan_wire import QianfanAnswer

PLATFORMS = "qianfan|qianfan-v2|zhipu|dashscope|dashscope-compatible|modelarts|genstudio|openai"


def table(tmp_path: Path, text: str) -> str:
    path = tmp_path / "prices.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_every_bundled_price_has_a_model_and_a_date() -> None:
    from duihua.prices import _bundled  # pyright: ignore[reportPrivateUsage]

    prices = _bundled()
    assert len(prices) > 30
    for name, price in prices.items():
        assert re.fullmatch(rf"({PLATFORMS})/[a-z0-9.-]+", name)
        assert re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", price.as_of), name
        assert price.currency in ("CNY", "USD")
        assert price.output >= price.input >= (price.cached or 0)


def test_the_default_model_has_a_price() -> None:
    assert Prices.load().cost("qianfan/ernie-3.5-8k", Usage(1_000, 500)) == Cost(1_800, "CNY")


@pytest.mark.parametrize(
    ("usage", "micros"),
    [
        (Usage(1000, 100), 1000 * 10 + 100 * 40),
        (Usage(1000, 100, cached=400), 600 * 10 + 400 * 1 + 100 * 40),
        (Usage(1000, 100, reasoning=90), 1000 * 10 + 100 * 40),
        (Usage(1000, 0, cached=2000), 1000 * 1),
        (Usage(), 0),
    ],
)
def test_cached_input_has_its_own_price_and_reasoning_is_output(usage: Usage, micros: int) -> None:
    assert Price("CNY", 10, 40, cached=1).cost(usage) == Cost(micros, "CNY")


def test_cached_input_without_a_price_costs_as_any_other() -> None:
    assert Price("CNY", 10, 40).cost(Usage(1000, 0, cached=400)).micros == 10_000


def chunk(usage: Any, **choice: Any) -> bytes:
    body = {"choices": [{"index": 0, "delta": {"content": "x"}, **choice}], "usage": usage}
    return b"data: " + orjson.dumps(body) + b"\n\n"


def finish(answer: Any, *pieces: bytes) -> Finish:
    deltas = [delta for piece in pieces for delta in answer.feed(piece)] + answer.close()
    assert isinstance(deltas[-1], Finish)
    return deltas[-1]


def test_openai_like_frames_tell_the_sum_so_far_and_only_the_last_counts() -> None:
    def counts(answer: int) -> dict[str, Any]:
        return {
            "prompt_tokens": 100,
            "completion_tokens": answer,
            "total_tokens": 100 + answer,
            "prompt_tokens_details": {"cached_tokens": 60},
            "completion_tokens_details": {"reasoning_tokens": answer // 2},
        }

    end = finish(
        ChatAnswer(V2, "m"), chunk(counts(10)), chunk(counts(20)), chunk(counts(30), finish_reason="stop")
    )
    assert end.usage == Usage(100, 30, 60, 15)
    assert Price("CNY", 10, 40, cached=1).cost(end.usage).micros == 40 * 10 + 60 * 1 + 30 * 40


def test_the_first_wire_tells_the_sum_so_far_too() -> None:
    def frame(total: int, *, end: bool = False) -> bytes:
        usage = {"prompt_tokens": 100, "completion_tokens": 0, "total_tokens": total}
        return b"data: " + orjson.dumps({"result": "x", "is_end": end, "usage": usage}) + b"\n\n"

    assert finish(QianfanAnswer("m"), frame(110), frame(130, end=True)).usage == Usage(100, 30)


@pytest.mark.parametrize("wrong", [-5, True, 10**15, 1.5, "7", None, [], {}])
def test_counts_that_cannot_be_true_count_nothing(wrong: Any) -> None:
    counts = {"prompt_tokens": wrong, "completion_tokens": wrong, "total_tokens": wrong}
    assert finish(ChatAnswer(V2, "m"), chunk(counts, finish_reason="stop")).usage == Usage()
    body = orjson.dumps({"result": "x", "is_end": True, "usage": counts})
    assert finish(QianfanAnswer("m"), b"data: " + body + b"\n\n").usage == Usage()


def test_a_file_adds_prices_and_replaces_single_ones(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        """
        "OpenAI/my-model" = { currency = "eur", input = 1, output = 2.5 }
        "qianfan/ernie-3.5-8k" = { currency = "CNY", input = 4, output = 8, cached = 1, as_of = "2026-01" }
        """,
    )
    prices = Prices.load(path)
    assert prices.cost("openai/my-model", Usage(2, 2)) == Cost(7, "EUR")
    assert prices.of("qianfan/ernie-3.5-8k") == Price("CNY", 4, 8, 1, "2026-01")
    assert prices.of("openai/gpt-4o") == Prices.load().of("openai/gpt-4o")
    assert prices.of("nowhere/x") is None
    assert prices.cost("nowhere/x", Usage(1, 1)) is None


def test_a_price_without_a_chip_holds_for_all_chips(tmp_path: Path) -> None:
    path = table(tmp_path, '"genstudio/m" = { currency = "CNY", input = 1, output = 1 }')
    assert Prices.load(path).cost("genstudio/m@nvidia", Usage(1, 1)) == Cost(2, "CNY")


@pytest.mark.parametrize(
    "text",
    [
        "no toml",
        "x = 1",
        'x = { currency = "CNY", input = 1 }',
        'x = { currency = "CNY", input = 1, output = 1, more = 1 }',
        'x = { currency = "yuan", input = 1, output = 1 }',
        'x = { currency = "CNY", input = -1, output = 1 }',
        'x = { currency = "CNY", input = "1", output = 1 }',
        'x = { currency = "CNY", input = nan, output = 1 }',
        'x = { currency = "CNY", input = 1, output = inf }',
        'x = { currency = "CNY", input = 1, output = true }',
    ],
)
def test_a_file_of_another_form_is_refused_with_its_name(tmp_path: Path, text: str) -> None:
    path = table(tmp_path, text)
    with pytest.raises(ConfigError, match=r"DUIHUA_PRICES.*prices\.toml"):
        Prices.load(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        Prices.load(str(tmp_path / "none.toml"))


def test_sums_are_by_currency() -> None:
    assert sums([Cost(1, "USD"), None, Cost(2, "CNY"), Cost(3, "USD")]) == (Cost(2, "CNY"), Cost(4, "USD"))
    assert sums([]) == ()


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (4_200, "0.0042 CNY"),
        (0, "0 CNY"),
        (1_000_000, "1 CNY"),
        (100_000_000, "100 CNY"),
        (1, "0.000001 CNY"),
    ],
)
def test_an_amount_reads_as_money(micros: int, text: str) -> None:
    assert str(Cost(micros, "CNY")) == text
