# cython: language_level=3
"""What the record formats see of a compiled event: where in its message is what."""

from libc.stdint cimport int64_t

from ingest.source.core.values cimport Bytes, Compound


cdef class LeanEvent:
    cdef bytes _buf  # keeps alive what all pointers below point into
    cdef Bytes begin
    cdef Bytes end
    cdef Compound annotations
    cdef Compound properties  # empty when there is no such section, as the one below
    cdef Compound application
    cdef Bytes body
    cdef Py_ssize_t body_size
    cdef int64_t sequence
    cdef int64_t enqueued
    cdef Bytes offset_at
    cdef Py_ssize_t offset_size
    cdef Bytes device  # NULL without one, as the module
    cdef Py_ssize_t device_size
    cdef Bytes module
    cdef Py_ssize_t module_size


cdef enum Annotation:
    OTHER
    DEVICE
    MODULE
    HUB_TIME
    SEQUENCE_NUMBER
    OFFSET
    ENQUEUED


cdef Annotation annotation(Bytes at, Py_ssize_t size) noexcept nogil
