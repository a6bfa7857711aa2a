"""Apache Kafka's jar files, resolved by Maven from pom.xml into the clone's cache."""

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.services import ServiceError, prerequisites
from tests.services.cache import FOLDER, locked

_POM = Path(__file__).with_name("pom.xml")
_DOWNLOAD_SECONDS = 900


def ensure() -> Path:
    """The folder with Kafka's jar files, downloaded first if need be (about 45 MB). Raises ServiceError."""
    digest = hashlib.sha256(_POM.read_bytes()).hexdigest()[:12]
    folder = FOLDER / f"kafka-{digest}"
    if not folder.exists():
        with locked("kafka"):
            if not folder.exists():
                _download(folder)
    return folder


def _download(folder: Path) -> None:
    maven = prerequisites.maven()
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="kafka-download-", ignore_cleanup_errors=True) as temporary:
        # A repository of our own: Maven's usual one under the home directory is not made for two runs at a time.
        command = [maven, "-q", "-B", "-ntp", "-Dstyle.color=never", "-f", str(_POM)]
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
