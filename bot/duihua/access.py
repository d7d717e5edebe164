"""Who may talk where strangers can write: roles, pairing codes, invitations, and how often.

A role is what the settings say of one of a person's identities (`DUIHUA_OWNERS`, `DUIHUA_ADMINS`), else what
is stored with the person. What lets somebody in is remembered for `KEPT` seconds; what keeps them out is
looked up at every message, so that an approval holds from the very next one.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING, Any, cast

import orjson

from duihua.admission import STAFF, Line, Pairing, Role, Standing, Verdict
from duihua.codes import code_in, new_code
from duihua.errors import NotAllowed
from duihua.escapes import one_line
from duihua.messages import Address
from duihua.ports import Rate
from duihua.rates import REMEMBERED, Buckets, Seldom, rate_of

if TYPE_CHECKING:
    from duihua.admission import AccessStore
    from duihua.config import Settings
    from duihua.ports import Send

log = logging.getLogger(__name__)

HOUR = 3_600
"""Seconds that a code is good for."""
MOST = 3
"""Strangers at most that wait at one bot."""
SILENCE = 600
"""Seconds between two answers to the same stranger, or in the same group."""
TRIES = Rate(5, HOUR)
"""Codes that a person may try."""
KEPT = 3.0
"""Seconds for which a role that lets somebody in is remembered."""
CODES = 256
"""Codes that are remembered, so that a stranger is told the same one again."""
NAME = 100
"""Characters of a name that are kept."""

BECAME = {
    "user": "access.became.user",
    "admin": "access.became.admin",
    "owner": "access.became.owner",
}

_Who = tuple[str, str, str]  # tenant, front end, id there
_GIVEN = ("guest", "user", "admin", "owner", "blocked")


class Access:
    """Admits people, or not; one for all front ends of an engine, or beside one over the same database.

    `by` is whoever decides, as `front/id`: NotAllowed if their role does not do. Empty: the operator.

    Args:
        store: where roles are kept.
        settings: access, owners, admins, and the two rates.
        clock: seconds since the epoch.
        owed: called when the outbox has got something to send.
    """

    def __init__(
        self,
        store: AccessStore,
        settings: Settings,
        clock: Callable[[], float] = time.time,
        owed: Callable[[], None] = lambda: None,
    ) -> None:
        self._store, self._clock, self._owed = store, clock, owed
        self._owners, self._admins = frozenset(settings.owners), frozenset(settings.admins)
        self._usual, self._policies = _policies(settings.access)
        self._people = Buckets(rate_of(settings.rate_user), clock)
        self._chats = Buckets(rate_of(settings.rate_chat), clock)
        self._tries = Buckets(TRIES, clock)
        self._heard = Seldom(SILENCE, clock)
        self._roles: OrderedDict[_Who, tuple[Role, float]] = OrderedDict()
        self._codes: OrderedDict[tuple[str, ...], tuple[str, float]] = OrderedDict()

    # ------------------------------------------------------------ at every message

    async def admit(
        self,
        front: str,
        external: str,
        *,
        name: str = "",
        chat: str = "",
        group: bool = False,
        bot: str = "",
        said: str = "",
        tenant: str = "main",
    ) -> Verdict:
        """Whether a message may go on, and what to answer at once; counts it.

        Args:
            front: the front end.
            external: the person's id there.
            name: what they are called.
            chat: where they write; empty: alone with the bot.
            group: several people read there: no code is told or taken.
            bot: which one of the front end's bots they write to.
            said: the text; a code in it is used up, and then the message has done its work.
            tenant: whose bot it is.
        """
        role = await self.role(front, external, tenant=tenant)
        if role == "blocked":
            return Verdict(False, role)
        chat = chat or external
        code = "" if group or role == "owner" else code_in(said)
        if code and (given := await self._redeem((tenant, front, external), name, code)):
            return Verdict(False, given, Line(BECAME[given]))
        if role in STAFF:
            return Verdict(True, role)
        if role == "stranger":
            if not self.is_open(front):
                address = Address(front, chat, bot, tenant=tenant)
                return await self._stranger(address, external, name, group)
            role = "user"
        for buckets, key, told in (
            (self._people, (tenant, front, external), "access.slower"),
            (self._chats, (tenant, front, bot, chat), "access.busy"),
        ):
            if wait := buckets.wait(key):
                line = Line(told, {"seconds": ceil(wait)}) if buckets.complain(key) else None
                return Verdict(False, role, line)
        self._people.take((tenant, front, external))
        self._chats.take((tenant, front, bot, chat))
        return Verdict(True, role)

    async def knows(self, front: str, external: str, *, tenant: str = "main") -> bool:
        """Whether a person is let in; counts and tells nothing, for what must not wait, such as a stop."""
        role = await self.role(front, external, tenant=tenant)
        return role != "blocked" and (role != "stranger" or self.is_open(front))

    def is_open(self, front: str) -> bool:
        """Whether strangers are let in there."""
        return self._policies.get(front, self._usual) == "open"

    async def _stranger(self, address: Address, external: str, name: str, group: bool) -> Verdict:
        where = (address.tenant, address.front, address.bot, address.chat if group else external)
        if not self._heard.due(where):
            return Verdict(False, "stranger")
        if group:
            self._heard.said(where)
            return Verdict(False, "stranger", Line("access.in_group"))
        now = self._clock()
        code, until = self._codes.get(where, ("", 0.0))
        if until <= now:
            code = new_code()
        outcome, pairing = await self._store.ask(
            address,
            external,
            one_line(name, NAME),
            code,
            at=_ms(now),
            expires=_ms(now + HOUR),
            most=MOST,
        )
        self._heard.said(where)
        if outcome == "declined":
            return Verdict(False, "stranger")
        if outcome == "full":
            return Verdict(False, "stranger", Line("access.full"))
        self._codes[where] = code, now + HOUR
        self._codes.move_to_end(where)
        while len(self._codes) > CODES:
            self._codes.popitem(last=False)
        line = Line("access.hint", {"code": code, "minutes": HOUR // 60})
        return Verdict(False, "stranger", line, pairing if outcome == "new" else None)

    async def _redeem(self, who: _Who, name: str, code: str) -> Role | None:
        if self._tries.wait(who):
            return None
        self._tries.take(who)
        role = await self._store.redeem(*who, one_line(name, NAME), code, at=self._now())
        self._forget(*who)
        return await self.role(who[1], who[2], tenant=who[0]) if role else None

    # ------------------------------------------------------------ who is what

    async def role(self, front: str, external: str, *, tenant: str = "main") -> Role:
        """What a person is; whoever is known to nobody, or has no role, is a stranger."""
        who, now = (tenant, front, external), self._clock()
        role, at = self._roles.get(who, ("stranger", 0.0))
        if 0 <= now - at < KEPT and role != "stranger":
            return role
        role = self._of(await self._store.standing(*who), f"{front}/{external}")
        if role not in ("stranger", "blocked"):
            self._roles[who] = role, now
            self._roles.move_to_end(who)
            while len(self._roles) > REMEMBERED:
                self._roles.popitem(last=False)
        return role

    def _of(self, standing: Standing | None, name: str) -> Role:
        """The settings have the last word."""
        names = {name, *(standing.names if standing else ())}
        if names & self._owners:
            return "owner"
        stored = standing.role if standing else "guest"
        if names & self._admins:
            return "owner" if stored == "owner" else "admin"
        return cast(Role, stored) if stored in ("owner", "admin", "user", "blocked") else "stranger"

    async def is_admin(self, address: Address, user: int, store: AccessStore | None = None) -> bool:
        """Whether the person with this users.id is an administrator when they speak there.

        At a front end that `DUIHUA_ADMINS` names as a whole everybody is. `store`: where `user` is known, if
        it is not the one where roles are kept.
        """
        if address.front in self._admins:
            return True
        standing = await (store or self._store).standing_of(user) if user else None
        for name in standing.names if standing else ():
            front, _, external = name.partition("/")
            if await self.role(front, external, tenant=address.tenant) in STAFF:
                return True
        return False

    def _forget(self, tenant: str, front: str, external: str) -> None:
        self._roles.pop((tenant, front, external), None)

    # ------------------------------------------------------------ what administrators do

    async def members(self, *, tenant: str = "main") -> Sequence[Standing]:
        """Everybody who is something, by the settings or else by what is stored."""
        known = list(await self._store.members(tenant))
        seen = {name for one in known for name in one.names}
        for name in sorted(self._owners | self._admins):
            front, slash, external = name.partition("/")
            if slash and name not in seen:
                found = await self._store.standing(tenant, front, external)
                known.append(found or Standing(0, "guest", (name,)))
                seen.update(known[-1].names)
        return [replace(one, role=self._of(one, one.names[0])) for one in known]

    async def pending(self, *, tenant: str = "main") -> Sequence[Pairing]:
        """Who waits to be let in, the longest wait first."""
        return await self._store.pairings(tenant, at=self._now())

    async def approve(self, code: str, *, by: str = "", tenant: str = "main") -> Pairing | None:
        """Lets in whoever was told this code; None: nobody who waits was."""
        plain = code_in(code)
        return await self._decide(True, by, tenant, code=plain) if plain else None

    async def decide(self, pairing: int, yes: bool, *, by: str = "", tenant: str = "main") -> Pairing | None:
        """Lets in whoever waits under this id, or leaves them unanswered for a day; None: nobody waits."""
        return await self._decide(yes, by, tenant, id=pairing)

    async def _decide(self, yes: bool, by: str, tenant: str, **which: Any) -> Pairing | None:
        _, actor = await self._actor(by, tenant)
        notice = orjson.dumps({"access": BECAME["user"]})
        done = await self._store.decide_pairing(tenant, yes, at=self._now(), by=actor, notice=notice, **which)
        if done is not None:
            self._codes.pop((tenant, done.front, done.address.bot, done.external), None)
            self._owed()
        return done

    async def give(
        self, front: str, external: str, role: Role, *, by: str = "", tenant: str = "main"
    ) -> None:
        """Gives a person a role. Administrators make users and block them; the rest is for owners.

        Raises:
            NotAllowed: by the role of either of them; or the settings say what this person is.
        """
        mine, actor = await self._actor(by, tenant)
        if by == f"{front}/{external}":
            raise NotAllowed("oneself")
        standing = await self._store.standing(tenant, front, external)
        names = {f"{front}/{external}", *(standing.names if standing else ())}
        if names & (self._owners | self._admins):
            raise NotAllowed("settings")
        if mine == "admin" and role in STAFF:
            raise NotAllowed("owners")
        over = _GIVEN if mine == "owner" else ("guest", "user", "blocked")
        stored = "guest" if role == "stranger" else role
        before = await self._store.set_role(
            tenant, front, external, stored, at=self._now(), by=actor, over=over
        )
        for name in before.names:
            self._forget(tenant, *cast(tuple[str, str], tuple(name.split("/", 1))))
        if before.role not in over:
            raise NotAllowed("owners")

    async def block(self, front: str, external: str, *, by: str = "", tenant: str = "main") -> None:
        """Nothing that the person says is heard any more. Raises NotAllowed."""
        await self.give(front, external, "blocked", by=by, tenant=tenant)

    async def unblock(self, front: str, external: str, *, by: str = "", tenant: str = "main") -> bool:
        """Makes a blocked person a user, or a stranger, as before; False: they are not blocked."""
        _, actor = await self._actor(by, tenant)
        return bool(await self._store.unblock(tenant, front, external, at=self._now(), by=actor))

    async def invite(self, role: Role = "owner", *, by: str = "", tenant: str = "main") -> str:
        """A code that gives whoever sends it to a bot a role, once, within an hour. Raises NotAllowed."""
        mine, _ = await self._actor(by, tenant)
        if mine == "admin" and role in STAFF:
            raise NotAllowed("owners")
        code, now = new_code(), self._clock()
        await self._store.invite(tenant, role, code, at=_ms(now), expires=_ms(now + HOUR))
        return code

    async def _actor(self, by: str, tenant: str) -> tuple[Role, int]:
        """The role and users.id of whoever decides."""
        if not by:
            return "owner", 0
        front, _, external = by.partition("/")
        standing = await self._store.standing(tenant, front, external)
        role = self._of(standing, by)
        if front in self._admins and role in ("user", "stranger"):
            role = "admin"
        if role not in STAFF:
            raise NotAllowed("admins")
        return role, standing.user if standing else 0

    def _now(self) -> int:
        return _ms(self._clock())


def noticed(send: Send) -> Line | None:
    """What an outbox row of kind `notice` says of access; None: it is a reminder."""
    body: dict[str, Any] = orjson.loads(send.body)
    return Line(str(body["access"])) if "access" in body else None


def _policies(setting: str) -> tuple[str, dict[str, str]]:
    """The usual policy, and those of single front ends: `closed, web=open`."""
    usual, *others = (part.strip() for part in setting.split(","))
    return usual, dict(cast(tuple[str, str], tuple(other.split("=", 1))) for other in others)


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
