"""All tables. They load on SQLite 3.35+ and PostgreSQL 14+; times are ms UTC, content is bytes.

Content columns hold tagged JSON or UTF-8 as bytes, so that they can be encrypted without a migration. What
belongs to a turn is clustered by (session, seq): the cost of a turn does not depend on how many others exist.
Ids of people, sessions and inputs are never given twice, not even after their rows are gone.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData()

_Id = BigInteger().with_variant(Integer(), "sqlite")  # only INTEGER counts up by itself there


def _id() -> Column[int]:
    return Column("id", _Id, primary_key=True, autoincrement=True)


def _key(name: str, kind: type[BigInteger | SmallInteger | Integer | Text]) -> Column[Any]:
    return Column(name, kind, primary_key=True, autoincrement=False)


def _number(name: str, default: int | None = None) -> Column[int]:
    server = None if default is None else text(str(default))
    return Column(name, BigInteger, nullable=False, server_default=server)


def _partial(name: str, columns: tuple[Column[Any], ...], where: str) -> Index:
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


users = Table(
    "users",
    metadata,
    _id(),
    Column("tenant", Text, nullable=False, server_default=text("'main'")),
    Column("role", Text, nullable=False, server_default=text("'guest'")),
    Column("locale", Text),
    Column("tz", Text),
    Column("memory", Text, nullable=False, server_default=text("'on'")),
    _number("generation", 0),  # raised by every change of what is known about them
    Column("guesses", SmallInteger, nullable=False, server_default=text("0")),  # codes tried in a row
    _number("guessed", 0),
    _number("created"),
    sqlite_autoincrement=True,
)

_partial("users_role", (users.c.tenant, users.c.role), "role <> 'guest'")

identities = Table(
    "identities",
    metadata,
    _key("tenant", Text),
    _key("front", Text),
    _key("external", Text),
    Column("user_id", BigInteger, ForeignKey("users.id"), nullable=False),
    Column("name", Text),
    sqlite_with_rowid=False,
)
Index("identities_user", identities.c.user_id)

sessions = Table(
    "sessions",
    metadata,
    _id(),
    Column("tenant", Text, nullable=False, server_default=text("'main'")),
    Column("key", Text, nullable=False),
    Column("front", Text, nullable=False),
    Column("address", LargeBinary, nullable=False),
    Column("owner_id", BigInteger, ForeignKey("users.id"), nullable=False),
    Column("title", Text),
    Column("settings", LargeBinary),
    Column("locale", Text),
    _number("generation", 0),  # raised by every erase: what was derived before may not be written after
    _number("next_seq", 1),
    _number("head", 0),  # the turn that the next one continues, 0: an empty path
    _number("window_from", 0),
    _number("kept", 0),  # turns up to this seq have had their upkeep
    Column("pending", Integer, nullable=False, server_default=text("0")),  # inputs without an answer
    Column("due", BigInteger),  # since when input waits, NULL if and only if none does
    Column("lease_owner", Text),
    _number("lease_until", 0),
    _number("created"),
    _number("touched"),
    UniqueConstraint("tenant", "key", name="sessions_key"),
    sqlite_autoincrement=True,
)
_partial("sessions_due", (sessions.c.due,), "due IS NOT NULL")
_partial("sessions_unkept", (sessions.c.touched,), "kept < next_seq - 1")
Index("sessions_owner", sessions.c.owner_id)

inbox = Table(
    "inbox",
    metadata,
    _id(),
    Column("tenant", Text, nullable=False, server_default=text("'main'")),
    Column("source", Text, nullable=False),
    Column("source_id", Text, nullable=False),
    Column("session_id", BigInteger),
    Column("author_id", BigInteger),  # NULL: the session's owner
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),  # pending, taken, done, cancelled
    Column("reply_to", BigInteger),  # below 0: how many inputs stand before it in the turn that it shares
    Column("body", LargeBinary),  # moves into the turn when the input is taken
    Column("turn_seq", BigInteger),
    Column("error", Text),
    _number("received"),
    UniqueConstraint("tenant", "source", "source_id", name="inbox_source"),
    sqlite_autoincrement=True,
)
_partial("inbox_open", (inbox.c.session_id, inbox.c.id), "state = 'pending'")
_partial("inbox_taken", (inbox.c.session_id, inbox.c.turn_seq), "state = 'taken'")
_partial("inbox_old", (inbox.c.received,), "state IN ('done', 'cancelled')")
_partial("inbox_author", (inbox.c.author_id,), "author_id IS NOT NULL")
_partial("inbox_edits", (inbox.c.session_id, inbox.c.reply_to), "kind = 'edit'")

turns = Table(
    "turns",
    metadata,
    _key("session_id", BigInteger),
    _key("seq", BigInteger),
    _number("parent"),
    Column("rerun_of", BigInteger),  # the first of the turns in whose place it stands; NULL: in none's
    Column("state", Text, nullable=False),  # running, done, stopped, failed, cleared
    Column("attempt", Integer, nullable=False, server_default=text("1")),
    Column("detached", SmallInteger, nullable=False, server_default=text("0")),  # 1: the head moved away
    Column("stop_by", BigInteger),  # users.id or 0 of who asked to stop it, NULL: nobody
    Column("author_id", BigInteger),  # NULL: the session's owner
    Column("format", SmallInteger, nullable=False, server_default=text("1")),
    Column("input", LargeBinary),
    Column("partial", LargeBinary),
    Column("tokens", Integer),
    Column("model", Text),
    Column("persona", Text),
    Column("finish", Text),
    Column("error", Text),
    Column("no_recall", SmallInteger, nullable=False, server_default=text("0")),  # 1: off the record
    _number("started"),
    Column("ended", BigInteger),
    sqlite_with_rowid=False,
)
_partial("turns_running", (turns.c.session_id, turns.c.seq), "state = 'running'")
_partial("turns_author", (turns.c.author_id,), "author_id IS NOT NULL")

steps = Table(
    "steps",
    metadata,
    _key("session_id", BigInteger),
    _key("seq", BigInteger),
    _key("step", SmallInteger),
    Column("content", LargeBinary),
    Column("model", Text),
    Column("usage", LargeBinary),
    _number("at"),
    sqlite_with_rowid=False,
)

skill_calls = Table(
    "skill_calls",
    metadata,
    _key("session_id", BigInteger),
    _key("seq", BigInteger),
    _key("step", SmallInteger),
    _key("idx", SmallInteger),
    Column("name", Text, nullable=False),
    Column("effect", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("arguments", LargeBinary),
    Column("result", LargeBinary),
    Column("held_for", Text),  # which skill a person was asked about
    Column("asker_id", BigInteger),
    Column("approver_id", BigInteger),
    Column("expires", BigInteger),
    Column("started", BigInteger),
    Column("ended", BigInteger),
    sqlite_with_rowid=False,
)
_partial("skill_calls_held", (skill_calls.c.session_id, skill_calls.c.seq), "state = 'held'")

outbox = Table(
    "outbox",
    metadata,
    _id(),
    _number("session_id"),
    _number("seq"),
    Column("part", SmallInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),  # pending, sending, sent, unknown, failed
    Column("body", LargeBinary),  # goes when sent, or failed for good
    Column("external_id", Text),
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    _number("not_before", 0),
    Column("error", Text),
    _number("at"),
    UniqueConstraint("session_id", "seq", "part", "kind", name="outbox_part"),
    sqlite_autoincrement=True,
)
_partial("outbox_due", (outbox.c.not_before, outbox.c.id), "state IN ('pending', 'sending')")
_partial("outbox_open", (outbox.c.session_id, outbox.c.id), "state IN ('pending', 'sending')")

notes = Table(
    "notes",
    metadata,
    _key("session_id", BigInteger),
    _key("upto", BigInteger),
    _key("level", SmallInteger),
    _number("first"),
    _number("after", 0),  # the turn before the first one, 0: none
    Column("covers", LargeBinary, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("by", Text, nullable=False),
    _number("at"),
    sqlite_with_rowid=False,
)

facts = Table(
    "facts",
    metadata,
    _id(),
    _number("owner_id"),
    Column("kind", Text, nullable=False),
    Column("subject", Text),
    Column("content", LargeBinary, nullable=False),
    Column("superseded_by", BigInteger),
    Column("confidence", Float, nullable=False, server_default=text("1")),
    _number("first_seen"),
    _number("last_seen"),
    Column("expires", BigInteger),
    sqlite_autoincrement=True,
)
Index("facts_owner", facts.c.owner_id, facts.c.id)

fact_sources = Table(
    "fact_sources",
    metadata,
    Column("fact_id", BigInteger, ForeignKey("facts.id", ondelete="CASCADE"), primary_key=True),
    _key("session_id", BigInteger),
    _key("seq", BigInteger),
    sqlite_with_rowid=False,
)
Index("fact_sources_turn", fact_sources.c.session_id, fact_sources.c.seq)

segments = Table(
    "segments",  # the search index of an owner: blocks of documents, each with the terms of all of them
    metadata,
    _id(),
    _number("owner_id"),
    Column("weight", Integer, nullable=False),
    _number("session_from"),  # the sessions and the turns that it may have documents of
    _number("session_to"),
    _number("seq_from"),
    _number("seq_to"),
    Column("body", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)
Index("segments_owner", segments.c.owner_id, segments.c.id)

vectors = Table(
    "vectors",
    metadata,
    _key("session_id", BigInteger),
    _key("seq", BigInteger),
    _key("model", Text),
    _number("owner_id"),
    Column("vector", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
Index("vectors_owner", vectors.c.owner_id)

links = Table(
    "links",  # codes by which two identities become one person
    metadata,
    Column("code", Text, primary_key=True),  # its hash
    Column("user_id", BigInteger, nullable=False),
    _number("expires"),
    sqlite_with_rowid=False,
)
Index("links_user", links.c.user_id)

pairings = Table(
    "pairings",  # strangers who wait to be let in
    metadata,
    _id(),
    Column("tenant", Text, nullable=False),
    Column("front", Text, nullable=False),
    Column("bot", Text, nullable=False),
    Column("external", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("address", LargeBinary, nullable=False),
    Column("code", Text, nullable=False),  # its hash
    Column("state", Text, nullable=False),  # open, declined
    _number("expires"),
    UniqueConstraint("tenant", "front", "external", name="pairings_who"),
    sqlite_autoincrement=True,
)

invitations = Table(
    "invitations",  # codes that give whoever sends them a role
    metadata,
    Column("code", Text, primary_key=True),  # its hash
    Column("tenant", Text, nullable=False),
    Column("role", Text, nullable=False),
    _number("expires"),
    sqlite_with_rowid=False,
)

role_changes = Table(
    "role_changes",
    metadata,
    _id(),
    Column("tenant", Text, nullable=False),
    _number("user_id"),  # 0: a stranger who was declined
    Column("was", Text, nullable=False),
    Column("role", Text, nullable=False),
    _number("by_id"),  # 0: the operator
    _number("at"),
    sqlite_autoincrement=True,
)
Index("role_changes_tenant", role_changes.c.tenant, role_changes.c.id)
Index("role_changes_user", role_changes.c.user_id)

attachments = Table(
    "attachments",
    metadata,
    Column("id", Text, primary_key=True),
    _number("session_id"),
    _number("seq"),
    Column("sha256", Text, nullable=False),
    Column("mime", Text, nullable=False),
    Column("name", Text),
    _number("size"),
    Column("data", LargeBinary),
    Column("external", Text),
    _number("at"),
)
Index("attachments_turn", attachments.c.session_id, attachments.c.seq)

usage = Table(
    "usage",
    metadata,
    _key("tenant", Text),
    _key("day", Integer),  # days since 1970-01-01 UTC
    _key("owner_id", BigInteger),
    _key("model", Text),
    _number("turns", 0),
    _number("input", 0),
    _number("cached", 0),
    _number("output", 0),
    _number("reasoning", 0),
    _number("micros", 0),
    _number("reserved", 0),
    sqlite_with_rowid=False,
)
Index("usage_owner", usage.c.owner_id)

reminders = Table(
    "reminders",
    metadata,
    _id(),
    _number("session_id"),
    _number("owner_id"),
    _number("due"),
    Column("rule", Text),
    Column("tz", Text, nullable=False),
    Column("body", LargeBinary),
    Column("state", Text, nullable=False),
    sqlite_autoincrement=True,
)
_partial("reminders_due", (reminders.c.due,), "state = 'armed'")
Index("reminders_session", reminders.c.session_id)

arrivals = Table(
    "arrivals",  # what a front end was handed and has acknowledged
    metadata,
    _id(),
    Column("source", Text, nullable=False),
    Column("key", Text, nullable=False),  # the platform's own number for it
    Column(
        "author", Text, nullable=False, server_default=text("''")
    ),  # who sent it, as long as it has a body
    Column("state", Text, nullable=False),  # new, done, bad
    Column("body", LargeBinary),  # goes when it is done
    Column("error", Text),
    _number("at"),  # since when it is in this state
    UniqueConstraint("source", "key", name="arrivals_key"),
    sqlite_autoincrement=True,
)
_partial("arrivals_open", (arrivals.c.source, arrivals.c.id), "state = 'new'")
_partial("arrivals_bad", (arrivals.c.source, arrivals.c.id), "state = 'bad'")
_partial("arrivals_old", (arrivals.c.at,), "state = 'done'")
_partial("arrivals_author", (arrivals.c.author,), "author <> ''")

holds = Table(
    "holds",  # who works on a source, until when by the database's clock
    metadata,
    Column("source", Text, primary_key=True),
    Column("token", Text, nullable=False, server_default=text("''")),
    _number("until", 0),
    sqlite_with_rowid=False,
)

shown = Table(
    "shown",  # the messages of a front end that show a turn
    metadata,
    _key("session_id", BigInteger),
    _key("seq", BigInteger),
    _key("part", SmallInteger),
    Column("external_id", Text, nullable=False, server_default=text("''")),  # empty: about to be sent
    Column("doubts", SmallInteger, nullable=False, server_default=text("0")),  # times it may have come
    _number("at"),
    sqlite_with_rowid=False,
)
Index("shown_external", shown.c.session_id, shown.c.external_id)
_partial("shown_lost", (shown.c.session_id, shown.c.seq), "external_id = '' OR doubts > 0")

tasks = Table(
    "tasks",
    metadata,
    _id(),
    Column("tenant", Text, nullable=False),
    _number("owner_id", 0),  # users.id whose erasure takes it along, 0: nobody's
    Column("kind", Text, nullable=False),  # chat, drawing
    Column("platform", Text, nullable=False),
    Column("model", Text, nullable=False),  # as it was asked for
    Column("echoed", Text),  # as the platform names it
    Column("external_id", Text),  # the platform's own, NULL until it has accepted
    Column("state", Text, nullable=False),  # starting, running, done, failed, unknown
    Column("result", LargeBinary),
    Column("error", LargeBinary),
    _number("created"),
    Column("ended", BigInteger),
    sqlite_autoincrement=True,
)
Index("tasks_tenant", tasks.c.tenant, tasks.c.id)
_partial("tasks_owner", (tasks.c.owner_id,), "owner_id <> 0")

chats = Table(
    "chats",  # what is known of a front end's chats, whatever conversations there are in them
    metadata,
    _key("tenant", Text),
    _key("front", Text),
    _key("bot", Text),
    _key("chat", Text),
    Column("settings", LargeBinary),
    Column("lang", Text, nullable=False, server_default=text("''")),
    Column("gone", SmallInteger, nullable=False, server_default=text("0")),  # 1: nothing can be sent there
    _number("at"),
    sqlite_with_rowid=False,
)

heard = Table(
    "heard",  # what was said in a shared conversation, and not to the bot, until it is asked
    metadata,
    _id(),
    _number("session_id"),
    Column("key", Text, nullable=False),
    Column("external", Text, nullable=False),  # who said it, at the session's front end
    Column("body", LargeBinary, nullable=False),
    _number("at"),
    UniqueConstraint("session_id", "key", name="heard_key"),
    sqlite_autoincrement=True,
)
Index("heard_external", heard.c.external)
Index("heard_at", heard.c.at)

state = Table(
    "state",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
    _number("at"),
    sqlite_with_rowid=False,
)
