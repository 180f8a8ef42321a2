"""Ways to damage a file, drawn from a seed: what the fuzz tests of all readers share."""

import random
import re
from collections.abc import Callable

VALUES = [
    b"",
    b"nan",
    b"NaN",
    b"-9",
    b"inf",
    b"-Infinity",
    b"1e400",
    b"-1",
    b"0",
    b"2456001.5",
    b"abc",
    b"\xff\xfe",
    b"\x00",
    b'"',
    b"'",
    b"\n",
    b"\r\n",
    b"9" * 40,
    b"9" * 5000,
    b"0x" + b"f" * 5000,
    b"null",
    b"~",
    b"true",
    b"[]",
    b"{}",
    b"[" * 2000,
    b'{"a":' * 2000,
    b"- " * 300,
    b"&a [*a]",
    b"*a",
    b"<<: *a",
    b"!!python/object:os.system x",
    b'"\\ud800"',
    "\u2028\u202e\N{PILE OF POO}".encode(),
    b"\x1b[31m",
    b"../../etc/passwd",
    b"a" * 3000,
    b"2024-13-45",
    b"1:2:3",
    b"0o777",
    b"1_000",
    b"--",
    b"---\n",
    b"%YAML 9.9\n",
    b"\xef\xbb\xbf",
]


def damage(content: bytes, numbers: random.Random) -> tuple[str, bytes]:
    """Return what was done, and the damaged content; now and then two damages."""
    what, content = _once(content, numbers)
    if numbers.random() < 0.2:
        more, content = _once(content, numbers)
        what = f"{what}, {more}"
    return what, content


def _once(content: bytes, numbers: random.Random) -> tuple[str, bytes]:
    kind = numbers.choice(list(_KINDS))
    start, stop = sorted(numbers.randrange(len(content) + 1) for _ in range(2))
    return f"{kind} at {start}", _KINDS[kind](content, start, stop, numbers)


def _flip(content: bytes, start: int, stop: int, numbers: random.Random) -> bytes:
    if start == len(content):
        return content
    return content[:start] + bytes([content[start] ^ 1 << numbers.randrange(8)]) + content[start + 1 :]


def _overwrite(content: bytes, start: int, stop: int, numbers: random.Random) -> bytes:
    value = numbers.choice(VALUES)
    return content[:start] + value + content[start + len(value) :]


def _insert(content: bytes, start: int, stop: int, numbers: random.Random) -> bytes:
    return content[:start] + numbers.choice(VALUES) + content[start:]


def _bytes(content: bytes, start: int, stop: int, numbers: random.Random) -> bytes:
    number = numbers.choice([1, 4, 8, 64])
    return (
        content[:start]
        + numbers.choice([numbers.randbytes(number), b"\xff" * number])
        + content[start + number :]
    )


def _header(content: bytes, start: int, stop: int, numbers: random.Random) -> bytes:
    """Damage the first or last bytes, where binary formats say what follows."""
    near = numbers.randrange(min(200, len(content) + 1))
    place = near if numbers.random() < 0.5 else len(content) - near
    return _bytes(content, place, stop, numbers)


def _words(content: bytes, start: int, stop: int, numbers: random.Random) -> bytes:
    """Exchange a value between separators (also a card or column of FITS), or two."""
    words = re.split(rb"([,:\s\[\]{}]+)", content)
    one, other = (2 * numbers.randrange(len(words) // 2 + 1) for _ in range(2))
    if numbers.random() < 0.3:
        words[one], words[other] = words[other], words[one]
    else:
        words[one] = numbers.choice(VALUES)
    return b"".join(words)


def _lines(content: bytes, start: int, stop: int, numbers: random.Random) -> bytes:
    lines = content.splitlines(keepends=True) or [b""]
    one, other = (numbers.randrange(len(lines)) for _ in range(2))
    change = numbers.choice(["drop", "swap", "repeat", "indent"])
    if change == "drop":
        del lines[one]
    elif change == "swap":
        lines[one], lines[other] = lines[other], lines[one]
    elif change == "repeat":
        lines.insert(other, lines[one])
    else:
        lines[one] = b"  " + lines[one]
    return b"".join(lines)


_KINDS: dict[str, Callable[[bytes, int, int, random.Random], bytes]] = {
    "flip": _flip,
    "overwrite": _overwrite,
    "insert": _insert,
    "bytes": _bytes,
    "header": _header,
    "words": _words,
    "lines": _lines,
    "cut": lambda content, start, stop, numbers: content[:start],
    "remove": lambda content, start, stop, numbers: content[:start] + content[stop:],
    "repeat": lambda content, start, stop, numbers: content[:stop] + content[start:stop] + content[stop:],
    "empty": lambda content, start, stop, numbers: b"",
}
