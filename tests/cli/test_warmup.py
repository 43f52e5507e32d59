"""`convcli warmup`: what it compiles is kept, and found the next time."""

import os
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_compiles_once_and_keeps_it(tmp_path, monkeypatch):
    import numpy as np
    from click.testing import CliRunner

    from convcli.cli import main
    from convcli.cli import warmup as module
    from convcli.kernel import Kernel

    jobs = [(Kernel([[1, 2, 1]]), np.zeros((8, 9), np.uint8), False)]
    monkeypatch.setattr(module, "_jobs", lambda: iter(jobs))
    monkeypatch.setattr(module, "_planes", lambda: iter(()))
    monkeypatch.setenv("CONVCLI_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("convcli.engine.compiled.compiler._calls", {})
    monkeypatch.setattr("convcli.engine.plans._plans", {})
    done = CliRunner().invoke(main, ["warmup"])
    assert done.exit_code == 0, done.output
    assert "1 loop ready, 1 of them compiled now" in done.stderr
    assert ":3:" in done.stderr.splitlines()[0] and done.stderr.count("\n") == 2
    assert str(tmp_path) in done.stderr and len(list(tmp_path.glob("*-3-*.o"))) == 1

    monkeypatch.setattr("convcli.engine.compiled.compiler._calls", {})
    monkeypatch.setattr("convcli.engine.plans._plans", {})
    again = CliRunner().invoke(main, ["warmup"])
    assert again.stderr.startswith("1 loop ready, 0 of them compiled now")


def test_apply_does_without_numba_once_the_loop_is_kept(tmp_path):
    code = (
        "import sys, numpy as np, convcli\n"
        "convcli.filter_image(np.zeros((8, 9), np.uint8), '1 2 1')\n"
        "print('numba' in sys.modules)"
    )
    environment = {**os.environ, "CONVCLI_CACHE_DIR": str(tmp_path), "NUMBA_DISABLE_JIT": "0"}
    seen = [
        subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=1200, check=True
        ).stdout
        for _ in range(2)
    ]
    assert seen == ["True\n", "False\n"]
