"""Settings of the databases that versions are copied and restored to."""

from dataclasses import dataclass
from typing import Annotated

from mediatool_assets.domain.ddl.kinds import object_names
from mediatool_assets.domain.keys import AS_DESCRIBED, DatabaseNames
from mediatool_assets.domain.settings import parsers
from mediatool_assets.domain.settings.parsers import Setting
from mediatool_assets.domain.targets import DEFAULT as DEFAULT_TARGETS
from mediatool_assets.domain.targets import Targets
from mediatool_assets.domain.urls import Url

HARMLESS_EXTENSIONS = frozenset({"bloom", "earthdistance", "postgis", "vector"})
"""Types, functions and indexes that reach no file, program or server, and are yet not trusted."""


@dataclass(frozen=True)
class TargetSettings:
    """The servers that hold databases of versions, and the names of these databases."""

    restore_postgres_url: Annotated[
        Url | None,
        Setting(
            parsers.secret_url("postgresql", "postgres"),
            "URL of the server that versions are restored to, with a role that has `CREATEDB` "
            "and `CREATEROLE` ([access.md](../how-to/access.md#postgresql-restores)). "
            "Its database is only used to connect.",
        ),
    ] = None
    restore_extensions: Annotated[
        frozenset[str],
        Setting(
            parsers.names,
            "Extensions that a restore may create although PostgreSQL does not mark them as "
            "trusted, separated by commas ([access.md](../how-to/access.md#postgresql-restores)).",
        ),
    ] = HARMLESS_EXTENSIONS
    restore_skip: Annotated[
        tuple[str, ...],
        Setting(
            object_names,
            "Objects that restores to PostgreSQL leave out, separated by semicolons, as messages "
            "name them: `VIEW totals; EXTENSION postgis`. The version's metadata records them "
            "([restoring](../how-to/restore.md)).",
            separator=";",
        ),
    ] = ()
    mongodb_url: Annotated[
        Url | None,
        Setting(
            parsers.secret_url("mongodb", "mongodb+srv"),
            "URL of the MongoDB server that holds the versions' databases.",
        ),
    ] = None
    targets: Annotated[
        Targets,
        Setting(
            Targets.parse,
            "The databases that every version is copied to, beside its archives on S3: `mongodb`, "
            "`postgres`, both separated by a comma, or `none` ([targets](../how-to/targets.md)).",
            otherwise="`mongodb`, and `postgres` if `MEDIATOOL_RESTORE_POSTGRES_URL` is set",
        ),
    ] = DEFAULT_TARGETS
    mongodb_prefix: Annotated[
        str,
        Setting(
            parsers.matching(r"[A-Za-z][A-Za-z0-9_-]{0,30}[_-]", "a name that ends in _ or -"),
            "What the names of MongoDB databases and dumps begin with. The version follows.",
            otherwise="`mediatool_`; `mediatool_NAME_` of a source with a name",
        ),
    ] = AS_DESCRIBED.mongodb
    postgres_prefix: Annotated[
        str,
        Setting(
            parsers.matching(r"[a-z][a-z0-9_-]{0,30}[_-]", "a name that ends in _ or -"),
            "What the names of restored PostgreSQL databases begin with. The version follows.",
            otherwise="`media_tool_`; `media_tool_NAME_` of a source with a name",
        ),
    ] = AS_DESCRIBED.postgres

    @property
    def database_names(self) -> DatabaseNames:
        """How the versions' databases are called."""
        return DatabaseNames(self.mongodb_prefix, self.postgres_prefix)
