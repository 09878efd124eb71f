"""Whether every ``_id`` of a collection stands once; found here, not by mongod half way."""

from collections.abc import Sequence
from pathlib import Path

import bson
import numpy as np

from mediatool_assets.archive.gzip_members import decompress
from mediatool_assets.archive.reader import split_documents
from mediatool_assets.archive.spool import Spooled
from mediatool_assets.domain.errors import BadValue
from mediatool_assets.domain.resolution import DocumentCollection
from mediatool_assets.flows.transform.documents import comparable, identity

_PASS_ROWS = 4_000_000  # 32 MB of hashes are sorted at once; more rows take more passes


def require_unique(
    collection: DocumentCollection, identities: Sequence[Path], spools: Sequence[Spooled]
) -> None:
    """Raise BadValue naming the first ``_id`` that two documents share.

    Hashes are compared first; where two are equal, the documents are read again.
    """
    suspects = _repeated(identities, sum(spool.rows for spool in spools))
    if not suspects:
        return
    seen: dict[int, list[bytes]] = {}
    for spool in spools:
        with spool.path.open("rb") as file:
            for length, _, _ in spool.blocks:
                for document in split_documents(decompress(file.read(length), str(spool.path))):
                    found = bson.decode(document)["_id"]
                    number = identity(found)
                    if number not in suspects:
                        continue
                    if comparable(found) in seen.setdefault(number, []):
                        raise BadValue(
                            collection.shape.table.name,
                            found,
                            ", ".join(collection.shape.key),
                            found,
                            f"is the _id of two documents of {collection.name}",
                        )
                    seen[number].append(comparable(found))


def _repeated(identities: Sequence[Path], rows: int) -> set[int]:
    """The hashes that occur more than once."""
    passes = rows // _PASS_ROWS + 1
    repeated: set[int] = set()
    for turn in range(passes):
        parts = [np.fromfile(path, dtype=np.uint64) for path in identities]
        mine = [part[part % np.uint64(passes) == turn] for part in parts] if passes > 1 else parts
        hashes = np.sort(np.concatenate([*mine, np.empty(0, np.uint64)]))
        repeated.update(int(number) for number in hashes[1:][hashes[1:] == hashes[:-1]])
    return repeated
