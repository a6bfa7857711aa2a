# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""`LeanEvent` → record of the format `json`, written straight from the message. Equal to `ingest.source.formats.json.JsonFormat`
byte for byte, which makes the records of all that is not treated here.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcmp

from ingest.source.core.encoder cimport GROWTH, CoreEncoder, is_date, put_label, put_plain
from ingest.source.core.fields cimport (
    CONTENT_ENCODING, CONTENT_TYPE, CORRELATION_ID, FIELD_NAMES, FIELDS, IS_LABEL, MESSAGE_ID, SYSTEM_ORDER, USER_ID, Names,
    add_name, is_field_name, read_fields
)
from ingest.source.core.lean cimport HUB_TIME, OTHER, Annotation, LeanEvent, annotation
from ingest.source.core.text cimport (
    Out, is_utf8, put, put_base64, put_bytes, put_millis, put_second, put_signed, put_text
)
from ingest.source.core.values cimport BINARY, NULL_VALUE, TEXT, TIME, Bytes, Compound, Value, read_value

import orjson

from ingest.source.formats.json import COMPARED_BYTES, JsonFormat

cdef enum:
    AROUND_BYTES = 4_096  # All that is not made of the message's bytes, several times what it can be.

cdef Py_ssize_t _COMPARED_BYTES = COMPARED_BYTES
cdef uint64_t _NO_SECOND = 1 << 62


cdef class JsonEncoder(CoreEncoder):
    """Implements `ingest.source.hot_path.Encoder`."""

    cdef bytes _partition
    cdef uint64_t _second
    cdef unsigned char[32] _second_text

    def __init__(self, str partition):
        super().__init__(JsonFormat(partition))
        self._partition = orjson.dumps(partition)
        self._second = _NO_SECOND

    cdef bint _add_record(self, LeanEvent event, list keys, list values, list headers, list times) except -1:
        cdef Bytes key
        cdef Py_ssize_t key_size = 0
        cdef Out end
        if not is_date(event):
            return False
        self._reserve(GROWTH * (event.end - event.begin) + PyBytes_GET_SIZE(self._partition) + AROUND_BYTES)
        end = self._put_event(self._buffer, event, &key, &key_size)
        if end == NULL:
            return False
        keys.append(None if key == NULL else key[:key_size])
        values.append(PyBytes_FromStringAndSize(<char*> self._buffer, end - self._buffer))
        headers.append(None)
        times.append(event.enqueued)
        return True

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
        to = put_label(to, &fields[CONTENT_TYPE])
        if to != NULL:
            to = put_label(put(to, b',"contentEncoding":'), &fields[CONTENT_ENCODING])
        if to != NULL and fields[MESSAGE_ID].kind != NULL_VALUE:
            to = put_label(put(to, b',"messageId":'), &fields[MESSAGE_ID])
        if to != NULL and fields[CORRELATION_ID].kind != NULL_VALUE:
            to = put_label(put(to, b',"correlationId":'), &fields[CORRELATION_ID])
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
            to = put_label(to, value)
        else:
            to = put_plain(to, value)
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
    """Name and value, if the name is one as it is (`ingest.source.events.values.name_of`) and not among `names` yet."""
    cdef Py_ssize_t controls = 0
    if not add_name(names, name):
        return NULL
    to = put_text(_put_comma(to), name.at, name.size, &controls)
    if to == NULL:
        return NULL
    to[0] = c':'
    return put_plain(to + 1, value)


cdef inline Out _put_comma(Out to) noexcept:
    """In front of all members but the first."""
    if (to - 1)[0] != c'{':
        to[0] = c','
        return to + 1
    return to
