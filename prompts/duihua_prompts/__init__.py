"""Personas, the words for users, how memory stands in a request, and new packages, in Chinese and English."""

from __future__ import annotations

from duihua_prompts.catalogue import Catalogue, error_line, key_settings, language
from duihua_prompts.memory import context_text, recalled_text, summary_prompt
from duihua_prompts.package import package_files
from duihua_prompts.personas import Persona, PersonaLibrary

__all__ = [
    "Catalogue",
    "Persona",
    "PersonaLibrary",
    "context_text",
    "error_line",
    "key_settings",
    "language",
    "package_files",
    "recalled_text",
    "summary_prompt",
]
