"""`python benchmarks/telegram_text.py`: the CPU that the text of one streamed answer costs.

An answer of 100 KB (Chinese, and English: paragraphs, lists, tables, code) comes in 2,000 pieces. Printed are
the milliseconds to render and split it whole, to stream it with a frame every 20 pieces, which is more than a
bot may send, and to stream it with a frame for every piece. `--check` exits with 1 if the frames that can be
sent cost more than `TARGET`.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable

from duihua.telegram.text import Stream, render, split

SIZE = 100_000
PIECES = 2_000
TARGET = 150.0
"""Milliseconds for all that a bot does with such an answer."""
_CHINESE = "我们可以先看一下这个问题的关键在于如何处理消息的边界以及实体的位置因为每一个字符都会影响结果"
_ENGLISH = "the quick brown fox jumps over lazy dogs and **bold words** stand with `code` here".split()  # noqa: SIM905 (reads as text)


def answer(chinese: bool, seed: int = 1) -> str:
    """An answer of `SIZE` bytes."""
    rng, out, size = random.Random(seed), list[str](), 0
    while size < SIZE:
        chance = rng.random()
        if chance < 0.5 and chinese:
            block = "".join(rng.choices(_CHINESE, k=60)) + "**重点**内容，使用 `name_x` 函数。"
            block += "".join(rng.choices(_CHINESE, k=60)) + "。"
        elif chance < 0.5:
            block = " ".join(rng.choices(_ENGLISH, k=60))
        elif chance < 0.65:
            block = f"## 标题 heading {size}"
        elif chance < 0.8:
            block = "\n".join(f"- item **x** some words 一些文字 {i}" for i in range(5))
        elif chance < 0.9:
            code = "\n".join(f"def f{i}(x): return x * 2  # 注释" for i in range(8))
            block = f"```python\n{code}\n```"
        else:
            block = "| a | b |\n|---|---|\n" + "\n".join(f"| {i} | 文字 |" for i in range(5))
        out.append(block)
        size += len(block.encode()) + 2
    return "\n\n".join(out)


def streamed(text: str, every: int) -> None:
    """Feeds a text in `PIECES` pieces and asks for a frame after so many of them."""
    size = len(text) / PIECES
    stream = Stream()
    for i in range(PIECES):
        stream.feed(text[round(i * size) : round((i + 1) * size)])
        if i % every == 0:
            stream.frame()
    stream.finish()


def cost(work: Callable[[], object], times: int = 5) -> float:
    """The least milliseconds of CPU of a few runs: others use the machine too."""
    found: list[float] = []
    for _ in range(times):
        before = time.process_time()
        work()
        found.append(time.process_time() - before)
    return min(found) * 1000


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    print("answer    characters  whole, ms  frame every 20 pieces, ms  frame every piece, ms")
    worst = 0.0
    for name, chinese in (("Chinese", True), ("English", False)):
        text = answer(chinese)
        whole = cost(lambda text=text: split(render(text)))
        some, all_ = (cost(lambda text=text, every=every: streamed(text, every)) for every in (20, 1))
        worst = max(worst, some)
        print(f"{name:8}  {len(text):10}  {whole:9.1f}  {some:25.1f}  {all_:21.1f}")
    print(f"the frames that can be sent cost at most {worst:.0f} ms (target: {TARGET:.0f} for the whole bot)")
    return int(given.check and worst > TARGET)


if __name__ == "__main__":
    raise SystemExit(main())
