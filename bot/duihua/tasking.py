"""Tasks: what platforms do in the background. A task is in the database before its platform is asked.

If the program or the connection ends between the platform's yes and our writing its id down, nobody can tell
whether the task runs: it is then `unknown`, and is never started again by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from duihua.abilities import Job, Starts, StartsDrawings, Task
from duihua.able import Able, drawn_with
from duihua.codec import sound
from duihua.errors import Category, NotFound, ProviderError
from duihua.messages import Attachment, Part, Text, Turn, TurnRef
from duihua.options import ModelOptions
from duihua.outcomes import read_error, read_result, write_error, write_result
from duihua.ports import Request, Store, StoredTask, TaskKind

POLL = 2.0
"""Seconds between two questions whether a task is done."""
GRACE = 3.0
"""Seconds that a platform still has to tell a task's id when the caller does not want to wait any longer."""
UNSURE: frozenset[Category] = frozenset({"server", "timeout", "network", "truncated"})
"""After these it is not known whether the platform has accepted."""
FINAL: frozenset[Category] = frozenset({"not_found", "moderation_input", "moderation_output"})
"""A platform that says one of these of a task will say nothing else of it."""


class Tasking(Able):
    """Tasks of an engine. Where several tenants share a database, each sees its own only."""

    store: Store

    def __init__(self) -> None:
        self._starting: set[int] = set()

    async def start(
        self,
        input: str | Sequence[Part | Attachment],
        *,
        model: str | None = None,
        system: str = "",
        options: ModelOptions | None = None,
        owner: int = 0,
        tenant: str = "main",
    ) -> Task:
        """Lets a chat model answer in the background; `result` brings the answer, also after a restart.

        Args:
            input: text, or parts, images among them.
            model: `provider/model`; None: the first that can.
            system: the system text.
            options: checked against the model's ranges.
            owner: users.id (`SessionInfo.owner`): forgetting that person takes the task along.
            tenant: whose it is.

        Raises:
            NoSuchAbility: no platform that has a key can; the error names who could.
            InvalidOptions: an option outside of the model's range.
            InputTooLong: larger than the model takes at all.
            ProviderError: refused (the task is then `failed`), or nobody knows (`unknown`).
        """
        client, name = self._able("start", model)
        starts: Starts = client
        dialect = self.resolve(f"{self._key(client)}/{name}")[2]
        given = (Text(sound(input)),) if isinstance(input, str) else tuple(input)
        files = {part.id: part for part in given if isinstance(part, Attachment)}
        parts = tuple(part.part if isinstance(part, Attachment) else part for part in given)
        dialect.admit(system, parts)
        turn = Turn(TurnRef(0, 1), input=parts, state="running")
        packed = dialect.pack(sound(system), [turn], images=files)
        request = Request(name, packed, (), dialect.check(options or ModelOptions()), self._deadline())
        return await self._started(
            tenant, owner, "chat", self._key(client), name, lambda: starts.start(request)
        )

    async def start_drawing(
        self,
        prompt: str,
        *,
        model: str | None = None,
        n: int | None = None,
        size: str | None = None,
        options: Mapping[str, Any] | None = None,
        owner: int = 0,
        tenant: str = "main",
    ) -> Task:
        """Lets a platform draw in the background; arguments as of `draw`, the rest as of `start`."""
        client, name = self._able("start_drawing", model)
        draws: StartsDrawings = client
        fields, deadline = drawn_with(n, size, options), self._deadline()
        return await self._started(
            tenant,
            owner,
            "drawing",
            self._key(client),
            name,
            lambda: draws.start_drawing(name, sound(prompt), options=fields, deadline=deadline),
        )

    async def result(
        self, task: Task | int, *, wait: bool = False, every: float = POLL, tenant: str = "main"
    ) -> Task:
        """Where a task stands now; asks the platform if that is not known yet.

        Args:
            task: the task, or its id.
            wait: asks again and again until it has ended, for as long as a turn may take.
            every: seconds between two questions.
            tenant: whose it is.

        Raises:
            NotFound: no such task.
            ProviderError: the platform does not tell; the task stays as it is.
        """
        self.check_open()
        id_ = task if isinstance(task, int) else task.id
        deadline = self._deadline()
        row = await self._row(tenant, id_)
        while row.state == "running":
            client: Starts = self._client_of(row)
            job = await _asked(client, row.external_id, deadline)
            if job.state != "running" or (job.model and job.model != row.echoed):
                await self._settle(row.id, row.platform, job)
                row = await self._row(tenant, id_)
            late = deadline - asyncio.get_running_loop().time() <= every
            if row.state != "running" or not wait or late:
                break
            await asyncio.sleep(every)
        return self._told(row)

    async def tasks(self, *, limit: int = 50, tenant: str = "main") -> list[Task]:
        """The newest tasks as they were last seen, the last one first; `result` asks how they stand."""
        self.check_open()
        return [self._told(row) for row in await self.store.tasks(tenant, limit=limit)]

    async def forget_task(self, task: Task | int, *, tenant: str = "main") -> bool:
        """Erases a task and its result here (the platform goes on with it); False if there is none."""
        self.check_open()
        gone = await self.store.forget_task(tenant, task if isinstance(task, int) else task.id)
        if gone:
            await self.store.scrub()
        return gone

    # ------------------------------------------------------------ inside

    async def _started(
        self,
        tenant: str,
        owner: int,
        kind: TaskKind,
        platform: str,
        model: str,
        hand_in: Callable[[], Coroutine[Any, Any, Job]],
    ) -> Task:
        id_ = await self.store.new_task(tenant, owner, kind, platform, model)
        self._starting.add(id_)
        handing = asyncio.create_task(self._hand_in(id_, platform, hand_in))
        try:
            await asyncio.shield(handing)
        except asyncio.CancelledError:
            await asyncio.wait((handing,), timeout=GRACE)
            handing.cancel()
            await asyncio.gather(handing, return_exceptions=True)
            raise
        finally:
            self._starting.discard(id_)
        return self._told(await self._row(tenant, id_))

    async def _hand_in(
        self, id_: int, platform: str, hand_in: Callable[[], Coroutine[Any, Any, Job]]
    ) -> None:
        try:
            job = await hand_in()
        except ProviderError as e:
            state = "unknown" if e.category in UNSURE else "failed"
            await self.store.settle_task(id_, state, error=write_error(e))
            raise
        await self._settle(id_, platform, job)

    async def _settle(self, id_: int, platform: str, job: Job) -> None:
        """Writes down what the platform says; what has ended stays as it is."""
        result = error = None
        if job.state == "done":
            result = write_result(job)
        elif job.state == "failed":
            error = write_error(job.error or ProviderError("the platform gives no reason", provider=platform))
        await self.store.settle_task(
            id_, job.state, external_id=job.id, echoed=job.model, result=result, error=error
        )

    async def _row(self, tenant: str, id_: int) -> StoredTask:
        row = await self.store.task(tenant, id_)
        if row is None:
            raise NotFound("task", id_)
        return row

    def _client_of(self, row: StoredTask) -> Any:
        return self.platform(row.platform)

    def _key(self, client: Any) -> str:
        """The name under which a client is found again."""
        return next(name for name, made in self.platforms.clients.items() if made is client)

    def _told(self, row: StoredTask) -> Task:
        return told(row, row.id in self._starting)


async def _asked(client: Starts, id: str, deadline: float) -> Job:
    """Where a task stands; one that the platform, in its own words, does not know or tell of has failed."""
    try:
        return await client.job(id, deadline=deadline)
    except ProviderError as e:
        if e.category not in FINAL or not e.reported:
            raise
        return Job(id, "failed", error=e)


def told(row: StoredTask, starting: bool = False) -> Task:
    """A task's row as its reader sees it; `starting`: this process hands it in at this moment."""
    completion, drawing = read_result(row.result)
    lost = row.state == "starting" and not starting
    return Task(
        id=row.id,
        kind=row.kind,
        state="unknown" if lost else row.state,
        model=f"{row.platform}/{row.model}",
        echoed=row.echoed,
        completion=completion,
        drawing=drawing,
        error=read_error(row.error),
        created=row.created,
        ended=row.ended,
    )
