"""Checks that the database and its dump contain what was loaded."""

from mediatool_assets.domain import expectations
from mediatool_assets.domain.errors import NotFound
from mediatool_assets.domain.outcome import Figure, Finding
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.checks.unreadable import Findings, errors_as_finding, errors_as_findings
from mediatool_assets.flows.ports import DocumentStore, ObjectStore
from mediatool_assets.flows.versions import archives
from mediatool_assets.flows.versions.version_databases import loaded


@errors_as_findings
def database_as_loaded(
    objects: ObjectStore, version: Version, collections: list[str], documents: DocumentStore
) -> Findings:
    """Compare the transformed archive with the database's marker and with mongod's counts."""
    wanted = archives.reader(objects, "transformed", version).manifest.collection_fingerprints()
    database = documents.database_names.in_mongodb(version)
    marked = _marked(documents, version)
    return {
        name: expectations.equal_documents(
            name, wanted.get(name), marked.get(name), documents.count(database, name)
        )
        for name in collections
    }


@errors_as_finding("dump")
def dump_as_loaded(objects: ObjectStore, version: Version, documents: DocumentStore) -> Finding:
    """Compare every collection of the dump with what was loaded."""
    dumped = archives.reader(objects, "dump", version).manifest.collection_fingerprints()
    marked = _marked(documents, version)
    compared = [
        expectations.equal_documents(name, marked.get(name), dumped.get(name))
        for name in sorted(marked.keys() | dumped.keys())
    ]
    wrong = [finding.reason for finding in compared if finding.outcome != "passed"]
    figures: dict[str, Figure] = {
        "collections": len(marked),
        "documents": sum(int(str(f.figures["documents"] or 0)) for f in compared),
        "collections_that_differ": len(wrong),
    }
    if wrong:
        return Finding("failed", "; ".join(wrong), figures)
    return Finding("passed", f"{len(marked)} collections as loaded", figures)


def _marked(documents: DocumentStore, version: Version) -> dict[str, str | None]:
    database = loaded(documents, version)
    if database is None:
        name = documents.database_names.in_mongodb(version)
        raise NotFound(f"{name} is absent or half-loaded; load the version again")
    return {**database.fingerprints}
