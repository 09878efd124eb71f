"""The history of a row as a page."""

from mediatool_assets.domain.page import Card, Grid, Page, Section, grid
from mediatool_assets.flows.query.history import RowEvent, RowHistory


def page(history: RowHistory) -> Page:
    """A section for each version in which the row appeared, changed or was removed."""
    key = ", ".join(f"{column} = {value}" for column, value in history.key.items())
    present, versions = len(history.present), len(history.versions)
    return Page(
        title=f"{history.table}: {key}",
        verdict="present" if history.versions[-1] in history.present else "removed",
        headline=f"In {present:,} of {versions:,} versions, from {history.versions[0]} to "
        f"{history.versions[-1]}.",
        cards=(
            Card("First version", history.present[0]),
            Card("Last version", history.present[-1]),
            Card("Changes", f"{sum(e.change == 'changed' for e in history.events):,}"),
        ),
        sections=tuple(
            Section(f"{event.version}: {event.change}", (_columns(event),))
            for event in history.events
        ),
    )


def _columns(event: RowEvent) -> Grid:
    if event.change == "changed":
        return grid(
            ("Column", "Before", "After"),
            ((name, _shown(old), _shown(new)) for name, (old, new) in event.columns.items()),
        )
    place = 0 if event.change == "removed" else 1
    return grid(
        ("Column", "Value"), ((name, _shown(v[place])) for name, v in event.columns.items())
    )


def _shown(value: str | None) -> str:
    return "null" if value is None else value
