"""Whether a survey has what every network of a search space would need: asked before Ray starts."""

from typing import Any

from rookery.networks.family import Family
from rookery.search.space import SearchSpace
from rookery.surveys import Survey
from rookery_ensembles.errors import fail


def check_survey_fits(space: SearchSpace, family: Family[Any], survey: Survey) -> None:
    """Refuse a survey that lacks a covariate, or pixels, that the space's fixed values ask for.

    Parameters
    ----------
    space
        The search space; what it searches may be chosen otherwise, and is no reason to refuse.
    family
        Its family of networks.

    Raises
    ------
    InputError
        With the value to fix otherwise.
    """
    fixed = space.with_fixed({})
    for name, value in fixed.items():
        wanted = [name] if value is True else [value] if isinstance(value, str) else []
        lacking = [one for one in wanted if one not in survey.covariates]
        if not lacking or not _is_covariate(family, name, value):
            continue
        has = ", ".join(survey.covariates) or "none"
        other = "false" if value is True else "another covariate"
        rule = f"the networks need the covariate {lacking[0]!r} (`{name}: {value}`), but it has {has}"
        raise fail(survey.path, f"{rule}: --set {name}={other} does without")
    image, size = survey.info.image, fixed.get("image_size")
    if image is not None and isinstance(size, int) and image.size < size:
        rule = f"the networks need cutouts of {size} pixels a side (`image_size`), but its have {image.size}"
        raise fail(survey.path, f"{rule}: --set image_size={image.size} takes these")


def _is_covariate(family: Family[Any], name: str, value: Any) -> bool:
    """Whether a hyperparameter's value is, or switches on, a covariate of the family's networks."""
    if name not in family.configuration.model_fields:
        return False
    made = family.configuration.model_construct(**{name: value})
    return (name if value is True else value) in getattr(made, "scalars", ())
