from dataclasses import replace

import numpy as np
import pytest

from rookery_ensembles import Classes, InputError, pool_folds, stack_members


def test_objects_are_aligned_by_their_identifiers(make_predictions) -> None:
    first = make_predictions([0.1, 0.2, 0.3], ["Ia", None, "non-Ia"], ["a", "b", "c"], member="m1")
    second = make_predictions([0.6, 0.4, 0.5], ["non-Ia", "Ia", None], ["c", "a", "b"], member="m2")
    stack = stack_members([first, second])
    assert stack.members == ("m1", "m2")
    assert stack.object_id.tolist() == ["a", "b", "c"]
    assert stack.truth is not None
    assert stack.truth.tolist() == ["Ia", None, "non-Ia"]
    np.testing.assert_array_equal(stack.values[:, :, 0], np.float32([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]))


def test_truth_may_come_from_any_member(make_predictions) -> None:
    blind = make_predictions(truth=None, member="m1")
    assert stack_members([blind, make_predictions(member="m2")]).truth is not None
    assert stack_members([blind]).truth is None


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"object_id": ["SN0", "SN1", "SN9"]}, "m2: the objects must be those of m1, but SN2 is missing"),
        (
            {"p_ia": [0.5] * 4, "truth": ["Ia", "non-Ia", None, None]},
            "m2: the objects must be those of m1, but SN3 is not among them",
        ),
        ({"truth": ["Ia", "Ia", None]}, "truth of object SN1 must be the same.*found Ia and non-Ia"),
        ({"member": "m1"}, "m1: a member must occur once"),
    ],
)
def test_members_that_do_not_fit_together_are_refused(make_predictions, second, message) -> None:
    with pytest.raises(InputError, match=message):
        stack_members([make_predictions(member="m1"), make_predictions(**{"member": "m2", **second})])


def test_members_of_other_classes_are_refused(make_predictions) -> None:
    other = make_predictions(member="m2")
    other = replace(other, info=replace(other.info, target=Classes(("non-Ia", "Ia"))))
    with pytest.raises(InputError, match=r"m2: `class_names` must equal that of 0001"):
        stack_members([make_predictions(), other])


def test_folds_are_joined_end_to_end(make_predictions) -> None:
    origin = {"configuration": "c0ffee", "role": "validation"}
    first = make_predictions([0.1, 0.2], ["Ia", None], ["a", "b"], member="7-f0", fold=0, **origin)
    second = make_predictions([0.3], ["non-Ia"], ["c"], member="7-f1", fold=1, **origin)
    pooled = pool_folds([first, second])
    assert pooled.info == replace(first.info, member="c0ffee", fold=None)
    assert pooled.object_id.tolist() == ["a", "b", "c"]
    assert pooled.truth is not None
    assert pooled.truth.tolist() == ["Ia", None, "non-Ia"]
    np.testing.assert_array_equal(pooled.values, np.concatenate([first.values, second.values]))


def test_one_fold_stays_as_it_is(make_predictions) -> None:
    only = make_predictions()
    assert pool_folds([only]) is only


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({}, "folds must not share objects, but object SN0 is in 7-f0 too"),
        ({"object_id": ["a", "b", "c"], "configuration": "other"}, "`configuration` must equal"),
        ({"object_id": ["a", "b", "c"], "truth": None}, "in all folds or in none"),
    ],
)
def test_folds_that_do_not_fit_together_are_refused(make_predictions, second, message) -> None:
    with pytest.raises(InputError, match=message):
        pool_folds([make_predictions(member="7-f0"), make_predictions(**{"member": "7-f1", **second})])


@pytest.mark.parametrize("join", [stack_members, pool_folds])
def test_nothing_cannot_be_joined(join) -> None:
    with pytest.raises(InputError, match="at least one"):
        join([])
