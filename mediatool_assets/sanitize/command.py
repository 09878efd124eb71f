"""``sanitize``: a copy of a version's raw archive with pseudonyms, and the proof beside it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mediatool_assets.cli import AllowUnsigned, Json, echo, note, print_facts, print_json, working
from mediatool_assets.core.errors import Misuse
from mediatool_assets.core.settings import Settings
from mediatool_assets.stores.environment import settings
from mediatool_assets.versions import arguments
from mediatool_assets.versions.arguments import is_uri, located, opened, settings_for, uri_parts

if TYPE_CHECKING:
    from mediatool_assets.archive.reader import Bytes
    from mediatool_assets.core.signing import MaskingKey
    from mediatool_assets.sanitize.flow import CopyStore


def sanitize(
    source: Annotated[
        str,
        typer.Option(
            "--input",
            metavar="X",
            help="A raw archive (file, s3:// URI) or a version.",
            autocompletion=arguments.versions,
        ),
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            metavar="Y",
            help="A file or s3:// URI; for a bucket alone, the usual key in it.",
        ),
    ] = None,
    rules: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The masking rules. Default: the shipped ones."),
    ] = None,
    unclassified: Annotated[
        Literal["stop", "redact"],
        typer.Option(help="What to do with a column that no rule covers."),
    ] = "stop",
    suggest: Annotated[
        bool, typer.Option("--suggest", help="Print proposed rules as YAML, and make no copy.")
    ] = False,
    detect: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Also search kept values: presidio, or presidio:MODEL for names too.",
        ),
    ] = "",
    allow_unsigned: AllowUnsigned = False,
    json: Json = False,
) -> None:
    """Make a copy without personal or confidential values, and prove that none is left.

    The same key gives the same pseudonyms every day: MEDIATOOL_MASKING_KEY (`openssl rand -hex 32`
    makes one), or else the one in MEDIATOOL_HOME, which the first call generates. A report as JSON
    and HTML is written with the archive, and with MEDIATOOL_SIGNING_KEY its signature. If an
    original value is found, nothing is published. docs/reference/sanitizing.md describes the rules.

    Examples:

        mediatool sanitize --input $(mediatool latest) --output s3://sanitized-copies
        mediatool sanitize --input 20250621-143000-raw.tar.gz --output for-tests.tar.gz
        mediatool sanitize --input 20250621-143000 --output copy.tar.gz --rules ours.yaml
        mediatool sanitize --input 20250621-143000 --suggest > ours.yaml
    """
    if suggest:
        if rules is not None or json:
            raise Misuse("--suggest writes rules as YAML; leave --rules and --json out")
        _suggest(
            opened(source, settings_for(source), allow_unsigned=allow_unsigned), output, detect
        )
        return
    if output is None:
        raise Misuse("--output is missing; name a file or an s3:// URI, or use --suggest")
    own = settings() if is_uri(output) else settings_for(source)
    masking_key = own.masking_key or _kept_key(own)
    from mediatool_assets.archive.reader import ArchiveReader
    from mediatool_assets.core.model_file import load_model
    from mediatool_assets.core.version import Version, archive_key
    from mediatool_assets.sanitize.flow import Sanitizing
    from mediatool_assets.sanitize.flow import sanitize as make
    from mediatool_assets.sanitize.rules_file import SHIPPED_RULES, detector, load_rules
    from mediatool_assets.stores.user_files import signing_key
    from mediatool_assets.work.scratch import workspace

    detector(detect)  # raises before anything is read if it is unknown or absent
    loaded = load_rules(rules or own.masking_rules or SHIPPED_RULES)
    how = Sanitizing(
        loaded,
        masking_key,
        load_model(own.model),
        unclassified == "redact",
        detect,
        signing_key(own),
    )
    archive = opened(source, own, allow_unsigned=allow_unsigned)
    place, key = _place(output, own)
    if not key:
        key = archive_key("sanitized", Version.parse(ArchiveReader(archive).manifest.version))
    with (
        working(f"sanitizing {source}") as progress,
        workspace(own, progress) as work,
    ):
        published = make(archive, place, key, work, how)
    if json:
        print_json(published.report)
        return
    proof = published.report.proof
    print_facts(
        {
            "archive": published.uri,
            "rows": sum(published.report.rows.values()),
            "values masked": sum(published.report.counts.values()),
            "originals searched for": proof.searched,
            "found": len(proof.leaks),
            "left out of the schema": len(published.report.ddl.left_out),
            "report": published.reports[1],
        }
    )
    for warning in published.report.warnings:
        echo(f"warning: {warning}")
    note(f"the same as JSON: {published.reports[0]}")


def _kept_key(own: Settings) -> "MaskingKey":
    """The key that is stored in the home; prints a note when it is created."""
    from mediatool_assets.stores.user_files import kept_key

    kept = kept_key(own.home)
    if kept.is_new:
        echo(
            f"MEDIATOOL_MASKING_KEY is not set: a new key is kept in {kept.path}, readable by you "
            "alone; later copies get the same pseudonyms as long as it is there",
            err=True,
        )
    return kept.key


def _suggest(source: "Bytes", output: str | None, detect: str) -> None:
    """Write rules for the archive's columns to stdout or a new file; needs no key."""
    from mediatool_assets.core.errors import AlreadyExists
    from mediatool_assets.sanitize.rules_file import detector, suggest

    found = suggest(source, detector(detect))
    if output is None:
        echo(found.text, nl=False)
    else:
        try:
            with Path(output).open("x", encoding="utf-8") as file:
                file.write(found.text)
        except FileExistsError as error:
            raise AlreadyExists(output, "move it, or name another output") from error
    note(f"{found.review} of {found.columns} columns are marked REVIEW and redacted")


def _place(given: str, own: Settings) -> tuple["CopyStore", str]:
    """The store and name of the output; an empty name means the default one."""
    from mediatool_assets.sanitize.flow import LocalFolder

    if is_uri(given):
        return located(*uri_parts(given), own)
    path = Path(given)
    if not path.name or path.is_dir():
        raise Misuse(f"--output {given!r} is a directory; name the archive in it")
    return LocalFolder(path.parent), path.name
