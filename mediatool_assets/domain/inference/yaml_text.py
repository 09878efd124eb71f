"""Writes YAML as a person would: quotes only where they are needed."""

import re
from collections.abc import Iterable, Mapping
from textwrap import wrap

WIDTH = 100

_PLAIN = re.compile(r"[A-Za-z_][\w ./()>,\[\]-]*(?<! )", re.ASCII)
_IN_FLOW = re.compile(r"[A-Za-z_][\w ()>-]*(?<! )", re.ASCII)
_WORDS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n", "none"}


def scalar(text: str, *, flow: bool = False) -> str:
    """One text, in double quotes unless YAML reads it unchanged without them."""
    pattern = _IN_FLOW if flow else _PLAIN
    if pattern.fullmatch(text) and text.lower() not in _WORDS:
        return text
    inside = "".join(_escaped(character) for character in text)
    return f'"{inside}"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    return f"\\U{ord(character):08X}"


def comment(text: str, indent: int) -> list[str]:
    """Lines of a comment; characters that would end a line are escaped."""
    printable = "".join(c if c.isprintable() else _escaped(c) for c in text)
    start = " " * indent + "# "
    return wrap(
        printable,
        WIDTH,
        initial_indent=start,
        subsequent_indent=start,
        break_long_words=False,
        break_on_hyphens=False,
    )


def sequence(items: Iterable[str]) -> str:
    """A list on one line."""
    return "[" + ", ".join(scalar(item, flow=True) for item in items) + "]"


def mapping(entries: Mapping[str, str]) -> str:
    """A mapping on one line."""
    return "{" + ", ".join(_entries(entries)) + "}"


def wrapped(entries: Mapping[str, str], indent: int) -> list[str]:
    """A mapping on as many lines as it needs."""
    lines, line = [], " " * indent + "{"
    for number, entry in enumerate(_entries(entries)):
        text = entry + ("," if number < len(entries) - 1 else "}")
        if len(line) + len(text) + 1 > WIDTH and line.strip() not in ("", "{"):
            lines.append(line)
            line = " " * (indent + 1) + text
        else:
            line += ("" if line.endswith("{") else " ") + text
    return [*lines, line if entries else line + "}"]


def _entries(entries: Mapping[str, str]) -> Iterable[str]:
    return [f"{scalar(k, flow=True)}: {scalar(v, flow=True)}" for k, v in entries.items()]
