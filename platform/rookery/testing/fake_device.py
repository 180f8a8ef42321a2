"""A device that is none: real numbers, computed on the CPU, which pose as those of a GPU.

Every tensor of the device `fakegpu` hides a CPU tensor. An operation that mixes the two is refused, as CUDA
refuses it. :class:`Spy` lists what a training does that a GPU would have to wait for, or the host to do. The
fake is blind to code for CUDA alone, to NCCL, to streams and to what CUDA's kernels compute.
"""

import math
import re
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch._prims_common import suggest_memory_format
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "fakegpu"
_OURS = re.compile(r"/(rookery|tests)/")
_SHAPED_BY_VALUES = ("nonzero", "masked_select", "_unique2", "unique_dim", "unique_consecutive", "equal")
_COPIES = ("_to_copy", "copy_")
_ROUNDED = ("conv2d", "linear", "prelu", "matmul", "mm", "addmm", "bmm", "baddbmm", "addmv", "mv")
"""What autocast computes in its own type, of what networks are made of; the list is that of CUDA."""
_INDEXING = ("index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index")
_VIEWS = ("detach", "alias", "view", "_unsafe_view", "lift_fresh", "select", "slice", "unsqueeze", "expand")
"""Of these nothing is computed."""


class _Module:
    """What torch wants to know of a kind of device."""

    def is_initialized(self) -> bool:
        return True

    def is_available(self) -> bool:
        return True

    def current_device(self) -> int:
        return 0

    def device_count(self) -> int:
        return 1

    def _is_in_bad_fork(self) -> bool:
        return False

    def manual_seed_all(self, seed: int) -> None:
        """The CPU's generator draws."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]


class FakeTensor(Tensor):
    """A tensor of the device, whose values are those of `inner`, on the CPU."""

    inner: Tensor  # type: ignore[assignment]  # of no use to it: torch's is a product

    @staticmethod
    def __new__(cls, inner: Tensor) -> "FakeTensor":
        """Wrap a tensor of the CPU."""
        made: FakeTensor = torch.Tensor._make_wrapper_subclass(
            cls,
            inner.shape,
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            layout=inner.layout,
            device=fake_device(),
        )
        made.inner = inner
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, op: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return _compute(op, args, kwargs or {})


@cache
def fake_device() -> torch.device:
    """Return the device; the first call makes it known to torch, for the rest of the process."""
    _setup_privateuseone_for_python_backend(NAME, backend_module=_Module())
    _library.fallback(lambda op, *args, **kwargs: _compute(op, args, kwargs), "PrivateUse1")
    _library.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")
    for name in _ROUNDED:
        _operations.impl(name, _rounded(getattr(torch.ops.aten, name)), "AutocastPrivateUse1")
    return torch.device(NAME, 0)


_library = torch.library.Library("_", "IMPL")
_operations = torch.library.Library("aten", "IMPL")


def _rounded(op: Any) -> Any:
    """Return an operation as autocast has it: numbers in single precision are rounded before."""

    def run(*args: Any, **kwargs: Any) -> Any:
        dtype = torch.get_autocast_dtype(NAME)
        with torch.autocast(NAME, enabled=False):
            given = [x.to(dtype) if isinstance(x, Tensor) and x.dtype == torch.float32 else x for x in args]
            return op(*given, **kwargs)

    return run


class _GeneratorAnywhere(torch.Generator):
    """A generator of the CPU, whichever device it is asked for: torch lets no Python code make another."""

    def __new__(cls, device: Any = None) -> "_GeneratorAnywhere":
        return super().__new__(cls)


class _Factories(TorchDispatchMode):
    """Makes new tensors of the device, whose own way to make some of them would change their shape later."""

    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        place = (kwargs or {}).get("device")
        made_here = place is not None and torch.device(place).type == NAME
        return (_compute if made_here else _call)(op, args, kwargs or {})


def _call(op: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    return op(*args, **kwargs)


@contextmanager
def pretended_device() -> Iterator[torch.device]:
    """Return the device, as one on which code can run that knows nothing of it."""
    device, generator, inference_mode = fake_device(), torch.Generator, torch.inference_mode
    torch._C._set_only_lift_cpu_tensors(True)  # `torch.tensor(..., device=...)` is a copy like others
    torch.Generator = _GeneratorAnywhere  # type: ignore[misc]
    torch.inference_mode = torch.no_grad  # type: ignore[misc, assignment]  # it takes no tensor made in Python
    try:
        # Autograd has no thread for a device that came after the process's first backward pass.
        with torch.autograd.set_multithreading_enabled(False), _Factories():
            yield device
    finally:
        torch.Generator = generator  # type: ignore[misc]
        torch.inference_mode = inference_mode  # type: ignore[misc]
        torch._C._set_only_lift_cpu_tensors(False)


def _compute(op: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Run an operation on the hidden tensors."""
    given = tree_leaves((args, kwargs))
    fakes = {id(value.inner): value for value in given if isinstance(value, FakeTensor)}
    name, plain = op.__name__.split(".")[0], dict(kwargs)
    if name not in _COPIES and fakes:
        for value in given:
            # As on a GPU: single numbers and indices may come from the host.
            if _on_host(value) and value.ndim > 0 and name not in _INDEXING:
                raise RuntimeError(f"{op}: expected all tensors on {NAME}, but one is on the CPU")
    on_device = bool(fakes)
    if kwargs.get("device") is not None:
        on_device, plain["device"] = torch.device(kwargs["device"]).type == NAME, "cpu"
    if name == "copy_":
        on_device = isinstance(args[0], FakeTensor)
    found = op(*tree_map(_reveal, args), **tree_map(_reveal, plain))
    if name == "_to_copy" and any(found is value for value in given):  # another device's memory is another
        found = found.clone()
    return tree_map(lambda value: _hide(value, fakes) if on_device else value, found)


def _reveal(value: Any) -> Any:
    return value.inner if isinstance(value, FakeTensor) else value


def _hide(value: Any, fakes: dict[int, FakeTensor]) -> Any:
    if not isinstance(value, Tensor):
        return value
    return fakes[id(value)] if id(value) in fakes else FakeTensor(value)


def _on_host(value: Any) -> bool:
    return isinstance(value, Tensor) and not isinstance(value, FakeTensor) and value.device.type == "cpu"


@dataclass
class Spy(TorchDispatchMode):
    """Counts what happens between host and device while it is entered."""

    seen: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By kind and place in the code. Kinds: `sync` (the host waits: a number or tensor is read, or a shape
    depends on values), `copy` (a tensor goes to the device), `host` (something is computed on the CPU)."""
    steps: int = 0
    """Steps of a fused optimizer."""
    kernels: int = 0
    """Operations of the device that make or change numbers: on a GPU as many kernels, or some more. To those
    of a convolution belong what torch does beside cuDNN's: copies of what does not lie densely in the order
    that it computes in, and a pass for a bias."""
    traffic: int = 0
    """Bytes that these read and write, if nothing stays in a cache."""

    def __post_init__(self) -> None:
        super().__init__()

    def of(self, kind: str) -> Counter[str]:
        """Return what was seen of one kind, by place."""
        return Counter({place: number for (found, place), number in self.seen.items() if found == kind})

    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = op(*args, **(kwargs or {}))
        name = op.__name__.split(".")[0]
        self.steps += name == "_fused_adamw_"
        given, made = tree_leaves((args, kwargs or {})), tree_leaves(found)
        moved = [value for value in [*given, *made] if isinstance(value, FakeTensor)]
        if moved and not op.is_view and name not in _VIEWS:
            self.kernels += 1
            self.traffic += sum(map(_bytes, moved))
            for beside in _beside_convolution(name, args, made):
                self.kernels += 1
                self.traffic += beside
        for kind in self._kinds(name, args, given, made):
            self.seen[kind, f"{_place()}: {name}"] += 1
        return found

    def _kinds(self, name: str, args: Any, given: list[Any], found: list[Any]) -> list[str]:
        fake = any(isinstance(value, FakeTensor) for value in given)
        if name in _COPIES:
            source, result = given[1] if name == "copy_" else given[0], found[0]
            if isinstance(source, FakeTensor) and _on_host(result):
                return ["sync"]
            if _on_host(source) and isinstance(result, FakeTensor):
                return ["copy"]
        if fake and (name == "_local_scalar_dense" or name in _SHAPED_BY_VALUES):
            return ["sync"]
        if fake and name in _INDEXING:
            indices = tree_leaves(args[1])
            by_mask = any(isinstance(i, Tensor) and i.dtype in (torch.bool, torch.uint8) for i in indices)
            return ["sync"] * by_mask + ["copy"] * any(_on_host(i) for i in indices)
        made = [value for value in found if _on_host(value)]
        return ["host"] if made and not fake and name not in _VIEWS else []


def _bytes(x: Tensor) -> int:
    """Return how many bytes a tensor takes; what is the same along a dimension counts once."""
    different = [size for size, stride in zip(x.shape, x.stride(), strict=True) if stride]
    return math.prod(different) * x.element_size() if x.numel() else 0


def _beside_convolution(name: str, args: Any, made: list[Any]) -> list[int]:
    """Return the bytes of each kernel that torch runs on a GPU beside those of a convolution."""
    if name == "convolution":
        x, weight, bias = args[:3]
        operands, biased = [x, weight], [2 * _bytes(made[0])] if bias is not None else []
    elif name == "convolution_backward":
        gradient, x, weight = args[:3]
        of_input, of_weight, of_bias = args[-1]
        operands = [gradient, *[x] * of_weight, *[weight] * of_input]
        biased = [_bytes(gradient)] * of_bias
    else:
        return []
    orders = [suggest_memory_format(value) for value in (x, weight) if value.ndim == 4]
    order = torch.channels_last if torch.channels_last in orders else torch.contiguous_format
    return [2 * _bytes(value) for value in operands if not value.is_contiguous(memory_format=order)] + biased


def _place() -> str:
    """Return the line of ours, of the platform or of a test, that led here."""
    for frame in reversed(traceback.extract_stack()):
        if (
            _OURS.search(frame.filename)
            and "site-packages" not in frame.filename
            and frame.filename != __file__
        ):
            return f"{Path(frame.filename).name}, {frame.line}"
    return "elsewhere"
