"""The verbs: what each does, how it is told, and the groups that they stand in."""

from collections.abc import Mapping

from rookery import api
from rookery.cli import say, say_surveys, submit
from rookery.cli.build import Group, Verb
from rookery.cli.say_status import listed, shown, spaces, status
from rookery.demo import demo

_JSON = {"json": "Print JSON, for programs."}
_WATCH = {"watch": "Draw it anew every two seconds while one of them runs."}
_FOLLOW = {"follow": "Show what it prints, until it ends."}


def _ingest() -> Mapping[str, Verb]:
    from rookery.surveys.readers import all_readers

    return {name: Verb(reader, say_surveys.ingested) for name, reader in all_readers().items()}


VERBS: dict[str, Verb | Group] = {
    "ingest": Group("Read survey files into a survey store.", _ingest),
    "simulate": Group(
        "Simulate a survey.",
        lambda: {
            "supernovae": Verb(api.simulate_supernovae, say_surveys.simulated),
            "galaxies": Verb(api.simulate_galaxies, say_surveys.simulated),
        },
    ),
    "split": Verb(api.split, say_surveys.split),
    "append": Verb(api.append, say_surveys.grown),
    "update": Verb(api.update, say_surveys.grown),
    "merge": Verb(api.merge, say_surveys.merged),
    "search": Verb(api.search, say.search),
    "ensemble": Verb(api.ensemble, say.ensemble, _JSON),
    "predict": Verb(api.predict, say.predict),
    "combine": Verb(api.combine, say.combined, _JSON),
    "apply": Verb(api.apply, say.baseline),
    "correct-priors": Verb(api.correct_priors, say.predict),
    "export": Verb(api.export, say.exported),
    "evaluate": Verb(api.evaluate, say.evaluate, _JSON),
    "compare": Verb(api.compare, say.compared, _JSON),
    "explain": Verb(api.explain, say.explained),
    "baseline": Verb(api.baseline, say.baseline),
    "campaign": Verb(api.campaign, say.campaign, _JSON),
    "submit": Verb(api.submit, submit.sent, _FOLLOW, lambda given: submit.complete(given, VERBS)),
    "doctor": Verb(api.doctor, say.doctor, _JSON),
    "bench": Verb(api.bench, say.bench, _JSON),
    "status": Verb(api.status, status, {**_JSON, **_WATCH}),
    "report": Verb(api.report, say.written),
    "show": Verb(api.show, shown, _JSON),
    "spaces": Verb(api.spaces, spaces, _JSON),
    "families": Verb(api.families, listed, _JSON),
    "pareto": Verb(api.pareto, say.pareto, _JSON),
    "tag": Verb(api.tag, say.tags, _JSON),
    "dashboard": Verb(api.dashboard, say.dashboard),
    "demo": Verb(demo),
    "new": Group(
        "Begin a part of your own from a template.",
        lambda: {"family": Verb(api.new_family, say.begun)},
    ),
    "cluster": Group(
        "Files that make a Ray cluster.",
        lambda: {"write": Verb(api.cluster, say.cluster)},
    ),
    "jobs": Group(
        "Jobs sent to a cluster by `rookery submit`.",
        lambda: {
            "list": Verb(submit.list_jobs, submit.listed, _JSON),
            "logs": Verb(submit.show_logs),
            "stop": Verb(submit.stop_job, submit.stopped),
        },
    ),
}
ROOT = Group("Search for, train and combine deep networks for cosmological surveys.", lambda: VERBS)
