"""Random numbers of training as a function of (seed, epoch, object, name): nothing that draws has a state.

A number does not depend on the other objects of the batch, on their order, on the process that computes it
or on what was drawn before, so that a training resumes without any generator, and networks that train
together draw what each draws alone. Words are 32-bit integers; the mixing function is that of
https://github.com/skeeto/hash-prospector (lowbias32), on signed integers because torch computes with these.
"""

import hashlib
import math
from functools import lru_cache
from zlib import crc32

import torch
from torch import Tensor, nn

_FIRST, _SECOND = 0x7FEB352D, 0x846CA68B - 2**32
_GOLDEN = 0x9E3779B9 - 2**32


class Draws:
    """The random numbers of B objects in one epoch.

    Parameters
    ----------
    key_b
        (B,) for each object, from :meth:`of`: a word, int32; or int64, with a turn in the upper half.
    """

    def __init__(self, key_b: Tensor) -> None:
        self.key_b = key_b
        self._word_b = key_b.to(torch.int32)

    @classmethod
    def of(cls, seed: int, epoch: int, rows_b: Tensor) -> "Draws":
        """Return the draws of the objects with these row numbers, on the device where these are."""
        digest = hashlib.blake2b(f"{seed} {epoch}".encode(), digest_size=8).digest()
        first, second = (int.from_bytes(digest[i : i + 4], "little", signed=True) for i in (0, 4))
        rows_b = rows_b.to(torch.int32)
        word_b = _mixed(_mixed(rows_b ^ first) ^ second)
        turn_b = _mixed(rows_b ^ _word(f"{seed}")).long() + epoch
        return cls((turn_b << 32) | (word_b.long() & 0xFFFFFFFF))

    def __len__(self) -> int:
        return len(self.key_b)

    def __getitem__(self, some: slice) -> "Draws":
        return Draws(self.key_b[some])

    def of_others(self, rows_b: Tensor) -> "Draws":
        """Return the draws of B other objects, each of which came by the draw of one of these."""
        return Draws(_mixed(_mixed(rows_b.to(torch.int32)) ^ self._word_b))

    def words(self, name: str, shape: tuple[int, ...] = ()) -> Tensor:
        """Return words (B, *shape), each of the 2^32 alike likely."""
        places = _places.__wrapped__ if torch.compiler.is_compiling() or _captured(self.key_b) else _places
        words = _joined(places(name, math.prod(shape), self.key_b.device), self._word_b[:, None])
        return words.reshape(len(self.key_b), *shape)

    def uniform(self, name: str, shape: tuple[int, ...] = ()) -> Tensor:
        """Return numbers (B, *shape) in [0, 1), multiples of 2^-24."""
        return _uniform(self.words(name, shape))

    def normal(self, name: str, shape: tuple[int, ...] = ()) -> Tensor:
        """Return numbers (B, *shape) of the normal distribution (Box & Muller 1958)."""
        size = math.prod(shape)
        half = -(-size // 2)
        angle, radius = self.uniform(name, (2, half)).unbind(1)
        radius = (-2 * torch.log(1 - radius)).sqrt()
        angle = 2 * math.pi * angle
        both = torch.cat([radius * angle.cos(), radius * angle.sin()], dim=1)
        return both[:, :size].reshape(len(self.key_b), *shape)

    def integers(self, name: str, number: int, shape: tuple[int, ...] = ()) -> Tensor:
        """Return whole numbers (B, *shape) from 0 to `number` - 1, int64; `number` is at most 2^31."""
        return ((self.words(name, shape).long() & 0xFFFFFFFF) * number) >> 32

    def mask(self, name: str, shape: tuple[int, ...], part: float) -> Tensor:
        """Return booleans (B, *shape), of which `part` is false."""
        return self.words(name, shape) >= round(part * 2**32) - 2**31

    def pairs(self, name: str) -> Tensor:
        """Return numbers (B, B) in [0, 1) for each object with each."""
        return _uniform(_joined(_mixed(_plus(self._word_b, _word(name)))[:, None], self._word_b))

    def turns(self, number: int) -> Tensor:
        """Return whole numbers (B,) below `number`, a power of 2: an object begins with a drawn one, and each
        epoch has the next.
        """
        return (self.key_b >> 32) & (number - 1)


class Dropout(nn.Module):
    """Dropout whose mask is drawn for each object by itself.

    Parameters
    ----------
    part
        Of the units that are dropped.
    name
        Tells the masks of a network's layers apart.
    """

    def __init__(self, part: float, name: str) -> None:
        super().__init__()
        self.part, self.name = part, name

    def forward(self, x_bf: Tensor, draws: Draws | None) -> Tensor:
        """(B, ...) -> (B, ...); without draws nothing is dropped."""
        if not self.training or self.part == 0 or draws is None:
            return x_bf
        kept = draws.mask(self.name, tuple(x_bf.shape[1:]), self.part)
        return x_bf * (kept * (1 / (1 - self.part))).to(x_bf.dtype)

    def extra_repr(self) -> str:
        """Return what torch shows of it."""
        return f"{self.part:g}, {self.name!r}"


class Layers(nn.Sequential):
    """Layers one after the other, some of which may draw."""

    def forward(self, x: Tensor, draws: Draws | None = None) -> Tensor:
        """Pass `x` through all layers, and the draws to those that take them."""
        for layer in self:
            x = layer(x, draws) if isinstance(layer, Dropout) else layer(x)
        return x


@lru_cache(maxsize=512)
def _places(name: str, size: int, device: torch.device) -> Tensor:
    """Return the words (size,) of a name's places, which are the same at every step."""
    numbers = torch.arange(size, dtype=torch.int32, device=device)
    return _mixed(_plus(_times(numbers, _GOLDEN), _word(name)))


def _captured(x: Tensor) -> bool:
    """Whether a CUDA graph is being recorded, which works out itself what it must not lose."""
    return x.is_cuda and torch.cuda.is_current_stream_capturing()


def _word(name: str) -> int:
    """Return a name's word as torch's signed integers have it."""
    word = crc32(name.encode())
    return word - 2**32 if word >= 2**31 else word


# torch.compile cannot look into crc32. `torch.compiler.assume_constant_result` does the same, but imports the
# compiler at once.
_word._dynamo_marked_constant = True  # type: ignore[attr-defined]


def _mixed(x: Tensor) -> Tensor:
    """Return words whose every bit depends on each bit of those of `x`."""
    x = x ^ ((x >> 16) & 0xFFFF)  # a signed integer's shift repeats its sign
    x = _times(x, _FIRST)
    x = x.bitwise_xor_((x >> 15).bitwise_and_(0x1FFFF))
    x = _times(x, _SECOND)
    return x.bitwise_xor_((x >> 16).bitwise_and_(0xFFFF))


def _joined(a: Tensor, b: Tensor) -> Tensor:
    """Return words of two mixed ones. Their high bits are the better ones, and all that is taken.

    Dropout spends its time here: another round would take as long again, and tests find nothing to mend.
    """
    x = _times(a ^ b, _FIRST)
    x = x.bitwise_xor_((x >> 15).bitwise_and_(0x1FFFF))
    return _times(x, _SECOND)


def _in_cpp(x: Tensor) -> bool:
    """Whether C++ is being made of this, where an integer that overflows has no meaning: gcc then takes the
    sign of a product for that of its factors, and masks come out otherwise than the words that they are of.
    """
    return torch.compiler.is_compiling() and x.device.type == "cpu"


def _times(x: Tensor, factor: int) -> Tensor:
    """Multiply words, which are lost, modulo 2^32."""
    return (x.long() * factor).to(torch.int32) if _in_cpp(x) else x.mul_(factor)


def _plus(x: Tensor, term: int) -> Tensor:
    """Add to words modulo 2^32."""
    return (x.long() + term).to(torch.int32) if _in_cpp(x) else x + term


def _uniform(words: Tensor) -> Tensor:
    return ((words >> 8) & 0xFFFFFF).float() * 2**-24
