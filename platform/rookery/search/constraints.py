"""What a configuration must keep to be trained at all, known before it is trained."""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from rookery.networks.family import load_family
from rookery.search.attributes import INFEASIBLE
from rookery.search.storage.optuna_internals import kept
from rookery.surveys import Survey, open_survey
from rookery.surveys.view import SurveyView

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
