"""Numbers as people read them: no exponents, few digits, the unit that fits, one thing in the singular."""


def count(number: int, thing: str, things: str = "") -> str:
    """Return ``1 trial``, ``3,000 trials``; `things` is a plural that is not made by an s."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"


def amount(value: float) -> str:
    """Return a positive number with about three digits and no exponent."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 1e-3 else f"{value:.6f}".rstrip("0").rstrip(".")


def duration(seconds: float) -> str:
    """Return ``12 s``, ``3 min 20 s``, ``4 h 5 min``, ``1,260 h``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes} min" + (f" {rest} s" if minutes < 10 and rest else "")
    hours, rest = divmod(whole, 3600)
    return f"{hours:,} h" + (f" {rest // 60} min" if hours < 10 and rest >= 60 else "")


def energy(kilowatt_hours: float) -> str:
    """Return an energy in kWh, Wh or J."""
    if kilowatt_hours >= 1:
        return f"{amount(kilowatt_hours)} kWh"
    if kilowatt_hours >= 1e-3:
        return f"{amount(1e3 * kilowatt_hours)} Wh"
    return f"{amount(3.6e6 * kilowatt_hours)} J"
