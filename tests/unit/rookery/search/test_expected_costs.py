"""What a plan says of the time and devices that are still to come."""

import pandas as pd

from rookery.search.expected import expected

START = pd.Timestamp("2026-01-01", tz="UTC")


def costs(*rows: tuple[str, float | None, float, float]) -> pd.DataFrame:
    """Trials of a state, minutes, device-seconds and joules."""
    made = [
        (state, START, pd.NaT if minutes is None else START + pd.Timedelta(minutes=minutes), device, joules)
        for state, minutes, device, joules in rows
    ]
    return pd.DataFrame(made, columns=["state", "started", "ended", "device_seconds", "energy_joules"])


def test_time_is_by_rounds_and_device_hours_by_trials():
    table = costs(("COMPLETE", 8, 600, 3.6e6), ("PRUNED", 4, 120, 1.8e6), ("RUNNING", None, 9999, 9e9))
    told = expected(table, left=10, concurrent=4)
    assert told == "10 trials to go: about 18 min, 1 device-hours, 7.5 kWh (by 2 ended trials of this study)"


def test_no_energy_where_no_device_told_and_nothing_where_nothing_has_ended():
    assert "kWh" not in expected(costs(("COMPLETE", 1, 60, float("nan"))), 3, 1)
    assert "unknown before one has ended" in expected(costs(("FAIL", 1, 60, 1.0)), 3, 1)
