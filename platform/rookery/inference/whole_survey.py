"""Predict a survey of any size into a folder of partitions, of which one at a time is in memory."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from rich.console import Console

import rookery
from rookery.compute.actors import ActorPool
from rookery.compute.console import progress_console
from rookery.compute.progress import Progress
from rookery.inference import priors
from rookery.inference.catalogue_blocks import open_blocks
from rookery.inference.catalogues import stored
from rookery.inference.domain import tell_no_domain, tell_outside
from rookery.inference.flow import OpenEnsemble
from rookery.inference.partition import Partitioning, PartitionMaker, none_observed
from rookery.inference.partition_priors import correct_partitions
from rookery.inference.unfinished import Unfinished, finished, unfinished
from rookery.surveys.blocks import SurveyBlocks
from rookery.surveys.partial import Since, check_days
from rookery.training.data import find_device
from rookery_ensembles import Bundle, load_bundle
from rookery_ensembles.compact import check_form
from rookery_ensembles.errors import InputError, fail
from rookery_ensembles.partitions import MANIFEST, Partitions, write_manifest
from rookery_ensembles.predictions import read_info
from rookery_ensembles.schema import PriorCorrection

logger = logging.getLogger(__name__)
ROWS = 50_000
"""Objects of a partition."""


def predict_whole_survey(
    bundle: str | Path,
    survey: str | Path,
    out: str | Path,
    *,
    rows: int | None = None,
    days: float | None = None,
    since: Since = "detection",
    device: str | None = None,
    correct_priors: bool = False,
    split: str | None = None,
    allow_missing_bands: bool = False,
    compact: str | None = None,
    workers: int | None = None,
    address: str | None = None,
    overwrite: bool = False,
    console: Console | None = None,
) -> Partitions:
    """Predict every object of a survey with an ensemble into a folder of partitions.

    A run that dies is taken up by the same call: partitions that it finished stay. A finished folder of the
    same is returned as it is. With `correct_priors` the class fractions are estimated when all partitions are
    there, and each is then replaced by a corrected one.

    Parameters
    ----------
    bundle, survey, days, since, device, correct_priors, split, allow_missing_bands, compact
        See :func:`rookery.inference.predict_survey`.
    out
        The folder to make.
    rows
        Objects of each partition, of which one at a time is in memory; by default `ROWS`.
    workers, address
        Predict in so many Ray actors, on this machine or on the cluster at an address, whose nodes must all
        see bundle, survey and output under these names; by default in this process.
    overwrite
        Make a finished folder anew, and replace one of another bundle, survey or options.
    console
        Where to tell the progress; by default standard error.

    Raises
    ------
    InputError
        As :func:`rookery.inference.predict_survey` does; when `out` or the folder of an earlier run holds
        predictions of another bundle, survey or options, or another process writes there.
    """
    out = Path(out)
    if days is not None:
        check_days(days, since)
    rows = ROWS if rows is None else rows
    if rows < 1:
        raise fail("rows", f"a partition must have at least 1 object, but was to have {rows}")
    loaded = load_bundle(bundle)
    if compact is not None:
        check_form(compact, loaded.target, out, folder=True)
    training = priors.training_fractions(loaded) if correct_priors else None
    with stored(loaded, survey, out, allow_missing_bands=allow_missing_bands) as (folder, called):
        blocks = open_blocks(folder, loaded, called=called, allow_missing_bands=allow_missing_bands)
        asked = {
            "bundle": loaded.digest, "survey": blocks.info.checksum, "objects": len(blocks), "rows": rows,
            "compact": compact, "correct_priors": correct_priors, "split": split,
            "version": rookery.__version__,
            "days": days, "since": None if days is None else since,
        }  # fmt: skip
        if (found := finished(out, asked, overwrite=overwrite)) is not None:
            return found
        ensemble = OpenEnsemble.of(loaded, find_device(device))
        ensemble.check_bands(blocks.without_objects(), allow_missing_bands, blocks.observed_bands)
        with unfinished(out, asked) as work:
            if (work.path / MANIFEST).is_file():
                return work.publish()
            todo = Partitioning(
                bundle=str(Path(bundle).resolve()),
                survey=str(Path(folder).resolve()),
                called=str(called),
                folder=str(work.path.resolve()),
                objects=len(blocks),
                rows=rows,
                info=replace(
                    ensemble.info(blocks.info),
                    compact=compact,
                    days=days,
                    since=None if days is None else since,
                ),
                with_truth=_with_truth(loaded, blocks),
                device=device,
            )
            console = console or progress_console()
            if workers is None and address is None:
                _predict(todo, console, lambda left: _here(PartitionMaker(todo, ensemble, blocks), left))
            else:
                pool = ActorPool(workers, address)
                _predict(todo, console, partial(pool.map, partial(PartitionMaker.open, todo)))
            record = None
            if training is not None:
                ids = None if split is None else priors.objects_to_classify(folder, split)
                record = correct_partitions(todo, work, training, ids, console)
            return _publish(todo, work, asked, record, loaded, called)


def _here(make: PartitionMaker, left: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Make partitions in this process; yield the number and the objects of each."""
    for number in left:
        yield number, make(number)


def _predict(
    todo: Partitioning,
    console: Console,
    make: Callable[[Sequence[int]], Iterator[tuple[int, int]]],
) -> None:
    """Make the partitions that are not there yet."""
    left = [number for number in range(todo.count) if not todo.is_made(number)]
    done = todo.objects - sum(todo.size(number) for number in left)
    with Progress(todo.objects, console, done=done) as progress:
        for _, objects in make(left):
            progress.add(objects)


def _with_truth(bundle: Bundle, survey: SurveyBlocks) -> bool:
    """Return whether the types that a survey counts are those of the ensemble; log where they are not."""
    try:
        bundle.target.check_types(survey.types)
    except InputError:
        text = "%s: its types are not those of the ensemble; predictions have no truth"
        logger.warning(text, survey.path)
        return False
    return True


def _publish(
    todo: Partitioning,
    work: Unfinished,
    asked: dict[str, object],
    record: PriorCorrection | None,
    bundle: Bundle,
    survey: Path,
) -> Partitions:
    """Look at every partition, write the folder's document and give it its name."""
    info, looked = replace(todo.info, prior_correction=record), todo.marks(bundle)
    sizes, outside = [0] * todo.count, 0
    for number in todo.with_objects():
        file = todo.file(number)
        with pq.ParquetFile(file) as table:
            sizes[number] = table.metadata.num_rows
            if read_info(file) != info or not todo.may_have(number, sizes[number]):
                raise fail(file, "was altered meanwhile: delete it, and the same command makes it again")
            if looked:
                outside += int(np.count_nonzero(table.read(["out_of_domain"])["out_of_domain"].to_numpy()))
    if not any(sizes):
        raise none_observed(survey, info)
    if bundle.domain is None and info.days is None:
        tell_no_domain(bundle)
    elif outside:
        tell_outside(survey, outside, sum(sizes))
    write_manifest(work.path, info, sizes, asked, outside if looked else None)
    return work.publish()
