"""``verify``: reads a version again, and compares it with its manifests."""

from typing import TYPE_CHECKING, Annotated

import typer

from mediatool_assets.cli import Json, echo, megabytes, note, print_json, print_table, working
from mediatool_assets.cli.launch import stores
from mediatool_assets.stores.environment import settings
from mediatool_assets.versions.command import VersionArgument, named

if TYPE_CHECKING:
    from mediatool_assets.core.authenticity import Verdict

_EXIT_CODES = {"passed": 0, "failed": 1, "not checked": 1, "unknown": 4}


def verify(
    version: VersionArgument,
    sample: Annotated[
        float | None,
        typer.Option(metavar="PERCENT", help="Read only this share, a different one each day."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="CHECKPOINT",
            help="Compare the chain of versions with this, from `mediatool keys checkpoint`.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Read a version's archives and databases again, and compare them with their manifests.

    Without --sample, every byte is read; with --sample 5, five percent, a different part each day,
    so that everything is read in 20 days. Damaged files are reported with the position of the
    damage, and the rest is still checked. If a server does not answer, its database is `unknown`
    (exit code 4). Parts that the sample does not read are `not checked`. With
    MEDIATOOL_TRUSTED_KEYS, a version that no trusted key has signed fails. The verdict is stored,
    and `mediatool show` prints it; a failed one counts until the whole version passes again.

    docs/explanation/is-it-right.md says which check to use when.

    Examples:

        mediatool verify latest
        mediatool verify 20250621-143000 --sample 5 --json
    """
    wanted = named(version)
    from mediatool_assets.core.authenticity import Checkpoint
    from mediatool_assets.stores.s3 import S3Objects
    from mediatool_assets.verify.flow import verify as read_again
    from mediatool_assets.versions.records import standing_verdict, store_verdict
    from mediatool_assets.work.scratch import workspace

    own = settings()
    objects = S3Objects.of(own)
    with (
        working(f"verifying {wanted}") as progress,
        workspace(own, progress) as work,
    ):
        verdict = read_again(
            stores(own),
            work,
            wanted,
            sample=sample,
            since=Checkpoint.parse(since) if since is not None else None,
        )
    if json:
        print_json(verdict)
    else:
        _print(verdict)
    store_verdict(objects, verdict)
    counts = standing_verdict(objects, wanted)
    if counts is not None and counts.at != verdict.at and counts.outcome == "failed":
        note(f"it failed at {counts.at[:19]}Z; that verdict stays until the whole version passes")
    raise typer.Exit(_EXIT_CODES[verdict.outcome])


def _print(verdict: "Verdict") -> None:
    print_table(
        ("PART", "OUTCOME", "READ", "OF", "SIZE", "WHERE"),
        [
            (c.part, c.outcome, c.checked, c.total, megabytes(c.bytes), c.thing)
            for c in verdict.checks
        ],
    )
    for check in verdict.checks:
        for finding in check.findings:
            echo(f"{check.part}: {finding}")
    if verdict.outcome == "not checked":
        echo("today's sample contains no part of this version; use a larger --sample")
    echo(f"authenticity: {verdict.authenticity}")
    echo(f"{verdict.version} {verdict.outcome}")
