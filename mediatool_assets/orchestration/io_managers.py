"""What the IO managers of a version's assets share.

A step hands over what it has stored, a ``Stored``: ``handle_output`` reads the store and records
where the asset is, its rows, bytes and digest, or fails where the store has something else. The
flows write, never these IO managers.

``load_input`` reads the run's own partition from the run's version, and every other one from its
newest complete version. An input of several partitions is a dict by partition, of those that have a
version. An input annotated ``pandas.DataFrame``, ``pyarrow.Table``, ``polars.DataFrame`` or
``duckdb.DuckDBPyRelation`` gets the whole table or collection; any other gets a handle that reads
lazily.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg
from pydantic import PrivateAttr

from mediatool_assets.defs.failures import retried
from mediatool_assets.defs.frames import as_annotated, mapping_value_type
from mediatool_assets.defs.layers import shown
from mediatool_assets.defs.namespace import Namespace
from mediatool_assets.defs.parquet import PARQUET_IO
from mediatool_assets.defs.resources import ServersResource
from mediatool_assets.defs.runs import RunVersion
from mediatool_assets.defs.stored import Stored
from mediatool_assets.domain.errors import CheckFailed, Misuse
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.ports import ObjectStore
from mediatool_assets.flows.versions import catalog


class VersionIOManager(dg.ConfigurableIOManager):
    """Records what a version's flows have stored, and reads it; the flows write, never this."""

    servers: dg.ResourceDependency[ServersResource]
    prefix: str = ""

    _last: tuple[object, Any] | None = PrivateAttr(default=None)

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Record what a step has stored; raises CheckFailed where the store has something else."""
        asset = context.asset_key
        with retried():
            if not isinstance(obj, Stored):
                raise Misuse(
                    f"{asset.to_user_string()}: this IO manager records what the platform's own "
                    f"steps stored, not a {type(obj).__name__}; give the asset an IO manager of "
                    f"its own, such as `{PARQUET_IO}` for tables"
                )
            found = self.find(asset, self._place(asset, obj.version))
            if found != obj:
                self._last = None  # the next attempt reads anew
                raise CheckFailed(
                    f"{shown(asset)}: the step stored {obj}, but the store has {found}; "
                    "run the step again"
                )
        context.add_output_metadata(found.facts())

    def load_input(self, context: dg.InputContext) -> Any:
        """The asset of the input's partition, a dict of several, or None of no partition.

        A server that does not answer is asked again some seconds later, as by a step.
        """
        keys = context.asset_partition_keys
        with retried():
            if not keys:
                return None
            if len(keys) == 1:
                return self._read(context, self._version(context, keys[0]))
            versions = _newest(self.servers.objects(), keys)
            return {key: self._read(context, version) for key, version in versions.items()}

    def _read(self, context: dg.InputContext, version: Version) -> Any:
        kind = context.dagster_type.typing_type if context.has_input_name else None
        opened = self.open_place(self.place(context.asset_key), version)
        handle = self.open(context.asset_key, opened)
        return as_annotated(shown(context.asset_key), handle, mapping_value_type(kind))

    def _version(self, context: dg.InputContext, key: str) -> Version:
        """The run's version for its own partition, the newest complete one for any other."""
        objects = self.servers.objects()
        if context.has_input_name and context.has_partition_key and context.partition_key == key:
            run = context.step_context.dagster_run
            names = Namespace(self.prefix)
            return RunVersion(context.instance, run, key, names).to_read(objects)
        return catalog.latest(objects, key).version

    def _place(self, asset: dg.AssetKey, version: Version) -> Any:
        """The place of an output, which is read once for all outputs of a step."""
        wanted = self.place(asset), version
        if self._last is None or self._last[0] != wanted:
            self._last = wanted, self.open_place(*wanted)
        return self._last[1]

    @abstractmethod
    def place(self, asset: dg.AssetKey) -> str:
        """Which archive, database or document of a version holds the asset."""

    @abstractmethod
    def open_place(self, place: str, version: Version) -> Any:
        """The archive, database or document; raises NotFound where it is not there."""

    @abstractmethod
    def open(self, asset: dg.AssetKey, opened: Any) -> Any:
        """The asset as an input, out of its opened place; none of its rows has been read yet."""

    @abstractmethod
    def find(self, asset: dg.AssetKey, opened: Any) -> Stored:
        """What the opened place has of the asset."""


def _newest(objects: ObjectStore, keys: Sequence[str]) -> Mapping[str, Version]:
    """The newest complete version of each of the partitions that has one."""
    first, last = min(keys), max(keys)
    versions = catalog.versions(objects, date.fromisoformat(first), date.fromisoformat(last))
    newest = {version.partition: version for version in versions}  # oldest first: the last one wins
    wanted = set(keys)
    return {key: version for key, version in newest.items() if key in wanted}
