"""The judgements of `rookery doctor` on nodes and what they share: facts in, findings out, no Ray.

A node's facts are those of :meth:`rookery.clusters.probe.Probe.facts`; `nodes` maps its name to them.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from rookery import DISTRIBUTION
from rookery.clusters.findings import ORDER, Finding, Level
from rookery.extras import installing

Facts = Mapping[str, Any]
Nodes = Mapping[str, Facts]

GIB = 1 << 30
_SEARCHING = ("ray", "torch", "optuna")
"""The packages of the extra `search` whose versions matter."""
OPEN_FILES_WANTED = 65536
_OPEN_FILES_FAIL, _OPEN_FILES_WARN = 1024, 8192
_FREE_FAIL, _FREE_WARN = 1 * GIB, 10 * GIB
_INODES_FAIL, _INODES_WARN = 1000, 100_000
_RAY_FULL = 0.95
"""Ray refuses to spill objects to a disk that is fuller (``RAY_local_fs_capacity_threshold``)."""
_SHM_ALONE = 2 * GIB
_SKEW_WARN, _SKEW_FAIL = 1.0, 60.0


def check_versions(nodes: Nodes, here: Mapping[str, str | None]) -> list[Finding]:
    """Judge whether every node has the driver's versions; `here` are the driver's own."""
    found = _absent(nodes, here)
    for package in (DISTRIBUTION, *_SEARCHING, "python"):
        mine = here.get(package)
        for name, facts in nodes.items():
            theirs = facts["versions"].get(package)
            if theirs is not None and mine is not None and theirs != mine:
                patch_only = package == "python" and _minor(theirs) == _minor(mine)
                text = f"{package} is {theirs}, but {mine} here"
                advice = f"install {package} {mine} there: networks must come from one software"
                if patch_only:
                    advice = "harmless as a rule; equal environments rule it out"
                level = Level.WARN if patch_only else Level.FAIL
                found.append(Finding("versions", level, text, advice, (name,)))
    if not found:
        said = ", ".join(f"{package} {version}" for package, version in here.items() if version is not None)
        found.append(Finding("versions", Level.OK, said, nodes=tuple(nodes)))
    return found


def _absent(nodes: Nodes, here: Mapping[str, str | None]) -> list[Finding]:
    """Name what a search needs and a node lacks; a checkout that is run without being installed is well."""
    found = []
    for name, facts in nodes.items():
        wanted = (DISTRIBUTION, *_SEARCHING) if here.get(DISTRIBUTION) is not None else _SEARCHING
        absent = [package for package in wanted if facts["versions"].get(package) is None]
        if not absent:
            continue
        text = f"not installed: {', '.join(absent)} (the extra `search`)"
        same = [f"{package}=={here[package]}" for package in absent if here.get(package) is not None]
        advice = f"there, {installing('search')}" + (f"; for {', '.join(same)} as here" if same else "")
        found.append(Finding("versions", Level.FAIL, text, advice, (name,)))
    return found


def check_devices(nodes: Nodes) -> list[Finding]:
    """Judge whether torch sees and can use the GPUs that Ray hands out and the kernel driver knows.

    ``ray_gpus`` of a node's facts is what Ray counts there, None without a cluster.
    """
    found = []
    for name, facts in nodes.items():
        seen, ray_gpus = facts["torch_devices"], facts.get("ray_gpus")
        devices, hardware = seen["devices"], facts["driver_gpus"]

        def say(level: Level, text: str, advice: str = "", where: str = name) -> None:
            found.append(Finding("devices", level, text, advice, (where,)))

        if facts["versions"].get("torch") is None:
            continue  # check_versions says so
        if seen["error"] is not None:
            say(Level.FAIL, f"torch cannot be asked ({seen['error']})", "reinstall torch on that node")
            continue
        for number, device in enumerate(devices):
            if device["error"] is not None:
                advice = "torch's CUDA build, the driver and the device do not fit: see `nvidia-smi`, "
                advice += "and install the torch that pytorch.org names for that driver"
                say(Level.FAIL, f"cuda:{number} ({device['name']}) fails: {device['error']}", advice)
        count = len(devices)
        if ray_gpus is not None and ray_gpus > count:
            advice = "install a torch with CUDA there, or start Ray with --num-gpus of what there is"
            say(Level.FAIL, f"Ray hands out {ray_gpus:g} GPUs, but torch sees {count}", advice)
        elif ray_gpus is not None and ray_gpus < count:
            say(
                Level.WARN,
                f"torch sees {count} GPUs, but Ray hands out {ray_gpus:g}",
                f"start Ray there with --num-gpus={count}",
            )
        elif hardware > count:
            advice = "a torch without CUDA, or CUDA_VISIBLE_DEVICES hides them; the rest lie idle"
            say(Level.WARN, f"the node has {hardware} GPUs, but torch sees {count}", advice)
        elif count == 0:
            say(Level.OK, "no GPU: networks train on CPUs")
        elif all(device["error"] is None for device in devices):
            kinds = Counter(device["name"] for device in devices)
            say(Level.OK, ", ".join(f"{n} x {kind}" for kind, n in kinds.items()))
    return found


def check_clocks(skews: Mapping[str, tuple[float, float]]) -> list[Finding]:
    """Judge clocks: seconds that each node is ahead of the driver, and how uncertain that is."""
    found = []
    for name, (skew, uncertainty) in skews.items():
        sure = max(0.0, abs(skew) - uncertainty)
        if sure <= _SKEW_WARN:
            continue
        level = Level.FAIL if sure > _SKEW_FAIL else Level.WARN
        where = "ahead of" if skew > 0 else "behind"
        text = f"the clock is {abs(skew):.1f} s {where} this machine's (± {uncertainty:.1f} s)"
        advice = "synchronise it (chrony or ntpd): times of trials and ages of files would be wrong"
        found.append(Finding("clocks", level, text, advice, (name,)))
    if not found and skews:
        limit = max(abs(skew) + uncertainty for skew, uncertainty in skews.values())
        text = f"within {max(limit, 0.01):.2f} s of this machine's"
        found.append(Finding("clocks", Level.OK, text, nodes=tuple(skews)))
    return found


def check_open_files(nodes: Nodes) -> list[Finding]:
    """Judge the limit of open files of a worker."""
    bad, good = [], {}
    for name, facts in nodes.items():
        soft, hard = facts["open_files"]["soft"], facts["open_files"]["hard"]
        if soft >= _OPEN_FILES_WARN:
            good[name] = soft
            continue
        level = Level.FAIL if soft < _OPEN_FILES_FAIL else Level.WARN
        advice = f"`ulimit -n {OPEN_FILES_WANTED}` before `ray start`: sockets of many workers need them"
        if hard < _OPEN_FILES_WARN:
            advice += f"; the hard limit is {hard}, which an administrator raises in limits.conf"
        bad.append(Finding("open files", level, f"a process may open {soft} files", advice, (name,)))
    if good:
        text = f"a process may open {min(good.values())} files or more"
        bad.append(Finding("open files", Level.OK, text, nodes=tuple(good)))
    return bad


def check_shared_memory(nodes: Nodes) -> list[Finding]:
    """Judge /dev/shm against Ray's object store, ``object_store_bytes`` of the facts (None without Ray)."""
    bad, good = [], {}
    for name, facts in nodes.items():
        size, store = facts["shm_bytes"], facts.get("object_store_bytes")
        wanted = _SHM_ALONE if store is None else store
        if size is not None and size >= wanted:
            good[name] = size
            continue
        what = "workers want " if store is None else "Ray's objects may take "
        text = (
            "there is no /dev/shm" if size is None else f"/dev/shm has {_gib(size)}, but {what}{_gib(wanted)}"
        )
        advice = f"in a container: --shm-size={-(-wanted // GIB)}g; else objects go through a slow disk"
        bad.append(Finding("shared memory", Level.WARN, text, advice, (name,)))
    if good:
        text = f"/dev/shm has {_gib(min(good.values()))} or more"
        bad.append(Finding("shared memory", Level.OK, text, nodes=tuple(good)))
    return bad


def check_scratch(nodes: Nodes) -> list[Finding]:
    """Judge the disk of Ray's temporary files on each node."""
    bad, good = [], {}
    advice = "make room, or start Ray with --temp-dir on a larger local disk"
    for name, facts in nodes.items():
        disk = facts["scratch"]
        if "error" in disk:
            text = f"{disk['path']}: {disk['error']}"
            bad.append(Finding("scratch disk", Level.FAIL, text, advice, (name,)))
            continue
        used, little = 1 - disk["free"] / max(1, disk["total"]), disk["free"] < _FREE_WARN
        text = f"{disk['path']} has {_gib(disk['free'])} free"
        if used > _RAY_FULL:
            level = Level.FAIL if little else Level.WARN
            text += f" and is {used:.0%} full: Ray writes no objects to a disk over {_RAY_FULL:.0%}"
            bad.append(Finding("scratch disk", level, text, advice, (name,)))
        elif little:
            bad.append(Finding("scratch disk", Level.WARN, text, advice, (name,)))
        else:
            good[name] = disk
    if good:
        least = min(good.values(), key=lambda disk: disk["free"])
        text = f"{least['path']} has {_gib(least['free'])} free or more"
        bad.append(Finding("scratch disk", Level.OK, text, nodes=tuple(good)))
    return bad


def check_free_space(disks: Mapping[str, Facts], folder: str) -> list[Finding]:
    """Judge what is free where the study lies, as each node sees it.

    A node that does not see the folder is judged with the shared storage, not here.
    """
    bad, good = [], {}
    for name, disk in disks.items():
        if "error" in disk or disk["path"] != folder:
            continue
        level, free, inodes = Level.OK, disk["free"], disk["free_inodes"]
        if free < _FREE_WARN:
            level = Level.FAIL if free < _FREE_FAIL else Level.WARN
        text = f"{folder} has {_gib(free)} free"
        if inodes is not None and inodes < _INODES_WARN:
            text += f" and room for {inodes} more files"
            level = max(level, Level.WARN if inodes > _INODES_FAIL else Level.FAIL, key=ORDER.index)
        if level is Level.OK:
            good[name] = free
            continue
        advice = "make room: a study that fills the disk stops, and goes on when there is room"
        bad.append(Finding("free disk", level, text, advice, (name,)))
    if good:
        text = f"{folder} has {_gib(min(good.values()))} free or more"
        bad.append(Finding("free disk", Level.OK, text, nodes=tuple(good)))
    return bad


def _minor(version: str | None) -> list[str]:
    return (version or "").split(".")[:2]


def _gib(size: float) -> str:
    return f"{size / GIB:.1f} GiB" if size < 100 * GIB else f"{size / GIB:.0f} GiB"


_MOUNT = "mount the same storage at the same path on every node (NFS, Lustre, EFS ...)"


def check_shared_folder(
    folder: str, written: Mapping[str, str | None], unread: Mapping[str, Mapping[str, str]]
) -> list[Finding]:
    """Judge the study's folder by the tokens that nodes wrote and read there.

    Parameters
    ----------
    written
        For each node why it could not write its token, None where it could.
    unread
        For each node, by the node that wrote a token, why it could not read it.
    """
    found = []
    for node, error in written.items():
        if error == "No such file or directory":
            text = f"{folder} is not there, or another folder than this machine's"
            found.append(Finding("shared storage", Level.FAIL, text, _MOUNT, (node,)))
        elif error is not None:
            advice = "give the user that runs Ray there the right to write, with the same uid on every node"
            text = f"{folder} cannot be written ({error})"
            found.append(Finding("shared storage", Level.FAIL, text, advice, (node,)))
    writers = [node for node, error in written.items() if error is None]
    for node in writers:
        blind = [writer for writer in writers if writer in unread.get(node, {})]
        if blind:
            why = unread[node][blind[0]]
            text = f"{folder}: files of {len(blind)} of {len(writers)} nodes are not seen here ({why})"
            found.append(Finding("shared storage", Level.FAIL, text, _MOUNT, (node,)))
    if not found and written:
        text = f"{folder}: every node reads what every node writes"
        found.append(Finding("shared storage", Level.OK, text, nodes=tuple(written)))
    return found


def check_survey(
    folder: str, seen: Mapping[str, Mapping[str, Any]], here: Mapping[str, Any]
) -> list[Finding]:
    """Judge a survey as each node sees it against what the driver sees.

    A node tells it by :meth:`rookery.clusters.probe.Probe.survey`.

    `here` is the driver's view, with ``error`` when :func:`rookery.surveys.open_survey` refused it.
    """
    if "error" in here:
        advice = "ingest or simulate the survey again, or copy it whole"
        return [Finding("survey", Level.FAIL, here["error"], advice)]
    found = []
    for node, facts in seen.items():
        if "error" in facts:
            found.append(Finding("survey", Level.FAIL, facts["error"], _MOUNT, (node,)))
        elif facts["checksum"] != here["checksum"] or facts["document"] != here["document"]:
            text = (
                f"{folder} is another survey there: checksum {short(facts['checksum'])}, "
                f"but {short(here['checksum'])} here"
            )
            found.append(Finding("survey", Level.FAIL, text, f"one copy for all: {_MOUNT}", (node,)))
        else:
            tables = here["tables"]
            bad = [name for name, edges in facts["tables"].items() if edges != tables.get(name)]
            if bad:
                text = f"{folder}/{bad[0]} differs from this machine's"
                found.append(Finding("survey", Level.FAIL, text, f"one copy for all: {_MOUNT}", (node,)))
    if not found:
        text = f"{folder}: checksum {short(here['checksum'])}, read whole here, sampled on every node"
        found.append(Finding("survey", Level.OK, text, nodes=tuple(seen)))
    return found


def short(checksum: Any) -> str:
    """Return the first digits of a checksum."""
    return str(checksum)[:12]
