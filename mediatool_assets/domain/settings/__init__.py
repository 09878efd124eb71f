"""Settings: each declared once, parsed from a mapping, with every problem reported at once.

Each module declares the settings of one subject, and what is derived from them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

from mediatool_assets.domain.errors import BadSettings
from mediatool_assets.domain.keys import AS_DESCRIBED, REGISTRY_NAME
from mediatool_assets.domain.settings.bucket import StorageSettings
from mediatool_assets.domain.settings.operations import OperationSettings
from mediatool_assets.domain.settings.parsers import Setting, variable
from mediatool_assets.domain.settings.source import SourceSettings
from mediatool_assets.domain.settings.targets import TargetSettings
from mediatool_assets.domain.settings.versions import VersionSettings
from mediatool_assets.domain.settings.workers import WorkerSettings
from mediatool_assets.domain.targets import Targets
from mediatool_assets.domain.urls import Url


@dataclass(frozen=True)
class Settings(
    # A dataclass takes the fields of its last base first.
    OperationSettings,
    WorkerSettings,
    VersionSettings,
    StorageSettings,
    TargetSettings,
    SourceSettings,
):
    """Everything that is set from outside, in the order of docs/reference/settings.md.

    A new setting is one more field of a base: parsing, the reference and the repr follow from it.
    ``str`` and ``repr`` show no secret.
    """

    @classmethod
    def parse(cls, environ: Mapping[str, str]) -> "Settings":
        """Read the ``MEDIATOOL_*`` variables; raises BadSettings with all problems together."""
        settings, problems = cls.read(environ)
        if problems:
            raise BadSettings(problems)
        return settings

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> tuple["Settings", list[str]]:
        """The settings, without the wrong ones, and the problems."""
        values: dict[str, object] = {}
        problems: list[str] = []
        for name, declared in DECLARED.items():
            text = environ.get(variable(name), "").strip()
            try:
                if text:
                    value = declared.parse(text)
                    if isinstance(value, Url):
                        value = replace(value, variable=variable(name))
                    values[name] = value
                elif declared.inherits in values:
                    values[name] = values[declared.inherits]
            except ValueError as error:
                problems.append(f"{variable(name)} {error}")
        values.setdefault("targets", Targets(postgres="restore_postgres_url" in values))
        if "source" in values:
            values = own_names(str(values["source"])) | values
        values.setdefault("s3_prefixes", (values.get("s3_prefix", ""),))
        settings = cls(**values)  # type: ignore[arg-type]  # each parser returns its field's type
        problems += [*settings.cluster_problems(), *settings.bucket_problems()]
        return settings, problems

    @property
    def local_registry(self) -> Path:
        """The local copy of the bucket's registry of versions."""
        folder = self.home / "sources" / self.source if self.source else self.home
        return folder / REGISTRY_NAME

    def required_url(self, name: str) -> Url:
        """The URL of this field; raises BadSettings where it is not set."""
        self.require(name)
        url: Url = getattr(self, name)
        return url

    def require(self, *names: str) -> None:
        """Raise BadSettings naming every one of these fields that is not set."""
        missing = [variable(n) for n in names if getattr(self, n) is None]
        if missing:
            raise BadSettings(
                [f"{name} is not set" for name in missing]
                + ["start the local servers with `mediatool up`, or set it"]
            )


def own_names(source: str) -> dict[str, object]:
    """The defaults of the settings that keep a source with a name apart from all others."""
    return {
        "s3_prefix": f"{source}/",
        "mongodb_prefix": f"{AS_DESCRIBED.mongodb}{source}_",
        "postgres_prefix": f"{AS_DESCRIBED.postgres}{source}_",
        "staging_database": f"{AS_DESCRIBED.mongodb}{source}_staging",
    }


DECLARED: Mapping[str, Setting] = {
    field.name: field.type.__metadata__[0]  # type: ignore[union-attr]  # all are Annotated
    for field in fields(Settings)
}
"""Every setting by the name of its field."""
