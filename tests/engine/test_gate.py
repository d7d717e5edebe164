"""Who may have a skill called, and how often."""

from __future__ import annotations

from typing import Any

from duihua import skill
from duihua.messages import Address
from duihua.ports import CallDelta, Rate
from duihua.skills.gate import Gate
from tests.engine.conftest import Make, collect

CALL = CallDelta(0, "", "reset", "{}")


def resetting(ran: list[str], **declared: Any) -> Any:
    @skill(effect="write", **declared)
    def reset() -> str:
        """Resets."""
        ran.append("reset")
        return "reset done"

    return reset


async def test_a_skill_for_administrators_runs_for_them_alone(make: Make) -> None:
    ran: list[str] = []
    engine, model = await make(
        [[CALL], "no"] * 2 + [[CALL], "yes"] * 2,
        skills=[resetting(ran, admin_only=True)],
        admins="terminal,embed/ann",
    )
    group = Address("embed", "g")
    for address, who in ((group, "bob"), (Address("other", "ann"), "ann")):
        await engine.session(address, external=who).ask("reset")
        assert "administrators only" in str(model.sent[-1])
    assert ran == []
    for address, who in ((group, "ann"), (Address("terminal", "default"), "")):
        await engine.session(address, external=who).ask("reset")
    assert ran == ["reset"] * 2


async def test_nobody_is_asked_for_consent_to_what_they_may_not_do(make: Make) -> None:
    ran: list[str] = []
    declared = resetting(ran, admin_only=True, confirm=True)
    engine, _ = await make([[CALL], "no"], skills=[declared])
    assert (await engine.ask("a", "reset")).finish == "stop"
    assert ran == []


async def test_each_person_has_a_rate_of_their_own(make: Make) -> None:
    ran: list[str] = []
    skills = [resetting(ran, rate=Rate(1, 3600))]
    engine, model = await make([[CALL], "ok", [CALL], "late", [CALL], "ok"], skills=skills)
    for name in ("ann", "ann", "bob"):
        await collect(engine.session(name).say("reset"))
    assert "again in 3600 seconds" in str(model.sent[3])
    assert ran == ["reset"] * 2


def test_a_rate_is_of_the_seconds_that_have_just_passed() -> None:
    now = [0.0]

    async def nobody(*who: str) -> None:
        return None

    gate, limited = Gate(nobody, clock=lambda: now[0]), resetting([], rate=Rate(2, 10))
    told = list[bool]()
    for now[0] in (0, 4, 9, 10, 13, 14):
        told.append(bool(gate.too_often(limited, 1)))
    assert told == [False, False, True, False, True, False]


async def test_a_skill_for_administrators_is_offered_to_them_alone(make: Make) -> None:
    def named(request: Any) -> bool:
        return "reset" in str((request.tools, request.packed.system, request.packed.messages))

    engine, model = await make(["no", "yes"], skills=[resetting([], admin_only=True)], admins="embed/ann")
    group = Address("embed", "g", shared=True)
    ann, bob = (engine.session(group, name=who, external=who) for who in ("ann", "bob"))
    for who in (bob, ann):  # of one conversation, which is the first one's
        await who.ask("hello")
    assert [named(request) for request in model.requests] == [False, True]
    assert [(await who.context("hello")).skills for who in (bob, ann)] == [(), ("reset",)]
