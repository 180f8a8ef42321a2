"""Time that weights of many members take: EM, greedy selection of 50 picks, CRPS-optimal weights.

Run as ``python benchmarks/ensemble_weights.py [--crps] [--members 200] [--threads 2]``. The members are
simulated: Gaussian PDFs about noisy redshifts, some noisier than others. EM and greedy selection work on the
likelihood table alone; for the CRPS the PDFs are made block by block and never held together.
"""

import argparse
import os
import time


def main() -> None:
    """Print a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in (("members", 200), ("objects", 100_000), ("bins", 180), ("picks", 50), ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--crps", action="store_true", help="CRPS-optimal weights too; they read all PDFs")
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(given.threads)

    import numpy as np

    from rookery_ensembles import RedshiftBins
    from rookery_ensembles.redshift_pdf import gaussian_pdf
    from rookery_ensembles.weights import WEIGHTS, Evidence
    from rookery_ensembles.weights.evidence import cells, gram_of_cells
    from rookery_ensembles.weights.greedy import select_by_likelihood

    rng = np.random.default_rng(0)
    target = RedshiftBins.equal(0.0, 1.0, given.bins)
    z = rng.uniform(0.2, 0.8, given.objects)
    index = target.index(z)
    sigma = rng.uniform(0.02, 0.06, given.members)
    common = rng.normal(size=given.objects)

    class Member:
        """A member's PDFs, made for the objects that are asked for."""

        def __init__(self, number: int) -> None:
            own = np.random.default_rng([1, number]).normal(size=given.objects)
            self.sigma = sigma[number]
            self.mean = z + self.sigma * (0.6 * common + 0.8 * own)

        def __getitem__(self, rows: object) -> np.ndarray:
            mean = self.mean[rows]
            return gaussian_pdf(mean, np.full(len(mean), self.sigma), target.edges).astype(np.float32)

    table = np.empty((given.members, given.objects), dtype=np.float32)
    members = [Member(number) for number in range(given.members)]
    for row, member in zip(table, members, strict=True):
        for start in range(0, given.objects, 10_000):
            part = slice(start, start + 10_000)
            row[part] = target.likelihood(member[part], index[part])

    def timed(name: str, evidence: Evidence, work) -> None:
        start = time.perf_counter()
        weights = work(evidence)
        seconds = time.perf_counter() - start
        loss, equal = evidence.loss(weights), evidence.loss(np.full(given.members, 1 / given.members))
        print(f"{name}: {seconds:.1f} s, log-loss {loss:.5f} (equal weights {equal:.5f})")

    evidence = Evidence(table, None, cells(given.objects))
    timed("em", evidence, lambda e: WEIGHTS["em"].fit(e, shrink=False).weights_m)
    timed("em, shrunk", evidence, lambda e: WEIGHTS["em"].fit(e).weights_m)
    timed(
        f"greedy of {given.picks} picks",
        evidence,
        lambda e: (
            select_by_likelihood(e.likelihood_mn, max_picks=given.picks, patience=given.picks).weights_m
        ),
    )
    if given.crps:
        start = time.perf_counter()
        gram = gram_of_cells(target, members, z, None, evidence.cell)
        print(f"products of residuals: {time.perf_counter() - start:.1f} s, the PDFs' making included")
        timed(
            "crps, shrunk",
            Evidence(table, None, evidence.cell, gram),
            lambda e: WEIGHTS["crps"].fit(e).weights_m,
        )


if __name__ == "__main__":
    main()
