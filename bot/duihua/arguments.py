"""The program's arguments: argparse in the user's language, with errors of one line."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, NoReturn

from duihua.program import complain

if TYPE_CHECKING:
    from duihua_prompts import Catalogue


class Parser(argparse.ArgumentParser):
    """argparse in the user's language, with errors of one line."""

    def __init__(self, *, words: Catalogue, **options: Any) -> None:
        headings = {"positional arguments": words.t("cli.arguments"), "options": words.t("cli.options")}

        class Formatter(argparse.HelpFormatter):
            def __init__(self, prog: str) -> None:
                super().__init__(prog, max_help_position=28)

            def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: str | None = None) -> None:
                super().add_usage(usage, actions, groups, words.t("cli.usage") if prefix is None else prefix)

            def start_section(self, heading: str | None) -> None:
                super().start_section(headings.get(heading or "", heading))

        super().__init__(
            formatter_class=Formatter, add_help=False, allow_abbrev=False, exit_on_error=False, **options
        )
        self._words = words
        self.add_argument("-h", "--help", action="help", help=words.t("cli.help"))

    def error(self, message: str) -> NoReturn:
        """One line on stderr, exit code 2."""
        self.complain(self._words.t("cli.wrong", message=message))

    def complain(self, line: str) -> NoReturn:
        """`line` and where to read more, exit code 2."""
        complain(f"{line} {self._words.t('cli.see', program=self.prog)}")
        raise SystemExit(2)


def whole(words: Catalogue, code: str, least: int, most: int) -> Any:
    """A type for whole numbers from `least` to `most`; `code` is the sentence about any other text."""

    def number(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(words.t(code, text=text))
        return int(text)

    return number
