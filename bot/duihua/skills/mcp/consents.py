"""Asks the user of an MCP client whether one call may be made, by elicitation.

Up to protocol 2025-11-25 the question is a request of ours while the call waits. Since 2026-07-28 it is the
answer to the call, and the client calls again with what its user said: a mark that works once, for the same
tool and arguments and for a while, binds that to the call that was asked about.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import ValidationError

from duihua.errors import DuihuaError

if TYPE_CHECKING:
    import mcp_types as types
    from mcp.server import ServerRequestContext

PATIENCE = 300.0
"""Seconds that a person has to answer."""
OPEN = 200
"""Questions that wait at one time, at most: the oldest is forgotten."""

_KEY = "consent"
_FORM: dict[str, Any] = {
    "type": "object",
    "properties": {},
}  # nothing to fill in: to submit it is the consent


class Refused(DuihuaError):
    """Nobody consented; the text tells the model why."""


@dataclass(frozen=True, slots=True)
class _Question:
    call: bytes
    until: float


class Consents:
    """The questions of one server.

    Args:
        patience: seconds that a person has to answer.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self.patience = patience
        self._open: dict[str, _Question] = {}

    def given(self, params: types.CallToolRequestParams) -> bool:
        """Whether the call brings a person's consent to itself. It can be used once.

        Raises:
            Refused: it brings a refusal, or an answer to what was not asked.
        """
        if params.request_state is None:
            return False
        question = self._open.pop(params.request_state, None)
        if question is None or question.call != _digest(params):
            raise Refused(
                f"{_name(params)} was not run: no open question of consent is about this very call."
            )
        if asyncio.get_running_loop().time() >= question.until:
            raise Refused(self._late(params))
        _check(params, getattr((params.input_responses or {}).get(_KEY), "action", "cancel"))
        return True

    async def ask(
        self, text: str, params: types.CallToolRequestParams, ctx: ServerRequestContext[Any]
    ) -> types.InputRequiredResult | None:
        """Puts the question `text`; returns None when a person has consented, else what the client must ask.

        Raises:
            Refused: no, or there is nobody to ask.
        """
        import mcp_types as types
        from mcp.shared.exceptions import MCPError
        from mcp.shared.message import ServerMessageMetadata
        from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

        declared = ctx.session.client_capabilities
        able = declared.elicitation if declared is not None else None
        if able is None or (able.form is None and able.url is not None):
            raise Refused(
                f"{_name(params)} was not run: it needs a person's consent, and this client cannot ask."
            )
        form = types.ElicitRequestFormParams(message=text, requested_schema=_FORM)
        request = types.ElicitRequest(params=form)
        if ctx.protocol_version not in HANDSHAKE_PROTOCOL_VERSIONS:
            mark = secrets.token_urlsafe()
            until = asyncio.get_running_loop().time() + self.patience
            self._open[mark] = _Question(_digest(params), until)
            for old in list(self._open)[:-OPEN]:
                del self._open[old]
            return types.InputRequiredResult(input_requests={_KEY: request}, request_state=mark)
        try:
            answer = await ctx.session.send_request(
                request,
                types.ElicitResult,
                self.patience,
                ServerMessageMetadata(related_request_id=ctx.request_id),
            )
        except MCPError as e:
            if e.code == types.REQUEST_TIMEOUT:
                raise Refused(self._late(params)) from None
            raise Refused(f"{_name(params)} was not run: the client could not ask for consent.") from None
        except ValidationError:
            raise Refused(
                f"{_name(params)} was not run: the client's answer about consent is none."
            ) from None
        _check(params, answer.action)
        return None

    def _late(self, params: types.CallToolRequestParams) -> str:
        return f"{_name(params)} was not run: nobody consented within {self.patience:g} seconds."


def _check(params: types.CallToolRequestParams, action: str) -> None:
    if action != "accept":
        said = (
            "the user refused consent"
            if action == "decline"
            else "the user dismissed the question of consent"
        )
        raise Refused(
            f"{_name(params)} was not run: {said}. Do not call it again unless the user asks for it."
        )


def _name(params: types.CallToolRequestParams) -> str:
    return params.name[:64]


def _digest(params: types.CallToolRequestParams) -> bytes:
    call = orjson.dumps([params.name, params.arguments or {}], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(call).digest()
