"""The Model Context Protocol, both ways: servers whose tools become skills, and our skills as a server.

The `mcp` package (extra `duihua[mcp]`) is imported where it is used; nothing here needs it before that.
"""

from __future__ import annotations

from duihua.skills.mcp.hub import Hub
from duihua.skills.mcp.servers import Server, check_installed, load

__all__ = ["Hub", "Server", "check_installed", "load"]
