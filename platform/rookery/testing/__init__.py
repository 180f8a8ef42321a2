"""Contract suites that a family keeps, ours or another package's: ``pytest --pyargs rookery.testing``.

Every installed family is tested; ``-k NAME`` takes one. docs/extending.md tells how a family is added.
"""
