# cython: language_level=3
"""What the record formats share: room to write in, and single values."""

from ingest.source.core.lean cimport LeanEvent
from ingest.source.core.text cimport Out
from ingest.source.core.values cimport Value


cdef class CoreEncoder:
    cdef object _reference  # what makes the records of all that is not treated here
    cdef Out _buffer
    cdef Py_ssize_t _capacity

    cdef int _reserve(self, Py_ssize_t needed) except -1
    cdef bint _add_record(self, LeanEvent event, list keys, list values, list headers, list times) except -1


cdef enum:
    GROWTH = 8  # Bytes of a record, at most, for a byte of the message: text six, a message id twice, `{"$binary":""}` for two.

cdef bint is_date(LeanEvent event) noexcept
cdef Out put_label(Out to, Value* value) noexcept
cdef Out put_plain(Out to, Value* value) except? NULL
