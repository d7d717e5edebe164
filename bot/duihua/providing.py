"""The border to the platforms: what is asked of a model, what comes back, what a client must offer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from duihua.messages import Attachment, FinishReason, Opaque, Part, Turn, TurnRef, Usage
from duihua.options import ModelOptions


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A skill as a model sees it. `schema` is a JSON Schema of type object."""

    name: str
    description: str
    schema: Mapping[str, Any] = field(hash=False)


@dataclass(frozen=True, slots=True)
class Limits:
    """Size of one request, messages and system text together. `None`: not documented."""

    characters: int | None
    tokens: int | None


@dataclass(frozen=True, slots=True)
class Packed:
    """A conversation in a model's wire form.

    `system` is a JSON string (empty: none, or carried in the messages), `messages` are JSON objects, ready to
    be joined. `rounds[i]` is the turn that message i comes from (None: made up to satisfy the platform);
    it is the manifest for `ban_round`. `start` is the seq of the first turn kept: hand it back next time.
    `joined` names the turns without an answer whose input stands in message i, before that of `rounds[i]`.
    `tokens` are estimated, times `scale`; skills and system text are counted. `schemas` is the part of the
    offered skills, without the scale.
    """

    system: bytes
    messages: tuple[bytes, ...]
    rounds: tuple[TurnRef | None, ...]
    tokens: int
    characters: int
    start: int = 0
    joined: tuple[tuple[int, TurnRef], ...] = ()
    scale: float = 1.0
    schemas: float = 0.0


@dataclass(frozen=True, slots=True)
class Request:
    """One request to a model. `options` are the platform's own fields, checked; `deadline` in loop time."""

    model: str
    packed: Packed
    tools: tuple[ToolSpec, ...]
    options: Mapping[str, Any]
    deadline: float
    user: str = ""  # an opaque id of the end user for the platform, never a name
    session: int = 0  # sessions that wait for the same limit get their turns one after the other
    hurried: bool = False  # another model stands behind: fewer attempts, no long wait (`Retry.hurried`)


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of visible text."""

    text: str


@dataclass(frozen=True, slots=True)
class ThinkingDelta:
    """A piece of reasoning."""

    text: str


@dataclass(frozen=True, slots=True)
class CallDelta:
    """A piece of a call; pieces with the same index belong together, `arguments` are concatenated."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class Flagged:
    """The platform flagged something. `round`: -1 the current question, k a round of the request.

    `retract`: what was shown must be taken back. `stop`: the conversation must not go on as it is
    (False: low risk, may go on).
    """

    side: Literal["input", "output", "history"]
    round: int | None = None
    retract: bool = False
    stop: bool = True


@dataclass(frozen=True, slots=True)
class Finish:
    """The end of an answer: exactly one, last. `alternatives`: other answers, where several were asked."""

    reason: FinishReason
    usage: Usage = field(default_factory=Usage)
    model: str = ""
    request_id: str = ""
    opaque: Opaque | None = None
    alternatives: tuple[str, ...] = ()


Delta = TextDelta | ThinkingDelta | CallDelta | Flagged | Finish


class Dialect(Protocol):
    """What one model's wire accepts. Pure; one value per model."""

    @property
    def name(self) -> str:
        """`provider/model`."""
        ...

    @property
    def functions(self) -> Literal["native", "text", "none"]:
        """How the model calls skills."""
        ...

    @property
    def sees(self) -> bool:
        """Whether the model takes images."""
        ...

    @property
    def soft(self) -> Limits:
        """The smallest documented limits: history is trimmed to them."""
        ...

    @property
    def hard(self) -> Limits:
        """The largest documented limits: a larger input is refused."""
        ...

    def pack(
        self,
        system: str,
        turns: Sequence[Turn],
        tools: Sequence[ToolSpec] = (),
        *,
        start: int = 0,
        budget: int | None = None,
        scale: float = 1.0,
        images: Mapping[str, Attachment] | None = None,
    ) -> Packed:
        """The wire form of a conversation; the last turn is the current one and is kept whole.

        Args:
            system: the system text.
            turns: oldest first, along one path; the last one is the current turn with its steps so far.
            tools: the skills that are offered.
            start: seq of the first turn of the last packing (hysteresis), 0 for none.
            budget: tokens; None means the soft limit.
            scale: tokens per estimated token, from calibration.
            images: stored images by their ids; the others stay named in words.
        """
        ...

    def check(self, options: ModelOptions) -> Mapping[str, Any]:
        """The options under the platform's names. Raises InvalidOptions."""
        ...

    def lower(self, tools: Sequence[ToolSpec]) -> bytes:
        """The offered skills as this wire's JSON array; empty if there are none or they go as text."""
        ...

    def admit(self, system: str, parts: Sequence[Part]) -> None:
        """Refuses an input that the model cannot take.

        Raises:
            InputTooLong: it alone is larger than the hard limit.
            UnsupportedInput: it holds images, and the model does not see; or what no model takes yet.
        """
        ...


class Provider(Protocol):
    """A platform's client. Abilities beyond chat are small Protocols of their own, found by isinstance."""

    @property
    def name(self) -> str:
        """For example `qianfan`."""
        ...

    def dialect(self, model: str) -> Dialect:
        """The dialect of a model, named without the provider's prefix; any name is answered."""
        ...

    def stream(self, request: Request) -> AsyncIterator[Delta]:
        """One answer. Raises ProviderError only. Closing the iterator closes the connection."""
        ...

    async def aclose(self) -> None:
        """Closes every connection."""
        ...


@dataclass(frozen=True, slots=True)
class Quota:
    """At most `amount` of something in any `seconds`; 0: no limit."""

    resource: Literal["requests", "tokens"]
    amount: int
    seconds: float


class Limiter(Protocol):
    """Keeps requests within a platform's rate limits."""

    def preset(self, key: str, quotas: Sequence[Quota]) -> None:
        """Sets limits that hold beside those the platform tells of; what was used so far counts on.

        They replace those set before under the same key.
        """
        ...

    async def acquire(self, key: str, tokens: int, *, deadline: float, session: int = 0) -> None:
        """Waits until a request of about `tokens` may go; ProviderError when the deadline comes first.

        Sessions that wait for the same limit get their turns one after the other.
        """
        ...

    def learn(self, key: str, headers: Mapping[str, str]) -> None:
        """Takes the limits and remainders that the platform sent in its headers."""
        ...

    def exhausted(self, key: str, what: Literal["requests", "tokens"], retry_after: float | None) -> None:
        """The platform refused for its rate: nothing goes before that is over."""
        ...
