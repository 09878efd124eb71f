"""Numbers of things in messages."""


def quantity(number: int, thing: str) -> str:
    """``1 alert``, ``2 alerts``; ``thing`` in the singular, of those that take an s."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
