"""Checks this machine: who can read the secrets, and whether the metrics port is free."""

import errno
import http.client
import os
import socket
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from ingest.config import Metrics, secret_files
from ingest.config.layers import Layer, over, read_environment, read_file
from ingest.config.sections import holds_secret, names_secret_file
from ingest.config.values import BadValue
from ingest.doctor.check import Verdict, fail, ok, warn
from ingest.metrics.catalogue import BUILD_INFO, PROCESS_UP
from ingest.metrics.page import Page, read_page
from ingest.source import hot_path

METRICS = "metrics port"
_ASK_SECONDS = 2.0
_LARGEST_PAGE = 4 << 20


def ask_secret_files(path: Path | None, environ: Mapping[str, str]) -> Verdict:
    """Checks the modes of the configuration file and of every file that a key `…_file` names."""
    file: Layer = read_file(path)[0] if path is not None else {}
    inline = any(holds_secret(name) for name, given in file.items() if given.value)
    named: list[Path] = []
    for name, given in over(file, read_environment(environ)).items():
        if names_secret_file(name) and given.value:
            try:
                named.append(secret_files.find(given.value, given.base, environ))
            except BadValue:  # loading the configuration has reported it
                continue
    secret = [*([path] if path is not None and inline else []), *named]
    plain = [path] if path is not None and not inline else []
    return judge_modes(_modes(secret), _modes(plain))


def _modes(paths: Sequence[Path]) -> dict[Path, int]:
    return {path: path.stat().st_mode for path in paths if os.path.exists(path)}  # noqa: PTH110


def judge_modes(secret: Mapping[Path, int], plain: Mapping[Path, int]) -> Verdict:
    """`st_mode` of files with secrets, and of the configuration file if it has none."""
    writable = [path for path, mode in {**secret, **plain}.items() if _open(mode, stat.S_IWOTH)]
    if writable:
        return fail(
            f"every user of this machine can write {_listed(writable)}", f"chmod o-w {' '.join(map(str, writable))}"
        )
    readable = [path for path, mode in secret.items() if _open(mode, stat.S_IROTH)]
    if readable:
        return warn(
            f"every user of this machine can read the secrets in {_listed(readable)}",
            f"chmod o-r {' '.join(map(str, readable))}",
        )
    return ok(f"{_listed(list(secret))}: not for every user" if secret else "no file holds a secret")


def _open(mode: int, bit: int) -> bool:
    return stat.S_ISREG(mode) and bool(mode & bit)


def _listed(paths: Sequence[Path]) -> str:
    return ", ".join(map(str, paths))


def ask_decoder(record_format: str = "") -> Verdict:
    """Checks whether the hot path is compiled; `record_format`: `source.format`."""
    if not hot_path.WHY_PYTHON or os.environ.get(hot_path.ENVIRONMENT) == "python":
        return ok(hot_path.sentence(record_format).rstrip("."))
    return warn(
        hot_path.sentence().rstrip("."),
        "install a C compiler with Python's headers (on Debian: gcc and python3-dev) and ingest once more, or a wheel that "
        "`make wheel` has made on such a machine",
    )


def ask_metrics_port(metrics: Metrics) -> tuple[Verdict, bool]:
    """Returns the verdict, and whether an ingest answers at that port."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(metrics.host, metrics.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            # As the server does; otherwise connections of one that has just ended would make the port look taken.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        running = error.errno == errno.EADDRINUSE and _is_ingest(metrics)
        return judge_metrics_port(metrics, error.errno or 0, ingest=running), running
    return judge_metrics_port(metrics, 0, ingest=False), False


def judge_metrics_port(metrics: Metrics, problem: int, *, ingest: bool) -> Verdict:
    """`problem`: errno of listening there, 0 for none; `ingest`: whether an ingest answers there."""
    where = f"{metrics.host}:{metrics.port}"
    if not problem:
        return ok(f"{where} is free" if metrics.port else f"any free one of {metrics.host}")
    if ingest:
        return ok(f"{where} is taken by an ingest that is running")
    if problem == errno.EADDRINUSE:
        return fail(f"{where} is taken by another program", "choose another metrics.port (0: any free one)")
    if problem == errno.EACCES:
        return fail(f"{where} is for root only", "choose a metrics.port from 1024 on")
    return fail(
        f"cannot listen on {where} ({os.strerror(problem) if problem > 0 else 'no such host'})",
        "write an address of this machine as metrics.host, such as 127.0.0.1",
    )


def _is_ingest(metrics: Metrics) -> bool:
    return bool(_page(metrics).of(BUILD_INFO))


def partitions_read(metrics: Metrics) -> list[str]:
    """Returns the partitions for which the ingest at that port has a process; none without an ingest or a source."""
    return [slot for (role, slot), up in _page(metrics).of(PROCESS_UP).items() if role == "source" and up == 1]


def _page(metrics: Metrics) -> Page:
    """Returns the metrics page; an empty one if there is none."""
    host = "127.0.0.1" if metrics.host in ("0.0.0.0", "") else metrics.host  # noqa: S104  # compared, not bound
    connection = http.client.HTTPConnection(host, metrics.port, timeout=_ASK_SECONDS)
    try:
        connection.request("GET", "/metrics")
        return read_page(connection.getresponse().read(_LARGEST_PAGE).decode("utf-8", "replace"))
    except (OSError, http.client.HTTPException, ValueError):
        return Page({})
    finally:
        connection.close()
