"""Apache Kafka's jar files, resolved by Maven into the clone's cache: the broker's, and the console producer's."""

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.services import ServiceError, prerequisites
from tests.services.cache import FOLDER, locked

_BROKER = Path(__file__).with_name("pom.xml")
_CONSOLE = Path(__file__).with_name("console.xml")
_DOWNLOAD_SECONDS = 900


def ensure() -> Path:
    """The folder with the broker's jar files, downloaded first if need be (about 45 MB). Raises ServiceError."""
    return _ensure(_BROKER)


def ensure_console() -> Path:
    """The folder with the console producer's jar files, downloaded first if need be (24 MB). Raises ServiceError."""
    return _ensure(_CONSOLE)


def _ensure(pom: Path) -> Path:
    digest = hashlib.sha256(pom.read_bytes()).hexdigest()[:12]
    folder = FOLDER / f"kafka-{digest}"
    if not folder.exists():
        with locked("kafka"):
            if not folder.exists():
                _download(pom, folder)
    return folder


def _download(pom: Path, folder: Path) -> None:
    maven = prerequisites.maven()
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="kafka-download-", ignore_cleanup_errors=True) as temporary:
        # A repository of our own: Maven's usual one under the home directory is not made for two runs at a time.
        command = [maven, "-q", "-B", "-ntp", "-Dstyle.color=never", "-f", str(pom)]
        command += [f"-Dmaven.repo.local={temporary}/repository", f"-DoutputDirectory={temporary}/jars"]
        command += ["-DincludeScope=runtime", "org.apache.maven.plugins:maven-dependency-plugin:copy-dependencies"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS, check=False)
        except subprocess.TimeoutExpired as error:
            raise ServiceError(f"Maven did not fetch Apache Kafka within {_DOWNLOAD_SECONDS} s; try again.") from error
        if done.returncode != 0:
            tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
            raise ServiceError(f"Maven could not fetch Apache Kafka (network, proxy or ~/.m2/settings.xml?):\n{tail}")
        shutil.move(f"{temporary}/jars", folder)
