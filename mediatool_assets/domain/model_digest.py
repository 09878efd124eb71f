"""A digest of a model's content, independent of the form of its file."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any

_BESIDE = (
    "source",
    "line",
    "lines",
    "reason",
    "bounds",
    "types",
    "type_changes",
    "metrics",
    "owners",
)
"""Fields on which no document depends: where something stands, why, and what checks make of it."""


def digest(said: Any) -> str:
    """SHA-256 of a model, or of a part of it, in hex.

    Only values that differ from their default count. So a new feature of the model language changes
    the digests only of the models that use it.
    """
    text = json.dumps(_canonical(said), default=_typed)
    return hashlib.sha256(text.encode()).hexdigest()


def _canonical(said: Any) -> Any:
    if is_dataclass(said):
        told = ((f.name, getattr(said, f.name), f) for f in fields(said) if f.name not in _BESIDE)
        return {name: _canonical(part) for name, part, f in told if part != _default(f)}
    if isinstance(said, Mapping):
        named = all(map(is_dataclass, said.values()))  # by name; options of MongoDB have an order
        names = sorted(said) if named else list(said)
        return {str(name): _canonical(said[name]) for name in names}
    if isinstance(said, list | tuple):
        return list(map(_canonical, said))
    return said


def _default(field: "Field[Any]") -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _typed(value: object) -> list[str]:
    """Values of YAML that JSON lacks, such as a date, which must differ from its text."""
    return [type(value).__name__, str(value)]
