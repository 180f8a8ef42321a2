from pathlib import Path

import numpy as np
import pytest

from rookery_ensembles import (
    CandidateMember,
    Classes,
    InputError,
    PredictionInfo,
    Predictions,
    choose,
    stack_members,
)

INFO = PredictionInfo(Classes(("Ia", "non-Ia")), member="m")


def from_lists(n: int = 400) -> Predictions:
    return Predictions(INFO, [f"o{i}" for i in range(n)], ["Ia", "non-Ia"] * (n // 2), [[0.6, 0.4]] * n)


def test_lists_serve_as_well_as_arrays_and_results_are_short() -> None:
    made = from_lists()
    assert made.values.dtype == np.float32
    candidate = CandidateMember("m", Path("m"), "g", made)
    for value in (made, stack_members([made]), candidate, choose([candidate])):
        assert len(repr(value)) < 500
        assert type(value).__name__ in repr(value)


def test_ragged_lists_are_one_error() -> None:
    with pytest.raises(InputError, match="`values` is no array"):
        Predictions(INFO, ["a", "b"], None, [[0.5, 0.5], [1.0]])
