"""Files that are installed with the package."""

from pathlib import Path

SHIPPED_MODEL = Path(__file__).parents[1] / "models" / "media_tool.yaml"

DAGSTER_YAML = Path(__file__).parents[1] / "dagster.yaml"
"""Settings of a Dagster instance: its home needs a copy."""
