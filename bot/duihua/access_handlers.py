"""`/access` of every front end: who waits to be let in, for administrators, who also decide here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from duihua.codes import code_in
from duihua.command import Answer, Command, Scene, Show
from duihua.errors import NotAllowed
from duihua.escapes import one_line

if TYPE_CHECKING:
    from duihua.admission import Pairing
    from duihua_prompts import Catalogue

_VERBS = {
    "approve": ("approve", "批准", "同意"),
    "decline": ("decline", "拒绝"),
    "block": ("block", "屏蔽"),
    "unblock": ("unblock", "解除"),
}


async def _access(scene: Scene) -> Answer:
    words, session = scene.words, scene.session
    if not await session.is_admin():
        raise NotAllowed("admins")
    if session.address.public:
        return Show(words.t("command.access.alone"))
    wish, _, which = scene.args.partition(" ")
    verb = next((verb for verb, names in _VERBS.items() if wish.casefold() in names), "")
    if not verb or not which.strip():
        return await _waiting(scene)
    if verb in ("approve", "decline"):
        return await _decide(scene, which.strip(), yes=verb == "approve")
    return await _hear(scene, which.strip(), again=verb == "unblock")


async def _waiting(scene: Scene) -> Answer:
    words = scene.words
    waiting = await scene.engine.access.pending(tenant=scene.session.address.tenant)
    lines = [
        words.t("command.access.line", number=one.id, user=one_line(str(one), 100), name=called(one))
        for one in waiting
    ]
    title = words.t("command.access.title" if lines else "command.access.nothing")
    return Show("\n".join([title, *lines, words.t("command.access.hint")]))


async def _decide(scene: Scene, which: str, *, yes: bool) -> Answer:
    access, by, tenant = scene.engine.access, scene.session.speaker, scene.session.address.tenant
    number, done = which.removeprefix("#"), None
    if yes and code_in(which):
        done = await access.approve(which, by=by, tenant=tenant)
    elif number.isascii() and number.isdigit() and len(number) < 19:
        done = await access.decide(int(number), yes, by=by, tenant=tenant)
    if done is None:
        return Show(scene.words.t("command.access.unknown", which=one_line(which, 40)))
    return Show(decided(done, yes=yes, words=scene.words))


def decided(pairing: Pairing, *, yes: bool, words: Catalogue) -> str:
    """What a decision has come to, for whoever decided."""
    code = "command.access.approved" if yes else "command.access.declined"
    return words.t(code, name=called(pairing), user=one_line(str(pairing), 100))


def called(pairing: Pairing) -> str:
    """What a stranger is called, else their id."""
    return one_line(pairing.name or pairing.external, 60)


async def _hear(scene: Scene, who: str, *, again: bool) -> Answer:
    """Of `front/id`, or of an id at this front end."""
    words, access, session = scene.words, scene.engine.access, scene.session
    front, slash, external = who.partition("/")
    if not slash:
        front, external = session.address.front, who
    user, given = (
        one_line(f"{front}/{external}", 100),
        {"by": session.speaker, "tenant": session.address.tenant},
    )
    if not again:
        await access.block(front, external, **given)
        return Show(words.t("command.access.blocked", user=user))
    done = await access.unblock(front, external, **given)
    return Show(words.t("command.access.unblocked" if done else "command.access.not_blocked", user=user))


ACCESS = Command("access", _access, ("访问",), takes=True, role="admin")
"""For administrators, where nobody else reads along."""
