"""Clusters: made, looked at, and sent jobs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rookery.api._types import OutPath, PathLike

if TYPE_CHECKING:
    from rookery.clusters.doctor import DoctorReport
    from rookery.clusters.jobs import JobClient


def doctor(
    *, address: str | None = None, survey: PathLike | None = None, study: PathLike | None = None
) -> "DoctorReport":
    """Look at every node of a cluster (versions, GPUs, shared folder, clocks, disks) and say what to mend.

    See :func:`rookery.clusters.doctor.examine`.

    Parameters
    ----------
    address
        A Ray cluster that this machine belongs to: auto or HOST:6379; else this machine.
    survey
        Survey store that every node must read.
    study
        Folder of a study or campaign, made or not, that every node must write.
    """
    from rookery.clusters.doctor import examine

    return examine(address, survey=survey, study=study)


def submit(
    command: Sequence[str], *, address: str | None = None, folder: str | None = None, python: str = "python"
) -> str:
    """Send a command to a cluster, which runs it while you go home: rookery submit -- search pelican ...

    Returns the job's name. See :meth:`rookery.clusters.jobs.JobClient.submit`. Searches and campaigns want
    ``"--address", "auto"`` in the command, which the command line adds by itself.

    Parameters
    ----------
    command
        After ``--``: a verb with its options.
    address
        The head's dashboard, http://HEAD:8265; by default RAY_API_SERVER_ADDRESS or this machine's.
    folder
        Folder on the cluster to run in, where its paths begin: /shared.
    python
        The Python on the cluster that has Rookery.
    """
    return jobs(address).submit(command, folder=folder, python=python)


def jobs(address: str | None = None) -> "JobClient":
    """Return the job server of a cluster, to list, follow and stop jobs.

    See :class:`rookery.clusters.jobs.JobClient`.
    """
    from rookery.clusters.jobs import JobClient

    return JobClient(address)


def cluster(kind: str, *, out: OutPath | None = None, overwrite: bool = False) -> str:
    """Write the file that makes a cluster, or a Grafana board; lines to change are marked CHANGE.

    Returns its text. See :mod:`rookery.clusters.files`.

    Parameters
    ----------
    kind
        local (machines of your own, by ssh), slurm, kubernetes or grafana.
    out
        File to write; else it is shown.
    overwrite
        Replace a file that is there already.
    """
    from rookery.clusters.files import write_cluster_file

    return write_cluster_file(kind, out, overwrite=overwrite)
