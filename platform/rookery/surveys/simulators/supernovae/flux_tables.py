"""Synthetic photometry in tables: AB fluxes of a surface through filters, over redshift and dust.

Every entry is a full integral over the redshifted spectrum and the filter curve (the K-correction
is exact on the nodes); between the nodes fluxes are interpolated. Dust enters as a polynomial in
the logarithm of the flux, fitted to integrals of the reddened spectra: quadratic in the host's
A_V, linear in the Milky Way's E(B-V).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rookery.surveys.simulators.filters import STEP, WAVELENGTH, Filters, load_filters, optional_module
from rookery.surveys.simulators.supernovae.spectra import Surface

Floats = NDArray[np.float64]

_SHIFT = 4  # grid steps between redshift nodes: ln(1 + z) in steps of 0.008
_HOST_NODES = (0.7, 2.0)  # A_V at which the quadratic is exact, beside 0
_GALACTIC_NODE = 0.1  # E(B-V) at which the linear term is exact
GALACTIC_R_V = 3.1


@dataclass(frozen=True)
class FluxTable:
    """Fluxes of one surface in all bands."""

    coordinate: Floats
    variants: Floats
    """(R,) and (V,), the surface's; both evenly spaced."""
    values: Floats
    """(R, V, Z, B, 4) float64: flux without dust in units of that of AB magnitude 0 (for a
    source at 10 pc whose surface was normalised to the wanted magnitude), then the terms of
    its logarithm: linear and quadratic in host A_V, linear in Galactic E(B-V)."""

    def flux(
        self,
        coordinate: Floats,
        variant: Floats,
        redshift: Floats,
        band: NDArray[np.integer],
        host_av: Floats,
        mwebv: Floats,
    ) -> Floats:
        """Return (M,) fluxes for a source at 10 pc, redshifted but not dimmed by its distance.

        Coordinates outside the table take its edges.
        """
        row, row_rest = place(coordinate, self.coordinate)
        column, column_rest = place(variant, self.variants)
        node = np.clip(np.log1p(redshift) / (_SHIFT * STEP), 0.0, self.values.shape[2] - 1.001)
        depth = node.astype(np.int64)
        depth_rest = node - depth
        total = np.zeros((len(row), 4))
        for i in (0, 1):
            weight_i = row_rest if i else 1.0 - row_rest
            for j in (0, 1) if len(self.variants) > 1 else (0,):
                weight_j = weight_i * (column_rest if j else 1.0 - column_rest)
                for k in (0, 1):
                    weight = weight_j * (depth_rest if k else 1.0 - depth_rest)
                    total += weight[:, None] * self.values[row + i, column + j, depth + k, band]
        exponent = host_av * (total[:, 1] + host_av * total[:, 2]) + mwebv * total[:, 3]
        return total[:, 0] * np.exp(exponent)


def build_table(surface: Surface, filters: Filters, max_redshift: float, host_r_v: float) -> FluxTable:
    """Integrate a surface through filters at redshifts from 0 to beyond `max_redshift`.

    Host dust follows O'Donnell (1994) with `host_r_v`, the Milky Way's Fitzpatrick (1999) with 3.1.
    """
    extinction = optional_module("extinction")
    host = extinction.odonnell94(WAVELENGTH, 1.0, host_r_v)
    galactic = extinction.fitzpatrick99(WAVELENGTH, GALACTIC_R_V, GALACTIC_R_V)
    weights = filters.weights
    reddened = weights * 10.0 ** (-0.4 * _GALACTIC_NODE * galactic)
    plain, *hosts = [
        _integrals(surface, weights, max_redshift, 10.0 ** (-0.4 * a_v * host)) for a_v in (0.0, *_HOST_NODES)
    ]
    behind = _integrals(surface, reddened, max_redshift, np.ones(len(WAVELENGTH)))
    safe = np.maximum(plain, 1e-300)
    low, high = (
        np.log(np.maximum(dimmed, 1e-300) / safe) / a_v
        for dimmed, a_v in zip(hosts, _HOST_NODES, strict=True)
    )
    quadratic = (high - low) / (_HOST_NODES[1] - _HOST_NODES[0])
    linear = low - quadratic * _HOST_NODES[0]
    galactic_term = np.log(np.maximum(behind, 1e-300) / safe) / _GALACTIC_NODE
    values = np.stack([plain, linear, quadratic, galactic_term], axis=-1)
    values[plain <= 0.0] = 0.0  # before the explosion: no light, whatever the dust
    return FluxTable(surface.coordinate, surface.variants, values)


def blue_fluxes(surface: Surface) -> Floats:
    """Return (R, V) fluxes in Bessell's B at redshift 0: what absolute magnitudes are measured in."""
    weights = load_filters(("bessell-B",)).weights[0]
    return surface.spectrum @ weights


def _integrals(surface: Surface, weights: Floats, max_redshift: float, dust: Floats) -> Floats:
    """Return (R, V, Z, B) AB fluxes of the spectra, dimmed by `dust` in their rest frame, then redshifted."""
    n_bands, size = weights.shape
    n_nodes = int(np.ceil(np.log1p(max_redshift) / (_SHIFT * STEP))) + 2
    shifted = np.zeros((n_nodes, n_bands, size))
    for node in range(n_nodes):
        shift = node * _SHIFT
        # f_observed(wavelength) = f_rest(wavelength / (1 + z)) / (1 + z)
        shifted[node, :, : size - shift] = weights[:, shift:] * np.exp(-shift * STEP)
    # Single precision halves the time; scaled, since squared wavelengths over AB fluxes are large numbers.
    spectra = (surface.spectrum * dust).reshape(-1, size)
    scale = spectra.max()
    integrals = (spectra / scale).astype(np.float32) @ shifted.reshape(-1, size).T.astype(np.float32)
    integrals = scale * integrals.astype(np.float64)
    shape = (len(surface.coordinate), len(surface.variants), n_nodes, n_bands)
    return np.maximum(integrals, 0.0).reshape(shape)


def place(value: Floats, nodes: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Return the node at or below each value, and the fraction of the way to the next one."""
    if len(nodes) == 1:
        return np.zeros(len(value), np.int64), np.zeros(len(value))
    position = (value - nodes[0]) / (nodes[1] - nodes[0])
    position = np.clip(position, 0.0, len(nodes) - 1.000001)
    index = position.astype(np.int64)
    return index, position - index
