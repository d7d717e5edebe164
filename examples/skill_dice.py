"""A skill of your own: a typed function. Its signature is the schema, its docstring says when to use it."""

import random

from duihua import skill


@skill(effect="read")
def dice(count: int = 1, sides: int = 6) -> list[int]:
    """Rolls dice and returns what they show."""
    return [random.randint(1, sides) for _ in range(min(count, 100))]
