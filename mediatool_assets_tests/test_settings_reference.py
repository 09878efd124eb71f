"""The reference of settings is what the code declares, and nothing names a setting that is none."""

import re
from collections.abc import Iterator
from pathlib import Path

from mediatool_assets.core.setting_values import variable
from mediatool_assets.core.settings import DECLARED
from mediatool_assets_tests.documents import ROOT
from scripts.settings_reference import PAGE, page

OF_DEPLOYMENT = {"MEDIATOOL_IMAGE", "MEDIATOOL_ECS_TASK_DEFINITION"}
"""What the examples of ``deploy/`` have the user set for Dagster's launchers."""


def test_the_page_is_generated_from_the_code() -> None:
    """docs/reference/settings.md is what `make reference` writes."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_variable_that_is_named_is_a_setting() -> None:
    """In code, documents and examples; ``MEDIATOOL_ALERT_*`` names several."""
    known = {*map(variable, DECLARED), *OF_DEPLOYMENT}
    named = {
        (str(path.relative_to(ROOT)), name)
        for path in _texts()
        for name in re.findall(r"MEDIATOOL_[A-Z0-9_]*[A-Z0-9]\b(?!_)", path.read_text("utf-8"))
    }
    assert len(named) > len(known)
    assert {(path, name) for path, name in named if name not in known} == set()


def _texts() -> Iterator[Path]:
    for place in ("mediatool_assets", "docs", "deploy", "scripts"):
        for path in sorted((ROOT / place).rglob("*")):
            if path.suffix in {".py", ".md", ".yaml", ".sh"}:
                yield path
    yield ROOT / "README.md"
