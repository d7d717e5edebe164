"""What a session's handle can set: persona, model, options, how it talks, and whether it is private."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from duihua.errors import InvalidOptions
from duihua.joining import MEANWHILE, Meanwhile
from duihua.options import ModelOptions
from duihua.place import Handle


class SettingsSession(Handle):
    """The verbs of settings."""

    __slots__ = ()

    async def settings(self) -> dict[str, Any]:
        """The session's own settings: persona, options, model, as far as they are set."""
        engine = await self._place.engine()
        return dict(await engine.roster.settings(self.address))

    async def configure(
        self,
        *,
        persona: str | None = None,
        options: ModelOptions | None = None,
        model: str | None = None,
        meanwhile: Meanwhile | None = None,
        thoughts: bool | None = None,
    ) -> None:
        """Sets the session's own settings; what is None stays, an empty text or no options unsets.

        Args:
            persona: its name.
            options: of the model.
            model: `provider/model`, or several parted by commas.
            meanwhile: what becomes of what is said while an answer is written. `queue`: it waits for its
                turn; `join`: what waits is answered together; `interrupt`: that answer ends there, and what
                waits is answered together.
            thoughts: whether front ends that can show what a model thinks do so.

        Raises:
            NotFound: no such persona.
            InvalidOptions: an option outside of the model's range, or no such value of `meanwhile`.
            ConfigError: no such platform, or its key is not set.
        """
        engine, info = await self._place.look()
        values = dict(info.settings) if info else {}
        if persona is not None:
            if persona:
                engine.personas.get(persona)
            values["persona"] = persona
        if model is not None:
            values["model"] = model
        if options is not None:
            values["options"] = options.plain()
        if meanwhile is not None:
            if meanwhile not in MEANWHILE:
                raise InvalidOptions("meanwhile", meanwhile, "queue, join or interrupt")
            values["meanwhile"] = "" if meanwhile == "queue" else meanwhile
        if thoughts is not None:
            values["thoughts"] = thoughts
        if model is not None or options is not None:
            _, _, dialect = engine.platforms.resolve_all(values.get("model") or engine.model)[0]
            dialect.check(ModelOptions.parse(values.get("options") or {}))
        kept = {name: value for name, value in values.items() if value}
        _, info = await self._place.made()
        await engine.store.settings(info.id, kept)
        engine.drop(self.address, info.id)

    async def private(self, on: bool | None = None) -> bool:
        """Talks in a way that stores and recalls nothing, or ends that; None: the other of the two.

        A private conversation starts empty, lives in the memory of this process and is gone with it, or when
        it is ended. Persona, model and options are those of the conversation.
        """
        home, info = await self._place.person()
        now = bool(info.settings.get("private"))
        on = not now if on is None else on
        if on == now:
            return on
        aside = await home.aside()
        beside = replace(self._place, home=aside)
        if now:
            _, there = await beside.look()
            if there is not None:
                await aside.roster.forget(there)
        settings = {name: value for name, value in info.settings.items() if name != "private"}
        if on:
            _, made = await beside.made()
            await aside.store.settings(made.id, settings)
            aside.drop(self.address, made.id)
        await home.store.settings(info.id, {**settings, "private": True} if on else settings)
        home.drop(self.address, info.id)
        return on

    async def is_private(self) -> bool:
        """Whether nothing of what is said now is stored."""
        return bool((await self._place.home.roster.settings(self.address)).get("private"))
