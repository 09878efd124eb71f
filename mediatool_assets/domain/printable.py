"""Escapes control characters in foreign text, so that it is safe to print."""

_CONTROLS = (
    *range(0x20),  # C0, among them ESC and BEL
    *range(0x7F, 0xA0),  # DEL, and C1: CSI and OSC as one character
    0x061C,  # marks and overrides of direction: text that reads otherwise than it is
    *range(0x200E, 0x2010),
    *range(0x202A, 0x202F),
    *range(0x2066, 0x206A),
    0x2028,  # line and paragraph
    0x2029,
)
_ESCAPES = {code: f"\\u{code:04x}" for code in _CONTROLS}
_LINES = {code: escape for code, escape in _ESCAPES.items() if chr(code) not in "\n\t"}


def visible(text: str) -> str:
    """The text on one line, with control characters, line breaks and direction marks escaped."""
    return text.translate(_ESCAPES)


def visible_lines(text: str) -> str:
    """The same, but line breaks and tabs are kept; JSON stays the same document."""
    return text.translate(_LINES)
