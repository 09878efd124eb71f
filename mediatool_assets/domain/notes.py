"""Notes on a version, which its metadata, its marks, the registry and every listing carry."""

from mediatool_assets.domain.errors import Misuse

LONGEST = 4096
"""Bytes in UTF-8. The registry holds the notes of all versions, and every reader loads it."""


def checked_notes(text: str) -> str:
    """The notes as they are; raises Misuse where they are too long, or no text."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise Misuse("the notes are not UTF-8; write them as text") from error
    if size > LONGEST:
        raise Misuse(
            f"the notes have {size:,} bytes, more than {LONGEST:,}; keep the long text elsewhere "
            "and say where in the notes"
        )
    return text
