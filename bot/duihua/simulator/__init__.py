"""Every platform on loopback, speaking the real wire: for tests, for benchmarks, for trying without a key."""
