"""Every way to damage an archive that a list of its parts gives, and what plain readers make of it.

Nothing here knows the product: archives are taken apart by ``zlib`` and ``json``, put together by
``gzip``, and judged by ``gzip`` and ``tarfile``.
"""

import gzip
import io
import json
import random
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

FOOTER = 42
"""Bytes of the last gzip member; docs/reference/archive-format.md."""

UNPROVEN = ("source", "warnings", "facts", "exclusions")
"""What a manifest says of where its rows came from: only a signature proves it."""


@dataclass(frozen=True)
class Damage:
    """An archive that is no longer the one that was written; ``name`` says how it was changed.

    ``claims`` is the key of the manifest of which a value is another, if only that was changed.
    """

    name: str
    data: bytes
    claims: str = ""


def parts(data: bytes) -> list[bytes]:
    """The gzip members of an archive, in order; together they are the archive."""
    found: list[bytes] = []
    while data:
        unpacking = zlib.decompressobj(wbits=31)
        unpacking.decompress(data)
        rest = unpacking.unused_data
        found.append(data[: len(data) - len(rest)])
        data = rest
    return found


def manifest_of(data: bytes) -> tuple[int, dict[str, Any]]:
    """Which of the parts the manifest is, and what it says."""
    offset, _ = struct.unpack_from("<QQ", data, len(data) - FOOTER + 16)
    place = 0
    for number, part in enumerate(parts(data)):
        if place == offset:
            return number, json.loads(gzip.decompress(part))
        place += len(part)
    raise AssertionError("the footer points to no part")


def joined(pieces: list[bytes], manifest: int) -> bytes:
    """The parts as one archive again; its footer points to that one."""
    offset = sum(map(len, pieces[:manifest]))
    footer = bytearray(pieces[-1])
    struct.pack_into("<QQ", footer, 16, offset, len(pieces[manifest]))
    return b"".join([*pieces[:-1], bytes(footer)])


def is_whole(data: bytes, original: bytes) -> bool:
    """Whether whoever unpacks it with gzip and tar gets what was written, and nothing else."""
    try:
        return gzip.decompress(data) == gzip.decompress(original) and _files(data) == _files(
            original
        )
    except (OSError, EOFError, zlib.error, tarfile.TarError):
        return False


def _files(data: bytes) -> list[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        found = [(info, archive.extractfile(info)) for info in archive]
        return [(info.name, file.read() if file else b"") for info, file in found]


def damages(data: bytes) -> Iterator[Damage]:
    """Cuts, flipped bits, parts that are gone, twice or in another order, foreign files, lies."""
    yield from _cuts(data)
    yield from _flips(data)
    yield from _moves(data)
    yield from _bombs(data)
    yield from _foreign_files(data)
    yield from _lies(data)


def _starts(data: bytes) -> list[int]:
    starts = [0]
    for part in parts(data):
        starts.append(starts[-1] + len(part))
    return starts


def _cuts(data: bytes) -> Iterator[Damage]:
    places = {start + step for start in _starts(data) for step in (-1, 0, 1)}
    chosen = random.Random(1).sample(range(len(data)), 20)  # places, not secrets
    for place in sorted({*places, *chosen}):
        if 0 <= place < len(data):
            yield Damage(f"cut at byte {place}", data[:place])


def _flips(data: bytes) -> Iterator[Damage]:
    starts = _starts(data)
    for start, end in pairwise(starts):
        places = {start, start + 3, start + 4, (start + end) // 2, end - 8, end - 1}
        for place in sorted(places):
            changed = bytearray(data)
            changed[place] ^= 1 << place % 8
            yield Damage(f"a bit of byte {place}", bytes(changed))


def _moves(data: bytes) -> Iterator[Damage]:
    pieces, (manifest, _) = parts(data), manifest_of(data)
    for number in range(len(pieces) - 1):
        gone = pieces[:number] + pieces[number + 1 :]
        if number != manifest:
            yield Damage(f"without part {number}", joined(gone, manifest - (number < manifest)))
        twice = [*pieces[: number + 1], *pieces[number:]]
        yield Damage(f"part {number} twice", joined(twice, manifest + (number < manifest)))
    for number in range(len(pieces) - 2):
        swapped = list(pieces)
        swapped[number : number + 2] = swapped[number + 1], swapped[number]
        places = {manifest: manifest, number: number + 1, number + 1: number}
        moved = places[manifest] if manifest in (number, number + 1) else manifest
        yield Damage(f"parts {number} and {number + 1} swapped", joined(swapped, moved))


def _bombs(data: bytes) -> Iterator[Damage]:
    pieces, (manifest, _) = parts(data), manifest_of(data)
    bomb = gzip.compress(bytes(1 << 26), mtime=0)
    for number in range(len(pieces) - 1):
        swollen = [*pieces[:number], bomb, *pieces[number + 1 :]]
        yield Damage(f"part {number} unpacks to 64 MiB", joined(swollen, manifest))


def _foreign_files(data: bytes) -> Iterator[Damage]:
    pieces, (manifest, said) = parts(data), manifest_of(data)
    folder = said["version"]
    kinds = {"file": tarfile.REGTYPE, "link": tarfile.SYMTYPE, "folder": tarfile.DIRTYPE}
    for kind, type_ in kinds.items():
        for name in ("../../.bashrc", f"{folder}/more.ndjson", f"{folder}/manifest.json"):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = type_, "/etc" if kind == "link" else ""
            content = b"x" * 512 if kind == "file" else b""
            info.size = len(content)
            entry = gzip.compress(info.tobuf() + content, mtime=0)
            for place, where in ((0, "first"), (manifest + 1, "behind the manifest")):
                with_it = [*pieces[:place], entry, *pieces[place:]]
                shifted = _shifted(with_it, manifest + (place <= manifest), len(entry), place == 0)
                yield Damage(f"a {kind} {name} {where}", shifted)


def _shifted(pieces: list[bytes], manifest: int, by: int, moved: bool) -> bytes:
    """Whoever adds a part in front knows to move what the manifest says of all others."""
    if moved:
        said = json.loads(gzip.decompress(pieces[manifest]))
        for member in said["members"]:
            for block in member["blocks"]:
                block[0] += by
        pieces = [*pieces[:manifest], _packed(said), *pieces[manifest + 1 :]]
    return joined(pieces, manifest)


def _lies(data: bytes) -> Iterator[Damage]:
    """Each value of the manifest is another, the rest of the archive fits to that."""
    pieces, (manifest, said) = parts(data), manifest_of(data)
    for path in _leaves(said):
        changed = deepcopy(said)
        holder = changed
        for step in path[:-1]:
            holder = holder[step]
        holder[path[-1]] = _other(holder[path[-1]])
        lying = with_manifest(pieces, manifest, changed)
        yield Damage(f"{'.'.join(map(str, path))} is another", lying, str(path[0]))
    for number, member in enumerate(said["members"]):
        gone = deepcopy(said)
        del gone["members"][number]
        yield Damage(f"{member['name']} is not named", with_manifest(pieces, manifest, gone))


def with_manifest(pieces: list[bytes], manifest: int, said: dict[str, Any]) -> bytes:
    """The archive with another manifest, whose tar header and padding fit."""
    content = json.dumps(said, separators=(",", ":")).encode()
    header = bytearray(gzip.decompress(pieces[manifest - 1]))
    info = tarfile.TarInfo.frombuf(bytes(header[-512:]), "utf-8", "surrogateescape")
    info.size = len(content)
    header[-512:] = info.tobuf(tarfile.USTAR_FORMAT)
    changed = list(pieces)
    changed[manifest - 1] = gzip.compress(bytes(header), mtime=0)
    changed[manifest] = gzip.compress(content, mtime=0)
    changed[manifest + 1] = gzip.compress(bytes(-len(content) % 512 + 1024), mtime=0)
    return joined(changed, manifest)


def _packed(said: dict[str, Any]) -> bytes:
    return gzip.compress(json.dumps(said, separators=(",", ":")).encode(), mtime=0)


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in pairs:
            yield from _leaves(inner, (*path, key))
    elif path:
        yield path


def _other(value: Any) -> Any:
    """Another value of the same type: the next number, a text of the same length."""
    changes: dict[type, Callable[[Any], Any]] = {
        bool: lambda v: not v,
        int: lambda v: v + 1,
        str: lambda v: v[:-1] + ("0" if v[-1:] != "0" else "1"),
    }
    return changes[type(value)](value) if type(value) in changes else "something"
