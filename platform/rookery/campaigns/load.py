"""Read a campaign file: find it, apply what the command line sets, check every name in it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rookery.campaigns.campaign import Campaign
from rookery.campaigns.checks import (
    check_answers,
    check_configurations,
    check_experiments,
    check_rows,
    check_starts,
    check_table,
)
from rookery.campaigns.document import CampaignDocument
from rookery.campaigns.rows import Key
from rookery.documents import Source
from rookery.networks.family import Family, load_family
from rookery_ensembles.errors import InputError, did_you_mean, fail


def find_campaign(name_or_path: str | Path) -> Path:
    """Return the path of a campaign given as a file or as the name of one that ships.

    Raises `InputError` with the names that exist when there is neither.
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    package = Path(__file__).resolve().parents[1]
    folders = [root / "search_spaces" / "campaigns" for root in (package, package.parents[1])]
    shipped = {file.stem: file for folder in folders for file in sorted(folder.glob("*.yaml"))}
    if path.suffix in ("", ".yaml") and path.stem in shipped and path.parent.name in ("", "campaigns"):
        return shipped[path.stem]
    rule = f"is no campaign: neither a file nor one that ships ({', '.join(shipped) or 'none'})"
    raise fail(path, f"{rule}{did_you_mean(path.stem, shipped)}")


def load_campaign(
    path: str | Path,
    *,
    settings: Mapping[str, Any] | None = None,
    survey_paths: Mapping[str, str | Path] | None = None,
) -> Campaign:
    """Read and check a campaign file.

    Parameters
    ----------
    path
        A file in the grammar of :mod:`rookery.campaigns.document`.
    settings
        Values to put in, by dotted key: ``{"surveys.spcc.from": "spcc.tar.xz"}``.
    survey_paths
        Existing survey stores to take instead of what the file says, by name.

    Raises
    ------
    InputError
        Names the file, the line, the key, the rule and the value found.
    """
    source = Source.read(path)
    for key, value in (settings or {}).items():
        _set(source, key, value)
    surveys = source.data.get("surveys")
    for name, folder in (survey_paths or {}).items():
        if not isinstance(surveys, dict) or name not in surveys:
            known = ", ".join(surveys) if isinstance(surveys, dict) else "none"
            raise fail(path, f"has no survey {name!r} to take from {folder}; its surveys are {known}")
        surveys[name] = {"path": str(folder)}
    document = source.validate(CampaignDocument)
    check_rows(source, document)
    check_experiments(source, document)
    check_table(source, document)
    campaign = Campaign(source, document, load_known_family(source, document))
    check_starts(campaign)
    check_configurations(campaign)
    check_answers(campaign)
    return campaign


def load_known_family(source: Source, document: CampaignDocument) -> Family[Any]:
    """Return the campaign's family; an unknown name, of a row too, is an error of the file.

    The rows of a table predict the same thing, so that no row's family may predict another.
    """
    named: list[tuple[Key, str]] = [(("defaults", "family"), document.defaults.family)]
    named += [(("rows", n, "family"), row.family) for n, row in enumerate(document.rows) if row.family]
    families = []
    for place, name in named:
        try:
            families.append(load_family(name))
        except InputError as error:
            raise source.error(place, str(error)) from error
        kind, wanted = families[-1].prediction_kind, families[0].prediction_kind
        if kind != wanted:
            rule = f"must predict {wanted} as `{families[0].name}` does, but `{name}` predicts {kind}"
            raise source.error(place, rule)
    return families[0]


def _set(source: Source, dotted: str, value: Any) -> None:
    """Put a value into the parsed file; only the last part of its key may be new."""
    *parents, last = dotted.split(".")
    place = source.data
    for part in parents:
        place = place.get(part) if isinstance(place, dict) else None
        if not isinstance(place, dict):
            raise fail(source.path, f"`{dotted}` cannot be set: there is no mapping `{part}` on its way")
    place[last] = value
