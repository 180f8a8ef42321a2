"""A Fink science module: class probabilities of light curves by an ensemble of networks.

It needs numpy, pandas and torch. `README.md` tells how it is called, `processor.py` what Fink calls.
"""
