"""What an MCP server answered, as a skill's result: text for the model, images and files for the user."""

from __future__ import annotations

import base64
import re
import secrets
from typing import TYPE_CHECKING, Any, Literal

import orjson

from duihua.errors import SkillError, UnsupportedInput
from duihua.messages import Attachment
from duihua.pictures import image
from duihua.skills.complaint import clipped
from duihua.skills.contract import Context
from duihua.skills.mcp.servers import Server

if TYPE_CHECKING:
    from mcp_types import CallToolResult, ContentBlock

TEXT = 1_000_000
"""Characters of one result, at most."""
FAULT = 2_000
"""Characters of what a tool says about its failure, at most."""
BLOCKS = 50
"""Blocks of one result, at most."""

_MIME = re.compile(r"[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,60}")


def told(server: Server, result: CallToolResult, context: Context) -> str:
    """The text of a result; what is not text is attached to the answer.

    Raises:
        SkillError: the tool says that it failed.
    """
    lines = [_block(block, context) for block in result.content[:BLOCKS]]
    if len(result.content) > BLOCKS:
        lines.append(f"[and {len(result.content) - BLOCKS} more blocks]")
    said = any(block.type == "text" for block in result.content)
    if not said and result.structured_content is not None:
        lines.append(orjson.dumps(result.structured_content).decode())
    text = server.hide("\n".join(lines))
    if result.is_error:
        raise SkillError(clipped(text, FAULT) or f"the tool of MCP server {server.name} failed")
    return clipped(text, TEXT) or "[nothing was returned]"


def _block(block: ContentBlock, context: Context) -> str:
    match block.type:
        case "text":
            return block.text
        case "image" | "audio":
            return _attached(block.data, block.mime_type, block.type, "", context)
        case "resource":
            resource: Any = block.resource
            if hasattr(resource, "text"):
                return str(resource.text)
            name = str(resource.uri).rstrip("/").rpartition("/")[2]
            return _attached(resource.blob, resource.mime_type or "", "file", name, context)
        case "resource_link":
            return f"[link: {clipped(block.name, 200)} {clipped(str(block.uri), 500)}]"


def _attached(data: str, mime: str, kind: Literal["image", "audio", "file"], name: str, ctx: Context) -> str:
    """Shows bytes to the user, and tells the model so."""
    try:
        content = base64.b64decode(data, validate=True)
        name = re.sub(r"[^\w.-]+", "_", name)[-80:]
        if kind == "image":
            made = image(content, name)
        else:
            mime = mime.lower() if _MIME.fullmatch(mime.lower()) else "application/octet-stream"
            made = Attachment(secrets.token_hex(8), kind, mime, content, name)
    except (ValueError, UnsupportedInput):
        return f"[{kind} that cannot be read]"
    ctx.attach(made)
    return f"[{kind} {made.mime}, {len(content)} bytes: it is shown to the user]"
