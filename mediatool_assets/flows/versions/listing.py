"""A list of versions: the registry's entries with rows, sizes and verdicts."""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import msgspec

from mediatool_assets.domain.errors import DamagedInput, NotFound
from mediatool_assets.domain.registry import RegistryEntry
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.ports import ObjectStore
from mediatool_assets.flows.versions import catalog
from mediatool_assets.flows.versions.verdicts import standing_of, verdict_keys

_LOG = logging.getLogger(__name__)

_AT_ONCE = 16  # parallel requests: two per version, of about 50 ms each


class Listed(RegistryEntry, frozen=True, omit_defaults=False):
    """An entry, with the rows of its raw archive and the bytes of its archives.

    They are None if the metadata file cannot be read. ``verdict`` is the standing one and
    ``verified`` its time, both None if there is none. ``sample`` is the percentage of the version
    that was read, None if everything was.
    """

    rows: int | None = None
    size_bytes: int | None = None
    verdict: str | None = None
    verified: str | None = None
    sample: float | None = None


def listed(objects: ObjectStore, entries: Sequence[RegistryEntry]) -> list[Listed]:
    """Complete these entries, in their order: two small requests each, in parallel."""
    judged = verdict_keys(objects, [Version.parse(entry.version) for entry in entries])
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="listing") as threads:
        return list(threads.map(partial(_listed, objects, judged), entries))


def _listed(
    objects: ObjectStore, judged: Mapping[Version, Sequence[str]], entry: RegistryEntry
) -> Listed:
    version = Version.parse(entry.version)
    rows = size = None
    try:
        exports = catalog.read(objects, version).exports
        rows, size = exports.raw.record_count, exports.size_bytes
    except NotFound:
        pass  # it was deleted meanwhile
    except DamagedInput as error:
        _LOG.warning("%s", error)  # listed as unknown: a list has to name every version
    verdict = standing_of(objects, judged.get(version, ()))
    return Listed(
        **msgspec.structs.asdict(entry),
        rows=rows,
        size_bytes=size,
        verdict=verdict.outcome if verdict else None,
        verified=verdict.at if verdict else None,
        sample=verdict.sample if verdict else None,
    )
