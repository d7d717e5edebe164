from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from pydantic import SecretStr

from duihua.errors import ProviderError
from duihua.messages import Usage
from duihua.ports import CallDelta, Delta, Finish, Flagged, TextDelta, ThinkingDelta
from duihua.providers import qianfan_faults
from duihua.providers.exchange import Line
from duihua.providers.http import Transport
from duihua.providers.qianfan import Qianfan
from duihua.providers.qianfan_auth import AccessToken, KeyPair
from duihua.providers.qianfan_wire import QianfanAnswer
from duihua.providers.retry import Retry
from duihua.providers.signing import authorization
from tests.providers.conftest import (
    WEATHER,
    Clock,
    Handler,
    Wire,
    arrived,
    ask,
    collect,
    event,
    says,
    streams,
    text,
    until_error,
)

SERVICE = "/rpc/2.0/ai_custom/v1/wenxinworkshop"
SYSTEM = '"你是助手"'.encode()


def token(value: str = "T1", life: float = 2_592_000) -> Handler:
    return says({"access_token": value, "expires_in": life, "refresh_token": "25.x"})


def chunk(result: str = "", end: bool = False, **more: Any) -> bytes:
    return event(id="as-1", is_end=end, result=result, need_clear_history=False, **more)


def failed(code: int, words: str = "no", type: str = "application/json") -> Handler:
    return says({"error_code": code, "error_msg": words, "id": "as-2"}, type=type)


OK = streams(chunk("你"), chunk("好"), chunk(end=True), headers={"X-Baidu-Request-Id": "rid"})


@pytest.fixture
def oauth(wire: Wire, transport: Transport, retry: Retry, clock: Clock) -> Qianfan:
    auth = AccessToken(transport, wire.base, SecretStr("AK"), SecretStr("SK"), qianfan_faults.V1, clock)
    return Qianfan(transport, auth, base_url=wire.base, line=Line(retry=retry), list_url=wire.base)


@pytest.fixture
def signed(wire: Wire, transport: Transport, retry: Retry) -> Qianfan:
    keys = KeyPair(SecretStr("AKID"), SecretStr("SKEY"), lambda: 1461815373.0)
    return Qianfan(transport, keys, base_url=wire.base, line=Line(retry=retry), keys=keys, list_url=wire.base)


def chats(wire: Wire) -> list[Any]:
    return [seen.json for seen in wire.seen if "/chat/" in seen.target]


# ---------------------------------------------------------------- who asks


async def test_a_token_is_got_once_and_stands_in_the_url(oauth: Qianfan, wire: Wire) -> None:
    wire.then(token("24.a b"), OK)
    assert text(await collect(oauth.stream(ask()))) == "你好"
    await collect(oauth.stream(ask()))
    first, *others = wire.seen
    query = parse_qs(urlsplit(first.target).query)
    assert (first.method, urlsplit(first.target).path) == ("POST", "/oauth/2.0/token")
    assert query == {"grant_type": ["client_credentials"], "client_id": ["AK"], "client_secret": ["SK"]}
    assert [o.target for o in others] == [f"{SERVICE}/chat/completions?access_token=24.a%20b"] * 2
    assert "Authorization" not in others[0].headers


async def test_many_at_once_get_one_token(oauth: Qianfan, wire: Wire) -> None:
    wire.then(token(), OK)
    await asyncio.gather(*(collect(oauth.stream(ask())) for _ in range(20)))
    assert len(wire.seen) == 21


@pytest.mark.parametrize("code", [110, 111, 100])
async def test_a_refused_token_is_replaced_once_without_costing_an_attempt(
    oauth: Qianfan, wire: Wire, clock: Clock, code: int
) -> None:
    wire.then(token("T1"), failed(code), token("T2"), OK)
    assert text(await collect(oauth.stream(ask()))) == "你好"
    assert wire.seen[-1].target.endswith("=T2")
    assert clock.slept == []


async def test_a_token_that_is_refused_twice_is_an_error(oauth: Qianfan, wire: Wire) -> None:
    wire.then(token("T1"), failed(110), token("T2"), failed(110))
    with pytest.raises(ProviderError) as caught:
        await collect(oauth.stream(ask()))
    assert (caught.value.category, len(wire.seen)) == ("auth", 4)
    assert "QIANFAN_API_KEY" in caught.value.message


async def test_many_refused_at_once_replace_the_token_once(oauth: Qianfan, wire: Wire) -> None:
    async def handler(request: Any) -> Any:
        if "oauth" in request.path:
            return await token("T2" if len(wire.seen) > 1 else "T1")(request)
        return await (OK if request.query["access_token"] == "T2" else failed(111))(request)

    wire.then(handler)
    await asyncio.gather(*(collect(oauth.stream(ask())) for _ in range(20)))
    assert len([s for s in wire.seen if "oauth" in s.target]) == 2


async def test_a_token_near_its_end_is_replaced_while_it_still_serves(
    oauth: Qianfan, wire: Wire, clock: Clock
) -> None:
    wire.then(token("T1", 100_000), OK)
    await collect(oauth.stream(ask()))
    clock.now += 97_000
    release = asyncio.Event()

    async def handler(request: Any) -> Any:
        if "oauth" in request.path:
            await release.wait()
            return await token("T2")(request)
        return await OK(request)

    wire.handlers[:] = [handler]
    assert text(await collect(oauth.stream(ask()))) == "你好"
    assert [s.target for s in wire.seen if "/chat/" in s.target][-1].endswith("=T1")
    release.set()
    async with asyncio.timeout(5):
        while not wire.seen[-1].target.endswith("=T2"):
            await collect(oauth.stream(ask()))


async def test_a_token_at_its_end_is_replaced_first(oauth: Qianfan, wire: Wire, clock: Clock) -> None:
    wire.then(token("T1", 1000), OK, token("T2"), OK)
    await collect(oauth.stream(ask()))
    clock.now += 1000
    await collect(oauth.stream(ask()))
    assert wire.seen[-1].target.endswith("=T2")


async def test_one_who_leaves_does_not_take_the_token_from_the_others(oauth: Qianfan, wire: Wire) -> None:
    release = asyncio.Event()

    async def slow(request: Any) -> Any:
        await release.wait()
        return await token()(request)

    wire.then(slow, OK)
    leaver = asyncio.create_task(collect(oauth.stream(ask())))
    stayer = asyncio.create_task(collect(oauth.stream(ask())))
    await arrived(wire)
    leaver.cancel()
    release.set()
    assert text(await stayer) == "你好"
    assert leaver.cancelled() or leaver.cancelling()


@pytest.mark.parametrize("words", ["unknown client id", "Client authentication failed"])
@pytest.mark.parametrize("status", [200, 401])
async def test_wrong_keys_are_final_and_named(oauth: Qianfan, wire: Wire, words: str, status: int) -> None:
    wire.then(says({"error": "invalid_client", "error_description": words}, status))
    with pytest.raises(ProviderError) as caught:
        await collect(oauth.stream(ask()))
    assert (caught.value.category, caught.value.vendor_code) == ("auth", "invalid_client")
    assert "QIANFAN_SECRET_KEY" in caught.value.message
    assert "SK" not in caught.value.message.replace("QIANFAN_SECRET_KEY", "")
    assert len(wire.seen) == 1


async def test_a_busy_token_endpoint_is_tried_again(oauth: Qianfan, wire: Wire, clock: Clock) -> None:
    wire.then(says({"error": "unknown_error"}), says(b"", 503), token(), OK)
    assert text(await collect(oauth.stream(ask()))) == "你好"
    assert len(clock.slept) == 2


async def test_signed_requests_carry_a_signature_of_what_is_sent(signed: Qianfan, wire: Wire) -> None:
    wire.then(OK)
    assert text(await collect(signed.stream(ask()))) == "你好"
    seen = wire.seen[0]
    assert "access_token" not in seen.target
    headers = {n: seen.headers[n] for n in ("Host", "Content-Type", "x-bce-date")}
    assert seen.headers["Authorization"] == authorization("AKID", "SKEY", "POST", seen.target, headers)
    assert seen.headers["Host"] == urlsplit(wire.base).netloc


async def test_every_attempt_is_signed_anew(wire: Wire, transport: Transport, retry: Retry) -> None:
    times = iter((1461815373.0, 1461815900.0))
    keys = KeyPair(SecretStr("AKID"), SecretStr("SKEY"), lambda: next(times))
    wire.then(failed(336100), OK)
    await collect(Qianfan(transport, keys, base_url=wire.base, line=Line(retry=retry)).stream(ask()))
    first, second = (s.headers["x-bce-date"] for s in wire.seen)
    assert first != second


@pytest.mark.parametrize(
    "reason", ["NotFound, cause: Could not find credential.", "SignatureDoesNotMatch, cause: x"]
)
async def test_the_gateways_refusal_is_an_auth_error(signed: Qianfan, wire: Wire, reason: str) -> None:
    headers = {"X-Bce-Error-Code": reason.split(",")[0], "X-Bce-Error-Message": reason}
    wire.then(says(b"", 403, headers=headers))
    with pytest.raises(ProviderError) as caught:
        await collect(signed.stream(ask()))
    assert (caught.value.category, caught.value.retryable) == ("auth", False)


# ---------------------------------------------------------------- what is asked


async def test_the_body_holds_what_was_packed(signed: Qianfan, wire: Wire) -> None:
    wire.then(OK)
    request = ask(
        "ernie-3.5-8k", b'{"role":"user","content":"a"}', system=SYSTEM, tools=(WEATHER,), user="u1",
        options={"temperature": 0.5, "stop": ["x"]},
    )  # fmt: skip
    await collect(signed.stream(request))
    function = {"name": "weather", "description": WEATHER.description, "parameters": dict(WEATHER.schema)}
    assert wire.seen[0].json == {
        "messages": [{"role": "user", "content": "a"}],
        "system": "你是助手",
        "stream": True,
        "functions": [function],
        "user_id": "u1",
        "temperature": 0.5,
        "stop": ["x"],
    }


async def test_only_what_is_set_is_sent(signed: Qianfan, wire: Wire) -> None:
    wire.then(OK)
    await collect(signed.stream(ask()))
    assert set(wire.seen[0].json) == {"messages", "stream"}


async def test_functions_go_only_to_models_that_have_them(signed: Qianfan, wire: Wire) -> None:
    wire.then(OK)
    await collect(signed.stream(ask("ernie_speed", tools=(WEATHER,))))
    assert "functions" not in wire.seen[0].json


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("ernie-3.5-8k", "/chat/completions"),
        ("ERNIE-3.5-8K", "/chat/completions"),
        ("ERNIE-Bot", "/chat/completions"),
        ("ernie_speed", "/chat/ernie_speed"),
        ("ERNIE Speed", "/chat/ernie_speed"),
        ("ernie-speed-8k", "/chat/ernie_speed"),
        ("chat/completions_pro", "/chat/completions_pro"),
        ("My_Service-1.2", "/chat/my_service-1.2"),
        ("completions/sqlcoder_7b", "/completions/sqlcoder_7b"),
    ],
)
async def test_models_are_found_by_name_alias_and_path(
    signed: Qianfan, wire: Wire, model: str, path: str
) -> None:
    wire.then(OK)
    await collect(signed.stream(ask(model)))
    assert wire.seen[0].target == SERVICE + path


@pytest.mark.parametrize(
    "name", ["..", "../../oauth", "a/../b", "a?b=1", "a#b", "模型", "a%2e", "a//b", "", "x" * 200, "a b\n"]
)
async def test_names_that_play_tricks_are_not_sent(signed: Qianfan, wire: Wire, name: str) -> None:
    wire.then(OK)
    with pytest.raises(ProviderError) as caught:
        await collect(signed.stream(ask(name)))
    assert caught.value.category == "not_found"
    assert "duihua models" in caught.value.message
    assert wire.seen == []


# ---------------------------------------------------------------- what is answered


def read(*pieces: bytes, whole: bool = False) -> tuple[list[Delta], ProviderError | None]:
    answer = QianfanAnswer("m", whole=whole)
    out = [d for piece in pieces for d in answer.feed(piece)]
    out += answer.close()
    return out, answer.error


async def test_neighbouring_pieces_of_one_read_come_as_one() -> None:
    deltas, _ = read(chunk("一") + chunk("二"), chunk("三") + chunk(end=True))
    assert deltas == [TextDelta("一二"), TextDelta("三"), Finish("stop", Usage(), "m", "as-1")]


async def test_a_whole_answer_gives_the_same_deltas(signed: Qianfan, wire: Wire) -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 12}
    body = {
        "id": "as-1",
        "result": "你好",
        "is_truncated": False,
        "need_clear_history": False,
        "usage": usage,
    }
    wire.then(says(body))
    deltas = await collect(signed.stream(ask(options={"stream": False})))
    assert deltas == [TextDelta("你好"), Finish("stop", Usage(7, 5), "ernie-3.5-8k", "as-1")]
    assert "stream" not in wire.seen[0].json
    signed.streaming = False
    assert await collect(signed.stream(ask())) == deltas


async def test_a_whole_answer_to_a_request_for_a_stream_is_taken() -> None:
    deltas, error = read(orjson.dumps({"result": "hi", "finish_reason": "length"}))
    assert (deltas, error) == ([TextDelta("hi"), Finish("length", Usage(), "m")], None)


async def test_the_last_count_of_tokens_stands() -> None:
    counts = [{"prompt_tokens": 11, "completion_tokens": 0, "total_tokens": 11 + n} for n in (1, 2)]
    deltas, _ = read(chunk("a", usage=counts[0]), chunk("b", end=True, usage=counts[1]))
    assert deltas[-1] == Finish("stop", Usage(11, 2), "m", "as-1")


async def test_the_requests_id_comes_from_the_header(signed: Qianfan, wire: Wire) -> None:
    wire.then(OK)
    finish = (await collect(signed.stream(ask())))[-1]
    assert isinstance(finish, Finish)
    assert finish.request_id == "rid"


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        ({}, "stop"),
        ({"finish_reason": "normal"}, "stop"),
        ({"finish_reason": "stop"}, "stop"),
        ({"finish_reason": "length"}, "length"),
        ({"is_truncated": True}, "length"),
        ({"finish_reason": 5}, "stop"),
    ],
)
async def test_finish_reasons(last: dict[str, Any], reason: str) -> None:
    finish = read(chunk("a"), chunk(end=True, **last))[0][-1]
    assert isinstance(finish, Finish)
    assert finish.reason == reason


CALL = {"name": "weather", "arguments": '{"place":"上海"}'}


@pytest.mark.parametrize(
    "calls",
    [
        [CALL],
        [CALL, CALL],
        [{"name": "weather", "arguments": '{"place"'}, {"arguments": ':"上海"}'}],
        [{"name": "weather", "arguments": ""}, {"name": "weather", "arguments": CALL["arguments"]}],
        [{"name": "weather", "arguments": '{"place"'}, CALL],
        [{"name": "weather"}, {"name": "", "arguments": CALL["arguments"]}],
    ],
)
@pytest.mark.parametrize("whole", [True, False])
async def test_a_call_comes_whole_in_pieces_or_repeated(calls: list[Any], whole: bool) -> None:
    if whole:
        deltas, _ = read(orjson.dumps({"result": "", "function_call": CALL}), whole=True)
    else:
        deltas, _ = read(
            *(chunk(function_call=c) for c in calls), chunk(end=True, finish_reason="function_call")
        )
    pieces = [d for d in deltas if isinstance(d, CallDelta)]
    assert {p.index for p in pieces} == {0}
    assert "".join(p.name for p in pieces) == "weather"
    assert orjson.loads("".join(p.arguments for p in pieces)) == {"place": "上海"}
    assert isinstance(deltas[-1], Finish)
    assert deltas[-1].reason == "calls"


async def test_thoughts_about_a_call_are_reasoning_and_odd_arguments_are_kept_as_text() -> None:
    deltas, _ = read(chunk(end=True, function_call={"name": "f", "thoughts": "hm", "arguments": {"a": 1}}))
    assert deltas[:2] == [ThinkingDelta("hm"), CallDelta(0, "", "f", '{"a":1}')]


@pytest.mark.parametrize(
    ("before", "ban", "flagged"),
    [
        ((), {}, Flagged("input", None, retract=False)),
        ((), {"ban_round": -1}, Flagged("input", -1, retract=False)),
        ((), {"ban_round": 0}, Flagged("history", 0, retract=False)),
        ((chunk("shown"),), {"ban_round": 2}, Flagged("history", 2, retract=True)),
        ((chunk("shown"),), {}, Flagged("input", None, retract=True)),
    ],
)
@pytest.mark.parametrize("end", [True, False])
async def test_flagged_content_ends_the_answer_without_its_refusal(
    before: tuple[bytes, ...], ban: dict[str, int], flagged: Flagged, end: bool
) -> None:
    last = event(id="as-1", is_end=end, result="抱歉,无法回答", need_clear_history=True, **ban)
    deltas, error = read(*before, last, chunk("more"))
    assert error is None
    assert [d for d in deltas if isinstance(d, Flagged)] == [flagged]
    assert text(deltas) == ("shown" if before else "")
    assert isinstance(deltas[-1], Finish)
    assert deltas[-1].reason == "flagged"


async def test_a_flag_reads_the_same_however_the_network_cuts() -> None:
    whole = chunk("shown") + event(is_end=True, result="no", need_clear_history=True)
    assert read(whole)[0] == read(chunk("shown"), event(is_end=True, result="no", need_clear_history=True))[0]


async def test_flagged_whole_answers_are_flagged_too() -> None:
    deltas, _ = read(orjson.dumps({"result": "no", "need_clear_history": True, "ban_round": -1}), whole=True)
    assert deltas[0] == Flagged("input", -1)


async def test_filtered_output_is_flagged() -> None:
    deltas, _ = read(chunk("half"), chunk(end=True, finish_reason="content_filter"))
    assert deltas[1] == Flagged("output")
    assert isinstance(deltas[-1], Finish)
    assert deltas[-1].reason == "flagged"


async def test_safety_marks_alone_do_not_flag() -> None:
    assert isinstance(read(chunk("a", is_safe=0), chunk(end=True))[0][0], TextDelta)


async def test_a_stream_that_ends_early_is_truncated() -> None:
    deltas, error = read(chunk("a"), chunk("b"))
    assert text(deltas) == "ab"
    assert error is not None
    assert error.category == "truncated"


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b'{"id":"x"}'])
async def test_an_answer_without_an_answer_is_truncated(body: bytes) -> None:
    for whole in (True, False):
        error = read(body, whole=whole)[1]
        assert error is not None
        assert error.category == "truncated"


@pytest.mark.parametrize(
    "odd",
    [
        {"result": 5, "usage": [1], "function_call": "x", "ban_round": "y"},
        {"result": None, "usage": {"prompt_tokens": "many"}, "function_call": [], "finish_reason": {}},
        {"result": {"a": 1}, "function_call": {"name": 5, "arguments": None, "thoughts": []}},
        {"need_clear_history": True, "ban_round": [1], "usage": 5},
    ],
)
async def test_values_of_the_wrong_kind_do_no_harm(odd: dict[str, Any]) -> None:
    deltas, _ = read(event(**odd), chunk(end=True))
    assert isinstance(deltas[-1], Finish)


# ---------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize("kind", ["application/json", "text/html", "text/event-stream"])
async def test_an_error_with_status_200_is_an_error(signed: Qianfan, wire: Wire, kind: str) -> None:
    wire.then(failed(336007, "the max input characters is 20000", kind))
    with pytest.raises(ProviderError) as caught:
        await collect(signed.stream(ask()))
    assert (caught.value.category, caught.value.vendor_code) == ("context_too_long", "336007")
    assert caught.value.request_id == "as-2"


async def test_an_error_in_mid_stream_comes_after_what_was_said(signed: Qianfan, wire: Wire) -> None:
    wire.then(streams(chunk("a") + event(error_code=336100, error_msg="busy")))
    deltas, error = await until_error(signed.stream(ask()))
    assert (deltas, error.category) == ([TextDelta("a")], "overloaded")


async def test_system_text_moves_to_the_question_when_the_model_refuses_it_beside_functions(
    signed: Qianfan, wire: Wire
) -> None:
    wire.then(failed(336003, "system"), OK)
    request = ask(system=SYSTEM, tools=(WEATHER,))
    assert text(await collect(signed.stream(request))) == "你好"
    await collect(signed.stream(request))
    first, second, third = chats(wire)
    assert first["system"] == "你是助手"
    for folded in (second, third):
        assert "system" not in folded
        assert folded["messages"] == [{"role": "user", "content": "你是助手\n\nhi"}]
        assert folded["functions"] == first["functions"]


async def test_other_refusals_of_parameters_are_told_and_not_remembered(signed: Qianfan, wire: Wire) -> None:
    wire.then(failed(336003))
    with pytest.raises(ProviderError):
        await collect(signed.stream(ask(system=SYSTEM)))
    assert len(wire.seen) == 1
    with pytest.raises(ProviderError) as caught:
        await collect(signed.stream(ask(system=SYSTEM, tools=(WEATHER,))))
    assert caught.value.category == "bad_request"
    assert len(wire.seen) == 3
    wire.handlers[:] = [OK]
    await collect(signed.stream(ask(system=SYSTEM, tools=(WEATHER,))))
    assert chats(wire)[-1]["system"] == "你是助手"


async def test_a_model_that_moved_is_looked_up_once(signed: Qianfan, wire: Wire) -> None:
    url = f"https://aip.baidubce.com{SERVICE}/chat/ernie-3.5-new"
    listed = {"result": {"common": [{"name": "ERNIE-3.5-8K", "url": url}, {"name": 5}, None], "custom": None}}
    wire.then(failed(3, "Unsupported openapi method"), says(listed), OK)
    assert text(await collect(signed.stream(ask()))) == "你好"
    await collect(signed.stream(ask()))
    targets = [urlsplit(s.target).path.removeprefix(SERVICE) for s in wire.seen]
    assert targets == ["/chat/completions", "/wenxinworkshop/service/list", *["/chat/ernie-3.5-new"] * 2]
    assert wire.seen[1].headers["Authorization"].startswith("bce-auth-v1/AKID/")


async def test_a_listed_path_that_plays_tricks_is_not_used(signed: Qianfan, wire: Wire) -> None:
    listed = {"result": {"common": [{"name": "ERNIE-3.5-8K", "url": "https://h/../x?y"}]}}
    wire.then(failed(3), says(listed), OK)
    with pytest.raises(ProviderError) as caught:
        await collect(signed.stream(ask()))
    assert caught.value.category == "not_found"


@pytest.mark.parametrize("code", [3, 336005])
async def test_an_unknown_model_names_the_list(oauth: Qianfan, wire: Wire, code: int) -> None:
    wire.then(token(), failed(code))
    with pytest.raises(ProviderError) as caught:
        await collect(oauth.stream(ask("ernie-9")))
    assert caught.value.category == "not_found"
    assert "duihua models" in caught.value.message
    assert len(wire.seen) == 2


async def test_closing_ends_a_fetch_under_way(oauth: Qianfan, wire: Wire) -> None:
    async def never(request: Any) -> Any:
        await asyncio.sleep(3600)

    wire.then(never)
    waiting = asyncio.create_task(collect(oauth.stream(ask())))
    await arrived(wire)
    await oauth.aclose()
    with pytest.raises(ProviderError, match="closed"):
        await waiting
