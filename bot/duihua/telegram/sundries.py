"""What people send beside text and files, in words that a model reads. Pure."""

from __future__ import annotations

from aiogram.types import Checklist, Contact, ExternalReplyInfo, Location, Message, Poll, Venue

from duihua.escapes import name_of, one_line

_LINE = 300
_LINES = 60


def in_words(sent: Message | ExternalReplyInfo) -> str:
    """A sticker, a place, a contact, a poll and the like in words; empty: it holds nothing of that kind."""
    if sent.venue is not None:
        return _venue(sent.venue)
    if sent.location is not None:
        return f"[location: {_point(sent.location)}]"
    if sent.contact is not None:
        return _contact(sent.contact)
    if sent.poll is not None:
        return _poll(sent.poll)
    if sent.checklist is not None:
        return _checklist(sent.checklist)
    if sent.dice is not None:
        return f"[threw {one_line(sent.dice.emoji, 8)}: {sent.dice.value}]"
    if (sticker := getattr(sent, "sticker", None)) is not None:
        return f"[sticker: {one_line(sticker.emoji or '?', 8)}]"
    return ""


def _point(at: Location) -> str:
    """Latitude and longitude in degrees."""
    return f"{at.latitude:.6f}, {at.longitude:.6f}"


def _venue(venue: Venue) -> str:
    where = one_line(f"{venue.title}, {venue.address}", _LINE)
    return f"[place: {where} ({_point(venue.location)})]"


def _contact(contact: Contact) -> str:
    name = name_of(f"{contact.first_name} {contact.last_name or ''}", _LINE)
    return f"[contact: {name}, {one_line(contact.phone_number, 40)}]"


def _poll(poll: Poll) -> str:
    options = [f"- {one_line(o.text, _LINE)} ({o.voter_count})" for o in poll.options[:_LINES]]
    return "\n".join([f"[poll: {one_line(poll.question, _LINE)}]", *options])


def _checklist(listed: Checklist) -> str:
    tasks = [
        f"- [{'x' if task.completion_date else ' '}] {one_line(task.text, _LINE)}"
        for task in listed.tasks[:_LINES]
    ]
    return "\n".join([f"[checklist: {one_line(listed.title, _LINE)}]", *tasks])
