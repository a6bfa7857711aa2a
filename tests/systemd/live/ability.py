"""Whether this machine can boot another one in a container."""

import os
from pathlib import Path

from tests.services import prerequisites

PROGRAMS = {"systemd-nspawn": "systemd-container", "debootstrap": "debootstrap", "nsenter": "util-linux"}
"""Program → its Debian package."""


def lacking() -> str:
    """What this machine lacks, as a clause; empty when it can."""
    if os.geteuid() != 0:
        return "only root can boot one"
    missing = [program for program in PROGRAMS if prerequisites.find_program(program) is None]
    if missing:
        return f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed (`make boot` does that)"
    folder = cgroup()
    if folder is None:
        return "no hierarchy of cgroup v2 is mounted"
    if not os.access(folder, os.W_OK) or os.statvfs(folder).f_flag & os.ST_RDONLY:
        return f"{folder} cannot be written to"
    return ""


def install() -> None:
    """Install the programs that are missing. Raises ServiceError."""
    for program, package in PROGRAMS.items():
        prerequisites.program(program, package)


def cgroup() -> Path | None:
    """The folder of this process's cgroup in the hierarchy of version 2; None if there is none."""
    mounts = [line.partition(" - ") for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    places = [before.split()[4] for before, _, after in mounts if after.split()[0] == "cgroup2"]
    own = [line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::")]
    return Path(places[0] + own[0].rstrip("/")) if places and own else None
