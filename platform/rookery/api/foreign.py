"""Ensembles of foreign networks: predictions of any program, combined and applied."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rookery.api._types import Combining, OutPath, PathLike

if TYPE_CHECKING:
    from rookery_ensembles import Predictions, Target
    from rookery_ensembles.foreign import Combined
    from rookery_ensembles.known_truth import KnownTruth
    from rookery_ensembles.partitions import Partitions


def combine(
    files: Sequence[PathLike],
    *,
    out: OutPath,
    truth: PathLike | None = None,
    bins: tuple[float, float, int] | None = None,
    class_names: Sequence[str] | None = None,
    id_column: str | None = None,
    truth_column: str | None = None,
    by: Combining = "auto",
    calibration: str | None = None,
    covariates: Sequence[str] = (),
    groups: str | None = None,
    positive: str = "Ia",
    common: bool = False,
    overwrite: bool = False,
) -> "Combined":
    """Combine predictions that any programs made into an ensemble bundle.

    See :func:`rookery_ensembles.foreign.combine`.

    Parameters
    ----------
    files
        A file of predictions for each network: Parquet, CSV, .npy, .npz, qp (HDF5 or FITS), FITS tables.
    out
        Bundle to make.
    truth
        Survey store, or a table (CSV, FITS, Parquet) of names and redshifts or classes; by default the
        files' own counts, which `mean` does without.
    bins
        Lower edge, upper edge and number of redshift bins of all; by default those of the first file.
    class_names
        Classes of files that do not name theirs, in their order.
    id_column
        Column of the table's names of objects; object_id by default.
    truth_column
        Column of --truth that holds redshifts or classes, such as zspec; by default one of a usual name.
    by
        How they are combined, as `ensemble` does it.
    calibration
        Another calibration than that has: none, temperature, ...; `local` looks at covariates.
    covariates
        Columns of --truth that `auto`, `gate` and `local` may look at, such as mag_r; repeatable.
    groups
        One whose thirds have conformal limits of their own: coverage holds in each.
    positive
        Class whose recall at fixed precision is reported.
    common
        Leave out objects that not every file has, which are refused otherwise.
    overwrite
        Replace a bundle made before.
    """
    import rookery
    import rookery.compute.progress
    from rookery_ensembles.bundle import DOCUMENT
    from rookery_ensembles.errors import fail
    from rookery_ensembles.files import refuse_existing
    from rookery_ensembles.foreign import combine as made_of

    refuse_existing(out, overwrite=overwrite, document=DOCUMENT)
    for option, column in (("--id-column", id_column), ("--truth-column", truth_column)):
        if truth is None and column is not None:
            raise fail(option, f"must be a column of --truth, but is {column!r} without a --truth")
    return made_of(
        files,
        None if truth is None else _known(truth, id_column, truth_column),
        out,
        target=_target(bins, class_names),
        by=by,
        calibration=calibration,
        covariates=covariates,
        groups=groups,
        positive=positive,
        common=common,
        replace_old=overwrite,
        provenance={"version": rookery.__version__},
    )


def apply(
    bundle: PathLike,
    files: Sequence[PathLike],
    *,
    out: OutPath,
    catalogue: PathLike | None = None,
    id_column: str | None = None,
    common: bool = False,
    overwrite: bool = False,
) -> "Predictions | Partitions":
    """Pool and calibrate what a bundle's foreign networks predict for new objects.

    See :func:`rookery_ensembles.foreign.apply`, and for a folder
    :func:`rookery_ensembles.foreign_parts.apply_parts`.

    Parameters
    ----------
    bundle
        Bundle that `combine` made.
    files
        Each network's predictions for the new objects, under the names that `combine` saw.
    out
        File to write: .parquet (PDFs or probabilities), or a table as `export` makes it (.csv, .fits, .hdf5).
        A name without an ending is a folder, of folders alone: a part at a time is in memory.
    catalogue
        Survey store, or a table (CSV, FITS, Parquet), that has the covariates which the bundle looks at.
    id_column
        The table's column of objects' names; object_id by default.
    common
        Leave out objects that not every file has, which are refused otherwise; not of folders.
    overwrite
        Replace a file or folder of predictions that is there already.
    """
    import rookery
    import rookery.compute.progress
    from rookery_ensembles import load_bundle
    from rookery_ensembles.errors import fail
    from rookery_ensembles.exchange import check_output, write_output
    from rookery_ensembles.files import refuse_existing
    from rookery_ensembles.foreign import apply as pooled
    from rookery_ensembles.foreign_parts import apply_parts
    from rookery_ensembles.partitions import MANIFEST, is_folder

    folder = is_folder(out)
    refuse_existing(out, overwrite=overwrite, document=MANIFEST if folder else None)
    if not folder:
        check_output(out)
    loaded = load_bundle(bundle)
    known = None if catalogue is None else _known(catalogue, id_column).covariates(loaded.covariates)
    if folder and common:
        raise fail(out, "`common` is of files: the parts of folders must hold the same objects")
    if folder:
        return apply_parts(
            loaded, files, out, version=rookery.__version__, covariates=known, overwrite=overwrite
        )
    check_output(out, loaded.target)
    predictions = pooled(loaded, files, version=rookery.__version__, covariates=known, common=common)
    write_output(predictions, out)
    return predictions


def _target(bins: tuple[float, float, int] | None, class_names: Sequence[str] | None) -> "Target | None":
    from rookery_ensembles import Classes, RedshiftBins
    from rookery_ensembles.errors import InputError

    if bins is not None and class_names is not None:
        raise InputError("--bins are of redshift PDFs and --classes of class probabilities: give one of them")
    if class_names is not None:
        return Classes(tuple(class_names))
    return None if bins is None else RedshiftBins.equal(*bins)


def _known(truth: PathLike, id_column: str | None, truth_column: str | None = None) -> "KnownTruth":
    from rookery_ensembles.known_truth import KnownTruth

    if not Path(truth).is_dir():
        return KnownTruth.of_file(truth, id_column, truth_column)
    from rookery.surveys import open_survey

    survey = open_survey(truth)
    objects = survey.objects
    truths = ("redshift", "type") if truth_column is None else objects.columns
    columns = {name: objects[name].to_numpy() for name in truths if name in objects}
    ids = objects["object_id"].to_numpy().astype(str)
    beside = {
        name: objects[name].to_numpy(dtype=float, na_value=float("nan"))
        for name in survey.covariates
        if objects[name].dtype.kind in "fiu"
    }
    earlier = tuple(survey.info.earlier)
    return KnownTruth(
        str(truth), ids, columns, survey.checksum, earlier, True, beside=beside, column=truth_column
    )
