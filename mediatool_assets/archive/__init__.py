"""The layout of an archive, which is checked before the archive is used.

``check_index`` reads only the manifest. ``check_gaps`` reads the bytes between the rows: the
headers that tar uses must agree with the manifest for each file, and contain nothing else.

Gzip as a sequence of members: each can be read alone, and gunzip reads them as one file.

The last member is empty. Its header's extra field contains the position of the manifest, which
readers find with one range request for the end of the archive. (The idea is eStargz's footer.)
"""

import io
import re
import struct
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from isal import igzip_lib, isal_zlib

from mediatool_assets.core.errors import BadArchive
from mediatool_assets.core.manifest import FORMAT_1, Block, Manifest, Member, digest_of
from mediatool_assets.core.version import Version

LEVEL = 2  # ISA-L's best ratio within 10 % of its fastest: about 550 MB/s a core on JSON

_FOOTER_HEADER = b"\x1f\x8b\x08\x04\x00\x00\x00\x00\x00\xff" + struct.pack("<H2sH", 20, b"MT", 16)
_FOOTER_END = b"\x03\x00" + bytes(8)  # an empty deflate stream, CRC-32 and length of nothing
FOOTER_BYTES = len(_FOOTER_HEADER) + 16 + len(_FOOTER_END)


def compress(data: bytes) -> bytes:
    """One gzip member with no name and no time: equal data gives equal bytes.

    isal's one-shot functions gave other bytes in some threads.
    """
    packing = isal_zlib.compressobj(LEVEL, wbits=31)
    return bytes(packing.compress(data) + packing.flush())


def decompress(member: bytes, where: str, limit: int) -> bytes:
    """The content of one whole member, its CRC-32 checked; raises BadArchive naming ``where``.

    A block unpacks to at most ``limit`` bytes: a larger one is refused before it is unpacked
    further.
    """
    content, rest = _member(member, where, limit)
    if rest:
        raise BadArchive(where, f"{len(rest)} bytes follow a gzip block")
    return content


def decompress_all(members: bytes, where: str, limit: int) -> bytes:
    """The content of consecutive members, at most ``limit`` bytes."""
    content = b""
    while members:
        more, members = _member(members, where, limit - len(content))
        content += more
    return content


def _member(data: bytes, where: str, limit: int) -> tuple[bytes, bytes]:
    """The content of the first member, and what follows it."""
    unpacking = isal_zlib.decompressobj(wbits=31)
    try:
        content = bytes(unpacking.decompress(data, limit + 1))
    except igzip_lib.IsalError as error:  # type: ignore[misc]  # its stub declares no class
        raise BadArchive(where, f"not a whole gzip block ({error})") from error
    if len(content) > limit:
        raise BadArchive(where, f"a gzip block holds more than the {limit} bytes that it may")
    if not unpacking.eof:
        raise BadArchive(where, "not a whole gzip block (cut short)")
    return content, bytes(unpacking.unused_data)


def footer(offset: int, length: int) -> bytes:
    """The last member: where the manifest's own member starts, and its compressed length."""
    return _FOOTER_HEADER + struct.pack("<QQ", offset, length) + _FOOTER_END


def parse_footer(tail: bytes, where: str) -> tuple[int, int]:
    """Offset and length of the manifest, from the archive's last bytes; raises BadArchive."""
    last = tail[-FOOTER_BYTES:]
    if not (
        len(last) == FOOTER_BYTES and last.startswith(_FOOTER_HEADER) and last.endswith(_FOOTER_END)
    ):
        raise BadArchive(where, "no footer: not a mediatool archive, or cut short")
    offset, length = struct.unpack_from("<QQ", last, len(_FOOTER_HEADER))
    return offset, length


MANIFEST = "manifest.json"
LARGEST_MANIFEST = 1 << 27
"""The largest manifest, uncompressed: that of some 2.5 TB of rows."""
LARGEST_BLOCK = (1 << 30) + (1 << 22)
"""The largest row has PostgreSQL's largest value, 1 GiB; a block has 2 MiB and one row."""
LARGEST_FILE = 1 << 26
"""The largest file that is read as a whole, such as ``schema.sql``."""

_LONGEST_NAME = 1024
_HEADER_BYTES = 1 << 14  # tar's, with its extended one for a long name
_TIGHTEST = 1032  # deflate's highest ratio of uncompressed to compressed bytes
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class LocatedManifest:
    """An archive's manifest, its digest, the position of its gzip block, its uncompressed size."""

    manifest: Manifest
    digest: str
    offset: int
    length: int
    bytes: int


def check_index(index: LocatedManifest, where: str) -> None:
    """Raise BadArchive naming an impossible name, count, size or position in the manifest."""
    manifest = index.manifest
    if Version.of_name(manifest.version, "") is None:
        raise BadArchive(where, f"{manifest.version[:40]!r} is not a version")
    names: set[str] = set()
    rows_of: set[tuple[str, str]] = set()
    position = 0
    for member in manifest.members:
        name = member.name
        if not _is_safe(name) or name == MANIFEST:
            raise BadArchive(where, f"{name[:80]!r} is not a valid name of a file in an archive")
        if name in names:
            raise BadArchive(where, f"{name} is listed twice")
        names.add(name)
        content = ("table", member.table), ("collection", member.collection)
        held = [(kind, of) for kind, of in content if of is not None]
        if any(len(of) > _LONGEST_NAME for _, of in held):
            raise BadArchive(where, f"{name} has rows of {held[0][1][:40]}..., which is no name")
        if len(held) > 1 or rows_of & set(held):
            raise BadArchive(where, f"{name} has the rows of a table that another file has too")
        rows_of |= set(held)
        problem = _problem(member, position, index.offset) or _undigested(member, manifest.format)
        if problem is not None:
            raise BadArchive(where, f"{name} {problem}")
        position = _end(member.blocks, position)


def _is_safe(name: str) -> bool:
    """Whether tar would write the file inside the version's folder, on any system."""
    return (
        0 < len(name) <= _LONGEST_NAME
        and name.isprintable()
        and "\\" not in name
        and name[1:2] != ":"
        and all(part not in ("", ".", "..") for part in name.split("/"))
    )


def _undigested(member: Member, format_: str) -> str | None:
    """The digest that a member lacks, or digests that do not agree; None if it is right."""
    if format_ == FORMAT_1:
        return None if _HASH.fullmatch(member.sha256) else "has no SHA-256"
    if not all(_HASH.fullmatch(block.digest) for block in member.blocks):
        return "has a block without a digest"
    if member.digest != digest_of(member.blocks):
        return "has a digest that does not match its blocks"
    return None


def _problem(member: Member, position: int, limit: int) -> str | None:
    """The problem of a member's counts or blocks, which lie from ``position`` to ``limit``."""
    blocks = member.blocks
    has_rows = member.table is not None or member.collection is not None
    if has_rows != (member.fingerprint is not None):
        return "has no fingerprint of its rows, or has one without rows"
    if min([member.rows, member.bytes, *(n for block in blocks for n in block[:4])]) < 0:
        return "has a negative count"
    if (sum(b.rows for b in blocks), sum(b.bytes for b in blocks)) != (member.rows, member.bytes):
        return f"has blocks that do not add up to its {member.rows} rows and {member.bytes} bytes"
    return _odd_block(blocks, position, limit, LARGEST_BLOCK if has_rows else LARGEST_FILE)


def _odd_block(blocks: tuple[Block, ...], position: int, limit: int, largest: int) -> str | None:
    """The problem of the first impossible block; blocks follow each other without gaps."""
    start = blocks[0].offset if blocks else position
    for block in blocks:
        if block.offset < position or block.offset != start or block.offset + block.length > limit:
            return f"has a block at the impossible offset {block.offset}"
        if block.bytes > min(largest, block.length * _TIGHTEST):
            return f"claims {block.bytes} bytes in {block.length} compressed bytes"
        if block.rows > block.bytes:
            return f"claims {block.rows} rows in {block.bytes} bytes"
        start = block.offset + block.length
    return None


def _end(blocks: tuple[Block, ...], otherwise: int) -> int:
    return blocks[-1].offset + blocks[-1].length if blocks else otherwise


def check_gaps(
    index: LocatedManifest, size: int, read: Callable[[int, int], bytes], where: str
) -> None:
    """Raise BadArchive unless tar finds exactly the manifest's files, with the manifest's sizes.

    So there are no links, devices or folders, no file that the manifest does not name, and none
    outside of the version's folder. ``size`` is the archive's; ``read(start, length)`` reads a
    range of it.
    """
    for start, end, before, members in _gaps(index):
        largest = tarfile.BLOCKSIZE + _HEADER_BYTES * len(members)
        if end - start > largest:
            raise BadArchive(where, f"has {end - start} bytes at {start} that belong to no file")
        content = decompress_all(read(start, end - start), where, largest)
        if content[:before].strip(b"\0") or len(content) < before:
            raise BadArchive(where, f"has bytes at {start} that belong to no file")
        _check_headers(content[before:], index.manifest.version, members, where)
    start = index.offset + index.length
    last = -index.bytes % tarfile.BLOCKSIZE + 2 * tarfile.BLOCKSIZE
    end = size - FOOTER_BYTES
    if end - start > last or decompress_all(read(start, end - start), where, last) != bytes(last):
        raise BadArchive(where, "has bytes after its manifest that are not the end of a tar file")


def small_ranges(index: LocatedManifest, size: int) -> list[tuple[int, int]]:
    """``(start, end)`` of what ``check_gaps`` reads, and of the small files between the rows.

    Ranges with few bytes between them are one range. A gap that is too long for one is left out:
    ``check_gaps`` reads or refuses it by itself.
    """
    gaps = [(start, end) for start, end, _, _ in _gaps(index)]
    gaps.append((index.offset + index.length, size - FOOTER_BYTES))
    ranges: list[tuple[int, int]] = []
    for start, end in gaps:
        if ranges and start - ranges[-1][1] <= _NEAR and end - ranges[-1][0] <= _LONGEST_RANGE:
            ranges[-1] = (ranges[-1][0], end)
        elif end - start <= _LONGEST_RANGE:
            ranges.append((start, end))
    return ranges


_NEAR = 1 << 14  # bytes that take less time than another request
_LONGEST_RANGE = 1 << 20
_Expected = list[tuple[str, int]]


def _gaps(index: LocatedManifest) -> Iterator[tuple[int, int, int, _Expected]]:
    """``(start, end, padding, files)``: the bytes between blocks, and the files they begin."""
    position = padding = 0
    waiting: _Expected = []
    for member in index.manifest.members:
        waiting.append((member.name, member.bytes))
        if member.blocks:
            yield position, member.blocks[0].offset, padding, waiting
            position, waiting = _end(member.blocks, position), []
            padding = -member.bytes % tarfile.BLOCKSIZE
    yield position, index.offset, padding, [*waiting, (MANIFEST, index.bytes)]


def _check_headers(data: bytes, version: str, members: _Expected, where: str) -> None:
    """Check that headers follow each other without gaps; all files except the last are empty."""
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
            for name, size in members:
                found = tar.next()
                if found is None:
                    raise BadArchive(where, f"tar does not find its {name}")
                if not found.isreg() or found.issparse():
                    raise BadArchive(where, f"tar finds a link or device for its {name}")
                if found.name != f"{version}/{name}" or found.size != size:
                    raise BadArchive(
                        where,
                        f"tar finds {found.name[:80]!r} of {found.size} bytes for its "
                        f"{name} of {size}",
                    )
                end = found.offset_data
    except (tarfile.TarError, ValueError) as error:
        raise BadArchive(where, f"its tar headers cannot be read ({error})") from error
    if end != len(data):
        raise BadArchive(
            where, f"has more bytes between its files than the header of {members[-1][0]}"
        )
