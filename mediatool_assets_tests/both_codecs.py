"""A transform by the compiled codec and by Python, whose archives have to have the same bytes."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mediatool_assets.archive.reader import ArchiveReader, LocalFile
from mediatool_assets.core.errors import MediatoolError
from mediatool_assets.core.model import Model
from mediatool_assets.core.version import Version, archive_key
from mediatool_assets.native import codec
from mediatool_assets.transform.flow import transform
from mediatool_assets.versions.catalog import StoredArchive
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.twins import DirectoryObjects


def transform_by_both(
    objects: DirectoryObjects, workspace: Workspace, version: Version, model: Model, **options: Any
) -> StoredArchive:
    """The transform, after one by Python of the same raw archive has given the same bytes.

    What is refused is refused by both with the same words. An archive that is there already is
    made by neither; where the codec is switched off, Python's is all there is.
    """
    is_there = objects.head(archive_key("transformed", version)) is not None
    if is_there or codec() == "python":
        return transform(objects, workspace, version, model, **options)
    expected = _by_python(objects, version, model, **options)
    try:
        made = transform(objects, workspace, version, model, **options)
    except MediatoolError as error:
        assert (type(error), str(error)) == expected
        raise
    content = _content(objects, version)
    assert isinstance(expected, bytes)
    assert content == expected, _difference(content, expected)
    return made


def _difference(content: bytes, expected: bytes) -> str:
    """Where two archives are different."""
    with tempfile.TemporaryDirectory() as folder:
        readers = []
        for name, data in (("native", content), ("python", expected)):
            path = Path(folder, name)
            path.write_bytes(data)
            readers.append(ArchiveReader(LocalFile(path)))
        ours, theirs = (reader.manifest for reader in readers)
        members = [
            f"{one.name}: {one} and {other}"
            for one, other in zip(ours.members, theirs.members, strict=True)
            if one != other
        ]
        return "\n".join(
            [*members, f"{ours.warnings} {ours.facts}", f"{theirs.warnings} {theirs.facts}"]
        )


def _by_python(
    objects: DirectoryObjects, version: Version, model: Model, **options: Any
) -> bytes | tuple[type[MediatoolError], str]:
    """The archive that Python makes, or its refusal."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDIATOOL_NATIVE", "no")
        own = DirectoryObjects(Path(folder, "bucket"))
        key = archive_key("raw", version)
        with own.create(key) as sink:
            sink.write(objects.get(key)[0])
        Path(folder, "scratch").mkdir()
        with ThreadPoolExecutor(2) as threads:
            workspace = Workspace(threads, Path(folder, "scratch"))
            try:
                transform(own, workspace, version, model, **options)
            except MediatoolError as error:
                return type(error), str(error)
        return _content(own, version)


def _content(objects: DirectoryObjects, version: Version) -> bytes:
    return objects.get(archive_key("transformed", version))[0]
