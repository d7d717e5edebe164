from __future__ import annotations

from typing import Any

import orjson
import pytest
from pydantic import SecretStr

from duihua.errors import InvalidOptions, ProviderError
from duihua.messages import Usage
from duihua.options import ModelOptions
from duihua.ports import CallDelta, Delta, Finish, Packed, TextDelta, ThinkingDelta
from duihua.providers.auth import BearerKey
from duihua.providers.dashscope import DashScope
from duihua.providers.dashscope_compatible import DashScopeCompatible
from duihua.providers.dashscope_faults import COMPATIBLE, NATIVE
from duihua.providers.dashscope_models import EMBEDDINGS, MODELS, PICTURES, draws_at_once, find
from duihua.providers.dashscope_wire import DashScopeAnswer, Growth, prompt_input
from duihua.providers.exchange import Line
from duihua.providers.faults import refused
from duihua.providers.http import Transport
from duihua.providers.retry import Retry
from duihua.simulator import dashscope_models
from tests.providers.conftest import WEATHER, Wire, ask, collect, says, streams, text, until_error


def frame(output: Any = None, *, name: str = "result", status: int = 200, **more: Any) -> bytes:
    body = {**({"output": output} if output is not None else {}), **more, "request_id": "r-1"}
    return f"id:1\nevent:{name}\n:HTTP_STATUS/{status}\ndata:".encode() + orjson.dumps(body) + b"\n\n"


def said(content: Any = "", finish: str = "null", **message: Any) -> bytes:
    choice = {"message": {"content": content, "role": "assistant", **message}, "finish_reason": finish}
    usage = {"total_tokens": 5, "input_tokens": 3, "output_tokens": 2}
    return frame({"choices": [choice]}, usage=usage)


def call(index: int | None, id: str = "", name: str | None = None, arguments: str = "") -> dict[str, Any]:
    function = {**({"name": name} if name else {}), "arguments": arguments}
    place = {} if index is None else {"index": index}
    return {**place, "id": id, "type": "function", "function": function}


def read(
    *pieces: bytes, growth: Growth = "pieces", whole: bool = False
) -> tuple[list[Delta], ProviderError | None]:
    answer = DashScopeAnswer(NATIVE, "m", growth=growth, whole=whole)
    out = [d for piece in pieces for d in answer.feed(piece)]
    out += answer.close()
    return out, answer.error


def calls(deltas: list[Delta]) -> list[tuple[str, str, str]]:
    """Id, name and arguments of each call."""
    found: dict[int, list[str]] = {}
    for d in deltas:
        if isinstance(d, CallDelta):
            one = found.setdefault(d.index, ["", "", ""])
            found[d.index] = [one[0] + d.id, one[1] + d.name, one[2] + d.arguments]
    return [(one[0], one[1], one[2]) for one in found.values()]


def finish(deltas: list[Delta]) -> Finish:
    assert isinstance(deltas[-1], Finish)
    return deltas[-1]


def headers(wire: Wire) -> dict[str, str]:
    return {name.lower(): value for name, value in wire.seen[0].headers.items()}


@pytest.fixture
def chat(wire: Wire, transport: Transport, retry: Retry) -> DashScope:
    return DashScope(
        transport, BearerKey(SecretStr("sk-1")), base_url=wire.base + "/api/v1/", line=Line(retry=retry)
    )


# ---------------------------------------------------------------- requests


async def test_a_request_on_the_wire(chat: DashScope, wire: Wire) -> None:
    wire.then(streams(said("你"), said("好"), said(finish="stop")))
    options = {"temperature": 0.5, "enable_search": True, "incremental_output": False}
    deltas = await collect(chat.stream(ask("qwen-plus", tools=(WEATHER,), options=options, system=b'"be"')))
    assert text(deltas) == "你好"
    assert finish(deltas) == Finish("stop", Usage(3, 2), "qwen-plus", "r-1")
    seen = wire.seen[0]
    assert seen.target == "/api/v1/services/aigc/text-generation/generation"
    assert headers(wire)["x-dashscope-sse"] == "enable"
    assert headers(wire)["accept"] == "text/event-stream"
    function = {"name": "weather", "description": WEATHER.description, "parameters": dict(WEATHER.schema)}
    assert seen.json == {
        "model": "qwen-plus",
        "input": {"messages": [{"role": "system", "content": "be"}, {"role": "user", "content": "hi"}]},
        "parameters": {
            "parallel_tool_calls": True,
            "temperature": 0.5,
            "enable_search": True,
            "result_format": "message",
            "incremental_output": True,
            "tools": [{"type": "function", "function": function}],
        },
    }


async def test_nothing_asks_for_a_stream_where_none_is_wanted(chat: DashScope, wire: Wire) -> None:
    choice = {"message": {"content": "好", "role": "assistant"}, "finish_reason": "stop"}
    wire.then(says({"output": {"choices": [choice]}, "request_id": "r"}))
    assert text(await collect(chat.stream(ask("qwen-plus", options={"stream": False})))) == "好"
    assert "x-dashscope-sse" not in headers(wire)
    assert "incremental_output" not in wire.seen[0].json["parameters"]


@pytest.mark.parametrize(
    ("model", "thinking", "streamed"),
    [
        ("qwq-plus", None, True),
        ("qwen3-32b", None, True),
        ("qwen3-32b", False, False),
        ("qwen-plus", True, False),
    ],
)
async def test_models_that_think_in_streams_only_get_one(
    chat: DashScope, wire: Wire, model: str, thinking: bool | None, streamed: bool
) -> None:
    wire.then(streams(said("好"), said(finish="stop")))
    options = {"stream": False} | ({} if thinking is None else {"enable_thinking": thinking})
    await collect(chat.stream(ask(model, options=options)))
    assert ("x-dashscope-sse" in headers(wire)) == streamed


async def test_models_that_see_have_a_path_and_blocks(chat: DashScope, wire: Wire) -> None:
    wire.then(streams(said([{"text": "一只猫"}]), said([], finish="stop")))
    image = b'{"role":"user","content":[{"image":"data:image/png;base64,AA"},{"text":"?"}]}'
    deltas = await collect(
        chat.stream(ask("qwen-vl-max-2025-01-01", b'{"role":"user","content":"a"}', image))
    )
    assert text(deltas) == "一只猫"
    assert wire.seen[0].target == "/api/v1/services/aigc/multimodal-generation/generation"
    first, second = wire.seen[0].json["input"]["messages"]
    assert first["content"] == [{"text": "a"}]
    assert second == orjson.loads(image)


async def test_a_call_without_a_word_is_sent_with_an_empty_content(chat: DashScope, wire: Wire) -> None:
    wire.then(streams(said(finish="stop")))
    asked = b'{"role":"assistant","content":null,"tool_calls":[]}'
    await collect(chat.stream(ask("qwen-plus", asked)))
    assert wire.seen[0].json["input"]["messages"][0]["content"] == ""


async def test_old_models_take_a_prompt_and_what_was_said_in_pairs(chat: DashScope, wire: Wire) -> None:
    wire.then(streams(frame({"text": "三", "finish_reason": "stop"})))
    messages = [
        orjson.dumps({"role": r, "content": c}) for r, c in (("user", "1"), ("assistant", "2"), ("user", "3"))
    ]
    assert text(await collect(chat.stream(ask("dolly-12b-v2", *messages)))) == "三"
    body = wire.seen[0].json
    assert body["input"] == {"prompt": "3", "history": [{"user": "1", "bot": "2"}]}
    assert body["parameters"]["result_format"] == "text"


def test_a_lone_question_is_the_prompt() -> None:
    packed = Packed(b"", (b'{"role":"user","content":"1"}',), (None,), 1, 1)
    assert orjson.loads(prompt_input(packed)) == {"prompt": "1"}


async def test_options_are_checked_and_named_as_here(chat: DashScope) -> None:
    options = ModelOptions(
        top_p=0.9, penalty_score=1.1, max_output_tokens=9, thinking=True, n=2, extra={"top_k": 3}
    )
    assert chat.dialect("qwen-plus").check(options) == {
        "top_p": 0.9, "repetition_penalty": 1.1, "max_tokens": 9, "enable_thinking": True, "n": 2, "top_k": 3,
    }  # fmt: skip
    for wrong in (ModelOptions(temperature=2), ModelOptions(top_p=0), ModelOptions(n=5)):
        with pytest.raises(InvalidOptions):
            chat.dialect("qwen-plus").check(wrong)
    with pytest.raises(InvalidOptions):
        chat.dialect("qwen-max").check(ModelOptions(thinking=True))


def test_models_of_other_names_are_found_by_their_kin() -> None:
    assert find("qwen-vl-max-2025-08-13").sees
    assert find("Qwen-Plus").name == "qwen-plus"
    assert find("qwen-plus-2099").functions == "native"
    assert find("nobody-knows-vl-9b").multimodal
    assert find("nobody-knows").functions == "text"


WHEN = {"never": "", "asked": "asked", "unless told not to": "default", "always": "always"}


def test_the_simulator_serves_the_models_that_are_known() -> None:
    served = dashscope_models.MODELS
    assert {m.name for m in MODELS} == set(served)
    for model in MODELS:
        one = served[model.name]
        assert (model.tokens, model.functions == "native") == (one.tokens, one.tools)
        assert (model.sees, model.multimodal, model.prompt) == (one.sees, one.multimodal, one.prompt)
        assert (WHEN[model.thinks], model.stream_only) == (one.thinking, one.stream_only)
        assert model.whole_calls == one.whole_calls
    assert {name for name in PICTURES if draws_at_once(name)} == dashscope_models.PICTURES
    assert {name for name in PICTURES if not draws_at_once(name)} == dashscope_models.TASK_PICTURES
    assert {name: rows for name, (rows, _) in dashscope_models.EMBEDDINGS.items()} == EMBEDDINGS


# ---------------------------------------------------------------- answers


def test_a_text_result_is_read_streamed_and_whole() -> None:
    pieces = [frame({"text": t, "finish_reason": "null"}) for t in ("你", "好")]
    assert text(read(*pieces, frame({"text": "", "finish_reason": "stop"}))[0]) == "你好"
    whole = orjson.dumps(
        {"output": {"text": "你好", "finish_reason": "length"}, "usage": {"input_tokens": 1}}
    )
    deltas, _ = read(whole)
    assert deltas == [TextDelta("你好"), Finish("length", Usage(1), "m")]


def test_the_word_null_is_no_end() -> None:
    deltas, error = read(said("你"), said("好", "null"))
    assert text(deltas) == "你好"
    assert error is not None
    assert error.category == "truncated"


def test_a_whole_answer_may_lack_a_reason_or_have_it_beside_the_choices() -> None:
    choice: dict[str, Any] = {"message": {"content": [{"text": "猫"}], "role": "assistant"}}
    assert read(orjson.dumps({"output": {"choices": [choice]}}), whole=True)[1] is None
    deltas, _ = read(orjson.dumps({"output": {"finish_reason": "length", "choices": [choice]}}))
    assert (text(deltas), finish(deltas).reason) == ("猫", "length")


def test_usage_is_what_the_last_frame_says() -> None:
    usage = {
        "input_tokens": 9,
        "output_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 4},
        "output_tokens_details": {"reasoning_tokens": 5},
    }
    choice = {"message": {"content": ""}, "finish_reason": "stop"}
    deltas, _ = read(said("a"), said("b"), frame({"choices": [choice]}, usage=usage))
    assert finish(deltas).usage == Usage(9, 7, 4, 5)


def test_reasoning_comes_apart() -> None:
    deltas, _ = read(
        said([], reasoning_content="想"), said([{"text": "好"}], reasoning_content=""), said(finish="stop")
    )
    assert deltas[:2] == [ThinkingDelta("想"), TextDelta("好")]


TWO_CALLS = (
    *(said([], reasoning_content=t) for t in ("a", "b", "c")),
    *(
        said([], reasoning_content="", tool_calls=[piece])
        for i, city in enumerate(("Paris", "Rome"))
        for piece in (
            call(i, f"call_{i}", "get_weather"),
            call(i, arguments='{"city": "' + city),
            call(i, arguments='"'),
            call(i, arguments="}"),
            call(i),
        )
    ),
    said([], "tool_calls", tool_calls=[call(1)]),
)


def test_two_calls_in_pieces_with_empty_ids() -> None:
    deltas, _ = read(*TWO_CALLS)
    assert calls(deltas) == [
        ("call_0", "get_weather", '{"city": "Paris"}'),
        ("call_1", "get_weather", '{"city": "Rome"}'),
    ]
    assert finish(deltas).reason == "calls"


def test_pieces_without_a_place_belong_to_the_open_call() -> None:
    first = said(tool_calls=[call(None, "c1", "weather", '{"a"')])
    deltas, _ = read(first, said(tool_calls=[call(None, "", None, ":1}")]), said(finish="tool_calls"))
    assert calls(deltas) == [("c1", "weather", '{"a":1}')]


def test_calls_that_ran_out_of_room_are_not_told() -> None:
    deltas, error = read(said("好", tool_calls=[call(0, "c1", "weather", '{"a"')]), said(finish="length"))
    assert error is None
    assert calls(deltas) == []
    assert (text(deltas), finish(deltas).reason) == ("好", "length")


def test_frames_that_repeat_everything_are_told_once() -> None:
    frames = [
        said("我", reasoning_content="想"),
        said("我看", reasoning_content="想想", tool_calls=[call(0, "c1", "w", "{")]),
        said("我看", "tool_calls", reasoning_content="想想", tool_calls=[call(0, "c1", "w", '{"a":1}')]),
    ]
    deltas, _ = read(*frames, growth="whole")
    assert text(deltas) == "我看"
    assert calls(deltas) == [("c1", "w", '{"a":1}')]
    assert "".join(d.text for d in deltas if isinstance(d, ThinkingDelta)) == "想想"


async def test_models_that_repeat_with_functions_are_read_so(chat: DashScope, wire: Wire) -> None:
    wire.then(streams(said("你"), said("你好", "stop")))
    assert text(await collect(chat.stream(ask("qwen2-72b-instruct", tools=(WEATHER,))))) == "你好"
    assert wire.seen[0].json["parameters"]["incremental_output"] is False


def test_further_answers_are_alternatives() -> None:
    rows = [{"index": i, "message": {"content": str(i)}, "finish_reason": "stop"} for i in (0, 1, 2)]
    deltas, _ = read(frame({"choices": rows[1:2]}), frame({"choices": [rows[0], rows[2]]}))
    assert text(deltas) == "0"
    assert finish(deltas).alternatives == ("1", "2")


def test_sources_of_a_search_are_kept_beside_the_answer() -> None:
    good = {"index": 1, "title": "T" * 600, "url": "https://a.example/", "site_name": None, "icon": "x"}
    rows: list[Any] = [good, {"url": "javascript:alert(1)"}, {"url": 7}, None]
    choice = {"message": {"content": "好"}, "finish_reason": "null"}
    first = frame({"choices": [choice], "search_info": {"search_results": rows}})
    deltas, _ = read(first, said(finish="stop"))
    opaque = finish(deltas).opaque
    assert opaque is not None
    assert opaque.provider == "dashscope"
    assert opaque.data == {"sources": [{"title": "T" * 500, "site_name": "", "url": good["url"], "index": 1}]}


# ---------------------------------------------------------------- errors

FLAGGED = {"code": "DataInspectionFailed", "message": "Output data may contain inappropriate content."}


def test_an_error_within_a_stream_ends_it() -> None:
    deltas, error = read(said("一个"), frame(name="error", status=400, **FLAGGED))
    assert text(deltas) == "一个"
    assert error is not None
    assert (error.category, error.http_status, error.request_id) == ("moderation_output", 400, "r-1")


@pytest.mark.parametrize(
    "piece",
    [
        frame(name="error"),
        frame(status=500),
        b'data:{"code":"InternalError","message":"x","request_id":"r"}\n\n',
        orjson.dumps({"code": "InternalError", "message": "x", "output": None}),
        orjson.dumps({"code": "InternalError", "message": "x", "output": {"task_status": "FAILED"}}),
    ],
)
def test_every_sign_of_an_error_is_one(piece: bytes) -> None:
    error = read(piece)[1]
    assert error is not None
    assert error.category == "server"


def test_a_code_beside_an_answer_is_none() -> None:
    choice = {"message": {"content": "好"}, "finish_reason": "stop"}
    assert read(frame({"choices": [choice]}, code="200"))[1] is None


async def test_a_rate_told_within_a_stream_is_waited_for(chat: DashScope, wire: Wire) -> None:
    wire.then(
        streams(frame(name="error", status=429, code="Throttling.RateQuota", message="slow")),
        streams(said("好"), said(finish="stop")),
    )
    assert text(await collect(chat.stream(ask("qwen-plus")))) == "好"
    assert len(wire.seen) == 2


async def test_an_error_status_with_an_event_as_body(chat: DashScope, wire: Wire) -> None:
    event = frame(
        name="error", status=400, code="InvalidParameter", message="Range of input length should be [1, 6]"
    )
    wire.then(says(event, 400, type="text/event-stream"))
    _, error = await until_error(chat.stream(ask("qwen-plus")))
    assert (error.category, error.vendor_code, error.request_id) == (
        "context_too_long",
        "InvalidParameter",
        "r-1",
    )
    assert error.provider == "dashscope"


ROWS = """
400 InvalidParameter bad_request | 400 InvalidParameter.DataCheck bad_request
400 BadRequest.EmptyInput bad_request | 400 InvalidURL bad_request | 400 invalid_request_error bad_request
400 invalid_parameter_error bad_request | 400 Arrearage quota_exhausted | 401 InvalidApiKey auth
401 invalid_api_key auth | 403 AccessDenied permission | 403 AccessDenied.Unpurchased permission
403 Model.AccessDenied permission
403 AllocationQuota.FreeTierOnly quota_exhausted | 404 ModelNotFound not_found | 404 model_not_found not_found
404 model_not_supported not_found | 404 WorkSpaceNotFound not_found | 500 RequestTimeOut timeout
408 RequestTimeOut timeout | 413 BadRequest.TooLarge context_too_long | 429 Throttling rate_limited
429 Throttling.RateQuota rate_limited | 429 LimitRequests rate_limited | 429 limit_requests rate_limited
429 Throttling.BurstRate rate_limited | 429 limit_burst_rate rate_limited | 429 Throttling.New rate_limited
429 Throttling.AllocationQuota rate_limited | 429 insufficient_quota rate_limited
429 CommodityNotPurchased quota_exhausted | 429 PrepaidBillOverdue quota_exhausted
429 PostpaidBillOverdue quota_exhausted | 500 InternalError server | 500 InternalError.Algo server
500 InternalError.Timeout server | 500 SystemError server | 500 ModelServiceFailed server
500 ModelServingError server | 503 ModelServingError server | 503 ModelUnavailable overloaded
400 DataInspectionFailed moderation_input | 400 data_inspection_failed moderation_input
"""


@pytest.mark.parametrize(
    "row", [row.split() for line in ROWS.split("\n") for row in line.split("|") if row.strip()]
)
def test_every_code_of_both_wires(row: list[str]) -> None:
    status, code, category = row
    native = refused(NATIVE, int(status), {}, orjson.dumps({"code": code, "message": "m", "request_id": "r"}))
    body = {"error": {"code": code, "message": "m", "type": code}, "request_id": "r"}
    assert native.category == refused(COMPATIBLE, int(status), {}, orjson.dumps(body)).category == category
    assert (native.vendor_code, native.request_id) == (code, "r")
    assert native.retryable == (category in ("rate_limited", "server", "overloaded", "timeout"))


@pytest.mark.parametrize(
    ("code", "words", "category"),
    [
        ("InvalidParameter", "Model not exist.", "not_found"),
        ("InternalError.Algo", "Role must be in [user, assistant]", "bad_request"),
        ("InternalError.Algo", "list index out of range", "bad_request"),
        (
            "InternalError.Algo",
            "<400> InternalError.Algo.DataInspectionFailed: Input text data may",
            "moderation_input",
        ),
        ("InternalError", "Output data may contain inappropriate content.", "moderation_output"),
        ("DataInspectionFailed", "Input or output data may contain it.", "moderation_input"),
        ("Throttling.AllocationQuota", "Free allocated quota exceeded.", "quota_exhausted"),
    ],
)
def test_words_that_tell_more_than_the_code(code: str, words: str, category: str) -> None:
    assert refused(NATIVE, 400, {}, orjson.dumps({"code": code, "message": words})).category == category


# ---------------------------------------------------------------- the compatible mode


async def test_the_compatible_mode_on_the_wire(wire: Wire, transport: Transport, retry: Retry) -> None:
    chat = DashScopeCompatible(
        transport,
        BearerKey(SecretStr("sk-1")),
        base_url=wire.base + "/compatible-mode/v1",
        line=Line(retry=retry),
    )
    pieces: list[dict[str, Any]] = [
        {"index": 0, "id": "c1", "type": "function", "function": {"name": "weather", "arguments": None}},
        {"index": 0, "id": "", "type": "function", "function": {"arguments": '{"a":'}},
        {"index": 0, "id": "c1", "type": "function", "function": {"name": None, "arguments": "1}"}},
        {"index": 0, "id": "", "type": "function", "function": {}},
    ]
    choices: list[Any] = [
        {"delta": {"content": None, "tool_calls": [p]}, "finish_reason": None} for p in pieces
    ]
    choices.append({"delta": {"content": ""}, "finish_reason": "tool_calls"})
    events = [
        b"data: " + orjson.dumps({"id": "x", "choices": [{"index": 0, **c}]}) + b"\n\n" for c in choices
    ]
    wire.then(streams(*events, b"data: [DONE]\n\n"))
    deltas = await collect(chat.stream(ask("qwen-plus", tools=(WEATHER,))))
    assert calls(deltas) == [("c1", "weather", '{"a":1}')]
    body = wire.seen[0].json
    assert wire.seen[0].target == "/compatible-mode/v1/chat/completions"
    assert (body["parallel_tool_calls"], body["stream_options"]) == (True, {"include_usage": True})
