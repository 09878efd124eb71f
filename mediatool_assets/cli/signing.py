"""``keys``: pairs of keys for signatures, and the chain of signed versions."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mediatool_assets.cli.output import Folder, Json, echo, note, print_json
from mediatool_assets.cli.progress import working
from mediatool_assets.stores.environment import settings

if TYPE_CHECKING:
    from mediatool_assets.flows.versions.chain import ChainReport
    from mediatool_assets.stores.s3 import S3Objects

app = typer.Typer(
    no_args_is_help=True, help="Make keys that sign versions; verify the chain of signed versions."
)

_BEFORE_FIRST = "there is no entry yet; set MEDIATOOL_SIGNING_KEY to sign versions"


@app.command()
def new(
    output: Folder = Path(),
    json: Json = False,
) -> None:
    """Make a pair of Ed25519 keys: signing.key, which is secret, and trusted.keys.

    Store neither in the bucket. The pipeline needs the first (MEDIATOOL_SIGNING_KEY); everybody who
    reads versions needs the second (MEDIATOOL_TRUSTED_KEYS).

    Examples:

        mediatool keys new --output /etc/mediatool
    """
    from secrets import token_bytes

    from mediatool_assets.domain.signing import SigningKey
    from mediatool_assets.stores.signing_keys import SIGNING_KEY, TRUSTED_KEYS, write_pair

    public = write_pair(output, SigningKey(token_bytes(32)))
    secret, trusted = output / SIGNING_KEY, output / TRUSTED_KEYS
    if json:
        files = {"signing_key": str(secret), "trusted_keys": str(trusted)}
        print_json({"id": public.id, "public_key": str(public), **files})
        return
    echo(str(public))
    note(f"key {public.id} is in {secret}, which signs, and {trusted}, which verifies")


@app.command()
def checkpoint(
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", dir_okay=False, help="Also write it to this file."),
    ] = None,
    post: Annotated[
        bool, typer.Option("--post", help="Also post it to the channels of `mediatool alert`.")
    ] = False,
    json: Json = False,
) -> None:
    """Print the end of the chain of versions, to be kept where the bucket's owner cannot write.

    Whoever controls the bucket can cut off the end of the chain, but cannot make it agree with a
    checkpoint that was kept elsewhere.

    Examples:

        mediatool keys checkpoint --output checkpoint.txt
        mediatool keys checkpoint --post
        mediatool keys chain --since "$(cat checkpoint.txt)"
    """
    from mediatool_assets.cli.alerting import posted
    from mediatool_assets.domain import alerts
    from mediatool_assets.flows.versions.chain import newest

    found = newest(_objects())
    if output is not None:
        output.write_text(f"{found}\n")
    told, failed = (
        posted(settings(), partial(alerts.checkpoint, str(found))) if post else ({}, None)
    )
    if json:
        facts = {"checkpoint": str(found), "number": found.number, "digest": found.digest}
        print_json({**facts, "posted": told})
    else:
        echo(str(found))
    for name, what in told.items():
        note(f"{name}: {what}")
    if not found.number:
        note(_BEFORE_FIRST)
    if failed is not None:
        raise failed


@app.command()
def chain(
    since: Annotated[
        str | None, typer.Option(metavar="CHECKPOINT", help="Compare the chain with this.")
    ] = None,
    json: Json = False,
) -> None:
    """Verify the chain of versions: report metadata that was replaced, removed or inserted.

    Sends two small requests for each version and reads no archive. Exit code 3 if there are
    findings.

    Examples:

        mediatool keys chain
        mediatool keys chain --since "$(cat checkpoint.txt)"
    """
    from mediatool_assets.domain.chain import Checkpoint
    from mediatool_assets.domain.errors import NotAuthentic
    from mediatool_assets.flows.versions.chain import check

    wanted = Checkpoint.parse(since) if since is not None else None
    objects = _objects()
    with working("reading the chain of versions"):
        found = check(objects, wanted)
    if json:
        print_json({"checkpoint": str(found.newest), **_plain(found)})
    else:
        for finding in found.findings:
            echo(finding)
        echo(
            f"{found.newest.number} entries: {found.versions} versions, {found.deleted} deleted; "
            f"{found.unsigned} older, unsigned versions"
        )
    if not objects.signature_policy.keys:
        note("MEDIATOOL_TRUSTED_KEYS is not set: no signature was compared")
    if found.findings:
        raise NotAuthentic(
            f"{len(found.findings)} findings in the chain of versions; docs/how-to/signatures.md "
            "says what each means"
        )


def _plain(found: "ChainReport") -> dict[str, object]:
    return {
        "versions": found.versions,
        "deleted": found.deleted,
        "unsigned": found.unsigned,
        "findings": found.findings,
    }


def _objects() -> "S3Objects":
    from mediatool_assets.stores.s3 import S3Objects

    return S3Objects.of(settings())
