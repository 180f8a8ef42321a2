"""Clusters: made, looked at, and sent jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rookery.api._common import PathLike

if TYPE_CHECKING:
    from rookery.clusters.doctor import DoctorReport
    from rookery.clusters.jobs import JobClient


def doctor(
    address: str | None = None, *, survey: PathLike | None = None, study: PathLike | None = None
) -> DoctorReport:
    """Look at every node of a cluster, or at this machine alone.

    See :func:`rookery.clusters.doctor.examine`.
    """
    from rookery.clusters.doctor import examine

    return examine(address, survey=survey, study=study)


def submit(
    command: Sequence[str], *, address: str | None = None, folder: str | None = None, python: str = "python"
) -> str:
    """Send `rookery COMMAND...` to a cluster as a Ray job; return the job's name.

    See :meth:`rookery.clusters.jobs.JobClient.submit`. Searches and campaigns want
    ``"--address", "auto"`` in the command, which the command line adds by itself.
    """
    return jobs(address).submit(command, folder=folder, python=python)


def jobs(address: str | None = None) -> JobClient:
    """Return the job server of a cluster, to list, follow and stop jobs.

    See :class:`rookery.clusters.jobs.JobClient`.
    """
    from rookery.clusters.jobs import JobClient

    return JobClient(address)


def cluster(kind: str, out: PathLike | None = None) -> str:
    """Return a file that makes a cluster, and write it to `out`. See :mod:`rookery.clusters.files`."""
    from rookery.clusters.files import write_cluster_file

    return write_cluster_file(kind, out)
