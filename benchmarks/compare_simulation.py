"""How a simulated survey compares with SPCC's open files: compare_simulation.py SURVEY [SURVEY ...].

For each survey store: share of type Ia, peak signal-to-noise, points, detections, redshifts, and
the median g-r, r-i and i at the maximum of each band, by redshift. SPCC is ingested with
`rookery ingest snana ../shared/data/spcc/spcc_open.tar.xz spcc`.
"""

import sys

import numpy as np

from rookery.surveys import open_survey

PERCENT = (5, 25, 50, 75, 95)


def main() -> None:
    for path in sys.argv[1:]:
        survey = open_survey(path, verify=False)
        arrays, objects = survey.observation_arrays(), survey.objects
        starts = arrays.offsets[:-1]
        snr = arrays.flux / arrays.flux_err
        detections = np.add.reduceat(snr >= 5.0, starts)
        is_ia = (objects["type"] == "Ia").to_numpy()
        z = objects["redshift"].to_numpy()
        print(f"{path}: {len(survey)} objects, {is_ia.mean():.2f} Ia; percentiles {PERCENT}")
        print("  peak S/N   ", np.percentile(np.maximum.reduceat(snr, starts), PERCENT).round(1))
        print("  points     ", np.percentile(np.diff(arrays.offsets), PERCENT).round(0))
        print("  detections ", np.percentile(detections, PERCENT).round(0))
        print("  z of Ia    ", np.percentile(z[is_ia], PERCENT).round(2))
        print("  z of others", np.percentile(z[~is_ia], PERCENT).round(2))
        peak = {}
        for name in "gri":
            own = (arrays.band_index == survey.bands.index(name)) & (snr > 5.0)
            flux = np.maximum.reduceat(np.where(own, arrays.flux, 0.0), starts)
            peak[name] = 27.5 - 2.5 * np.log10(np.where(flux > 0, flux, np.nan))
        for label, kind in (("Ia", is_ia), ("others", ~is_ia)):
            for low, high in ((0.1, 0.3), (0.3, 0.5), (0.5, 0.7)):
                chosen = kind & (z > low) & (z < high)
                colours = [np.nanmedian((peak[a] - peak[b])[chosen]) for a, b in ("gr", "ri")]
                faint = np.nanmedian(peak["i"][chosen])
                print(f"  {label}, z {low}-{high}: g-r {colours[0]:.2f}, r-i {colours[1]:.2f}, i {faint:.2f}")


if __name__ == "__main__":
    main()
