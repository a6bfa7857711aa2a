# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""`LeanEvent` → record of the format `raw`: the body, and headers made straight from the message. Equal to
`ingest.source.formats.raw.RawFormat` byte for byte, which makes the records of all that is not treated here.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeUTF8
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcmp

from ingest.source.core.encoder cimport GROWTH, CoreEncoder, is_date, put_label, put_plain
from ingest.source.core.fields cimport (
    CONTENT_ENCODING, CONTENT_TYPE, CORRELATION_ID, CREATION_TIME, EXPIRY_TIME, FIELD_NAMES, FIELDS, GROUP_SEQUENCE, IS_LABEL,
    MESSAGE_ID, SYSTEM_ORDER, USER_ID, Names, add_name, is_field_name, read_fields
)
from ingest.source.core.lean cimport HUB_TIME, OTHER, Annotation, LeanEvent, annotation
from ingest.source.core.text cimport Out, is_utf8, put_bytes, put_millis, put_second, put_signed, put_text
from ingest.source.core.values cimport (
    BINARY, NULL_VALUE, SIGNED, TEXT, TIME, UNSIGNED, Bytes, Compound, Value, read_value
)

from ingest.source.formats.raw import JSON_HEADER, RawFormat

cdef enum:
    AROUND_BYTES = 1_024  # More than what is written at once has besides what its bytes explain: the names of all fields.

cdef str _JSON_HEADER = JSON_HEADER


cdef class RawEncoder(CoreEncoder):
    """Implements `ingest.source.hot_path.Encoder`."""

    cdef tuple _partition

    def __init__(self, str partition):
        super().__init__(RawFormat(partition))
        self._partition = ("partition", partition.encode())

    cdef bint _add_record(self, LeanEvent event, list keys, list values, list headers, list times) except -1:
        cdef Value[FIELDS] fields
        cdef Bytes key = event.device
        cdef Py_ssize_t key_size = event.device_size
        cdef list made
        cdef Out end
        if not is_date(event) or not read_fields(&event.properties, fields):
            return False
        self._reserve(GROWTH * (event.end - event.begin) + AROUND_BYTES)
        end = put_signed(self._buffer, event.sequence)
        made = [
            ("offset", event.offset_at[: event.offset_size]),
            ("sequenceNumber", self._written(end)),
            self._partition,
        ]
        end = put_millis(put_second(self._buffer, <uint64_t> event.enqueued // 1000), <uint64_t> event.enqueued % 1000)
        made.append(("enqueuedTime", self._written(end)))
        if event.device != NULL:
            if not is_utf8(event.device, event.device_size):
                return False
            made.append(("deviceId", event.device[: event.device_size]))
        if event.module != NULL:
            if not is_utf8(event.module, event.module_size):
                return False
            made.append(("moduleId", event.module[: event.module_size]))
        if not (
            self._add_label(made, "contentType", &fields[CONTENT_TYPE])
            and self._add_label(made, "contentEncoding", &fields[CONTENT_ENCODING])
            and self._add_label(made, "messageId", &fields[MESSAGE_ID])
            and self._add_label(made, "correlationId", &fields[CORRELATION_ID])
            and self._add_annotations(made, event, &key, &key_size)
            and self._add_properties(made, fields, &event.application)
        ):
            return False
        keys.append(None if key == NULL else key[:key_size])
        values.append(event.body[: event.body_size])
        headers.append(made)
        times.append(event.enqueued)
        return True

    cdef bytes _written(self, Out end):
        return PyBytes_FromStringAndSize(<char*> self._buffer, end - self._buffer)

    cdef bint _add_label(self, list headers, str name, Value* value) except -1:
        """Unless there is none. False when it is not treated, as in all methods below."""
        cdef Out end
        if value.kind == NULL_VALUE:
            return True
        if (value.kind == TEXT or value.kind == BINARY) and is_utf8(value.at, value.size):
            headers.append((name, value.at[: value.size]))
            return True
        end = put_label(self._buffer, value)
        if end == NULL:
            return False
        # Without its quotes; nothing in it is escaped.
        headers.append((name, PyBytes_FromStringAndSize(<char*> self._buffer + 1, end - self._buffer - 2)))
        return True

    cdef bint _add(self, list headers, list named, str name, Value* value, bint is_number) except -1:
        """Text as it is, and anything else as JSON, in which case `named` gets the name; but not of an `is_number`, which
        everybody knows to be JSON, if it is one."""
        cdef Out end
        if value.kind == TEXT and not is_number and is_utf8(value.at, value.size):
            headers.append((name, value.at[: value.size]))
            return True
        end = put_plain(self._buffer, value)
        if end == NULL:
            return False
        headers.append((name, self._written(end)))
        if not (is_number and (value.kind == SIGNED or value.kind == UNSIGNED)):
            named.append(name)
        return True

    cdef str _name(self, unsigned char prefix, const void* at, Py_ssize_t size):
        """None when the name is no UTF-8."""
        if not is_utf8(<Bytes> at, size):
            return None
        self._buffer[0], self._buffer[1] = prefix, c'-'
        put_bytes(self._buffer + 2, at, size)
        return PyUnicode_DecodeUTF8(<char*> self._buffer, size + 2, NULL)

    cdef bytes _as_json(self, list names):
        """A list of names of headers. Not by orjson, whose results hold on to a KiB each."""
        cdef Out to = self._buffer
        cdef Py_ssize_t size = 0
        cdef Py_ssize_t controls = 0
        cdef const char* at
        cdef str name
        for name in names:
            to[0] = c'[' if to == self._buffer else c','
            at = PyUnicode_AsUTF8AndSize(name, &size)
            to = put_text(to + 1, <Bytes> at, size, &controls)
        to[0] = c']'
        return self._written(to + 1)

    cdef bint _add_annotations(self, list headers, LeanEvent event, Bytes* key, Py_ssize_t* key_size) except -1:
        """Without a device the partition key is the record's key."""
        cdef Bytes at = event.annotations.at
        cdef Value name, value
        cdef Names names
        cdef Annotation known
        cdef list named = []
        cdef str title
        cdef uint32_t _
        names.count = 0
        for _ in range(event.annotations.count // 2):
            at = read_value(at, event.annotations.end, &name)
            at = read_value(at, event.annotations.end, &value)
            known = annotation(name.at, name.size)
            if known == HUB_TIME:
                headers.append(("s-iothub-enqueuedtime", self._written(put_signed(self._buffer, value.number))))
            if known != OTHER:
                continue
            if is_field_name(&name) or not add_name(&names, &name):
                return False
            title = self._name(c's', name.at, name.size)
            if title is None or not self._add(headers, named, title, &value, False):
                return False
            if event.device == NULL and name.size == 19 and memcmp(name.at, <const char*> b"x-opt-partition-key", 19) == 0:
                if value.kind == TEXT and is_utf8(value.at, value.size):
                    key[0], key_size[0] = value.at, value.size
        if named:
            headers.append((_JSON_HEADER, self._as_json(named)))
        return True

    cdef bint _add_properties(self, list headers, Value* fields, Compound* application) except -1:
        cdef Bytes at = application.at
        cdef Value name, value
        cdef Value* field
        cdef Names names
        cdef list of_system = [], of_application = []
        cdef str title
        cdef uint32_t _
        cdef int place, turn
        for turn in range(FIELDS):
            place = SYSTEM_ORDER[turn]
            field = &fields[place]
            if field.kind == NULL_VALUE or (IS_LABEL[place] and field.kind == TEXT and is_utf8(field.at, field.size)):
                continue
            title = self._name(c's', FIELD_NAMES[place].at, FIELD_NAMES[place].size)
            value = field[0]
            if value.kind == TIME and not IS_LABEL[place]:
                value.kind = SIGNED
            elif place == USER_ID and value.kind == BINARY and is_utf8(value.at, value.size):
                value.kind = TEXT
            if not self._add(
                headers, of_system, title, &value, place == EXPIRY_TIME or place == CREATION_TIME or place == GROUP_SEQUENCE
            ):
                return False
        names.count = 0
        for _ in range(application.count // 2):
            at = read_value(at, application.end, &name)
            if at != NULL:
                at = read_value(at, application.end, &value)
            if at == NULL or name.kind != TEXT or not add_name(&names, &name):
                return False
            title = self._name(c'p', name.at, name.size)
            if title is None or not self._add(headers, of_application, title, &value, False):
                return False
        if of_system:
            headers.append((_JSON_HEADER, self._as_json(of_system)))
        if of_application:
            headers.append((_JSON_HEADER, self._as_json(of_application)))
        return True
