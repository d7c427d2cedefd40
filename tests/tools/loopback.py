"""loopback.py COMMAND...: bring the loopback device of a fresh network namespace up, then become COMMAND.

Where RISERBO_SMALL_DISK names a folder (isolated.sh: only in a mount namespace of our own), a disk of 192 MiB is mounted
there, for the tests that fill one up.
"""

import fcntl
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1
REQUEST = "16sH14x"  # struct ifreq: the device's name and its flags

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
    answer = fcntl.ioctl(control, SIOCGIFFLAGS, struct.pack(REQUEST, b"lo", 0))
    _, flags = struct.unpack(REQUEST, answer)
    fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack(REQUEST, b"lo", flags | IFF_UP))
if small := os.environ.get("RISERBO_SMALL_DISK"):
    Path(small).mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=192m,mode=1777", "riserbo-tests", small]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        del os.environ["RISERBO_SMALL_DISK"]
os.execvp(sys.argv[1], sys.argv[1:])
