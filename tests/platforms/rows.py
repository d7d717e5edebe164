"""What each platform is tried for: one function for each row of the table in docs/providers.md.

A function ends quietly if the platform really did it, raises `Lacks` if duihua has no such thing there, and
anything else if it is broken. No two questions are worded alike: the simulator counts faults by their words.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import orjson

from duihua import ChatEngine, image
from duihua.abilities import Ability
from duihua.contexts import measurable
from duihua.errors import InvalidOptions, NoSuchAbility
from duihua.events import (
    AnyEvent,
    HistoryCleared,
    Retracted,
    SkillFinished,
    TextDelta,
    ThinkingDelta,
    TurnFailed,
    TurnFinished,
)
from duihua.messages import Text
from duihua.options import ModelOptions
from duihua.providers import registry
from duihua.session import Session
from duihua.simulator import Simulator
from duihua.simulator.drawing import png
from duihua.simulator.traffic import Seen
from tests.engine.conftest import collect


class Lacks(Exception):
    """The platform has no such ability, or duihua does not use it."""


@dataclass(frozen=True)
class Models:
    """Whom to ask on a platform; an empty name: no model of it can, which is checked.

    native: calls functions itself. text: calls them by words. thinks: tells its reasoning. sees: takes
    images. several: what makes it give two answers.
    """

    native: str
    text: str
    thinks: str = ""
    sees: str = ""
    several: ModelOptions = field(default_factory=lambda: ModelOptions(n=2))


MODELS = {
    "qianfan": Models("ernie-3.5-8k", "ernie-speed-8k", thinks="ernie-3.5-8k"),
    "qianfan-v2": Models(
        "ernie-4.0-turbo-8k", "ernie-4.0-8k-latest", thinks="deepseek-r1", sees="ernie-4.5-turbo-vl-32k"
    ),
    "modelarts": Models(
        "deepseek-v3.1",
        "qwen3-32b",
        thinks="DeepSeek-R1",
        sees="qwen2.5-vl-72b",
        several=ModelOptions(n=2, temperature=0.8, extra={"top_k": 5}),
    ),
    "genstudio": Models("qwq-32b", "chatglm2-6b-32k@enflame", thinks="qwq-32b", sees="glm-4.5v"),
    "openai": Models("gpt-4.1-mini", "gemma-2-9b-it", thinks="qwq-32b", sees="gpt-4.1-mini"),
    "zhipu": Models("glm-4.7", "charglm-4", thinks="glm-4.7", sees="glm-4.6v"),
    "dashscope": Models("qwen-plus", "dolly-12b-v2", thinks="qwen-plus", sees="qwen3-vl-plus"),
    "dashscope-compatible": Models("qwen-plus", "qwen-long", thinks="deepseek-r1", sees="qwen3-vl-plus"),
}


@dataclass(frozen=True)
class Bench:
    """One platform on the bench: engines that differ in their settings, all over one simulator."""

    platform: str
    simulator: Simulator
    usual: ChatEngine
    whole: ChatEngine
    dropping: ChatEngine
    keyless: ChatEngine
    numbers: Any = field(default_factory=count)

    @property
    def models(self) -> Models:
        """Whom to ask."""
        return MODELS[self.platform]

    async def session(self, engine: ChatEngine | None = None, model: str = "") -> Session:
        """A new conversation with a model of the platform."""
        session = (engine or self.usual).session(f"{self.platform}-{next(self.numbers)}")
        await session.configure(model=f"{self.platform}/{model or self.models.native}")
        return session

    def requests(self, words: str) -> list[Seen]:
        """The platform's chat requests that hold these words, oldest first."""
        seen = [r for r in self.simulator.requests if r.model and r.platform == self.platform]
        return [r for r in seen if words in sent(r)]


def sent(request: Seen) -> str:
    """The body of a request."""
    return orjson.dumps(request.body).decode()


Check = Callable[[Bench], Awaitable[None]]


@dataclass(frozen=True)
class Row:
    """A line of the table: its name for readers, and what is tried."""

    en: str
    zh: str
    check: Check

    @property
    def key(self) -> str:
        """Its name for the table of reasons."""
        return self.check.__name__


ROWS: list[Row] = []


def row(en: str, zh: str) -> Callable[[Check], Check]:
    """Adds a function to the table."""

    def add(check: Check) -> Check:
        ROWS.append(Row(en, zh, check))
        return check

    return add


def ended(events: Sequence[AnyEvent], finish: str = "stop") -> TurnFinished:
    """The end of a turn that ended well."""
    last = events[-1]
    assert isinstance(last, TurnFinished), last
    assert last.finish == finish, last
    return last


# ---------------------------------------------------------------- chat


@row("chat, streamed", "对话，流式")
async def streamed(bench: Bench) -> None:
    session = await bench.session()
    await session.ask("你好, 我叫小明")
    events = await collect(session.say("我叫什么名字?"))
    assert "小明" in ended(events).text
    assert len([e for e in events if isinstance(e, TextDelta)]) > 1


@row("chat, whole answers", "对话，整段返回")
async def whole(bench: Bench) -> None:
    session = await bench.session(bench.whole)
    await session.ask("您好, 我叫小红")
    events = await collect(session.say("我叫什么名字?"))
    assert "小红" in ended(events).text
    assert len([e for e in events if isinstance(e, TextDelta)]) == 1


async def _weather(bench: Bench, model: str, city: str, *, native: bool) -> None:
    session = await bench.session(model=model)
    question = f"{city}今天天气怎么样?"
    events = await collect(session.say(question))
    assert [(e.name, e.state) for e in events if isinstance(e, SkillFinished)] == [("weather", "done")]
    assert city in ended(events).text
    body = sent(bench.requests(question)[-1])
    assert ('"tools":' in body or '"functions":' in body) == native


@row("skills as the platform's own functions", "技能，平台自带的函数调用")
async def native(bench: Bench) -> None:
    await _weather(bench, bench.models.native, "北京", native=True)


@row("skills in plain text, for models without functions", "技能，以文本方式（模型不支持函数调用时）")
async def by_text(bench: Bench) -> None:
    await _weather(bench, bench.models.text, "上海", native=False)


@row("several calls in one answer", "一次回答里多个调用")
async def parallel(bench: Bench) -> None:
    session, question = await bench.session(), "广州今天天气怎么样? 现在几点?"
    events = await collect(session.say(f"{question} !twocalls"))
    assert [e.state for e in events if isinstance(e, SkillFinished)] == ["done", "done"]
    ended(events)
    if len(bench.requests(question)) > 2:
        raise Lacks


@row("thinking, apart from the answer", "思考过程，与回答分开")
async def thinking(bench: Bench) -> None:
    model = bench.models.thinks
    dialect = bench.usual.resolve(f"{bench.platform}/{model}")[2]
    wanted = ModelOptions(thinking=True)
    try:
        dialect.check(wanted)
    except InvalidOptions:
        wanted = ModelOptions()  # it always thinks, or by itself
    session = await bench.session(model=model)
    events = await collect(session.say("深圳今天天气怎么样?", options=wanted))
    thoughts = "".join(e.text for e in events if isinstance(e, ThinkingDelta))
    assert thoughts.strip()
    assert thoughts not in ended(events).text


@row("images in a message", "消息里带图片")
async def images(bench: Bench) -> None:
    if not bench.models.sees:
        known = registry.PLATFORMS[bench.platform].models(bench.usual.settings)
        assert not [i.name for i in known if "images" in i.abilities]
        raise Lacks
    session = await bench.session(model=bench.models.sees)
    question = "这张图片里有什么?"
    reply = await session.ask([Text(question), image(png(question, 64, 64))])
    assert "iVBORw0KGgo" in sent(bench.requests(question)[-1])  # how every PNG begins in Base64
    assert reply.text


@row("token usage", "词元用量")
async def usage(bench: Bench) -> None:
    for engine in (bench.usual, bench.whole):
        said = (await (await bench.session(engine)).ask("请介绍一下你自己")).usage
        assert said.input > 0
        assert said.output > 0


@row("several answers (`n`)", "一次要多个回答（`n`）")
async def several(bench: Bench) -> None:
    session = await bench.session()
    try:
        reply = await session.ask("今天适合做什么?", options=bench.models.several)
    except InvalidOptions as e:
        raise Lacks from e
    assert len(reply.alternatives) == 1


# ---------------------------------------------------------------- moderation


@row("flagged question: the history is cleared", "提问违规：清除历史")
async def flagged_input(bench: Bench) -> None:
    session = await bench.session()
    await session.ask("我叫小刚")
    events = await collect(session.say("讲一个故事 !flag"))
    ended(events, "flagged")
    assert [e for e in events if isinstance(e, HistoryCleared)]
    assert "小刚" not in (await session.ask("我叫什么名字?")).text


async def _flagged_output(session: Session) -> list[AnyEvent]:
    await session.ask("我叫小丽")
    return await collect(session.say("讲一个关于恐龙的故事 !flag-output"))


@row("flagged answer: the history is cleared", "回答违规：清除历史")
async def flagged_output(bench: Bench) -> None:
    session = await bench.session()
    events = await _flagged_output(session)
    assert ended(events, "flagged").text == ""
    assert [e for e in events if isinstance(e, HistoryCleared)]
    assert "小丽" not in (await session.ask("我叫什么名字?")).text


@row("flagged answer: what was shown is taken back", "回答违规：撤回已显示的内容")
async def retracted(bench: Bench) -> None:
    events = await _flagged_output(await bench.session())
    shown = [i for i, e in enumerate(events) if isinstance(e, TextDelta)]
    back = [i for i, e in enumerate(events) if isinstance(e, Retracted)]
    if not back:
        raise Lacks
    assert shown
    assert back[0] > shown[-1]


async def _poisoned(bench: Bench, engine: ChatEngine) -> tuple[Session, list[AnyEvent]]:
    session = await bench.session(engine)
    await session.ask("我叫小强")
    await session.ask("霸王龙是什么? !poison")
    events = await collect(session.say("我叫什么名字?"))
    assert [e for e in events if isinstance(e, HistoryCleared)]
    return session, events


@row("poisoned history, `clear`: the next question is answered", "历史带毒，`clear`：下一个问题得到回答")
async def poison_clear(bench: Bench) -> None:
    session, _ = await _poisoned(bench, bench.usual)
    following = await collect(session.say("你好吗?"))
    ended(following)
    assert not [e for e in following if isinstance(e, HistoryCleared)]


@row(
    "poisoned history, `drop_turn`: this question is answered",
    "历史带毒，`drop_turn`：当场就得到回答",
)
async def poison_drop(bench: Bench) -> None:
    session, events = await _poisoned(bench, bench.dropping)
    ended(events)
    following = await collect(session.say("你好吗?"))
    ended(following)
    assert not [e for e in following if isinstance(e, HistoryCleared)]


# ---------------------------------------------------------------- errors


async def _fails(bench: Bench, fault: str, *categories: str, engine: ChatEngine | None = None) -> None:
    """The turn fails with the right error, and nothing else does: the conversation goes on."""
    session = await bench.session(engine)
    events = await collect(session.say(f"你好呀 {fault}"))
    last = events[-1]
    assert isinstance(last, TurnFailed), last
    assert last.error in [f"provider.{name}" for name in categories], last
    assert last.values["provider"] == bench.platform
    if engine is None:
        ended(await collect(session.say("还在吗?")))


@row("error: rate limit", "错误：频率限制")
async def rate_limit(bench: Bench) -> None:
    await _fails(bench, "!ratelimit 9", "rate_limited")


@row("error: overload", "错误：平台繁忙")
async def overload(bench: Bench) -> None:
    await _fails(bench, "!overload 9", "overloaded", "server")


@row("error: outage", "错误：平台宕机")
async def outage(bench: Bench) -> None:
    await _fails(bench, "!down", "overloaded")


@row("error: broken off", "错误：连接中断")
async def cut(bench: Bench) -> None:
    await _fails(bench, "!cut 9", "truncated")


@row("error: malformed answer", "错误：应答格式损坏")
async def malformed(bench: Bench) -> None:
    await _fails(bench, "!malformed", "server")


@row("error: wrong key", "错误：密钥不对")
async def wrong_key(bench: Bench) -> None:
    await _fails(bench, "", "auth", engine=bench.keyless)


@row("retried without a word: a rate limit that passes", "自动重试：限流很快过去")
async def retried(bench: Bench) -> None:
    greeting = "早上好, 今天忙吗"
    ended(await collect((await bench.session()).say(f"{greeting} !ratelimit")))
    assert [r.outcome == "ok" for r in bench.requests(greeting)] == [False, True]


# ---------------------------------------------------------------- beyond chat


@contextmanager
def known(bench: Bench) -> Iterator[ChatEngine]:
    """The engine; that it knows of no such ability there is `Lacks`."""
    try:
        yield bench.usual
    except NoSuchAbility as e:
        raise Lacks from e


def model(bench: Bench, *abilities: Ability) -> str:
    """The model that the platform's client takes by itself for the first of the abilities that has one."""
    client: Any = bench.usual.platform(bench.platform)
    named = [client.usual[ability] for ability in abilities if ability in client.usual]
    return f"{bench.platform}/{named[0] if named else bench.models.native}"


@row("`complete`: goes on with a text", "`complete`：续写文本")
async def complete(bench: Bench) -> None:
    with known(bench) as engine:
        done = await engine.complete("从前有座山", model=model(bench, "complete"))
        assert done.text
        assert done.usage.output > 0


@row("`start`: answers in the background", "`start`：后台回答")
async def start(bench: Bench) -> None:
    with known(bench) as engine:
        task = await engine.start("用一句话介绍北京", model=model(bench, "start"))
        done = await engine.result(task, wait=True, every=0.01)
        assert done.completion is not None, done
        assert done.completion.text


@row("`start_drawing`: draws in the background", "`start_drawing`：后台画图")
async def start_drawing(bench: Bench) -> None:
    with known(bench) as engine:
        task = await engine.start_drawing("山中小屋", model=model(bench, "start_drawing", "draw"))
        done = await engine.result(task, wait=True, every=0.01)
        assert done.drawing is not None, done
        assert all(picture.url or picture.data for picture in done.drawing.pictures)
        assert done.drawing.pictures


@row("`moderate`: judges a text", "`moderate`：审核文本")
async def moderate(bench: Bench) -> None:
    with known(bench) as engine:
        name = model(bench, "moderate")
        assert (await engine.moderate("今天天气很好", model=name)).level == "pass"
        assert (await engine.moderate("不好的话 !flag", model=name)).level == "reject"


@row("`embed`: texts to vectors", "`embed`：文本转向量")
async def embed(bench: Bench) -> None:
    with known(bench) as engine:
        found = await engine.embed(["茶", "咖啡", "茶"], model=model(bench, "embed"))
        one, other, again = found.vectors
        assert one == again != other


@row("`draw`: images", "`draw`：画图")
async def draw(bench: Bench) -> None:
    with known(bench) as engine:
        drawing = await engine.draw("湖边的一棵树", model=model(bench, "draw"))
        assert drawing.pictures
        assert all(picture.url or picture.data for picture in drawing.pictures)


@row("`transcribe`: recordings to text", "`transcribe`：录音转文字")
async def transcribe(bench: Bench) -> None:
    with known(bench) as engine:
        heard = await engine.transcribe(bytes(32_000), name="a.wav", model=model(bench, "transcribe"))
        assert "32000 bytes" in heard.text  # what the simulator has heard


@row("`count_tokens`: by the platform, not estimated", "`count_tokens`：由平台计数，不是估算")
async def count_tokens(bench: Bench) -> None:
    count = await bench.usual.count_tokens("你好, 世界", model=model(bench, "count_tokens"))
    assert count.tokens > 0
    if not count.exact:
        raise Lacks


@row("`models`: the list of models", "`models`：模型列表")
async def list_models(bench: Bench) -> None:
    with known(bench) as engine:
        found = {info.name for info in await engine.models(bench.platform, live=True)}
        client: Any = engine.platform(bench.platform)
        told = await client.list_models(deadline=asyncio.get_running_loop().time() + 10)
        assert told
        for one in told:
            assert {
                f"{bench.platform}/{one.name}{chip and f'@{chip}'}" for chip in one.chips or ("",)
            } <= found


@row("context length, found out by itself", "自动得知上下文长度")
async def measure(bench: Bench) -> None:
    engine = bench.usual
    client, own, _ = engine.resolve(model(bench, "measure"))
    name = f"{bench.platform}/{own}"
    await (await bench.session(model=own)).ask("你会做什么?")
    if not measurable(client):
        raise Lacks
    for _ in range(500):  # it is asked beside the turn
        if kept := await engine.store.get_state(f"context/{name}"):
            break
        await asyncio.sleep(0.02)
    tokens = orjson.loads(kept or b"{}")["tokens"]
    if tokens is None:
        raise Lacks
    assert engine.resolve(name)[2].hard.tokens == tokens
