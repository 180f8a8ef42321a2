"""What is no prediction, candidate or list of them is one clear error, not a traceback from within."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rookery_ensembles import (
    CandidateMember,
    Classes,
    InputError,
    PredictionInfo,
    Predictions,
    choose,
    prediction_metrics,
    stack_members,
    write_predictions,
)

INFO = PredictionInfo(Classes(("Ia", "non-Ia")), member="m")
VALUES = [[0.6, 0.4], [0.2, 0.8]]


def made(truth: Any = ("Ia", "non-Ia"), values: Any = VALUES) -> Predictions:
    return Predictions(INFO, ["a", "b"], truth, values)


def candidate(validation: Any) -> CandidateMember:
    return CandidateMember("m", Path("m"), "g", validation)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: choose(np.ones((3, 2, 2))), "item 0 is ndarray"),  # type: ignore[arg-type]
        (lambda: choose([made(), made()]), "item 0 is Predictions"),  # type: ignore[list-item]
        (lambda: choose(made()), "but is Predictions"),  # type: ignore[arg-type]
        (lambda: choose([candidate(np.ones((2, 2)))]), "candidate m, `validation`: must be Predictions"),
        (lambda: stack_members([made(truth=["Ia"])]), r"`truth` \(1,\)"),
        (lambda: stack_members([made(truth=[["Ia", "Ia"], ["Ia", "Ia"]])]), r"`truth` \(2, 2\)"),
        (lambda: stack_members([made(values=[0.6, 0.4])]), r"`values` \(2,\)"),
        (lambda: stack_members([made(values=np.ones((3, 2)))]), r"`values` \(3, 2\)"),
        (lambda: stack_members([np.ones((2, 2))]), "must be Predictions"),  # type: ignore[list-item]
        (lambda: prediction_metrics(np.ones((2, 2))), "must be Predictions"),  # type: ignore[arg-type]
        (lambda: write_predictions(np.ones(2), "x.parquet"), "must be Predictions"),  # type: ignore[arg-type]
    ],
)
def test_it_is_one_error_that_says_what_was_given(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


def test_tuples_and_generators_of_candidates_serve() -> None:
    assert choose((candidate(made()),)).weights == {"m": 1.0}
    assert choose(each for each in [candidate(made())]).weights == {"m": 1.0}  # type: ignore[arg-type]
