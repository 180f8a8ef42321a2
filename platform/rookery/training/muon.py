"""Muon: matrices take steps whose directions all count alike; biases, norms and last layers keep AdamW.

Jordan et al. 2024 (https://kellerjordan.github.io/posts/muon/); steps are as long as AdamW's (0.2 in the root
of the mean square, Liu et al. 2025, arXiv:2502.16982), so that its rate and decay serve for both. torch's own
`torch.optim.Muon` takes no convolutions, and computes in bfloat16, which few CPUs do fast.
"""

from typing import Any

import torch
from torch import Tensor, nn

from rookery.networks.precision import LastLinear

_MOMENTUM = 0.95
_LENGTH = 0.2
"""Root of the mean square of a step's elements, in learning rates."""
_QUINTIC = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5


class Muon(torch.optim.AdamW):
    """AdamW whose groups with `matrices` take Muon's steps; a convolution (O, I, H, W) is one of (O, IHW)."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Take a step; the gradients of matrices are gone then."""
        for group in self.param_groups:
            for parameter in group["params"] if group["matrices"] else ():
                if parameter.grad is not None:
                    self._step_of_matrix(parameter, group)
                    parameter.grad = None
        return super().step(closure)

    def _step_of_matrix(self, parameter: Tensor, group: dict[str, Any]) -> None:
        state, gradient = self.state[parameter], parameter.grad
        assert gradient is not None
        if not state:
            state["step"] = torch.zeros((), device=parameter.device)
            state["momentum"] = torch.zeros_like(parameter)
        state["step"] += 1
        mean = state["momentum"].lerp_(gradient, 1 - _MOMENTUM)
        matrix = gradient.lerp(mean, _MOMENTUM).flatten(1)
        length = _LENGTH * max(matrix.shape) ** 0.5  # one of orthogonal rows has 1 / that root
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.add_(orthogonal(matrix).reshape(parameter.shape), alpha=-group["lr"] * length)


def orthogonal(matrix: Tensor) -> Tensor:
    """Return U V^T of a matrix U S V^T, roughly: most singular values come to lie between 0.7 and 1.2."""
    a, b, c = _QUINTIC
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = wide / (wide.norm() + 1e-7)
    for _ in range(_ITERATIONS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x if wide is matrix else x.T


def with_matrices(groups: list[dict[str, Any]], network: nn.Module) -> list[dict[str, Any]]:
    """Return groups of parameters, each cut in two: `matrices`, and what stays with AdamW.

    That is last layers and what has one dimension.
    """
    last = {id(p) for m in network.modules() if isinstance(m, LastLinear) for p in m.parameters()}
    found = []
    for group in groups:
        for matrices in (True, False):
            some = [p for p in group["params"] if (p.ndim > 1 and id(p) not in last) == matrices]
            if some:
                found.append({**group, "params": some, "matrices": matrices})
    return found
