"""Jar files that a pom.xml names, resolved by Maven into the clone's cache."""

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.services import ServiceError, prerequisites
from tests.services.cache import FOLDER, locked

_DOWNLOAD_SECONDS = 900


def jars(pom: Path, name: str) -> Path:
    """The folder with the jar files that `pom` needs at run time, downloaded first if need be. Raises ServiceError.

    `name` goes into the folder's name, the lock's and the error.
    """
    digest = hashlib.sha256(pom.read_bytes()).hexdigest()[:12]
    folder = FOLDER / f"{name}-{digest}"
    if not folder.exists():
        with locked(name):
            if not folder.exists():
                _download(pom, name, folder)
    return folder


def _download(pom: Path, name: str, folder: Path) -> None:
    maven = prerequisites.maven()
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix=f"{name}-download-", ignore_cleanup_errors=True) as temporary:
        # A repository of our own: Maven's usual one under the home directory is not made for two runs at a time.
        command = [maven, "-q", "-B", "-ntp", "-Dstyle.color=never", "-f", str(pom)]
        command += [f"-Dmaven.repo.local={temporary}/repository", f"-DoutputDirectory={temporary}/jars"]
        command += ["-DincludeScope=runtime", "org.apache.maven.plugins:maven-dependency-plugin:copy-dependencies"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS, check=False)
        except subprocess.TimeoutExpired as error:
            raise ServiceError(
                f"Maven did not fetch what {name} needs within {_DOWNLOAD_SECONDS} s; try again."
            ) from error
        if done.returncode != 0:
            tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
            raise ServiceError(
                f"Maven could not fetch what {name} needs (network, proxy or ~/.m2/settings.xml?):\n{tail}"
            )
        shutil.move(f"{temporary}/jars", folder)
