"""The types with which an asset's parameter can be annotated, and their conversion."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, get_args, get_origin

from mediatool_assets.domain.errors import Misuse
from mediatool_assets.flows.query.handles import ArchiveHandle, Frames, LiveDatabase
from mediatool_assets.flows.restore.database import RestoredDatabase

if TYPE_CHECKING:
    import pyarrow

FRAMES: Mapping[tuple[str, str], str] = {
    ("pandas", "DataFrame"): "to_pandas",
    ("pyarrow", "Table"): "to_arrow",
    ("polars", "DataFrame"): "to_polars",
    ("duckdb", "DuckDBPyRelation"): "to_duckdb",
}
"""Classes that hold a whole table in memory, by package and name, with the handle's method."""

_HANDLES = (Frames, ArchiveHandle, LiveDatabase, RestoredDatabase)


def frame_of(kind: object) -> tuple[str, str] | None:
    """The key of a class in FRAMES, or None; its package need not be imported."""
    package = getattr(kind, "__module__", "").partition(".")[0].lstrip("_")
    name = package, getattr(kind, "__name__", "")
    return name if name in FRAMES else None


def mapping_value_type(kind: object) -> object:
    """The value type of an annotated mapping; any other annotation is returned unchanged."""
    origin, arguments = get_origin(kind), get_args(kind)
    if isinstance(origin, type) and issubclass(origin, Mapping) and len(arguments) == 2:
        return arguments[1]
    return kind


def as_annotated(asset: str, handle: Any, kind: object) -> Any:
    """The handle's table in the annotated type; raises Misuse, which lists the allowed types."""
    if not isinstance(handle, _HANDLES):
        return handle  # a JSON document
    frame = frame_of(kind)
    method: Callable[[], Any] | None = getattr(handle, FRAMES[frame], None) if frame else None
    if method is not None:
        return method()
    is_any = kind is None or kind is Any or not isinstance(kind, type)
    if is_any or isinstance(handle, kind):  # type: ignore[arg-type]  # a class: see is_any
        return handle
    raise Misuse(
        f"{asset} cannot be given as {_shown(kind)}; annotate the parameter as "
        f"{_right_ones(handle)}, or leave the annotation out"
    )


def as_arrow(asset: str, made: Any) -> "pyarrow.Table":
    """Convert what an asset returned to Arrow; raises Misuse, which lists the allowed types.

    Column types are taken from the frame; none is guessed from values.
    """
    match frame_of(type(made)):
        case "pandas", _:
            import pyarrow  # noqa: PLC0415  # slow

            return pyarrow.Table.from_pandas(made, preserve_index=False)
        case "pyarrow", _:
            return made
        case "polars", _:
            return made.to_arrow()
        case "duckdb", _:
            return made.to_arrow_table()
        case _:
            raise Misuse(
                f"{asset} returned {_shown(type(made))}; the IO manager `parquet` stores "
                f"{_listed(FRAMES)}"
            )


def from_arrow(asset: str, table: "pyarrow.Table", kind: object) -> Any:
    """A stored table in the annotated type; without an annotation it is an Arrow table."""
    match frame_of(kind):
        case "pandas", _:
            from mediatool_assets.flows.query.frames import pandas_frame  # noqa: PLC0415  # slow

            return pandas_frame(table)
        case "polars", _:
            from mediatool_assets.flows.query.frames import polars_frame  # noqa: PLC0415  # slow

            return polars_frame(table)
        case "duckdb", _:
            from mediatool_assets.flows.query.frames import table_of_arrow  # noqa: PLC0415  # slow

            return table_of_arrow(table, None)
    if frame_of(kind) or kind is None or kind is Any or not isinstance(kind, type):
        return table
    raise Misuse(
        f"{asset} cannot be given as {_shown(kind)}; annotate the parameter as {_listed(FRAMES)}"
    )


def _right_ones(handle: Any) -> str:
    frames = {name: method for name, method in FRAMES.items() if hasattr(handle, method)}
    own = f"mediatool_assets.{type(handle).__name__}, a handle that reads on demand"
    return f"{_listed(frames)}, or as {own}" if frames else own


def _listed(frames: Mapping[tuple[str, str], str]) -> str:
    return ", ".join(".".join(name) for name in frames)


def _shown(kind: Any) -> str:
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
