# cython: language_level=3
"""Messages as parts of the buffers that they came in."""


cdef struct Span:
    void* buf  # a bytes object that `Slices` keeps alive
    Py_ssize_t start
    Py_ssize_t end


cdef class Slices:
    cdef list _bufs
    cdef Span* spans
    cdef Py_ssize_t count
    cdef Py_ssize_t _capacity
    cdef Py_ssize_t _size

    cdef int _keep(self, bytes buf) except -1
    cdef int _add(self, bytes buf, Py_ssize_t start, Py_ssize_t end) except -1
