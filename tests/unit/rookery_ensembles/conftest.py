"""Small predictions and members that the tests of this folder share."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from rookery_ensembles import Classes, PredictionInfo, Predictions

CLASSES = ("Ia", "non-Ia")
MakePredictions = Callable[..., Predictions]


@pytest.fixture(scope="session")
def make_predictions() -> MakePredictions:
    """Build class probabilities from the probability of Ia; by default of three objects."""

    def make(
        p_ia: Sequence[float] = (0.9, 0.2, 0.6),
        truth: Sequence[str | None] | None = ("Ia", "non-Ia", None),
        object_id: Sequence[str] | None = None,
        **info: Any,
    ) -> Predictions:
        ids = [f"SN{i}" for i in range(len(p_ia))] if object_id is None else object_id
        first = np.array(p_ia, dtype=np.float32)
        return Predictions(
            info=PredictionInfo(Classes(CLASSES), **{"member": "0001", **info}),
            object_id=np.array(ids),
            truth=None if truth is None else np.array(truth, dtype=object),
            values=np.stack([first, 1 - first], axis=1),
        )

    return make


@pytest.fixture(scope="session")
def make_member() -> Callable[[Path, str], Path]:
    """Write a member's three files, and two that no bundle takes, under a folder; return its folder."""

    def make(parent: Path, name: str) -> Path:
        folder = parent / name
        folder.mkdir(parents=True)
        for file in ("weights.safetensors", "config.yaml", "card.json", "history.parquet", "notes.txt"):
            (folder / file).write_bytes(f"{file} of {name}".encode())
        return folder

    return make


@pytest.fixture(scope="session")
def member_stacks() -> st.SearchStrategy[tuple[np.ndarray, np.ndarray]]:
    """Draw (M, N, K) probabilities, sharp or flat and with exact zeros, and (N,) true classes."""

    @st.composite
    def stacks(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
        m, n, k = (draw(st.integers(1, 6)), draw(st.integers(1, 20)), draw(st.integers(2, 4)))
        rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        values = rng.dirichlet(np.full(k, draw(st.sampled_from([0.02, 0.5, 1.0, 20.0]))), size=(m, n))
        return values.astype(np.float32), rng.integers(0, k, n)

    return stacks()


@pytest.fixture(scope="session")
def redshift_pdfs() -> st.SearchStrategy[tuple[np.ndarray, np.ndarray]]:
    """Draw (N, K) densities on bins of any widths, sharp or flat and with empty bins, and the edges."""

    @st.composite
    def pdfs(draw: st.DrawFn, n: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        rows, k = n or draw(st.integers(1, 8)), draw(st.integers(1, 12))
        rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        edges = rng.uniform(-0.1, 0.5) + np.cumsum(rng.uniform(0.01, 0.2, k + 1))
        masses = rng.dirichlet(np.full(k, draw(st.sampled_from([0.02, 1.0, 20.0]))), size=rows)
        return (masses / np.diff(edges)).astype(np.float32), edges

    return pdfs()
