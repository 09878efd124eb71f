"""The generated pages of docs/reference are what the code says; examples fit their JSON Schema.

Where one differs: `make reference`.
"""

import re
from collections.abc import Iterator

import pytest

from mediatool_assets.core.errors import MediatoolError
from mediatool_assets.main import DEFECT
from mediatool_assets_tests.documents import ROOT
from mediatool_assets_tests.json_schemas import faults_of
from mediatool_assets_tests.metadata_examples import example
from scripts import api_reference, commands_reference, schemas_reference, settings_reference

REFERENCE = ROOT / "docs/reference"


@pytest.mark.parametrize(
    "module",
    [api_reference, commands_reference, schemas_reference, settings_reference],
    ids=lambda module: str(module.PAGE.name),
)
def test_a_page_is_generated_from_the_code(module: object) -> None:
    """The page is what `make reference` writes."""
    assert module.PAGE.read_text("utf-8") == module.page()  # type: ignore[attr-defined]  # modules


def test_the_schemas_are_generated_from_the_code() -> None:
    """Each document's schema is what `make reference` writes, and there is no other."""
    written = {path.name: path.read_text("utf-8") for path in (REFERENCE / "schemas").iterdir()}
    assert written == {
        f"{each.name}.schema.json": each.schema() for each in schemas_reference.DOCUMENTS
    }


def test_metadata_fits_its_schema() -> None:
    """The storage description's own example does; without a field it does not."""
    data = example().to_json()
    assert faults_of("metadata", data) == []
    assert faults_of("metadata", data.replace(b'"timestamp"', b'"stamp"')) != []


def test_every_exit_code_is_on_its_page() -> None:
    """The codes of the error tree, and those that no error of ours has."""
    listed = {
        int(code)
        for code in re.findall(
            r"^\| (\d+) \|", (REFERENCE / "exit-codes.md").read_text("utf-8"), re.MULTILINE
        )
    }
    assert listed == {each.exit_code for each in _errors(MediatoolError)} | {0, 1, DEFECT, 130}


def _errors(kind: type[MediatoolError]) -> Iterator[type[MediatoolError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _errors(child)
