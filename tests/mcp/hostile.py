"""A server by hand, over stdio and of an older protocol: it has too many tools, and the first ones do harm.

An argument is the one tool that it has instead.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

NAMES = sys.argv[1:] or ["die", "noise", "huge", "renew", *(f"tool{i}" for i in range(1_000))]


def send(**message: Any) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def tool(name: str) -> dict[str, Any]:
    return {"name": name, "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}


def called(name: str) -> str:
    match name:
        case "die":
            os._exit(3)
        case "noise":
            while True:
                os.write(1, b"this is no JSON\n" * 1_000)
        case "huge":
            return "x" * (50 << 20)
        case "hang":
            time.sleep(3_600)
        case "renew":
            NAMES[:] = ["renewed"]
            send(method="notifications/tools/list_changed")
            return "other tools"
    return "it works"


for line in sys.stdin:
    request = json.loads(line)
    if "id" not in request:
        continue
    match request["method"]:
        case "initialize":
            result = {
                "protocolVersion": request["params"]["protocolVersion"],
                "capabilities": {"tools": {"listChanged": True}},
                "serverInfo": {"name": "hostile", "version": "0"},
            }
            send(id=request["id"], result=result)
        case "tools/list":
            send(id=request["id"], result={"tools": [tool(name) for name in NAMES]})
        case "tools/call":
            text = called(request["params"]["name"])
            send(id=request["id"], result={"content": [{"type": "text", "text": text}]})
        case _:
            send(id=request["id"], error={"code": -32601, "message": "no such method"})
