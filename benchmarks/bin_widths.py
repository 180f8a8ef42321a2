"""What coarse bins do to redshift PDFs that are right: `python benchmarks/bin_widths.py`.

True redshifts are drawn from normal distributions (simulated, 200,000 objects a row), whose masses in bins of
equal width are the PDFs. Within a bin a PDF is flat, and so a little wider than the truth.
"""

import numpy as np
from scipy.stats import norm

from rookery_ensembles import photoz_metrics
from rookery_ensembles.redshift_pdf import bins_in_interval

WIDTHS = (0.5, 1.0, 1.5, 2.0, 3.0, 5.0)
"""Standard deviations, in bins."""
N, BINS = 200_000, 60


def main() -> None:
    """Print a row for each width."""
    print("| σ in bins | bins in the 68 % interval | 50 % coverage | 68 % | 95 % | log-likelihood lost |")
    print("| --- | --- | --- | --- | --- | --- |")
    edges = np.linspace(0.0, 1.0, BINS + 1)
    for sigma_bins in WIDTHS:
        generator, sigma = np.random.default_rng(0), sigma_bins / BINS
        mean = generator.uniform(0.45, 0.55, N)
        z = generator.normal(mean, sigma)
        cdf = norm.cdf((edges - mean[:, None]) / sigma)
        cdf[:, 0], cdf[:, -1] = 0.0, 1.0
        pdf = np.diff(cdf, axis=1) * BINS
        found = photoz_metrics(pdf, edges, z)
        lost = norm.logpdf(z, mean, sigma).mean() - found["log_likelihood"]
        coverage = " | ".join(f"{found[f'coverage_{level}']:.3f}" for level in (50, 68, 95))
        spans = np.median(bins_in_interval(pdf, edges))
        print(f"| {sigma_bins:g} | {spans:.1f} | {coverage} | {lost:.4f} |")


if __name__ == "__main__":
    main()
