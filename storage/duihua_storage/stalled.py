"""What waits longest of all that a source has to do. Only indexes of what is open are read."""

from __future__ import annotations

from typing import Any

from sqlalchemy import and_, case, func, null, select, text

from duihua.arrivals import Stalled
from duihua_storage.arrivals import OPEN
from duihua_storage.expressions import const, now, word
from duihua_storage.sessions import clean
from duihua_storage.statement import Statement, Tx
from duihua_storage.tables import outbox, sessions

S, X = sessions.c, outbox.c
TRIES = 10
"""Times that something was tried to be sent after which it is not only unlucky."""
SOON = 60_000
"""Ms until the next try beyond which somebody has asked to wait."""

_theirs = func.substr(S.key, const(1), func.length(word("so"))) == word("so")
_DUE = Statement(select(func.max(now() - S.due)).where(S.due.is_not(null()), S.pending > const(0), _theirs))
_earlier = outbox.alias("earlier")
_since: Any = case((X.not_before > X.at, X.not_before), else_=X.at)
_refused: Any = and_(X.attempt >= const(TRIES), X.not_before <= now() + const(SOON))
_OWED = Statement(
    select(
        func.max(now() - _since),
        func.max(case((_refused, now() - X.at), else_=const(0))),
    )
    .join_from(outbox, sessions, S.id == X.session_id)
    .where(
        text("outbox.state IN ('pending', 'sending')"),
        _theirs,
        ~select(_earlier.c.id)
        .where(
            _earlier.c.session_id == X.session_id,
            _earlier.c.id < X.id,
            text("earlier.state IN ('pending', 'sending')"),
        )
        .exists(),
    )
)


def stalled(source: str) -> Tx[Stalled]:
    """What waits longest of a source, whose sessions' keys begin with it."""
    begins = {"so": f"{clean(source)}/"}
    unread = yield OPEN, {"so": clean(source), "i": 0, "n": 1}
    due = yield _DUE, begins
    owed = yield _OWED, begins
    unsent, refused = owed[0]
    return Stalled(unread[0][0] if unread else 0, *(max(0, ms or 0) for ms in (due[0][0], unsent, refused)))
