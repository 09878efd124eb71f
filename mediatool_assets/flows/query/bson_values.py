"""Converts BSON documents into Python values for users."""

from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions, DatetimeConversion

CODEC: CodecOptions[dict[str, object]] = CodecOptions(
    tz_aware=True,
    uuid_representation=UuidRepresentation.STANDARD,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)
"""Options of the conversion: aware datetimes in UTC, ``uuid.UUID`` for binary subtype 4."""
