from __future__ import annotations

import random
from typing import Any

import orjson
import pytest
from pydantic import SecretStr

from duihua.errors import ProviderError
from duihua.messages import Usage
from duihua.ports import CallDelta, Delta, Finish, Flagged, TextDelta, ThinkingDelta
from duihua.providers.auth import BearerKey
from duihua.providers.exchange import Line
from duihua.providers.http import Transport
from duihua.providers.openai_wire import chat_body
from duihua.providers.qianfan_auth import KeyPair, MintedBearer
from duihua.providers.qianfan_faults import V2
from duihua.providers.qianfan_v2 import QianfanV2, QianfanV2Answer
from duihua.providers.qianfan_wire import QianfanAnswer
from duihua.providers.retry import Retry
from tests.providers.conftest import WEATHER, Clock, Wire, ask, collect, event, says, streams, text

DONE = b"data: [DONE]\n\n"


def chunk(
    content: str | None = None, finish: str | None = None, *, choice: Any = None, **delta: Any
) -> bytes:
    fields = {**({"content": content} if content is not None else {}), **delta}
    one = {"index": 0, "delta": fields, "finish_reason": finish, **(choice or {})}
    return event(id="as-1", object="chat.completion", model="served", choices=[one])


OK = streams(chunk(role="assistant"), chunk("你"), chunk("好"), chunk(finish="stop"), DONE)


@pytest.fixture
def chat(wire: Wire, transport: Transport, retry: Retry) -> QianfanV2:
    return QianfanV2(
        transport, BearerKey(SecretStr("bce-v3/K")), base_url=wire.base + "/v2/", line=Line(retry=retry)
    )


def read(*pieces: bytes) -> tuple[list[Delta], ProviderError | None]:
    answer = QianfanV2Answer(V2, "m")
    out = [d for piece in pieces for d in answer.feed(piece)]
    out += answer.close()
    return out, answer.error


def finish(deltas: list[Delta]) -> Finish:
    assert isinstance(deltas[-1], Finish)
    return deltas[-1]


async def test_a_request_on_the_wire(chat: QianfanV2, wire: Wire) -> None:
    wire.then(OK)
    request = ask("ernie-4.0-turbo-8k", tools=(WEATHER,), user="u1", options={"temperature": 0.5})
    assert text(await collect(chat.stream(request))) == "你好"
    seen = wire.seen[0]
    function = {"name": "weather", "description": WEATHER.description, "parameters": dict(WEATHER.schema)}
    assert (seen.target, seen.headers["Authorization"]) == ("/v2/chat/completions", "Bearer bce-v3/K")
    assert seen.json == {
        "model": "ernie-4.0-turbo-8k",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "tools": [{"type": "function", "function": function}],
        "temperature": 0.5,
        "user": "u1",
    }


async def test_tools_go_only_to_models_that_have_them(chat: QianfanV2, wire: Wire) -> None:
    wire.then(OK)
    await collect(chat.stream(ask("ernie-4.0-8k", tools=(WEATHER,))))
    assert "tools" not in wire.seen[0].json


async def test_a_system_text_of_its_own_becomes_the_first_message() -> None:
    body = orjson.loads(chat_body("m", ask(system=b'"be kind"').packed, b"", {}, stream=False))
    assert body["messages"][0] == {"role": "system", "content": "be kind"}
    assert "stream" not in body


async def test_a_whole_answer_gives_the_same_deltas(chat: QianfanV2, wire: Wire) -> None:
    message = {"role": "assistant", "content": "你好", "reasoning_content": "想"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    wire.then(says({"id": "as-1", "model": "served", "choices": [choice], "usage": usage}))
    deltas = await collect(chat.stream(ask(options={"stream": False})))
    assert deltas == [ThinkingDelta("想"), TextDelta("你好"), Finish("stop", Usage(3, 2), "served", "as-1")]
    assert "stream" not in wire.seen[0].json


async def test_usage_may_come_without_choices_and_with_details() -> None:
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    deltas, _ = read(chunk("a"), chunk(finish="stop"), event(choices=[], usage=usage), DONE)
    assert finish(deltas).usage == Usage(9, 5, 4, 2)


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
async def test_reasoning_is_kept_apart(name: str) -> None:
    deltas, _ = read(chunk(**{name: "想"}) + chunk(**{name: "想"}), chunk("好"), chunk(finish="stop"), DONE)
    assert deltas[:2] == [ThinkingDelta("想想"), TextDelta("好")]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("stop", "stop"),
        ("normal", "stop"),
        ("length", "length"),
        ("tool_calls", "calls"),
        ("function_call", "calls"),
        ("content_filter", "flagged"),
        ("something new", "stop"),
    ],
)
async def test_finish_reasons(given: str, reason: str) -> None:
    assert finish(read(chunk("a"), chunk(finish=given), DONE)[0]).reason == reason


@pytest.mark.parametrize("end", [(chunk(finish="stop"),), (chunk(finish="stop"), DONE), (DONE,)])
async def test_the_end_mark_or_a_finish_reason_ends_an_answer(end: tuple[bytes, ...]) -> None:
    deltas, error = read(chunk("a"), *end)
    assert error is None
    assert finish(deltas).reason == "stop"


async def test_an_answer_without_either_is_truncated() -> None:
    error = read(chunk("a"))[1]
    assert error is not None
    assert error.category == "truncated"


def call(
    index: int | None = None, id: str | None = None, name: str | None = None, arguments: str | None = None
) -> Any:
    function = {k: v for k, v in (("name", name), ("arguments", arguments)) if v is not None}
    return {k: v for k, v in (("index", index), ("id", id), ("function", function)) if v is not None}


A, B = '{"a":1}', '{"b":2}'
TWO_CALLS = {
    "by index": [
        call(0, "x", "f", ""),
        call(0, None, None, A),
        call(1, "y", "g", B[:3]),
        call(1, None, None, B[3:]),
    ],
    "interleaved": [call(0, "x", "f"), call(1, "y", "g"), call(0, None, None, A), call(1, None, None, B)],
    "no index": [call(None, "x", "f", A[:2]), call(None, None, None, A[2:]), call(None, "y", "g", B)],
    "no id": [call(0, None, "f", A), call(1, None, "g", B)],
    "neither": [call(None, None, "f", A[:2]), call(None, None, None, A[2:]), call(None, None, "g", B)],
    "one index for both": [call(0, "x", "f", A), call(0, "y", "g", B)],
    "id repeated": [call(0, "x", "f", A[:2]), call(0, "x", None, A[2:]), call(1, "y", "g", B)],
    "name repeated": [call(0, "x", "f", A[:2]), call(0, "x", "f", A[2:]), call(1, "y", "g", B)],
    "id empty later": [call(0, "x", "f", A[:2]), call(0, "", "", A[2:]), call(1, "y", "g", B)],
}


@pytest.mark.parametrize("pieces", TWO_CALLS.values(), ids=TWO_CALLS)
async def test_calls_are_put_together(pieces: list[Any]) -> None:
    deltas, _ = read(*(chunk(tool_calls=[piece]) for piece in pieces), chunk(finish="tool_calls"), DONE)
    whole: dict[int, list[str]] = {}
    for d in deltas:
        if isinstance(d, CallDelta):
            known = whole.setdefault(d.index, ["", ""])
            known[0] += d.name
            known[1] += d.arguments
    assert whole == {0: ["f", A], 1: ["g", B]}
    assert finish(deltas).reason == "calls"


async def test_calls_with_finish_stop_are_calls_still_and_empty_lists_are_none() -> None:
    assert (
        finish(read(chunk(tool_calls=[call(0, "x", "f", A)]), chunk(finish="stop"), DONE)[0]).reason
        == "calls"
    )
    assert finish(read(chunk("a", tool_calls=[]), chunk(finish="stop"), DONE)[0]).reason == "stop"


@pytest.mark.parametrize(
    ("before", "choice", "flagged", "shown"),
    [
        ("", {"flag": 2}, Flagged("input"), "last"),
        ("a", {"flag": 2}, Flagged("output"), "alast"),
        ("a", {"flag": 3}, Flagged("output", retract=True), "a"),
        ("", {"flag": 3, "ban_round": -1}, Flagged("input", -1), ""),
        ("a", {"flag": 4, "ban_round": 1}, Flagged("history", 1, retract=True), "a"),
        ("", {"need_clear_history": True, "ban_round": -1}, Flagged("input", -1), ""),
        ("a", {"need_clear_history": True}, Flagged("output", retract=True), "a"),
    ],
)
async def test_flags_that_stop(before: str, choice: Any, flagged: Flagged, shown: str) -> None:
    deltas, error = read(chunk(before), chunk("last", choice=choice), chunk("more"), DONE)
    assert error is None
    assert [d for d in deltas if isinstance(d, Flagged)] == [flagged]
    assert text(deltas) == shown
    assert finish(deltas).reason == "flagged"


async def test_a_low_risk_goes_on_and_is_told_once() -> None:
    flagged = (chunk(c, choice={"flag": 1}) for c in "bcd")
    deltas, _ = read(chunk("a"), *flagged, chunk(finish="stop"), DONE)
    assert text(deltas) == "abcd"
    assert [d for d in deltas if isinstance(d, Flagged)] == [Flagged("output", stop=False)]
    assert finish(deltas).reason == "stop"


async def test_flag_zero_is_no_flag() -> None:
    assert not [d for d in read(chunk("a", choice={"flag": 0}), DONE)[0] if isinstance(d, Flagged)]


@pytest.mark.parametrize(
    "odd",
    [
        {"choices": "x"},
        {"choices": [5, None]},
        {"choices": [{"delta": 5, "finish_reason": []}]},
        {"choices": [{"delta": {"content": {"a": 1}, "tool_calls": {"a": 1}, "reasoning_content": 4}}]},
        {
            "choices": [
                {"delta": {"tool_calls": [5, {"function": 4}, {"function": {"name": 3, "arguments": []}}]}}
            ]
        },
        {"choices": [{"flag": "x", "ban_round": []}], "usage": [], "model": 5},
        {"choices": [], "usage": {"prompt_tokens": "x", "prompt_tokens_details": 3}},
    ],
)
async def test_values_of_the_wrong_kind_do_no_harm(odd: dict[str, Any]) -> None:
    assert finish(read(event(**odd), chunk("a"), chunk(finish="stop"), DONE)[0])


async def test_content_may_be_a_list_of_parts() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "image"}, 5, {"type": "text", "text": "b"}]
    assert text(read(event(choices=[{"delta": {"content": parts}}]), DONE)[0]) == "ab"


# ---------------------------------------------------------------- minted bearers


@pytest.fixture
def minted(wire: Wire, transport: Transport, retry: Retry, clock: Clock) -> QianfanV2:
    keys = KeyPair(SecretStr("AKID"), SecretStr("SKEY"), clock)
    auth = MintedBearer(transport, wire.base, keys, V2, clock)
    return QianfanV2(transport, auth, base_url=wire.base + "/v2", line=Line(retry=retry))


def bearer(token: str, **more: Any) -> Any:
    return says({"userId": "u", "token": token, "status": "enable", **more})


REFUSED = says({"error": {"code": "invalid_iam_token", "message": "no"}}, 401)


async def test_a_bearer_is_minted_from_the_keys(minted: QianfanV2, wire: Wire) -> None:
    wire.then(bearer("B1"), OK)
    await collect(minted.stream(ask()))
    await collect(minted.stream(ask()))
    mint, *chats = wire.seen
    assert (mint.method, mint.target) == ("GET", "/v1/BCE-BEARER/token?expireInSeconds=43200")
    assert mint.headers["Authorization"].startswith("bce-auth-v1/AKID/")
    assert [c.headers["Authorization"] for c in chats] == ["Bearer B1"] * 2


async def test_a_refused_bearer_is_minted_again_once(minted: QianfanV2, wire: Wire, clock: Clock) -> None:
    wire.then(bearer("B1"), REFUSED, bearer("B2"), REFUSED)
    with pytest.raises(ProviderError) as caught:
        await collect(minted.stream(ask()))
    assert (caught.value.category, len(wire.seen)) == ("auth", 4)
    assert clock.slept == []


async def test_a_bearer_ends_when_the_platform_says(minted: QianfanV2, wire: Wire, clock: Clock) -> None:
    wire.then(bearer("B1", expireTime="1970-01-01T00:20:00Z"), OK, bearer("B2", expireTime="odd"), OK)
    await collect(minted.stream(ask()))
    clock.now = 1200.0
    await collect(minted.stream(ask()))
    assert wire.seen[-1].headers["Authorization"] == "Bearer B2"


async def test_a_given_key_that_is_refused_is_final(chat: QianfanV2, wire: Wire) -> None:
    wire.then(REFUSED)
    with pytest.raises(ProviderError) as caught:
        await collect(chat.stream(ask()))
    assert len(wire.seen) == 1
    assert "QIANFAN_BEARER_TOKEN" in caught.value.message


def test_damaged_answers_raise_nothing_and_invent_nothing() -> None:
    seed = 5
    print(f"seed {seed}")
    rng = random.Random(seed)
    v1 = b"".join(
        event(is_end=e, result=r, usage={"total_tokens": 3}) for r, e in (("你好", False), ("世界", True))
    )
    v2 = chunk("你好") + chunk(tool_calls=[call(0, "x", "f", A)]) + chunk("世界", choice={"flag": 1}) + DONE
    for _ in range(3000):
        for answer, data in ((QianfanAnswer("m"), bytearray(v1)), (QianfanV2Answer(V2, "m"), bytearray(v2))):
            for _ in range(rng.randint(1, 4)):
                at = rng.randrange(len(data))
                match rng.randrange(3):
                    case 0:
                        data[at] = rng.choice(b'"{}[]:,019ntfe\\')
                    case 1:
                        del data[at : at + rng.randint(1, 9)]
                    case _:
                        data[at:at] = rng.choice([b"null", b"[]", b"{}", b'"', b"-1", b"true"])
            cut = rng.randrange(len(data))
            deltas = [*answer.feed(bytes(data[:cut])), *answer.feed(bytes(data[cut:])), *answer.close()]
            assert answer.error or isinstance(deltas[-1], Finish)
            assert set(text(deltas)) <= set(data.decode("utf-8", "ignore"))


async def test_further_answers_come_with_the_end_and_flagged_ones_do_not() -> None:
    def other(index: int, text: str, finish: str | None = None) -> bytes:
        return chunk(text, finish=finish, choice={"index": index})

    deltas, _ = read(
        chunk("one"), other(2, "thr"), other(1, "two"), other(3, "bad"), other(2, "ee", "stop"),
        other(3, "", "content_filter"), other(1, "", "stop"), chunk(finish="stop"), DONE,
    )  # fmt: skip
    assert text(deltas) == "one"
    assert isinstance(deltas[-1], Finish)
    assert (deltas[-1].reason, deltas[-1].alternatives) == ("stop", ("two", "three"))
