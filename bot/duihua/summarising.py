"""Asks a model for the note of a chunk of turns, and for the facts in it: one request for each chunk."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Any

from duihua.codec import sound
from duihua.errors import DuihuaError, ProviderError, StorageError
from duihua.memories import Chore, Note
from duihua.memory.summary import Summary, parse
from duihua.messages import Text, Turn, TurnRef, Usage, text_of
from duihua.options import ModelOptions
from duihua.ports import Dialect, Finish, Flagged, Provider, Request, Store, TextDelta
from duihua.prices import Prices
from duihua.providers.fallback import names

log = logging.getLogger(__name__)

PATIENCE = 60.0
"""Seconds for one request."""
NONE = "none"
"""The setting for plain extracts."""

Resolve = Callable[[str], tuple[Provider, str, Dialect]]
Prompt = Callable[[str, Sequence[tuple[str, str]], Sequence[str]], tuple[str, str]]
"""Locale, (question, answer) of each turn, texts that go into a digest -> system text and question."""


class Summarising:
    """Asks for notes. No answer is no error: a plain extract stands in.

    Args:
        store: counts what is used.
        resolve: finds a model's client.
        prompt: words the request.
        model: of the setting: empty for the conversation's own, `none` for no request at all.
        usual: the model of conversations that chose none.
        locale: of conversations that chose none.
        prices: of models.
    """

    def __init__(
        self,
        store: Store,
        resolve: Resolve,
        prompt: Prompt,
        *,
        model: str,
        usual: str,
        locale: str,
        prices: Prices,
    ) -> None:
        self._store, self._resolve, self._prompt = store, resolve, prompt
        self._model, self._usual, self._locale, self._prices = model, usual, locale, prices

    async def __call__(
        self, chore: Chore, turns: Sequence[Turn], folding: Sequence[Note]
    ) -> tuple[Summary, str] | None:
        """The summary and the model that wrote it; None: there is none, or it does not answer."""
        if self._model == NONE:
            return None
        name = names(self._model or str(chore.settings.get("model") or self._usual))[0]
        try:
            provider, model, dialect = self._resolve(name)
            pairs = [(text_of(turn.input), turn.text) for turn in turns]
            system, question = self._prompt(
                chore.locale or self._locale, pairs, [note.text for note in folding]
            )
            asked = Turn(TurnRef(chore.session, 0), input=(Text(question),), state="running")
            dialect.admit(system, asked.input)
            text = await self._answer(chore, provider, model, dialect, system, asked)
        except ProviderError as e:
            log.warning("no model writes the note of session %d: %s", chore.session, e)
            return None
        except StorageError:
            raise
        except DuihuaError as e:
            log.warning("no model can write the note of session %d: %s", chore.session, e)
            return None
        summary = parse(text) if text else None
        if summary is None:
            log.info("%s gave no note for session %d", name, chore.session)
            return None
        return summary, dialect.name

    async def _answer(
        self, chore: Chore, provider: Provider, model: str, dialect: Dialect, system: str, asked: Turn
    ) -> str:
        """What the model says; empty if the platform flags it."""
        request = Request(
            model=model,
            packed=dialect.pack(system, (asked,)),
            tools=(),
            options=dialect.check(ModelOptions()),
            deadline=asyncio.get_running_loop().time() + PATIENCE,
            user=f"u{chore.owner}",
            session=chore.session,
            hurried=True,  # nobody waits for it: whoever does goes first
        )
        said: list[str] = []
        stream: Any = provider.stream(request)
        async with aclosing(stream) as deltas:
            async for delta in deltas:
                if isinstance(delta, TextDelta):
                    said.append(delta.text)
                elif isinstance(delta, Flagged) and delta.stop:
                    return ""
                elif isinstance(delta, Finish) and delta.usage != Usage():
                    cost = self._prices.cost(dialect.name, delta.usage)
                    micros = cost.micros if cost else 0
                    await self._store.spent(chore.session, dialect.name, delta.usage, micros)
        return sound("".join(said))
