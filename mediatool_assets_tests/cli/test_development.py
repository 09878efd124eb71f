"""``mediatool dev``: what Dagster is started with."""

import pytest

from mediatool_assets.cli.development import linked

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
