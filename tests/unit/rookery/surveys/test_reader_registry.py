import inspect

import pytest

from rookery import surveys
from rookery.surveys.readers import READERS


def test_every_reader_is_found_by_its_file():
    light_curves = ["headphot-csv", "plasticc", "snana", "snana-fits", "table"]
    assert list(READERS) == [*light_curves, "annz", "catalogue", "cubes", "cutouts", "frames", "mlz"]


@pytest.mark.parametrize("name", READERS)
def test_every_reader_takes_files_a_folder_and_options(name):
    reader = READERS[name]
    assert reader is getattr(surveys, reader.__name__)
    first, second, *others = inspect.signature(reader).parameters.values()
    assert [first.name, second.name, others[-1].name] == ["path", "out", "options"]
    assert {one.kind for one in others[:-1]} <= {inspect.Parameter.KEYWORD_ONLY}
    assert others[-1].kind is inspect.Parameter.VAR_KEYWORD
