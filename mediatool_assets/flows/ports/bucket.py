"""The interface of the bucket's configuration; its docstrings are the contract."""

from typing import Protocol

from mediatool_assets.domain.bucket.aspects import Aspect, LiveAspect
from mediatool_assets.domain.bucket.cloudtrail import LoggingTrails
from mediatool_assets.domain.bucket.lifecycle import Document


class BucketSettings(Protocol):
    """What can be asked of a bucket, and set."""

    @property
    def secure(self) -> bool:
        """Whether this client speaks TLS."""

    @property
    def amazon(self) -> bool:
        """Whether it is Amazon S3, which has all that is declared; other servers have less."""

    def read(self, aspect: Aspect) -> LiveAspect:
        """One aspect as it is; unknown where it may not be read, or the server has no such thing.

        Raises BadSettings where there is no such bucket, Unreachable where nothing answers or the
        credentials are refused.
        """

    def mfa_delete(self) -> bool | None:
        """Whether MFA delete is on; None where that may not be read."""

    def trails(self) -> LoggingTrails:
        """What CloudTrail's trails that are logging record."""

    def write(self, aspect: Aspect, document: Document) -> str | None:
        """Set one aspect whole; setting it again changes nothing. Why it was not set, or None.

        Raises BadSettings and Unreachable as ``read`` does.
        """
