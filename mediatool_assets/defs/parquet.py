"""An IO manager for users' assets: tables as Parquet in the bucket, one file for each partition.

A returned pandas or polars frame, Arrow table or DuckDB relation is stored at ``user-assets/{asset
key}/{partition}.parquet``, replacing the previous file. An input is read in the annotated type of
the parameter. Built on Dagster's UPathIOManager, which handles partitions.
"""

import io
from typing import TYPE_CHECKING, Any

import dagster as dg
from upath import UPath

from mediatool_assets.defs.failures import errors_as_failures
from mediatool_assets.defs.frames import as_arrow, from_arrow, mapping_value_type
from mediatool_assets.defs.resources import ServersResource
from mediatool_assets.flows.reports.storage import keep

if TYPE_CHECKING:
    import pyarrow

PARQUET_IO = "parquet"
FOLDER = "user-assets"


class ParquetFiles(dg.UPathIOManager):
    """Writes and reads the files with the bucket's own client."""

    extension = ".parquet"

    def __init__(self, servers: ServersResource) -> None:
        super().__init__(base_path=UPath(FOLDER))
        self.servers = servers

    def dump_to_path(self, context: dg.OutputContext, obj: Any, path: UPath) -> None:
        """Store a table, and record its URI, rows, bytes and columns."""
        from pyarrow import parquet  # noqa: PLC0415  # slow

        with errors_as_failures():
            table, file = as_arrow(_name(context), obj), io.BytesIO()
            parquet.write_table(table, file, compression="zstd")
            data = file.getvalue()
            uri = keep(self.servers.objects(), str(path), data)
        context.add_output_metadata(
            {
                "dagster/uri": uri,
                "dagster/row_count": table.num_rows,
                "dagster/partition_row_count": table.num_rows,
                "bytes": len(data),
                "dagster/column_schema": _columns(table),
            }
        )

    def load_from_path(self, context: dg.InputContext, path: UPath) -> Any:
        """Read a table in the input's annotated type; raises FileNotFoundError if it does not
        exist.

        Dagster skips such a partition if the input has the metadata allow_missing_partitions.
        """
        from pyarrow import parquet  # noqa: PLC0415  # slow

        kind = context.dagster_type.typing_type if context.has_input_name else None
        with errors_as_failures():
            objects = self.servers.objects()
            if objects.head(str(path)) is None:
                raise FileNotFoundError(
                    f"{objects.uri(str(path))} does not exist; materialize {_name(context)} of "
                    "that partition"
                )
            data, _ = objects.get(str(path))
            table = parquet.read_table(io.BytesIO(data))
            return from_arrow(_name(context), table, mapping_value_type(kind))

    def path_exists(self, path: UPath) -> bool:
        """True if the file exists."""
        return self.servers.objects().head(str(path)) is not None

    def unlink(self, path: UPath) -> None:
        """Do nothing: the new file replaces the old one."""

    def make_directory(self, path: UPath) -> None:
        """Do nothing: a bucket has no directories."""


class Parquet(dg.ConfigurableIOManagerFactory):  # type: ignore[type-arg]  # of Dagster's own base
    """The resource with which Dagster creates the IO manager."""

    servers: dg.ResourceDependency[ServersResource]

    def create_io_manager(self, context: dg.InitResourceContext) -> ParquetFiles:  # noqa: ARG002
        """Create the IO manager for one process."""
        return ParquetFiles(self.servers)


def _name(context: dg.InputContext | dg.OutputContext) -> str:
    return context.asset_key.to_user_string()


def _columns(table: "pyarrow.Table") -> dg.TableSchema:
    return dg.TableSchema([dg.TableColumn(each.name, str(each.type)) for each in table.schema])
