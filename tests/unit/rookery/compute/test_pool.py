"""One work in many parts: in order, with the workers' errors, whoever does them."""

import operator
import os
import random
from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rookery.compute.actors import Runs
from rookery.compute.pool import ProcessPool, RayPool, available_cores
from rookery_ensembles.errors import InputError


def refuse_negative(value: int) -> int:
    if value < 0:
        raise InputError(f"takes no {value}")
    return value


def test_processes_answer_in_the_order_of_the_parts() -> None:
    found = ProcessPool(3).map(partial(operator.pow, 2), range(8))
    assert list(found) == [1, 2, 4, 8, 16, 32, 64, 128]
    assert list(ProcessPool(3).map(operator.neg, [])) == []


def test_processes_are_others_and_have_the_environment_that_they_are_given() -> None:
    pool = ProcessPool(2, {"A_VARIABLE_OF_THE_POOL": "its value"})
    assert list(pool.map(os.getenv, ["A_VARIABLE_OF_THE_POOL"])) == ["its value"]
    assert "A_VARIABLE_OF_THE_POOL" not in os.environ


def test_a_process_gets_its_next_part_when_its_result_is_taken() -> None:
    given: list[int] = []

    def parts() -> Iterator[int]:
        for number in range(6):
            given.append(number)
            yield number

    found = ProcessPool(2).map(operator.neg, parts())
    assert next(found) == 0
    assert given == [0, 1, 2]
    found.close()  # type: ignore[attr-defined]


def test_large_results_and_what_is_printed_do_not_meet() -> None:
    (found,) = ProcessPool(2).map(np.ones, [1_000_000])
    assert found.sum() == 1_000_000
    assert list(ProcessPool(2).map(print, ["a word on standard output"])) == [None]


def test_a_process_that_fails_is_reported_with_its_last_words() -> None:
    with pytest.raises(RuntimeError, match=r"a worker process ended with 1: TypeError: bad operand"):
        list(ProcessPool(2).map(operator.neg, [1, "two", 3]))
    with pytest.raises(RuntimeError, match=r"a worker process ended with 3"):
        list(ProcessPool(2).map(os._exit, [3]))


def test_no_more_processes_than_parts_or_cores() -> None:
    assert ProcessPool.for_parts(3, 8, most=4, worth=1).processes == 3
    assert ProcessPool.for_parts(3, None, most=4, worth=2).processes == 1
    assert ProcessPool.for_parts(1000, None, most=4, worth=2).processes == min(4, available_cores())


def test_small_work_is_done_in_this_process() -> None:
    assert list(RayPool().map(lambda part: os.getpid(), [0], small=True)) == [os.getpid()]
    assert list(RayPool(processes=0).map(lambda part: os.getpid(), [0])) == [os.getpid()]


@pytest.mark.slow
@pytest.mark.ray
def test_error_of_a_ray_task_is_the_users_error() -> None:
    pool = RayPool(processes=2)
    with pytest.raises(InputError, match="takes no -2"):
        list(pool.map(refuse_negative, [1, -2, 3]))
    assert list(pool.map(refuse_negative, range(20))) == list(range(20))


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
