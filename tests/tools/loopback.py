"""loopback.py COMMAND...: bring the loopback device of a fresh network namespace up, then become COMMAND."""

import fcntl
import os
import socket
import struct
import sys

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1
REQUEST = "16sH14x"  # struct ifreq: the device's name and its flags

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
    answer = fcntl.ioctl(control, SIOCGIFFLAGS, struct.pack(REQUEST, b"lo", 0))
    _, flags = struct.unpack(REQUEST, answer)
    fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack(REQUEST, b"lo", flags | IFF_UP))
os.execvp(sys.argv[1], sys.argv[1:])
