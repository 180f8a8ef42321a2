"""PELICAN's losses, each per object. Shapes: B objects of which the first L are labelled, F features.

Source: Pasquet et al. 2019, A&A 627, A21, from the text.
"""

import torch
from torch import Tensor

from rookery.networks.precision import widened

_EPSILON = 1e-12  # under roots, whose gradient is infinite at zero


def masked_reconstruction(
    rebuilt_bnt: Tensor, wanted_bnt: Tensor, mask_bnt: Tensor, form: str = "root"
) -> Tensor:
    """Return how far each object is from what is wanted, where observed only, shape (B,).

    Parameters
    ----------
    form
        ``root``: sqrt(sum_i ((m'_i - m_i) M_i)^2), as published; ``squared`` and ``absolute``: the mean over
        the observed pixels of squares or of absolute values.
    """
    difference = ((rebuilt_bnt - wanted_bnt) * mask_bnt).flatten(1)
    if form == "root":
        return torch.sqrt((difference**2).sum(1) + _EPSILON)
    values = difference**2 if form == "squared" else difference.abs()
    return values.sum(1) / mask_bnt.flatten(1).sum(1).clamp(min=1)


def sparsity(features_bf: Tensor, rho: float) -> Tensor:
    """Return sum_j KL(rho || mean activation of feature j over the batch), a number.

    KL(rho || r) = rho ln(rho / r) + (1 - rho) ln((1 - rho) / (1 - r)); features must lie in [0, 1].
    """
    # In less than single precision the largest allowed mean would round to 1.
    mean = widened(features_bf).mean(0).clamp(1e-6, 1 - 1e-6)
    terms = rho * torch.log(rho / mean) + (1 - rho) * torch.log((1 - rho) / (1 - mean))
    return terms.sum()


def contrastive(
    first_bf: Tensor, second_bf: Tensor, partner_l: Tensor, other_l: Tensor, margin: float, squared: bool
) -> Tensor:
    """Return the contrastive loss of each object, shape (B,).

    Object `i` is LC1; LC2 is the second view of its partner, of the same class; LC3 is an object of
    another class, LC4 the second view of that one's partner. The loss is half the sum of max(0, margin - d)
    over the pairs (1,3), (1,4), (2,3), (2,4), plus d(1,2) + d(3,4). An unlabelled object only has d(1,2)
    between its own two views.

    Parameters
    ----------
    first_bf, second_bf
        Features of each object in two views that differ in their sampling.
    partner_l, other_l
        (L,) index of each labelled object's partner, and of an object of another class, -1 where none is.
    squared
        Squares of the distances and of the hinges, instead of the distances.
    """
    n_labelled = len(partner_l)
    alone = _distance(first_bf[n_labelled:], second_bf[n_labelled:])
    one, two = first_bf[:n_labelled], second_bf[partner_l]
    index = other_l.clamp(min=0)
    three, four = first_bf[index], second_bf[partner_l[index]]
    near = [_distance(one, two), _distance(three, four)]
    far = [torch.relu(margin - _distance(a, b)) for a in (one, two) for b in (three, four)]
    if squared:
        near, far, alone = [d**2 for d in near], [h**2 for h in far], alone**2
    exists = (other_l >= 0).to(first_bf.dtype)
    labelled = near[0] + exists * (near[1] + 0.5 * torch.stack(far).sum(0))
    return torch.cat([labelled, alone])


def draw_pairs(target_l: Tensor, draw_ll: Tensor, group_l: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return (partner, other) of each labelled object for :func:`contrastive`.

    Half of the objects are their own partner, so that the pair differs in its sampling alone; the others
    get a random object of their class, and one of another group first. `other` is a random object of another
    class, -1 where the batch has none.

    Parameters
    ----------
    target_l
        (L,) classes.
    draw_ll
        (L, L) numbers drawn evenly from 0 to 1.
    group_l
        (L,) a number per object, such as 1 for a deep-drilling field and 0 for the main survey.
    """
    same = target_l[:, None] == target_l
    itself = torch.eye(len(target_l), dtype=torch.bool, device=target_l.device)
    score = draw_ll if group_l is None else draw_ll + (group_l[:, None] != group_l)
    mate_score = torch.where(same & ~itself, score, -1.0)
    own = (draw_ll.diagonal() < 0.5) | (mate_score.amax(1) < 0)
    partner = torch.where(own, torch.arange(len(target_l), device=target_l.device), mate_score.argmax(1))
    other_score = torch.where(same, -1.0, draw_ll.T)
    other = torch.where(other_score.amax(1) < 0, -1, other_score.argmax(1))
    return partner, other


def _distance(a_bf: Tensor, b_bf: Tensor) -> Tensor:
    return torch.sqrt(((a_bf - b_bf) ** 2).sum(1) + _EPSILON)
