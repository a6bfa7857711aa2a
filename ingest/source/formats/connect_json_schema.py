"""Format `connect-json-schema`: the old connector's struct as Connect's JsonConverter wrote it, with `schemas.enable`. Pure."""

from typing import Final

from ingest.source.formats.connect_json import ConnectJsonFormat

_STRING: Final = b'{"type":"string","optional":false}'
_MAP: Final = b'{"type":"map","keys":%b,"values":%b,"optional":false,"field":"%%b"}' % (_STRING, _STRING)
_FIELDS: Final = b",".join(
    (
        b'{"type":"string","optional":false,"field":"deviceId"}',
        b'{"type":"string","optional":false,"field":"offset"}',
        b'{"type":"string","optional":true,"field":"contentType"}',
        b'{"type":"string","optional":false,"field":"enqueuedTime"}',
        b'{"type":"int64","optional":false,"field":"sequenceNumber"}',
        b'{"type":"string","optional":false,"field":"content"}',
        _MAP % b"systemProperties",
        _MAP % b"properties",
    )
)
_SCHEMA: Final = b'{"type":"struct","fields":[%b],"optional":false,"name":"iothub.kafka.connect","version":1}' % _FIELDS
_BEFORE: Final = b'{"schema":%b,"payload":' % _SCHEMA
_BEFORE_KEY: Final = b'{"schema":%b,"payload":' % _STRING


class ConnectJsonSchemaFormat(ConnectJsonFormat):
    """An object with the struct as its `payload`, and the struct's schema in every record; so are keys."""

    def struct(self, fields: tuple[bytes, ...]) -> bytes:
        return b"%b%b}" % (_BEFORE, super().struct(fields))

    def key(self, key: bytes | None) -> bytes | None:
        payload = super().key(key)
        return None if payload is None else b"%b%b}" % (_BEFORE_KEY, payload)

    @staticmethod
    def overhead_bytes(body_bytes: int) -> int:
        return ConnectJsonFormat.overhead_bytes(body_bytes) + len(_BEFORE) + len(_BEFORE_KEY)
