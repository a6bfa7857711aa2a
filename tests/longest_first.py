"""The order in which files of tests begin: those that last longest first, so that none of them is left over at the end.

Each test process takes a whole file, the next of the list (`--dist=loadfile --no-loadscope-reorder`), so that what a file's
tests share is made once. Files that wait and files that compute take turns in the list, as both together fill the machine.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

LONGEST: tuple[str, ...] = (
    "systemd/test_live.py",
    "demo/test_command.py",
    "cluster/test_cut.py",
    "faults/test_identity.py",
    "source/events/test_template_decoder.py",
    "end_to_end/test_commands.py",
    "faults/test_kafka_outage.py",
    "systemd/test_install.py",
    "storm/test_storm.py",
    "interop/test_handover.py",
    "migrate/test_taking_over.py",
    "interop/test_converters.py",
    "test_distribution.py",
    "services/test_kafka.py",
    "hub/auth/test_services.py",
    "service/test_supervisor.py",
    "services/test_up.py",
    "sink/test_worker.py",
    "faults/test_stalls.py",
    "source/test_partition_positions.py",
    "end_to_end/test_secrets.py",
    "amqp/test_types.py",
    "faults/test_kills.py",
    "faults/test_changing_delivery.py",
    "faults/test_hub_faults.py",
    "faults/test_dead_letters.py",
    "sink/sending/test_sender.py",
    "faults/test_sink_kills.py",
    "source/test_two_nodes.py",
    "faults/test_sink_refusals.py",
    "faults/test_signals.py",
    "source/delivery/test_poison_kafka.py",
    "faults/test_sink_hub_faults.py",
    "faults/test_blob_outage.py",
    "emulator/test_stock_clients.py",
    "faults/test_positions.py",
    "doctor/test_command.py",
    "process/test_supervised.py",
    "kafka/test_logins.py",
    "faults/test_held_back.py",
    "faults/test_sink_hub_away.py",
    "source/transport/test_fast.py",
    "hub/auth/test_identity.py",
    "end_to_end/test_how_to.py",
    "faults/test_added_partitions.py",
    "faults/test_sink_quota.py",
    "source/checkpoints/test_file.py",
    "services/test_azurite.py",
    "source/delivery/test_delivery.py",
    "service/test_supervisor_figures.py",
    "source/transport/test_transports.py",
    "end_to_end/test_status.py",
    "end_to_end/test_many_partitions.py",
    "service/test_supervisor_growth.py",
    "hub/test_service_client.py",
    "sink/test_poison.py",
    "end_to_end/test_walkthrough.py",
    "service/test_reload.py",
    "source/transport/test_silent_hub.py",
    "faults/test_sink_bad_records.py",
    "sink/feedback/test_process.py",
    "grafana/test_live.py",
)
"""Below tests/, from 10 s or so upwards, as `make test ARGS="--durations=0"` shows."""
_RANK = {name: rank for rank, name in enumerate(LONGEST)}
_HERE = Path(__file__).parent
_T = TypeVar("_T")


def longest_first(files: Sequence[tuple[Path, _T]]) -> list[_T]:
    """What belongs to the files, in the order of the list; the rest behind it, in its own order."""
    ranked = sorted(files, key=lambda each: _RANK.get(_name(each[0]), len(_RANK)))
    return [item for _, item in ranked]


def _name(path: Path) -> str:
    return path.relative_to(_HERE).as_posix() if path.is_relative_to(_HERE) else ""
