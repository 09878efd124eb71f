"""A bucket whose settings are in memory, and what a bucket holds that is just as declared."""

from dataclasses import dataclass, field
from typing import Any

from mediatool_assets.core.bucket import Declaration, Document
from mediatool_assets.core.bucket_policies import (
    ASPECTS,
    Aspect,
    LiveAspect,
    LoggingTrails,
    declared_documents,
)

RECORDED = LoggingTrails(
    (
        {
            "EventSelectors": [
                {
                    "ReadWriteType": "All",
                    "DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3"]}],
                }
            ]
        },
    )
)


def as_declared(declared: Declaration) -> dict[Aspect, LiveAspect]:
    """Every aspect just as it is declared, and access logs somewhere."""
    live: dict[Aspect, LiveAspect] = {aspect: LiveAspect() for aspect in ASPECTS}
    live["logging"] = LiveAspect(
        {"LoggingEnabled": {"TargetBucket": "somewhere", "TargetPrefix": ""}}
    )
    return live | {
        aspect: LiveAspect(document)
        for aspect, document in declared_documents(declared, live).items()
    }


@dataclass
class BucketTwin:
    """BucketSettings in memory; ``refuses`` holds the aspects that it does not set, and why."""

    live: dict[Aspect, LiveAspect] = field(
        default_factory=lambda: {a: LiveAspect() for a in ASPECTS}
    )
    secure: bool = True
    amazon: bool = True
    mfa: bool | None = False
    recorded: LoggingTrails = RECORDED
    refuses: dict[Aspect, str] = field(default_factory=dict)
    written: list[Aspect] = field(default_factory=list)
    prefix: str = ""

    def read(self, aspect: Aspect) -> LiveAspect:
        """What is there."""
        return self.live[aspect]

    def mfa_delete(self) -> bool | None:
        """As it was set up."""
        return self.mfa

    def trails(self) -> LoggingTrails:
        """As they were set up."""
        return self.recorded

    def write(self, aspect: Aspect, document: Document) -> str | None:
        """Keep it, unless it is refused."""
        self.written.append(aspect)
        if aspect in self.refuses:
            return self.refuses[aspect]
        self.live[aspect] = LiveAspect(document)
        return None


def unknown(aspect: Aspect) -> dict[Aspect, Any]:
    """The aspect as one that may not be read."""
    return {aspect: LiveAspect(unknown="access denied")}
