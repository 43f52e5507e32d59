"""The cache of machine code: what is kept is used without Numba, and what is not to be trusted never runs."""

import hashlib
import io
import os
import platform
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import naive
import numpy as np
import pytest
from PIL import Image

from convcli.engine import convolve, plans
from convcli.engine.compiled import cache as code_cache
from convcli.engine.compiled import compiler, elf, loader, processor
from convcli.geometry import Geometry
from convcli.kernel import Kernel
from convcli.ranges import range_map

LINUX_X86_64 = sys.platform == "linux" and platform.machine() == "x86_64"
PICTURE = np.random.default_rng(4).integers(0, 256, (12, 17), np.uint8)
WEIGHTS = [[1, -3]]
WANTED = naive.convolve(PICTURE, WEIGHTS, range="abs")

# A process of its own that filters the same picture; `before` may bend something first.
SCRIPT = """
import os, signal, sys
import numpy as np
from convcli.engine import convolve
from convcli.engine.compiled import cache, compiler
from convcli.geometry import Geometry
from convcli.kernel import Kernel
from convcli.ranges import range_map
{before}
picture = np.random.default_rng(4).integers(0, 256, (12, 17), np.uint8)
done = convolve(picture, Kernel([[1, -3]]), Geometry.from_options(1, "same"), mapping=range_map("abs", np.uint8))
sys.stdout.buffer.write(done.pixels.tobytes())
print("numba" in sys.modules, file=sys.stderr)
"""


def filtered():
    return convolve(
        PICTURE, Kernel(WEIGHTS), Geometry.from_options(1, "same"), mapping=range_map("abs", np.uint8)
    ).pixels


def start(cache, before="", **how):
    env = {**os.environ, "CONVCLI_CACHE_DIR": str(cache)}
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how}
    return subprocess.Popen([sys.executable, "-c", SCRIPT.format(before=before)], env=env, **how)


def finish(process):
    """The picture that the process wrote, and what it said."""
    out, err = process.communicate(timeout=1200)
    return np.frombuffer(out, np.uint8), (err or b"").decode()


def files(cache):
    return sorted(p.name for p in Path(cache).glob("*.o"))


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A folder with the one loop that the picture needs, its file, and what that holds."""
    cache = tmp_path_factory.mktemp("compiled") / "code"
    pixels, said = finish(start(cache))
    assert pixels.tolist() == WANTED.ravel().tolist() and said == "True\n"
    (file,) = cache.glob("*.o")
    content = file.read_bytes()
    length = int.from_bytes(content[32:34], "little")
    return SimpleNamespace(name=file.name, content=content, head=content[34 : 34 + length], code=content[34 + length :])


@pytest.fixture
def cache(compiled, tmp_path, monkeypatch):
    """A fresh cache folder that holds the loop, and a count of how often it is compiled instead of being loaded."""
    folder = tmp_path / "code"
    folder.mkdir(mode=0o700)
    file = folder / compiled.name
    file.write_bytes(compiled.content)
    file.chmod(0o600)
    times = []

    def compiles(name, codes):
        times.append(name)
        compiler._keep(name, codes, compiled.head.decode(), compiled.code)
        return compiled.head.decode(), compiled.code

    monkeypatch.setenv("CONVCLI_CACHE_DIR", str(folder))
    monkeypatch.setattr(compiler, "_calls", {})
    monkeypatch.setattr(compiler, "_compile", compiles)
    yield SimpleNamespace(folder=folder, file=file, compiled=times)
    code_cache._maker.cache_clear()


def used(cache):
    """Whether what is kept is used: filters the picture, which must come out right either way."""
    compiler._calls.clear()
    plans._plans.clear()
    before = len(cache.compiled)
    np.testing.assert_array_equal(filtered(), WANTED)
    return len(cache.compiled) == before


def signed(body):
    return hashlib.blake2b(body, digest_size=32).digest() + body


# ---------------------------------------------------------------- what is kept is used


def test_what_is_kept_is_loaded_without_numba(compiled, tmp_path):
    (tmp_path / compiled.name).write_bytes(compiled.content)
    tmp_path.chmod(0o700)
    pixels, said = finish(start(tmp_path))
    assert pixels.tolist() == WANTED.ravel().tolist() and said == "False\n"


# What a built-in kernel, once its loop is kept, can do without: each costs a start a millisecond or more.
SPARED = (
    "numba", "rich", "scipy", "yaml", "hashlib", "tempfile", "json", "asyncio", "concurrent.futures",
    "importlib.metadata", "convcli.kernels.evaluate", "convcli.kernels.grammar",
    "convcli.kernels.readers.yaml_tree", "convcli.kernels.readers.grids", "convcli.kernels.families",
    "convcli.filtering.linear_light", "convcli.large.run", "convcli.layers", "convcli.batch.report",
    "convcli.engine.loops", "tifffile", "fsspec",
) + (("llvmlite",) if LINUX_X86_64 else ())  # fmt: skip


def test_apply_imports_nothing_that_it_does_not_need_once_its_loop_is_kept(tmp_path):
    source, cache = tmp_path / "in.png", tmp_path / "code"
    Image.fromarray(PICTURE).save(source)
    wanted = naive.convolve(PICTURE, [[1, 0], [0, -1]], range="abs")
    script = (
        "import sys; from convcli.cli import main; main(sys.argv[1:], standalone_mode=False); "
        f"print(*(m for m in {SPARED} if m in sys.modules))"
    )
    said = []
    for name in ("first.png", "second.png"):
        words = [sys.executable, "-c", script, "apply", "-k", "roberts", str(source), tmp_path / name]
        env = {**os.environ, "CONVCLI_CACHE_DIR": str(cache)}
        said.append(subprocess.run(words, env=env, capture_output=True, text=True, timeout=1200, check=True).stdout)
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / name)), wanted)
    assert "numba" in said[0] and said[1] == "\n"


def test_a_folder_made_for_the_cache_is_the_users_alone(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("CONVCLI_CACHE_DIR", str(tmp_path / "deep" / "er"))
    assert not used(cache) and used(cache)
    assert (tmp_path / "deep" / "er").stat().st_mode & 0o777 == 0o700
    (file,) = (tmp_path / "deep" / "er").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


def test_where_the_cache_lies(monkeypatch, tmp_path):
    monkeypatch.setenv("CONVCLI_CACHE_DIR", str(tmp_path / "own"))
    assert code_cache.folder() == tmp_path / "own"
    monkeypatch.delenv("CONVCLI_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert code_cache.folder() == tmp_path / "xdg" / "convcli"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert code_cache.folder() == tmp_path / ".cache" / "convcli"


# ---------------------------------------------------------------- what is damaged or foreign is compiled again


def bit(content, at):
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


DAMAGE = {
    "empty": lambda c: b"",
    "short": lambda c: c[:20],
    "only the digest": lambda c: c[:32],
    "cut in the middle": lambda c: c[: len(c) // 2],
    "cut by a byte": lambda c: c[:-1],
    "longer": lambda c: c + b"\0",
    "a bit of the digest": lambda c: bit(c, 3),
    "a bit of the name": lambda c: bit(c, 40),
    "a bit of the code": lambda c: bit(c, len(c) // 2),
    "zeros": lambda c: bytes(len(c)),
    "another file": lambda c: b"not machine code" * 100,
    "signed, but no object file": lambda c: signed(c[32:100]),
    "signed, but empty": lambda c: signed(b""),
}


def test_a_sound_file_is_used(cache):
    assert used(cache)


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_file_is_compiled_again_and_repaired(cache, compiled, how):
    cache.file.write_bytes(DAMAGE[how](compiled.content))
    assert not used(cache)
    assert cache.file.read_bytes() == compiled.content
    assert used(cache)


def test_an_object_with_an_unknown_undefined_symbol_is_refused(cache, compiled):
    """The digest is right, so that only the list of symbols tells: memset, which the loop calls, becomes system."""
    assert loader.sound(compiled.code)
    known = next(s for s in (b"memset", b"NRT_MemInfo_call_dtor") if b"\0" + s + b"\0" in compiled.code)
    bent = compiled.code.replace(b"\0" + known + b"\0", b"\0" + b"system".ljust(len(known), b"_") + b"\0")
    assert not loader.sound(bent)
    body = len(compiled.head).to_bytes(2, "little") + compiled.head + bent
    cache.file.write_bytes(signed(body))
    assert not used(cache)
    assert cache.file.read_bytes() == compiled.content


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666, 0o777])
def test_a_file_that_others_can_write_to_is_not_used(cache, mode):
    cache.file.chmod(mode)
    assert not used(cache)
    assert cache.file.stat().st_mode & 0o777 == 0o600 and used(cache)


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
def test_a_folder_that_others_can_write_to_is_not_used_at_all(cache, mode):
    cache.folder.chmod(mode)
    before = cache.file.stat()
    assert not used(cache) and not used(cache)
    assert cache.file.stat().st_mtime_ns == before.st_mtime_ns and files(cache.folder) == [cache.file.name]


@pytest.mark.parametrize("part", ["folder", "file"])
def test_what_belongs_to_another_user_is_not_used(cache, part):
    """Only root can give files away; for anybody else the same is asked of a process that is somebody else."""
    if os.getuid() != 0:
        pytest.skip("only root can give a file to another user")
    os.chown(getattr(cache, part), 65534, -1)
    assert not used(cache)


def test_nobody_elses_cache_is_used(cache, monkeypatch):
    monkeypatch.setattr(code_cache.os, "getuid", lambda: 12345)
    assert not used(cache) and not used(cache)


def test_a_link_in_the_place_of_a_file_is_not_followed(cache, compiled, tmp_path):
    (tmp_path / "elsewhere").write_bytes(compiled.content)
    cache.file.unlink()
    cache.file.symlink_to(tmp_path / "elsewhere")
    assert not used(cache)
    assert not cache.file.is_symlink() and used(cache)


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(cache):
    cache.file.unlink()
    os.mkfifo(cache.file, 0o600)
    picture, said = finish(start(cache.folder))
    assert np.array_equal(picture.reshape(WANTED.shape), WANTED) and "True" in said


def test_a_folder_in_the_place_of_a_file(cache):
    cache.file.unlink()
    cache.file.mkdir()
    assert not used(cache) and not used(cache)
    assert [p.name for p in cache.folder.iterdir()] == [cache.file.name]


# ---------------------------------------------------------------- what was made otherwise is not used


def other_source(monkeypatch, tmp_path):
    here = Path(code_cache.__file__)
    (tmp_path / "compiled").mkdir()
    shutil.copy(here.with_name("compiler.py"), tmp_path / "compiled")
    shutil.copytree(here.parents[1] / "loops", tmp_path / "loops")
    with (tmp_path / "loops" / "shared.py").open("a") as file:
        file.write("# changed\n")
    monkeypatch.setattr(code_cache, "__file__", str(tmp_path / "compiled" / "cache.py"))


def other_version(package):
    def change(monkeypatch, tmp_path):
        told = code_cache._version
        monkeypatch.setattr(code_cache, "_version", lambda name: "9.9" if name == package else told(name))

    return change


def other_features(monkeypatch, tmp_path):
    (tmp_path / "modalias").write_text("cpu:type:x86,ven0002fam0019mod0011:feature:,0000,0001\n")
    monkeypatch.setattr(processor, "_MODALIAS", tmp_path / "modalias")


def other_processor(function, answer):
    """Where the kernel has no word for the processor."""

    def change(monkeypatch, tmp_path):
        monkeypatch.setattr(processor, "_MODALIAS", tmp_path / "missing")
        known = processor.identity()
        monkeypatch.setattr(processor.llvm(), function, lambda: answer)
        assert processor.identity() != known

    return change


CHANGES = {
    "the loops": other_source,
    "numba": other_version("numba"),
    "llvmlite": other_version("llvmlite"),
    "python": lambda monkeypatch, tmp_path: monkeypatch.setattr(sys, "version", "3.99"),
    "its features in the kernel's words": other_features,
    "processor": other_processor("get_host_cpu_name", "i486"),
    "its features": other_processor("get_host_cpu_features", SimpleNamespace(flatten=lambda: "-avx2")),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_another_maker_made_is_not_used(cache, monkeypatch, tmp_path, what):
    code_cache._maker.cache_clear()
    CHANGES[what](monkeypatch, tmp_path)
    assert not used(cache)
    assert len(files(cache.folder)) == 2 and used(cache)


def test_other_types_of_arguments_are_another_loop(cache):
    path = code_cache._path("taps:2", "u1[] i8")
    assert path != code_cache._path("taps:2", "u2[] i8") and path != code_cache._path("taps:3", "u1[] i8")


# ---------------------------------------------------------------- how it gets into memory

only_here = pytest.mark.skipif(not LINUX_X86_64, reason="object files are placed without llvmlite on Linux and x86-64")
RELOCATION = struct.Struct("<QIIq")


def section_headers(code):
    start, count = struct.unpack_from("<Q", code, 40)[0], struct.unpack_from("<H", code, 60)[0]
    return [(start + 64 * i, *struct.unpack_from("<IIQQQQII", code, start + 64 * i)) for i in range(count)]


def bent_header(**fields):
    """The code's section headers changed: of the section of instructions, or of its relocations."""

    def bend(code):
        bent = bytearray(code)
        headers = section_headers(code)
        text = next(i for i, h in enumerate(headers) if h[3] & 4 and h[6])
        for at, _, kind, flags, *_, info in headers:
            if "flags" in fields and at == headers[text][0]:
                struct.pack_into("<Q", bent, at + 8, flags | fields["flags"])
            if "relocations" in fields and kind == 4 and info == text:
                struct.pack_into("<I", bent, at + 4, fields["relocations"])
        return bytes(bent)

    return bend


def bent_relocations(change):
    """The code with other relocations of its instructions: change(offset, kind, symbol, addend) gives new ones."""

    def bend(code):
        bent = bytearray(code)
        headers = section_headers(code)
        for _, _, kind, _, _, offset, size, _, info in headers:
            if kind == 4 and headers[info][3] & 4:
                for at in range(offset, offset + size, 24):
                    RELOCATION.pack_into(bent, at, *change(*RELOCATION.unpack_from(code, at)))
        return bytes(bent)

    return bend


REFUSED = {
    "another processor": lambda c: c[:18] + b"\xb7\0" + c[20:],
    "a program": lambda c: c[:16] + b"\2\0" + c[18:],
    "another width": lambda c: c[:4] + b"\1" + c[5:],
    "instructions that can be written": bent_header(flags=1),
    "relocations without addends": bent_header(relocations=9),
    "a relocation relative to its place": bent_relocations(lambda offset, kind, symbol, add: (offset, 2, symbol, add)),
    "a relocation beyond the section": bent_relocations(lambda offset, kind, symbol, add: (1 << 30, kind, symbol, add)),
    "a relocation to no symbol": bent_relocations(lambda offset, kind, symbol, add: (offset, kind, 1 << 20, add)),
    "a relocation to the file's name": bent_relocations(lambda offset, kind, symbol, add: (offset, kind, 1, add)),
    "cut": lambda c: c[: len(c) // 2],
    "empty": lambda c: b"",
}
OUTSIDE = {name: loader._address(name) for name in (*loader._UNREACHED, *loader._LIBC)}


@only_here
def test_placed_code_can_be_run_and_not_be_written(compiled):
    address = elf.place(compiled.code, compiled.head.decode(), OUTSIDE)
    for line in Path("/proc/self/maps").read_text().splitlines():
        first, last = (int(end, 16) for end in line.split()[0].split("-"))
        if first <= address < last:
            assert line.split()[1] == "r-xp"
            return
    pytest.fail("the code lies nowhere")


@only_here
@pytest.mark.parametrize("how", REFUSED)
def test_what_the_loader_does_not_know_is_refused(compiled, how):
    with pytest.raises(loader._MALFORMED):
        elf.place(REFUSED[how](compiled.code), compiled.head.decode(), OUTSIDE)


@only_here
def test_an_unknown_symbol_is_refused(compiled):
    with pytest.raises(LookupError):
        elf.place(compiled.code, compiled.head.decode(), {})
    with pytest.raises(StopIteration):
        elf.place(compiled.code, "another", OUTSIDE)


@only_here
@pytest.mark.parametrize("why", ["refused", "no executable memory"])
def test_llvmlite_loads_what_is_not_placed(cache, monkeypatch, why):
    loaded = []
    by_llvm = loader._load_by_llvm
    monkeypatch.setattr(loader, "_load_by_llvm", lambda *words: loaded.append(words) or by_llvm(*words))
    assert used(cache) and not loaded
    if why == "refused":
        monkeypatch.setattr(elf, "_FOR_US", b"another")
    else:
        monkeypatch.setattr(elf.mmap, "PROT_EXEC", 1 << 20)  # the system refuses what it doesn't know
    assert used(cache) and len(loaded) == 1


# ---------------------------------------------------------------- no place to keep anything


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("place", ["below a file", "read-only system", "not ours", "no name"])
def test_without_a_place_the_code_is_kept_in_memory_and_the_user_is_told(cache, monkeypatch, tmp_path, place):
    (tmp_path / "file").write_text("in the way")
    cache.folder.chmod(0o777)
    places = {"below a file": tmp_path / "file" / "code", "read-only system": "/proc/convcli", "not ours": cache.folder}
    folder = places.get(place, tmp_path / ("long" * 100))
    monkeypatch.setenv("CONVCLI_CACHE_DIR", str(folder))
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert not used(cache)
    said = sys.stderr.getvalue()
    assert str(folder) in said and "set CONVCLI_CACHE_DIR to a folder of your own" in said
    np.testing.assert_array_equal(filtered(), WANTED)  # from memory
    assert len(cache.compiled) == 1


def test_a_user_without_a_home_is_served_from_memory(cache, monkeypatch):
    for name in ("CONVCLI_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(code_cache.Path, "home", no_home)
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert not used(cache)
    assert "set CONVCLI_CACHE_DIR" in sys.stderr.getvalue()


def test_a_full_disk_leaves_no_half_file(cache, monkeypatch):
    cache.file.unlink()

    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(code_cache.Path, "replace", full)
    assert not used(cache)
    assert list(cache.folder.iterdir()) == []


# ---------------------------------------------------------------- several at once, and killed ones


@pytest.mark.slow
def test_two_processes_compile_at_once(tmp_path):
    cache = tmp_path / "code"
    for process in [start(cache), start(cache)]:
        pixels, said = finish(process)
        assert pixels.tolist() == WANTED.ravel().tolist() and said == "True\n"
    assert len(list(cache.iterdir())) == len(files(cache)) == 1
    pixels, said = finish(start(cache))
    assert pixels.tolist() == WANTED.ravel().tolist() and said == "False\n"


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["while compiling", "before the rename"])
def test_a_killed_compile_leaves_nothing_that_is_used(compiled, tmp_path, moment):
    cache = tmp_path / "code"
    dying = "lambda *args: os.kill(os.getpid(), signal.SIGKILL)"
    if moment == "while compiling":
        process = start(cache, "print('ready', flush=True)")
        assert process.stdout.readline() == b"ready\n"
        time.sleep(0.7)
        process.kill()
        process.communicate(timeout=1200)
    else:
        store = f"cache.store({{0}}, {{1}}, {compiled.head.decode()!r}, open({str(tmp_path / 'raw')!r}, 'rb').read())"
        (tmp_path / "raw").write_bytes(compiled.code)
        before = f"cache.Path.replace = {dying}\ncompiler._compile = lambda *key: " + store.format("key[0]", "key[1]")
        process = start(cache, before)
        process.communicate(timeout=1200)
        assert [p.name[:8] for p in cache.iterdir()] == [".making-"]
    assert process.returncode == -signal.SIGKILL
    assert files(cache) == []
    pixels, said = finish(start(cache))
    assert pixels.tolist() == WANTED.ravel().tolist() and said == "True\n"
    assert files(cache) == [compiled.name]


def test_the_first_use_says_on_a_terminal_that_it_compiles(cache, monkeypatch):
    """And nowhere else: a log is not to be littered."""
    monkeypatch.undo()
    import pty

    ours, theirs = pty.openpty()
    process = start(cache.folder.parent / "empty", stderr=theirs)
    out, _ = process.communicate(timeout=1200)
    os.close(theirs)
    said = os.read(ours, 10000).decode()
    os.close(ours)
    assert np.frombuffer(out, np.uint8).tolist() == WANTED.ravel().tolist()
    assert said.startswith("convcli: compiling ") and " for this machine (once) ..." in said


def test_what_a_killed_process_left_is_removed_after_an_hour(cache):
    old, new = cache.folder / ".making-old", cache.folder / ".making-new"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    cache.file.unlink()
    assert not used(cache)
    assert not old.exists() and new.exists()


@pytest.mark.parametrize("told", [True, False])
def test_the_length_of_vectors_is_what_llvm_says(monkeypatch, tmp_path, told):
    """LLVM itself need not be imported where the kernel lists the features."""
    from llvmlite import binding

    if not told:
        monkeypatch.setattr(processor, "_MODALIAS", tmp_path / "none")
    features = binding.get_host_cpu_features()
    want = 64 if features.get("avx512bw") else 32 if features.get("avx2") else 16
    assert processor.vector_bytes.__wrapped__() == want
