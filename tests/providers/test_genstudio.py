from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from aiohttp import web
from pydantic import SecretStr

from duihua.abilities import CountsTokens, Embeds, ListsModels, Measures
from duihua.config import Settings
from duihua.errors import InvalidOptions, ProviderError
from duihua.messages import Usage
from duihua.options import ModelOptions
from duihua.ports import Delta, Finish, Flagged, Quota, TextDelta, ThinkingDelta
from duihua.providers import genstudio_platform, registry
from duihua.providers.auth import BearerKey
from duihua.providers.exchange import Line
from duihua.providers.genstudio import GenStudio, GenStudioAnswer
from duihua.providers.genstudio_faults import GENSTUDIO
from duihua.providers.genstudio_models import CHIPS, LATER, MODELS, find
from duihua.providers.http import Transport
from duihua.providers.limiter import RateLimiter
from duihua.providers.platform import ModelInfo
from duihua.providers.retry import Retry
from duihua.simulator import Simulator
from duihua.simulator import genstudio_models as served
from tests.providers.conftest import WEATHER, Clock, Handler, Wire, ask, collect, says, text, until_error

DONE = b"data: [DONE]\n\n"
CHIP = "infini-megrez-7b@amd"


def answers(*pieces: bytes, type: str = "application/json") -> Handler:
    """A streamed answer of any content type."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": type})
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(0)
        await response.write_eof()
        return response

    return handler


def chunk(content: str | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """A chunk as the chips with bare lines send it: little besides the choice."""
    delta = {} if content is None else {"content": content}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "chatcmpl-1", "model": "served", "choices": [choice], **more}


USAGE = {"prompt_tokens": 22, "completion_tokens": 18, "total_tokens": 40}
CHUNKS = [
    {"id": "chatcmpl-1", "model": "served", "choices": [{"index": 0, "delta": {"role": "assistant"}}]},
    chunk("我是"),
    chunk("好\u2028的"),
    chunk(finish="stop", object="chat.completion.chunk", created=1_708_486_029, usage=USAGE),
]
OK = answers(*(orjson.dumps(c) + b"\n" for c in CHUNKS))


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GENSTUDIO_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def chat(wire: Wire, transport: Transport, retry: Retry) -> GenStudio:
    return GenStudio(
        transport,
        BearerKey(SecretStr("sk-k")),
        base_url=wire.base + "/maas",
        line=Line(retry=retry),
        native_tools=("QwQ-32B",),
    )


def soon() -> float:
    return asyncio.get_running_loop().time() + 10


def read(*pieces: bytes) -> tuple[list[Delta], ProviderError | None]:
    answer = GenStudioAnswer(GENSTUDIO, "m")
    out: list[Delta] = []
    for piece in pieces:
        if not (answer.done or answer.error):
            out += answer.feed(piece)
    return [*out, *answer.close()], answer.error


# ---------------------------------------------------------------- what is sent


async def test_a_request_to_the_service(chat: GenStudio, wire: Wire) -> None:
    wire.then(OK)
    await collect(chat.stream(ask("QWQ-32b", tools=(WEATHER,), options={"temperature": 0.5})))
    seen = wire.seen[0]
    function = {"name": "weather", "description": WEATHER.description, "parameters": dict(WEATHER.schema)}
    assert (seen.target, seen.headers["Authorization"]) == ("/maas/v1/chat/completions", "Bearer sk-k")
    assert seen.json == {
        "model": "qwq-32b",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "tools": [{"type": "function", "function": function}],
        "temperature": 0.5,
    }


@pytest.mark.parametrize(
    ("name", "path", "model"),
    [
        ("infini-megrez-7b@amd", "/maas/infini-megrez-7b/amd", "infini-megrez-7b"),
        (" Qwen1.5-72B-Chat @ NVIDIA ", "/maas/qwen1.5-72b-chat/nvidia", "qwen1.5-72b-chat"),
        ("qwq-32b@chip3", "/maas/qwq-32b/chip3", "qwq-32b"),
        ("mif-c7kxdnah6nu5lrpw", "/maas/deployment/mif-c7kxdnah6nu5lrpw", "mif-c7kxdnah6nu5lrpw"),
    ],
)
async def test_a_chip_gets_its_own_path_the_same_model_and_no_more_fields(
    chat: GenStudio, wire: Wire, name: str, path: str, model: str
) -> None:
    wire.then(OK)
    await collect(chat.stream(ask(name, tools=(WEATHER,), options={"max_tokens": 9})))
    assert wire.seen[0].target == f"{path}/chat/completions"
    messages = [{"role": "user", "content": "hi"}]
    assert wire.seen[0].json == {"model": model, "messages": messages, "stream": True, "max_tokens": 9}


@pytest.mark.parametrize("end", ["/maas", "/maas/", "/maas/v1", "/maas/v1/"])
async def test_the_base_is_never_doubled(wire: Wire, transport: Transport, end: str) -> None:
    wire.then(OK)
    chat = GenStudio(transport, BearerKey(None), base_url=wire.base + end)
    await collect(chat.stream(ask("qwen3-8b")))
    await collect(chat.stream(ask(CHIP)))
    assert [seen.target for seen in wire.seen] == [
        "/maas/v1/chat/completions",
        "/maas/infini-megrez-7b/amd/chat/completions",
    ]


@pytest.mark.parametrize(
    "name",
    [
        "../v1@amd",
        "..@amd",
        "a/b@amd",
        "a@../../api",
        "a@b/c",
        "a@b@c",
        "a@*",
        "a@%2e%2e",
        "%2e%2e@amd",
        "a?x=1@amd",
        "a#@amd",
        "a\\b@amd",
        "a b@amd",
        "a\r\nHost: x@amd",
        "@amd",
        ".a@amd",
        "模型@amd",
        "a@①",
        "a" * 129 + "@amd",
        "mif-../v1",
        "mif-x?y",
    ],
)
async def test_a_name_that_leads_elsewhere_is_not_sent(chat: GenStudio, wire: Wire, name: str) -> None:
    wire.then(OK)
    assert chat.dialect(name).name.startswith("genstudio/")
    with pytest.raises(ProviderError) as caught:
        await collect(chat.stream(ask(name)))
    assert (caught.value.category, wire.seen) == ("bad_request", [])


async def test_a_strange_name_without_a_chip_stands_in_the_body_alone(chat: GenStudio, wire: Wire) -> None:
    wire.then(OK)
    await collect(chat.stream(ask("Qwen/../Qwen3?x")))
    assert wire.seen[0].target == "/maas/v1/chat/completions"
    assert wire.seen[0].json["model"] == "Qwen/../Qwen3?x"


def test_options_and_fields_on_a_chip_are_few(chat: GenStudio) -> None:
    on_chip, plain = chat.dialect(CHIP), chat.dialect("qwen3-8b")
    few = ModelOptions(temperature=1.0, top_p=0.5, stop=("x",), max_output_tokens=5)
    assert on_chip.check(few) == {"temperature": 1.0, "top_p": 0.5, "stop": ["x"], "max_tokens": 5}
    for options in (ModelOptions(seed=1), ModelOptions(thinking=True), ModelOptions(extra={"top_k": 1})):
        with pytest.raises(InvalidOptions):
            on_chip.check(options)
    asked = ModelOptions(seed=1, thinking=True, extra={"top_k": 1})
    assert plain.check(asked) == {"seed": 1, "enable_thinking": True, "top_k": 1}


@pytest.mark.parametrize("name", ["qwq-32b", "qwen3-14b", "qwen-7b-chat", "unknown", "qwen3-8b@nvidia"])
def test_thinking_is_switched_only_where_it_can_be(chat: GenStudio, name: str) -> None:
    with pytest.raises(InvalidOptions):
        chat.dialect(name).check(ModelOptions(thinking=False))


def test_functions_are_native_only_on_the_service(chat: GenStudio) -> None:
    kinds = [chat.dialect(name).functions for name in ("qwq-32b", "qwq-32b@nvidia", "qwen3-8b")]
    assert kinds == ["native", "text", "text"]


# ---------------------------------------------------------------- framing

LINES = [orjson.dumps(c) for c in CHUNKS]
EVENTS = [b"data: " + line + b"\n\n" for line in LINES]
PRETTY = [orjson.dumps(c, option=orjson.OPT_INDENT_2) for c in CHUNKS]
FRAMINGS = {
    "events": b"".join(EVENTS) + DONE,
    "events without an end mark": b"".join(EVENTS),
    "events without spaces": b"".join(e.replace(b"data: ", b"data:") for e in EVENTS) + b"data:[DONE]\n\n",
    "events with CRLF": (b"".join(EVENTS) + DONE).replace(b"\n", b"\r\n"),
    "events with comments": b": ping\n\n" + b": ping\n\n".join(EVENTS) + DONE,
    "lines": b"\n".join(LINES) + b"\n",
    "lines with CRLF": b"\r\n".join(LINES) + b"\r\n",
    "lines without a last end": b"\n".join(LINES),
    "lines with an end mark": b"\n".join(LINES) + b"\n[DONE]\n",
    "concatenated": b"".join(LINES),
    "pretty-printed": b"\n".join(PRETTY),
    "events, then lines": EVENTS[0] + EVENTS[1] + b"\n".join(LINES[2:]),
    "lines, then events": b"\n".join(LINES[:2]) + b"\n" + EVENTS[2] + EVENTS[3] + DONE,
    "with a byte order mark": b"\xef\xbb\xbf" + b"\n".join(LINES),
}


@pytest.mark.parametrize("chip", ["", "@nvidia", "@biren", "@chip3"])
@pytest.mark.parametrize("type", ["text/event-stream", "application/json", "text/plain"])
async def test_the_bytes_tell_the_framing_and_nothing_else(
    chat: GenStudio, wire: Wire, chip: str, type: str
) -> None:
    wire.then(*(answers(data[:40], data[40:], type=type) for data in FRAMINGS.values()))
    for framing in FRAMINGS:
        deltas = await collect(chat.stream(ask(f"infini-megrez-7b{chip}")))
        assert text(deltas) == "我是好\u2028的", framing
        assert deltas[-1] == Finish("stop", Usage(22, 18), "served", "chatcmpl-1"), framing


async def test_lines_that_end_without_a_reason_are_truncated(chat: GenStudio, wire: Wire) -> None:
    wire.then(answers(*(line + b"\n" for line in LINES[:-1])))
    deltas, error = await until_error(chat.stream(ask(CHIP)))
    assert (text(deltas), error.category) == ("我是好\u2028的", "truncated")


async def test_what_other_servers_always_send_may_be_missing() -> None:
    deltas, error = read(b'{"choices":[{"delta":{"content":"a"}}]}\n{"choices":[{"finish_reason":"stop"}]}')
    assert (error, deltas) == (None, [TextDelta("a"), Finish("stop", Usage(), "m")])


async def test_a_whole_answer_with_reasoning(chat: GenStudio, wire: Wire) -> None:
    message = {"role": "assistant", "content": "好", "reasoning_content": "想"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    wire.then(says({"id": "c", "model": "served", "choices": [choice], "usage": USAGE}))
    deltas = await collect(chat.stream(ask("qwq-32b", options={"stream": False})))
    assert deltas == [ThinkingDelta("想"), TextDelta("好"), Finish("stop", Usage(22, 18), "served", "c")]
    assert "stream_options" not in wire.seen[0].json


# ---------------------------------------------------------------- blocked


def blocked(place: str, *, key: str, content: str | None = None, finish: str | None = None) -> dict[str, Any]:
    """A chunk (`delta`) or whole answer (`message`) with the mark in one of its places."""
    said: dict[str, Any] = {} if content is None else {"content": content}
    choice: dict[str, Any] = {"index": 0, key: said, "finish_reason": finish}
    body: dict[str, Any] = {"id": "c", "choices": [choice]}
    {"top": body, "choice": choice, "said": said}[place]["blocked"] = True
    return body


PLACES = ("top", "choice", "said")


def frame(body: dict[str, Any], *, bare: bool) -> bytes:
    line = orjson.dumps(body)
    return line + b"\n" if bare else b"data: " + line + b"\n\n"


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("bare", [True, False], ids=["lines", "events"])
@pytest.mark.parametrize("end", [b"", DONE], ids=["EOF", "DONE"])
@pytest.mark.parametrize("finish", [None, "stop"])
def test_what_is_blocked_in_a_stream_ends_it(place: str, bare: bool, end: bytes, finish: str | None) -> None:
    mark = frame(blocked(place, key="delta", finish=finish), bare=bare)
    deltas, error = read(frame(chunk("bad"), bare=bare), mark, end)
    assert error is None
    assert deltas[:-1] == [TextDelta("bad"), Flagged("output", retract=True)]
    assert isinstance(deltas[-1], Finish)
    assert deltas[-1].reason == "flagged"
    deltas, error = read(mark, end)
    assert (deltas[0], error) == (Flagged("input"), None)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("content", ["", "bad"])
async def test_what_is_blocked_in_a_whole_answer_is_not_told(
    chat: GenStudio, wire: Wire, place: str, content: str
) -> None:
    wire.then(says(blocked(place, key="message", content=content, finish="stop")))
    deltas = await collect(chat.stream(ask(CHIP, options={"stream": False})))
    assert deltas[0] == Flagged("output" if content else "input")
    assert isinstance(deltas[1], Finish)
    assert (len(deltas), deltas[1].reason) == (2, "flagged")


@pytest.mark.parametrize("body", [{"blocked": True}, {"blocked": True, "choices": []}, {"blocked": "true"}])
def test_blocked_may_come_without_any_choice(body: dict[str, Any]) -> None:
    deltas, error = read(frame(chunk("bad"), bare=True), frame(body, bare=True))
    assert error is None
    assert deltas[1] == Flagged("output", retract=True)


def test_text_behind_the_mark_or_beside_it_is_not_shown() -> None:
    mark = frame(blocked("said", key="delta", content="worse"), bare=True)
    deltas, _ = read(frame(chunk("bad"), bare=True) + mark + frame(chunk("more"), bare=True))
    assert text(deltas) == "bad"
    beside, _ = read(mark)
    assert beside[0] == Flagged("output")


async def test_nothing_is_waited_for_behind_the_mark(chat: GenStudio, wire: Wire) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(frame(blocked("top", key="delta"), bare=True))
        await asyncio.Event().wait()
        return response

    wire.then(handler)
    async with asyncio.timeout(5):
        deltas = await collect(chat.stream(ask(CHIP)))
    assert deltas[0] == Flagged("input")


@pytest.mark.parametrize("value", [False, None, 0, "false", [], {}])
def test_what_passed_is_not_blocked(value: Any) -> None:
    deltas, error = read(frame({**chunk("a"), "blocked": value}, bare=True), frame(CHUNKS[-1], bare=True))
    assert (error, text(deltas)) == (None, "a")
    assert not [d for d in deltas if isinstance(d, Flagged)]


# ---------------------------------------------------------------- errors

FLAT = {"object": "error", "message": "no", "type": "BadRequestError", "param": None, "code": 400}
ERRORS: dict[str, tuple[Any, int, str]] = {
    "nested": (
        {"error": {"message": "no", "type": "invalid_request_error", "code": None}},
        400,
        "bad_request",
    ),
    "nested key": ({"error": {"message": "no", "code": "invalid_api_key"}}, 401, "auth"),
    "nested model": ({"error": {"message": "no", "code": "model_not_found"}}, 404, "not_found"),
    "quota": ({"error": {"message": "no", "code": "insufficient_quota"}}, 429, "quota_exhausted"),
    "error as text": ({"error": "slow", "message": "too fast"}, 429, "rate_limited"),
    "flat": (FLAT, 400, "bad_request"),
    "flat model": ({**FLAT, "type": "NotFoundError", "code": 404}, 404, "not_found"),
    "too long": ({**FLAT, "message": "the maximum context length is 4096"}, 400, "context_too_long"),
    "detail": ({"detail": "Unauthorized"}, 401, "auth"),
    "detail list": ({"detail": [{"loc": ["body"], "msg": "field required"}]}, 422, "bad_request"),
    "gateway": ({"error_code": "X.1", "error_msg": "no"}, 403, "permission"),
    "no JSON": (b"<html>busy</html>", 503, "overloaded"),
    "nothing": (b"", 500, "server"),
}


@pytest.mark.parametrize("name", ERRORS)
async def test_errors_in_every_shape(chat: GenStudio, wire: Wire, name: str, clock: Clock) -> None:
    body, status, category = ERRORS[name]
    wire.then(says(body, status))
    with pytest.raises(ProviderError) as caught:
        await collect(chat.stream(ask(CHIP)))
    assert (caught.value.category, caught.value.http_status) == (category, status)
    assert caught.value.provider == "genstudio"
    assert len(wire.seen) == (3 if caught.value.retryable else 1)


@pytest.mark.parametrize(
    ("body", "category"),
    [
        (FLAT, "bad_request"),
        ({**FLAT, "code": 401}, "auth"),
        ({**FLAT, "code": 429}, "rate_limited"),
        ({**FLAT, "code": 503}, "overloaded"),
        ({"error": {"message": "no", "type": "x", "code": 404}}, "not_found"),
        ({"error": {"message": "no", "code": "rate_limit_exceeded"}}, "rate_limited"),
        ({"detail": "odd"}, "server"),
    ],
)
@pytest.mark.parametrize("bare", [True, False], ids=["line", "event"])
async def test_errors_inside_a_stream(body: dict[str, Any], category: str, bare: bool) -> None:
    for before in (b"", frame(chunk("a"), bare=bare)):
        deltas, error = read(before + frame(body, bare=bare))
        assert error is not None
        assert (text(deltas), error.category) == ("a" if before else "", category)


def test_a_wrong_key_says_which_setting() -> None:
    _, error = read(b'{"error":{"message":"no","code":"invalid_api_key"}}')
    assert "GENSTUDIO_API_KEY" in str(error)


# ---------------------------------------------------------------- limits


class Told:
    """A limiter that notes what it is told."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def preset(self, key: str, quotas: Sequence[Quota]) -> None:
        self.calls.append(("preset", key, tuple(quotas)))

    async def acquire(self, key: str, tokens: int, *, deadline: float) -> None:
        self.calls.append(("acquire", key))

    def learn(self, key: str, headers: Any) -> None: ...

    def exhausted(self, key: str, what: str, retry_after: float | None) -> None: ...


def settings(**values: Any) -> Settings:
    return Settings.load(None, genstudio_api_key="sk-k", **values)


async def test_the_limits_are_set_before_the_first_request(wire: Wire, transport: Transport) -> None:
    wire.then(OK)
    limiter, chosen = Told(), settings(genstudio_base_url=wire.base + "/maas", genstudio_requests_per_day=7)
    chat: Any = registry.create("genstudio", chosen, limiter, transport=transport)
    await collect(chat.stream(ask(CHIP)))
    await collect(chat.stream(ask("qwen3-8b")))
    quotas = (
        Quota("requests", 12, 60.0),
        Quota("requests", 7, 86_400.0),
        Quota("tokens", 12_000_000, 60.0),
    )
    assert limiter.calls == [("preset", "genstudio", quotas), *[("acquire", "genstudio")] * 2]


async def test_a_name_that_cannot_be_sent_takes_nothing_of_the_limits(transport: Transport) -> None:
    limiter = Told()
    chat: Any = registry.create("genstudio", settings(), limiter, transport=transport)
    for call in (
        lambda: collect(chat.stream(ask("a/b@amd"))),
        lambda: chat.count_tokens("a@../b", "x", deadline=soon()),
        lambda: chat.context_length("a@../b", deadline=soon()),
    ):
        with pytest.raises(ProviderError, match="MODEL@CHIP"):
            await call()
    assert [call[0] for call in limiter.calls] == ["preset"]


def test_the_documented_limits_are_the_usual_ones() -> None:
    amounts = [(quota.resource, quota.amount) for quota in genstudio_platform.quotas(settings())]
    assert amounts == [("requests", 12), ("requests", 3_000), ("tokens", 12_000_000)]


async def test_all_models_together_keep_within_the_limits(
    wire: Wire, transport: Transport, clock: Clock
) -> None:
    wire.then(OK)
    limiter = RateLimiter(clock=clock, sleep=clock.sleep)
    chosen = settings(genstudio_base_url=wire.base + "/maas", genstudio_requests_per_minute=10)
    chat: Any = registry.create("genstudio", chosen, limiter, transport=transport)
    for model in [CHIP, "qwen3-8b", "qwen-7b-chat@iluvatar"] * 3:
        await collect(chat.stream(ask(model, seconds=10_000)))
    assert clock.slept == []
    await collect(chat.stream(ask(CHIP, seconds=10_000)))
    assert sum(clock.slept) == pytest.approx(60, abs=0.1)


# ---------------------------------------------------------------- models


def test_the_table_is_the_one_that_is_served_row_by_row() -> None:
    ours = [(m.name, chip, m.context) for m in MODELS for chip in m.chips]
    theirs = [(row.name, chip, row.context) for row in served.ROWS.values() for chip in row.chips]
    for mine, its in zip(ours, theirs, strict=True):
        assert mine == its
    assert (len(MODELS), len(ours), {chip for _, chip, _ in ours}) == (24, 43, set(CHIPS))
    assert len(CHIPS) == 7
    assert {m.name: m.thinking == "on" for m in LATER if m.switched} == served.THINKING
    assert {m.name: m.context for m in (*MODELS, *LATER)} == {m.name: m.tokens for m in served.PLAIN.values()}


def test_every_model_is_known_with_its_chips() -> None:
    rows = [row for row in registry.models(settings()) if row.name.startswith("genstudio/")]
    assert len(rows) == len({row.name for row in rows}) == 24 + 43 + len(LATER)
    by_name = {row.name: row for row in rows}
    assert {row.chip for row in rows} == {"", *CHIPS}
    assert all(row.family for row in rows)
    assert _seen(by_name["genstudio/llama-2-7b-chat@biren"]) == ("text", 4_096, "llama", "biren")
    assert _seen(by_name["genstudio/qwq-32b"]) == ("native", 65_536, "qwen", "")
    assert _seen(by_name["genstudio/chatglm3"]) == ("text", 8_192, "glm", "")
    assert "images" in by_name["genstudio/glm-4.5v"].abilities
    assert by_name["genstudio/qwen-72b@amd"].path == "/qwen-72b/amd"


def _seen(row: ModelInfo) -> tuple[Any, ...]:
    return row.functions, row.hard.tokens, row.family, row.chip


def test_native_tools_are_a_setting() -> None:
    chosen = settings(genstudio_native_tools=("qwen3-8b",))
    native = [row.name for row in registry.models(chosen) if row.functions == "native"]
    assert [name for name in native if name.startswith("genstudio/")] == ["genstudio/qwen3-8b"]


def test_limits_leave_room_for_the_answer_and_unknown_models_get_the_smallest() -> None:
    soft = [find(name).model.soft.tokens for name in ("llama-2-70b", "qwen-72b", "qwen3-8b", "unknown")]
    assert soft == [3_072, 28_672, 126_976, 3_072]
    assert find("unknown").model.hard.tokens is None


# ---------------------------------------------------------------- abilities


def test_its_abilities(chat: GenStudio) -> None:
    assert isinstance(chat, CountsTokens)
    assert isinstance(chat, Measures)
    assert isinstance(chat, ListsModels)
    assert isinstance(chat, Embeds)
    assert chat.usual["embed"] == "bge-m3"


async def test_tokens_and_context_are_asked_on_the_chip_by_its_two_names(chat: GenStudio, wire: Wire) -> None:
    wire.then(
        says({"model": "m", "prompt": "p", "token_count": 17}), says({"model": "m", "context_length": 4096})
    )
    assert await chat.count_tokens(CHIP, "你好", deadline=soon()) == 17
    assert await chat.context_length("qwen-7b-chat", deadline=soon()) == 4096
    count, details = wire.seen
    assert (count.target, count.json) == (
        "/maas/infini-megrez-7b/amd/token_count",
        {"model": "infini-megrez-7b", "chip": "amd", "prompt": "你好"},
    )
    assert (details.target, details.json) == (
        "/maas/qwen-7b-chat/nvidia/get_model_details",
        {"model": "qwen-7b-chat", "chiptype": "nvidia"},
    )


async def test_without_a_chip_there_is_no_one_to_ask(chat: GenStudio, wire: Wire) -> None:
    with pytest.raises(ProviderError, match="MODEL@CHIP"):
        await chat.count_tokens("qwq-32b", "x", deadline=soon())
    assert await chat.context_length("qwq-32b", deadline=soon()) is None
    assert wire.seen == []


@pytest.mark.parametrize("count", [None, "17", -1, True, 1.5])
async def test_a_count_that_is_none_is_an_error(chat: GenStudio, wire: Wire, count: Any) -> None:
    wire.then(says({"token_count": count, "context_length": count}))
    with pytest.raises(ProviderError, match="no count"):
        await chat.count_tokens(CHIP, "x", deadline=soon())
    assert await chat.context_length(CHIP, deadline=soon()) is None


async def test_embeddings_are_made_by_the_service(chat: GenStudio, wire: Wire) -> None:
    wire.then(says({"data": [{"index": 0, "embedding": [0.5, 1]}], "usage": {"prompt_tokens": 2}}))
    found = await chat.embed("bge-m3", ["a"], deadline=soon())
    assert (found.vectors, found.usage.input) == (((0.5, 1.0),), 2)
    assert (wire.seen[0].target, wire.seen[0].json) == (
        "/maas/v1/embeddings",
        {"model": "bge-m3", "input": ["a"]},
    )


def gpu(text: Any) -> dict[str, Any]:
    return {"tag_type": "gpu", "tag_extend_info": text}


async def test_the_console_lists_chips_inside_of_tags(chat: GenStudio, wire: Wire) -> None:
    tags = [
        gpu('{"chipType": "nvidia"}'),
        gpu('{"chipType": "nvidia"}'),
        gpu("{broken"),
        gpu('["chipType"]'),
        gpu('{"chipType": 5}'),
        gpu(None),
        {"tag_type": "task", "tag_extend_info": '{"chipType": "amd"}'},
        5,
    ]
    rows = [{"name": "new", "context_length": 8_000, "tag_list": tags}, {"name": 5}, None, {"tag_list": []}]
    rows.append({"name": "qwen3-8b", "tag_list": {}})
    wire.then(says({"code": 0, "data": {"model_list": rows}}))
    found = await chat.list_models(deadline=soon())
    assert [(m.name, m.context, m.chips) for m in found] == [
        ("new", 8_000, ("nvidia",)),
        ("qwen3-8b", 131_072, ()),
    ]
    assert wire.seen[0].target == "/api/maas/user/v2/model/list"


@pytest.mark.parametrize(
    "console",
    [says({}, 404), says(b"<html>log in</html>", type="text/html"), says({"data": {"model_list": {}}})],
)
async def test_without_the_console_the_service_lists_and_the_table_adds(
    chat: GenStudio, wire: Wire, console: Handler
) -> None:
    wire.then(console, says({"object": "list", "data": [{"id": "qwen-7b-chat"}, {"id": "x"}]}))
    found = await chat.list_models(deadline=soon())
    assert [(m.name, m.context, m.chips) for m in found] == [
        ("qwen-7b-chat", 32_768, ("nvidia", "amd", "iluvatar")),
        ("x", None, ()),
    ]
    assert [seen.target for seen in wire.seen] == ["/api/maas/user/v2/model/list", "/maas/v1/models"]


async def test_without_any_list_the_table_is_told(chat: GenStudio, wire: Wire) -> None:
    wire.then(says({}, 404))
    found = await chat.list_models(deadline=soon())
    assert [m.name for m in found] == [m.name for m in (*MODELS, *LATER)]
    assert sum(len(m.chips) for m in found) == 43


async def test_a_wrong_key_is_not_hidden_by_the_table(chat: GenStudio, wire: Wire) -> None:
    wire.then(says({"detail": "no"}, 401))
    with pytest.raises(ProviderError) as caught:
        await chat.list_models(deadline=soon())
    assert caught.value.category == "auth"


async def test_every_ability_against_the_simulator() -> None:
    async with Simulator() as simulator:
        chat: Any = registry.create("genstudio", settings().replaced(simulator.settings()))
        listed = await chat.list_models(deadline=soon())
        assert [(m.name, m.context, m.chips) for m in listed] == [
            (row.name, row.context, row.chips) for row in served.ROWS.values()
        ]
        for row in listed:
            for chip in row.chips:
                assert await chat.context_length(f"{row.name}@{chip}", deadline=soon()) == row.context
        assert await chat.count_tokens("chatglm3", "hello, world", deadline=soon()) > 1
        assert len((await chat.embed("bge-m3", ["a", "b"], deadline=soon())).vectors) == 2
        deltas = await collect(chat.stream(ask("mif-simulator")))
        assert isinstance(deltas[-1], Finish)
        await chat.aclose()
