from __future__ import annotations

from typing import Any

import orjson
import pytest
from pydantic import SecretStr

from duihua.errors import InvalidOptions, ProviderError
from duihua.messages import Usage
from duihua.options import ModelOptions
from duihua.ports import CallDelta, Delta, Finish, Flagged, Limits, TextDelta, ThinkingDelta
from duihua.providers.auth import BearerKey
from duihua.providers.exchange import Line
from duihua.providers.faults import refused
from duihua.providers.http import Transport
from duihua.providers.retry import Retry
from duihua.providers.zhipu import Zhipu, ZhipuAnswer, user_id
from duihua.providers.zhipu_faults import FAULTS
from duihua.providers.zhipu_models import find, tokenizer
from duihua.simulator import zhipu_models
from tests.providers.conftest import (
    WEATHER,
    Wire,
    ask,
    collect,
    event,
    says,
    streams,
    text,
    until_error,
)

DONE = b"data: [DONE]\n\n"


def chunk(content: str | None = None, finish: str | None = None, *, top: Any = None, **delta: Any) -> bytes:
    fields = {"role": "assistant", **({"content": content} if content is not None else {}), **delta}
    choice = {"index": 0, "delta": fields, **({"finish_reason": finish} if finish else {})}
    return event(id="20261121", model="glm-4.7", choices=[choice], **(top or {}))


OK = streams(chunk("你"), chunk("好"), chunk("", "stop"), DONE)


@pytest.fixture
def chat(wire: Wire, transport: Transport, retry: Retry) -> Zhipu:
    key = BearerKey(SecretStr("id.secret"))
    return Zhipu(transport, key, base_url=wire.base + "/api/paas/v4", line=Line(retry=retry))


def read(*pieces: bytes) -> tuple[list[Delta], ProviderError | None]:
    answer = ZhipuAnswer(FAULTS, "m")
    out = [d for piece in pieces for d in answer.feed(piece)]
    out += answer.close()
    return out, answer.error


# ---------------------------------------------------------------- requests


async def sent(chat: Zhipu, wire: Wire, model: str = "glm-4.7", **options: Any) -> dict[str, Any]:
    """The body that goes out with these options, checked as the engine checks them."""
    wire.then(OK)
    checked = dict(chat.dialect(model).check(ModelOptions.parse(options)))
    await collect(chat.stream(ask(model, options=checked)))
    return wire.seen[-1].json


async def test_a_request_on_the_wire(chat: Zhipu, wire: Wire) -> None:
    wire.then(OK)
    assert text(await collect(chat.stream(ask("glm-4.7", tools=(WEATHER,), user="u1")))) == "你好"
    seen = wire.seen[0]
    assert (seen.target, seen.headers["Authorization"]) == (
        "/api/paas/v4/chat/completions",
        "Bearer id.secret",
    )
    function = {"name": "weather", "description": WEATHER.description, "parameters": dict(WEATHER.schema)}
    assert seen.json == {
        "model": "glm-4.7",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "tools": [{"type": "function", "function": function}],
        "user_id": "duihua-u1",
    }


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"temperature": 0}, {"do_sample": False}),
        ({"temperature": 0.001}, {"temperature": 0.01}),
        ({"temperature": 0.456}, {"temperature": 0.46}),
        ({"temperature": 1.7}, {"temperature": 1}),
        ({"temperature": -1}, {"do_sample": False}),
        ({"top_p": 0}, {"top_p": 0.01}),
        ({"top_p": 2}, {"top_p": 1}),
        ({"max_output_tokens": 1_000_000}, {"max_tokens": 131_072}),
        ({"max_output_tokens": 0}, {"max_tokens": 1}),
        ({"stop": ["x"]}, {"stop": ["x"]}),
        ({"response_format": "json_object"}, {"response_format": {"type": "json_object"}}),
        ({"thinking": True}, {"thinking": {"type": "enabled"}}),
        ({"thinking": False}, {"thinking": {"type": "disabled"}}),
        (
            {"extra": {"thinking": {"type": "enabled", "clear_thinking": True}}},
            {"thinking": {"type": "enabled", "clear_thinking": True}},
        ),
        ({"extra": {"reasoning_effort": "low"}}, {"reasoning_effort": "low"}),
    ],
)
async def test_options_are_brought_into_their_ranges(
    chat: Zhipu, wire: Wire, given: dict[str, Any], fields: dict[str, Any]
) -> None:
    plain = {"model", "messages", "stream"}
    assert {k: v for k, v in (await sent(chat, wire, **given)).items() if k not in plain} == fields


def test_the_longest_answers_are_those_that_are_served(chat: Zhipu) -> None:
    """Two tables, written apart from each other."""
    for name in zhipu_models.MODELS:
        asked = chat.dialect(name).check(ModelOptions(max_output_tokens=1_000_000))["max_tokens"]
        assert asked == zhipu_models.longest_answer(name), name


@pytest.mark.parametrize(
    ("model", "option"),
    [
        ("glm-4.7", {"stop": ["a", "b"]}),
        ("glm-4.7", {"response_format": "json_schema"}),
        ("glm-4.7", {"frequency_penalty": 0.5}),
        ("glm-4.7", {"n": 2}),
        ("glm-4.7", {"extra": {"logprobs": True}}),
        ("glm-4-plus", {"thinking": True}),
        ("glm-5.3", {"thinking": False}),
    ],
)
def test_what_the_platform_does_not_have_is_refused(chat: Zhipu, model: str, option: dict[str, Any]) -> None:
    with pytest.raises(InvalidOptions):
        chat.dialect(model).check(ModelOptions.parse(option))


@pytest.mark.parametrize(
    ("given", "entry"),
    [
        ({"web_search": True}, {"type": "web_search", "web_search": {"enable": True}}),
        ({"web_search": False}, {"type": "web_search", "web_search": {"enable": False}}),
        (
            {"web_search": {"search_engine": "search_std"}},
            {"type": "web_search", "web_search": {"enable": True, "search_engine": "search_std"}},
        ),
        ({"retrieval": {"knowledge_id": "k"}}, {"type": "retrieval", "retrieval": {"knowledge_id": "k"}}),
    ],
)
async def test_what_the_platform_does_itself_stands_among_the_tools(
    chat: Zhipu, wire: Wire, given: dict[str, Any], entry: dict[str, Any]
) -> None:
    body = await sent(chat, wire, extra=given)
    assert body["tools"] == [entry]
    assert not set(given) & set(body)
    await collect(chat.stream(ask("glm-4.7", tools=(WEATHER,), options=given)))
    assert [t["type"] for t in wire.seen[-1].json["tools"]] == ["function", entry["type"]]


@pytest.mark.parametrize("value", ["yes", 1, [], {"a": {1}}])
async def test_a_search_that_is_no_object_is_refused_before_it_is_sent(
    chat: Zhipu, wire: Wire, value: Any
) -> None:
    with pytest.raises(ProviderError) as caught:
        await collect(chat.stream(ask("glm-4.7", options={"web_search": value})))
    assert (caught.value.category, wire.seen) == ("bad_request", [])


async def test_calls_in_pieces_are_for_streams_only(chat: Zhipu, wire: Wire) -> None:
    assert (await sent(chat, wire, extra={"tool_stream": True}))["tool_stream"] is True
    wire.handlers[:] = [says({"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]})]
    await collect(chat.stream(ask("glm-4.7", options={"tool_stream": True, "stream": False})))
    assert "tool_stream" not in wire.seen[-1].json


@pytest.mark.parametrize("user", ["u", "u1", "x" * 121, "x" * 122, "长" * 500])
def test_users_have_ids_of_a_fit_length(user: str) -> None:
    assert 6 <= len(user_id(user)) <= 128
    assert user_id(user) != user_id(user + "2")


# ---------------------------------------------------------------- models


@pytest.mark.parametrize(
    ("name", "like", "window"),
    [
        ("glm-4.7", "glm-4.7", 200_000),
        ("GLM-4.6V", "glm-4.6v", 128_000),
        ("glm-4.7-flash-0305", "glm-4.7-flash", 200_000),
        ("glm-4-airx-2", "glm-4-airx", 8_000),
        ("something-new", "charglm-4", 8_000),
    ],
)
def test_models_that_are_not_known_are_like_those_they_are_named_after(
    chat: Zhipu, name: str, like: str, window: int
) -> None:
    one, other = chat.dialect(name), chat.dialect(like)
    assert one.hard == Limits(None, window)
    assert (one.soft, one.functions, one.images, one.reasoning) == (
        other.soft,
        other.functions,
        other.images,
        other.reasoning,
    )


def test_models_differ_in_what_they_can_do(chat: Zhipu) -> None:
    assert (chat.dialect("glm-4.6v").images, chat.dialect("glm-4.7").images) == ("base64", "none")
    assert (chat.dialect("charglm-4").functions, chat.dialect("glm-4-flash").functions) == ("text", "native")
    assert [find(n).thinks for n in ("glm-4.7", "glm-4-plus")] == [True, False]


@pytest.mark.parametrize(
    ("model", "counter"),
    [
        ("glm-4.6", "glm-4.6"),
        ("glm-4-flash-250414", "glm-4-flash"),
        ("glm-5", "glm-4.6"),
        ("glm-4.5v", "glm-4.6v"),
    ],
)
def test_tokens_are_counted_by_the_nearest_model(model: str, counter: str) -> None:
    assert tokenizer(model) == counter


# ---------------------------------------------------------------- answers


async def test_a_stream_with_reasoning_calls_and_usage() -> None:
    usage = {
        "prompt_tokens": 275,
        "completion_tokens": 112,
        "prompt_tokens_details": {"cached_tokens": 43},
        "completion_tokens_details": {"reasoning_tokens": 64},
    }
    call = {
        "id": "call_-1",
        "index": 0,
        "type": "function",
        "function": {"name": "f", "arguments": '{"a":1}'},
    }
    other = {**call, "id": "call_-2", "index": 1}
    deltas, error = read(
        chunk(reasoning_content="想"),
        chunk("I"),
        chunk(tool_calls=[call]),
        chunk(tool_calls=[other]),
        chunk("", "tool_calls", top={"usage": usage}),
        DONE,
    )
    assert error is None
    assert deltas == [
        ThinkingDelta("想"),
        TextDelta("I"),
        CallDelta(0, "call_-1", "f", '{"a":1}'),
        CallDelta(1, "call_-2", "f", '{"a":1}'),
        Finish("calls", Usage(275, 112, 43, 64), "glm-4.7", "20261121"),
    ]


@pytest.mark.parametrize(
    "call",
    [
        {"id": "1", "type": "mcp", "mcp": {"name": "f", "arguments": "{}"}},
        {"id": "1", "type": "web_browser", "web_browser": {"input": "x"}},
        {"id": "1", "type": "web_search", "function": {"name": "f", "arguments": "{}"}},
    ],
)
async def test_what_the_platform_has_done_itself_is_not_ours_to_run(call: dict[str, Any]) -> None:
    deltas, _ = read(chunk(tool_calls=[call]), chunk("done", "stop"), DONE)
    assert not [d for d in deltas if isinstance(d, CallDelta)]
    assert isinstance(deltas[-1], Finish)
    assert deltas[-1].reason == "stop"


async def test_the_text_may_come_as_parts_and_the_list_of_calls_as_null() -> None:
    message = {"content": [{"type": "text", "text": "你好"}], "tool_calls": None}
    deltas, _ = read(orjson.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}))
    assert text(deltas) == "你好"


BOXED = "a < b: <|begin_of_box|>x<y<|end_of_box|> <|begin"


@pytest.mark.parametrize("size", [*range(1, 20), 100])
async def test_marks_around_the_gist_are_no_text(size: int) -> None:
    pieces = [chunk(BOXED[at : at + size]) for at in range(0, len(BOXED), size)]
    for end in ([chunk("", "stop"), DONE], [DONE]):
        deltas, _ = read(*pieces, *end)
        assert text(deltas) == "a < b: x<y <|begin"
        assert isinstance(deltas[-1], Finish)


def filters(*entries: tuple[str, int]) -> dict[str, Any]:
    return {"content_filter": [{"role": role, "level": level} for role, level in entries]}


@pytest.mark.parametrize(
    ("said", "found", "flag"),
    [
        ("", (("user", 1),), Flagged("input", -1)),
        ("a", (("user", 1),), Flagged("input", -1, retract=True)),
        ("a", (("assistant", 1),), Flagged("output", retract=True)),
        ("a", (("history", 0),), Flagged("history", retract=True)),
        ("a", (("user", 2), ("assistant", 0), ("history", 3)), Flagged("output", retract=True)),
        ("", (("user", 1), ("history", 1)), Flagged("history")),
        ("a", (), Flagged("output", retract=True)),
        ("", (), Flagged("input")),
        ("", (("robot", 0),), Flagged("input")),
    ],
)
async def test_sensitive_ends_the_answer_and_says_whose_text_was_meant(
    said: str, found: tuple[tuple[str, int], ...], flag: Flagged
) -> None:
    last = chunk("hidden", "sensitive", top=filters(*found))
    deltas, error = read(chunk(said), last.replace(b'"assistant","content"', b'"user","content"'), DONE)
    assert error is None
    assert [d for d in deltas if isinstance(d, Flagged)] == [flag]
    assert text(deltas) == said
    assert isinstance(deltas[-1], Finish)
    assert deltas[-1].reason == "flagged"


async def test_a_filter_on_an_answer_that_goes_on_is_a_note() -> None:
    note = filters(("assistant", 3))
    deltas, _ = read(chunk("a", top=note), chunk("b", "stop", top=note), DONE)
    assert [d for d in deltas if isinstance(d, Flagged)] == [Flagged("output", stop=False)]
    assert text(deltas) == "ab"


@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_that_breaks_off_unseen_is_asked_for_again(
    chat: Zhipu, wire: Wire, stream: bool
) -> None:
    whole = {"choices": [{"message": {"content": ""}, "finish_reason": "network_error"}]}
    wire.then(streams(chunk("", "network_error"), DONE) if stream else says(whole), OK)
    assert text(await collect(chat.stream(ask("glm-4.7", options={"stream": stream})))) == "你好"


async def test_an_answer_that_breaks_off_in_sight_is_not(chat: Zhipu, wire: Wire) -> None:
    wire.then(streams(chunk("你"), chunk("", "network_error"), DONE), OK)
    deltas, error = await until_error(chat.stream(ask("glm-4.7")))
    assert (text(deltas), error.category, error.retryable) == ("你", "network", False)
    assert len(wire.seen) == 1


async def test_a_conversation_that_is_too_long_may_come_as_a_finish_reason() -> None:
    _, error = read(chunk("", "model_context_window_exceeded"), DONE)
    assert error is not None
    assert (error.category, error.retryable) == ("context_too_long", False)


# ---------------------------------------------------------------- errors

CODES = """
401 1000 auth | 401 1001 auth | 401 1002 auth | 401 1003 auth | 401 1004 auth
429 1110 permission | 429 1111 permission | 429 1112 permission | 429 1121 permission
429 1113 quota_exhausted | 500 1120 server
400 1200 bad_request | 400 1210 bad_request | 400 1211 not_found | 400 1212 bad_request
400 1213 bad_request | 400 1214 bad_request | 400 1215 bad_request | 400 1220 permission
400 1221 not_found | 400 1222 not_found | 500 1230 server | 500 1234 server | 400 1231 bad_request
400 1261 context_too_long | 400 1300 permission | 400 1301 moderation_input
429 1302 rate_limited | 429 1303 rate_limited | 429 1304 quota_exhausted
429 1305 overloaded | 503 1305 overloaded | 429 1308 quota_exhausted | 429 1309 quota_exhausted
429 1310 quota_exhausted | 500 500 server | 429 1999 rate_limited | 434 9 permission | 435 9 bad_request
"""


@pytest.mark.parametrize(
    "row", [r.strip() for line in CODES.split("\n") for r in line.split("|") if r.strip()]
)
@pytest.mark.parametrize("number", [False, True])
def test_the_code_decides_not_the_status(row: str, number: bool) -> None:
    status, code, category = row.split()
    body = {"error": {"code": int(code) if number else code, "message": "why"}}
    error = refused(FAULTS, int(status), {}, orjson.dumps(body))
    assert (error.vendor_code, error.category) == (code, category)
    assert error.retryable is (category in ("rate_limited", "overloaded", "server"))


@pytest.mark.parametrize(
    ("code", "entries", "category", "flagged"),
    [
        ("1301", [("user", 1)], "moderation_input", "input"),
        ("1301", [("assistant", 1)], "moderation_output", "output"),
        ("1301", [("history", 1)], "moderation_input", "history"),
        ("1301", [("user", 3), ("assistant", 0)], "moderation_output", "output"),
        ("1301", [], "moderation_input", None),
        ("1300", [("user", 1)], "moderation_input", "input"),
    ],
)
@pytest.mark.parametrize("status", [400, 200])
async def test_flagged_content_as_an_error_says_whose_it_was(
    chat: Zhipu, wire: Wire, status: int, code: str, entries: list[Any], category: str, flagged: str | None
) -> None:
    body: dict[str, Any] = {"error": {"code": code, "message": "unsafe"}}
    if entries:
        body["contentFilter"] = filters(*entries)["content_filter"]
    wire.then(says(body, status))
    _, error = await until_error(chat.stream(ask("glm-4.7")))
    assert (error.category, error.flagged, error.retryable) == (category, flagged, False)
    assert len(wire.seen) == 1


@pytest.mark.parametrize(
    "junk", [None, 1, "user", {}, [None], [{"role": []}], [{"level": 1}], [{"role": "user", "level": "x"}]]
)
def test_a_filter_of_any_form_is_survived(junk: Any) -> None:
    body = {"error": {"code": "1301", "message": "unsafe"}, "contentFilter": junk}
    assert refused(FAULTS, 400, {}, orjson.dumps(body)).category == "moderation_input"
    assert read(chunk("a", top={"content_filter": junk}), chunk("", "stop"), DONE)[1] is None


async def test_an_error_in_mid_stream_ends_the_answer(chat: Zhipu, wire: Wire) -> None:
    frame = b'event: error\ndata: {"error":{"code":"1234","message":"network"}}\n\n'
    wire.then(streams(chunk("你"), frame))
    deltas, error = await until_error(chat.stream(ask("glm-4.7")))
    assert (text(deltas), error.vendor_code) == ("你", "1234")
