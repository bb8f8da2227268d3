"""Prompts typed on the Live page: how long they may be, and how they are stored."""

from __future__ import annotations

MAX_CHARACTERS = 4000
DEFAULT_EXPERIMENT = "live"
TAG = "live"
"""Of prompts typed on the page."""
