"""Parts are given out in runs, each once, whoever asks and whoever is gone."""

import random

from hypothesis import given
from hypothesis import strategies as st

from rookery.compute.actors import Runs


@given(n=st.integers(1, 80), workers=st.integers(1, 7), seed=st.integers(0, 2**32 - 1))
def test_every_part_is_made_once_although_workers_die(n: int, workers: int, seed: int) -> None:
    chance = random.Random(seed)
    parts = sorted(chance.sample(range(1000), n))
    runs, names, made, nameless = Runs(parts, workers), list(range(workers)), [], 1000
    while names:
        who = chance.choice(names)
        part = runs.next(who)
        if chance.random() < 0.1:  # it dies at it
            runs.give_back(who, part)
            names[names.index(who)] = nameless
            nameless += 1
        elif part is None:
            names.remove(who)
        else:
            made.append(part)
    assert sorted(made) == parts


def test_a_lone_worker_takes_parts_in_order() -> None:
    runs = Runs(range(50), 1)
    assert [runs.next("a") for _ in range(51)] == [*range(50), None]


def test_workers_begin_far_apart_and_help_each_other_at_the_end() -> None:
    runs = Runs(range(16), 2)
    assert [runs.next("a"), runs.next("b"), runs.next("a")] == [0, 2, 1]
    rest = [runs.next("a") for _ in range(13)]
    assert sorted(rest) == list(range(3, 16))
