"""Plain means of predictions."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rookery_ensembles import Predictions, average, stack_members


def mean_of(found: Sequence[Predictions]) -> Predictions:
    """Return the plain mean of predictions of the same objects, in the order of the first."""
    if len(found) == 1:
        return found[0]
    # Starts that were pooled over folds all carry the name of their configuration.
    numbered = [
        replace(each, info=replace(each.info, member=f"{number}", bundle=None))
        for number, each in enumerate(found)
    ]
    stack = stack_members(numbered)
    values = average(stack.values).astype(np.float32)
    return replace(found[0], object_id=stack.object_id, truth=stack.truth, values=values)
