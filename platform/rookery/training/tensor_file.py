"""Files of tensors in the format of safetensors, written piece by piece.

The package's own writer makes two copies of all of it and holds Python's lock meanwhile: 442 MB that a
thread writes beside training would stop it for more than a second.
"""

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

_KINDS = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors of the CPU; the largest types come first, so that each lies at a multiple of its size."""
    ordered = sorted(tensors.items(), key=lambda pair: (-pair[1].element_size(), pair[0]))
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    end = 0
    for name, value in ordered:
        begin, end = end, end + value.numel() * value.element_size()
        kind, shape = _KINDS[value.dtype], list(value.shape)
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        for _, value in ordered:
            stream.write(tensor_bytes(value))


def tensor_bytes(value: Tensor) -> memoryview:
    """Return a tensor's bytes in the order of its elements, without a copy where they lie so."""
    if not value.numel():
        return memoryview(b"")
    return value.contiguous().reshape(-1).view(torch.uint8).numpy().data
