from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import AliasChoices, SecretStr

from duihua import cli, program
from duihua.config import SKILL_PREFIX, Settings
from duihua.errors import ConfigError, InvalidOptions, MissingKey
from duihua.options import ModelOptions
from duihua_prompts import Catalogue

ROOT = Path(__file__).parent.parent
WORDS = Catalogue("en")
COMMANDS = [
    *([name] for name in ("chat", "simulator", "models", "db", "task", "init", "telegram")),
    *([name] for name in ("complete", "moderate", "embed", "draw", "transcribe", "count")),
    *(["task", name] for name in ("start", "list", "show", "forget")),
    *(["skills", *name] for name in ([], ["list"], ["show"], ["new"], ["test"], ["run"])),
    ["db", "upgrade"],
    [],
]


def run(*arguments: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "duihua", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "DUIHUA_LANG": "en", **environ},
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_in_the_users_language(
    lang: str, command: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUIHUA_LANG", lang)
    with pytest.raises(SystemExit) as left:
        cli.main([*command, "--help"])
    out = capsys.readouterr().out
    assert left.value.code == 0
    assert bool(re.search("[\u4e00-\u9fff]", out)) == (lang == "zh")
    assert "cli." not in out
    assert not (lang == "zh" and re.search("usage|options|arguments|show th", out))


def test_nothing_given_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 0
    assert "chat" in capsys.readouterr().out


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert re.fullmatch(r"duihua \d+\.\d+\.\d+\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        (["chatt"], "chatt"),
        (["chat", "--modl", "x"], "--modl"),
        (["chat", "--model"], "--model"),
        (["simulator", "--port", "x"], "--port"),
        (["simulator", "--port", "70000"], "70000"),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], fact: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(arguments)
    err = capsys.readouterr().err
    assert left.value.code == 2
    assert fact in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("setting", "fact"),
    [("temperature", "name=value"), ("heat=1", "heat"), ("temperature=hot", "hot"), ("=1", "name=value")],
)
def test_a_wrong_option_is_one_line(setting: str, fact: str, tmp_path: Path) -> None:
    done = run("chat", "--set", setting, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert fact in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_wrong_setting_is_one_line_in_the_users_language(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DUIHUA_LANG=zh\nDUIHUA_MAX_STEPS=none\n")
    done = run("chat", cwd=tmp_path, DUIHUA_LANG="")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("设置有误")
    assert "DUIHUA_MAX_STEPS" in done.stderr
    assert done.stderr.count("\n") == 1


def test_fields_of_the_platforms_own_are_set_one_by_one() -> None:
    options = cli._options(["extra.top_k=2", 'extra.web_search={"enable":true}', "extra.x=y"], WORDS)
    assert options == ModelOptions(extra={"top_k": 2, "web_search": {"enable": True}, "x": "y"})


def test_options_are_read_from_pairs() -> None:
    assert cli._options([], WORDS) is None
    pairs = ["temperature=0.5", "seed = 3", 'stop=["a", "b"]', 'extra={"x": 1}', "response_format=a=b"]
    assert cli._options(pairs, WORDS) == ModelOptions(
        temperature=0.5, seed=3, stop=("a", "b"), extra={"x": 1}, response_format="a=b"
    )
    with pytest.raises(InvalidOptions):
        cli._options(["extra={broken"], WORDS)


def failing(error: BaseException) -> Any:
    def run(given: Any, words: Any) -> int:
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "code", "fact"),
    [
        (ConfigError("odd"), 2, "odd"),
        (MissingKey("qianfan", ("A and B", "C")), 2, "A and B, or C"),
        (ZeroDivisionError("by zero"), 1, "ZeroDivisionError: by zero"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_is_one_line_and_a_code(
    error: Exception,
    code: int,
    fact: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DUIHUA_LANG", "en")
    monkeypatch.setattr(cli, "_simulator", failing(error))
    assert cli.main(["simulator"]) == code
    err = capsys.readouterr().err
    assert fact in err
    assert err.count("\n") == 1


def test_ctrl_c_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "_simulator", failing(KeyboardInterrupt()))
    assert cli.main(["simulator"]) == 130


def test_half_a_key_is_an_error_and_no_reason_to_simulate(tmp_path: Path) -> None:
    half = Settings.load(str(tmp_path / "none"), qianfan_api_key="x")
    assert program.has_part_of_a_key(half, "qianfan")
    assert program.has_part_of_a_key(half, "qianfan-v2")
    assert not program.has_part_of_a_key(half, "zhipu")


def test_settings_can_be_replaced_by_their_names(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text("DUIHUA_MAX_STEPS=3\nDUIHUA_SKILL_WEATHER_UNIT=f\nDUIHUA_SKILL_WEATHER_URL=a\n")
    values = {"QIANFAN_API_KEY": "k", "DUIHUA_SKILL_WEATHER_URL": "b", "OTHER": "x"}
    settings = Settings.load(str(env)).replaced(values)
    assert settings.max_steps == 3
    assert settings.qianfan_api_key == SecretStr("k")
    assert settings.of_skill("weather") == {"unit": "f", "url": "b"}


@pytest.mark.parametrize(
    ("environment", "written"),
    [
        ({"OPENAI_API_BASE": "http://e"}, {"OPENAI_BASE_URL": "http://f", "DUIHUA_LANG": "zh"}),
        ({"OPENAI_BASE_URL": "http://e", "OPENAI_API_BASE": "http://o"}, {"OPENAI_API_BASE": "http://f"}),
        ({"OPENAI_BASE_URL": "", "DUIHUA_SKILLS": "clock, weather"}, {"OPENAI_BASE_URL": "http://f"}),
        ({"duihua_lang": "en"}, {"DUIHUA_LANG": "zh", "Duihua_Max_Steps": "3"}),
    ],
)
def test_the_environment_is_read_as_pydantic_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], written: dict[str, str]
) -> None:
    before = Settings.load(None)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    env = tmp_path / ".env"
    env.write_text("".join(f"{name}={value}\n" for name, value in written.items()))
    settings = Settings.load(str(env))
    assert settings == Settings(_env_file=str(env))  # type: ignore[call-arg]
    assert settings != before


# ---------------------------------------------------------------- .env.example


def examples() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    return dict(line.lstrip("#").split("=", 1) for line in lines if re.match(r"#?[A-Z][A-Z0-9_]*=", line))


def names() -> dict[str, str]:
    """Setting -> field."""
    out: dict[str, str] = {}
    for field, info in Settings.model_fields.items():
        alias = info.validation_alias
        assert isinstance(alias, AliasChoices)
        out |= {str(name): field for name in alias.choices if str(name).isupper()}
    return out


def test_every_setting_is_explained_and_nothing_else() -> None:
    shown = {name for name in examples() if not name.startswith(SKILL_PREFIX)}
    assert shown == set(names())


def test_the_example_shows_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*names(), *(n for n in os.environ if n.startswith(SKILL_PREFIX))):
        monkeypatch.delenv(name, raising=False)
    text = "\n".join(f"{name}={value}" for name, value in examples().items())
    (tmp_path / ".env").write_text(text)
    shown, default = Settings.load(str(tmp_path / ".env")), Settings.load(None)
    assert shown.model_dump(exclude={"skill_settings"}) == default.model_dump(exclude={"skill_settings"})


def test_the_example_as_it_stands_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in names():
        monkeypatch.delenv(name, raising=False)
    assert Settings.load(str(ROOT / ".env.example")) == Settings.load(None)


def test_every_setting_is_explained_in_both_languages() -> None:
    above: list[str] = []
    for line in (ROOT / ".env.example").read_text(encoding="utf-8").splitlines():
        if re.match(r"#[A-Z][A-Z0-9_]*=", line):
            assert any(re.search("[\u4e00-\u9fff]", text) for text in above), line
            assert any(text.isascii() and len(text) > 8 for text in above), line
        else:
            above = [*above, line] if line else []
