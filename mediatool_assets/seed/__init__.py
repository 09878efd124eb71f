"""The demo source: a media-tool database in the shape of the one this was built for."""

from mediatool_assets.seed.seeding import Edits, Seeded, seed

__all__ = ["Edits", "Seeded", "seed"]
