"""Surveys: simulated, and split. Those read from files are :mod:`rookery.surveys.readers`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rookery.api._types import Count, OutPath, PathLike, Seed

if TYPE_CHECKING:
    from rookery.surveys import Growth, Survey


def simulate_supernovae(
    out: OutPath,
    *,
    n: int,
    seed: Seed = 0,
    survey: Literal["des", "sdss", "lsst"] = "des",
    deep_fraction: float | None = None,
    templates: PathLike | None = None,
    superluminous: bool = False,
    processes: Count | None = None,
    figure: OutPath | None = None,
    overwrite: bool = False,
) -> "Survey":
    """Simulate light curves of supernovae: six types or seven, their rates, a survey's filters and cadence.

    See :func:`rookery.surveys.simulators.supernovae.simulate.simulate_supernovae`.

    Parameters
    ----------
    out
        Survey store to make.
    n
        Number of detected supernovae.
    seed
        Seed of everything random.
    survey
        DES-like griz, SDSS-II-like ugriz, or LSST ugrizy.
    deep_fraction
        lsst: fraction in deep-drilling fields; 0.5 by default.
    templates
        Folder of core-collapse templates, SED files as SNANA has them, for the types that it has some of.
    superluminous
        Superluminous supernovae (SLSN) explode too, one for a thousand of the other core collapses.
    processes
        Processes; by default one a core, 8 at most.
    figure
        Draw an example of each type: a .png, .pdf or .svg file.
    overwrite
        Replace a survey, its splits too, and a figure that are there already.
    """
    from rookery.reports.draw.pictures import simulate_and_draw
    from rookery.surveys import simulators

    return simulate_and_draw(
        simulators.simulate_supernovae,
        out,
        figure=figure,
        overwrite=overwrite,
        n=n,
        seed=seed,
        survey=survey,
        deep_fraction=deep_fraction,
        templates=templates,
        superluminous=superluminous,
        processes=processes,
    )


def simulate_galaxies(
    out: OutPath,
    *,
    n: int,
    seed: Seed = 0,
    survey: Literal["sdss", "stripe82", "both"] = "sdss",
    stripe82_fraction: float | None = None,
    size: int = 64,
    processes: Count | None = None,
    figure: OutPath | None = None,
    overwrite: bool = False,
) -> "Survey":
    """Simulate ugriz cutouts of galaxies, and what a survey would measure on them.

    See :func:`rookery.surveys.simulators.galaxies.simulate.simulate_galaxies`.

    Parameters
    ----------
    out
        Survey store to make.
    n
        Number of selected galaxies.
    seed
        Seed of everything random.
    survey
        Single SDSS-like images, stacks as deep as Stripe 82's, or both.
    stripe82_fraction
        both: fraction of galaxies in Stripe 82; 0.1 by default.
    size
        Pixels of a cutout's side, 0.396 arcsec each.
    processes
        Processes; by default one a core, 16 at most.
    figure
        Draw some cutouts in colour: a .png, .pdf or .svg file.
    overwrite
        Replace a survey, its splits too, and a figure that are there already.
    """
    from rookery.reports.draw.pictures import simulate_and_draw
    from rookery.surveys import simulators

    return simulate_and_draw(
        simulators.simulate_galaxies,
        out,
        figure=figure,
        overwrite=overwrite,
        n=n,
        seed=seed,
        survey=survey,
        stripe82_fraction=stripe82_fraction,
        size=size,
        processes=processes,
    )


def split(
    survey: PathLike,
    name: str,
    *,
    train_ids: PathLike | None = None,
    train_fraction: float | None = None,
    train_where: Sequence[str] = (),
    test_where: Sequence[str] = (),
    validation_fraction: float | None = None,
    folds: int = 0,
    max_train: int | None = None,
    max_test: int | None = None,
    groups: str | None = None,
    seed: Seed = 0,
    overwrite: bool = False,
) -> Path:
    """Give every object of a survey a role, stratified by type.

    See :func:`rookery.surveys.split_survey`.

    Parameters
    ----------
    survey
        Survey store.
    name
        Name of the split to make.
    train_ids
        File with an object id or source file name per line.
    train_fraction
        Fraction that trains and validates.
    train_where
        Train on objects with COLUMN=VALUE (or <, >), of the object or truth table; repeatable.
    test_where
        Test on objects with COLUMN=VALUE (or <, >), of the object or truth table; repeatable.
    validation_fraction
        Fraction of the training part that validates; 0.2 without folds.
    folds
        Number of folds of the training part; 0 for none.
    max_train
        At most so many objects in the training part.
    max_test
        At most so many test objects.
    groups
        Column, or sky:DEGREES: objects that agree in it never train, validate and test, nor lie in two folds.
    seed
        Seed of everything random.
    overwrite
        Replace a split of that name.
    """
    from rookery.surveys import open_survey, split_survey

    return split_survey(
        open_survey(survey),
        name,
        train_ids=train_ids,
        train_fraction=train_fraction,
        train_where=train_where,
        test_where=test_where,
        validation_fraction=validation_fraction,
        folds=folds,
        max_train=max_train,
        max_test=max_test,
        groups=groups,
        seed=seed,
        overwrite=overwrite,
    )


def merge(
    surveys: Sequence[PathLike],
    out: OutPath,
    *,
    origins: Sequence[str] = (),
    prefix_ids: bool = False,
    origin_input: bool = False,
    band_aliases: Mapping[str, str] | None = None,
    type_map: Mapping[str, str] | None = None,
    split: str | None = None,
    name: str | None = None,
    overwrite: bool = False,
) -> "Survey":
    """Put surveys together: bands and classes aligned, the column `origin` says whose each object is.

    See :func:`rookery.surveys.merge_surveys`.

    Parameters
    ----------
    surveys
        Survey stores of one kind, at least two.
    out
        Survey store to make.
    origins
        What a survey is called in the column `origin`; once for each, by default their names.
    prefix_ids
        Put the origin before each object id: where ids of two surveys clash.
    origin_input
        Also make covariates from_ORIGIN, 1 or 0, which networks may be told to see.
    band_aliases
        OLD=NEW name of a band; may be repeated.
    type_map
        OLD=NEW name of a class; may be repeated.
    split
        A split of the first survey that goes along: what trains and validates there, with the objects of the
        other surveys as those to classify.
    name
        Name of the merged survey; by default that of its folder.
    overwrite
        Replace a survey that is there already, its splits too.
    """
    from rookery.surveys import merge_surveys

    return merge_surveys(
        surveys,
        out,
        origins=origins,
        prefix_ids=prefix_ids,
        origin_input=origin_input,
        band_aliases=band_aliases,
        type_map=type_map,
        split=split,
        name=name,
        overwrite=overwrite,
    )


def append(
    survey: PathLike,
    path: PathLike,
    *,
    objects: PathLike | None = None,
    on_error: Literal["stop", "skip", "skip-row"] = "stop",
    overwrite: bool = False,
) -> "Growth":
    """Add tonight's files to a survey, read as it was: new objects, and more observations of known ones.

    See :func:`rookery.surveys.append_to_survey`.

    Parameters
    ----------
    survey
        Survey store that `ingest` made.
    path
        File or folder to add, of the kind that the survey was read from.
    objects
        The table of these objects, where there is one beside the observations (of cutouts: the catalogue or
        manifest).
    on_error
        At a broken light curve or galaxy: stop and change nothing, or skip it, or its broken rows alone.
    overwrite
        Let what the files say of a known object replace what the survey says otherwise.
    """
    from rookery.surveys import append_to_survey

    return append_to_survey(survey, path, objects=objects, on_error=on_error, overwrite=overwrite)


def update(
    survey: PathLike, *, truth: PathLike, columns: Mapping[str, str] | None = None, overwrite: bool = False
) -> "Growth":
    """Take over redshifts and types that became known later; earlier predictions stay usable.

    See :func:`rookery.surveys.update_survey`.

    Parameters
    ----------
    survey
        Survey store.
    truth
        Table (CSV, FITS, Parquet) of object ids with redshifts or types.
    columns
        ROLE=COLUMN for object_id, redshift and type, where they have other names; may be repeated.
    overwrite
        Let the table replace what the survey says otherwise.
    """
    from rookery.surveys import update_survey

    return update_survey(survey, truth, columns=columns, overwrite=overwrite)
