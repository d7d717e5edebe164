from __future__ import annotations

import ast
import subprocess
import sys
from typing import Any

import pytest

from duihua.errors import ConfigError
from duihua.ports import Skill
from duihua.skills import Registry, load_bundled, skill
from duihua.skills.registry import bundled


def named(name: str) -> Skill:
    @skill(name=name)
    def made() -> None:
        """Does it."""

    return made


def test_skills_are_found_by_name_in_the_order_given() -> None:
    b, a = named("b"), named("a")
    registry = Registry([b, a])
    assert registry.names == ("b", "a")
    assert list(registry) == [b, a]
    assert registry.get("a") is a
    assert registry.get("c") is None
    assert "a" in registry
    assert len(registry) == 2


def test_a_clash_names_both_origins() -> None:
    @skill(name="same")
    def one() -> None:
        """Does it."""

    @skill(name="same")
    def other() -> None:
        """Does it."""

    with pytest.raises(ConfigError) as caught:
        Registry([one, other])
    assert "'same'" in str(caught.value)
    assert "test_skill_registry" in str(caught.value)
    assert ".one and" in str(caught.value)
    assert ".other;" in str(caught.value)


def test_read_more_is_ours() -> None:
    with pytest.raises(ConfigError, match=r"'read_more': duihua.skills.more.read_more and .*made;"):
        Registry([named("read_more")])


def test_the_same_skill_twice_is_no_clash() -> None:
    one = named("one")
    assert len(Registry([one, one])) == 1


def test_the_bundled_skills_are_loaded_by_allow_list() -> None:
    assert [made.name for made in load_bundled(["clock", "weather", "clock"])] == ["clock", "weather"]


@pytest.mark.parametrize("names", [(), ("none",)])
def test_none_of_them_may_be_loaded(names: Any) -> None:
    assert load_bundled(names) == ()


@pytest.mark.parametrize("name", ["wether", "os", "../clock", "clock.re", "__init__", ""])
def test_another_name_is_refused_with_the_ones_there_are(name: str) -> None:
    with pytest.raises(ConfigError, match="there are calculator, clock, draw, forget, recall, remember,"):
        load_bundled([name])


@pytest.mark.parametrize("name", bundled())
def test_every_bundled_skill_only_reads_unless_it_says_so_and_is_described(name: str) -> None:
    [made] = load_bundled([name])
    assert made.effect == {
        "remember": "idempotent",
        "reminders": "idempotent",
        "forget": "write",
        "draw": "write",
    }.get(name, "read")
    assert made.confirm({"query": "x"}) == (name == "forget")
    assert made.spec.description
    assert all(item.get("description") for item in made.spec.schema["properties"].values())


def test_only_what_is_named_is_imported() -> None:
    code = (
        "import sys; from duihua.skills import load_bundled; load_bundled(['calculator']);"
        "print([m for m in sys.modules if m.startswith('duihua_skills.')])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    parts = ["_functions", "_notation", "_numbers", "_units", "calculator"]
    assert sorted(ast.literal_eval(out)) == [f"duihua_skills.{part}" for part in parts]
