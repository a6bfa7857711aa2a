"""Records that travel as a described list, with the type of each field (AMQP 1.0 part 1.4, "composite types")."""

import re
from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from typing import Any, ClassVar, NamedTuple, Self

from ingest.amqp.encoding import NULL, encode, encode_list
from ingest.amqp.errors import AmqpError
from ingest.amqp.types import Array, Described, Symbol, Timestamp, UByte, UInt, ULong, UShort


class Kind(NamedTuple):
    """How one field is checked when it arrives and encoded when it leaves."""

    name: str
    read: Callable[[Any], Any]
    """Decoded value → field value. Raises ValueError if it is not of this kind."""
    write: Callable[[Any], bytes]


class Composite:
    """Base of the records: dataclasses whose fields carry a `Kind` in their metadata, in wire order."""

    CODE: ClassVar[int]
    _BY_DESCRIPTOR: ClassVar[dict[int | str, type["Composite"]]] = {}

    def __init_subclass__(cls) -> None:
        Composite._BY_DESCRIPTOR[cls.CODE] = cls
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", cls.__name__).lower()
        Composite._BY_DESCRIPTOR[f"amqp:{words}:list"] = cls

    def encode(self) -> bytes:
        """Returns descriptor and list with every field present, including trailing nulls.

        azure-eventhub indexes performatives without checking their length (_pyamqp/_decode.py, decode_frame).
        """
        layout = _layout(type(self))
        if not layout:
            return bytes((0x00, 0x53, self.CODE, 0x45))
        values = self.__dict__
        items = [NULL if (value := values[name]) is None else kind.write(value) for name, kind, _ in layout]
        return bytes((0x00, 0x53, self.CODE)) + encode_list(items)

    @classmethod
    def from_list(cls, values: object) -> Self:
        """Raises AmqpError if a field is missing, surplus or of the wrong type."""
        layout = _layout(cls)
        name = cls.__name__.lower()
        if not isinstance(values, list) or len(values) > len(layout):
            raise AmqpError(f"The {name} is not a list of at most {len(layout)} fields.")
        arguments: dict[str, Any] = {}
        for index, (field, kind, required) in enumerate(layout):
            value = values[index] if index < len(values) else None
            if value is not None:
                try:
                    arguments[field] = kind.read(value)
                except ValueError:
                    raise AmqpError(f"Field {field} of {name} is {value!r:.100}, not {kind.name}.") from None
            elif required:
                raise AmqpError(f"Field {field} of {name} is missing.")
        return cls(**arguments)


_LAYOUTS: dict[type[Composite], list[tuple[str, Kind, bool]]] = {}


def _layout(cls: type[Composite]) -> list[tuple[str, Kind, bool]]:
    """Returns each field's name, kind and whether it is mandatory."""
    layout = _LAYOUTS.get(cls)
    if layout is None:
        members: tuple[Field[Any], ...] = fields(cls)  # type: ignore[arg-type]  # every subclass is a dataclass
        layout = _LAYOUTS[cls] = [(each.name, each.metadata["kind"], each.default is MISSING) for each in members]
    return layout


def composite(value: object) -> Composite:
    """Returns the record that a decoded described value stands for; its descriptor can be the code or the symbol.

    Raises AmqpError if no record has this descriptor.
    """
    if not isinstance(value, Described):
        raise AmqpError(f"{value!r:.100} is not a described value.")
    known = isinstance(value.descriptor, int | str)
    kind = Composite._BY_DESCRIPTOR.get(value.descriptor) if known else None
    if kind is None:
        raise AmqpError(f"There is no AMQP record with the descriptor {value.descriptor!r:.100}.")
    return kind.from_list(value.value)


def _instance(*types: type) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise ValueError
        return value

    return read


def _unsigned(bits: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << bits:
            raise ValueError
        return value

    return read


def _read_symbols(value: Any) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) for item in items):
        raise ValueError
    return tuple(items)


def _read_record(value: Any) -> Composite:
    if not isinstance(value, Described):
        raise ValueError
    return composite(value)


def _read_id(value: Any) -> Any:
    if isinstance(value, bool | float | list | dict | Described):
        raise ValueError
    return value


def _write_id(value: Any) -> bytes:
    return encode(ULong(value) if isinstance(value, int) else value)


UINT = {"kind": Kind("uint", _unsigned(32), lambda value: encode(UInt(value)))}
USHORT = {"kind": Kind("ushort", _unsigned(16), lambda value: encode(UShort(value)))}
UBYTE = {"kind": Kind("ubyte", _unsigned(8), lambda value: encode(UByte(value)))}
ULONG = {"kind": Kind("ulong", _unsigned(64), lambda value: encode(ULong(value)))}
BOOLEAN = {"kind": Kind("boolean", _instance(bool), encode)}
STRING = {"kind": Kind("string", _instance(str), lambda value: encode(str(value)))}
SYMBOL = {"kind": Kind("symbol", _instance(str), lambda value: encode(Symbol(value)))}
SYMBOLS = {"kind": Kind("symbols", _read_symbols, lambda value: encode(Array(map(Symbol, value))))}
BINARY = {"kind": Kind("binary", _instance(bytes), encode)}
TIMESTAMP = {"kind": Kind("timestamp", _instance(int), lambda value: encode(Timestamp(value)))}
MAP = {"kind": Kind("map", _instance(dict), encode)}
MESSAGE_ID = {"kind": Kind("message id (ulong, uuid, binary or string)", _read_id, _write_id)}
ANY = {"kind": Kind("any", lambda value: value, encode)}
RECORD = {"kind": Kind("record", _read_record, lambda value: value.encode())}
