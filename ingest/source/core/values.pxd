# cython: language_level=3
"""AMQP 1.0 values that telemetry is made of, read from bytes that may be anything (AMQP 1.0 part 1.6).

Nothing is read before it is known to be there, nothing is copied, and nothing nests: a compound value in a place of a
scalar, and every type that is rare, is "not treated", and left to `ingest.amqp.decoding`.
"""

from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

ctypedef const unsigned char* Bytes


cdef enum Kind:
    NULL_VALUE
    BOOLEAN
    SIGNED
    UNSIGNED  # of 64 bits
    TIME  # Unix milliseconds
    REAL
    TEXT  # string or symbol, in any encoding
    BINARY
    UUID


cdef struct Value:
    Kind kind
    int64_t number  # of BOOLEAN, SIGNED, TIME; of UNSIGNED its bits
    double real
    Bytes at  # of TEXT, BINARY, UUID
    Py_ssize_t size


cdef struct Compound:
    # A list or map.
    Bytes at  # its first item
    Bytes end
    uint32_t count


cdef inline uint64_t big_endian(Bytes at, int width) noexcept nogil:
    cdef uint64_t number = 0
    cdef int place
    for place in range(width):
        number = number << 8 | at[place]
    return number


cdef inline Bytes read_value(Bytes at, Bytes end, Value* value) noexcept nogil:
    """Where the scalar at `at` ends. NULL when it is not all there in front of `end`, or not treated."""
    cdef unsigned char code
    cdef Py_ssize_t left, size
    cdef uint64_t bits
    cdef uint32_t bits32
    cdef float real32
    if at >= end:
        return NULL
    code = at[0]
    at += 1
    left = end - at
    if code == 0xA1 or code == 0xA3 or code == 0xA0:
        if left < 1 or left - 1 < at[0]:
            return NULL
        value.kind = BINARY if code == 0xA0 else TEXT
        value.at, value.size = at + 1, at[0]
        return value.at + value.size
    if code == 0xB1 or code == 0xB3 or code == 0xB0:
        if left < 4:
            return NULL
        size = <Py_ssize_t> big_endian(at, 4)
        if left - 4 < size:
            return NULL
        value.kind = BINARY if code == 0xB0 else TEXT
        value.at, value.size = at + 4, size
        return value.at + size
    if code == 0x40:
        value.kind = NULL_VALUE
        return at
    if code == 0x41 or code == 0x42:
        value.kind, value.number = BOOLEAN, code == 0x41
        return at
    if code == 0x43 or code == 0x44:
        value.kind, value.number = SIGNED, 0
        return at
    if 0x50 <= code <= 0x56:
        if left < 1:
            return NULL
        value.kind, value.number = SIGNED, at[0]
        if code == 0x51 or code == 0x54 or code == 0x55:
            value.number = <int8_t> at[0]
        elif code == 0x56:
            value.kind, value.number = BOOLEAN, at[0] != 0
        return at + 1
    if code == 0x60 or code == 0x61:
        if left < 2:
            return NULL
        bits = big_endian(at, 2)
        value.kind, value.number = SIGNED, <int64_t> bits if code == 0x60 else <int16_t> bits
        return at + 2
    if code == 0x70 or code == 0x71 or code == 0x72:
        if left < 4:
            return NULL
        bits32 = <uint32_t> big_endian(at, 4)
        if code == 0x72:
            memcpy(&real32, &bits32, 4)
            value.kind, value.real = REAL, real32
        else:
            value.kind, value.number = SIGNED, <int64_t> bits32 if code == 0x70 else <int32_t> bits32
        return at + 4
    if 0x80 <= code <= 0x83:
        if left < 8:
            return NULL
        bits = big_endian(at, 8)
        if code == 0x82:
            memcpy(&value.real, &bits, 8)
            value.kind = REAL
            return at + 8
        value.kind = UNSIGNED if code == 0x80 else SIGNED if code == 0x81 else TIME
        value.number = <int64_t> bits
        return at + 8
    if code == 0x98:
        if left < 16:
            return NULL
        value.kind, value.at, value.size = UUID, at, 16
        return at + 16
    return NULL


cdef inline bint open_compound(Bytes at, Bytes end, bint is_map, Compound* found) noexcept nogil:
    """Whether a list, or a map, is at `at`, all of it in front of `end`. A map has as many keys as values."""
    cdef Py_ssize_t left = end - at - 1
    cdef uint64_t size
    cdef int width
    if left < 0:
        return False
    if at[0] == 0x45 and not is_map:
        found.at = found.end = at + 1
        found.count = 0
        return True
    if at[0] == (0xC1 if is_map else 0xC0):
        width = 1
    elif at[0] == (0xD1 if is_map else 0xD0):
        width = 4
    else:
        return False
    if left < 2 * width:
        return False
    size = big_endian(at + 1, width)
    found.count = <uint32_t> big_endian(at + 1 + width, width)
    if size < <uint64_t> width or size > <uint64_t> (left - width) or (is_map and found.count % 2):
        return False
    found.at = at + 1 + 2 * width
    found.end = at + 1 + width + size
    return True


cdef inline bint is_whole(Compound* compound) noexcept nogil:
    """Whether its items are scalars that end where it ends."""
    cdef Bytes at = compound.at
    cdef Value item
    cdef uint32_t _
    for _ in range(compound.count):
        at = read_value(at, compound.end, &item)
        if at == NULL:
            return False
    return at == compound.end
