"""The whole process: `convcli layer` and a PyTorch script, each doing the stem of a ResNet on samples/scene.jpg.

`python -m benchmarks.layer`: both read the same picture and the same seeded weights, prepare the picture as ImageNet's
networks want it, run convolution, batch-norm, ReLU and max-pooling, and write the 64 maps as .npy. The processes take
turns; the figures are medians of their wall times.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np

PICTURE = Path(__file__).parent.parent / "samples" / "scene.jpg"
ROUNDS = 9
SCRIPT = """
import sys
import numpy as np, torch
from PIL import Image
from torch.nn.functional import batch_norm, conv2d, max_pool2d

picture, weights, output = sys.argv[1:]
image = Image.open(picture).convert("RGB")
scale = 256 / min(image.size)
image = image.resize((int(image.width * scale), int(image.height * scale)), Image.Resampling.BILINEAR)
left, top = round((image.width - 224) / 2), round((image.height - 224) / 2)
x = torch.from_numpy(np.array(image.crop((left, top, left + 224, top + 224)))).permute(2, 0, 1).float() / 255
mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
x = (x - mean[:, None, None]) / std[:, None, None]
w = {name: torch.from_numpy(array) for name, array in np.load(weights).items()}
with torch.inference_mode():
    y = conv2d(x[None], w["conv1.weight"], stride=2, padding=3)
    y = batch_norm(y, *(w[f"bn1.{part}"] for part in ("running_mean", "running_var", "weight", "bias")))
    np.save(output, max_pool2d(y.relu(), 3, 2, 1)[0].numpy())
"""


def stem(path: Path) -> None:
    """Weights of the right shapes, seeded."""
    random = np.random.default_rng(0)
    np.savez(
        path,
        **{
            "conv1.weight": (random.normal(size=(64, 3, 7, 7)) / 12).astype(np.float32),
            **{f"bn1.{p}": random.normal(size=64).astype(np.float32) for p in ("weight", "bias", "running_mean")},
            "bn1.running_var": random.random(64).astype(np.float32) + 0.5,
        },
    )


def main() -> None:
    with TemporaryDirectory() as folder:
        weights, ours, theirs = (Path(folder) / name for name in ("stem.npz", "ours.npy", "theirs.npy"))
        stem(weights)
        steps = ("batch-norm:bn1", "relu", "max-pool:3,stride=2,padding=1")
        command = [
            sys.executable, "-m", "convcli", "layer", "--weights", f"{weights}:conv1.weight", "--stride", "2",
            "--padding", "3", "--preprocess", "imagenet",
            *(word for step in steps for word in ("--then", step)), "--force", PICTURE, ours,
        ]  # fmt: skip
        sides = (command, [sys.executable, "-c", SCRIPT, PICTURE, weights, theirs])
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(ROUNDS + 1):
            for side, taken in zip(sides, times, strict=True):
                begin = perf_counter()
                subprocess.run(side, check=True, stdout=subprocess.DEVNULL)
                taken.append(perf_counter() - begin)
        a, b = np.load(ours), np.load(theirs)
        mine, other = (median(taken[1:]) for taken in times)
        print(f"convcli layer {mine * 1e3:.0f} ms, PyTorch {other * 1e3:.0f} ms: {other / mine:.1f} times sooner")
        print(f"greatest difference {np.abs(a - b).max() / np.abs(b).max():.1e} of the greatest value, maps {a.shape}")


if __name__ == "__main__":
    main()
