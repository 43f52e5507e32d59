"""Tensors from the files in which trained networks are kept: safetensors, npz, npy, ONNX, and PyTorch's own.

Nothing is ever unpickled: an npz or npy file that holds Python objects is refused, and a .pt file is read by PyTorch's
weights-only loader.
"""

from __future__ import annotations

import json
import re
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from difflib import get_close_matches
from errno import EINVAL
from io import BufferedReader
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from convcli import words
from convcli.errors import ConvcliError, RecipeError
from convcli.files.reading import open_regular
from convcli.kernels.readers import npy
from convcli.system.memory import free_memory

_SUFFIXES = ("safetensors", "npz", "npy", "onnx", "pt", "pth")
_SPEC = re.compile(rf"(.+?\.(?:{'|'.join(_SUFFIXES)}))(?::(.*))?", re.IGNORECASE | re.DOTALL)


def split_name(spec: str) -> tuple[Path, str]:
    """`model.safetensors:conv1.weight` as the file and the tensor's name, which is "" where none is given."""
    match = _SPEC.fullmatch(spec)
    if not match:
        kinds = ", ".join("." + suffix for suffix in _SUFFIXES)
        raise RecipeError(
            f"{spec!r} names no weights file; its suffix must be one of {kinds}, then :NAME of the tensor"
        )
    return Path(match[1]), match[2] or ""


class TensorFile(ABC):
    """A file of named tensors. shapes: every tensor's shape, without reading the numbers where the format allows."""

    shapes: dict[str, tuple[int, ...]]

    def __init__(self, path: Path) -> None:
        self.path = path

    @staticmethod
    def open(path: Path) -> TensorFile:
        """The file, by its suffix. Raises ConvcliError where it is missing, damaged, or holds objects."""
        if not path.is_file():
            what = "is a folder; a file of weights is expected" if path.is_dir() else "does not exist"
            raise ConvcliError(f"{path} {what}")
        kind = _KINDS[path.suffix.lower()]
        try:
            return kind(path)
        except (ConvcliError, MemoryError):
            raise
        except OSError as error:
            raise ConvcliError(f"{path} can't be read: {error.strerror or error}") from None
        except Exception as error:  # each reader has errors of its own for what a damaged file can hold
            raise ConvcliError(f"{path} is damaged or no {path.suffix} file: {_first(error)}") from None

    def tensor(self, name: str) -> NDArray[Any]:
        """The tensor of that name as float32 or float64. Raises ConvcliError where it is missing or damaged."""
        if name not in self.shapes:
            raise RecipeError(f"{self.path} holds no tensor {name!r}; {self._hint(name)}")
        try:
            array = self._read(name)
        except (ConvcliError, MemoryError):
            raise
        except Exception as error:  # as above
            raise ConvcliError(f"{self.path}: tensor {name!r} can't be read: {_first(error)}") from None
        if array.dtype.kind not in "fiu":
            raise RecipeError(f"{self.path}: tensor {name!r} holds {array.dtype}, not real numbers")
        array = array.astype(np.float64 if array.dtype == np.float64 else np.float32)
        if not np.isfinite(array).all():
            count = int((~np.isfinite(array)).sum())
            raise RecipeError(f"{self.path}: tensor {name!r} holds NaN or infinity in {count} of {array.size} places")
        return array

    def convolutions(self) -> list[str]:
        """The tensors that could be a convolution's weights: those of rank 4."""
        return [name for name, shape in self.shapes.items() if len(shape) == 4 and 0 not in shape]

    def chosen(self, name: str) -> str:
        """The convolution meant by `name`: its full name, the part before `.weight`, or "" where there is only one."""
        if name in self.shapes:
            return name
        fitting = [full for full in self.convolutions() if not name or full == f"{name}.weight"]
        if name and not fitting:
            fitting = [full for full in self.convolutions() if full.endswith((f".{name}", f".{name}.weight"))]
        if len(fitting) == 1:
            return fitting[0]
        if not fitting and not name:
            some = ", ".join(f"{full} {shape}" for full, shape in list(self.shapes.items())[:6])
            raise RecipeError(f"{self.path} holds no tensor of rank 4, (O, C/groups, KH, KW): {some or 'it is empty'}")
        if not fitting:
            raise RecipeError(f"{self.path} holds no convolution {name!r}; {self._hint(name)}")
        some = ", ".join(fitting[:6]) + (", ..." if len(fitting) > 6 else "")
        raise RecipeError(f"{self.path} holds {len(fitting)} tensors that could be meant ({some}); name one, as in "
                          f"{self.path}:{fitting[0]}")  # fmt: skip

    def bias_of(self, name: str) -> str | None:
        """The name of the bias that belongs to these weights, if the file has it."""
        stem, dot, last = name.rpartition(".")
        bias = f"{stem}{dot}{last.replace('weight', 'bias')}"
        shape = self.shapes.get(bias)
        return bias if bias != name and shape is not None and len(shape) == 1 else None

    def _room(self, name: str, size: int) -> None:
        """Raise where memory does not suffice for so many bytes."""
        free = free_memory()
        if free is not None and size > free:
            raise ConvcliError(
                f"{self.path}: tensor {name!r} takes {words.size(size)} of memory and {words.size(free)} are free"
            )

    def _hint(self, name: str) -> str:
        near = get_close_matches(name, self.shapes, 3, 0.5)
        if near:
            return f"did you mean {' or '.join(near)}?"
        return f"--weights {self.path} without a name lists the tensors"

    @abstractmethod
    def _read(self, name: str) -> NDArray[Any]: ...


class _Safetensors(TensorFile):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        safe_open = _extra("safetensors", "weights", path).safe_open
        self._file = safe_open(str(path), framework="np")
        self.shapes = {name: tuple(self._file.get_slice(name).get_shape()) for name in self._file.keys()}  # noqa: SIM118

    def _read(self, name: str) -> NDArray[Any]:
        kind = self._file.get_slice(name).get_dtype()
        if kind == "BF16":
            return self._brain_floats(name)
        if kind not in ("F64", "F32", "F16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8"):
            raise RecipeError(f"{self.path}: tensor {name!r} is kept as {kind}; save it as float16 or float32")
        return np.asarray(self._file.get_tensor(name))

    def _brain_floats(self, name: str) -> NDArray[Any]:
        """bfloat16, which NumPy doesn't know: the upper halves of float32. Where they lie is told by the header."""
        with self.path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            first, end = json.loads(file.read(length))[name]["data_offsets"]
            file.seek(8 + length + first)
            halves = np.frombuffer(file.read(end - first), "<u2")
        return (halves.astype(np.uint32) << 16).view(np.float32).reshape(self.shapes[name])


class _Npz(TensorFile):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        from zipfile import ZipFile

        self.shapes = {}
        with ZipFile(path) as archive:
            for member in archive.namelist():
                if member.endswith(".npy"):
                    with archive.open(member) as stream:
                        self._note(member.removesuffix(".npy"), stream)

    def _note(self, name: str, stream: IO[bytes]) -> None:
        shape, dtype = npy.head(stream)
        if dtype.hasobject:
            raise ConvcliError(f"{self.path}: {name!r} holds pickled Python objects, which are refused; save arrays")
        self.shapes[name] = shape

    def _read(self, name: str) -> NDArray[Any]:
        from zipfile import ZipFile

        with ZipFile(self.path) as archive, archive.open(f"{name}.npy") as stream:
            size = archive.getinfo(f"{name}.npy").file_size  # no more comes out, whatever it is packed in
            self._room(name, size)
            return npy.array(stream, size)


class _Npy(TensorFile):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            with BufferedReader(open_regular(path)) as stream:
                self._array = npy.array(stream, path.stat().st_size)
        except ValueError as error:
            if "allow_pickle" not in str(error):
                raise
            raise ConvcliError(f"{path} holds pickled Python objects, which are refused; save a plain array") from None
        self.shapes = {path.stem: self._array.shape}

    def _read(self, name: str) -> NDArray[Any]:
        return np.asarray(self._array)


class _Onnx(TensorFile):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        onnx = _extra("onnx", "onnx", path)
        self._numpy = onnx.numpy_helper.to_array
        graph = onnx.load(str(path), load_external_data=False).graph
        self._tensors = {tensor.name: tensor for tensor in graph.initializer}
        self.shapes = {name: tuple(tensor.dims) for name, tensor in self._tensors.items()}
        self._biases = {n.input[1]: n.input[2] for n in graph.node if n.op_type == "Conv" and len(n.input) > 2}
        if not self.shapes:
            raise ConvcliError(f"{path} holds no initializers, so no weights")

    def bias_of(self, name: str) -> str | None:
        bias = self._biases.get(name)
        return bias if bias in self.shapes else super().bias_of(name)

    def _read(self, name: str) -> NDArray[Any]:
        if self._tensors[name].data_location == 1:
            raise ConvcliError(f"{self.path}: tensor {name!r} lies in a file of its own; save the model with its data")
        array = np.asarray(self._numpy(self._tensors[name]))
        return array.astype(np.float32) if array.dtype.name == "bfloat16" else array


class _Torch(TensorFile):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        from pickle import UnpicklingError  # an error of PyTorch's loader; nothing is unpickled here

        torch = _extra("torch", "torch", path)
        try:
            with warnings.catch_warnings(action="ignore"):  # of old formats, which are read all the same
                state = torch.load(str(path), map_location="cpu", weights_only=True)
        except UnpicklingError:
            raise ConvcliError(
                f"{path} is damaged, or holds Python objects besides tensors, which are refused; save a state_dict"
            ) from None
        except OSError as error:
            if error.errno == EINVAL:  # it looks for the archive's end before the file's beginning
                raise EOFError("it ends too early") from None
            raise
        except RuntimeError as error:  # what follows the first sentence is guesses
            raise ValueError(_first(error).split(". ")[0]) from None
        if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
            state = state["state_dict"]
        if not isinstance(state, dict):
            state = {path.stem: state}
        self._tensors = {str(name): value for name, value in state.items() if isinstance(value, torch.Tensor)}
        self.shapes = {name: tuple(value.shape) for name, value in self._tensors.items()}
        if not self.shapes:
            raise ConvcliError(f"{path} holds no tensors")

    def _read(self, name: str) -> NDArray[Any]:
        tensor = self._tensors[name].detach()
        self._room(name, tensor.numel() * 8)  # an expanded one holds a single number, whatever its shape
        if tensor.is_complex():
            return np.asarray(tensor.resolve_conj().numpy())  # which are refused, like those of any format
        return np.asarray((tensor.double() if str(tensor.dtype) == "torch.float64" else tensor.float()).numpy())


_KINDS: dict[str, Callable[[Path], TensorFile]] = {
    ".safetensors": _Safetensors,
    ".npz": _Npz,
    ".npy": _Npy,
    ".onnx": _Onnx,
    ".pt": _Torch,
    ".pth": _Torch,
}


def _extra(module: str, extra: str, path: Path) -> Any:
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError:
        raise ConvcliError(f"{path} needs the package {module}: pip install 'convcli[{extra}]'") from None


def _first(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".")[:200] if lines else type(error).__name__
