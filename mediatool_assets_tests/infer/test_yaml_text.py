"""Whatever a name holds, YAML reads it back as it was."""

import yaml
from hypothesis import given
from hypothesis import strategies as st

from mediatool_assets.infer.model_text import WIDTH, comment, mapping, scalar, sequence, wrapped

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
"""What PostgreSQL takes for a name, and longer ones."""


@given(NAMES)
def test_a_name_is_read_back(name: str) -> None:
    """As a key, as a value, and in a list; never as a number, a truth or nothing."""
    text = f"{scalar(name)}:\n  - {scalar(name)}\n"
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    assert node is not None
    [(key, value)] = node.value
    assert key.value == name
    assert value.value[0].value == name
    assert {key.tag, value.value[0].tag} == {"tag:yaml.org,2002:str"}


@given(st.lists(NAMES, unique=True))
def test_lists_and_mappings_are_read_back(names: list[str]) -> None:
    """On one line or on many."""
    pairs = dict(zip(names, reversed(names), strict=True))
    assert yaml.safe_load(sequence(names)) == names
    assert yaml.safe_load(mapping(pairs)) == pairs
    assert yaml.safe_load("\n".join(wrapped(pairs, 2))) == pairs


@given(st.text())
def test_a_comment_is_nothing_but_a_comment(text: str) -> None:
    """No line break in a name ends it."""
    assert all(line.startswith("  # ") for line in comment(text, 2))
    assert yaml.safe_load("\n".join(comment(text, 2))) is None


def test_long_mappings_are_wrapped() -> None:
    """A table of 1,600 columns can be read, and compared line by line."""
    lines = wrapped({f"column_{n}": "integer" for n in range(1600)}, 6)
    assert max(map(len, lines)) <= WIDTH
    assert len(lines) > 100
