"""Files that make a cluster or watch it, as they ship: ``rookery cluster write slurm > rookery.sh``.

They lie in the package and not beside the code, so that a user who installed a wheel has them, in
the version that fits. The one for AWS is ``cluster.yaml`` at the root of the repository, which it
copies to the machines.
"""

from pathlib import Path

from rookery_ensembles.errors import InputError
from rookery_ensembles.files import atomic_file, refuse_existing

_FILES = {
    "local": "local.yaml",
    "slurm": "slurm.sh",
    "kubernetes": "kubernetes.yaml",
    "grafana": "grafana.json",
}


def cluster_file(kind: str) -> Path:
    """Return the path of a file that ships; raises `InputError` for an unknown kind."""
    if kind not in _FILES:
        known = f"{', '.join(_FILES)}; for AWS there is cluster.yaml in Rookery's repository"
        raise InputError(f"{kind!r} is no kind of cluster; those are {known}")
    return Path(__file__).parent / _FILES[kind]


def write_cluster_file(kind: str, out: str | Path | None = None, *, overwrite: bool = False) -> str:
    """Return the text of a file that makes a cluster, and write it to `out`."""
    source = cluster_file(kind)
    text = source.read_text(encoding="utf-8")
    if out is not None:
        refuse_existing(out, overwrite=overwrite)
        with atomic_file(out) as partial:
            partial.write_text(text, encoding="utf-8")
            partial.chmod(0o755 if source.suffix == ".sh" else 0o644)
    return text
