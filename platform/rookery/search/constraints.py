"""What configuration and survey must keep for a network to be trained at all, known before it is trained."""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from rookery.networks.family import Family, load_family
from rookery.search.attributes import INFEASIBLE
from rookery.search.space import SearchSpace
from rookery.search.storage.optuna_internals import kept
from rookery.surveys import Survey, open_survey
from rookery.surveys.view import SurveyView
from rookery_ensembles.errors import fail

if TYPE_CHECKING:
    import optuna

    from rookery.search.study import StudyDocument

MOST_IN_A_ROW = 200
"""A study stops when so many proposals in a row break its constraints."""
_MEASURED = 8
"""Objects by which the memory of a batch is measured."""
Values = Mapping[str, Any]


class Constraints:
    """The constraints of a study, and how far configurations are from breaking them."""

    def __init__(self, document: "StudyDocument") -> None:
        self._limits = document.space.constraints
        self._document = document
        self._family = load_family(document.family)

    @cached_property
    def _survey(self) -> Survey:
        return open_survey(self._document.survey.path, verify=False)

    def _quantity(self, name: str, values: Values) -> float:
        """Return what a constraint limits, for a configuration."""
        from rookery.networks.cost import count_parameters, training_memory

        configuration = self._family.configure(dict(values))
        bands, outputs = len(self._survey.bands), self._document.target.n_columns
        if name == "parameters":
            return count_parameters(self._family, configuration, bands, outputs)
        inputs = self._family.encode(self._few, configuration, self._survey.bands)
        share = -(-configuration.batch_size // self._document.workers_per_network)
        mine = configuration.model_copy(update={"batch_size": share})
        taken = training_memory(self._family, mine, inputs, bands, outputs)
        resident = sum(tensor[0].nbytes for tensor in inputs.values()) * len(self._survey)
        return (taken + resident) / 2**30

    @cached_property
    def _few(self) -> SurveyView:
        """Some objects of the survey, to measure with; a small survey's more than once."""
        rows = np.arange(_MEASURED) % len(self._survey)
        return SurveyView.of_objects(self._survey, rows)

    def broken(self, values: Values) -> dict[str, float]:
        """Return by quantity how far a configuration is above its limit, in parts of it."""
        return {
            limit.quantity: self._quantity(limit.quantity, values) / limit.at_most - 1
            for limit in self._limits
        }

    def keeps(self, values: Values) -> bool:
        """Whether a configuration breaks none."""
        return all(excess <= 0 for excess in self.broken(values).values())

    def tell(self, trial: "optuna.Trial", values: Values) -> bool:
        """Record for the sampler how far a configuration is from its limits; return whether it keeps them."""
        if not self._limits:
            return True
        excess = self.broken(values)
        known = kept(trial.study, trial).constraints
        for quantity, value in excess.items():
            if quantity not in known:  # else it was taken up again
                trial.set_constraint(quantity, value)
        above = [f"{quantity} {value:.0%} above its limit" for quantity, value in excess.items() if value > 0]
        if above:
            trial.set_user_attr(INFEASIBLE, ", ".join(above))
        return not above


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
