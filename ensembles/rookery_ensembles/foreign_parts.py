"""Foreign networks applied to folders of predictions, a part at a time, into another folder."""

from pathlib import Path

from rookery_ensembles.bundle import Bundle, load_bundle
from rookery_ensembles.covariates import ObjectCovariates
from rookery_ensembles.errors import fail
from rookery_ensembles.exchange.readers.prediction_file import found_in
from rookery_ensembles.files import atomic_folder
from rookery_ensembles.foreign import Files, files_of_members, pool_found, warn_without
from rookery_ensembles.partitions import (
    Partitions,
    digest_of,
    open_partitions,
    partition_name,
    write_manifest,
)
from rookery_ensembles.predictions import read_partition, write_predictions
from rookery_ensembles.progress import tracked


def apply_parts(
    bundle: str | Path | Bundle,
    files: Files,
    out: str | Path,
    *,
    version: str | None = None,
    covariates: ObjectCovariates | None = None,
    overwrite: bool = False,
) -> Partitions:
    """Do as `rookery_ensembles.foreign.apply` with folders of predictions, of each one part in memory.

    Parameters
    ----------
    files
        Finished folders, each of one network, whose parts hold the same objects.
    out
        The folder to make, with as many parts.
    overwrite
        Whether a folder of predictions that is there already may be replaced.

    Raises
    ------
    InputError
        As `apply` does; when `out` exists, or a file is no folder or has other parts than the first.
    """
    loaded = bundle if isinstance(bundle, Bundle) else load_bundle(bundle)
    folders = {name: open_partitions(file) for name, file in files_of_members(loaded, files).items()}
    first = next(iter(folders.values()))
    for folder in folders.values():
        if folder.rows != first.rows:
            rule = f"must have parts of as many objects as those of {first.path}"
            hint = "write one file instead of a folder (--out NAME.parquet), or predict with the same --rows"
            raise fail(folder.path, f"{rule}, but has other ones: {hint}")
    warn_without(loaded, covariates)
    made_by = {"bundle": loaded.digest, "members": {name: digest_of(f.path) for name, f in folders.items()}}
    with atomic_folder(out, replace=overwrite) as partial:
        rows = first.rows
        for number in tracked(range(len(rows)), "objects", sum(rows), size=lambda number: rows[number]):
            found = {
                name: found_in(read_partition(folder, number), folder.files[number])
                for name, folder in folders.items()
            }
            made = pool_found(loaded, found, version=version, covariates=covariates)
            write_predictions(made, partial / partition_name(number))
        write_manifest(partial, made.info, first.rows, made_by)
    return open_partitions(out)
