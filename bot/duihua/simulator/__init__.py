"""Every platform on loopback, speaking the real wire: for tests, for benchmarks, for trying without a key."""

from __future__ import annotations

from duihua.simulator.app import Simulator, run
from duihua.simulator.wire import Keys

__all__ = ["Keys", "Simulator", "run"]
