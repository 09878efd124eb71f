"""``mediatool dev``: what Dagster is started with."""

from pathlib import Path

import pytest

from mediatool_assets.core.settings import Settings
from mediatool_assets.demo.demonstration import WORKSPACE, keyed, linked
from mediatool_assets_tests.documents import ROOT

pytestmark = pytest.mark.usefixtures("as_any_other_process")

URL = "http://127.0.0.1:3000"


@pytest.mark.parametrize(
    ("environ", "link"),
    [
        ({}, URL),
        ({"MEDIATOOL_DAGSTER_URL": " "}, URL),
        ({"MEDIATOOL_DAGSTER_URL": "https://dagster.example"}, "https://dagster.example"),
    ],
)
def test_alerts_link_to_the_ui_that_is_started(environ: dict[str, str], link: str) -> None:
    """To the address that is printed, unless the setting says how people reach it."""
    assert linked(environ, URL) == {"MEDIATOOL_DAGSTER_URL": link}


def test_the_sanitized_copy_can_be_made_beside_the_local_servers(tmp_path: Path) -> None:
    """With the key of their home, the same each time; a key that is set wins."""
    first = keyed({"MEDIATOOL_MASKING_KEY": " "}, tmp_path)
    assert keyed({}, tmp_path) == first
    assert Settings.parse(first).masking_key is not None
    assert keyed({"MEDIATOOL_MASKING_KEY": "0" * 64}, tmp_path) == {}


def test_an_installed_package_is_loaded_as_the_checkout_is() -> None:
    """Under the same name: that of the code location of the command line's runs."""
    assert (ROOT / "workspace.yaml").read_text() == WORKSPACE
