"""What a file or folder holds, in plain values."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rookery.api._types import FileOrName

if TYPE_CHECKING:
    from rookery.search.parameters import Parameter
    from rookery.search.space import SearchSpace
    from rookery.surveys import Survey
    from rookery_ensembles import Bundle, PredictionInfo


def show(what: FileOrName) -> dict[str, Any]:
    """Show what an ensemble bundle, study, campaign, survey, file of predictions or search space holds.

    Nothing is written, and of surveys and predictions only what they say of themselves is read.

    Parameters
    ----------
    what
        Its folder or file, or the name of a search space that ships.

    Raises
    ------
    InputError
        When it is none of these, or damaged.
    """
    from rookery_ensembles.errors import did_you_mean, fail

    path = Path(what)
    if (path / "ensemble.yaml").is_file():
        from rookery_ensembles import load_bundle

        return _bundle(load_bundle(path))
    if (path / "survey.json").is_file():
        from rookery.surveys import open_survey

        return _survey(open_survey(path, verify=False))
    if (path / "study.yaml").is_file() or (path / "campaign.yaml").is_file():
        from rookery.api.fleet import status_of

        return status_of(path)
    if path.suffix == ".parquet":
        from rookery_ensembles.predictions import read_info

        return _predictions(path, read_info(path))
    if (path / "_predictions.json").is_file():
        from rookery_ensembles.partitions import open_partitions

        parts = open_partitions(path)
        told = _predictions(parts.files[0], parts.info)
        return {**told, "path": str(path), "objects": parts.objects, "files": len(parts.files)}
    if path.is_dir():
        names = "ensemble.yaml, survey.json, study.yaml, campaign.yaml and _predictions.json"
        rule = "is no bundle, survey, study, campaign or finished folder of predictions"
        raise fail(path, f"{rule}: it has none of {names}")
    from rookery.search.space import find_space, load_space, shipped_spaces

    if not path.exists() and path.stem not in (shipped := shipped_spaces()):
        rule = "does not exist, and is no search space that ships"
        raise fail(path, f"{rule} ({', '.join(shipped)}){did_you_mean(path.stem, shipped)}")
    found = find_space(what)
    return _space(found, load_space(found))


def spaces(name: FileOrName | None = None, /) -> list[dict[str, Any]]:
    """List the search spaces that ship: family, what is optimised, and how many parameters are searched.

    Parameters
    ----------
    name
        One of them, or a file: its parameters are told too.
    """
    from rookery.search.parameters import FixedParameter
    from rookery.search.space import find_space, load_space, shipped_spaces

    if name is not None:
        return [show(str(find_space(name)))]

    listed = []
    for each, path in shipped_spaces().items():
        space = load_space(path)
        fixed = [isinstance(parameter, FixedParameter) for parameter in space.parameters.values()]
        told = {"name": each, "family": space.family, "objective": space.objective.name}
        listed.append({**told, "searched": fixed.count(False), "fixed": sum(fixed), "path": str(path)})
    return listed


def families() -> list[dict[str, Any]]:
    """List the families of networks: what each learns from, what it predicts, and its hyperparameters."""
    from rookery.networks.family import family_names, load_family

    return [
        {
            "name": family.name,
            "learns_from": list(family.survey_kinds),
            "predicts": family.prediction_kind,
            "hyperparameters": list(family.configuration.model_fields),
        }
        for family in map(load_family, family_names())
    ]


def _bundle(bundle: "Bundle") -> dict[str, Any]:
    """Tell a bundle's members from what it is calibrated by to where it comes from."""
    heaviest = sorted(bundle.members, key=lambda member: (-member.weight, member.id))
    scores = bundle.scores.get("selected_calibrated", {})
    target = bundle.target
    return {
        "kind": "ensemble bundle",
        "path": str(bundle.path),
        "predicts": target.spoken,
        target.key: list(target.names or target.edges),
        "members": {member.id: member.weight for member in heaviest},
        "foreign_members": sorted(bundle.weightless),
        "pool": bundle.pooling,
        "calibration": "none" if bundle.calibration is None else str(bundle.calibration),
        "scores": {name: scores[name] for name in ("n", *target.compared) if name in scores},
        "bands": list(bundle.bands or ()),
        "provenance": {
            name: value for name, value in bundle.provenance.items() if not isinstance(value, dict)
        },
        "digest": bundle.digest,
    }


def _survey(survey: "Survey") -> dict[str, Any]:
    """Tell what is measured of how many objects, and what is known of them."""
    info, redshift = survey.info, survey.objects["redshift"].dropna()
    return {
        "kind": "survey",
        "path": str(survey.path),
        "name": info.name,
        "holds": info.kind,
        "bands": list(survey.bands),
        "counts": {name: value for name, value in info.counts.items() if not isinstance(value, dict)},
        "types": dict(info.counts.get("by_type", {})),
        "redshifts": {
            "known": len(redshift),
            **({"from": float(redshift.min()), "to": float(redshift.max())} if len(redshift) else {}),
        },
        "covariates": list(survey.covariates),
        "splits": sorted(file.stem for file in (survey.path / "splits").glob("*.parquet")),
        "provenance": {
            name: value for name, value in info.provenance.items() if not isinstance(value, dict | list)
        },
        "checksum": survey.checksum,
    }


def _predictions(path: Path, info: "PredictionInfo") -> dict[str, Any]:
    """Tell what a file of predictions says of itself."""
    from rookery_ensembles.bounds import open_parquet

    with open_parquet(path) as file:
        columns, rows = file.schema_arrow.names, file.metadata.num_rows
    told = {name: getattr(info, name) for name in ("member", "bundle", "role", "fold", "survey", "version")}
    target = info.target
    return {
        "kind": "predictions",
        "path": str(path),
        "predicts": target.spoken,
        target.key: list(target.names or target.edges),
        "objects": rows,
        "columns": columns,
        **{name: value for name, value in told.items() if value is not None},
    }


def _space(path: Path, space: "SearchSpace") -> dict[str, Any]:
    """Tell every parameter of a search space and what is to be found."""
    return {
        "kind": "search space",
        "path": str(path),
        "family": space.family,
        "objective": f"{space.objective.name}, to {space.objective.direction}",
        "parameters": {name: _parameter(parameter) for name, parameter in space.parameters.items()},
        "first_points": len(space.published),
    }


def _parameter(parameter: "Parameter") -> str:
    """Return what a parameter may be, and when it counts, in words."""
    when = " and ".join(f"{parent} is {value}" for parent, value in getattr(parameter, "when", {}).items())
    scale = ", on a logarithmic scale" if getattr(parameter, "log", False) else ""
    return parameter.describe() + scale + (f", where {when}" if when else "")
