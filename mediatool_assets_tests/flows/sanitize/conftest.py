"""An archive of a few tables with rules for them, and a bench that sanitizes it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from mediatool_assets.archive.reader import ArchiveReader, LocalFile, split_lines
from mediatool_assets.core.model_file import load_model
from mediatool_assets.core.schema import Table
from mediatool_assets.core.signing import MaskingKey
from mediatool_assets.core.version import Version, archive_key
from mediatool_assets.sanitize.flow import LocalFolder, Published, Sanitizing, sanitize
from mediatool_assets.sanitize.rules_file import load_rules
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.raw_archives import VERSION, raw_archive, table
from mediatool_assets_tests.twins import DirectoryObjects

SECRET = bytes(i * 37 % 256 for i in range(32))
KEY = MaskingKey(SECRET)
NEXT_DAY = Version.parse("20250622-143000")

USERS = table("users", id="uuid", crm_id="text", name="text", email="text")
HISTORY = table("users_history", ("id", "version"), id="uuid", version="integer", data="jsonb")
CAMPAIGNS = table(
    "campaigns", id="text", number="text", owner="text", traders="uuid[]", note="text"
)
BUYS = table("buys", id="integer", numbers="text[]", spend="numeric")

RULES = """
kinds:
  user: uuid
  crm: number
  person: person
  email: email
  number: {format: number, prefix: CN-}
quasi_identifiers:
  buys: [spend]
tables:
  users: {id: pseudonym user, crm_id: pseudonym crm, name: pseudonym person, email: pseudonym email}
  users_history:
    id: pseudonym user
    version: keep
    data:
      json:
        name: pseudonym person
        contact.email: pseudonym email
        numbers[]: pseudonym number
        long: pseudonym crm
        dropped: drop
        gone: redact
        cut: generalize first 3
        remark: keep
  campaigns:
    id: pseudonym crm
    number: pseudonym number
    owner: pseudonym crm
    traders: pseudonym user
    note: redact
  buys: {id: keep, numbers: pseudonym number, spend: noise 20}
"""

MODEL = """
tables: {users: [id], users_history: [id, version], campaigns: [id], buys: [id]}
one_to_one: [users, users_history]
collections:
  campaigns:
    root: campaigns
    add:
      owner: {look_up: owner -> users.crm_id, take: [name]}
      traders: {look_up: "traders[] -> users.id", take: [name]}
  buys:
    root: buys
    add:
      campaigns: {look_up: "numbers[] -> campaigns.number", take: id}
"""


def uuid_of(n: int) -> str:
    """The n-th user's id."""
    return f"5bf32b6b-8449-4d0c-8556-{n:012x}"


def user(n: int) -> dict[str, Any]:
    """The n-th user."""
    return {
        "id": uuid_of(n),
        "crm_id": str(4876123456789012345 + n),
        "name": f"Ada Ashgrove{n}",
        "email": f"ada.{n}@example.com",
    }


def history(n: int, **more: Any) -> dict[str, Any]:
    """A version of the n-th user."""
    data = {"name": f"Ada Ashgrove{n}", "contact": {"email": f"ada.{n}@example.com"}, **more}
    return {"id": uuid_of(n), "version": 1, "data": data}


TABLES: Mapping[Table, Sequence[Mapping[str, Any]]] = {
    USERS: [user(n) for n in range(30)],
    HISTORY: [history(n, numbers=[f"CN-{100 + n}"]) for n in range(30)],
    CAMPAIGNS: [
        {
            "id": str(1876123456789012345 + n),
            "number": f"CN-{100 + n}",
            "owner": user(n + 5)["crm_id"],
            "traders": [uuid_of(n), None, uuid_of(n + 20)],
            "note": "Talk to Ada — 私は",
        }
        for n in range(20)
    ],
    BUYS: [
        {"id": n, "numbers": [f"CN-{100 + n}", f"CN-{115 + n}"], "spend": f"{n}.50"}
        for n in range(10)
    ],
}


@dataclass(frozen=True)
class Bench:
    """A bucket, a folder to publish into, and a pool."""

    objects: DirectoryObjects
    folder: Path
    pool: Workspace
    scratch: Path

    def run(
        self,
        tables: Mapping[Table, Sequence[Mapping[str, Any] | bytes]] = TABLES,
        *,
        rules: str = RULES,
        version: Version = VERSION,
        **options: Any,
    ) -> Published:
        """Sanitize an archive of these tables into ``out.tar.gz``."""
        raw_archive(self.objects, tables, version=version)
        return self.again(rules=rules, version=version, **options)

    def again(
        self,
        *,
        rules: str = RULES,
        version: Version = VERSION,
        key: MaskingKey = KEY,
        **options: Any,
    ) -> Published:
        """Sanitize the archive that is there."""
        file, model = self.scratch / "rules.yaml", self.scratch / "model.yaml"
        file.write_text(rules, "utf-8")
        model.write_text(MODEL, "utf-8")
        return sanitize(
            self.objects.open(archive_key("raw", version)),
            LocalFolder(self.folder),
            options.pop("name", "out.tar.gz"),
            replace(self.pool, scratch=self.scratch),
            Sanitizing(load_rules(file), key, model=load_model(model), **options),
        )

    def rows(self, table: str, name: str = "out.tar.gz") -> list[dict[str, Any]]:
        """The rows of a table as they came out."""
        archive = ArchiveReader(LocalFile(self.folder / name))
        member = archive.manifest.tables()[table]
        archive.verify(member)
        return [
            json.loads(line)
            for content in archive.blocks(member.blocks)
            for line in split_lines(content)
        ]

    @property
    def left(self) -> list[str]:
        """What there is in the folder, and in the scratch directory beside rules and model."""
        found = sorted(self.folder.iterdir()) if self.folder.exists() else []
        scratch = [p for p in self.scratch.iterdir() if p.suffix != ".yaml"]
        return [path.name for path in [*found, *scratch]]


@pytest.fixture
def bench(tmp_path: Path, pool: Workspace) -> Bench:
    """A bench of its own for each test."""
    (tmp_path / "scratch").mkdir()
    return Bench(
        DirectoryObjects(tmp_path / "bucket"), tmp_path / "out", pool, tmp_path / "scratch"
    )
