"""Settings of the processes that do the work."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from mediatool_assets.domain.settings import parsers
from mediatool_assets.domain.settings.parsers import Setting
from mediatool_assets.domain.urls import host_of, is_this_machine


def _scheduler(text: str) -> str:
    """``tcp://host:port`` or ``tls://host:port``; without a scheme it is TCP, as Dask has it."""
    address = text if "://" in text else f"tcp://{text}"
    return parsers.public_url("tcp", "tls")(address)


@dataclass(frozen=True, slots=True)
class DaskCluster:
    """The scheduler of a Dask cluster, and what TLS needs to reach it: all three files or none."""

    scheduler: str
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None


@dataclass(frozen=True)
class WorkerSettings:
    """Local worker processes, or the workers of a Dask cluster."""

    workers: Annotated[
        int,
        Setting(
            parsers.whole("workers"),
            "Number of worker processes.",
            otherwise="the number of CPU cores",
        ),
    ] = os.cpu_count() or 1
    native: Annotated[
        bool,
        Setting(
            parsers.switch,
            "`no`: Python converts rows instead of the compiled codec "
            "([performance](../explanation/performance.md#the-codec-of-rows)).",
            otherwise="`yes`, if the codec is compiled",
        ),
    ] = True
    dask_scheduler: Annotated[
        str | None,
        Setting(
            _scheduler,
            "Address of a Dask scheduler whose workers are used instead "
            "([scaling.md](../how-to/scaling.md)).",
            otherwise="local worker processes",
        ),
    ] = None
    dask_ca: Annotated[
        Path | None,
        Setting(
            parsers.path,
            "PEM file of the certificate authority that signed the cluster's certificates.",
            exists="file",
        ),
    ] = None
    dask_cert: Annotated[
        Path | None,
        Setting(parsers.path, "PEM file of this client's certificate.", exists="file"),
    ] = None
    dask_key: Annotated[
        Path | None,
        Setting(parsers.path, "PEM file of the certificate's private key.", exists="file"),
    ] = None
    dask_insecure: Annotated[
        bool,
        Setting(
            parsers.switch,
            "`yes`: a scheduler on another machine may be used without TLS. Rows, and the right to "
            "run code, are then open to everybody who can reach the cluster.",
        ),
    ] = False
    scratch: Annotated[
        Path | None,
        Setting(
            parsers.path,
            "Directory for temporary files. With Dask workers on several machines, "
            "comparisons, reports and sanitized copies need one that all of them share.",
            otherwise="`TMPDIR`",
            exists="directory",
        ),
    ] = None

    @property
    def cluster(self) -> DaskCluster | None:
        """The Dask cluster that does the work; None for processes of this machine."""
        if self.dask_scheduler is None:
            return None
        return DaskCluster(self.dask_scheduler, self.dask_ca, self.dask_cert, self.dask_key)

    def cluster_problems(self) -> Iterator[str]:
        """What is wrong between the settings of a Dask cluster."""
        if self.dask_scheduler is None:
            return
        scheme, _, place = self.dask_scheduler.partition("://")
        files = (self.dask_ca, self.dask_cert, self.dask_key)
        if scheme == "tls" and None in files:
            yield "MEDIATOOL_DASK_SCHEDULER is tls://: set MEDIATOOL_DASK_CA, _CERT and _KEY"
        if scheme == "tcp" and files != (None, None, None):
            yield "MEDIATOOL_DASK_SCHEDULER is tcp://, and certificates are set: write tls://"
        elif scheme == "tcp" and not (self.dask_insecure or is_this_machine(host_of(place))):
            yield (
                "MEDIATOOL_DASK_SCHEDULER is on another machine, without TLS: write tls:// and set "
                "MEDIATOOL_DASK_CA, _CERT and _KEY, or MEDIATOOL_DASK_INSECURE=yes"
            )
