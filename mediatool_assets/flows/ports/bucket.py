"""The interface of the bucket's configuration; its docstrings are the contract."""

from typing import Protocol

from mediatool_assets.domain.bucket.aspects import Aspect, LiveAspect
from mediatool_assets.domain.bucket.cloudtrail import LoggingTrails
from mediatool_assets.domain.bucket.lifecycle import Document


class BucketSettings(Protocol):
    """Reads and sets the configuration of a bucket."""

    @property
    def prefix(self) -> str:
        """What the keys of this source begin with; empty if it has the bucket alone."""

    @property
    def secure(self) -> bool:
        """True if this client uses TLS."""

    @property
    def amazon(self) -> bool:
        """True for Amazon S3, which supports all declared aspects; other servers support fewer."""

    def read(self, aspect: Aspect) -> LiveAspect:
        """Read one aspect; unknown if access is denied or the server does not support it.

        Raises BadSettings if the bucket does not exist, Unreachable if nothing answers or the
        credentials are rejected.
        """

    def mfa_delete(self) -> bool | None:
        """True if MFA delete is on; None if that cannot be read."""

    def trails(self) -> LoggingTrails:
        """The events that active CloudTrail trails record."""

    def write(self, aspect: Aspect, document: Document) -> str | None:
        """Replace one aspect; idempotent. Returns why it could not be set, or None.

        Raises BadSettings and Unreachable like ``read``.
        """
