"""Recordings as text: who writes them down, and which are not."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from duihua.errors import NoSuchAbility, ProviderError, UnsupportedInput

if TYPE_CHECKING:
    from duihua.able import Able

LARGEST = 20 << 20
"""Bytes of the largest recording."""
BYTES = 16_000
"""Of a second, where nobody says how long a recording is."""
WORDS = 20_000
"""Characters of what was said."""
_log = logging.getLogger(__name__)


def refuse_unheard(engine: Able, seconds: int, size: int) -> None:
    """Refuses a recording before its bytes are here.

    Args:
        engine: its settings name who writes it down, and how long it may be.
        seconds: 0 if that is not known.
        size: bytes; 0 if that is not known.

    Raises:
        UnsupportedInput: no_hearing, long_recording.
    """
    settings = engine.settings
    if settings.transcribe.lower() == "none" or not engine.has("transcribe", settings.transcribe or None):
        raise UnsupportedInput("no_hearing")
    if max(seconds, 0 if seconds else size // BYTES) > settings.voice_seconds or size > LARGEST:
        raise UnsupportedInput("long_recording", limit=str(settings.voice_seconds))


async def heard(engine: Able, audio: bytes, *, name: str, mime: str) -> str:
    """What is said in a recording.

    Raises:
        UnsupportedInput: no_hearing, not_heard (the platform refused or did not answer), no_words.
    """
    try:
        found = await engine.transcribe(audio, name=name, mime=mime, model=engine.settings.transcribe or None)
    except NoSuchAbility:
        raise UnsupportedInput("no_hearing") from None
    except ProviderError as e:
        _log.warning("a recording was not written down: %s", e)
        raise UnsupportedInput("not_heard") from None
    if not (text := found.text.strip()):
        raise UnsupportedInput("no_words")
    return text[:WORDS]
