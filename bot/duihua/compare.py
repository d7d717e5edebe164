"""One question to several models at once: what each says, how fast, for how many tokens.

Nothing is stored, and no skills are offered: it is the models that are compared.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, field
from typing import Any

from duihua.errors import ConfigError, DuihuaError, ProviderError
from duihua.messages import Cost, FinishReason, Text, Turn, TurnRef, Usage
from duihua.options import ModelOptions
from duihua.ports import Dialect, Finish, Flagged, Provider, Request, TextDelta
from duihua.ports import ThinkingDelta as Thought

MOMENT = 0.02
"""Seconds: an answer that comes all at once has no speed."""

Resolve = Callable[[str], tuple[Provider, str, Dialect]]
Priced = Callable[[str, Usage], Cost | None]
"""What a use of `provider/model` costs; None: not known."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of what `model` says."""

    model: str
    text: str


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one model.

    Attributes:
        model: `provider/model`, as asked.
        text: the whole answer.
        first: seconds to the first word, of reasoning or answer; None: none came.
        seconds: seconds in all.
        usage: as the platform counted.
        finish: how it ended; `failed` with `error`.
        error: why it failed.
        cost: what `usage` costs by list prices; None: no price is known, or nothing was counted.
    """

    model: str
    text: str = ""
    first: float | None = None
    seconds: float = 0.0
    usage: Usage = field(default_factory=Usage)
    finish: FinishReason = "stop"
    error: DuihuaError | None = None
    cost: Cost | None = None

    @property
    def rate(self) -> float | None:
        """Output tokens per second after the first word; None: not known, or it came all at once."""
        if self.first is None or self.seconds - self.first < MOMENT or not self.usage.output:
            return None
        return self.usage.output / (self.seconds - self.first)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON; times in seconds."""
        usage = self.usage
        return {
            "model": self.model,
            "text": self.text,
            "first": self.first,
            "seconds": self.seconds,
            "tokens_per_second": self.rate,
            "input": usage.input,
            "output": usage.output,
            "cached": usage.cached,
            "reasoning": usage.reasoning,
            "finish": self.finish,
            "error": str(self.error) if self.error else None,
            "cost": asdict(self.cost) if self.cost else None,
        }


async def compare(
    question: str,
    models: Sequence[str],
    resolve: Resolve,
    *,
    system: str = "",
    options: ModelOptions | None = None,
    seconds: float = 300.0,
    priced: Priced = lambda model, usage: None,
) -> AsyncGenerator[Piece | Result, None]:
    """Asks all at once; yields pieces as they come and one `Result` for each model.

    Args:
        question: what is asked.
        models: each `provider/model`.
        resolve: client, model and dialect of a name; what it raises is that model's result.
        system: system text for all.
        options: for all; a model that does not take them fails alone.
        seconds: an answer that takes longer fails.
        priced: tells what each answer costs.
    """
    queue: asyncio.Queue[Piece | Result] = asyncio.Queue()
    names = tuple(dict.fromkeys(models))
    asked = _Asked(question, system, options or ModelOptions(), seconds, priced, queue.put_nowait)
    tasks = [asyncio.create_task(asked.of(name, resolve)) for name in names]
    try:
        left = len(tasks)
        while left:
            item = await queue.get()
            left -= isinstance(item, Result)
            yield item
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class _Asked:
    question: str
    system: str
    options: ModelOptions
    seconds: float
    priced: Priced
    put: Callable[[Piece | Result], None]

    async def of(self, name: str, resolve: Resolve) -> None:
        """Asks one model."""
        loop = asyncio.get_running_loop()
        began, first = loop.time(), None
        texts: list[str] = []
        end: Mapping[str, Any] = {}
        try:
            provider, model, dialect = resolve(name)
            async with aclosing(self._stream(provider, model, dialect, began)) as deltas:
                async for delta in deltas:
                    if isinstance(delta, (TextDelta, Thought)) and first is None:
                        first = loop.time() - began
                    if isinstance(delta, TextDelta):
                        texts.append(delta.text)
                        self.put(Piece(name, delta.text))
                    elif isinstance(delta, Flagged) and delta.stop:
                        end = {"finish": "flagged"}
                    elif isinstance(delta, Finish):
                        cost = self.priced(dialect.name, delta.usage) if delta.usage != Usage() else None
                        end = {"finish": delta.reason, **end, "usage": delta.usage, "cost": cost}
        except DuihuaError as e:
            end = {"finish": "failed", "error": e}
        except Exception as e:  # of a provider that is not ours: the others go on
            end = {"finish": "failed", "error": ProviderError(type(e).__name__, provider=name)}
        if end.get("finish") == "flagged":
            texts.clear()
        self.put(Result(name, "".join(texts), first, loop.time() - began, **end))

    def _stream(self, provider: Provider, model: str, dialect: Dialect, began: float) -> Any:
        turn = Turn(TurnRef(0, 1), input=(Text(self.question),), state="running")
        dialect.admit(self.system, turn.input)
        packed = dialect.pack(self.system, (turn,))
        checked = dialect.check(self.options)
        return provider.stream(Request(model, packed, (), checked, began + self.seconds))


def expanded(models: Sequence[str], known: Sequence[str]) -> list[str]:
    """Model names with `@*` written out: one for each chip in `known` that the model runs on.

    Raises:
        ConfigError: no chips are known for such a model.
    """
    out: list[str] = []
    for model in models:
        prefix = model.removesuffix("*")
        chips = [name for name in known if name.startswith(prefix)] if model.endswith("@*") else []
        if model.endswith("@*") and not chips:
            raise ConfigError(f"no chips are listed for {model}", "config_chips", name=model)
        out += chips or [model]
    return list(dict.fromkeys(out))
