"""Which class a survey's types belong to: spellings of a class are that class, other types never."""

import pandas as pd
import pytest

from rookery_ensembles import InputError
from rookery_ensembles.object_types import class_of_types, related_types, type_key


@pytest.mark.parametrize(
    ("key", "spellings"),
    [
        (
            "ia",
            ("Ia", "SNIa", "SN Ia", "sn-Ia", "SN_Ia", "Type Ia", "SN type Ia", "SN Ia-norm", "Ia (normal)"),
        ),
        ("iip", ("IIP", "II P", "II-P", "SN II-P", "Supernova II P")),
        ("slsni", ("SLSN-I", "SLSN I")),
        ("sn", ("SN",)),
    ],
)
def test_spellings_of_a_type_have_one_key(key: str, spellings: tuple[str, ...]) -> None:
    assert {type_key(each) for each in spellings} == {key}


def test_distinct_types_have_distinct_keys() -> None:
    types = [
        "Ia",
        "Iax",
        "Ia-91bg",
        "Ia-91T",
        "Ia-pec",
        "Ib",
        "Ic",
        "Ib/c",
        "Ic-BL",
        "II",
        "IIn",
        "IIb",
        "AGN",
    ]
    assert len({type_key(each) for each in types}) == len(types)


def test_a_type_belongs_to_the_class_that_it_is_a_spelling_of() -> None:
    types = ["SN Ia", "Ia", "SN Ia-norm", "Iax", "SN Ia-91bg", "II P", None]
    assert class_of_types(types, ["Ia", "non-Ia"]).tolist() == [0, 0, 0, 1, 1, 1, -1]
    assert class_of_types(["SN II P", "SNIIn"], ["IIn", "IIP"]).tolist() == [1, 0]
    kin = related_types(pd.Series(types), ["Ia", "non-Ia"])
    assert sorted(kin) == ["Iax", "SN Ia-91bg"]
    assert related_types(pd.Series(types), ["Ia", "II"]).empty


def test_a_name_goes_before_a_spelling_and_two_classes_of_one_spelling_stay_two() -> None:
    assert class_of_types(["SN Ia", "Ia"], ["Ia", "SN Ia"]).tolist() == [1, 0]
    with pytest.raises(InputError, match=r"found SNIa; its types are SNIa \(1\)"):
        class_of_types(["SNIa"], ["Ia", "SN Ia"])
