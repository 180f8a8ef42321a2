"""Ensembles of foreign networks: predictions of any program, combined and applied."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rookery.api._types import Combining, PathLike

if TYPE_CHECKING:
    from rookery_ensembles import Predictions, Target
    from rookery_ensembles.foreign import Combined
    from rookery_ensembles.known_truth import KnownTruth


def combine(
    files: Sequence[PathLike],
    *,
    truth: PathLike,
    out: PathLike,
    bins: tuple[float, float, int] | None = None,
    class_names: Sequence[str] | None = None,
    id_column: str | None = None,
    by: Combining = "auto",
    positive: str = "Ia",
    overwrite: bool = False,
) -> "Combined":
    """Combine predictions that any programs made into an ensemble bundle.

    See :func:`rookery_ensembles.foreign.combine`.

    Parameters
    ----------
    files
        A file of predictions for each network: Parquet, CSV, .npy, .npz, qp (HDF5 or FITS), FITS tables.
    truth
        Survey store, or a table (CSV, FITS, Parquet) of names and redshifts or classes.
    out
        Bundle to make.
    bins
        Lower edge, upper edge and number of redshift bins of all; by default those of the first file.
    class_names
        Classes of files that do not name theirs, in their order.
    id_column
        Column of the table's names of objects; object_id by default.
    by
        How they are combined, as `ensemble` does it.
    positive
        Class whose recall at fixed precision is reported.
    overwrite
        Replace a bundle made before.
    """
    import rookery
    from rookery_ensembles.errors import fail
    from rookery_ensembles.files import check_name
    from rookery_ensembles.foreign import combine as made_of

    check_name(str(out))
    if Path(out).exists() and not overwrite:
        raise fail(out, "must not exist yet: --overwrite replaces a former bundle")
    return made_of(
        files,
        _known(truth, id_column),
        out,
        target=_target(bins, class_names),
        by=by,
        positive=positive,
        replace_old=overwrite,
        provenance={"version": rookery.__version__},
    )


def apply(bundle: PathLike, files: Sequence[PathLike], *, out: PathLike) -> "Predictions":
    """Pool and calibrate what a bundle's foreign networks predict for new objects.

    See :func:`rookery_ensembles.foreign.apply`.

    Parameters
    ----------
    bundle
        Bundle that `combine` made.
    files
        Each network's predictions for the new objects, under the names that `combine` saw.
    out
        File to write: .parquet (PDFs or probabilities), or a table as `export` makes it (.csv, .fits, .hdf5).
    """
    import rookery
    from rookery_ensembles import load_bundle
    from rookery_ensembles.exchange import check_output, write_output
    from rookery_ensembles.foreign import apply as pooled

    check_output(out)
    loaded = load_bundle(bundle)
    check_output(out, loaded.target)
    predictions = pooled(loaded, files, version=rookery.__version__)
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


def _known(truth: PathLike, id_column: str | None) -> "KnownTruth":
    from rookery_ensembles.known_truth import KnownTruth

    if not Path(truth).is_dir():
        return KnownTruth.of_file(truth, id_column)
    from rookery.surveys import open_survey

    survey = open_survey(truth)
    objects = survey.objects
    columns = {name: objects[name].to_numpy() for name in ("redshift", "type") if name in objects}
    ids = objects["object_id"].to_numpy().astype(str)
    return KnownTruth(str(truth), ids, columns, survey.checksum, tuple(survey.info.earlier), complete=True)
