"""Which receivers the hub lets read a partition: epochs, link stealing, the limit of readers. Pure.

Source: "Event consumers" and "Epoch" in "Features and terminology in Azure Event Hubs", Microsoft Learn; the texts of
the errors are in `conditions`.
"""

from collections.abc import Sequence

from ingest.emulator import conditions
from ingest.emulator.conditions import Condition

MOST_READERS = 5
"""Readers without epoch per partition and consumer group."""


def admit(present: Sequence[int | None], asked: int | None) -> Condition | None:
    """Returns why a receiver with epoch `asked` (None: without) is refused beside those `present`, or None.

    A receiver with an epoch that is let in steals every other link, even one with an equal epoch.
    """
    highest = max((epoch for epoch in present if epoch is not None), default=None)
    if asked is None:
        if highest is not None:
            return conditions.epoch_reader_present(highest)
        return conditions.too_many_readers(MOST_READERS) if len(present) >= MOST_READERS else None
    if highest is not None and highest > asked:
        return conditions.higher_epoch_present(highest, asked)
    return None
