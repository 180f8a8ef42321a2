"""What is predicted: classes of objects, or their redshifts on bins.

A target tells its `kind` in files, the `column` of the predicted values and their number `n_columns`, the
`key` of the metadata that names the columns, the `truth_column` of a survey that holds the truth, which
`metrics` and `calibrations` apply. Of the metrics it lists the names of those that training reports
`each_epoch`, that papers show (`published`), that stand in a comparison of methods (`compared`), at the head
of a report (`headline`) and in narrow tables (`brief`), and the one that says who wins (`decisive`). Its
methods turn truth into columns, check it, normalise, score and calibrate. Nothing else asks of which kind
predictions are.
"""

from collections.abc import Collection

from rookery_ensembles._documents import Fields
from rookery_ensembles.classes import Classes
from rookery_ensembles.errors import fail
from rookery_ensembles.redshift_bins import RedshiftBins

Target = Classes | RedshiftBins

KINDS = (Classes.kind, RedshiftBins.kind)
KEYS = ("kind", Classes.key, RedshiftBins.key)
"""Keys of a document that tell its target."""


def to_dict(target: Target) -> dict[str, object]:
    """Return a target as documents hold it: its kind, and its names or edges."""
    return {"kind": target.kind, target.key: target.names or target.edges}


def target_of(scores: Collection[str]) -> type[Classes] | type[RedshiftBins]:
    """Return what was predicted where predictions have metrics of these names."""
    return RedshiftBins if RedshiftBins.decisive in scores else Classes


def read_target(fields: Fields, where: str) -> Target:
    """Read the target of a document that has the keys `KEYS` among others.

    Raises
    ------
    InputError
        Beginning with `where`, when the kind is unknown, comes without its names or edges or with those of
        the other, or these break a rule.
    """
    kind = fields.take("kind", str)
    names, edges = fields.get_list(Classes.key, str), fields.get_list(RedshiftBins.key, float)
    if kind not in KINDS:
        raise fail(where, f"`kind` must be one of {', '.join(KINDS)}, but found {kind!r}")
    target: Target
    if kind == Classes.kind and names is not None and edges is None:
        target = Classes(names)
    elif kind == RedshiftBins.kind and edges is not None and names is None:
        target = RedshiftBins(edges)
    else:
        needed, other = KEYS[1:] if kind == Classes.kind else KEYS[:0:-1]
        raise fail(where, f"`{kind}` must come with `{needed}` and without `{other}`")
    target.check(where)
    return target
