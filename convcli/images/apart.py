"""Decoding in a separate process, so that a decoder that crashes on one file does not end the run over a folder."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

# The process gets our module search path, which never includes its working directory.
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
    """Return the samples that the imagecodecs function `name` decodes from a file's content.

    Raises ValueError with the decoder's message, or saying that it crashed.
    """
    command = [sys.executable, "-c", _CODE, name, *filter(None, sys.path)]
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise ValueError(said[-1] if said and done.returncode == 1 else "its decoder crashed")
    samples: NDArray[Any] = np.lib.format.read_array(BytesIO(done.stdout), allow_pickle=False)
    return samples
