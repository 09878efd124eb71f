"""Numbers of things in messages."""


def quantity(number: int, thing: str) -> str:
    """``1 alert``, ``2 alerts``; ``thing`` is singular and has a plural in s."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
