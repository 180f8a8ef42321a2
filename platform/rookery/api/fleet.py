"""How studies and campaigns stand, one or all below some folders."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rookery.api._types import OutPath, PathLike


def status(paths: PathLike | Sequence[PathLike]) -> dict[str, Any] | list[dict[str, Any]]:
    """Say how studies and campaigns stand, from their folders alone; disturbs no search that runs.

    Without Ray, and nothing is locked or written. See docs/monitoring.md for every key.

    Parameters
    ----------
    paths
        Folders of studies or campaigns, or their URLs, running or not; of a folder of them, all below it.

    Returns
    -------
    Of one study or campaign, how it stands; of several paths, or a folder of them, a list.

    Raises
    ------
    InputError
        When a path is neither, and holds none. In a list, one that is damaged has the kind `broken`.
    """
    several = [paths] if isinstance(paths, str | Path) else list(paths)
    if len(several) == 1 and not _folder_of_some(several[0]):
        return status_of(several[0])
    return status_of_all(several)


def report(what: PathLike, out: OutPath, *, overwrite: bool = False) -> Path:
    """Write a study, campaign or ensemble bundle as one page of HTML that can be sent by e-mail.

    Everything is inside: it needs no network and no other file. Nothing that runs is disturbed.

    Parameters
    ----------
    what
        Folder of a study, campaign or bundle, or the URL of a study or campaign.
    out
        File to write: NAME.html.
    overwrite
        Replace a file that is there already.

    Raises
    ------
    InputError
        When it is none of them or cannot be read, or the page cannot be written.
    """
    from rookery.dashboard.one_page import write_page
    from rookery.search.storage.remote_folder import is_url
    from rookery_ensembles.files import refuse_existing

    refuse_existing(out, overwrite=overwrite)
    return write_page(_local(what) if is_url(what) else Path(what), Path(out))


def status_of(path: PathLike) -> dict[str, Any]:
    """Return how the study or campaign at a path or URL stands.

    Raises
    ------
    InputError
        When it is neither, or cannot be read.
    """
    from rookery_ensembles.errors import fail

    folder = _local(path)
    if (folder / "study.yaml").is_file():
        from rookery.search.status import study_status

        return study_status(folder)
    if (folder / "campaign.yaml").is_file():
        from rookery.campaigns.status import campaign_status

        return campaign_status(folder)
    if not folder.exists():
        raise fail(folder, "must be a study or a campaign, or a folder of them, but does not exist")
    raise fail(folder, "is neither a study nor a campaign: it has no study.yaml and no campaign.yaml")


def status_of_all(paths: Sequence[PathLike]) -> list[dict[str, Any]]:
    """Return how each study and campaign at, or below, the paths stands.

    One that cannot be read has the kind `broken` and its `error`, and hides no other.

    Raises
    ------
    InputError
        When a path holds none.
    """
    from rookery_ensembles.errors import InputError

    found: list[dict[str, Any]] = []
    for place in [place for path in paths for place in _places(path)]:
        try:
            found.append(status_of(place))
        except InputError as error:
            found.append({"kind": "broken", "path": str(place), "error": str(error)})
    return found


def _local(path: PathLike) -> Path:
    """Return a folder, or the mirror of a URL brought up to date."""
    from rookery.search.storage.remote_folder import is_url, local_study

    if not is_url(path):
        return Path(path)
    from rookery.campaigns.remote import local_campaign

    return local_campaign(str(path)) or local_study(path)


def _folder_of_some(path: PathLike) -> bool:
    """Whether a path is a folder that is itself no study or campaign, but holds some."""
    from rookery.search.storage.remote_folder import is_url

    return not is_url(path) and _places(path, checked=False) not in ([], [Path(path)])


def _places(path: PathLike, *, checked: bool = True) -> list[PathLike]:
    """Return the studies and campaigns at or below a path."""
    from rookery.dashboard.sources import find_sources
    from rookery.search.storage.remote_folder import is_url
    from rookery_ensembles.errors import fail

    if is_url(path):
        return [path]
    sources = find_sources([Path(path)]).values()
    found: list[PathLike] = [one.path for one in sources if one.kind in ("study", "campaign")]
    if checked and not found:
        raise fail(path, "is neither a study nor a campaign, and no folder below it is one")
    return found


def tag(
    study: PathLike, trial: int, *, add: Sequence[str] = (), remove: Sequence[str] = ()
) -> dict[int, list[str]]:
    """Give words to a trial of a study, to find it again on the dashboard; return those of all trials.

    They stand in the study's ``tags.yaml``, which any editor may change; see :mod:`rookery.search.tags`.

    Parameters
    ----------
    study
        Study folder.
    trial
        Number of the trial.
    add
        Word to give it; repeatable. Without any the tags are only told.
    remove
        Word to take from it; repeatable.

    Raises
    ------
    InputError
        When it is no study, has trials but none of this number, or a tag is no single word.
    """
    from rookery.search.storage.census import read_census
    from rookery.search.study_facts import read_facts
    from rookery.search.tags import change_tags
    from rookery_ensembles.errors import fail  # not above: the command line loads no numpy

    if not (Path(study) / "study.yaml").is_file():
        raise fail(study, "is no study: it must hold a study.yaml, but has none")
    facts = read_facts(Path(study))
    numbers = [
        one.number for one in read_census(Path(study), facts.storage, facts.storage_name, (), "epochs")
    ]
    if numbers and trial not in numbers:
        raise fail(study, f"has no trial {trial}: its trials are {min(numbers)} to {max(numbers)}")
    return change_tags(Path(study), trial, add, remove)
