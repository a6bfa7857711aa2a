"""The frame bodies of AMQP 1.0, and the records in their fields (AMQP 1.0 parts 2.7, 2.8, 3.4, 3.5, 5.3.3).

Times are milliseconds, sizes bytes. `None` is AMQP's null: the default that the specification names.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Final

from ingest.amqp.composites import (
    ANY,
    BINARY,
    BOOLEAN,
    MAP,
    RECORD,
    STRING,
    SYMBOL,
    SYMBOLS,
    UBYTE,
    UINT,
    ULONG,
    USHORT,
    Composite,
)

SENDER = False
"""`role` of the side that sends transfers (AMQP 1.0 part 2.8.1)."""
RECEIVER = True

UNSETTLED = 0
"""`snd_settle_mode`: every delivery is sent unsettled (AMQP 1.0 part 2.8.2)."""
SETTLED = 1
"""`snd_settle_mode`: every delivery is sent settled (AMQP 1.0 part 2.8.2)."""

_SHORT: Final = 100
"""Characters to which the texts of an error are cut that does not fit into a frame."""


@dataclass(kw_only=True)
class Error(Composite):
    """error, part 2.8.14."""

    CODE = 0x1D
    condition: str = field(metadata=SYMBOL)
    description: str | None = field(default=None, metadata=STRING)
    info: dict[Any, Any] | None = field(default=None, metadata=MAP)


@dataclass(kw_only=True)
class Source(Composite):
    """source, part 3.5.3."""

    CODE = 0x28
    address: object = field(default=None, metadata=ANY)
    durable: int | None = field(default=None, metadata=UINT)
    expiry_policy: str | None = field(default=None, metadata=SYMBOL)
    timeout: int | None = field(default=None, metadata=UINT)
    dynamic: bool | None = field(default=None, metadata=BOOLEAN)
    dynamic_node_properties: dict[Any, Any] | None = field(default=None, metadata=MAP)
    distribution_mode: str | None = field(default=None, metadata=SYMBOL)
    filter: dict[Any, Any] | None = field(default=None, metadata=MAP)
    default_outcome: Composite | None = field(default=None, metadata=RECORD)
    outcomes: tuple[str, ...] | None = field(default=None, metadata=SYMBOLS)
    capabilities: tuple[str, ...] | None = field(default=None, metadata=SYMBOLS)


@dataclass(kw_only=True)
class Target(Composite):
    """target, part 3.5.4."""

    CODE = 0x29
    address: object = field(default=None, metadata=ANY)
    durable: int | None = field(default=None, metadata=UINT)
    expiry_policy: str | None = field(default=None, metadata=SYMBOL)
    timeout: int | None = field(default=None, metadata=UINT)
    dynamic: bool | None = field(default=None, metadata=BOOLEAN)
    dynamic_node_properties: dict[Any, Any] | None = field(default=None, metadata=MAP)
    capabilities: tuple[str, ...] | None = field(default=None, metadata=SYMBOLS)


@dataclass(kw_only=True)
class Received(Composite):
    """received, part 3.4.1."""

    CODE = 0x23
    section_number: int = field(metadata=UINT)
    section_offset: int = field(metadata=ULONG)


@dataclass(kw_only=True)
class Accepted(Composite):
    """accepted, part 3.4.2."""

    CODE = 0x24


@dataclass(kw_only=True)
class Rejected(Composite):
    """rejected, part 3.4.3."""

    CODE = 0x25
    error: Composite | None = field(default=None, metadata=RECORD)


@dataclass(kw_only=True)
class Released(Composite):
    """released, part 3.4.4."""

    CODE = 0x26


@dataclass(kw_only=True)
class Modified(Composite):
    """modified, part 3.4.5."""

    CODE = 0x27
    delivery_failed: bool | None = field(default=None, metadata=BOOLEAN)
    undeliverable_here: bool | None = field(default=None, metadata=BOOLEAN)
    message_annotations: dict[Any, Any] | None = field(default=None, metadata=MAP)


@dataclass(kw_only=True)
class Open(Composite):
    """open, part 2.7.1."""

    CODE = 0x10
    container_id: str = field(metadata=STRING)
    hostname: str | None = field(default=None, metadata=STRING)
    max_frame_size: int | None = field(default=None, metadata=UINT)
    channel_max: int | None = field(default=None, metadata=USHORT)
    idle_time_out: int | None = field(default=None, metadata=UINT)
    outgoing_locales: tuple[str, ...] | None = field(default=None, metadata=SYMBOLS)
    incoming_locales: tuple[str, ...] | None = field(default=None, metadata=SYMBOLS)
    offered_capabilities: tuple[str, ...] | None = field(default=None, metadata=SYMBOLS)
    desired_capabilities: tuple[str, ...] | None = field(default=None, metadata=SYMBOLS)
    properties: dict[Any, Any] | None = field(default=None, metadata=MAP)


@dataclass(kw_only=True)
class Begin(Composite):
    """begin, part 2.7.2."""

    CODE = 0x11
    remote_channel: int | None = field(default=None, metadata=USHORT)
    next_outgoing_id: int = field(metadata=UINT)
    incoming_window: int = field(metadata=UINT)
    outgoing_window: int = field(metadata=UINT)
    handle_max: int | None = field(default=None, metadata=UINT)
    offered_capabilities: tuple[str, ...] | None = field(default=None, metadata=SYMBOLS)
    desired_capabilities: tuple[str, ...] | None = field(default=None, metadata=SYMBOLS)
    properties: dict[Any, Any] | None = field(default=None, metadata=MAP)


@dataclass(kw_only=True)
class Attach(Composite):
    """attach, part 2.7.3."""

    CODE = 0x12
    name: str = field(metadata=STRING)
    handle: int = field(metadata=UINT)
    role: bool = field(metadata=BOOLEAN)
    snd_settle_mode: int | None = field(default=None, metadata=UBYTE)
    rcv_settle_mode: int | None = field(default=None, metadata=UBYTE)
    source: Composite | None = field(default=None, metadata=RECORD)
    target: Composite | None = field(default=None, metadata=RECORD)
    unsettled: dict[Any, Any] | None = field(default=None, metadata=MAP)
    incomplete_unsettled: bool | None = field(default=None, metadata=BOOLEAN)
    initial_delivery_count: int | None = field(default=None, metadata=UINT)
    max_message_size: int | None = field(default=None, metadata=ULONG)
    offered_capabilities: tuple[str, ...] | None = field(default=None, metadata=SYMBOLS)
    desired_capabilities: tuple[str, ...] | None = field(default=None, metadata=SYMBOLS)
    properties: dict[Any, Any] | None = field(default=None, metadata=MAP)


@dataclass(kw_only=True)
class Flow(Composite):
    """flow, part 2.7.4."""

    CODE = 0x13
    next_incoming_id: int | None = field(default=None, metadata=UINT)
    incoming_window: int = field(metadata=UINT)
    next_outgoing_id: int = field(metadata=UINT)
    outgoing_window: int = field(metadata=UINT)
    handle: int | None = field(default=None, metadata=UINT)
    delivery_count: int | None = field(default=None, metadata=UINT)
    link_credit: int | None = field(default=None, metadata=UINT)
    available: int | None = field(default=None, metadata=UINT)
    drain: bool | None = field(default=None, metadata=BOOLEAN)
    echo: bool | None = field(default=None, metadata=BOOLEAN)
    properties: dict[Any, Any] | None = field(default=None, metadata=MAP)


@dataclass(kw_only=True)
class Transfer(Composite):
    """transfer, part 2.7.5. The message follows the list in the frame."""

    CODE = 0x14
    handle: int = field(metadata=UINT)
    delivery_id: int | None = field(default=None, metadata=UINT)
    delivery_tag: bytes | None = field(default=None, metadata=BINARY)
    message_format: int | None = field(default=None, metadata=UINT)
    settled: bool | None = field(default=None, metadata=BOOLEAN)
    more: bool | None = field(default=None, metadata=BOOLEAN)
    rcv_settle_mode: int | None = field(default=None, metadata=UBYTE)
    state: Composite | None = field(default=None, metadata=RECORD)
    resume: bool | None = field(default=None, metadata=BOOLEAN)
    aborted: bool | None = field(default=None, metadata=BOOLEAN)
    batchable: bool | None = field(default=None, metadata=BOOLEAN)


@dataclass(kw_only=True)
class Disposition(Composite):
    """disposition, part 2.7.6."""

    CODE = 0x15
    role: bool = field(metadata=BOOLEAN)
    first: int = field(metadata=UINT)
    last: int | None = field(default=None, metadata=UINT)
    settled: bool | None = field(default=None, metadata=BOOLEAN)
    state: Composite | None = field(default=None, metadata=RECORD)
    batchable: bool | None = field(default=None, metadata=BOOLEAN)


@dataclass(kw_only=True)
class Detach(Composite):
    """detach, part 2.7.7."""

    CODE = 0x16
    handle: int = field(metadata=UINT)
    closed: bool | None = field(default=None, metadata=BOOLEAN)
    error: Composite | None = field(default=None, metadata=RECORD)


@dataclass(kw_only=True)
class End(Composite):
    """end, part 2.7.8."""

    CODE = 0x17
    error: Composite | None = field(default=None, metadata=RECORD)


@dataclass(kw_only=True)
class Close(Composite):
    """close, part 2.7.9."""

    CODE = 0x18
    error: Composite | None = field(default=None, metadata=RECORD)


@dataclass(kw_only=True)
class SaslMechanisms(Composite):
    """sasl-mechanisms, part 5.3.3.1."""

    CODE = 0x40
    sasl_server_mechanisms: tuple[str, ...] = field(metadata=SYMBOLS)


@dataclass(kw_only=True)
class SaslInit(Composite):
    """sasl-init, part 5.3.3.2."""

    CODE = 0x41
    mechanism: str = field(metadata=SYMBOL)
    initial_response: bytes | None = field(default=None, metadata=BINARY)
    hostname: str | None = field(default=None, metadata=STRING)


@dataclass(kw_only=True)
class SaslOutcome(Composite):
    """sasl-outcome, part 5.3.3.6. `code` 0 is ok, 1 is an authentication failure."""

    CODE = 0x44
    code: int = field(metadata=UBYTE)
    additional_data: bytes | None = field(default=None, metadata=BINARY)


def shortened(performative: Any) -> Any:
    """Returns it with its error cut, if it has one."""
    error = getattr(performative, "error", None)
    if isinstance(error, Error):
        condition, description = error.condition[:_SHORT], error.description and error.description[:_SHORT]
        return replace(performative, error=Error(condition=condition, description=description))
    state = getattr(performative, "state", None)
    if isinstance(state, Composite):
        return replace(performative, state=shortened(state))
    return performative
