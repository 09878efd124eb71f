"""``init``: writes the settings for your own servers, and the other files of a first version.

``settings``: every setting, its value, and where it is set.

``keys``: pairs of keys for signatures, and the chain of signed versions.
"""

import os
import shutil
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mediatool_assets.cli import Folder, Json, echo, note, print_json, print_table, working
from mediatool_assets.core.errors import MediatoolError, Misuse, Refused
from mediatool_assets.core.setting_values import NONE, Encryption, Targets, variable
from mediatool_assets.core.settings import DECLARED
from mediatool_assets.core.texts import DAGSTER_YAML, SHIPPED_MODEL, Url
from mediatool_assets.stores.environment import settings as environment_settings
from mediatool_assets.stores.environment import settings_and_problems
from mediatool_assets.stores.user_files import FILE_NAME

if TYPE_CHECKING:
    from mediatool_assets.core.settings import Settings
    from mediatool_assets.stores.s3 import S3Objects
    from mediatool_assets.versions.flow import ChainReport

SECRETS = "mediatool.secrets"
MODEL = "model.yaml"


def init(  # each an option of the command
    source: Annotated[str | None, typer.Option(metavar="URL", help="The source database.")] = None,
    schema: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The schema to export, or several, separated by commas."),
    ] = None,
    mongodb: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="The MongoDB server for the versions' databases; `none` for versions without.",
        ),
    ] = None,
    bucket: Annotated[str | None, typer.Option(metavar="NAME", help="The S3 bucket.")] = None,
    endpoint: Annotated[
        str | None, typer.Option(metavar="URL", help="The S3 server. Default: Amazon S3.")
    ] = None,
    sse: Annotated[
        Encryption | None,
        typer.Option(help="Server-side encryption; `none` if the server has none."),
    ] = None,
    restore: Annotated[
        str | None,
        typer.Option(metavar="URL", help="The PostgreSQL server that versions are restored to."),
    ] = None,
    create_bucket: Annotated[
        bool, typer.Option("--create-bucket", help="Create the bucket if it does not exist.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing files.")] = False,
) -> None:
    """Write `mediatool.toml` in this folder, Dagster's instance file and, if needed, a model.

    On a terminal, it asks for what the options do not give. A URL with a password is written to a
    file in `mediatool.secrets` that only you can read; `env:NAME` refers to the environment
    variable NAME instead. AWS's keys stay where AWS's own tools read them. If the database does not
    fit the shipped model, a model is written too, as by `mediatool model infer`.

    `mediatool --source NAME init` adds one of several sources: a section `[sources.NAME]`, and a
    model in `NAME.yaml`.

    Examples:

        mediatool init
        mediatool init --source env:SHOP_URL --schema public --mongodb mongodb://db1 --bucket shop
        mediatool init --source env:SHOP_URL --schema public --mongodb none --bucket shop
        mediatool --source shop init
    """
    ask = _Questions()
    values = {
        "postgres_url": ask.required("--source", source, "PostgreSQL URL of the source"),
        "postgres_schema": ask.optional(schema, "its schema", "public"),
        "mongodb_url": ask.required("--mongodb", mongodb, "MongoDB URL (none: no MongoDB)"),
        "s3_bucket": ask.required("--bucket", bucket, "S3 bucket"),
        "s3_endpoint_url": ask.optional(endpoint, "S3 endpoint (empty: Amazon)", ""),
        "s3_sse": sse or "",
        "restore_postgres_url": ask.optional(
            restore, "PostgreSQL URL to restore to (or empty)", ""
        ),
        "first_day": datetime.now(UTC).date().isoformat(),
    }
    ask.refuse()
    if values["mongodb_url"] == NONE:
        values["mongodb_url"] = ""
        values["targets"] = str(
            Targets(mongodb=False, postgres=bool(values["restore_postgres_url"]))
        )
    folder = Path.cwd()
    given = {name: value for name, value in values.items() if value}
    plan = _SetupFiles(folder, given, os.environ.get("MEDIATOOL_SOURCE", "").strip() or None)
    plan.refuse_what_is_there(force=force)
    plan.write()
    os.environ.pop("MEDIATOOL_MODEL", None)
    for name in plan.values:
        os.environ.pop(f"MEDIATOOL_{name.upper()}", None)  # so that the file's values are tested
    os.environ["MEDIATOOL_CONFIG"] = str(plan.file)
    config, problems = settings_and_problems()
    for problem in problems:
        echo(problem, err=True)
    if _infer_model(config, plan.model):
        plan.values["model"] = plan.model.name
        plan.write()
        os.environ["MEDIATOOL_MODEL"] = str(plan.model)
    for path in plan.written:
        echo(f"wrote    {path}")
    _offer_bucket(config, create=create_bucket)
    program = f"mediatool --source {plan.source}" if plan.source else "mediatool"
    echo(f"next: `{program} check`, then `{program} export`")


class _Questions:
    """Asks for the options that were not given; without a terminal, reports all missing ones."""

    def __init__(self) -> None:
        self.missing: list[str] = []

    def required(self, option: str, given: str | None, question: str) -> str:
        """The value; without a terminal it is recorded as missing."""
        if given:
            return given
        if not sys.stdin.isatty():
            self.missing.append(option)
            return ""
        return str(typer.prompt(question))

    def optional(self, given: str | None, question: str, otherwise: str) -> str:
        """The value, or the default."""
        if given is not None or not sys.stdin.isatty():
            return given if given is not None else otherwise
        return str(typer.prompt(question, default=otherwise))

    def refuse(self) -> None:
        """Raise Misuse if something is missing."""
        if self.missing:
            raise Misuse(
                f"{', '.join(self.missing)}: missing; add them, since there is no terminal to ask "
                "for their values"
            )


@dataclass(slots=True)
class _SetupFiles:
    """The files to write. ``values`` are settings by name, in order.

    With a ``source`` they are a section of the file; ``above`` is what the file had before.
    """

    folder: Path
    values: dict[str, str]
    source: str | None = None
    above: str | None = None
    written: dict[Path, None] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        return self.folder / FILE_NAME

    @property
    def model(self) -> Path:
        return self.folder / (f"{self.source}.yaml" if self.source else MODEL)

    @property
    def instance(self) -> Path:
        return self.folder / ".mediatool" / "dagster" / "dagster.yaml"

    def refuse_what_is_there(self, *, force: bool) -> None:
        """Raise Refused if a file would be overwritten, Misuse if a value is invalid."""
        if self.source and self.file.exists():
            self._refuse_section(self.source)
        files = (self.model,) if self.above else (self.file, self.model)
        there = [path for path in files if path.exists()]
        if there and not force:
            names = ", ".join(path.name for path in there)
            raise Refused(f"{names} exists, perhaps edited by hand; --force overwrites it")
        problems = []
        for name, value in self.values.items():
            try:
                if not value.startswith("env:"):
                    DECLARED[name].parse(value)
            except ValueError as error:
                problems.append(f"{name} {error}")
        if problems:
            raise Misuse("; ".join(problems))
        for path in there:
            path.unlink()

    def _refuse_section(self, source: str) -> None:
        """Keep what the file has; raise Refused if it has this source, or one without a name."""
        from mediatool_assets.stores.user_files import find_settings_file

        os.environ["MEDIATOOL_CONFIG"] = str(self.file)
        found = find_settings_file(os.environ)
        if found is None or source in found.sources:
            raise Refused(f"{self.file.name} has a section [sources.{source}]; edit it by hand")
        if "MEDIATOOL_POSTGRES_URL" in found.values:
            raise Refused(
                f"{self.file.name} has settings of a source without a name; move them to a section "
                'of their own first (docs/how-to/two-databases.md), with s3_prefix = "/"'
            )
        self.above = self.file.read_text("utf-8")

    def write(self) -> None:
        """Write all files; call it again after adding a value."""
        from mediatool_assets.stores.user_files import private_directory

        lines = {
            name: f"{name} = {self._toml(name, value)}\n" for name, value in self.values.items()
        }
        head = "# Settings of mediatool; `mediatool settings` shows them all. Variables win"
        head += " over what is above the sections.\n\n" if self.source else ".\n\n"
        end = '\n[dagster]\nhome = ".mediatool/dagster"\n'
        if self.source:
            first_day = lines.pop("first_day")
            above = head + first_day + end if self.above is None else self.above
            text = "\n".join([above, f"[sources.{self.source}]", "".join(lines.values())])
        else:
            text = head + "".join(lines.values()) + end
        self.file.write_text(text, "utf-8")
        private_directory(self.folder / ".mediatool")
        private_directory(self.instance.parent)
        if not self.instance.exists():
            shutil.copyfile(DAGSTER_YAML, self.instance)
            self.written[self.instance] = None
        self.written[self.file] = None
        if "model" in self.values:
            self.written[self.model] = None

    def _toml(self, name: str, value: str) -> str:
        """A value as TOML: text, date, or the location of a secret."""
        from json import dumps  # a text is the same in TOML and JSON

        if value.startswith("env:"):
            return f"{{ env = {dumps(value.removeprefix('env:'))} }}"
        parsed = DECLARED[name].parse(value)
        if name == "first_day":
            return value
        if not isinstance(parsed, Url) or str(parsed) == value:
            return dumps(value)
        from mediatool_assets.stores.user_files import private_directory, write_private

        own = f"{self.source}-{name}" if self.source else name
        path = private_directory(self.folder / SECRETS) / own
        write_private(path, value + "\n")
        self.written[path] = None
        return f'{{ file = "{SECRETS}/{own}" }}'


def _infer_model(config: "Settings", path: Path) -> bool:
    """Write a model if the default one is for another database; print why if that fails."""
    from mediatool_assets.core.model_file import load_model
    from mediatool_assets.stores.readiness import source_found

    found = source_found(config)
    if found.schema is None:
        reasons = "; ".join(r.says for r in found.readings if r.verdict == "wrong")
        echo(
            f"no model yet: {reasons}. Then: `mediatool model infer --output {path.name}`", err=True
        )
        return False
    if {table.name for table in found.schema.tables} & set(load_model(SHIPPED_MODEL).tables):
        return False
    from mediatool_assets.infer.command import infer

    try:
        infer(output=path, source=None, risks=None, sample=200_000, json=False)
    except MediatoolError as error:
        echo(f"no model yet: {error}", err=True)
        return False
    return True


def _offer_bucket(config: "Settings", *, create: bool) -> None:
    """Create the bucket if it is absent and the user agrees; an error is only printed."""
    from mediatool_assets.core.errors import BadSettings
    from mediatool_assets.core.version import METADATA_PREFIX
    from mediatool_assets.stores.s3 import S3Objects
    from mediatool_assets.stores.s3_bucket import S3Bucket

    try:
        next(S3Objects.of(config).list(METADATA_PREFIX), None)
        return
    except BadSettings:
        pass  # there is no such bucket
    except MediatoolError as error:
        echo(f"{error}", err=True)
        return
    question = f"there is no bucket {config.s3_bucket}; create it?"
    if not create and not (sys.stdin.isatty() and typer.confirm(question)):
        echo(f"there is no bucket {config.s3_bucket}: `mediatool bucket apply --create`", err=True)
        return
    try:
        S3Bucket.of(config).create(locked=config.s3_object_lock_days is not None)
    except MediatoolError as error:
        echo(f"{error}", err=True)
    else:
        echo(f"made     s3://{config.s3_bucket}")


def settings(json: Json = False) -> None:
    """Show every setting, its value and where it is set; secrets are masked.

    The environment overrides `mediatool.toml`. If neither sets a server, running local servers are
    used. If a setting is wrong, the message names it and the exit code is 2. With several sources
    and no `--source`, it shows what they share.

    Examples:

        mediatool settings
        mediatool settings --json
    """
    from mediatool_assets.core.settings import DECLARED
    from mediatool_assets.stores.environment import origins, shared_settings, sources

    found = origins()
    config = shared_settings()
    rows = [
        {
            "setting": name,
            "variable": variable(name),
            "value": _shown(getattr(config, name)),
            "origin": found.get(variable(name), "default"),
        }
        for name in DECLARED
    ]
    # variables of other programs; we do not know which of them are secrets
    rows += [
        {"setting": name.lower(), "variable": name, "value": "***", "origin": origin}
        for name, origin in sorted(found.items())
        if name.startswith(("AWS_", "DAGSTER_"))
    ]
    if json:
        print_json(rows)
        return
    print_table(
        ("SETTING", "VALUE", "FROM"),
        [(str(row["setting"]), row["value"] or "-", str(row["origin"])) for row in rows],
    )
    echo("each setting has a variable: MEDIATOOL_ and its name in capitals")
    for name in sources():
        echo(f"source {name} has settings of its own: `mediatool --source {name} settings`")


def _shown(value: object) -> str | None:
    """A value for display; the classes of secrets hide theirs."""
    from mediatool_assets.core.signing import MaskingKey, SigningKey

    match value:
        case None:
            return None
        case bool():
            return "yes" if value else "no"
        case MaskingKey() | SigningKey():
            return "***"
        case frozenset() | tuple():
            return ", ".join(str(each) or "/" for each in sorted(value, key=str)) or None
        case float():
            return f"{value:g}"
        case _:
            return str(value)


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

    from mediatool_assets.core.signing import SigningKey
    from mediatool_assets.stores.user_files import SIGNING_KEY, TRUSTED_KEYS, write_pair

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
    from mediatool_assets.alerts import messages
    from mediatool_assets.alerts.command import posted
    from mediatool_assets.versions.flow import newest

    found = newest(_objects())
    if output is not None:
        output.write_text(f"{found}\n")
    told, failed = (
        posted(environment_settings(), partial(messages.checkpoint, str(found)))
        if post
        else ({}, None)
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
    from mediatool_assets.core.authenticity import Checkpoint
    from mediatool_assets.core.errors import NotAuthentic
    from mediatool_assets.versions.flow import check

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

    return S3Objects.of(environment_settings())
