"""The borders of duihua: what a provider, a store, a front end must offer. Types only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from duihua.admission import AccessStore
from duihua.arrivals import ArrivalStore
from duihua.chats import ChatStore
from duihua.events import AnyEvent
from duihua.memories import MemoryStore
from duihua.messages import (
    Address,
    Attachment,
    Author,
    Call,
    CallState,
    Effect,
    FinishReason,
    InputKind,
    Opaque,
    Part,
    Step,
    Turn,
    TurnRef,
    TurnState,
    Usage,
)
from duihua.options import ModelOptions
from duihua.reminders import ReminderStore
from duihua.showing import ShownStore

if TYPE_CHECKING:
    from pydantic import BaseModel

# ---------------------------------------------------------------- providers


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


# ---------------------------------------------------------------- skills


@dataclass(frozen=True, slots=True)
class Rate:
    """At most so many calls of one person in so many seconds."""

    calls: int
    seconds: float = 60.0


def never(arguments: Mapping[str, Any]) -> bool:
    """No call needs consent."""
    return False


def always(arguments: Mapping[str, Any]) -> bool:
    """Every call needs consent."""
    return True


@dataclass(frozen=True, slots=True)
class Skill:
    """A function that models may call: a value, not a class to inherit from.

    `run(arguments, context)` gets what `validate(json_text)` returned (which raises BadArguments). `validate`
    and `confirm` are called in a thread, save where they are known to run nobody's code but ours.

    Attributes:
        spec: what models are shown.
        run: does it.
        validate: reads the arguments.
        effect: `write` changes something outside and is never run twice.
        confirm: whether a person must consent to a call with these arguments first; `always`, `never`.
        timeout: seconds after which a call is given up.
        hosts: those it may reach (`api.example.com`, `*.example.com`); its http client refuses others.
        admin_only: only administrators may have it called.
        rate: of each person; None: any.
        settings: a pydantic model that `DUIHUA_SKILL_<NAME>_*` are read into; None: they stay text.
        origin: where it comes from, for people: `module.function`, `mcp server NAME`, a path.
        plain: `validate` runs no code of the skill's own and is soon done.
        titles: what people see while it is at work, by language (`zh`, `en`); ``: in any other.
    """

    spec: ToolSpec
    run: Callable[[Mapping[str, Any], Any], Awaitable[Any]] = field(hash=False)
    validate: Callable[[str], Mapping[str, Any]] = field(hash=False)
    effect: Effect = "write"
    confirm: Callable[[Mapping[str, Any]], bool] = field(default=never, hash=False)
    timeout: float = 30.0
    hosts: tuple[str, ...] = ()
    admin_only: bool = False
    rate: Rate | None = None
    settings: type[BaseModel] | None = None
    origin: str = ""
    plain: bool = False
    titles: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)

    @property
    def name(self) -> str:
        """The name models call it by."""
        return self.spec.name

    def title(self, lang: str) -> str:
        """What people see in a language; the name if nobody has given it a title."""
        return self.titles.get(lang) or self.titles.get("") or self.name


# ---------------------------------------------------------------- storage


@dataclass(frozen=True, slots=True)
class Fence:
    """The right to write into a running turn: it holds while the stored attempt and state are these."""

    ref: TurnRef
    attempt: int
    token: str
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Input:
    """What comes in. (source, source_id) is unique for ever: the same pair again is a duplicate.

    `reply_to`: the seq of the turn it continues from (message, continue), re-runs (retry, edit), or None: the
    head. `heard`: up to this id what was overheard is a part of it, and is erased as it is accepted.
    """

    source: str
    source_id: str
    address: Address
    author: Author | None = None  # id 0: resolve (tenant, front, external) to a user
    external: str = ""  # the author's id at the front end; empty: the session's own chat id
    kind: InputKind = "message"
    parts: tuple[Part, ...] = ()
    reply_to: int | None = None
    attachments: tuple[Attachment, ...] = ()
    heard: int = 0


@dataclass(frozen=True, slots=True)
class Work:
    """A claimed session with its running turn. `turn.steps` holds what an earlier attempt journaled."""

    fence: Fence
    turn: Turn
    address: Address
    inbox: tuple[int, ...]  # ids of the inputs that this turn answers
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])  # the session's
    window_from: int = 0
    stop_requested: bool = False
    partial: str = ""
    kind: InputKind = "message"
    owner: int = 0  # users.id of the session's owner
    locale: str = ""
    memory: bool = True  # the owner's own switch of long-term memory
    version: int = 0  # of what is known about the owner: raised whenever their facts change
    replaces: int = 0  # the turn in whose place an edit puts this one

    @property
    def asker(self) -> int:
        """users.id of who asks: in a shared session not always its owner."""
        return (self.turn.author.id if self.turn.author else 0) or self.owner


@dataclass(frozen=True, slots=True)
class Accepted:
    """An input is durable. `new=False`: seen before. `work`: it was claimed in the same transaction."""

    session: int
    inbox: int
    new: bool
    work: Work | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A lease that is still ours, with what other processes asked of it."""

    session: int
    token: str
    stop: bool = False


@dataclass(frozen=True, slots=True)
class SendBody:
    """One message that a front end owes its reader."""

    part: int
    kind: Literal["message", "edit", "delete", "notice"]
    body: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a turn ends; written in one transaction with everything that follows from it."""

    state: TurnState
    finish: str = ""
    number: int = 0  # the number of `step`
    step: Step | None = None
    usage: Usage = field(default_factory=Usage)
    model: str = ""
    persona: str = ""
    tokens: int = 0
    window_from: int = 0
    sends: tuple[SendBody, ...] = ()
    error: str = ""
    erase: Literal["session"] | tuple[int, ...] = ()  # turns to erase in the same transaction
    micros: int = 0  # what `usage` costs, in the currency of the model's price
    inputs: int = 1  # that the turn answers: those of `Work.inbox`


@dataclass(frozen=True, slots=True)
class Send:
    """A row of the outbox, taken for sending. `again`: an earlier try may have reached the reader."""

    id: int
    ref: TurnRef
    part: int
    kind: str
    body: bytes
    address: Address
    external_id: str = ""
    again: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """Where an input stands, for readers in other processes."""

    state: Literal["pending", "taken", "done", "cancelled", "gone"]
    turn: Turn | None = None
    attempt: int = 1
    partial: str = ""
    model: str = ""
    usage: Usage = field(default_factory=Usage)
    error: str = ""


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """A session's row, for handles and listings."""

    id: int
    key: str
    address: Address
    owner: int
    head: int
    pending: int
    generation: int
    title: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    window_from: int = 0
    touched: int = 0
    memory: bool = True  # the owner's own switch of long-term memory
    version: int = 0  # of what is known about the owner


@dataclass(frozen=True, slots=True)
class StoredCall:
    """A call's row, with what a decision needs."""

    ref: TurnRef
    step: int
    index: int
    call: Call
    asker: int = 0  # users.id, 0: nobody known
    expires: int = 0  # ms UTC, 0: never
    skill: str = ""  # which one a person was asked about: see `identity` of a skill


@dataclass(frozen=True, slots=True)
class AuditedCall:
    """What became of a call, for whoever looks after a bot. Times are ms UTC, 0 for not at all.

    A call that never ran was not `started`. `asker` and `approver` are users.id, 0 for nobody.
    """

    id: str
    session: str
    name: str
    effect: Effect
    state: CallState
    arguments: str
    result: str
    asker: int
    approver: int
    asked: int
    started: int
    ended: int


TaskKind = Literal["chat", "drawing"]
TaskState = Literal["starting", "running", "done", "failed", "unknown"]


@dataclass(frozen=True, slots=True)
class StoredTask:
    """A row of work that a platform does in the background.

    It is written before the platform is asked: `starting` without an `external_id` means that nobody knows
    whether the platform has accepted it, unless its process is still asking. `model` is what was asked for,
    `echoed` what the platform says it uses. Times are ms UTC, 0 for not yet.
    """

    id: int
    tenant: str
    owner: int  # users.id, 0: nobody's
    kind: TaskKind
    platform: str
    model: str
    echoed: str = ""
    external_id: str = ""
    state: TaskState = "starting"
    result: bytes | None = None
    error: bytes | None = None
    created: int = 0
    ended: int = 0


class Store(MemoryStore, ReminderStore, ArrivalStore, ShownStore, AccessStore, ChatStore, Protocol):
    """Keeps conversations. Its methods are the turn's transactions, not CRUD: one method, one transaction.

    A Fence that no longer holds raises Superseded and writes nothing. An accepted write is carried out even
    if its caller is cancelled. Durations are milliseconds.
    """

    async def open(self) -> None:
        """Connects; brings an SQLite file's tables up to date. Raises StorageError."""
        ...

    async def aclose(self) -> None:
        """Finishes what was accepted and closes."""
        ...

    async def accept(self, input: Input, *, cap: int = 50, token: str = "", lease: int = 15_000) -> Accepted:
        """Writes the input down. With a `token`, an idle session is claimed in the same transaction.

        Raises SessionBusy when `cap` inputs wait already.
        """
        ...

    async def claim(self, session: int, token: str, *, lease: int) -> Work | None:
        """Takes the session if it has work and no live lease. A cut turn goes on with attempt + 1."""
        ...

    async def renew(self, claims: Sequence[tuple[int, str]], *, lease: int) -> Sequence[Held]:
        """Prolongs the (session, token) pairs that are really running; returns those still held."""
        ...

    async def release(self, session: int, token: str) -> None:
        """Gives the lease back without finishing: the turn stays cut and goes on elsewhere."""
        ...

    async def due(self, *, limit: int = 100) -> Sequence[int]:
        """Sessions whose input has waited for a second without a live lease."""
        ...

    async def step(
        self, fence: Fence, number: int, step: Step, *, usage: Usage, micros: int = 0, expires: int = 0
    ) -> None:
        """Journals an answer with its calls, before a skill runs. `expires` (ms UTC) is for held calls."""
        ...

    async def call(
        self,
        fence: Fence,
        call: str,
        state: CallState,
        result: str = "",
        *,
        expires: int = 0,
        files: Sequence[Attachment] = (),
        took: int | None = None,
        effect: Effect | None = None,
        skill: str = "",
    ) -> None:
        """Sets a call's state and result, by its id. A settled call is never changed: Superseded.

        `expires` (ms UTC) and `skill` (its identity) are for a call that is held from now on, `took` (ms) for
        one that has run; `files` are kept with the call's turn. `effect` is what it turned out to be, None:
        as it was journaled.
        """
        ...

    async def partial(self, fence: Fence, text: str) -> None:
        """The text so far, for late readers in other processes."""
        ...

    async def finish(self, fence: Fence, outcome: Outcome, *, lease: int) -> Work | None:
        """Ends the turn; takes the next input in the same transaction, or drops the lease."""
        ...

    async def erase(
        self, session: int, turns: Sequence[int] | None = None, *, fence: Fence | None = None
    ) -> int:
        """Erases turns (None: all, waiting inputs too) with everything derived; returns how many."""
        ...

    async def stop(self, session: int, by: int = 0, *, turn: int = 0, waiting: int = 0) -> TurnRef | None:
        """Asks the running turn to stop; `turn`: only this one. None: it does not run.

        `waiting`: only if the input of this id still waits for its turn.
        """
        ...

    async def path(self, session: int, head: int, *, since: int = 0, limit: int = 200) -> Sequence[Turn]:
        """The newest `limit` turns on the path of `head` with seq >= since, oldest first."""
        ...

    async def turn(self, ref: TurnRef) -> Turn | None:
        """One turn with its steps."""
        ...

    async def attachments(self, ids: Sequence[str], *, session: int = 0) -> Sequence[Attachment]:
        """The stored attachments of these ids; those that were erased are missing.

        `session`: only those of this session; 0: of any.
        """
        ...

    async def progress(self, inbox: int) -> Progress:
        """Where an input stands."""
        ...

    async def waiting(self, session: int) -> Sequence[int]:
        """The ids of the session's inputs that have no answer yet, oldest first."""
        ...

    async def stored_call(self, call: str) -> StoredCall | None:
        """A call by its id."""
        ...

    async def held(self, session: int) -> Sequence[StoredCall]:
        """The calls of the session that wait for a decision, oldest first: none that was taken back."""
        ...

    async def log_call(self, session: int, call: Call, *, approved: bool = False) -> str:
        """Writes down a call that no conversation led to, and that runs now; returns its id.

        `approved`: its asker consented.
        """
        ...

    async def log_result(self, call: Call, took: int) -> None:
        """Sets state and result of such a call, by its id; `took`: ms."""
        ...

    async def audit(
        self, tenant: str, *, user: int = 0, session: str = "", limit: int = 50
    ) -> Sequence[AuditedCall]:
        """The newest calls, the last one first; of one person, or of the session with this key."""
        ...

    async def session(self, address: Address) -> SessionInfo | None:
        """The session at an address, None if it never had an input."""
        ...

    async def ensure(self, address: Address, external: str = "", name: str = "") -> SessionInfo:
        """The session at an address, made if it is not there."""
        ...

    async def sessions(self, owner: int) -> Sequence[SessionInfo]:
        """A user's sessions, the last touched first."""
        ...

    async def move_head(self, session: int, head: int) -> None:
        """Points the session at another turn of its own (0: an empty path). Raises NotFound."""
        ...

    async def undo(self, session: int, *, key: tuple[str, str] | None = None) -> bool:
        """Takes the last turn of the path back, out of memory too; False: there is none.

        With a key (source, id) as of an input, once: asked for again, it was done already.
        """
        ...

    async def written(self, call: str, name: str) -> Sequence[Call]:
        """The writes `name` that other answers to the input of this call's turn have done, oldest first.

        Other answers are the turns that it re-runs, or that re-ran it, with all that followed them.
        """
        ...

    async def heads(self, session: int) -> Sequence[Turn]:
        """The ends of all paths of the session (turns without a child), newest first, without steps."""
        ...

    async def settings(self, session: int, settings: Mapping[str, Any]) -> None:
        """Replaces the session's own settings."""
        ...

    async def fork(self, session: int, head: int, to: Address) -> SessionInfo:
        """Copies the path of `head` into a new session. Raises SessionBusy if it exists with turns."""
        ...

    async def user(self, tenant: str, front: str, external: str) -> int | None:
        """users.id of an identity."""
        ...

    async def forget_user(self, user: int) -> int:
        """Erases a person: sessions, identities, facts, everything derived. Returns the sessions erased."""
        ...

    async def usage(self, owner: int) -> Sequence[tuple[str, int, Usage, int]]:
        """(model, turns, usage, micros) of a user over all days."""
        ...

    async def take_sends(self, fronts: Sequence[str], *, lease: int, limit: int = 20) -> Sequence[Send]:
        """Outbox rows that are due, marked as being sent for `lease`."""
        ...

    async def settle_send(
        self,
        send: int,
        state: Literal["sent", "unknown", "failed", "pending"],
        *,
        external_id: str = "",
        delay: int = 0,
        error: str = "",
    ) -> None:
        """The result of a send; a body goes as soon as it is sent or has failed for good."""
        ...

    async def new_task(self, tenant: str, owner: int, kind: TaskKind, platform: str, model: str) -> int:
        """Writes down that a task is about to be started (state `starting`); returns its id."""
        ...

    async def settle_task(
        self,
        task: int,
        state: TaskState,
        *,
        external_id: str = "",
        echoed: str = "",
        result: bytes | None = None,
        error: bytes | None = None,
    ) -> bool:
        """Where a task stands now. What is done or failed stays so: False, also if it was forgotten."""
        ...

    async def task(self, tenant: str, task: int) -> StoredTask | None:
        """One task."""
        ...

    async def tasks(self, tenant: str, *, limit: int = 50) -> Sequence[StoredTask]:
        """The newest tasks, the last one first."""
        ...

    async def forget_task(self, tenant: str, task: int) -> bool:
        """Erases a task with its result; False if there is none."""
        ...

    async def get_state(self, name: str) -> bytes | None:
        """A small value of the program's own (calibration, offsets)."""
        ...

    async def put_state(self, name: str, value: bytes) -> None:
        """Keeps a small value of the program's own."""
        ...

    async def leases(self) -> Sequence[tuple[int, str]]:
        """(session, token) of all live leases, whoever holds them."""
        ...

    async def sweep(self) -> int:
        """Deletes the keys of answered inputs after three days, and of arrivals; returns how many inputs'."""
        ...

    async def scrub(self) -> None:
        """After an erase: leaves no erased text in the files (SQLite: truncates the WAL)."""
        ...


# ---------------------------------------------------------------- front ends and the rest


class Frontend(Protocol):
    """One way to reach people."""

    @property
    def name(self) -> str:
        """The `front` of its addresses."""
        ...

    async def present(
        self, ref: TurnRef, address: Address, events: AsyncIterator[AnyEvent], ledger: ShownStore
    ) -> None:
        """Shows a turn live: best effort, may be cut off at any moment. `ledger` keeps what shows it."""
        ...

    async def send(self, send: Send, ledger: ShownStore) -> str:
        """Delivers one message for good; returns its external id. Raises NotSent, SendUnknown, Gone."""
        ...


@runtime_checkable
class Entitling(Protocol):
    """A front end whose conversations can have titles."""

    async def entitle(self, address: Address, title: str) -> None:
        """A conversation there has got its title."""
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
