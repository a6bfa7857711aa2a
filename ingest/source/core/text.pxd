# cython: language_level=3
"""JSON text as orjson writes it, base64, digits and times, written behind `to`, where there must be room.

Each function returns the place behind what it wrote. `put_text` writes up to eight bytes more than that.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy, strlen

from ingest.source.core.values cimport Bytes

ctypedef unsigned char* Out

cdef extern from * nogil:
    r"""
    #include <stdint.h>
    #include <string.h>

    /* What JSON writes behind a backslash for an ASCII character; 'u' for six characters in all, 0 for the character itself. */
    static const unsigned char INGEST_ESCAPES[128] = {
        'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'b', 't', 'n', 'u', 'f', 'r', 'u', 'u',
        'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u',
        0, 0, '"', [92] = '\\',
    };
    static const char INGEST_BASE64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static const char INGEST_HEX[] = "0123456789abcdef";
    static const char INGEST_PAIRS[] =
        "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354555657"
        "585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

    /* How many of the eight bytes at `at` are, in front of all others, ASCII that JSON text has as it is. */
    static inline int ingest_plain_bytes(const unsigned char *at)
    {
        const uint64_t each = 0x0101010101010101ull;
        uint64_t word, found;
        memcpy(&word, at, 8);
    #if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word);
    #endif
        /* A byte's high bit is set if it is no ASCII, below a space, a quote or a backslash. A borrow makes more of those, but only
           behind a true one, and the first is all that counts. */
        found = (word | (word - 0x20 * each) | ((word ^ 0x22 * each) - each) | ((word ^ 0x5c * each) - each)) & 0x80 * each;
        return found ? __builtin_ctzll(found) >> 3 : 8;
    }
    """
    const unsigned char[128] ESCAPES "INGEST_ESCAPES"
    const char* BASE64 "INGEST_BASE64"
    const char* HEX "INGEST_HEX"
    const char* PAIRS "INGEST_PAIRS"
    int plain_bytes "ingest_plain_bytes"(Bytes at)


cdef inline Out put_bytes(Out to, const void* at, Py_ssize_t size) noexcept nogil:
    memcpy(to, at, size)
    return to + size


cdef inline Out put(Out to, const char* literal) noexcept nogil:
    return put_bytes(to, literal, strlen(literal))  # of which a C compiler knows the length


cdef inline int utf8_size(Bytes at, Bytes end) noexcept nogil:
    """Of the character of two to four bytes at `at`; 0 when there is none. As strict as Python: no surrogates, nothing in
    more bytes than it needs (RFC 3629 section 4)."""
    cdef Py_ssize_t left = end - at
    cdef unsigned char lead = at[0]
    if lead < 0xC2 or left < 2 or at[1] & 0xC0 != 0x80:
        return 0
    if lead < 0xE0:
        return 2
    if left < 3 or at[2] & 0xC0 != 0x80:
        return 0
    if lead < 0xF0:
        return 0 if (lead == 0xE0 and at[1] < 0xA0) or (lead == 0xED and at[1] >= 0xA0) else 3
    if lead > 0xF4 or left < 4 or at[3] & 0xC0 != 0x80:
        return 0
    return 0 if (lead == 0xF0 and at[1] < 0x90) or (lead == 0xF4 and at[1] >= 0x90) else 4


cdef inline bint is_utf8(Bytes at, Py_ssize_t size) noexcept nogil:
    cdef Bytes end = at + size
    cdef int width
    while at < end:
        width = 1 if at[0] < 0x80 else utf8_size(at, end)
        if width == 0:
            return False
        at += width
    return True


cdef inline Out put_text(Out to, Bytes at, Py_ssize_t size, Py_ssize_t* controls) noexcept nogil:
    """A JSON string, in its quotes: at most six bytes for each. NULL when the text is no UTF-8. Adds to `controls` the
    characters that took six."""
    cdef Bytes end = at + size
    cdef unsigned char escape
    cdef int width
    to[0] = c'"'
    to += 1
    while at < end:
        if end - at >= 8:
            memcpy(to, at, 8)
            width = plain_bytes(at)
            to += width
            at += width
            if width == 8:
                continue
        if at[0] >= 0x80:
            width = utf8_size(at, end)
            if width == 0:
                return NULL
            to[0], to[1] = at[0], at[1]
            if width > 2:
                to[2] = at[2]
            if width > 3:
                to[3] = at[3]
            to += width
            at += width
            continue
        escape = ESCAPES[at[0]]
        if escape == 0:
            to[0] = at[0]
            to += 1
        else:
            to[0], to[1] = c'\\', escape
            to += 2
            if escape == c'u':
                to[0] = to[1] = c'0'
                to[2], to[3] = HEX[at[0] >> 4], HEX[at[0] & 15]
                to += 4
                controls[0] += 1
        at += 1
    to[0] = c'"'
    return to + 1


cdef inline Out put_base64(Out to, Bytes at, Py_ssize_t size) noexcept nogil:
    """With padding, RFC 4648 section 4: four characters for each three bytes begun."""
    cdef unsigned int bits
    while size >= 3:
        bits = at[0] << 16 | at[1] << 8 | at[2]
        to[0], to[1] = BASE64[bits >> 18], BASE64[bits >> 12 & 63]
        to[2], to[3] = BASE64[bits >> 6 & 63], BASE64[bits & 63]
        at += 3
        to += 4
        size -= 3
    if size:
        bits = at[0] << 16 | (at[1] << 8 if size == 2 else 0)
        to[0], to[1] = BASE64[bits >> 18], BASE64[bits >> 12 & 63]
        to[2], to[3] = BASE64[bits >> 6 & 63] if size == 2 else c'=', c'='
        to += 4
    return to


cdef inline Out put_unsigned(Out to, uint64_t number) noexcept nogil:
    """Up to 20 digits."""
    cdef char[20] digits
    cdef int at = 20
    while number >= 100:
        at -= 2
        memcpy(&digits[at], &PAIRS[number % 100 * 2], 2)
        number //= 100
    if number >= 10:
        at -= 2
        memcpy(&digits[at], &PAIRS[number * 2], 2)
    else:
        at -= 1
        digits[at] = <char> (c'0' + number)
    return put_bytes(to, &digits[at], 20 - at)


cdef inline Out put_signed(Out to, int64_t number) noexcept nogil:
    if number < 0:
        to[0] = c'-'
        return put_unsigned(to + 1, 0 - <uint64_t> number)
    return put_unsigned(to, <uint64_t> number)


cdef inline Out put_uuid(Out to, Bytes at) noexcept nogil:
    """36 characters, RFC 9562 section 4."""
    cdef int place
    for place in range(16):
        if place == 4 or place == 6 or place == 8 or place == 10:
            to[0] = c'-'
            to += 1
        to[0], to[1] = HEX[at[place] >> 4], HEX[at[place] & 15]
        to += 2
    return to


cdef inline Out put_pair(Out to, uint64_t number) noexcept nogil:
    """Two digits of a number below 100."""
    memcpy(to, &PAIRS[number * 2], 2)
    return to + 2


cdef inline Out put_second(Out to, uint64_t seconds) noexcept nogil:
    """Unix seconds up to the year 9999 as `2026-11-22T16:39:00.`: 20 characters."""
    # Days to a date as in Howard Hinnant's `civil_from_days`: years begin in March, so that a leap day is a year's last.
    cdef uint64_t days = seconds // 86_400 + 719_468
    cdef uint64_t era = days // 146_097
    cdef uint64_t of_era = days % 146_097
    cdef uint64_t year = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    cdef uint64_t of_year = of_era - (365 * year + year // 4 - year // 100)
    cdef uint64_t month = (5 * of_year + 2) // 153
    cdef uint64_t day = of_year - (153 * month + 2) // 5 + 1
    month = month + 3 if month < 10 else month - 9
    year += era * 400 + (month <= 2)
    seconds %= 86_400
    to = put_pair(put_pair(to, year // 100), year % 100)
    to[0] = c'-'
    to = put_pair(to + 1, month)
    to[0] = c'-'
    to = put_pair(to + 1, day)
    to[0] = c'T'
    to = put_pair(to + 1, seconds // 3_600)
    to[0] = c':'
    to = put_pair(to + 1, seconds // 60 % 60)
    to[0] = c':'
    to = put_pair(to + 1, seconds % 60)
    to[0] = c'.'
    return to + 1


cdef inline Out put_millis(Out to, uint64_t millis) noexcept nogil:
    """`123Z`"""
    to[0] = <unsigned char> (c'0' + millis // 100)
    to = put_pair(to + 1, millis % 100)
    to[0] = c'Z'
    return to + 1
