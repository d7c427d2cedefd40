"""compiler.py: a C compiler for the recorder and the faults of the tests; its command goes to .cache/compiler.

The machine's own, or else Zig's, whose wheel carries one: 90 MB fetched and 410 MB unpacked into .cache/zig, so only
where nothing else is found. It is no dependency of the environment.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import install
import locks

CACHE: Final = locks.ROOT / ".cache"
COMMAND: Final = CACHE / "compiler"
ZIG: Final = CACHE / "zig"
LOCK: Final = locks.ROOT / "tests" / "tools" / "requirements-compiler.lock"
PROBE: Final = "#define _GNU_SOURCE\n#include <dlfcn.h>\n#include <pthread.h>\nint probe(void) { return RTLD_NOW; }\n"


def works(command: str) -> bool:
    """Whether it makes a shared library: a compiler without the C library's headers does not."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.c")
        source.write_text(PROBE)
        wanted = [*shlex.split(command), "-shared", "-fPIC", "-o", str(Path(folder, "probe.so")), str(source)]
        try:
            return subprocess.run(wanted, check=False, capture_output=True, env=environment()).returncode == 0
        except OSError:
            return False


def environment() -> dict[str, str]:
    """Zig keeps what it has compiled in a cache of its own: inside ours."""
    return {
        **os.environ,
        "ZIG_GLOBAL_CACHE_DIR": str(CACHE / "zig-cache"),
        "ZIG_LOCAL_CACHE_DIR": str(CACHE / "zig-cache"),
    }


def own() -> str | None:
    """The machine's compiler, if it has one that works."""
    for name in filter(None, (os.environ.get("CC"), "cc", "gcc", "clang")):
        if shutil.which(shlex.split(name)[0]) and works(name):
            return name
    return None


def zig() -> str | None:
    """Zig's, fetched now if it is not there yet."""
    program = ZIG / "ziglang" / "zig"
    if not program.exists():
        print("No C compiler on this machine: fetching Zig's into .cache (410 MB unpacked, once).", file=sys.stderr)
        uv = locks.ROOT / ".venv" / "bin" / "uv"
        command = [uv, "pip", "install", "--quiet", "--require-hashes", "--target", ZIG, "--requirement", LOCK]
        subprocess.run(command, check=False, cwd=locks.ROOT, env=install.index_settings())
    command_line = f"{shlex.quote(str(program))} cc"
    return command_line if works(command_line) else None


def main() -> int:
    """Say which compiler serves, or what to install."""
    CACHE.mkdir(exist_ok=True)
    command = own() or zig()
    if command is None:
        print(
            "The tests of power cuts and faults need a C compiler: install one (Debian: gcc libc6-dev), or set CC.",
            file=sys.stderr,
        )
        return 1
    COMMAND.write_text(command + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
