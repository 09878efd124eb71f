"""``annotate``, ``keep``, ``unkeep``, ``promote``, ``rollback``: marks of versions."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mediatool_assets.cli.output import Json, echo, print_json
from mediatool_assets.cli.versions import VersionArgument, named
from mediatool_assets.domain.version import Version
from mediatool_assets.stores.environment import account, settings

if TYPE_CHECKING:
    from mediatool_assets.domain.marks import Marks
    from mediatool_assets.stores.s3 import S3Objects


def annotate(
    version: VersionArgument,
    notes: Annotated[str, typer.Option(help="The new notes; empty to remove them.")],
    json: Json = False,
) -> None:
    """Replace the notes of a version.

    The metadata file does not change; `versions` and `show` print the new notes.

    Examples:

        mediatool annotate 20250621-143000 --notes "before the migration"
    """
    wanted = named(version)
    from mediatool_assets.flows.versions import marking

    objects, local = _bucket()
    marks = marking.annotate(objects, wanted, notes, local)
    _tell(wanted, marks, json, f"the notes of {wanted} are replaced")


def keep(version: VersionArgument, json: Json = False) -> None:
    """Pin a version: neither `prune` nor the bucket's rule for test exports deletes it.

    The other rules of the bucket still apply: its raw archive moves to colder storage, and is
    deleted after two years.

    Examples:

        mediatool keep 20250621-143000
        mediatool keep latest
    """
    wanted = named(version)
    from mediatool_assets.flows.versions import marking

    objects, local = _bucket()
    marks = marking.keep(objects, wanted, local, at=datetime.now(UTC), who=account())
    _tell(wanted, marks, json, f"{wanted} is pinned")


def unkeep(version: VersionArgument, json: Json = False) -> None:
    """Remove a version's pin; the next `prune` treats it as any other version.

    Examples:

        mediatool unkeep 20250621-143000
    """
    wanted = named(version)
    from mediatool_assets.flows.versions import marking

    objects, local = _bucket()
    marks = marking.unkeep(objects, wanted, local)
    _tell(wanted, marks, json, f"{wanted} is not pinned")


def promote(version: VersionArgument, json: Json = False) -> None:
    """Name the version that applications should use: they look it up in mongodb-versions.json.

    Its MongoDB database must exist and be complete. `prune` keeps it and the one before it.

    Examples:

        mediatool promote latest
        mediatool promote 20250621-143000 --json
    """
    wanted = named(version)
    from mediatool_assets.flows.versions import marking
    from mediatool_assets.stores.mongodb import MongoDocuments

    own = settings("mongodb_url")
    objects, local = _bucket()
    marks = marking.promote(
        objects, MongoDocuments.of(own), wanted, local, at=datetime.now(UTC), who=account()
    )
    _tell(wanted, marks, json, f"promoted: mediatool_{wanted} is the version for applications now")


def rollback(json: Json = False) -> None:
    """Return to the version that was promoted before; again, to the one before that.

    Its MongoDB database must exist and be complete.

    Examples:

        mediatool rollback
        mediatool rollback --json
    """
    from mediatool_assets.flows.versions import marking
    from mediatool_assets.stores.mongodb import MongoDocuments

    own = settings("mongodb_url")
    objects, local = _bucket()
    marks = marking.rollback(objects, MongoDocuments.of(own), local, at=datetime.now(UTC))
    promoted = Version.parse(marks.promoted or "")
    _tell(
        promoted,
        marks,
        json,
        f"promoted again: mediatool_{promoted} is the version for applications now",
    )


def _bucket() -> "tuple[S3Objects, Path]":
    """The bucket, and the path of the local copy of its registry."""
    from mediatool_assets.stores.s3 import S3Objects

    own = settings()
    return S3Objects.of(own, allow_unsigned=True), own.local_registry


def _tell(version: Version, marks: "Marks", json: bool, done: str) -> None:
    if json:
        print_json(
            {
                "version": str(version),
                "notes": marks.notes.get(str(version)),
                "pinned": str(version) in marks.pinned,
                "promoted": marks.promoted,
                "rollback_goes_to": marks.fallback,
            }
        )
    else:
        echo(done)
