"""Notes on a version, stored in its metadata, its marks, the registry and shown in lists."""

from mediatool_assets.domain.errors import Misuse

LONGEST = 4096
"""The longest notes, in bytes of UTF-8: every reader of the registry loads all notes."""


def checked_notes(text: str) -> str:
    """The notes unchanged; raises Misuse if they are too long, or not UTF-8."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise Misuse("the notes are not UTF-8; encode them as UTF-8") from error
    if size > LONGEST:
        raise Misuse(
            f"the notes have {size:,} bytes, more than {LONGEST:,}; keep the long text elsewhere "
            "and say where in the notes"
        )
    return text
