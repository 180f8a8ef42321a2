"""Object types to classes: the one place where a survey's types become a classifier's labels."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.errors import fail

if TYPE_CHECKING:
    import pandas as pd

_REST = "non-"
_SHOWN = 30


def class_of_types(
    types: "Sequence[str | None] | NDArray[Any] | pd.Series",
    class_names: Sequence[str],
    where: str | Path = "object types",
) -> NDArray[np.int64]:
    """Return the class of every object.

    A type that equals a class name belongs to that class; failing that, one that is a spelling of it (see
    `type_key`): ``SN Ia`` is ``Ia``, but ``Ia-91bg`` and ``Iax`` are other types. Where the class names hold
    one ``non-X``, every other known type belongs to it.

    Parameters
    ----------
    types
        (N,) types as the survey names them; None or NaN where unknown.
    class_names
        The K classes, for example ``("Ia", "non-Ia")``.
    where
        What the types belong to, for messages.

    Returns
    -------
    (N,) positions in `class_names`, -1 where the type is unknown.

    Raises
    ------
    InputError
        When a type fits no class, or when there are several classes ``non-X``, or one whose X
        is no class.
    """
    import pandas as pd

    rest = _rest_index(class_names, where)
    codes, known = pd.factorize(np.asarray(types, dtype=object))
    position = _positions(known, class_names)
    unfit = sorted(str(name) for name in known if name not in position) if rest is None else []
    if unfit:
        rule = f"every type must be one of the classes {', '.join(class_names)}"
        found = f"but found {', '.join(unfit)}; its types are {spoken_types(pd.Series(types))}"
        raise fail(where, f"{rule}, or a class 'non-X' must take the rest, {found}")
    class_of_code = np.array([position.get(name, rest) for name in known] + [-1], dtype=np.int64)
    return class_of_code[codes]


def type_key(name: str) -> str:
    """Return what all spellings of a type share: ``Ia``, ``SNIa``, ``SN Ia``, ``Type Ia`` and ``SN Ia-norm``.

    Letters and digits count alone and in lower case, ``SN``, ``SNe``, ``supernova`` and ``type`` before them
    and ``norm`` or ``normal`` behind them not at all. What else is written makes another type.
    """
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return re.sub(r"^(?:type)?(?:supernova|sne|sn)?(?:type)?|norm(?:al)?$", "", plain) or plain


def related_types(types: "pd.Series", class_names: Sequence[str]) -> "pd.Series":
    """Return those types that go into ``non-X`` although they are called like X: ``Iax``, ``Ia-91bg``."""
    rest = _rest_index(class_names, "class names")
    known = [] if rest is None else types.dropna().unique().tolist()
    position = _positions(known, class_names)
    key = "" if rest is None else type_key(class_names[rest].removeprefix(_REST))
    kin = [name for name in known if name not in position and type_key(str(name)).startswith(key)]
    return types[types.isin(kin)]


def spoken_types(types: "pd.Series") -> str:
    """Return the types that exist with their numbers, the most frequent first: ``Ia (120), II (30)``."""
    counts = types.value_counts()
    shown = ", ".join(f"{name} ({number})" for name, number in counts.head(_SHOWN).items())
    return f"{shown} and {len(counts) - _SHOWN} more" if len(counts) > _SHOWN else shown or "all unknown"


def _positions(types: Iterable[Any], class_names: Sequence[str]) -> dict[Any, int]:
    """Return the class of each type that has one: of its name, else of the only one it is a spelling of."""
    names = list(class_names)
    keys = [type_key(name) for name in names]
    found = {}
    for name in types:
        key = type_key(str(name))
        if name in names:
            found[name] = names.index(name)
        elif keys.count(key) == 1:
            found[name] = keys.index(key)
    return found


def _rest_index(class_names: Sequence[str], where: str | Path) -> int | None:
    """Return the position of the class that takes every type without a class of its own."""
    rests = [name for name in class_names if name.startswith(_REST)]
    listed = ", ".join(class_names)
    if len(rests) > 1:
        raise fail(where, f"at most one class may be 'non-X', but the classes are {listed}")
    if rests and rests[0].removeprefix(_REST) not in class_names:
        needed = rests[0].removeprefix(_REST)
        raise fail(
            where, f"the class {rests[0]!r} needs a class {needed!r} beside it, but the classes are {listed}"
        )
    return list(class_names).index(rests[0]) if rests else None
