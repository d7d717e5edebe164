"""Every error duihua raises.

DuihuaError
├── ConfigError                 a setting is wrong
│   └── MissingKey              a platform's key is not set
├── NoSuchAbility               no platform that has a key can do this
├── InvalidOptions              a model option is outside of the model's range
├── InputTooLong                larger than the model takes at all
├── UnsupportedInput            an attachment that the model does not take, or nothing takes
├── SessionBusy                 too many inputs wait already
├── NotFound                    no such turn, call, persona, skill
├── NotYours                    it is another person's, in a conversation that several people share
├── NotAllowed                  whoever wants this may not: it is for administrators, or owners
├── TurnError                   a turn ended without an answer (raised by `ask`)
├── Superseded                  another claim holds this turn now, or it was erased: stop, show nothing
├── StorageError                the database refuses, or is from a newer version
├── ProviderError               a platform answered with an error, or not at all
├── SkillError                  a skill says to the model why it failed
│   └── BadArguments            the model's arguments do not fit
├── AskUser                     a skill wants a person's consent before it goes on
└── DeliveryError
    ├── NotSent                 certainly not sent: may be tried again
    ├── SendUnknown             perhaps sent
    └── Gone                    the recipient is gone for good

Errors carry no secrets: URLs pass the redactor before they get here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

Category = Literal[
    "auth",
    "permission",
    "quota_exhausted",
    "rate_limited",
    "overloaded",
    "server",
    "bad_request",
    "context_too_long",
    "moderation_input",
    "moderation_output",
    "not_found",
    "timeout",
    "network",
    "truncated",
]

Side = Literal["input", "output", "history"]
"""Whose text was flagged; `input` is the last question."""

RETRYABLE: frozenset[Category] = frozenset(
    {"rate_limited", "overloaded", "server", "timeout", "network", "truncated"}
)


class DuihuaError(Exception):
    """Base of all errors of duihua."""


class ConfigError(DuihuaError):
    """A setting is wrong. The text names the setting and what to do.

    `code` and `values` name the sentence of the catalogue that says the same to users; empty: there is none.
    """

    def __init__(self, message: str, code: str = "", **values: str) -> None:
        super().__init__(message)
        self.code, self.values = code, values


class MissingKey(ConfigError):
    """A platform's key is not set. `settings` names the settings that would do, `provider` the platform."""

    def __init__(self, provider: str, settings: tuple[str, ...]) -> None:
        names = " or ".join(settings)
        super().__init__(f"{provider} needs a key: set {names} in the environment or in .env")
        self.provider, self.settings = provider, settings


class NoSuchAbility(DuihuaError):
    """No platform that has a key can do what was asked, or the one that was named cannot.

    Attributes:
        ability: as in `abilities.Ability`.
        platform: the one that was named, empty if none was.
        could: platforms that can, with the settings that they need (each way; none: only a model must be
            named, `platform/model`).
    """

    def __init__(self, ability: str, could: Mapping[str, tuple[str, ...]], platform: str = "") -> None:
        ways = [
            f"{name} (set {' or '.join(settings)})" if settings else f"{name} (name a model: {name}/MODEL)"
            for name, settings in could.items()
        ]
        subject = f"{platform} cannot" if platform else "no platform that has a key can"
        super().__init__(f"{subject} {ability}; " + (f"these can: {', '.join(ways)}" if ways else "none can"))
        self.ability, self.could, self.platform = ability, could, platform


class InvalidOptions(DuihuaError):
    """A model option does not fit the model; the text gives option, value and allowed range.

    `known`: there is no such option, but these.
    """

    def __init__(self, option: str, value: object, allowed: str = "", *, known: tuple[str, ...] = ()) -> None:
        names = ", ".join(known)
        super().__init__(
            f"there is no option {option}; there are {names}"
            if known
            else f"{option}={value!r} is not allowed: {allowed}"
        )
        self.option, self.value, self.allowed, self.known = option, value, allowed, known


class InputTooLong(DuihuaError):
    """The input alone is larger than the model takes; `size` and `limit` count `unit`s."""

    def __init__(self, limit: int, size: int, unit: str = "characters") -> None:
        super().__init__(f"the input is too long: {size} {unit}, the model takes {limit}")
        self.limit, self.size, self.unit = limit, size, unit


class UnsupportedInput(DuihuaError):
    """An attachment cannot be taken.

    `code` says why, `values` fill its sentence. Of images: no_images and no_media (the model takes none),
    not_image, too_large, unreadable; of documents: not_text, no_text, encrypted, old_office, too_complex,
    broken, no_reader; of recordings: no_hearing, long_recording, not_heard, no_words; of messages: video,
    kind, many_images, many_files, not_fetched.
    """

    _WORDS: Mapping[str, str] = {
        "no_images": "{model} does not see images; choose a model that does",
        "no_media": "{model} takes no {kind}",
        "not_image": "{name} is no PNG, JPEG, GIF or WebP image",
        "too_large": "{name} is larger than {limit}",
        "unreadable": "{name} cannot be read: {reason}",
        "not_text": "{name} is no text, PDF, docx, xlsx or pptx file",
        "no_text": "there is no text in {name}",
        "encrypted": "{name} is protected by a password",
        "old_office": "{name} is of an old Office format; save it as docx, xlsx or pptx",
        "too_complex": "{name} takes too long or too much memory to read",
        "broken": "{name} is damaged",
        "no_hearing": "nobody here writes recordings down",
        "long_recording": "the recording is longer than {limit} seconds",
        "not_heard": "the recording could not be written down",
        "no_words": "there are no words in the recording",
        "video": "videos cannot be watched",
        "kind": "messages of this kind cannot be read",
        "many_images": "more than {limit} images at once",
        "many_files": "{name} is too much beside the other files",
        "not_fetched": "{name} could not be fetched",
        "no_reader": '{name} cannot be read: pip install "duihua[files]"',
    }

    def __init__(self, code: str, **values: str) -> None:
        super().__init__(self._WORDS[code].format_map(values))
        self.code, self.values = code, values


class SessionBusy(DuihuaError):
    """`pending` inputs wait already in this session; wait for an answer or stop the running turn."""

    def __init__(self, pending: int) -> None:
        super().__init__(f"{pending} inputs wait in this session; wait for an answer or stop the turn")
        self.pending = pending


class PrivateSession(DuihuaError):
    """The session has been made private, in another process: nothing of the input was stored."""


class NotFound(DuihuaError):
    """No such thing: `what` is its kind (turn, call, persona, skill, model), `name` what was asked for.

    `known` holds the names there are, where they are few.
    """

    def __init__(self, what: str, name: object, known: tuple[str, ...] = ()) -> None:
        choice = f" (there are {', '.join(known)})" if known else ""
        super().__init__(f"no such {what}: {name}{choice}")
        self.what, self.name, self.known = what, name, known


class NotYours(DuihuaError):
    """It is another person's: `what` is its kind (reminder), `name` that person's name, empty if unknown."""

    def __init__(self, what: str, name: str) -> None:
        super().__init__(f"this {what} is {name or 'another person'}'s")
        self.what, self.name = what, name


class NotAllowed(DuihuaError):
    """Whoever wants this may not, by their role. `code` names the sentence of the catalogue that says why."""

    def __init__(self, code: str) -> None:
        super().__init__(f"not allowed: {code}")
        self.code = code


class TurnError(DuihuaError):
    """A turn ended without an answer: `code` as in `TurnFailed.error`, with its `values`."""

    def __init__(self, code: str, values: Mapping[str, Any] | None = None) -> None:
        values = values or {}
        message = values.get("message", "")
        super().__init__(f"the turn failed: {code}" + (f": {message}" if message else ""))
        self.code, self.values = code, values


class Superseded(DuihuaError):
    """The fence no longer holds: another claim works on this turn, or it was erased."""


class StorageError(DuihuaError):
    """The database refused, or was written by a newer version. The text says what to do."""


class ProviderError(DuihuaError):
    """A platform answered with an error, or not at all.

    Attributes:
        provider: name of the platform's client, for example `qianfan`.
        category: what it means, the same words for all platforms.
        retryable: whether sending the same again may help.
        retry_after: seconds the platform asked to wait, None if it did not say.
        vendor_code: the platform's own code, as text, empty if none.
        http_status: 0 if no answer came.
        request_id: the platform's id of the request, empty if none.
        reported: the message holds the platform's own words, not ours about it.
        flagged: of a refusal for its content: whose text was meant, None if the platform does not say.
    """

    def __init__(
        self,
        message: str,
        *,
        provider: str = "",
        category: Category = "server",
        retryable: bool | None = None,
        retry_after: float | None = None,
        vendor_code: str = "",
        http_status: int = 0,
        request_id: str = "",
        reported: bool = False,
        flagged: Side | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.flagged: Side | None = flagged
        self.reported = reported
        self.provider = provider
        self.category: Category = category
        self.retryable = category in RETRYABLE if retryable is None else retryable
        self.retry_after = retry_after
        self.vendor_code = vendor_code
        self.http_status = http_status
        self.request_id = request_id

    def __str__(self) -> str:
        facts = [self.provider, self.category]
        facts += [f"code {self.vendor_code}"] if self.vendor_code else []
        facts += [f"HTTP {self.http_status}"] if self.http_status else []
        facts += [f"request {self.request_id}"] if self.request_id else []
        return f"{self.message} ({', '.join(f for f in facts if f)})"


class SkillError(DuihuaError):
    """Raised by a skill: its text is shown to the model, which may then try something else."""


class BadArguments(SkillError):
    """The model's arguments do not fit the skill; the text says what was wrong, for the model."""


class AskUser(DuihuaError):
    """Raised by a skill before it does anything: a person must consent first. The text is the question."""


class DeliveryError(DuihuaError):
    """A message did not certainly reach its reader."""


class NotSent(DeliveryError):
    """Certainly not sent; may be tried again after `retry_after` seconds."""

    def __init__(self, message: str = "", retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SendUnknown(DeliveryError):
    """Perhaps sent: sending again may show it twice."""


class Gone(DeliveryError):
    """The recipient is gone: nothing more is sent there."""
