# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""`LeanEvent` → record of the format `json`, written straight from the message. Equal to `ingest.source.record.JsonFormat`
byte for byte, which makes the records of all that is not treated here.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.math cimport isfinite
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcmp

from ingest.source.core.fields cimport (
    CONTENT_ENCODING, CONTENT_TYPE, CORRELATION_ID, FIELD_NAMES, FIELDS, IS_LABEL, MESSAGE_ID, SYSTEM_ORDER, USER_ID, Names,
    add_name, is_field_name, read_fields
)
from ingest.source.core.lean cimport HUB_TIME, LeanEvent, OTHER, Annotation, annotation
from ingest.source.core.text cimport (
    Out, is_utf8, put, put_base64, put_bytes, put_millis, put_second, put_signed, put_text, put_unsigned, put_uuid
)
from ingest.source.core.values cimport (
    BINARY, BOOLEAN, NULL_VALUE, REAL, SIGNED, TEXT, TIME, UNSIGNED, UUID, Bytes, Compound, Value, read_value
)

import orjson

from ingest.source.record import COMPARED_BYTES, JsonFormat, Record

cdef enum:
    KEPT_BYTES = 1 << 18  # A larger buffer is given back behind the batch that needed it.
    AROUND_BYTES = 4_096  # All that is not made of the message's bytes, twice as much as it can be.
    GROWTH = 8  # Bytes of a record, at most, for a byte of the message: text six, a message id twice, `{"$binary":""}` for two.

cdef uint64_t DAY_10000_MS = 253_402_300_800_000
cdef Py_ssize_t _COMPARED_BYTES = COMPARED_BYTES
cdef object _dumps = orjson.dumps


cdef class JsonEncoder:
    """Implements `ingest.source.decoder.Encoder`."""

    cdef object _reference
    cdef bytes _partition
    cdef Out _buffer
    cdef Py_ssize_t _capacity
    cdef uint64_t _second
    cdef unsigned char[32] _second_text

    def __cinit__(self):
        self._buffer = NULL
        self._capacity = 0

    def __init__(self, str partition):
        self._reference = JsonFormat(partition)
        self._partition = _dumps(partition)
        self._second = DAY_10000_MS

    def __dealloc__(self):
        PyMem_Free(self._buffer)

    @property
    def held_bytes(self):
        return self._capacity

    def encode(self, event):
        made = self._record(<LeanEvent> event) if type(event) is LeanEvent else None
        return self._reference.encode(event.whole()) if made is None else Record._make(made)

    def encode_all(self, events):
        cdef list records = []
        for event in events:
            made = self._record(<LeanEvent> event) if type(event) is LeanEvent else None
            records.append(self._reference.encode(event.whole()) if made is None else made)
        if self._capacity > KEPT_BYTES:
            PyMem_Free(self._buffer)
            self._buffer = NULL
            self._capacity = 0
        return records

    cdef tuple _record(self, LeanEvent event):
        """None for an event that is not treated."""
        cdef Py_ssize_t needed = GROWTH * (event.end - event.begin) + PyBytes_GET_SIZE(self._partition) + AROUND_BYTES
        cdef Bytes key
        cdef Py_ssize_t key_size = 0
        cdef Out end
        if not 0 <= event.enqueued < <int64_t> DAY_10000_MS:
            return None
        if needed > self._capacity:
            PyMem_Free(self._buffer)
            self._capacity = 0
            self._buffer = <Out> PyMem_Malloc(2 * needed)
            if self._buffer == NULL:
                raise MemoryError
            self._capacity = 2 * needed
        end = self._put_event(self._buffer, event, &key, &key_size)
        if end == NULL:
            return None
        return (
            None if key == NULL else key[:key_size],
            PyBytes_FromStringAndSize(<char*> self._buffer, end - self._buffer),
            None,
            event.enqueued,
        )

    cdef Out _put_event(self, Out to, LeanEvent event, Bytes* key, Py_ssize_t* key_size) except? NULL:
        """The whole object, and the record's key."""
        cdef Value[FIELDS] fields
        cdef Py_ssize_t controls = 0
        if not read_fields(&event.properties, fields):
            return NULL
        to = put(to, b'{"deviceId":')
        key[0], key_size[0] = event.device, event.device_size
        if event.device == NULL:
            to = put(to, b"null")
        else:
            to = put_text(to, event.device, event.device_size, &controls)
            if to == NULL:
                return NULL
        if event.module != NULL:
            to = put_text(put(to, b',"moduleId":'), event.module, event.module_size, &controls)
            if to == NULL:
                return NULL
        to = put_text(put(to, b',"offset":'), event.offset_at, event.offset_size, &controls)
        to = put_signed(put(to, b',"sequenceNumber":'), event.sequence)
        to = put(to, b',"partition":')
        to = put_bytes(to, PyBytes_AS_STRING(self._partition), PyBytes_GET_SIZE(self._partition))
        to = self._put_time(put(to, b',"enqueuedTime":"'), <uint64_t> event.enqueued)
        to = put(to, b'","contentType":')
        to = _put_label(to, &fields[CONTENT_TYPE])
        if to != NULL:
            to = _put_label(put(to, b',"contentEncoding":'), &fields[CONTENT_ENCODING])
        if to != NULL and fields[MESSAGE_ID].kind != NULL_VALUE:
            to = _put_label(put(to, b',"messageId":'), &fields[MESSAGE_ID])
        if to != NULL and fields[CORRELATION_ID].kind != NULL_VALUE:
            to = _put_label(put(to, b',"correlationId":'), &fields[CORRELATION_ID])
        if to == NULL:
            return NULL
        to = _put_content(put(to, b',"content":'), event.body, event.body_size)
        to = put(to, b',"systemProperties":{')
        to = _put_annotations(to, event, key, key_size)
        if to != NULL:
            to = _put_system(to, fields)
        if to == NULL:
            return NULL
        to = _put_application(put(to, b'},"properties":{'), &event.application)
        return NULL if to == NULL else put(to, b"}}")

    cdef Out _put_time(self, Out to, uint64_t milliseconds) noexcept:
        cdef uint64_t second = milliseconds // 1000
        if second != self._second:
            put_second(self._second_text, second)
            self._second = second
        return put_millis(put_bytes(to, self._second_text, 20), milliseconds % 1000)


cdef Out _put_label(Out to, Value* value) noexcept:
    """As `ingest.source.values.label`."""
    cdef Py_ssize_t controls = 0
    cdef Out end
    if value.kind == NULL_VALUE:
        return put(to, b"null")
    if value.kind == TEXT or value.kind == BINARY:
        end = put_text(to, value.at, value.size, &controls)
        return _put_quoted_base64(to, value) if end == NULL else end
    if value.kind == REAL:
        return NULL
    to[0] = c'"'
    to += 1
    if value.kind == BOOLEAN:
        to = put(to, b"True") if value.number else put(to, b"False")
    elif value.kind == UUID:
        to = put_uuid(to, value.at)
    elif value.kind == UNSIGNED:
        to = put_unsigned(to, <uint64_t> value.number)
    else:
        to = put_signed(to, value.number)
    to[0] = c'"'
    return to + 1


cdef Out _put_quoted_base64(Out to, Value* value) noexcept:
    to[0] = c'"'
    to = put_base64(to + 1, value.at, value.size)
    to[0] = c'"'
    return to + 1


cdef Out _put_plain(Out to, Value* value) except? NULL:
    """As `ingest.source.values.plain`, as JSON."""
    cdef Py_ssize_t controls = 0
    cdef Out end
    cdef bytes digits
    if value.kind == TEXT:
        end = put_text(to, value.at, value.size, &controls)
        if end != NULL:
            return end
        to = _put_quoted_base64(put(to, b'{"$string":'), value)
    elif value.kind == SIGNED:
        return put_signed(to, value.number)
    elif value.kind == UNSIGNED:
        return put_unsigned(to, <uint64_t> value.number)
    elif value.kind == NULL_VALUE:
        return put(to, b"null")
    elif value.kind == BOOLEAN:
        return put(to, b"true") if value.number else put(to, b"false")
    elif value.kind == REAL:
        if not isfinite(value.real):
            return NULL
        digits = _dumps(value.real)
        return put_bytes(to, PyBytes_AS_STRING(digits), PyBytes_GET_SIZE(digits))
    elif value.kind == TIME:
        to = put_signed(put(to, b'{"$timestamp":'), value.number)
    elif value.kind == BINARY:
        to = _put_quoted_base64(put(to, b'{"$binary":'), value)
    else:
        to = put_uuid(put(to, b'{"$uuid":"'), value.at)
        to[0] = c'"'
        to += 1
    to[0] = c'}'
    return to + 1


cdef Out _put_content(Out to, Bytes body, Py_ssize_t size) noexcept:
    """As text; as base64 when it is none, or when that is shorter than its control characters (`COMPARED_BYTES`)."""
    cdef Py_ssize_t controls = 0
    cdef Py_ssize_t encoded = (size + 2) // 3 * 4 + 2 + 27
    cdef Out end = put_text(to, body, size, &controls)
    if end != NULL and not (end - to - size > _COMPARED_BYTES and controls and encoded < end - to):
        return end
    to[0] = c'"'
    to = put_base64(to + 1, body, size)
    return put(to, b'","contentTransfer":"base64"')


cdef Out _put_annotations(Out to, LeanEvent event, Bytes* key, Py_ssize_t* key_size) except? NULL:
    """The members of `systemProperties` that are annotations, in their order. Without a device the partition key is the key."""
    cdef Bytes at = event.annotations.at
    cdef Value name, value
    cdef Names names
    cdef Annotation known
    cdef uint32_t _
    names.count = 0
    for _ in range(event.annotations.count // 2):
        at = read_value(at, event.annotations.end, &name)
        at = read_value(at, event.annotations.end, &value)
        known = annotation(name.at, name.size)
        if known == HUB_TIME:
            to = put_signed(put(_put_comma(to), b'"iothub-enqueuedtime":'), value.number)
        elif known == OTHER:
            if is_field_name(&name):
                return NULL
            to = _put_member(to, &name, &value, &names)
            if to == NULL:
                return NULL
            if event.device == NULL and name.size == 19 and memcmp(name.at, <const char*> b"x-opt-partition-key", 19) == 0:
                if value.kind == TEXT and is_utf8(value.at, value.size):
                    key[0], key_size[0] = value.at, value.size
    return to


cdef Out _put_system(Out to, Value* fields) except? NULL:
    """The members of `systemProperties` that are fields of `properties`."""
    cdef Value* value
    cdef int place, turn
    for turn in range(FIELDS):
        place = SYSTEM_ORDER[turn]
        value = &fields[place]
        if value.kind == NULL_VALUE or (IS_LABEL[place] and value.kind == TEXT and is_utf8(value.at, value.size)):
            continue
        to = _put_comma(to)
        to[0] = c'"'
        to = put(put_bytes(to + 1, FIELD_NAMES[place].at, FIELD_NAMES[place].size), b'":')
        if value.kind == TIME and not IS_LABEL[place]:
            to = put_signed(to, value.number)
        elif place == USER_ID and value.kind == BINARY and is_utf8(value.at, value.size):
            to = _put_label(to, value)
        else:
            to = _put_plain(to, value)
            if to == NULL:
                return NULL
    return to


cdef Out _put_application(Out to, Compound* application) except? NULL:
    cdef Bytes at = application.at
    cdef Value name, value
    cdef Names names
    cdef uint32_t _
    names.count = 0
    for _ in range(application.count // 2):
        at = read_value(at, application.end, &name)
        if at != NULL:
            at = read_value(at, application.end, &value)
        if at == NULL or name.kind != TEXT:
            return NULL
        to = _put_member(to, &name, &value, &names)
        if to == NULL:
            return NULL
    return to


cdef Out _put_member(Out to, Value* name, Value* value, Names* names) except? NULL:
    """Name and value, if the name is one as it is (`ingest.source.values.name_of`) and not among `names` yet."""
    cdef Py_ssize_t controls = 0
    if not add_name(names, name):
        return NULL
    to = put_text(_put_comma(to), name.at, name.size, &controls)
    if to == NULL:
        return NULL
    to[0] = c':'
    return _put_plain(to + 1, value)


cdef inline Out _put_comma(Out to) noexcept:
    """In front of all members but the first."""
    if (to - 1)[0] != c'{':
        to[0] = c','
        return to + 1
    return to
