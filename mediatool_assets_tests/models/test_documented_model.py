"""The model that docs/reference/models.md shows."""

import re
from pathlib import Path

from mediatool_assets.core.model_file import load_model
from mediatool_assets_tests.documents import ROOT


def test_the_model_of_the_page_has_no_mistake(tmp_path: Path) -> None:
    """Who copies it has a model that loads."""
    page = (ROOT / "docs/reference/models.md").read_text("utf-8")
    text, *_ = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    path = tmp_path / "model.yaml"
    path.write_text(text, "utf-8")
    model = load_model(path)
    assert len(model.collections) == 8
    assert set(model.orphan_collections) == {
        "lineItemsWithoutStrategy",
        "repsXTeamsWithoutTeam",
        "strategiesWithoutCampaign",
    }
