"""``prune``: applies retention; the plan is printed before it is executed."""

from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from mediatool_assets.cli import Json, echo, note, print_json, print_table, working
from mediatool_assets.stores.environment import settings

if TYPE_CHECKING:
    from mediatool_assets.core.settings import Settings
    from mediatool_assets.prune.flow import Pruned
    from mediatool_assets.prune.rules import Decision, Policy
    from mediatool_assets.stores.ports import Pruning

Count = Annotated[int | None, typer.Option(metavar="N", min=0)]
Days = Annotated[int | None, typer.Option(metavar="N", min=1)]


def prune(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan, and change nothing.")
    ] = False,
    keep_daily: Count = None,
    keep_weekly: Count = None,
    keep_monthly: Count = None,
    keep_yearly: Count = None,
    keep_testing_days: Days = None,
    keep_sanitized_days: Days = None,
    json: Json = False,
) -> None:
    """Drop the databases of old versions, test exports and sanitized copies, without a question.

    The plan is printed first: every keep and drop, with its reason. Of each server's databases, the
    newest of each of the last days, weeks, months and years is kept; the defaults are
    MEDIATOOL_KEEP_DAILY and similar settings. Never dropped: the last complete version, a pinned
    or promoted one, one under Object Lock. The lifecycle rules of the bucket delete the archives of
    daily versions. Exit code 1 if something could not be deleted.

    Examples:

        mediatool prune --dry-run
        mediatool prune --keep-daily 14 --keep-monthly 12
        mediatool prune --json
    """
    from mediatool_assets.prune.flow import carry_out, plan

    own = settings()
    policy = _policy(
        own,
        daily=keep_daily,
        weekly=keep_weekly,
        monthly=keep_monthly,
        yearly=keep_yearly,
        testing_days=keep_testing_days,
        sanitized_days=keep_sanitized_days,
    )
    stores = _stores(own)
    with working("listing databases, exports and copies"):
        decisions = plan(stores, policy, datetime.now(UTC))
    if not json:
        _print_plan(stores, decisions)
    done = None
    if not dry_run:
        with working("pruning") as progress:
            done = carry_out(stores, decisions, own.local_registry, progress)
    if json:
        print_json(
            {
                "policy": policy,
                "dry_run": dry_run,
                "plan": [_plain(each) for each in decisions],
                "done": done and {**asdict(done), "dropped": [d.name for d in done.dropped]},
            }
        )
    elif done is not None:
        _print_done(done)
    if done is not None and (done.failed or done.left):
        raise typer.Exit(1)


def _policy(own: "Settings", **given: int | None) -> "Policy":
    """The retention policy of the settings, overridden by the command line."""
    from mediatool_assets.prune.rules import Policy

    said = {name: value for name, value in given.items() if value is not None}
    return replace(Policy.of(own), **said)


def _stores(own: "Settings") -> "Pruning":
    """The bucket, and the database servers that are set."""
    from mediatool_assets.stores.environment import database_servers
    from mediatool_assets.stores.ports import Pruning
    from mediatool_assets.stores.s3 import S3Objects
    from mediatool_assets.stores.s3_bucket import S3Bucket, S3Deletion
    from mediatool_assets.stores.user_files import signing_key

    objects = S3Objects.of(own, allow_unsigned=True)
    deletion, bucket = S3Deletion(objects), S3Bucket.of(own)
    return Pruning(objects, deletion, database_servers(own), bucket, signing_key(own))


def _plain(decision: "Decision") -> dict[str, object]:
    return {**asdict(decision), "version": str(decision.version)}


def _print_plan(stores: "Pruning", decisions: "tuple[Decision, ...]") -> None:
    if decisions:
        print_table(
            ("", "KIND", "NAME", "REASON"),
            [("keep" if d.keep else "drop", d.kind, d.name, d.reason) for d in decisions],
        )
    else:
        note("no database, test export or sanitized copy")
    looked_at = {server.kind for server in stores.servers}
    for kind, variable in (
        ("mongodb", "MEDIATOOL_MONGODB_URL"),
        ("postgres", "MEDIATOOL_RESTORE_POSTGRES_URL"),
    ):
        if kind not in looked_at:
            echo(f"{kind} was not checked: {variable} is not set", err=True)


def _print_done(done: "Pruned") -> None:
    for name, reason in done.failed.items():
        echo(f"not dropped: {name}: {reason}", err=True)
    for thing in done.left:
        echo(f"not deleted: {thing}", err=True)
    if not (done.dropped or done.failed):
        echo("nothing to drop")
        return
    looked = "some of it still exists" if done.left else "none of it exists any more"
    echo(f"{len(done.dropped)} dropped, {len(done.failed)} could not be; checked: {looked}")
