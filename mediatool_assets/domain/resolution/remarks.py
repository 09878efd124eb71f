"""Mistakes of a model for a schema, which stop a version, and remarks, which do not."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mediatool_assets.domain.model import SourceTable
from mediatool_assets.domain.model_checks import Mistake
from mediatool_assets.domain.schema import Column, Table


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that is not a mistake. ``drift``: the source changed after the model was written.

    ``fix`` is what to write on that ``line`` of the model to remove the remark.
    """

    line: int
    text: str
    fix: str
    drift: bool


class Remarks:
    """Mistakes and remarks, in the order found."""

    def __init__(self, mistakes: Iterable[Mistake], known: Mapping[str, SourceTable]) -> None:
        self.mistakes, self._known = [*mistakes], known
        self.remarks: list[Remark] = []

    def wrong(self, line: int, problem: str) -> None:
        """Record a mistake."""
        self.mistakes.append((line, problem))

    def remark(self, line: int, text: str, fix: str, *, drift: bool = True) -> None:
        """Record a remark."""
        self.remarks.append(Remark(line, text, fix, drift))

    def column(self, table: Table, name: str, line: int) -> Column | None:
        """The column; if it does not exist, a mistake of that line of the model is recorded."""
        try:
            return table.column(name)
        except KeyError:
            source = self._known.get(table.name)
            known = source.columns if source is not None else ()
            new = [c.name for c in table.columns if known and c.name not in known]
            listed = f" (new are {', '.join(new)})" if new else ""
            self.wrong(
                line,
                f"the source's {table.name} has no column {name}; take it out, or give it the "
                f"column's new name{listed}",
            )
            return None
