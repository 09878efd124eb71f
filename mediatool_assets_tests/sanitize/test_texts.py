"""The texts of values: what a search for personal data reads."""

from mediatool_assets.sanitize.redaction import items, texts


def test_the_texts_of_a_document() -> None:
    """Values and numbers, names that are no plain words, nothing of null and booleans."""
    document = b'{"name": "a", "x@y.z": [1.50, null, true, {"b": "c"}], "d": false}'
    assert list(texts(document)) == ["x@y.z", "a", "1.50", "c"]


def test_the_elements_of_an_array() -> None:
    """Quoted ones without their quotes and escapes."""
    assert list(items(r'{a,"b c","d\"e",NULL,{"f,g"}}')) == ["a", "b c", 'd"e', "NULL", "f,g"]
