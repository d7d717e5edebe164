"""What the simulated GenStudio serves: models with chips, later ones without, deployments, embeddings."""

from __future__ import annotations

from dataclasses import dataclass

from duihua.simulator.chat_rules import Model

TABLE = """
infini-megrez-7b    4096   nvidia amd
chatglm2-6b         32768  nvidia enflame
chatglm2-6b-32k     32768  nvidia enflame
chatglm3-6b         8192   nvidia amd
chatglm3-6b-32k     32768  nvidia amd
chatglm3-6b-base    32768  nvidia amd
chatglm3            8192   nvidia
llama-2-7b-chat     4096   nvidia amd iluvatar metax moorethreads biren
llama-2-13b-chat    4096   nvidia amd
llama-2-70b-chat    4096   nvidia amd
llama-2-70b         4096   nvidia amd
qwen-7b-chat        32768  nvidia amd iluvatar
qwen-14b-chat       8192   nvidia amd
qwen-72b            32768  nvidia amd
qwen-72b-chat       32768  nvidia amd
qwen1.5-1.8b-chat   32768  nvidia
qwen1.5-4b-chat     32768  nvidia
qwen1.5-7b-chat     32768  nvidia
qwen1.5-14b-chat    32768  nvidia
qwen1.5-72b-chat    32768  nvidia
qwen1.5-72b         32768  nvidia
baichuan2-7b-chat   4096   nvidia
baichuan2-13b-chat  4096   nvidia
baichuan2-13b-base  4096   nvidia
"""
"""Model, context length, chips: the platform's list of April 2024."""

BARE = frozenset({"metax", "moorethreads", "biren", "enflame"})
"""Chips whose streams are bare JSON lines here. The platform does not say which ones do it."""
EMBEDDERS = frozenset({"bge-m3"})
DEPLOYED = "mif-simulator"
"""The one deployment of one's own."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    name: str
    context: int
    chips: tuple[str, ...]


def _row(line: str) -> Row:
    name, context, *chips = line.split()
    return Row(name, int(context), tuple(chips))


ROWS = {row.name: row for row in map(_row, TABLE.strip().splitlines())}

THINKING = {
    "deepseek-v3.1": False,
    "qwen3-8b": False,
    "qwen3-32b": False,
    "qwen3-30b-a3b": False,
    "qwen3-235b-a22b": False,
    "glm-4.5": True,
    "glm-4.5-air": True,
    "glm-4.5v": True,
}
"""The models that can be told to think or not, and what they do when nothing is said."""
_FIXED = frozenset({"enable_thinking"})


def _plain() -> dict[str, Model]:
    found = {row.name: Model(row.name, tokens=row.context, refused=_FIXED) for row in ROWS.values()}
    for name, tokens, tools in (("qwq-32b", 65_536, True), ("deepseek-r1", 65_536, False)):
        aloud = name == "deepseek-r1"  # its server does not part reasoning from text
        found[name] = Model(name, tokens=tokens, tools=tools, thinks=True, aloud=aloud, refused=_FIXED)
    found["deepseek-v3"] = Model("deepseek-v3", tokens=65_536, refused=_FIXED)
    found["qwen3-14b"] = Model("qwen3-14b", tokens=131_072, thinks=True, refused=_FIXED)
    for name in THINKING:
        found[name] = Model(name, tokens=131_072, thinks=True, sees=name == "glm-4.5v")
    return found


PLAIN = _plain()
"""What the OpenAI-like service has, by name."""

PLACES = {
    **{
        f"{row.name}@{chip}": Model(f"{row.name}@{chip}", tokens=row.context)
        for row in ROWS.values()
        for chip in row.chips
    },
    DEPLOYED: Model(DEPLOYED, tokens=32_768),
}
"""What has a path of its own: `MODEL@CHIP`, and deployments."""
