"""Decoding in a process of its own: a decoder that crashes on a file ends that process, and not a folder's run."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Modules are found where we find them, and never in the folder that the process stands in.
_CODE = """
import sys
name, sys.path[:] = sys.argv[1], sys.argv[2:]
import imagecodecs, numpy
try:
    samples = getattr(imagecodecs, name)(sys.stdin.buffer.read())
except Exception as error:
    sys.exit(" ".join(str(error).split()) or type(error).__name__)
numpy.lib.format.write_array(sys.stdout.buffer, numpy.ascontiguousarray(samples), allow_pickle=False)
"""


def decoded(name: str, data: bytes) -> NDArray[Any]:
    """What a function of imagecodecs makes of a file's content.

    Raises ValueError with what the decoder says, or that it crashed.
    """
    command = [sys.executable, "-c", _CODE, name, *filter(None, sys.path)]
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise ValueError(said[-1] if said and done.returncode == 1 else "its decoder crashed")
    samples: NDArray[Any] = np.lib.format.read_array(BytesIO(done.stdout), allow_pickle=False)
    return samples
