# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Frames like the one before → where their messages are, without an object for each. `ingest.source.events.slices` has the
reference, `ingest.source.transport.frames` reads all other frames.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from libc.stdint cimport uint64_t
from libc.string cimport memcmp

from ingest.source.core.values cimport Bytes, big_endian

cdef enum:
    HEADER = 8
    FIRST_CAPACITY = 32  # As many messages as a TLS record holds in most fleets.


cdef class Slices:
    """Implements `ingest.source.events.slices.Slices`."""

    def __cinit__(self):
        self._bufs = []
        self.spans = NULL
        self.count = self._capacity = self._size = 0

    def __dealloc__(self):
        PyMem_Free(self.spans)

    @property
    def total_bytes(self):
        return self._size

    def __len__(self):
        return self.count

    def __getitem__(self, Py_ssize_t place):
        if place < 0:
            place += self.count
        if not 0 <= place < self.count:
            raise IndexError(f"message {place} of {self.count}")
        return <object> self.spans[place].buf, self.spans[place].start, self.spans[place].end

    def __iter__(self):
        return iter([self[place] for place in range(self.count)])

    def append(self, message):
        buf, start, end = message
        if not 0 <= start <= end <= len(buf):
            raise ValueError(f"bytes {start} to {end} are not all in a buffer of {len(buf)} bytes")
        self._keep(buf)
        self._add(buf, start, end)

    def add_run(self, bytes data not None, Py_ssize_t at, layout):
        cdef bytes lead, middle, trail
        cdef Py_ssize_t middle_at, trail_at, payload_at, size, left
        cdef Py_ssize_t before = self.count
        lead, middle, middle_at, trail, trail_at, payload_at = layout
        cdef Bytes lead_bytes = <Bytes> PyBytes_AS_STRING(lead)
        cdef Bytes middle_bytes = <Bytes> PyBytes_AS_STRING(middle)
        cdef Bytes trail_bytes = <Bytes> PyBytes_AS_STRING(trail)
        cdef Py_ssize_t lead_size = PyBytes_GET_SIZE(lead)
        cdef Py_ssize_t middle_size = PyBytes_GET_SIZE(middle)
        cdef Py_ssize_t trail_size = PyBytes_GET_SIZE(trail)
        cdef Bytes frame = <Bytes> PyBytes_AS_STRING(data)
        cdef Py_ssize_t end = PyBytes_GET_SIZE(data)
        if (
            not 0 <= at <= end
            or payload_at < HEADER
            or not _is_within(4, lead_size, payload_at)
            or not _is_within(middle_at, middle_size, payload_at)
            or not _is_within(trail_at, trail_size, payload_at)
        ):
            return at
        frame += at
        left = end - at
        while left >= HEADER:
            size = <Py_ssize_t> big_endian(frame, 4)
            if (
                size < payload_at
                or size > left
                or memcmp(frame + 4, lead_bytes, lead_size) != 0
                or memcmp(frame + trail_at, trail_bytes, trail_size) != 0
                or memcmp(frame + middle_at, middle_bytes, middle_size) != 0
            ):
                break
            if self.count == before:
                self._keep(data)
            self._add(data, end - left + payload_at, end - left + size)
            frame += size
            left -= size
        return end - left

    cdef int _keep(self, bytes buf) except -1:
        """Keeps a buffer alive, of which there will be messages."""
        self._bufs.append(buf)
        return 0

    cdef int _add(self, bytes buf, Py_ssize_t start, Py_ssize_t end) except -1:
        cdef Span* grown
        cdef Py_ssize_t capacity
        if self.count == self._capacity:
            capacity = max(FIRST_CAPACITY, 2 * self._capacity)
            grown = <Span*> PyMem_Realloc(self.spans, capacity * sizeof(Span))
            if grown == NULL:
                raise MemoryError
            self.spans, self._capacity = grown, capacity
        self.spans[self.count].buf = <void*> buf
        self.spans[self.count].start = start
        self.spans[self.count].end = end
        self.count += 1
        self._size += end - start
        return 0


cdef inline bint _is_within(Py_ssize_t at, Py_ssize_t size, Py_ssize_t end) noexcept:
    return 0 <= at <= end and size <= end - at
