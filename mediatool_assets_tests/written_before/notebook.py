"""The cells of a notebook that import the package: all names that the docs of d856f49 import."""

import mediatool_assets
from mediatool_assets import (
    DAYS,
    ArchiveHandle,
    Documents,
    LiveDatabase,
    LiveDocuments,
    MediatoolError,
    OpenVersion,
    PostgresToMongo,
    RestoredDatabase,
    TableRows,
    Version,
    Watch,
    open_version,
)

NAMES = (
    *(DAYS, ArchiveHandle, Documents, LiveDatabase, LiveDocuments, MediatoolError, OpenVersion),
    *(PostgresToMongo, RestoredDatabase, TableRows, Version, Watch, open_version),
)
PARSED = mediatool_assets.Version.parse("20250621-143000")
