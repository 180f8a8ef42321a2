"""The classical methods that networks are held against."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from rookery.api._types import BINARY, OutPath, PathLike, Seed
from rookery.signature import Between

if TYPE_CHECKING:
    from rookery_ensembles import Predictions


def baseline(
    name: str,
    out: OutPath,
    *,
    survey: PathLike,
    split: str,
    class_names: Sequence[str] = BINARY,
    seed: Seed = 0,
    redshift: str | None = None,
    role: Literal["test", "unlabelled", "validation"] = "test",
    train_on: Mapping[str, Any] | None = None,
    address: str | None = None,
    processes: Annotated[int, Between(0)] | None = None,
    model_path: PathLike | None = None,
    filters: str | None = None,
    fits: PathLike | None = None,
    bins: tuple[float, float, int] | None = None,
    deredden: bool | None = None,
    copies: Annotated[int, Between(0)] | None = None,
    redshifting: bool | None = None,
    copy_dimming: float | None = None,
    copy_distance: Literal["redshift", "brightness"] | None = None,
    copy_selection: Literal["detected", "survey"] | None = None,
    copy_snr: Annotated[float, Between(0)] | None = None,
    overwrite: bool = False,
) -> "Predictions":
    """Train a classical method on a split and predict its test objects.

    See :mod:`rookery.baselines`.

    Parameters
    ----------
    name
        Which classical method, for example parametric-trees; a wrong name lists all.
    out
        Prediction file (Parquet) to write.
    survey
        Survey store.
    split
        Name of a split of the survey.
    class_names
        Classes to tell apart; `non-X` takes every other type.
    seed
        Seed of everything random.
    redshift
        Covariate of the survey to use as a redshift, for example host_photo_z.
    role
        Who is predicted; validation objects train unless they are.
    train_on
        Train only on some of the objects that could: part=0.1, where=[stripe82=1]; repeatable.
    address
        Fit on a Ray cluster that this machine belongs to: auto or HOST:6379.
    processes
        Blocks of objects fitted at once; by default all CPUs; 0: without Ray.
    model_path
        Of salt2-trees: folder of a SALT2 or SALT3 model's files.
    filters
        Of salt2-trees: speclite's filters, as decam2014 or g=decam2014-g,...
    fits
        Of salt2-trees: file that keeps the fits, so that another split fits only those that are new.
    bins
        Of b16: lower edge, upper edge and number of redshift bins; 0,0.4,180 by default.
    deredden
        Of b16: correct the magnitudes with the covariate mwebv.
    copies
        Of binned-trees and parametric-trees: train also on so many copies of each training object as objects
        to classify would be seen, as the networks' hyperparameter `copies` does.
    redshifting
        Of copies: they also move to the (photometric) redshifts of objects to classify.
    copy_dimming
        Of copies: they also get fainter, as the networks' hyperparameter `copy_dimming` does.
    copy_distance
        Of copies: they go by redshifts, or, nearer or farther, until they are as bright as objects to
        classify.
    copy_selection
        Of copies: those that were detected once, or those and their points that the survey of the
        objects to classify would tell of.
    copy_snr
        Of copies: only training objects whose best point has such a signal-to-noise ratio are copied.
    overwrite
        Replace a file that is there already.
    """
    from rookery.baselines import run_baseline
    from rookery_ensembles.files import refuse_existing

    refuse_existing(out, overwrite=overwrite)
    return run_baseline(
        name,
        out,
        survey=survey,
        split=split,
        class_names=class_names,
        seed=seed,
        redshift=redshift,
        role=role,
        train_on=train_on,
        address=address,
        processes=processes,
        model_path=model_path,
        filters=filters,
        fits=fits,
        bins=bins,
        deredden=deredden,
        copies=copies,
        redshifting=redshifting,
        copy_dimming=copy_dimming,
        copy_distance=copy_distance,
        copy_selection=copy_selection,
        copy_snr=copy_snr,
    )
