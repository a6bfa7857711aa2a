"""Who may read a partition: epochs, link stealing and the limit of readers. Pure.

Source: "Event consumers" and "Epoch" in "Features and terminology in Azure Event Hubs", Microsoft Learn; the texts that
come with it are in `conditions`.
"""

from collections.abc import Sequence

from ingest.emulator import conditions
from ingest.emulator.conditions import Condition

MOST_READERS = 5
"""Readers without epoch per partition and consumer group."""


def admit(present: Sequence[int | None], asked: int | None) -> Condition | None:
    """Why a receiver with epoch `asked` (None: without) may not join those `present`, or None if it may.

    A receiver with an epoch that may join steals the link of every other one: equal epochs steal too.
    """
    highest = max((epoch for epoch in present if epoch is not None), default=None)
    if asked is None:
        if highest is not None:
            return conditions.epoch_reader_present(highest)
        return conditions.too_many_readers(MOST_READERS) if len(present) >= MOST_READERS else None
    if highest is not None and highest > asked:
        return conditions.higher_epoch_present(highest, asked)
    return None
