"""Tells the text of a MuJoCo model from the path of its file."""

from __future__ import annotations


def is_model_text(model: object) -> bool:
    """Return whether a model was given as text: XML, or more than one line."""
    if isinstance(model, bytes):
        model = model.decode(errors="replace")
    if not isinstance(model, str):
        return False
    text = model.lstrip("\ufeff").strip()
    return text.startswith("<") or "\n" in text
