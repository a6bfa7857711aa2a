# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Records of the formats `json` and `raw` → what the topic has of each of the hub's partitions. `ingest.audit.counting` is the reference."""

from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_Check, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memchr, memcmp, memcpy

from ingest.source.core.values cimport Bytes

cdef enum:
    CHUNK_BITS = 12
    CHUNK_BYTES = 512
    UNDATED = -1
    FIRST_SLOTS = 4096
    MOST_SLOTS = 1 << 22

cdef tuple RAW = ("offset", "sequenceNumber", "partition", "enqueuedTime", "deviceId")

cdef struct Found:
    Bytes device  # NULL: no device sent it
    Py_ssize_t device_size
    int64_t number
    int64_t partition
    int64_t time_ms


cdef class Count:
    """As `ingest.audit.counting.Count`."""

    cdef readonly dict seen, again
    cdef readonly int64_t records, repeated, out_of_order, first, last, before, after
    cdef readonly int64_t highest, highest_ms, latest, latest_ms
    cdef uint64_t place
    cdef int64_t held_key
    cdef unsigned char* held  # the chunk of `seen` that was used last

    def __cinit__(self, uint64_t place):
        self.seen, self.again = {}, {}
        self.records = self.repeated = self.out_of_order = 0
        self.first = self.last = self.before = self.after = -1
        self.highest = self.highest_ms = self.latest = self.latest_ms = -1
        self.place = place
        self.held_key, self.held = -1, NULL


cdef class Counting:
    """As `ingest.audit.counting.Counting`."""

    cdef readonly dict counts
    cdef readonly bint is_full
    cdef dict _by_number
    cdef int64_t _from_ms, _to_ms, _chunks, _held_number
    cdef Count _held
    cdef uint64_t* _keys
    cdef int64_t* _numbers
    cdef uint64_t _mask, _used, _most

    def __cinit__(self, from_ms, to_ms, *, most_chunks=150_000, most_slots=MOST_SLOTS):
        self.counts, self._by_number = {}, {}
        self._from_ms, self._to_ms, self._chunks = from_ms, to_ms, most_chunks
        self._held, self._held_number = None, -1
        self.is_full = False
        self._most = most_slots
        self._used, self._mask = 0, min(FIRST_SLOTS, most_slots) - 1
        self._keys = <uint64_t*> PyMem_Calloc(self._mask + 1, 8)
        self._numbers = <int64_t*> PyMem_Calloc(self._mask + 1, 8)
        if self._keys is NULL or self._numbers is NULL:
            raise MemoryError

    def __dealloc__(self):
        PyMem_Free(self._keys)
        PyMem_Free(self._numbers)

    def take(self, messages, headers, other):
        cdef Found found
        cdef Count count
        cdef bint known
        for message, held in zip(messages, headers):
            if held:
                known = type(held) is list and _of_headers(held, &found)
            else:
                value = message.value()
                known = PyBytes_Check(value) and _parse(<Bytes> PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), &found)
            if not known:
                other(message, held)
                continue
            if found.partition == self._held_number:
                count = self._held
            else:
                count = self._by_number.get(found.partition)
                if count is None:
                    count = self._by_number[found.partition] = self._count(str(found.partition))
                self._held, self._held_number = count, found.partition
            partition = message.partition()
            self._add(count, &found, 0 if partition is None else partition)

    def add(self, sighting, place):
        cdef Found found
        partition, number, time_ms, device = sighting
        found.number, found.time_ms = number, time_ms
        found.device, found.device_size = NULL, 0
        if device is not None:
            found.device, found.device_size = <Bytes> PyBytes_AS_STRING(device), PyBytes_GET_SIZE(device)
        self._add(self._count(partition), &found, place)

    cdef Count _count(self, str partition):
        cdef Count count = self.counts.get(partition)
        if count is None:
            count = self.counts[partition] = Count(len(self.counts))
        return count

    cdef int _add(self, Count count, Found* found, uint64_t place) except -1:
        cdef bint is_new = self._mark_seen(count, found.number)
        cdef bint is_later = True
        if is_new and found.device is not NULL:
            is_later = self._is_later(_hash(found.device, found.device_size, count.place << 32 ^ place), found.number)
        if found.time_ms == UNDATED:
            return 0
        if found.number > count.highest:
            count.highest, count.highest_ms = found.number, found.time_ms
        if found.time_ms > count.latest_ms:
            count.latest, count.latest_ms = found.number, found.time_ms
        if found.time_ms < self._from_ms:
            count.before = max(count.before, found.number)
        elif found.time_ms >= self._to_ms:
            count.after = found.number if count.after < 0 else min(count.after, found.number)
        else:
            count.records += 1
            count.first = found.number if count.first < 0 else min(count.first, found.number)
            count.last = max(count.last, found.number)
            if not is_new:
                count.repeated += 1
                _mark(self._chunk(count.again, found.number >> CHUNK_BITS), found.number)
            elif not is_later:
                count.out_of_order += 1
        return 0

    cdef bint _mark_seen(self, Count count, int64_t number) except -1:
        cdef int64_t key = number >> CHUNK_BITS
        if key != count.held_key:
            # The dictionary keeps the chunk, and nobody makes it larger or smaller.
            count.held = self._chunk(count.seen, key)
            count.held_key = key
        return _mark(count.held, number)

    cdef unsigned char* _chunk(self, dict chunks, int64_t key) except NULL:
        chunk = chunks.get(key)
        if chunk is None:
            self._chunks -= 1
            if self._chunks < 0:
                raise OverflowError
            chunk = chunks[key] = bytearray(CHUNK_BYTES)
        return <unsigned char*> PyByteArray_AS_STRING(chunk)

    cdef bint _is_later(self, uint64_t device, int64_t number) except -1:
        cdef uint64_t slot
        device = device or 1  # 0 is an empty slot
        slot = self._slot(device)
        if self._keys[slot]:
            if number < self._numbers[slot]:
                return False
            self._numbers[slot] = number
            return True
        if 4 * (self._used + 1) > 3 * (self._mask + 1):
            if self._mask + 1 >= self._most:
                self.is_full = True
                return True
            self._grow()
            slot = self._slot(device)
        self._used += 1
        self._keys[slot], self._numbers[slot] = device, number
        return True

    cdef inline uint64_t _slot(self, uint64_t device) noexcept:
        cdef uint64_t slot = device & self._mask
        while self._keys[slot] != 0 and self._keys[slot] != device:
            slot = (slot + 1) & self._mask
        return slot

    cdef int _grow(self) except -1:
        cdef uint64_t slots = 2 * (self._mask + 1), at, slot
        cdef uint64_t* keys = self._keys
        cdef int64_t* numbers = self._numbers
        cdef uint64_t* new_keys = <uint64_t*> PyMem_Calloc(slots, 8)
        cdef int64_t* new_numbers = <int64_t*> PyMem_Calloc(slots, 8)
        if new_keys is NULL or new_numbers is NULL:
            PyMem_Free(new_keys)
            PyMem_Free(new_numbers)
            raise MemoryError
        self._keys, self._numbers, self._mask = new_keys, new_numbers, slots - 1
        for at in range(slots // 2):
            if keys[at]:
                slot = self._slot(keys[at])
                new_keys[slot], new_numbers[slot] = keys[at], numbers[at]
        PyMem_Free(keys)
        PyMem_Free(numbers)
        return 0


cdef inline bint _mark(unsigned char* chunk, int64_t number) noexcept:
    """Whether the number was not there."""
    cdef unsigned char bit = 1 << (number & 7)
    cdef unsigned char* at = chunk + ((number >> 3) & (CHUNK_BYTES - 1))
    if at[0] & bit:
        return False
    at[0] |= bit
    return True


cdef inline uint64_t _hash(Bytes at, Py_ssize_t size, uint64_t seed) noexcept nogil:
    """64 bits by multiplying and folding, eight bytes at a time."""
    cdef uint64_t mixed = (seed + 0x9E3779B97F4A7C15ULL) * 0xBF58476D1CE4E5B9ULL ^ <uint64_t> size
    cdef uint64_t word
    while size > 0:
        word = 0
        memcpy(&word, at, 8 if size >= 8 else size)
        mixed = (mixed ^ word) * 0x9E3779B97F4A7C15ULL
        mixed ^= mixed >> 29
        at += 8
        size -= 8
    mixed *= 0x94D049BB133111EBULL
    return mixed ^ mixed >> 31


cdef inline Bytes _after(Bytes at, Bytes end, const char* text, Py_ssize_t size) noexcept nogil:
    """Behind this text; NULL when it does not begin here."""
    if at is NULL or end - at < size or memcmp(at, text, size) != 0:
        return NULL
    return at + size


cdef inline Bytes _closed(Bytes at, Bytes end) noexcept nogil:
    """Where a string's quote is; NULL when there is none, or an escape before it."""
    cdef Bytes quote
    if at is NULL:
        return NULL
    quote = <Bytes> memchr(at, c'"', end - at)
    if quote is NULL or memchr(at, c"\\", quote - at) is not NULL:
        return NULL
    return quote


cdef inline Bytes _digits(Bytes at, Bytes end, int most, int64_t* number) noexcept nogil:
    """Behind one to `most` digits; NULL when there are none, or more."""
    cdef int count = 0
    if at is NULL:
        return NULL
    number[0] = 0
    while at < end and c"0" <= at[0] <= c"9":
        if count == most:
            return NULL
        number[0] = number[0] * 10 + (at[0] - c"0")
        count += 1
        at += 1
    return at if count else NULL


cdef bint _parse(Bytes at, Py_ssize_t size, Found* found) noexcept nogil:
    """Whether a record begins as ingest begins one of format `json`."""
    cdef Bytes end = at + size
    cdef Bytes next_, quote
    if size == 0 or (end - 1)[0] != c"}":
        return False
    next_ = _after(at, end, b'{"deviceId":', 12)
    if next_ is NULL or next_ == end:
        return False
    if next_[0] == c'"':
        quote = _closed(next_ + 1, end)
        if quote is NULL or quote == next_ + 1:
            return False
        found.device, found.device_size = next_ + 1, quote - next_ - 1
        at = quote + 1
    else:
        at = _after(next_, end, b"null", 4)
        if at is NULL:
            return False
        found.device, found.device_size = NULL, 0
    next_ = _after(at, end, b',"moduleId":"', 13)
    if next_ is not NULL:
        quote = _closed(next_, end)
        if quote is NULL:
            return False
        at = quote + 1
    quote = _closed(_after(at, end, b',"offset":"', 11), end)
    if quote is NULL:
        return False
    at = _digits(_after(quote, end, b'","sequenceNumber":', 19), end, 18, &found.number)
    at = _after(at, end, b',"partition":"', 14)
    if at is NULL or (end - at >= 2 and at[0] == c"0" and at[1] != c'"'):
        return False
    at = _after(_digits(at, end, 9, &found.partition), end, b'","enqueuedTime":"', 18)
    return at is not NULL and end - at > 25 and at[24] == c'"' and _time(at, &found.time_ms)


cdef bint _of_headers(list headers, Found* found) except -1:
    """Whether the headers begin as ingest begins those of format `raw`. They keep what `found` points to."""
    cdef Py_ssize_t place
    cdef bytes number, partition, time, device
    cdef Bytes at, end
    if len(headers) < 5:
        return False
    for place in range(5):
        pair = headers[place]
        if type(pair) is not tuple or len(<tuple> pair) != 2 or (<tuple> pair)[0] != RAW[place]:
            return False
        if place > 0 and not PyBytes_Check((<tuple> pair)[1]):
            return False
    number, partition, time, device = headers[1][1], headers[2][1], headers[3][1], headers[4][1]
    at = <Bytes> PyBytes_AS_STRING(number)
    end = at + PyBytes_GET_SIZE(number)
    if _digits(at, end, 18, &found.number) != end:
        return False
    at = <Bytes> PyBytes_AS_STRING(partition)
    end = at + PyBytes_GET_SIZE(partition)
    if end - at >= 2 and at[0] == c"0" or _digits(at, end, 9, &found.partition) != end:
        return False
    if PyBytes_GET_SIZE(time) != 24 or not _time(<Bytes> PyBytes_AS_STRING(time), &found.time_ms):
        return False
    found.device, found.device_size = <Bytes> PyBytes_AS_STRING(device), PyBytes_GET_SIZE(device)
    return found.device_size > 0


cdef inline int64_t _two(Bytes at) noexcept nogil:
    """The number of two digits; a large one when they are none."""
    if c"0" <= at[0] <= c"9" and c"0" <= at[1] <= c"9":
        return (at[0] - c"0") * 10 + (at[1] - c"0")
    return 1000


cdef bint _time(Bytes at, int64_t* ms) noexcept nogil:
    """Reads a time such as 2026-11-27T09:00:00.123Z."""
    cdef int64_t year, month = _two(at + 5), day = _two(at + 8), hour = _two(at + 11), minute = _two(at + 14)
    cdef int64_t second = _two(at + 17), millis, last, era, of_era, days
    if (
        at[4] != c"-" or at[7] != c"-" or at[10] != c"T" or at[13] != c":" or at[16] != c":"
        or at[19] != c"." or at[23] != c"Z" or _two(at) == 1000 or _two(at + 2) == 1000
        or _two(at + 20) == 1000 or _two(at + 21) == 1000
    ):
        return False
    year = _two(at) * 100 + _two(at + 2)
    millis = _two(at + 20) * 10 + (at[22] - c"0")
    if not 1 <= month <= 12 or year < 1 or hour > 23 or minute > 59 or second > 59 or day < 1:
        return False
    last = 30 + ((month + month // 8) & 1)
    if month == 2:
        last = 29 if (year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)) else 28
    if day > last:
        return False
    # Days since 1970 in years that begin with March (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    if month <= 2:
        year -= 1
    era = year // 400
    of_era = year - era * 400
    days = of_era * 365 + of_era // 4 - of_era // 100 + (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    days += era * 146097 - 719468
    ms[0] = (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + millis
    return True
