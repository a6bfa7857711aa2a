# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""What the record formats share: room to write in, and single values."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.math cimport isfinite
from libc.stdint cimport int64_t, uint64_t

from ingest.source.core.lean cimport LeanEvent
from ingest.source.core.text cimport Out, put, put_base64, put_bytes, put_signed, put_text, put_unsigned, put_uuid
from ingest.source.core.values cimport (
    BINARY, BOOLEAN, NULL_VALUE, REAL, SIGNED, TEXT, TIME, UNSIGNED, UUID, Value
)

import orjson

from ingest.kafka.records import Records
from ingest.source.formats.contract import Record

cdef enum:
    KEPT_BYTES = 1 << 18  # A larger buffer is given back behind the batch that needed it.

cdef int64_t _DAY_10000_MS = 253_402_300_800_000
cdef object _dumps = orjson.dumps


cdef class CoreEncoder:
    """Implements `ingest.source.hot_path.Encoder`, but for one event's record."""

    def __cinit__(self):
        self._buffer = NULL
        self._capacity = 0

    def __init__(self, reference):
        self._reference = reference

    def __dealloc__(self):
        PyMem_Free(self._buffer)

    @property
    def held_bytes(self):
        return self._capacity

    def encode(self, event):
        cdef list keys = [], values = [], headers = [], times = []
        if type(event) is LeanEvent and self._add_record(<LeanEvent> event, keys, values, headers, times):
            return Record(keys[0], values[0], headers[0], times[0])
        return self._reference.encode(event.whole())

    def encode_all(self, events):
        cdef list keys = [], values = [], headers = [], times = []
        for event in events:
            if type(event) is LeanEvent and self._add_record(<LeanEvent> event, keys, values, headers, times):
                continue
            record = self._reference.encode(event.whole())
            keys.append(record[0])
            values.append(record[1])
            headers.append(record[2])
            times.append(record[3])
        if self._capacity > KEPT_BYTES:
            PyMem_Free(self._buffer)
            self._buffer = NULL
            self._capacity = 0
        return Records(keys, values, headers, times)

    cdef int _reserve(self, Py_ssize_t needed) except -1:
        """Makes room for so many bytes in the buffer; what it held is gone."""
        if needed > self._capacity:
            PyMem_Free(self._buffer)
            self._capacity = 0
            self._buffer = <Out> PyMem_Malloc(2 * needed)
            if self._buffer == NULL:
                raise MemoryError
            self._capacity = 2 * needed
        return 0

    cdef bint _add_record(self, LeanEvent event, list keys, list values, list headers, list times) except -1:
        """Adds the record of one event to the columns. False for one that is not treated, and then adds nothing."""
        return False


cdef bint is_date(LeanEvent event) noexcept:
    """Whether the hub's time is from 1970 to the year 9999."""
    return 0 <= event.enqueued < _DAY_10000_MS


cdef Out put_label(Out to, Value* value) noexcept:
    """As `ingest.source.events.values.label`."""
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


cdef Out put_plain(Out to, Value* value) except? NULL:
    """As `ingest.source.events.values.plain`, as JSON."""
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
