"""How names of the source become names of documents: snake_case to camelCase."""

import re

_JOINT = re.compile(r"(?<=[^_])_+([^_])")


def camel_case(name: str) -> str:
    """``line_item_media_buys`` -> ``lineItemMediaBuys``; a name without underscores stays.

    Leading and trailing underscores stay. Dots, which mean sub-documents in a model, become
    underscores, and a leading dollar sign, which MongoDB keeps for operators, is dropped.
    """
    return _JOINT.sub(lambda joint: joint[1].upper(), name.lstrip("$").replace(".", "_")) or "_"
