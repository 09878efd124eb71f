"""Components for ``dg``: the graph of one source in ten lines of YAML, and the shared sensors."""

import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
from pydantic import BaseModel, Field

from mediatool_assets.alerts.assets import alert_sensor
from mediatool_assets.core.errors import BadSettings
from mediatool_assets.core.setting_values import variable
from mediatool_assets.core.settings import DECLARED, Settings
from mediatool_assets.dagster_internals import keep_key_sets
from mediatool_assets.defs import source_definitions
from mediatool_assets.orchestration import Namespace, lineage_sensors
from mediatool_assets.orchestration.resources import servers_of
from mediatool_assets.orchestration.runs import dead_run_sensor
from mediatool_assets.stores.environment import adopt_file

_OF_ALL = frozenset({"first_day", "model"})
"""Settings that no source has for itself: the days are every partition's, the model is a file's."""


class Attributes(BaseModel):
    """What ``dg scaffold defs mediatool_assets.PostgresToMongo`` asks for."""

    key_prefix: str | None = Field(
        default=None, description="the first part of every asset's key; else the folder's name"
    )
    model_file: str | None = Field(
        default=None, description="the model file to write into the defs.yaml; else model.yaml"
    )


class PostgresToMongoScaffolder(dg.Scaffolder[Attributes]):
    """Writes the ten lines, with environment variables of the source's own for its servers."""

    @classmethod
    def get_scaffold_params(cls) -> type[Attributes]:
        """The options of the command."""
        return Attributes

    def scaffold(self, request: dg.ScaffoldRequest[Attributes]) -> None:
        """Write ``defs.yaml``."""
        prefix = request.params.key_prefix or request.target_path.name
        names = ("postgres_url", "postgres_schema", "mongodb_url", "s3_bucket")
        dg.scaffold_component(
            request,
            {
                "key_prefix": prefix,
                "model_file": request.params.model_file or "model.yaml",
                "settings": {
                    name: f"{{{{ env.{prefix.upper()}_{name.upper()} }}}}" for name in names
                },
            },
        )


@dg.scaffold_with(PostgresToMongoScaffolder)
class PostgresToMongo(dg.Component, dg.Model, dg.Resolvable):
    """A versioned, verified copy of a PostgreSQL database every day: to S3 and to MongoDB.

    Each source has a key prefix, a model and settings of its own, and its own bucket. What its
    settings leave out is taken from the ``MEDIATOOL_*`` environment variables.
    """

    key_prefix: str = Field(
        default="",
        description="The first part of the keys of its assets, and of the names of its jobs, "
        "schedules, groups and resources.",
    )
    model_file: str = Field(
        default="model.yaml",
        description="The model file, from this folder on (docs/reference/models.md).",
    )
    settings: dict[str, str | int | float | bool] = Field(
        default_factory=dict,
        description="Settings of docs/reference/settings.md in lower case, without MEDIATOOL_.",
    )

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The source's graph; raises BadSettings, BadModel with every mistake."""
        keep_key_sets()
        variables = dict(self._variables(context.path))
        adopt_file()
        settings = Settings.parse(os.environ | variables)
        return source_definitions(settings, servers_of(variables), Namespace(self.key_prefix))

    def _variables(self, folder: Path) -> Iterator[tuple[str, str]]:
        unknown = sorted(self.settings.keys() - DECLARED.keys() | self.settings.keys() & _OF_ALL)
        if unknown:
            raise BadSettings(
                [
                    f"{name} is no setting of a source; see docs/how-to/components.md"
                    for name in unknown
                ]
            )
        for name, value in self.settings.items():
            yield variable(name), _text(value)
        yield variable("model"), str(folder / self.model_file)


def _text(value: str | float | bool) -> str:
    """A setting as an environment variable has it: YAML reads ``no`` as false."""
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)


class Watch(dg.Component, dg.Model, dg.Resolvable):
    """The sensors that watch the whole instance, once in a project: alerts, and killed runs.

    The alerts' channels are those of the ``MEDIATOOL_ALERT_*`` environment variables.
    """

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002
        """The two sensors."""
        return dg.Definitions(sensors=[alert_sensor, dead_run_sensor, *lineage_sensors()])
