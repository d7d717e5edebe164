"""ModelArts Studio's client: what it sends, what it reads, over a laid-out wire and over the simulator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr

from duihua.abilities import Completes, Draws, Embeds, ListsModels, Measures
from duihua.config import Settings
from duihua.errors import ConfigError, InvalidOptions, MissingKey, ProviderError
from duihua.messages import Usage
from duihua.options import ModelOptions
from duihua.ports import CallDelta, Delta, Finish, Flagged, Limits, TextDelta, ThinkingDelta
from duihua.providers import modelarts_models, registry
from duihua.providers.auth import BearerKey
from duihua.providers.exchange import Line
from duihua.providers.faults import Reported
from duihua.providers.http import Transport
from duihua.providers.modelarts import FAULTS, ModelArts, ModelArtsAnswer, api_url
from duihua.providers.retry import Retry, loop_time
from duihua.simulator import Simulator
from duihua.simulator.modelarts import BASE, SERVICE
from tests.providers.conftest import WEATHER, Wire, ask, collect, event, says, streams, text, until_error

DONE = b"data: [DONE]\n\n"
HOST = "https://api.modelarts-maas.com"
OWN = f"https://my.example/v1/infers/{SERVICE}"


def choice(delta: dict[str, Any], finish: str | None = None, index: int = 0) -> dict[str, Any]:
    return {"index": index, "delta": delta, "finish_reason": finish}


def chunk(finish: str | None = None, **delta: Any) -> bytes:
    return event(id="chat-1", object="chat.completion", model="m", choices=[choice(delta, finish)])


OK = streams(chunk(content="你好"), chunk("stop"), DONE)


def read(*pieces: bytes) -> tuple[list[Delta], ProviderError | None]:
    answer = ModelArtsAnswer(FAULTS, "m")
    out = [d for piece in pieces for d in answer.feed(piece)]
    out += answer.close()
    return out, answer.error


@pytest.fixture
def chat(wire: Wire, transport: Transport, retry: Retry) -> ModelArts:
    return ModelArts(transport, BearerKey(SecretStr("k")), base_url=wire.base, line=Line(retry=retry))


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator() as simulator:
        yield simulator


def client(simulator: Simulator, transport: Transport, retry: Retry, base: str = BASE) -> ModelArts:
    key = BearerKey(SecretStr(simulator.keys.modelarts))
    return ModelArts(transport, key, base_url=simulator.url + base, line=Line(retry=retry))


@pytest.fixture
def served(simulator: Simulator, transport: Transport, retry: Retry) -> ModelArts:
    return client(simulator, transport, retry)


# ---------------------------------------------------------------- where requests go


@pytest.mark.parametrize(
    ("given", "base"),
    [
        (f"{HOST}/v1", f"{HOST}/v1"),
        (f"{HOST}/v1/", f"{HOST}/v1"),
        (HOST, f"{HOST}/v1"),
        (f"{HOST}/v2", f"{HOST}/v2"),
        (f"{HOST}/v1/v1", f"{HOST}/v1"),
        (f"{HOST}/v2/chat/completions", f"{HOST}/v2"),
        (OWN, f"{OWN}/v1"),
        (f"{OWN}/", f"{OWN}/v1"),
        (f"{OWN}/v1", f"{OWN}/v1"),
        (f"{OWN}/v1/v1/", f"{OWN}/v1"),
        (f"{OWN}/v1/chat/completions", f"{OWN}/v1"),
        (f"{OWN}/chat/completions", f"{OWN}/v1"),
    ],
)
def test_the_version_is_neither_missing_nor_doubled(given: str, base: str) -> None:
    assert api_url(given) == base


async def test_only_chat_is_asked_of_version_2(wire: Wire, transport: Transport) -> None:
    wire.then(OK, says({"data": []}))
    newer = ModelArts(transport, BearerKey(SecretStr("k")), base_url=f"{wire.base}/v2")
    await collect(newer.stream(ask("deepseek-v3.1")))
    await newer.list_models(deadline=loop_time() + 5)
    assert [seen.target for seen in wire.seen] == ["/v2/chat/completions", "/v1/models"]


def test_the_settings_make_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MODELARTS_API_KEY", "MODELARTS_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    made = registry.create("modelarts/DeepSeek-V3", Settings.load(None, modelarts_api_key="k"))
    assert isinstance(made, ModelArts)
    assert made.base_url == f"{HOST}/v1"
    with pytest.raises(MissingKey, match="MODELARTS_API_KEY"):
        registry.create("modelarts", Settings.load(None))
    with pytest.raises(ConfigError, match="MODELARTS_BASE_URL"):
        registry.create("modelarts", Settings.load(None, modelarts_api_key="k", modelarts_base_url="here"))


# ---------------------------------------------------------------- what is sent


async def test_a_request_on_the_wire(chat: ModelArts, wire: Wire) -> None:
    wire.then(OK)
    options = chat.dialect("deepseek-v3").check(ModelOptions(top_p=0.5, extra={"top_k": 20}))
    request = ask("deepseek-v3", tools=(WEATHER,), user="u1", options=dict(options))
    assert text(await collect(chat.stream(request))) == "你好"
    function = {"name": "weather", "description": WEATHER.description, "parameters": dict(WEATHER.schema)}
    assert (wire.seen[0].target, wire.seen[0].headers["Authorization"]) == (
        "/v1/chat/completions",
        "Bearer k",
    )
    assert wire.seen[0].json == {
        "model": "DeepSeek-V3",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "tools": [{"type": "function", "function": function}],
        "max_tokens": 8192,
        "temperature": 0.6,
        "top_p": 0.5,
        "top_k": 20,
    }


@pytest.mark.parametrize(
    ("model", "temperature"), [("DeepSeek-R1", 0.6), ("qwen2.5-vl-7b", 0.2), ("my-service", 0.6)]
)
def test_length_and_temperature_are_always_said(chat: ModelArts, model: str, temperature: float) -> None:
    usual = chat.dialect(model).check(ModelOptions())
    assert usual["temperature"] == temperature
    assert usual["max_tokens"] > 0
    asked = chat.dialect(model).check(ModelOptions(temperature=0.0, max_output_tokens=9))
    assert (asked["temperature"], asked["max_tokens"]) == (0.0, 9)


async def test_a_service_of_ones_own_is_asked_by_its_own_name(wire: Wire, transport: Transport) -> None:
    wire.then(OK)
    own = ModelArts(transport, BearerKey(SecretStr("k")), base_url=f"{wire.base}/v1/infers/{SERVICE}")
    await collect(own.stream(ask("deepseek-V3")))
    sent = wire.seen[0].json
    assert wire.seen[0].target == f"/v1/infers/{SERVICE}/v1/chat/completions"
    assert (sent["model"], sent["max_tokens"], sent["temperature"]) == ("deepseek-V3", 8192, 0.6)


@pytest.mark.parametrize(
    ("model", "template"),
    [
        ("deepseek-v3.1", {"thinking": True}),
        ("deepseek-v3.2-exp", {"thinking": True}),
        ("qwen3-30b-a3b", {"enable_thinking": True}),
        ("Qwen3-8B", {"enable_thinking": True}),
    ],
)
def test_thinking_is_switched_by_each_models_name_for_it(
    chat: ModelArts, model: str, template: dict[str, bool]
) -> None:
    assert chat.dialect(model).check(ModelOptions(thinking=True))["chat_template_kwargs"] == template
    with pytest.raises(InvalidOptions, match="no such option"):
        chat.dialect("DeepSeek-R1").check(ModelOptions(thinking=False))


@pytest.mark.parametrize(
    ("tools", "thinks", "choice"), [((WEATHER,), False, "auto"), ((), True, None)], ids=["tools", "none"]
)
async def test_thinking_is_off_while_functions_are_offered(
    chat: ModelArts, wire: Wire, tools: Any, thinks: bool, choice: str | None
) -> None:
    wire.then(OK)
    options = chat.dialect("deepseek-v3.1").check(ModelOptions(thinking=True, extra={"tool_choice": "auto"}))
    await collect(chat.stream(ask("deepseek-v3.1", tools=tools, options=dict(options))))
    assert wire.seen[0].json["chat_template_kwargs"] == {"thinking": thinks}
    assert wire.seen[0].json.get("tool_choice") == choice


BEAM = {"use_beam_search": True}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (ModelOptions(n=2), "extra.top_k above 1"),
        (ModelOptions(n=2, extra={"top_k": 1}), "extra.top_k above 1"),
        (ModelOptions(n=2, temperature=0, extra={"top_k": 5}), "temperature above 0"),
        (ModelOptions(n=11), r"in \[1, 10\]"),
        (ModelOptions(n=0), r"in \[1, 10\]"),
        (ModelOptions(temperature=0, extra=BEAM), "needs n above 1"),
        (ModelOptions(n=2, extra=BEAM), "needs temperature 0"),
        (ModelOptions(n=2, temperature=0, top_p=0.5, extra=BEAM), "needs top_p 1"),
        (ModelOptions(n=2, temperature=0, extra={**BEAM, "top_k": 5}), "needs top_k -1"),
        (ModelOptions(extra={"length_penalty": 1.2}), "needs use_beam_search and best_of"),
        (ModelOptions(n=2, temperature=0, extra={**BEAM, "length_penalty": 1.2}), "best_of above 1"),
        (ModelOptions(extra={"top_k": 0}), "an integer above 0, or -1"),
        (ModelOptions(extra={"top_k": "secret"}), r"'\.\.\.' is not allowed"),
        (ModelOptions(extra={"use_beam_search": 1}), "true or false"),
        (ModelOptions(extra={"best_of": True}), "an integer above 0"),
        (ModelOptions(extra={"chat_template_kwargs": "x"}), "an object"),
        (ModelOptions(extra={"enable_search": True}), "extra fields are best_of"),
        (ModelOptions(penalty_score=1.1), "no such option"),
        (ModelOptions(seed=1), "no such option"),
    ],
)
def test_options_are_checked_together_before_they_are_sent(options: ModelOptions, words: str) -> None:
    dialect = ModelArts(Transport(), BearerKey(None), base_url=HOST).dialect("qwen3-32b")
    with pytest.raises(InvalidOptions, match=words):
        dialect.check(options)


@pytest.mark.parametrize("model", ["DeepSeek-V3", "DeepSeek-R1", "deepseek-r1-250528"])
@pytest.mark.parametrize(
    "options",
    [
        ModelOptions(n=2, extra={"top_k": 5}),
        ModelOptions(extra=BEAM),
        ModelOptions(extra={"length_penalty": 1}),
    ],
)
def test_some_models_give_one_answer(chat: ModelArts, model: str, options: ModelOptions) -> None:
    with pytest.raises(InvalidOptions, match=r"one answer|no beam search"):
        chat.dialect(model).check(options)


def test_good_options_pass(chat: ModelArts) -> None:
    check = chat.dialect("qwen3-32b").check
    assert check(ModelOptions(n=3, extra={"top_k": 5}))["n"] == 3
    beams = {**BEAM, "best_of": 3, "length_penalty": 1.5, "top_k": -1}
    assert check(ModelOptions(n=2, temperature=0.0, top_p=1.0, extra=beams))["best_of"] == 3


# ---------------------------------------------------------------- what is read


@pytest.mark.parametrize(
    ("status", "body", "category"),
    [
        (400, {"error_code": "ModelArts.81001", "error_msg": "Invalid request body."}, "bad_request"),
        (400, {"error_code": "ModelArts.81002", "error_msg": "no header"}, "auth"),
        (401, {"error_code": "ModelArts.81003", "error_msg": "Invalid authorization header."}, "auth"),
        (403, {"error_code": "ModelArts.81004", "error_msg": "no access"}, "permission"),
        (401, {"error_code": "ModelArts.81004", "error_msg": "no access"}, "permission"),
        (403, {"error_code": "ModelArts.81005", "error_msg": "used up"}, "quota_exhausted"),
        (403, {"error_code": "ModelArts.81006", "error_msg": "frozen"}, "permission"),
        (403, {"error_code": "ModelArts.81014", "error_msg": "expired"}, "quota_exhausted"),
        (404, {"error_code": "ModelArts.81009", "error_msg": "Invalid model."}, "not_found"),
        (404, {"error_code": "ModelArts.81108", "error_msg": "no such task"}, "not_found"),
        (403, {"error_code": "ModelArts.81109", "error_msg": "not your task"}, "permission"),
        (500, {"error": {"message": "died", "type": "InternalServerError", "code": 500}}, "server"),
        (403, {"error_code": "ModelArts.4910", "error_msg": "May contain ..."}, "moderation_input"),
        (403, {"error_code": "ModelArts.81011", "error_msg": "May contain ..."}, "moderation_input"),
        (400, {"error_code": "ModelArts.81013", "error_msg": "only Chinese"}, "moderation_input"),
        (403, {"error_code": "ModelArts.9", "error_msg": "May contain senstive words"}, "moderation_input"),
        (429, {"error_code": "ModelArts.81101", "error_msg": "too many"}, "rate_limited"),
        (429, {"error_code": "ModelArts.81103", "error_msg": "tokens"}, "rate_limited"),
        (429, {"error_msg": "throttling", "error_code": "APIG.0308", "request_id": "r"}, "rate_limited"),
        (404, {"error_msg": "no API", "error_code": "APIG.0101", "request_id": "r"}, "not_found"),
        (504, {"error_msg": "Backend timeout", "error_code": "APIG.0203"}, "server"),
        (400, {"object": "error", "message": "extra", "type": "BadRequestError", "code": 400}, "bad_request"),
        (404, {"object": "error", "message": "no", "type": "NotFoundError", "code": 404}, "not_found"),
        (
            400,
            {"object": "error", "message": "maximum context length is 9 tokens", "code": 400},
            "context_too_long",
        ),
        (405, {"detail": "Method Not Allowed"}, "bad_request"),
    ],
)
async def test_every_shape_of_error_is_understood(
    chat: ModelArts, wire: Wire, status: int, body: dict[str, Any], category: str
) -> None:
    wire.then(says(body, status))
    with pytest.raises(ProviderError) as caught:
        await collect(chat.stream(ask("DeepSeek-V3", options={"stream": False})))
    assert (caught.value.category, caught.value.http_status) == (category, status)
    told = body.get("error", body)
    assert next(v for k, v in told.items() if k in ("error_msg", "message", "detail")) in caught.value.message
    assert caught.value.retryable is (category in ("rate_limited", "server"))


@pytest.mark.parametrize(
    ("words", "code", "category"),
    [
        ("maximum context length is 9 tokens", 400, "context_too_long"),
        ("slow down", 429, "rate_limited"),
        ("engine died", 500, "server"),
    ],
)
async def test_an_error_in_mid_stream_has_the_meaning_of_its_code(
    words: str, code: int, category: str
) -> None:
    fault = {"message": words, "type": "SomeError", "param": None, "code": code}
    deltas, error = read(chunk(content="你"), event(error=fault))
    assert deltas == [TextDelta("你")]
    assert error is not None
    assert error.category == category


def test_which_budget_is_spent_is_told_by_the_code() -> None:
    assert [FAULTS.spent(code) for code in ("ModelArts.81101", "ModelArts.81103")] == ["requests", "tokens"]
    assert FAULTS.category(Reported("APIG.9", "sensor failed"), 500) == "server"


async def test_flagged_output_ends_in_a_choice_without_a_delta() -> None:
    end = event(choices=[{"finish_reason": "content_filter", "index": 0}])
    deltas, error = read(chunk(content="恐龙"), end + DONE)
    assert error is None
    assert deltas[:2] == [TextDelta("恐龙"), Flagged("output", retract=True)]
    assert read(end, DONE)[0][0] == Flagged("output", retract=False)


async def test_a_flagged_alternative_is_not_told() -> None:
    others = [choice({"content": "b"}, index=1), choice({"content": "c"}, index=2)]
    flagged = choice({"content": "!"}, "content_filter", 1)
    deltas, _ = read(chunk(content="a"), event(choices=others), event(choices=[flagged]), chunk("stop"), DONE)
    assert isinstance(deltas[-1], Finish)
    assert deltas[-1].alternatives == ("c",)


async def test_usage_on_every_chunk_is_the_last_ones() -> None:
    counts = [{"prompt_tokens": 5, "completion_tokens": n, "total_tokens": 5 + n} for n in (1, 2, 3)]
    pieces = [event(choices=[choice({"content": "a"})], usage=usage) for usage in counts]
    deltas, _ = read(*pieces, event(choices=[choice({}, "stop")], usage=None), DONE)
    assert isinstance(deltas[-1], Finish)
    assert deltas[-1].usage == Usage(5, 3)


async def test_a_whole_answer_may_lack_its_finish_reason_and_have_an_empty_list_of_calls() -> None:
    message = {"role": "assistant", "content": "好", "reasoning": "想", "tool_calls": []}
    deltas, error = read(event(choices=[{"index": 0, "message": message}])[6:])
    assert error is None
    assert deltas == [ThinkingDelta("想"), TextDelta("好"), Finish("stop", model="m")]


# ---------------------------------------------------------------- the table of models


def test_the_table_says_what_is_documented() -> None:
    known = {m.name: (m.context, m.functions) for m in modelarts_models.MODELS}
    assert known == {
        "DeepSeek-V3": (65_536, "native"),
        "DeepSeek-R1": (65_536, "native"),
        "deepseek-r1-250528": (65_536, "native"),
        "deepseek-v3.1": (131_072, "native"),
        "deepseek-v3.2-exp": (65_536, "native"),
        "qwen2.5-vl-7b": (32_768, "text"),
        "qwen2.5-vl-72b": (32_768, "text"),
        "qwen3-32b": (32_768, "text"),
        "qwen3-235b-a22b": (32_768, "text"),
        "qwen3-30b-a3b": (131_072, "text"),
    }


def test_an_answer_always_has_room_beside_the_conversation(chat: ModelArts) -> None:
    for name in [*(m.name for m in modelarts_models.MODELS), "unknown"]:
        context, dialect = modelarts_models.find(name).context, chat.dialect(name)
        assert dialect.soft.tokens is not None
        assert dialect.soft.tokens + dialect.check(ModelOptions())["max_tokens"] <= (context or 8_192)
        assert dialect.hard == Limits(None, context)


def test_models_are_listed_with_what_they_can(chat: ModelArts) -> None:
    listed = {info.name.removeprefix("modelarts/"): info for info in modelarts_models.infos()}
    assert all(ability in listed[model].abilities for ability, model in chat.usual.items())
    assert listed["qwen2.5-vl-7b"].abilities == {"chat", "complete", "images"}
    assert listed["deepseek-v3.1"].abilities == {"chat", "complete", "thinking"}
    assert (listed["bge-m3"].functions, listed["bge-m3"].abilities) == ("none", {"embed"})
    assert [listed[name].family for name in ("DeepSeek-V3", "qwen3-32b", "qwen_image_edit")] == [
        "deepseek",
        "qwen",
        "qwen",
    ]
    assert [chat.dialect(m).images for m in ("qwen2.5-vl-72b", "qwen3-32b")] == ["data_url", "none"]


# ---------------------------------------------------------------- over the simulator


@pytest.mark.parametrize("streamed", [True, False])
async def test_several_answers_come_beside_the_first(served: ModelArts, streamed: bool) -> None:
    options = served.dialect("qwen3-32b").check(ModelOptions(n=3, extra={"top_k": 5}))
    request = ask("qwen3-32b", options={**options, "stream": streamed})
    deltas = await collect(served.stream(request))
    assert isinstance(deltas[-1], Finish)
    first = text(deltas)
    assert first
    assert deltas[-1].alternatives == (f"{first} (2)", f"{first} (3)")


@pytest.mark.parametrize("model", ["deepseek-v3.1", "deepseek-v3.2-exp", "qwen3-30b-a3b"])
@pytest.mark.parametrize("thinking", [True, False])
async def test_thinking_is_heard_when_it_is_on(served: ModelArts, model: str, thinking: bool) -> None:
    options = served.dialect(model).check(ModelOptions(thinking=thinking))
    deltas = await collect(served.stream(ask(model, options=dict(options))))
    assert any(isinstance(d, ThinkingDelta) for d in deltas) == thinking
    assert isinstance(deltas[-1], Finish)
    assert deltas[-1].usage.output > 0


async def test_a_model_that_was_asked_to_think_still_calls_functions(served: ModelArts) -> None:
    options = served.dialect("deepseek-v3.2-exp").check(ModelOptions(thinking=True))
    question = '{"role":"user","content":"北京今天天气怎么样?"}'.encode()
    request = ask("deepseek-v3.2-exp", question, tools=(WEATHER,), options=dict(options))
    deltas = await collect(served.stream(request))
    assert [d.name for d in deltas if isinstance(d, CallDelta) and d.name] == ["weather"]
    assert isinstance(deltas[-1], Finish)
    assert deltas[-1].reason == "calls"


@pytest.mark.parametrize("base", ["/modelarts/v2", f"{BASE}/infers/{SERVICE}", f"{BASE}/infers/{SERVICE}/v1"])
async def test_other_addresses_serve_too(
    simulator: Simulator, transport: Transport, retry: Retry, base: str
) -> None:
    other = client(simulator, transport, retry, base)
    model = "Qwen2.5-7B" if "infers" in base else "DeepSeek-V3"
    assert text(await collect(other.stream(ask(model))))
    flagged = b'{"role":"user","content":"!flag"}'
    _, error = await until_error(other.stream(ask(model, flagged)))
    assert error.category == "moderation_input"
    assert error.vendor_code == ("ModelArts.4910" if "infers" in base else "ModelArts.81011")
    assert len(await other.list_models(deadline=loop_time() + 5)) == (1 if "infers" in base else 13)


# ---------------------------------------------------------------- abilities


def test_the_abilities(chat: ModelArts) -> None:
    for ability in (ListsModels, Measures, Completes, Embeds, Draws):
        assert isinstance(chat, ability)


async def test_a_text_is_gone_on_with(served: ModelArts, simulator: Simulator) -> None:
    done = await served.complete("DeepSeek-V3", "从前有座山", options={"top_k": 9}, deadline=loop_time() + 5)
    assert "从前有座山" in done.text
    assert (done.finish, done.model) == ("stop", "DeepSeek-V3")
    assert done.usage.output > 0
    sent = simulator.requests[-1].body
    assert (sent["max_tokens"], sent["temperature"], sent["top_k"]) == (8192, 0.6, 9)


async def test_vectors_of_texts_that_are_alike_are_near(served: ModelArts) -> None:
    texts = ["北京今天晴", "北京今天多云", "stock prices fell"]
    found = await served.embed("bge-m3", texts, deadline=loop_time() + 5)
    a, b, c = found.vectors
    near, far = (sum(x * y for x, y in zip(a, other, strict=True)) for other in (b, c))
    assert near > 0.3 > far
    assert found.usage.input > 0


async def test_vectors_are_asked_for_in_batches_that_fit(served: ModelArts, simulator: Simulator) -> None:
    found = await served.embed("bge-m3", ["字" * 4_000] * 7, deadline=loop_time() + 5)
    assert len(found.vectors) == 7
    assert len(simulator.requests) > 1
    assert {request.outcome for request in simulator.requests} == {"ok"}


async def test_an_image_is_drawn_in_the_size_asked_for(served: ModelArts) -> None:
    for options, size in (({}, 1024), ({"size": "512x528", "seed": 7}, 512)):
        drawn = await served.draw("qwen-image", "a cat", options=options, deadline=loop_time() + 5)
        picture = drawn.pictures[0]
        assert picture.mime == "image/png"
        assert int.from_bytes(picture.data[16:20], "big") == size


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        ("qwen-image", {"size": "500x1024"}, "multiple of 16"),
        ("qwen-image", {"size": "1024x1000"}, "multiple of 16"),
        ("qwen-image", {"size": "4096x1024"}, "multiple of 16"),
        ("qwen-image", {"size": "1024*1024"}, "WIDTHxHEIGHT"),
        ("qwen-image", {"size": 1024}, "WIDTHxHEIGHT"),
        ("qwen-image", {"response_format": "url"}, "b64_json"),
        ("qwen-image", {"seed": -1}, "an integer in"),
        ("qwen-image", {"n": 2}, "one image at a time"),
        ("qwen_image_edit", {}, "base64 text"),
        ("qwen_image_edit", {"image": "x", "size": "2064x2048"}, "2048"),
        ("qwen_image_edit", {"image": "x" * (3 << 20) + "x"}, "base64 text"),
    ],
)
async def test_a_wrong_drawing_is_refused_before_it_is_sent(
    chat: ModelArts, wire: Wire, model: str, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ProviderError, match=words) as caught:
        await chat.draw(model, "a cat", options=options, deadline=loop_time() + 5)
    assert caught.value.category == "bad_request"
    assert not wire.seen


async def test_an_image_is_changed(served: ModelArts, simulator: Simulator) -> None:
    options = {"image": "data:image/png;base64,aGk="}
    assert (await served.draw("qwen_image_edit", "blue", options=options, deadline=loop_time() + 5)).pictures
    assert "response_format" not in simulator.requests[-1].body


async def test_a_wrong_field_of_a_completion_is_not_sent(chat: ModelArts, wire: Wire) -> None:
    with pytest.raises(ProviderError, match="the platform's fields are"):
        await chat.complete("DeepSeek-V3", "a", options={"n": 2}, deadline=loop_time() + 5)
    assert not wire.seen


async def test_context_lengths_are_known_or_asked_for(
    wire: Wire, transport: Transport, chat: ModelArts
) -> None:
    wire.then(says({"data": [{"id": "mine", "max_model_len": 4096}, {"id": "DeepSeek-V3"}]}))
    assert await chat.context_length("deepseek-v3", deadline=loop_time() + 5) == 65_536
    assert not wire.seen
    own = ModelArts(transport, BearerKey(SecretStr("k")), base_url=f"{wire.base}/v1/infers/{SERVICE}")
    deadline = loop_time() + 5
    found = [await own.context_length(name, deadline=deadline) for name in ("mine", "DeepSeek-V3", "x")]
    assert found == [4096, None, None]
