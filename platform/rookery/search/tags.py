"""Words that people give to trials: ``tags.yaml`` of a study, beside what the search writes."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml

from rookery.documents import Source
from rookery_ensembles.errors import fail
from rookery_ensembles.files import write_text

FILE = "tags.yaml"
_WORD = re.compile(r"[^\s,]{1,40}")
_HEAD = "# Tags of trials, by number: `rookery tag`, or any editor.\n"


def read_tags(study: Path) -> dict[int, list[str]]:
    """Return the tags of a study's trials, by number.

    Raises
    ------
    InputError
        When the file holds something else.
    """
    file = study / FILE
    if not file.is_file():
        return {}
    found = {}
    for number, words in Source.read(file).data.items():
        if not str(number).isdecimal() or not isinstance(words, list):
            raise fail(
                file, f"must hold trials and lists of words, as `12: [good]`, but has {number!r}: {words!r}"
            )
        found[int(number)] = [str(word) for word in words]
    return found


def change_tags(
    study: Path, trial: int, add: Sequence[str] = (), remove: Iterable[str] = ()
) -> dict[int, list[str]]:
    """Add and remove tags of a trial; return those of all trials.

    Raises
    ------
    InputError
        When a tag is no single word of at most 40 characters, or the file cannot be read or written.
    """
    for word in add:
        if not _WORD.fullmatch(word):
            raise fail("tag", f"must be one word of at most 40 characters without commas, but is {word!r}")
    tags, gone = read_tags(study), set(remove)
    mine = [word for word in dict.fromkeys([*tags.get(trial, ()), *add]) if word not in gone]
    tags = dict(sorted({**tags, trial: mine}.items()))
    tags = {number: words for number, words in tags.items() if words}
    if add or gone:
        write_text(study / FILE, _HEAD + yaml.safe_dump(tags, default_flow_style=None, allow_unicode=True))
    return tags
