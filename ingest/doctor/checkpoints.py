"""Checks the checkpoint store: reachable, writable, and without a history of old checkpoints."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.config import Checkpoints, Config, Proxy
from ingest.doctor.check import Check, Verdict, fail, ok, warn
from ingest.doctor.identity import needs_token
from ingest.hub.auth.contract import STORAGE
from ingest.hub.network import storage_client
from ingest.source.checkpoints import open_store
from ingest.source.checkpoints.scope import scope
from ingest.source.checkpoints.store import Damaged, reset_command

if TYPE_CHECKING:
    from azure.eventhub.extensions.checkpointstoreblob._vendor.storage.blob import BlobServiceClient

NAME = "checkpoints"
_SECONDS = 2.0
_UNWANTED = "checkpoints are replaced every few seconds, and each old one would be kept and paid for"
_WHERE = "portal → Storage account → Data protection"


def checkpoint_checks(config: Config) -> list[Check]:
    settings = config.checkpoints
    if settings.store == "file":
        return [Check(NAME, lambda: _ask_folder(config))]
    return [
        Check(
            NAME,
            lambda: _ask_container(config),
            needs=needs_token(config, STORAGE),
            imports=("ingest.source.checkpoints.blob",),
        ),
        Check("checkpoint history", lambda: _ask_history(settings, config.proxy), needs=(NAME,)),
    ]


def _ask_folder(config: Config) -> Verdict:
    """Writes nothing: the service's user could not write files that root creates here."""
    path = config.checkpoints.path
    # Path's own questions raise where this user may not look, until Python 3.13.
    if not os.path.exists(path):  # noqa: PTH110
        parent = next(folder for folder in path.absolute().parents if os.path.exists(folder))  # noqa: PTH110
        return judge_missing_folder(path, parent, writable=_usable(parent))
    below = [path, *(each for each in path.rglob("*") if os.path.isdir(each))]  # noqa: PTH112
    locked = [folder for folder in below if not _usable(folder)]
    store = open_store(config.checkpoints, scope(config), config.proxy)
    damaged: list[Damaged] = []
    found = [] if locked else store.load_all(damaged)
    return judge_damaged(damaged) or judge_folder(path, locked, len(found), as_root=os.geteuid() == 0)


def _usable(folder: Path) -> bool:
    return os.path.isdir(folder) and os.access(folder, os.R_OK | os.W_OK | os.X_OK)  # noqa: PTH112


def judge_folder(path: Path, locked: Sequence[Path], partitions: int, *, as_root: bool) -> Verdict:
    """`locked`: folders in it that this user cannot use; `partitions`: how many have a checkpoint."""
    if locked:
        return fail(f"{locked[0]} is no folder that this user can read and write", f"chown -R USER {path}")
    seen = f"folder {path} is writable, {partitions} partitions have one"
    return ok(f"{seen} (looked at as root, who may everything)" if as_root else seen)


def judge_damaged(damaged: Sequence[Damaged]) -> Verdict | None:
    """Returns None if every checkpoint is readable."""
    if not damaged:
        return None
    commands = [reset_command(each.partition) for each in damaged if not each.lease]
    return fail(
        "; ".join(str(each) for each in damaged),
        f"restore it, or let the partition begin at source.start: {commands[0]}" if commands else "see above",
    )


def judge_missing_folder(path: Path, parent: Path, *, writable: bool) -> Verdict:
    """Judges a folder that does not exist yet; `parent` is its nearest existing one."""
    if writable:
        return ok(f"folder {path} is not there yet and will be made")
    return fail(
        f"folder {path} is not there and cannot be made: {parent} is not writable for this user",
        f"make it and give it to the user that ingest runs as: install -d -m 700 -o USER {path}",
    )


def _ask_container(config: Config) -> Verdict:
    from azure.core.exceptions import AzureError, ResourceNotFoundError

    settings = config.checkpoints
    try:
        with _service(settings, config.proxy) as service, service.get_container_client(settings.container) as container:
            container.get_container_properties()
    except ResourceNotFoundError:
        return warn(
            f"container {settings.container} is not there yet; ingest makes it at its start if the key allows that",
            "make it yourself (portal → Storage account → Containers), and its own permissions can be looked at, too",
        )
    except (AzureError, ValueError):
        # The store asks again and has the text for it.
        pass
    store = open_store(settings, scope(config), config.proxy)
    try:
        store.check()
        damaged: list[Damaged] = []
        found = store.load_all(damaged)
        return judge_damaged(damaged) or ok(
            f"container {settings.container} is writable, {len(found)} partitions have one"
        )
    finally:
        store.close()


def _ask_history(settings: Checkpoints, proxy: Proxy) -> Verdict:
    from azure.core.exceptions import AzureError, ResourceNotFoundError

    days = 0
    try:
        with _service(settings, proxy) as service:
            policy = service.get_service_properties()["delete_retention_policy"]
            days = (policy.days or 0) if policy is not None and policy.enabled else 0
            versions = any(
                blob.version_id
                for blob in service.get_container_client(settings.container).list_blobs(
                    include=["versions"], results_per_page=10
                )
            )
    except ResourceNotFoundError:
        versions = False
    except AzureError as error:
        return judge_history_unknown(getattr(error, "status_code", None))
    return judge_history(days, versions=versions)


def judge_history(soft_delete_days: int, *, versions: bool) -> Verdict:
    """`soft_delete_days`: 0 for none; `versions`: whether any blob of the container has a version."""
    if versions:
        return warn(f"blob versioning is on: {_UNWANTED}", f"switch it off ({_WHERE}), or use an account of its own")
    if soft_delete_days:
        return warn(
            f"soft delete of blobs is on ({soft_delete_days} days): {_UNWANTED}",
            f"switch it off ({_WHERE}), or use an account of its own",
        )
    return ok("no soft delete, no versions seen")


def judge_history_unknown(status: int | None) -> Verdict:
    """Judges account settings that cannot be read, or not now. `status`: HTTP; None if there was no answer."""
    return warn(
        f"whether soft delete or versioning is on cannot be asked ({status or 'no answer'})",
        f"look yourself that both are off ({_WHERE})",
    )


def _service(settings: Checkpoints, proxy: Proxy) -> "BlobServiceClient":
    """Returns a client of the storage library inside azure-eventhub-checkpointstoreblob, pinned to a minor version."""
    from azure.eventhub.extensions.checkpointstoreblob._vendor.storage.blob import BlobServiceClient

    place = settings.blob_connection_string, settings.blob_account_url
    made: BlobServiceClient = storage_client.open_client(
        BlobServiceClient,
        *place,
        retry_total=0,
        connection_timeout=_SECONDS,
        read_timeout=_SECONDS,
        **storage_client.options(storage_client.proxy_towards(place[0], proxy, place[1])),
    )
    return made
