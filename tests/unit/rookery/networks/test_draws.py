"""Random numbers without a state: even, independent, and the same wherever and whenever they are drawn."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from rookery.networks.draws import Draws, Dropout, Layers

SEEDS = st.integers(0, 2**63 - 1)


def chance(statistic: float, degrees: int) -> float:
    """Return the probability of a chi-square as far from its mean, on either side."""
    return 2 * min(stats.chi2.cdf(statistic, degrees), stats.chi2.sf(statistic, degrees))


@pytest.mark.parametrize("seed", [0, 1, 2**62])
@pytest.mark.parametrize("shift", [8, 16, 24])
def test_every_byte_of_the_words_that_counts_is_even(seed: int, shift: int) -> None:
    words = Draws.of(seed, 3, torch.arange(2000)).words("x", (200,))
    counts = np.bincount(((words >> shift) & 0xFF).flatten().numpy(), minlength=256)
    expected = words.numel() / 256
    assert chance(((counts - expected) ** 2 / expected).sum(), 255) > 1e-6


def neighbours() -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Numbers that a poor mixing would make alike."""
    rows = torch.arange(20_000)
    here = Draws.of(7, 0, rows)
    u = here.uniform("x", (8,))
    return {
        "objects": (u[1:], u[:-1]),
        "positions": (u[:, 1:], u[:, :-1]),
        "epochs": (u, Draws.of(7, 1, rows).uniform("x", (8,))),
        "seeds": (u, Draws.of(8, 0, rows).uniform("x", (8,))),
        "names": (u, here.uniform("y", (8,))),
        "those that an object drew": (u, here.of_others(rows).uniform("x", (8,))),
        "objects far apart": (u, Draws.of(7, 0, rows + 2**20).uniform("x", (8,))),
    }


@pytest.mark.parametrize("between", neighbours())
def test_numbers_do_not_depend_on_each_other(between: str) -> None:
    a, b = (x.flatten().double().numpy() for x in neighbours()[between])
    cells, *_ = np.histogram2d(a, b, bins=16, range=[[0, 1], [0, 1]])
    expected = len(a) / 256
    assert chance(((cells - expected) ** 2 / expected).sum(), 255) > 1e-6


def test_normal_numbers_are_normal() -> None:
    z = Draws.of(1, 1, torch.arange(3000)).normal("z", (7,)).double()
    assert stats.kstest(z.flatten().numpy(), "norm").pvalue > 1e-4
    correlation = np.corrcoef(z.numpy(), rowvar=False) - np.eye(7)
    assert np.abs(correlation).max() < 5 / 3000**0.5


def test_whole_numbers_are_even_and_within_their_bounds() -> None:
    found = Draws.of(1, 1, torch.arange(30_000)).integers("n", 7)
    counts = found.bincount(minlength=7).double()
    assert len(counts) == 7
    assert chance(float(((counts - counts.mean()) ** 2 / counts.mean()).sum()), 6) > 1e-6


@given(
    seed=SEEDS, epoch=st.integers(0, 10**5), rows=st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=9)
)
def test_an_object_draws_the_same_in_every_batch(seed: int, epoch: int, rows: list[int]) -> None:
    whole = Draws.of(seed, epoch, torch.tensor(rows))
    pairs = whole.pairs("p")
    for place, row in enumerate(rows):
        alone = Draws.of(seed, epoch, torch.tensor([row]))
        for draw in ("words", "uniform", "normal"):
            found, wanted = (getattr(draws, draw)("x", (3, 2)) for draws in (alone, whole))
            assert torch.equal(found[0], wanted[place])
        assert 0 <= pairs[place].min() <= pairs[place].max() < 1


def test_a_pack_draws_what_each_member_draws_alone() -> None:
    keys = torch.stack([Draws.of(seed, 0, torch.arange(5)).key_b for seed in range(3)])

    def drawn(key_b: torch.Tensor) -> tuple[torch.Tensor, ...]:
        draws = Draws(key_b)
        return draws.normal("a", (4,)), draws.integers("b", 9), draws.mask("c", (2, 2), 0.4), draws.pairs("d")

    together = torch.func.vmap(drawn)(keys)
    for number, key_b in enumerate(keys):
        assert all(torch.equal(a[number], b) for a, b in zip(together, drawn(key_b), strict=True))


def test_eight_epochs_have_all_eight_turns_from_a_drawn_one_on() -> None:
    rows = torch.arange(4000)
    found = torch.stack([Draws.of(3, epoch, rows).turns(8) for epoch in range(5, 13)])
    assert torch.equal(found.sort(dim=0).values, torch.arange(8)[:, None].expand(8, 4000))
    assert found[0].bincount(minlength=8).min() > 400
    assert not torch.equal(found[0], Draws.of(4, 5, rows).turns(8)), "another seed begins otherwise"


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9])
def test_dropout_drops_its_part_and_keeps_the_mean(part: float) -> None:
    layers = Layers(Dropout(part, "a"), Dropout(0.0, "b"))
    x = torch.ones(4000, 50)
    found = layers(x, Draws.of(1, 1, torch.arange(4000)))
    assert (found == 0).double().mean().item() == pytest.approx(part, abs=0.006)
    assert found.unique().tolist() == pytest.approx(([0.0] if part else []) + [1 / (1 - part)])
    assert torch.equal(layers(x), x), "without draws nothing is dropped"
    assert torch.equal(layers.eval()(x, Draws.of(1, 1, torch.arange(4000))), x)
