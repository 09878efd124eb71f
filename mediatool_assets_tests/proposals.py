"""What an inferred model offers in comments, taken over as its reader would by hand."""

import re

import yaml

_OFFER = re.compile(r"( *)# Not certain; without")
_INSTEAD = re.compile(r"instead of the collection (.+?):(?: |$)")


def taken_over(model: str) -> tuple[str, int]:
    """The model with all that it offers in the place of what that replaces, and how much it was."""
    lines, comments, found, before = [], [], 0, None
    for written in model.splitlines():
        line = written
        if before is not None and line.startswith(before):
            line = written.replace("# ", "", 1)
            found += line.lstrip().startswith(("look_up:", "embed_", "fold:"))
            if line.lstrip().startswith("# "):
                comments.append(line.lstrip().removeprefix("# "))
        else:
            start = _OFFER.match(line)
            before = f"{start[1]}# " if start is not None else None
        lines.append(line)
    made = yaml.safe_load("\n".join(lines))
    for name in _INSTEAD.findall(" ".join(comments)):
        del made["collections"][name]
    return yaml.safe_dump(made, sort_keys=False, allow_unicode=True), found
