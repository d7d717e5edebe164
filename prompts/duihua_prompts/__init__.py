"""Personas and the words for users, in Chinese and English."""
