"""Two identities of one person become one, by a code."""

from __future__ import annotations

import re
from typing import Any

from duihua import ChatEngine
from duihua.commands import COMMON, CommandTable, Invocation, Show
from duihua.messages import Address
from duihua_prompts import Catalogue
from tests.engine.conftest import Make

WORDS = Catalogue("en")
TABLE = CommandTable(COMMON)


async def run(line: str, session: Any, engine: ChatEngine) -> str:
    invocation = TABLE.parse(line)
    assert isinstance(invocation, Invocation)
    answer = await TABLE.run(invocation, session, engine, WORDS)
    assert isinstance(answer, Show)
    return answer.text


async def test_both_identities_share_what_is_known(make: Make) -> None:
    engine, model = await make(lambda request: "Noted.")
    web = engine.session(Address("web", "ann"), external="ann")
    phone = engine.session(Address("telegram", "42"), external="42")
    await web.ask("My daughter is called Clementine.")
    await phone.ask("I live in Lisbon. From now on always answer in French.")
    assert [len(await session.facts()) for session in (web, phone)] == [1, 2]

    told = await run("/link", web, engine)
    [code] = set(re.findall(r"[2-9A-Z]{4}-[2-9A-Z]{4}", told))
    assert await run(f"/关联 {code.lower()}", phone, engine) == WORDS.t("command.link.done")

    await web.ask("Where do I live?")
    assert "Lisbon" in str(model.sent[-1][-1]["content"])
    assert "always answer in French" in str(model.requests[-1].packed.system)
    await phone.ask("What is my daughter called?")
    assert "Clementine" in str(model.sent[-1][-1]["content"])
    assert [f.text for f in await web.facts()] == [f.text for f in await phone.facts()]
    again = engine.session(Address("telegram", "43"), external="42")  # a new chat of the identity that joined
    assert len(await again.facts()) == 3


async def test_a_wrong_code_joins_nobody(make: Make) -> None:
    engine, _ = await make(lambda request: "Noted.")
    ann, bob = (engine.session(Address("web", name), external=name) for name in ("ann", "bob"))
    await ann.ask("I live in Lisbon.")
    await ann.link_code()
    assert await run("/link ABCD-EFGH", bob, engine) == WORDS.t("command.link.wrong")
    assert await bob.facts() == []


async def test_where_others_read_along_no_code_is_shown(make: Make) -> None:
    engine, _ = await make()
    group = engine.session(Address("telegram", "-1", shared=True), external="42")
    for line in ("/link", "/link ABCD-EFGH"):
        assert await run(line, group, engine) == WORDS.t("command.link.shared")
    ann, bob = (engine.session(Address("web", name), external=name) for name in ("ann", "bob"))
    code = await ann.link_code()
    assert await run(f"/link {code}", group, engine) == WORDS.t("command.link.ended")
    assert not await bob.link(code)  # whoever has read it there


async def test_a_code_asked_for_in_private_is_the_persons_own(make: Make) -> None:
    engine, _ = await make(lambda request: "Noted.")
    web, phone = (engine.session(Address("web", name), external=name) for name in ("ann", "phone"))
    await web.ask("I live in Lisbon.")
    assert len(await web.facts()) == 1
    await web.private(True)
    assert await phone.link(await web.link_code())
    assert [fact.text for fact in await phone.facts()] == ["I live in Lisbon"]
