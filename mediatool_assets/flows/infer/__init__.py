"""Infer: proposes a model and a report of risks from a source's schema and rows."""

from dataclasses import dataclass

from mediatool_assets.domain.inference import risks
from mediatool_assets.domain.inference.figures import Figures
from mediatool_assets.domain.inference.model_text import model_text
from mediatool_assets.domain.inference.placement import Entity, entities
from mediatool_assets.domain.inference.references import MeasuredReference, accepted_references
from mediatool_assets.domain.inference.risks import RiskReport
from mediatool_assets.flows.infer.statistics import measure
from mediatool_assets.flows.infer.table_sources import ArchivedTables, LiveTables, TableSource
from mediatool_assets.flows.workers.workspace import Workspace

__all__ = ["SAMPLE_ROWS", "ArchivedTables", "Inferred", "LiveTables", "TableSource", "infer"]

SAMPLE_ROWS = 200_000
"""Approximate number of rows read per table: all of most tables, some minutes for the largest."""


@dataclass(frozen=True, slots=True)
class Inferred:
    """A model's text, which loads and runs unchanged, and the figures it was made from."""

    model: str
    risks: RiskReport
    relations: tuple[MeasuredReference, ...]
    entities: dict[str, Entity]
    figures: Figures


def infer(tables: TableSource, workspace: Workspace, *, sample: int = SAMPLE_ROWS) -> Inferred:
    """Read the tables, and propose a model; uncertain parts are written as comments.

    Raises the errors of the source.
    """
    schema = tables.schema
    figures = measure(tables, workspace, sample)
    relations = accepted_references(figures.inclusions)
    shaped = entities(schema, relations, figures)
    return Inferred(
        model_text(tables.name, shaped, figures),
        risks.report(tables.name, schema, figures, tables.not_carried),
        relations,
        shaped,
        figures,
    )
