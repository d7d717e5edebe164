"""The client of OpenAI-like servers: settings, profiles, what it learns, abilities."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr

from duihua import ChatEngine, Settings
from duihua.abilities import (
    Completes,
    CountsTokens,
    Draws,
    Embeds,
    ListsModels,
    Measures,
    Moderates,
    Transcribes,
)
from duihua.errors import ConfigError, InvalidOptions, MissingKey, ProviderError
from duihua.options import ModelOptions
from duihua.ports import Finish, Limits, ThinkingDelta
from duihua.providers import registry
from duihua.providers.auth import BearerKey
from duihua.providers.exchange import Line
from duihua.providers.http import Transport
from duihua.providers.openai_compatible import PLATFORM, OpenAICompatible, base_of
from duihua.providers.openai_profiles import PROFILES, Profile
from duihua.providers.retry import Retry, loop_time
from duihua.simulator import Simulator
from duihua_storage import open_store
from tests.engine.conftest import collect as gather
from tests.providers.conftest import WEATHER, Wire, ask, collect, event, says, streams, text

OK = streams(
    event(choices=[{"delta": {"content": "好"}}]), event(choices=[{"delta": {}, "finish_reason": "stop"}])
)


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE", "OPENAI_PROFILE"):
        monkeypatch.delenv(name, raising=False)


def settings(url: str = "", **more: Any) -> Settings:
    return Settings.load(None, **({"openai_base_url": url} if url else {}), **more)


def server(wire: Wire, transport: Transport, retry: Retry, profile: str = "generic") -> OpenAICompatible:
    auth = BearerKey(SecretStr("k"))
    line = Line(retry=retry)
    return OpenAICompatible(transport, auth, base_url=wire.base, line=line, profile=PROFILES[profile])


@pytest.fixture
def chat(wire: Wire, transport: Transport, retry: Retry) -> OpenAICompatible:
    return server(wire, transport, retry)


def refusal(message: str, status: int = 400, **more: Any) -> Any:
    return says({"error": {"message": message, "type": "invalid_request_error", **more}}, status)


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("url", "base", "profile"),
    [
        ("", "https://api.openai.com/v1", "openai"),
        ("https://api.openai.com/", "https://api.openai.com/v1", "openai"),
        ("https://api.openai.com/v1/", "https://api.openai.com/v1", "openai"),
        ("https://api.deepseek.com", "https://api.deepseek.com", "deepseek"),
        ("https://api.deepseek.com/v1", "https://api.deepseek.com/v1", "deepseek"),
        ("https://api.moonshot.cn/v1", "https://api.moonshot.cn/v1", "moonshot"),
        ("http://localhost:11434", "http://localhost:11434/v1", "ollama"),
        ("http://vllm:8000/v1", "http://vllm:8000/v1", "vllm"),
        ("http://10.0.0.1:3000/v1/", "http://10.0.0.1:3000/v1", "generic"),
        ("https://api.perplexity.ai", "https://api.perplexity.ai", "generic"),
        ("https://notapi.openai.com.evil.example", "https://notapi.openai.com.evil.example", "generic"),
    ],
)
def test_the_host_tells_the_profile(url: str, base: str, profile: str) -> None:
    found, chosen = base_of(settings(url))
    assert (found, chosen.name) == (base, profile)


def test_the_profile_can_be_named_and_a_wrong_name_lists_them() -> None:
    assert base_of(settings("http://h/v1", openai_profile="vLLM"))[1].name == "vllm"
    with pytest.raises(ConfigError, match="deepseek, moonshot, ollama"):
        base_of(settings(openai_profile="nonsense"))


@pytest.mark.parametrize("path", ["/chat/completions", "/chat/completions/", "/embeddings", "/models"])
def test_the_url_of_one_call_is_no_base(path: str) -> None:
    with pytest.raises(ConfigError, match="must end before"):
        base_of(settings(f"https://h/v1{path}"))


async def test_only_openai_itself_is_sure_to_want_a_key() -> None:
    for given in (settings(), settings("https://api.openai.com/v1/")):
        assert not PLATFORM.has_key(given)
        with pytest.raises(MissingKey, match="OPENAI_API_KEY"):
            registry.create("openai", given)
    local = settings("http://localhost:11434/v1")
    assert registry.has_key("openai", local)
    await registry.create("openai/llama3", local).aclose()
    assert registry.has_key("openai", settings(openai_api_key="k"))
    assert not registry.has_key("qianfan", local)


async def test_without_a_key_none_is_sent(wire: Wire) -> None:
    wire.then(OK)
    client = registry.create("openai", settings(wire.base + "/v1"))
    assert text(await collect(client.stream(ask("m")))) == "好"
    assert wire.seen[0].target == "/v1/chat/completions"
    assert "Authorization" not in wire.seen[0].headers
    await client.aclose()


def test_models_of_openai_are_listed_and_those_of_others_unknown() -> None:
    assert "openai/gpt-4.1" in [m.name for m in registry.models(settings())]
    assert not [m for m in registry.models(settings("http://h/v1")) if m.name.startswith("openai/")]


# ---------------------------------------------------------------- profiles


@pytest.mark.parametrize(
    ("profile", "model", "soft", "hard"),
    [
        ("openai", "gpt-4", 8_192 - 2_048, 8_192),
        ("openai", "gpt-4o-mini", 128_000 - 16_384, 128_000),
        ("openai", "gpt-4.1-mini", 1_047_576 - 16_384, 1_047_576),
        ("openai", "ft:unheard-of", 8_000, None),
        ("deepseek", "deepseek-chat", 128_000 - 16_384, 128_000),
        ("moonshot", "moonshot-v1-8k", 8_192 - 2_048, 8_192),
        ("ollama", "llama3", 3_072, None),
        ("generic", "whatever", 8_000, None),
    ],
)
def test_how_much_a_model_takes(profile: str, model: str, soft: int, hard: int | None) -> None:
    limits = Limits(None, soft), Limits(None, hard)
    assert PROFILES[profile].limits(model, None) == limits
    assert PROFILES[profile].limits(model, 4_096)[1] == Limits(None, 4_096)


@pytest.mark.parametrize(
    ("profile", "given", "sent"),
    [
        ("openai", {"max_output_tokens": 5}, {"max_completion_tokens": 5}),
        ("openai", {"thinking": False}, {"reasoning_effort": "none"}),
        ("deepseek", {"max_output_tokens": 5}, {"max_tokens": 5}),
        ("deepseek", {"thinking": True}, {"thinking": {"type": "enabled"}}),
        ("moonshot", {"temperature": 1.5, "n": 2}, {"temperature": 1.0, "n": 2}),
        (
            "vllm",
            {"thinking": False},
            {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}},
        ),
        ("generic", {"response_format": "json_object"}, {"response_format": {"type": "json_object"}}),
    ],
)
def test_options_have_the_servers_names(
    chat: OpenAICompatible, profile: str, given: dict[str, Any], sent: dict[str, Any]
) -> None:
    chat.profile = PROFILES[profile]
    assert chat.dialect("m").check(ModelOptions.parse(given)) == sent


@pytest.mark.parametrize(
    ("profile", "option"), [("deepseek", {"seed": 1}), ("ollama", {"n": 2}), ("generic", {"thinking": True})]
)
def test_options_that_a_server_lacks_are_told(
    chat: OpenAICompatible, profile: str, option: dict[str, Any]
) -> None:
    chat.profile = PROFILES[profile]
    with pytest.raises(InvalidOptions):
        chat.dialect("m").check(ModelOptions.parse(option))


async def test_reasoning_is_off_where_it_would_have_to_be_sent_back(
    wire: Wire, transport: Transport, retry: Retry
) -> None:
    wire.then(OK)
    chat = server(wire, transport, retry, "deepseek")
    past = b'{"role":"assistant","content":null,"tool_calls":[]}'
    await collect(chat.stream(ask("m", options={"thinking": {"type": "enabled"}})))
    await collect(chat.stream(ask("m", tools=(WEATHER,))))
    await collect(chat.stream(ask("m", past, b'{"role":"user","content":"hi"}')))
    assert [seen.json.get("thinking", {}).get("type") for seen in wire.seen] == [
        "enabled",
        "disabled",
        "disabled",
    ]


# ---------------------------------------------------------------- what refusals teach


@pytest.mark.parametrize(
    ("words", "gone"),
    [
        ("Unknown parameter: 'seed'.", "seed"),
        ("Unsupported value: 'temperature' does not support 0.5 with this model.", "temperature"),
        ("Unrecognized request argument supplied: user", "user"),
        ("stream_options is not supported", "stream_options"),
        ("property 'seed' is unsupported", "seed"),
        ("参数 seed 不支持", "seed"),
    ],
)
async def test_a_refused_field_is_left_out_from_then_on(
    chat: OpenAICompatible, wire: Wire, words: str, gone: str, caplog: pytest.LogCaptureFixture
) -> None:
    wire.then(refusal(words), OK)
    request = ask("m", options={"temperature": 0.5, "seed": 1}, user="u1")
    assert text(await collect(chat.stream(request))) == "好"
    await collect(chat.stream(request))
    first, *others = (seen.json for seen in wire.seen)
    assert len(others) == 2
    assert all(other == {k: v for k, v in first.items() if k != gone} != first for other in others)
    assert gone in caplog.text
    await collect(chat.stream(ask("another", options={"seed": 1}, user="u1")))
    assert wire.seen[-1].json.keys() >= {"seed", "user", "stream_options"}


async def test_a_list_of_faulty_fields_is_read_too(chat: OpenAICompatible, wire: Wire) -> None:
    fault = {"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}
    wire.then(says({"detail": [fault]}, 422), OK)
    await collect(chat.stream(ask("m", options={"seed": 1})))
    assert "seed" not in wire.seen[1].json


async def test_the_limit_of_an_answer_has_two_names(chat: OpenAICompatible, wire: Wire) -> None:
    words = "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    wire.then(refusal(words), OK)
    await collect(chat.stream(ask("m", options={"max_tokens": 5})))
    sent = wire.seen[1].json
    assert (sent.get("max_tokens"), sent.get("max_completion_tokens")) == (None, 5)


async def test_one_refusal_after_another_is_obeyed_and_then_it_ends(
    chat: OpenAICompatible, wire: Wire
) -> None:
    words = "max_tokens and max_completion_tokens are not supported"
    wire.then(refusal(words), refusal("max_completion_tokens is unsupported"), refusal(words))
    with pytest.raises(ProviderError, match="not supported"):
        await collect(chat.stream(ask("m", options={"max_tokens": 5})))
    assert [seen.json.keys() & {"max_tokens", "max_completion_tokens"} for seen in wire.seen] == [
        {"max_tokens"},
        {"max_completion_tokens"},
        set(),
    ]


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("Invalid value for 'temperature': must be at most 1", 400),
        ("the user's request is wrong", 400),
        ("temperature is not supported", 401),
        ("temperature is not supported", 500),
        ("something is not supported", 400),
    ],
)
async def test_other_errors_teach_nothing(
    chat: OpenAICompatible, wire: Wire, words: str, status: int, clock: Any
) -> None:
    wire.then(refusal(words, status))
    with pytest.raises(ProviderError):
        await collect(chat.stream(ask("m", options={"temperature": 0.5}, user="u")))
    assert all("temperature" in seen.json for seen in wire.seen)
    assert chat.refused == {}


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("registry.ollama.ai/library/gemma:2b does not support tools", 400),
        ('"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set', 400),
        ("Unsupported parameter: 'tools' is not supported with this model.", 400),
        ("No endpoints found that support tool use.", 404),
        ("function calling is not supported", 400),
    ],
)
async def test_a_model_without_functions_is_asked_in_words_from_then_on(
    chat: OpenAICompatible, wire: Wire, words: str, status: int
) -> None:
    wire.then(refusal(words, status), OK)
    assert chat.dialect("m").functions == "native"
    with pytest.raises(ProviderError) as caught:
        await collect(chat.stream(ask("m", tools=(WEATHER,))))
    assert not caught.value.retryable
    assert (chat.dialect("m").functions, chat.dialect("other").functions) == ("text", "native")
    await collect(chat.stream(ask("m", tools=(WEATHER,))))
    assert "tools" not in wire.seen[-1].json


@pytest.mark.parametrize(
    "words",
    [
        "System role not supported",
        "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
        "Only user and assistant roles are supported!",
    ],
)
async def test_a_model_without_a_system_message_gets_it_with_the_question(
    chat: OpenAICompatible, wire: Wire, words: str
) -> None:
    wire.then(refusal(words))
    with pytest.raises(ProviderError):
        await collect(chat.stream(ask("m", user="u1")))
    assert chat.dialect("m").system == "user"


# ---------------------------------------------------------------- over the simulator


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator() as simulator:
        yield simulator


@pytest.fixture
async def client(simulator: Simulator) -> AsyncIterator[OpenAICompatible]:
    client = registry.create("openai", settings().replaced(simulator.settings()))
    assert isinstance(client, OpenAICompatible)
    yield client
    await client.aclose()


async def test_the_turn_itself_goes_on_when_functions_are_refused(
    simulator: Simulator, tmp_path: Any
) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/d.db"
    wanted = settings(database_url=url).replaced(simulator.settings())
    async with ChatEngine(
        "openai/gemma-2-9b-it", settings=wanted, store=open_store(url, upgrade=True)
    ) as engine:
        events = await gather(engine.session("a").say("北京今天天气怎么样?"))
        assert "北京" in events[-1].text
        assert simulator.counts["openai /openai/v1/chat/completions"] == 4  # refused for each, then two steps
        await engine.session("b").ask("你好")
        assert simulator.counts["openai /openai/v1/chat/completions"] == 5


@pytest.mark.parametrize("model", ["gpt-5-mini", "mistral-7b"])
async def test_what_a_model_refuses_is_found_out(client: OpenAICompatible, model: str) -> None:
    options = {"temperature": 0.5, "max_tokens": 50, "seed": 3}
    deltas = await collect(client.stream(ask(model, options=options, user="u1")))
    assert text(deltas)
    assert isinstance(deltas[-1], Finish)
    assert deltas[-1].usage.output > 0


async def test_reasoning_and_alternatives(client: OpenAICompatible) -> None:
    for stream in (True, False):
        deltas = await collect(client.stream(ask("qwq-32b", options={"n": 2, "stream": stream})))
        assert any(isinstance(d, ThinkingDelta) for d in deltas)
        assert isinstance(deltas[-1], Finish)
        assert deltas[-1].alternatives == (f"{text(deltas)} (2)",)


async def test_too_long_a_conversation_is_named(client: OpenAICompatible) -> None:
    message = b'{"role":"user","content":"%s"}' % (b"word " * 9_000)
    with pytest.raises(ProviderError) as caught:
        await collect(client.stream(ask("gemma-2-9b-it", message)))
    assert caught.value.category == "context_too_long"


async def test_every_ability(client: OpenAICompatible) -> None:
    for ability in (Completes, Draws, Embeds, ListsModels, Measures, Moderates, Transcribes):
        assert isinstance(client, ability)
    assert not isinstance(client, CountsTokens)
    usual, deadline = client.usual, loop_time() + 30
    found = await client.embed(usual["embed"], ["a", "b", "a"], deadline=deadline)
    assert found.vectors[0] == found.vectors[2] != found.vectors[1]
    assert found.usage.input > 0
    drawn = await client.draw(usual["draw"], "a cat", options={"n": 2}, deadline=deadline)
    assert [p.mime for p in drawn.pictures] == ["image/png"] * 2
    assert drawn.usage.output > 0
    heard = await client.transcribe(
        usual["transcribe"], bytes(32_000), name="a.wav", mime="audio/wav", language="zh", deadline=deadline
    )
    assert (heard.text, heard.seconds) == ("[a.wav, 32000 bytes]", 1.0)
    done = await client.complete(usual["complete"], "我叫小明", options={"max_tokens": 99}, deadline=deadline)
    assert "小明" in done.text
    assert (await client.moderate(usual["moderate"], "fine", deadline=deadline)).level == "pass"
    judged = await client.moderate(usual["moderate"], "bad !flag", deadline=deadline)
    assert (judged.level, judged.labels) == ("reject", ("violence",))
    assert judged.request_id.startswith("modr-")


async def test_a_flagged_drawing_is_refused_for_its_words(client: OpenAICompatible) -> None:
    with pytest.raises(ProviderError) as caught:
        await client.draw("gpt-image-2", "bad !flag", options={}, deadline=loop_time() + 30)
    assert caught.value.category == "moderation_input"


async def test_lengths_come_from_the_server_the_settings_or_what_is_known(
    client: OpenAICompatible, simulator: Simulator
) -> None:
    deadline = loop_time() + 30
    assert await client.context_length("qwq-32b", deadline=deadline) == 32_768
    assert await client.context_length("nobody", deadline=deadline) is None
    client.profile = PROFILES["openai"]
    assert await client.context_length("gpt-4o", deadline=deadline) == 128_000
    client.context = 5_000
    assert await client.context_length("qwq-32b", deadline=deadline) == 5_000


@pytest.mark.parametrize("body", [{}, {"results": []}, {"results": [{"flagged": "yes"}]}, {"results": None}])
async def test_a_judgement_that_is_none_is_an_error(chat: OpenAICompatible, wire: Wire, body: Any) -> None:
    wire.then(says(body))
    with pytest.raises(ProviderError, match="no judgement"):
        await chat.moderate("m", "x", deadline=asyncio.get_running_loop().time() + 5)


def test_profiles_name_only_abilities_that_there_are() -> None:
    for profile in PROFILES.values():
        assert isinstance(profile, Profile)
        assert all(hasattr(OpenAICompatible, name) for name in profile.usual)
