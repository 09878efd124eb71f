"""Fixed-width records on local disk, grouped by their destination."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike, NDArray

Records = NDArray[np.void]


@dataclass(frozen=True, slots=True)
class SpillSlice:
    """The records of one spill for one destination."""

    path: Path
    first: int
    count: int


@dataclass(frozen=True, slots=True)
class Spill:
    """One file of records; those for destination ``i`` are between bounds ``i`` and ``i + 1``."""

    path: Path
    bounds: tuple[int, ...]

    @classmethod
    def write(
        cls, path: Path, records: Records, destination: NDArray[np.integer], destinations: int
    ) -> "Spill":
        """Sort the records by destination, keeping their order within each, and write them."""
        order = np.argsort(destination, kind="stable")
        records[order].tofile(path)
        bounds = np.searchsorted(destination[order], np.arange(destinations + 1))
        return cls(path, tuple(bounds.tolist()))

    def slice(self, destination: int) -> SpillSlice:
        """The records for one destination."""
        first, end = self.bounds[destination], self.bounds[destination + 1]
        return SpillSlice(self.path, first, end - first)


def slices(spills: Iterable[Spill], destination: int) -> tuple[SpillSlice, ...]:
    """The records for one destination, from several spills in order; empty slices are left out."""
    found = (spill.slice(destination) for spill in spills)
    return tuple(part for part in found if part.count)


def read(parts: Iterable[SpillSlice], dtype: DTypeLike) -> Records:
    """The records of slices, one after the other."""
    size = np.dtype(dtype).itemsize
    found = [np.fromfile(p.path, dtype, p.count, offset=p.first * size) for p in parts]
    return np.concatenate([np.empty(0, dtype), *found])
