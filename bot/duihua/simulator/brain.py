"""The model that is simulated: deterministic, and it knows nothing but the messages it was sent.

So a name is recalled only if the list still holds it: that is how a client's memory is seen to work. It calls
an offered function when the question asks for the weather, a calculation or the time, and any function that
the question names. It says results back as sentences, and otherwise echoes the question with the number of
user messages it saw.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from duihua.simulator import calling, intents, naming, phrasing, recall, summary, textcalls
from duihua.simulator.ask import Answer, Ask, Call, Language, language, prompt_tokens
from duihua.simulator.faults import NONE, Fault, without_command
from duihua.simulator.intents import Wish
from duihua.simulator.known import HOME

_SEVERAL = re.compile("这里有几个人一起聊天|Several people talk here")
_NAME = re.compile(r"^(?!>)[^:\n]{1,40}: ", re.MULTILINE)


def prepared(ask: Ask, now: datetime) -> Ask:
    """The ask as the brain reads it: dated, and with functions and memories in plain text recognised."""
    prompt = prompt_tokens(ask.messages, ask.system, ask.functions)
    return textcalls.normalised(_nameless(recall.apart(replace(ask, today=now.date(), prompt=prompt))))


def _nameless(ask: Ask) -> Ask:
    """Where several people talk: what they say without their names in front."""
    if not _SEVERAL.search(ask.system):
        return ask
    bare = (replace(m, text=_NAME.sub("", m.text, count=1)) if m.role == "user" else m for m in ask.messages)
    return replace(ask, messages=tuple(bare))


def reply(ask: Ask, fault: Fault = NONE) -> Answer:
    """The answer to a prepared ask; only the faults that change the answer itself matter here."""
    return textcalls.rendered(ask, _reply(ask, fault))


def refusal(ask: Ask) -> str:
    """What is said instead of an answer when the platform flags the conversation."""
    return phrasing.REFUSAL[_tongue(ask)]


def thoughts(ask: Ask) -> str:
    """What a reasoning model thinks before it answers."""
    said = phrasing.echo(without_command(ask.question), len(ask.said), _tongue(ask))
    return {"zh": f"让我想一想。{said}", "en": f"Let me think. {said}"}[_tongue(ask)]


def _reply(ask: Ask, fault: Fault) -> Answer:
    tongue = _tongue(ask)
    if fault.kind == "long":
        return Answer(phrasing.long(fault.number, tongue))
    ask = _without_commands(ask)
    if fault.kind == "flag-output":
        return Answer(phrasing.echo(ask.question, len(ask.said), tongue))
    if summary.wanted(ask):
        return Answer(summary.answer(ask))
    wishes = [_at_home(w, ask) for w in intents.wishes(ask.said, ask.today) if not _knows(w, ask)]
    planned = _planned(ask, wishes, fault)
    done = len(ask.results)
    if fault.kind == "badargs" and planned:
        if done == 0:
            return Answer(calls=(_broken(planned[0]),))
        done -= 1  # the first result is the complaint about the broken call
    if done < len(planned):
        return Answer(calls=tuple(planned) if ask.parallel and not done else (planned[done],))
    asked = recall.asked(intents.question_of(ask.question))
    if ask.results and not (asked and recall.value_of(asked, ask)):
        results = ask.results[1:] if fault.kind == "badargs" and len(ask.results) > 1 else ask.results
        return Answer(phrasing.phrase(results, wishes, tongue))
    if said := recall.recalled(ask, tongue):
        return Answer(said)
    if _needs_city(ask, wishes):
        return Answer(phrasing.WHICH_CITY[tongue])
    return Answer(phrasing.echo(ask.question, len(ask.said), tongue))


def _planned(ask: Ask, wishes: Sequence[Wish], fault: Fault) -> list[Call]:
    """All calls that the question needs, in order; the same for every request of one turn."""
    if not ask.functions or ask.choice == "none":
        return []
    planned = calling.calls(ask, wishes) or naming.calls(ask, intents.question_of(ask.question))
    forced = next((f for f in ask.functions if f.name == ask.choice), None)
    if fault.kind == "twocalls":
        planned = (planned + _samples(ask, avoid=planned))[:2]
    elif not planned and fault.kind == "badargs":
        planned = _samples(ask)[:1]
    elif not planned and not ask.results and (forced or ask.choice == "required"):
        function = forced or next((f for f in ask.functions if not calling.of_memory(f)), ask.functions[0])
        planned = [calling.call(function, calling.minimal(function))]
    return planned


def _samples(ask: Ask, avoid: Sequence[Call] = ()) -> list[Call]:
    """Calls to show, when the question itself asks for none."""
    shown = [Wish("weather", "北京", "今天", 0), Wish("time"), Wish("arithmetic", expression="12*(3+4)")]
    found = calling.calls(ask, [*shown, Wish("weather", "上海", "今天", 0)])
    found += [calling.call(f, calling.minimal(f)) for f in (*ask.functions, *ask.functions)]
    used = {c.name for c in avoid}
    memory = {f.name for f in ask.functions if calling.of_memory(f)}
    return sorted(found, key=lambda c: (c.name in memory, c.name in used))


def _broken(call: Call) -> Call:
    """The call with arguments that end too early, as models do at times."""
    return replace(call, arguments=(call.arguments.rstrip("}") or "{") + ', "')


def _knows(wish: Wish, ask: Ask) -> bool:
    """Whether a wish to recall needs no function: what it asks for is known already."""
    if wish.kind != "recall" or ask.results:
        return False
    fact = recall.asked(intents.question_of(ask.question))
    return fact is not None and bool(recall.value_of(fact, ask))


def _at_home(wish: Wish, ask: Ask) -> Wish:
    if wish.kind != "weather" or wish.city:
        return wish
    return replace(wish, city=recall.value_of(HOME, ask))


def _needs_city(ask: Ask, wishes: Sequence[Wish]) -> bool:
    no_city = any(w.kind == "weather" and not w.city for w in wishes)
    return no_city and calling.matching("weather", ask.functions) is not None


def _tongue(ask: Ask) -> Language:
    if wanted := recall.language_wanted(ask):
        return wanted
    said = [without_command(text) for text in ask.said[-5:]]
    return language(*(text for text in reversed(said) if not text.startswith("!")))


def _without_commands(ask: Ask) -> Ask:
    if "!" not in ask.question:
        return ask
    last = ask.messages[ask.last]
    bare = replace(last, text=without_command(last.text))
    return replace(ask, messages=(*ask.messages[: ask.last], bare, *ask.messages[ask.last + 1 :]))
