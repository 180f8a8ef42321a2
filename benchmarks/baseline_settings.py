"""Cross-validate settings of the baselines' trees within a split's training part; test objects are not seen.

python benchmarks/baseline_settings.py SURVEY SPLIT
"""

import sys

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import StratifiedKFold

from rookery.baselines import Workers
from rookery.baselines.binned_trees import SETTINGS as BINNED
from rookery.baselines.binned_trees import binned_features
from rookery.baselines.parametric_trees import SETTINGS, parametric_features
from rookery.surveys import open_split, open_survey

EVERY = {"max_iter": 150, "learning_rate": 0.06}
SOME = EVERY | {"max_features": 0.3}
LONG = {"max_iter": 300, "learning_rate": 0.05, "max_features": 0.3}
TRIED = [EVERY, EVERY | {"max_iter": 300}, {"max_iter": 300, "learning_rate": 0.03}, SOME, LONG, SETTINGS]
TRIED += [LONG | {"max_leaf_nodes": 15}, SETTINGS | {"l2_regularization": 20.0}]


def main(path: str, name: str) -> None:
    survey = open_survey(path)
    split = open_split(survey, name)
    rows = np.concatenate([split.indices("train"), split.indices("validation")])
    label = (survey.objects["type"] == "Ia").to_numpy()[rows].astype(int)

    def judge(title: str, features: np.ndarray, settings: dict) -> None:
        probability = np.zeros(len(rows))
        for train, test in StratifiedKFold(4, shuffle=True, random_state=0).split(rows, label):
            seen = ~np.isnan(features[rows[train]]).all(axis=0)
            trees = HistGradientBoostingClassifier(early_stopping=False, random_state=0, **settings)
            trees.fit(features[rows[train]][:, seen], label[train])
            probability[test] = trees.predict_proba(features[rows[test]][:, seen])[:, 1]
        loss, auc = log_loss(label, probability), roc_auc_score(label, probability)
        print(f"{title} {settings}: log-loss {loss:.4f}, AUC {auc:.4f}", flush=True)

    judge("binned-trees", binned_features(survey), BINNED)
    features = parametric_features(survey, Workers())[0]
    for settings in TRIED:
        judge("parametric-trees", features, settings)


if __name__ == "__main__":
    main(*sys.argv[1:])
