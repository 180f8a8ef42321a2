"""Contract suites that parts keep, ours or another package's: ``pytest --pyargs rookery.testing``.

Every installed family, reader, baseline, pool, calibration and way to find weights is tested; ``-k NAME``
takes one. Those of pools and calibrations need hypothesis. docs/extending.md tells how a part is added.
"""
