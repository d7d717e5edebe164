"""Who is let in, by whom, and how often they may write; the clock is the test's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from duihua import NotAllowed, Settings
from duihua.access import Access, noticed
from duihua.admission import Line, Verdict
from duihua.messages import Address
from duihua_prompts import Catalogue
from duihua_storage import SqlStore
from tests.leftovers import leftovers, run

ANN, BOB, EVE = "1", "2", "3"


@dataclass
class Bot:
    """One process with a bot, at a time of its own."""

    store: SqlStore
    now: float = 1_000_000.0
    settings: dict[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        settings = Settings.load(env_file=None, **self.settings)
        self.access = Access(self.store, settings, lambda: self.now)

    async def hears(self, who: str, said: str = "hello", **more: Any) -> Verdict:
        return await self.access.admit("telegram", who, bot="7", name=f"n{who}", said=said, **more)

    async def code_of(self, who: str) -> str:
        line = (await self.hears(who)).tell
        assert line is not None
        assert line.code == "access.hint"
        return str(line.values["code"])

    async def owner(self, who: str) -> str:
        await self.hears(who, await self.access.invite())
        return f"telegram/{who}"


@pytest.fixture
def bot(store: SqlStore) -> Bot:
    return Bot(store)


def told(verdict: Verdict) -> str:
    return verdict.tell.code if verdict.tell else ""


async def test_a_stranger_is_let_in_by_whoever_has_their_code(bot: Bot, database_url: str) -> None:
    first = await bot.hears(ANN)
    assert (first.allowed, first.role, told(first)) == (False, "stranger", "access.hint")
    assert first.tell is not None
    code = first.tell.values["code"]
    assert leftovers(database_url, code, code.replace("-", "")) == []  # its hash alone is kept
    other = Bot(bot.store, now=bot.now)  # another process: the operator's
    assert [p.id for p in await other.access.pending()] == [first.asked.id if first.asked else 0]
    assert await other.access.approve("XXXX-XXXX") is None
    let_in = await other.access.approve(code.lower().replace("-", ""))
    assert let_in is not None
    assert str(let_in) == "telegram/1"
    assert await other.access.approve(code) is None
    assert await bot.hears(ANN) == Verdict(True, "user")  # at the very next message
    [send] = await bot.store.take_sends(["telegram"], lease=1000)
    assert send.address == Address("telegram", ANN, "7")
    assert noticed(send) == Line("access.became.user")


async def test_a_stranger_hears_the_hint_once_in_ten_minutes(bot: Bot) -> None:
    code = await bot.code_of(ANN)
    for passed in (0, 599):
        bot.now += passed
        assert await bot.hears(ANN) == Verdict(False, "stranger")
    bot.now += 1
    again = await bot.hears(ANN)
    assert again.tell is not None
    assert (again.tell.values["code"], again.asked) == (code, None)
    bot.now += 3_600
    assert await bot.access.approve(code) is None  # an hour and no more
    assert await bot.code_of(ANN) != code


async def test_three_wait_at_a_bot_and_no_more(bot: Bot) -> None:
    for who in "1234":
        assert told(await bot.hears(who)) == ("access.full" if who == "4" else "access.hint")
    assert await bot.hears("4") == Verdict(False, "stranger")
    other = await bot.access.admit("telegram", "5", bot="8")
    assert told(other) == "access.hint"
    bot.now += 3_601
    assert told(await bot.hears("4")) == "access.hint"
    assert [str(p) for p in await bot.access.pending()] == ["telegram/4"]


async def test_whoever_is_declined_cannot_ask_for_a_day(bot: Bot) -> None:
    asked = (await bot.hears(ANN)).asked
    assert asked is not None
    assert await bot.access.decide(asked.id, False) is not None
    assert await bot.access.decide(asked.id, True) is None
    bot.now += 80_000
    assert await bot.hears(ANN) == Verdict(False, "stranger")
    bot.now += 7_000
    assert told(await bot.hears(ANN)) == "access.hint"


async def test_no_code_is_told_or_taken_in_a_group(bot: Bot) -> None:
    code = await bot.access.invite()
    group = {"chat": "-5", "group": True}
    assert told(await bot.hears(ANN, code, **group)) == "access.in_group"
    assert await bot.hears(BOB, **group) == Verdict(False, "stranger")
    assert await bot.access.pending() == []
    assert (await bot.hears(ANN, f"/start {code}")).role == "owner"


async def test_an_invitation_makes_one_owner(bot: Bot) -> None:
    code = await bot.access.invite()
    assert await bot.hears(ANN, f"/start@my_bot {code}") == Verdict(
        False, "owner", Line("access.became.owner")
    )
    assert await bot.hears(ANN) == Verdict(True, "owner")
    assert (await bot.hears(BOB, code)).role == "stranger"
    late = await bot.access.invite("admin")
    bot.now += 3_601
    assert (await bot.hears(EVE, late)).role == "stranger"


async def test_nobody_tries_many_codes(bot: Bot) -> None:
    code = await bot.access.invite()
    for _ in range(5):
        await bot.hears(EVE, "ABCD-EFGH")
    assert (await bot.hears(EVE, code)).role == "stranger"
    bot.now += 800  # one more try
    assert (await bot.hears(EVE, code)).role == "owner"


async def test_who_may_do_what(bot: Bot) -> None:
    owner = await bot.owner(ANN)
    await bot.access.give("telegram", BOB, "admin", by=owner)
    admin, access = f"telegram/{BOB}", bot.access
    assert (await access.approve(await bot.code_of(EVE), by=admin)) is not None
    await access.block("telegram", EVE, by=admin)
    for wrong in (
        access.approve("ABCD-EFGH", by=f"telegram/{EVE}"),
        access.decide(1, True, by="telegram/nobody"),
        access.give("telegram", EVE, "admin", by=admin),
        access.block("telegram", ANN, by=admin),
        access.give("telegram", ANN, "user", by=owner),
        access.invite("owner", by=admin),
        access.unblock("telegram", EVE, by="web/1"),
    ):
        with pytest.raises(NotAllowed):
            await wrong
    changes = [(c.was, c.role, c.by) for c in await bot.store.access_log("main")]
    assert changes == [
        ("user", "blocked", 2), ("guest", "user", 2), ("guest", "admin", 1), ("guest", "owner", 0),
    ]  # fmt: skip


async def test_a_blocked_person_is_not_heard_until_they_are_unblocked(bot: Bot) -> None:
    await bot.access.approve(await bot.code_of(ANN))
    await bot.hears(ANN)
    other = Bot(bot.store, now=bot.now)
    await other.access.block("telegram", ANN)
    bot.now += 3.1  # what another process does is seen within seconds
    code = await bot.access.invite()
    assert await bot.hears(ANN, code) == Verdict(False, "blocked")
    assert await other.access.unblock("telegram", ANN)
    assert not await other.access.unblock("telegram", ANN)
    assert await bot.hears(ANN) == Verdict(True, "user")
    await other.access.block("telegram", BOB)
    await other.access.unblock("telegram", BOB)
    assert (await bot.hears(BOB)).role == "stranger"


async def test_the_settings_have_the_last_word(store: SqlStore) -> None:
    bot = Bot(
        store,
        settings={"owners": "telegram/1", "admins": "terminal,telegram,web/2", "access": "closed, web=open"},
    )
    assert await bot.hears(ANN) == Verdict(True, "owner")
    with pytest.raises(NotAllowed):
        await bot.access.block("telegram", ANN)
    assert (await bot.hears(BOB)).role == "stranger"  # a whole front end is let in by no list
    assert await bot.access.admit("web", BOB) == Verdict(True, "admin")
    assert await bot.access.admit("web", EVE) == Verdict(True, "user")
    await store.ensure(Address("web", "2"))
    await store.offer_link(await person(store, "web", "2"), "ABCD-EFGH", seconds=60)
    await store.ensure(Address("telegram", "3"))
    await store.link(await person(store, "telegram", "3"), "ABCD-EFGH")
    assert await bot.hears(EVE) == Verdict(True, "admin")  # the same person as web/2


async def person(store: SqlStore, front: str, external: str) -> int:
    user = await store.user("main", front, external)
    assert user is not None
    return user


@pytest.mark.parametrize(
    ("mine", "theirs", "then"),
    [("guest", "owner", "owner"), ("owner", "user", "owner"), ("blocked", "admin", "blocked")],
)
async def test_two_who_become_one_have_the_higher_role(
    store: SqlStore, mine: str, theirs: str, then: str
) -> None:
    await store.set_role("main", "telegram", "1", mine, at=1, by=0, over=("guest",))
    await store.set_role("main", "web", "1", theirs, at=2, by=0, over=("guest",))
    await store.offer_link(await person(store, "web", "1"), "ABCD-EFGH", seconds=60)
    await store.link(await person(store, "telegram", "1"), "ABCD-EFGH")
    standing = await store.standing("main", "telegram", "1")
    assert standing is not None
    assert (standing.role, standing.names) == (then, ("telegram/1", "web/1"))
    assert {c.user for c in await store.access_log("main")} == {standing.user}


async def test_a_rate_is_told_once_and_owners_have_none(store: SqlStore) -> None:
    bot = Bot(store, settings={"access": "open", "rate_user": "2/60", "rate_chat": "3/60"})
    owner = await bot.owner(ANN)
    verdicts = [await bot.hears(BOB) for _ in range(4)]
    assert [v.allowed for v in verdicts] == [True, True, False, False]
    assert [v.tell for v in verdicts[2:]] == [Line("access.slower", {"seconds": 30}), None]
    bot.now += 31
    assert [(await bot.hears(BOB)).allowed for _ in range(2)] == [True, False]
    assert (await bot.hears(BOB)).tell is None
    bot.now += 61
    assert [told(await bot.hears(BOB)) for _ in range(3)] == ["", "", "access.slower"]
    group = {"chat": "-5", "group": True}
    bot.now += 61
    told_in_group = [told(await bot.hears(who, **group)) for who in "445566"]
    assert told_in_group == ["", "", "", "access.busy", "", ""]
    assert all([(await bot.hears(owner.partition("/")[2], **group)).allowed for _ in range(9)])


async def test_whoever_is_forgotten_is_a_stranger_without_a_trace(bot: Bot, database_url: str) -> None:
    await bot.hears("somebody")
    await bot.access.give("telegram", "somebody", "user")
    await bot.access.give("telegram", "somebody", "stranger")
    bot.now += 601
    await bot.hears("somebody")
    user = await person(bot.store, "telegram", "somebody")
    data = (await bot.store.export(user))["person"]
    assert [r["role"] for r in data["roles"]] == ["user", "guest"]
    assert [p["name"] for p in data["pairings"]] == ["nsomebody"]
    await bot.store.forget_user(user)
    await bot.store.scrub()
    assert leftovers(database_url, "somebody") == []
    assert run(database_url, "SELECT * FROM role_changes") == []


async def test_what_has_expired_is_swept(bot: Bot, database_url: str) -> None:
    await bot.hears(ANN)  # long ago by the database's clock
    await bot.access.invite()
    await bot.store.sweep()
    for table in ("pairings", "invitations"):
        assert run(database_url, f"SELECT * FROM {table}") == []


def test_what_is_told_has_words() -> None:
    for lang in ("zh", "en"):
        words = Catalogue(lang)
        assert "ABCD-EFGH" in words.t("access.hint", code="ABCD-EFGH", minutes=60)
        assert {f"access.became.{role}" in words for role in ("user", "admin", "owner")} == {True}
