"""What a configuration must keep to be trained at all, known before it is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from rookery.networks.family import load_family
from rookery.search.space import INFEASIBLE
from rookery.surveys import open_survey

if TYPE_CHECKING:
    import optuna

    from rookery.search.study import StudyDocument

MOST_IN_A_ROW = 200
"""A study stops when so many proposals in a row break its constraints."""
Values = Mapping[str, Any]


class Constraints:
    """The constraints of a study, and how far configurations are from breaking them."""

    def __init__(self, document: StudyDocument) -> None:
        self._limits = document.space.constraints
        family = load_family(document.family)
        self._quantities: dict[str, Callable[[Values], float]] = {}
        if self._limits:
            bands = len(open_survey(document.survey.path, verify=False).bands)
            outputs = document.target.n_outputs

            def parameters(values: Values) -> float:
                from rookery.networks.cost import count_parameters

                return count_parameters(family, family.configure(dict(values)), bands, outputs)

            self._quantities["parameters"] = parameters

    def broken(self, values: Values) -> dict[str, float]:
        """Return by quantity how far a configuration is above its limit, in parts of it."""
        return {
            limit.quantity: self._quantities[limit.quantity](values) / limit.at_most - 1
            for limit in self._limits
        }

    def keeps(self, values: Values) -> bool:
        """Whether a configuration breaks none."""
        return all(excess <= 0 for excess in self.broken(values).values())

    def tell(self, trial: optuna.Trial, values: Values) -> bool:
        """Record for the sampler how far a configuration is from its limits; return whether it keeps them."""
        if not self._limits:
            return True
        excess = self.broken(values)
        known = trial.storage.get_trial(trial._trial_id).constraints
        for quantity, value in excess.items():
            if quantity not in known:  # else it was taken up again
                trial.set_constraint(quantity, value)
        above = [f"{quantity} {value:.0%} above its limit" for quantity, value in excess.items() if value > 0]
        if above:
            trial.set_user_attr(INFEASIBLE, ", ".join(above))
        return not above
