"""Predictions of different objects, cut to those that all of them hold."""

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rookery_ensembles.errors import fail
from rookery_ensembles.schema import Predictions

logger = logging.getLogger(__name__)


def common_objects(members: Sequence[Predictions]) -> list[Predictions]:
    """Return what each member says of the objects that all of them hold, in its own order.

    A warning tells how many objects of which member are left out. Columns beside the values are dropped.

    Raises
    ------
    InputError
        When no object is in all of them.
    """
    ids = [np.asarray(member.object_id).astype(str) for member in members]
    shared = set(ids[0].tolist()).intersection(*(each.tolist() for each in ids[1:]))
    if not shared:
        names = ", ".join(member.info.maker for member in members)
        raise fail("predictions", f"some object must be in all of {names}, but none is")
    wanted, cut = np.array(sorted(shared)), []
    for member, own in zip(members, ids, strict=True):
        rows = np.flatnonzero(np.isin(own, wanted))
        if len(rows) < len(own):
            told = "%s: %s of %s objects are not in every file, and are left out"
            logger.warning(told, member.info.maker, f"{len(own) - len(rows):,}", f"{len(own):,}")
        cut.append(replace(member.take(rows), out_of_domain=None, columns={}))
    return cut
