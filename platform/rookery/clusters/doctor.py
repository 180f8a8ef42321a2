"""`rookery doctor`: look at every node of a cluster, or at this machine alone, and say what to mend."""

import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rookery.clusters import checks
from rookery.clusters.findings import Finding, Level, merge, worst
from rookery.clusters.nodes import Ask, ask_cluster, ask_here, first_line, node_names, skews
from rookery.clusters.probe import Probe, disk, versions
from rookery.compute.progress import counted
from rookery_ensembles.errors import InputError
from rookery_ensembles.shown import short_repr

Done = Callable[[int], None]
"""Is told how many more checks are done."""
_PATIENCE_S = 10.0


@short_repr
@dataclass(frozen=True)
class DoctorReport:
    """What the doctor found."""

    address: str | None
    findings: list[Finding]
    nodes: dict[str, dict[str, Any]]
    """Facts by node."""

    @property
    def level(self) -> Level:
        """The worst finding's."""
        return worst(self.findings)

    def plain(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "level": str(self.level),
            "address": self.address,
            "findings": [finding.plain() for finding in self.findings],
            "nodes": self.nodes,
        }


def examine(
    address: str | None = None, *, survey: str | Path | None = None, study: str | Path | None = None
) -> DoctorReport:
    """Examine a cluster, or this machine alone.

    Parameters
    ----------
    address
        Of a running Ray cluster that this machine belongs to (``auto`` or ``HOST:6379``); without
        it no Ray is started and only this machine is looked at.
    survey
        A survey store that every node must read.
    study
        A study's or campaign's folder that every node must write, made or not yet; a file per node
        is written there (or in its nearest parent that exists) and taken away.

    Returns
    -------
    The report. A cluster that does not answer, or a survey that cannot be read, is a finding of it
    and no error.
    """
    with counted("checks", 1 + sum(one is not None for one in (address, survey, study))) as done:
        if address is None:
            ask = ask_here(socket.gethostname())
            nodes = ask("facts", tempfile.gettempdir())
            done(1)
            findings = [Finding("cluster", Level.OK, "none asked for: this machine alone")]
            return _report(None, findings, nodes, ask, survey, study, done)
        return _examine_at(address, survey, study, done)


def _examine_at(
    address: str, survey: str | Path | None, study: str | Path | None, done: Done
) -> DoctorReport:
    """Connect to a cluster and examine it."""
    from rookery.compute.session import ray_session

    try:
        with ray_session(address, any_version=True):
            return _examine_cluster(address, survey, study, done)
    except InputError as error:
        advice = "is it up? `ray status` on its head; the port is the head's 6379 unless it was changed"
        return DoctorReport(address, [Finding("cluster", Level.FAIL, str(error), advice)], {})


def _examine_cluster(
    address: str, survey: str | Path | None, study: str | Path | None, done: Done
) -> DoctorReport:
    """Examine the cluster that this process is connected to."""
    import ray

    listed = ray.nodes()
    names = node_names([node for node in listed if node["Alive"]])
    ask = ask_cluster(names)
    answers = ask("facts", ray.get_runtime_context().get_temp_dir())
    done(1)
    findings = [
        Finding(
            "cluster",
            Level.FAIL,
            f"does not answer ({first_line(answer)})",
            "see `ray status` and that node's logs in /tmp/ray/session_latest/logs; restart Ray on it",
            (name,),
        )
        for name, answer in answers.items()
        if isinstance(answer, Exception)
    ]
    nodes = {name: answer for name, answer in answers.items() if not isinstance(answer, Exception)}
    resources = {names[node["NodeID"]]: node["Resources"] for node in listed if node["Alive"]}
    for name, facts in nodes.items():
        facts["ray_gpus"] = resources[name].get("GPU", 0.0)
        facts["object_store_bytes"] = int(resources[name].get("object_store_memory", 0))
    dead = len(listed) - len(names)
    cpus = sum(resources[name].get("CPU", 0) for name in nodes)
    gpus = sum(facts["ray_gpus"] for facts in nodes.values())
    text = f"{len(nodes)} of {len(names)} nodes answer, with {cpus:g} CPUs and {gpus:g} GPUs for Ray"
    text += f"; {dead} more have left since it started" if dead else ""
    findings.insert(0, Finding("cluster", Level.OK, text))
    findings.append(_judge_token(os.environ.get("RAY_AUTH_MODE") == "token"))
    return _report(address, findings, nodes, ask, survey, study, done)


def _judge_token(token: bool) -> Finding:
    """Judge whether the cluster asks for a token."""
    if token:
        return Finding("token", Level.OK, "the cluster asks for a token")
    advice = "`ray get-auth-token --generate` once, the token on every node in ~/.ray/auth_token, and "
    advice += "RAY_AUTH_MODE=token where `ray start` runs; see docs/clusters.md"
    text = "the cluster asks for no token: whoever reaches its ports can run code as its user"
    return Finding("token", Level.WARN, text, advice)


def _report(
    address: str | None,
    findings: list[Finding],
    nodes: dict[str, dict[str, Any]],
    ask: Ask,
    survey: str | Path | None,
    study: str | Path | None,
    done: Done,
) -> DoctorReport:
    """Run every check on the nodes that answered."""
    if nodes:
        here = versions()
        findings += checks.check_versions(nodes, here)
        findings += checks.check_devices(nodes)
        if study is not None:
            findings += _check_study(Path(study).absolute(), list(nodes), ask)
            done(1)
        if survey is not None:
            findings += _check_survey(Path(survey).absolute(), list(nodes), ask)
            done(1)
        if address is not None:
            findings += checks.check_clocks(skews(list(nodes), ask))
            done(1)
        findings += checks.check_scratch(nodes)
        findings += checks.check_shared_memory(nodes)
        findings += checks.check_open_files(nodes)
    return DoctorReport(address, merge(findings), nodes)


def _check_study(study: Path, names: Sequence[str], ask: Ask) -> list[Finding]:
    """Have every node write a token into the study's folder and read everybody's."""
    base = Path(disk(str(study))["path"])
    if not base.is_dir():
        return [
            Finding("shared storage", Level.FAIL, f"{base} is a file, not a folder", "name another --study")
        ]
    scratch = base / f".rookery-doctor.partial-{secrets.token_hex(4)}"
    try:
        scratch.mkdir()
        # Ray may run as another user on other nodes; they write beside each other, as in a study.
        scratch.chmod(base.stat().st_mode & 0o7777)
    except OSError as error:
        text = f"{base} cannot be written from this machine ({error.strerror})"
        return [Finding("shared storage", Level.FAIL, text, "choose a --study that you may write")]
    try:
        tokens = {f"node-{number}": secrets.token_hex(16) for number in range(len(names))}
        each = {name: (str(scratch), *item) for name, item in zip(names, tokens.items(), strict=True)}
        written = _texts(ask("write_token", each=each))
        files = {name: file for name, file in zip(names, tokens, strict=True) if written[name] is None}
        expected = {file: tokens[file] for file in files.values()}
        readers = {name: (str(scratch), expected, _PATIENCE_S) for name in files}
        owner = {file: name for name, file in files.items()}
        unread = {
            name: {owner[file]: why for file, why in answer.items()} if isinstance(answer, dict) else {}
            for name, answer in ask("read_tokens", each=readers).items()
        }
        found = checks.check_shared_folder(str(base), written, unread)
        disks = {name: answer for name, answer in ask("disk", str(base)).items() if isinstance(answer, dict)}
        return found + checks.check_free_space(disks, str(base))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _check_survey(survey: Path, names: Sequence[str], ask: Ask) -> list[Finding]:
    """Read the survey whole here, and compare what the nodes see of it."""
    from rookery.surveys import open_survey

    try:
        open_survey(survey)
        here = Probe().survey(str(survey))
    except InputError as error:
        here = {"error": str(error)}
    answers = ask("survey", str(survey)) if "error" not in here else {}
    seen = {
        name: {"error": first_line(answer)} if isinstance(answer, Exception) else answer
        for name, answer in answers.items()
        if name in names
    }
    return checks.check_survey(str(survey), seen, here)


def _texts(answers: Mapping[str, Any]) -> dict[str, str | None]:
    return {
        name: first_line(answer) if isinstance(answer, Exception) else answer
        for name, answer in answers.items()
    }
