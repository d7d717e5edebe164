from __future__ import annotations

import ast
import re
import string
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest

from duihua.abilities import Ability
from duihua.errors import (
    Category,
    ConfigError,
    DuihuaError,
    InputTooLong,
    InvalidOptions,
    MissingKey,
    NoSuchAbility,
    NotFound,
    ProviderError,
    SessionBusy,
    StorageError,
    Superseded,
    TurnError,
)
from duihua.events import TurnFailed
from duihua.skills.registry import bundled
from duihua_prompts import Catalogue, error_line, language
from duihua_prompts.catalogue import REMOTE

ROOT = Path(__file__).parent.parent.parent
TEXTS = ROOT / "prompts/duihua_prompts/texts"
SOURCES = [p for top in ("bot", "skills", "prompts", "storage") for p in (ROOT / top).rglob("*.py")]
ZH, EN = Catalogue("zh"), Catalogue("en")
PREFIXES = {"Notice": "notice.", "TurnFailed": "error.", "TurnError": "error."}


@cache
def texts(lang: str) -> dict[str, str]:
    def flat(table: dict[str, Any], prefix: str = "") -> dict[str, str]:
        out: dict[str, str] = {}
        for name, value in table.items():
            out |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
        return out

    return flat(tomllib.loads((TEXTS / f"{lang}.toml").read_text(encoding="utf-8")))


def placeholders(text: str) -> set[tuple[str | None, str | None, str | None]]:
    return {field[1:] for field in string.Formatter().parse(text) if field[1] is not None}


@cache
def nodes() -> list[tuple[Path, ast.Call | ast.Constant | ast.JoinedStr]]:
    """All calls and texts in the sources."""
    trees = [(path, ast.parse(path.read_text(encoding="utf-8"))) for path in SOURCES]
    kinds = (ast.Call, ast.Constant, ast.JoinedStr)
    return [(path, node) for path, tree in trees for node in ast.walk(tree) if isinstance(node, kinds)]


@cache
def used() -> list[tuple[str, str]]:
    """(code, where) of every code written down in the sources; `*` where a part is filled in."""
    found: list[tuple[str, str]] = []
    for path, node in nodes():
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        where = f"{path.relative_to(ROOT)}:{node.lineno}"
        if name == "t" and node.args:
            found += [(code, where) for code in written(node.args[0])]
        prefix = PREFIXES.get(name) or next(
            (PREFIXES[a.id] for a in node.args if isinstance(a, ast.Name) and a.id in PREFIXES), ""
        )
        for keyword in node.keywords if prefix else ():
            if keyword.arg in ("code", "error"):
                found += [(prefix + code, where) for code in written(keyword.value)]
    return found


def written(node: ast.expr) -> list[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.IfExp):
        return [*written(node.body), *written(node.orelse)]
    if isinstance(node, ast.BoolOp):
        return [code for value in node.values for code in written(value)]
    if isinstance(node, ast.JoinedStr):
        return ["".join(v.value if isinstance(v, ast.Constant) else "*" for v in node.values)]
    return []


def test_both_languages_have_the_same_codes() -> None:
    assert texts("zh").keys() == texts("en").keys()


def test_twins_have_the_same_placeholders() -> None:
    wrong: list[str] = []
    for code in sorted(texts("zh").keys() & texts("en").keys()):
        zh, en = texts("zh")[code], texts("en")[code]
        if placeholders(zh) != placeholders(en):
            wrong.append(f"{code}: {placeholders(zh)} and {placeholders(en)}")
        if not all(name and name.isidentifier() and not spec for name, spec, _ in placeholders(zh)):
            wrong.append(f"{code}: a placeholder that is no plain name in {zh!r}")
        if not (zh.strip() and en.strip()):
            wrong.append(f"{code}: no text")
    assert not wrong, "\n".join(wrong)


def test_every_bundled_skill_is_described_to_people() -> None:
    described = {
        code.removeprefix("skills.about.") for code in texts("zh") if code.startswith("skills.about.")
    }
    assert described == set(bundled())


def test_every_code_in_the_sources_has_a_text() -> None:
    known, codes = texts("en"), used()
    assert len(codes) > 60
    for code, where in codes:
        pattern = re.compile(re.escape(code).replace(r"\*", "[a-z_.]+"))
        assert code in known or any(pattern.fullmatch(name) for name in known), f"{where}: no text for {code}"


def unused(names: Iterable[str]) -> list[str]:
    """The texts that nothing in the sources leads to.

    What fills a gap in a code must stand in the sources, too: as a text, or as one with gaps of its own.
    """
    codes = {code for code, _ in used() if not code.startswith("*")} | {"unit.*", "what.*"}
    patterns = [re.compile(re.escape(code).replace(r"\*", "([a-z_.]+)")) for code in codes]
    literals = set(bundled())
    filled: list[re.Pattern[str]] = []
    for _, node in nodes():
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            literals.add(node.value)
        elif isinstance(node, ast.JoinedStr) and re.search("[a-z]{3}", code := written(node)[0]):
            filled.append(re.compile(re.escape(code).replace(r"\*", "[a-z_]+")))

    def told(word: str) -> bool:
        return word in literals or any(pattern.fullmatch(word) for pattern in filled)

    def leads(name: str) -> bool:
        found = (pattern.fullmatch(name) for pattern in patterns)
        through = any(match is not None and all(map(told, match.groups())) for match in found)
        return through or ("." in name and name in literals)

    return [name for name in names if not leads(name.removeprefix(REMOTE))]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_bare_404_is_a_wrong_address_and_not_a_wrong_model(lang: str) -> None:
    words = Catalogue(lang)
    bare = ProviderError("HTTP 404", category="not_found", http_status=404)
    told = ProviderError("no such model", category="not_found", http_status=404, reported=True)
    assert "BASE_URL" in error_line(words, bare)
    assert "BASE_URL" not in error_line(words, told)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_an_option_that_there_is_not_names_those_there_are(lang: str) -> None:
    line = error_line(Catalogue(lang), InvalidOptions("foo", 1, known=("temperature", "top_p")))
    assert "foo" in line
    assert "temperature, top_p" in line


def test_who_only_talks_to_the_bot_is_sent_to_no_shell_and_to_no_setting() -> None:
    known = texts("en")
    assert all(name.removeprefix(REMOTE) in known for name in known if name.startswith(REMOTE))
    shell = re.compile(r"\bduihua [a-z]|DUIHUA_|pip install|\.env\b|_PROXY|_BASE_URL")
    errors: list[DuihuaError] = [ProviderError("a detail", category=one) for one in get_args(Category)]
    errors += [ConfigError("DUIHUA_X is wrong"), ConfigError("x", "config_proxy", setting="DUIHUA_PROXY")]
    errors += [InvalidOptions("foo", 1, "a number"), InvalidOptions("foo", 1, known=("temperature",))]
    errors += [MissingKey("zhipu", ("ZHIPU_API_KEY",)), StorageError("no such table"), DuihuaError("oops")]
    for words in (Catalogue(lang, remote=True) for lang in ("zh", "en")):
        for problem in (*errors, ValueError("x"), ProviderError("", category="not_found", http_status=404)):
            line = error_line(words, problem)
            assert not shell.search(line), line
            assert "a detail" not in line
        for name in known:
            if name.startswith(("error.input_", "error.provider.", "notice.", "access.", "telegram.")):
                assert not shell.search(words.t(name)), name
    assert "table" not in error_line(Catalogue("zh", remote=True), StorageError("no such table"))


def test_every_text_is_used() -> None:
    assert unused(texts("en")) == []


def test_texts_that_nothing_leads_to_are_found() -> None:
    names = ["nowhere.said", "cli.models.moon", "cli.draw.about.moon", "doctor.moon", "what.moon"]
    assert unused(names) == names


@pytest.mark.parametrize(
    "code",
    [
        *(f"error.provider.{category}" for category in get_args(Category)),
        *(f"ability.{ability}" for ability in get_args(Ability)),
        *(
            f"error.{code}"
            for code in (
                "timeout", "attempts", "superseded", "forgotten", "input_too_long", "options", "internal",
                "no_steps",
            )
        ),
        *(f"cleared.{p}.{s}" for p in ("clear", "drop_turn") for s in ("input", "output", "history")),
        *(
            f"notice.{code}"
            for code in (
                "stopped", "cut", "trimmed", "held", "unknown_call", "another_skill", "busy", "expired",
            )
        ),
    ],
)  # fmt: skip
def test_what_the_engine_tells_has_a_text(code: str) -> None:
    assert code in ZH
    assert code in EN


@pytest.mark.parametrize(
    ("setting", "environ", "expected"),
    [
        ("auto", {"LC_ALL": "zh_CN.UTF-8", "LANG": "en_US.UTF-8"}, "zh"),
        ("auto", {"LC_ALL": "", "LC_MESSAGES": "zh_TW", "LANG": "C"}, "zh"),
        ("auto", {"LANG": "zh_CN.UTF-8"}, "zh"),
        ("auto", {"LC_ALL": "C.UTF-8", "LANG": "zh_CN.UTF-8"}, "en"),
        ("auto", {}, "en"),
        ("zh-hans", {}, "zh"),
        ("en", {"LANG": "zh_CN.UTF-8"}, "en"),
    ],
)
def test_the_language_comes_from_the_setting_then_the_locale(
    setting: str, environ: dict[str, str], expected: str
) -> None:
    assert language(setting, environ) == expected


def test_an_unknown_code_stands_for_itself(caplog: pytest.LogCaptureFixture) -> None:
    assert EN.t("no.such.code", x=1) == "no.such.code"
    assert "no.such.code" in caplog.text


def test_a_missing_value_leaves_a_gap(caplog: pytest.LogCaptureFixture) -> None:
    assert EN.t("error.config") == "A setting is wrong: "
    assert "message" in caplog.text


def test_values_are_never_read_as_templates() -> None:
    assert "{0.__class__}" in EN.t("error.config", message="{0.__class__}")


AUTH = ProviderError(
    "Access token\x1b[31m expired\nand gone",
    provider="qianfan",
    category="auth",
    vendor_code="111",
    http_status=200,
    request_id="as-7",
)


@pytest.mark.parametrize("words", [ZH, EN], ids=["zh", "en"])
@pytest.mark.parametrize(
    ("problem", "facts"),
    [
        (AUTH, ["qianfan", "111", "HTTP 200", "as-7", "Access token expired and gone"]),
        (ProviderError("x", provider="p", category="rate_limited", retry_after=7.2), ["7", "/retry"]),
        (ProviderError("", provider="qianfan", category="not_found"), ["duihua models"]),
        (MissingKey("qianfan", ("QIANFAN_API_KEY",)), ["qianfan", "QIANFAN_API_KEY"]),
        (ConfigError("DUIHUA_LANG: no"), ["DUIHUA_LANG: no"]),
        (InvalidOptions("temperature", 9, "0 to 1"), ["temperature", "9", "0 to 1"]),
        (NoSuchAbility("embed", {"zhipu": ("ZHIPU_API_KEY",), "own": ()}), ["ZHIPU_API_KEY", "own/..."]),
        (NoSuchAbility("draw", {}, "qianfan"), ["qianfan"]),
        (InputTooLong(20, 30), ["20", "30"]),
        (SessionBusy(50), ["50", "/stop"]),
        (NotFound("persona", "x", ("default", "coder")), ["x", "default, coder"]),
        (NotFound("turn", 3), ["3"]),
        (Superseded(), []),
        (StorageError("disk full"), ["disk full"]),
        (TurnError("provider.auth", {"provider": "qianfan"}), ["qianfan"]),
        (TurnFailed(session="s", turn=1, error="timeout"), ["/retry"]),
        (TurnFailed(session="s", turn=1, error="input_too_long", values={"limit": 1, "size": 2}), ["1", "2"]),
        (DuihuaError("odd"), ["odd"]),
        (ZeroDivisionError("secret detail"), ["DUIHUA_LOG_LEVEL"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_becomes_one_line_with_its_facts(words: Catalogue, problem: Any, facts: list[str]) -> None:
    line = error_line(words, problem)
    assert all(fact in line for fact in facts), line
    assert "\n" not in line
    assert "\x1b" not in line
    assert not line.startswith("error.")
    assert "secret detail" not in line


@pytest.mark.parametrize(("words", "said"), [(EN, "The platform said"), (ZH, "平台说")])
def test_only_the_platforms_own_words_are_given_as_such(words: Catalogue, said: str) -> None:
    for reported in (True, False):
        line = error_line(words, ProviderError("why", provider="qianfan", reported=reported))
        assert "why" in line
        assert (said in line) is reported


def test_units_and_kinds_are_said_in_the_language() -> None:
    assert "个字符" in error_line(ZH, InputTooLong(20, 30))
    assert "人设" in error_line(ZH, NotFound("persona", "x"))


def test_flagged_words_of_the_platform_are_not_repeated() -> None:
    problem = ProviderError("the very words", provider="p", category="moderation_input")
    assert "the very words" not in error_line(EN, problem)


def test_every_way_a_turn_can_fail_has_its_sentence() -> None:
    sources = [*(ROOT / "bot/duihua").glob("*.py")]
    codes = {
        code
        for path in sources
        for code in re.findall(r'(?:_failed\(|error=)"(\w+)"', path.read_text("utf-8"))
    }
    assert codes >= {"timeout", "attempts", "no_call", "not_asker", "forgotten"}
    for lang in ("zh", "en"):
        words = Catalogue(lang)
        assert {f"error.{code}" for code in codes if f"error.{code}" not in words} == set()
