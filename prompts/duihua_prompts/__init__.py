"""Personas and the words for users, in Chinese and English."""

from __future__ import annotations

from duihua_prompts.catalogue import Catalogue, error_line, key_settings, language
from duihua_prompts.personas import Persona, PersonaLibrary

__all__ = ["Catalogue", "Persona", "PersonaLibrary", "error_line", "key_settings", "language"]
