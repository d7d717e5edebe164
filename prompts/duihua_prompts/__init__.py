"""Personas, the words for users, and how memory stands in a request, in Chinese and English."""

from __future__ import annotations

from duihua_prompts.catalogue import Catalogue, error_line, key_settings, language
from duihua_prompts.memory import context_text, recalled_text, summary_prompt
from duihua_prompts.personas import Persona, PersonaLibrary

__all__ = [
    "Catalogue",
    "Persona",
    "PersonaLibrary",
    "context_text",
    "error_line",
    "key_settings",
    "language",
    "recalled_text",
    "summary_prompt",
]
