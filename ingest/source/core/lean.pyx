# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Raw AMQP messages → events that remember where in the message is what, and have decoded nothing else.

A message is treated here when it consists of known sections in the service's order, each once, with scalars alone in them:
what fleets send. Any other goes to `ingest.source.events.decoder`, which is the reference for all of them.
"""

cimport cython
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memcmp

from ingest.source.core.slices cimport Slices, Span
from ingest.source.core.values cimport (
    BINARY, NULL_VALUE, SIGNED, TEXT, TIME, Bytes, Compound, Kind, Value, is_whole, open_compound, read_value
)

from ingest.source.events.decoder import event_of
from ingest.hub.position import Position

cdef enum:
    MOST_BUCKETS = 32


@cython.final
@cython.no_gc
@cython.freelist(512)
cdef class LeanEvent:
    """One event, as a part of the bytes that a read gave. Implements `ingest.source.events.received.Received`."""

    @property
    def sequence_number(self):
        return self.sequence

    @property
    def offset(self):
        return self.offset_at[: self.offset_size].decode("ascii")

    @property
    def enqueued_ms(self):
        return self.enqueued

    @property
    def size(self):
        return self.body_size

    @property
    def position(self):
        return Position(self.offset, self.sequence)

    def whole(self):
        return event_of(self.begin[: self.end - self.begin])


cdef _decode(bytes buf, Py_ssize_t start, Py_ssize_t end):
    cdef LeanEvent event
    if not 0 <= start <= end <= len(buf):
        raise ValueError(f"bytes {start} to {end} are not all in a buffer of {len(buf)} bytes")
    event = LeanEvent.__new__(LeanEvent)
    event._buf = buf
    event.begin = <Bytes> <const char*> buf + start
    event.end = <Bytes> <const char*> buf + end
    return event if _scan(event) else event_of(buf[start:end])


@cython.final
cdef class LeanDecoder:
    """Implements `ingest.source.hot_path.Decoder`; remembers nothing."""

    def decode(self, bytes buf not None, Py_ssize_t start, Py_ssize_t end):
        return _decode(buf, start, end)

    def decode_all(self, slices):
        if type(slices) is Slices:
            return _decode_run(<Slices> slices)
        return [_decode(buf, start, end) for buf, start, end in slices]

    def slices(self):
        return Slices()


def observe_since(events, histogram, double now_ms):
    """As `ingest.source.hot_path.observe_since`: no object for each event, and each is looked at once."""
    cdef tuple buckets = histogram.buckets
    cdef list counts = histogram.counts
    cdef double[MOST_BUCKETS] begins
    cdef int64_t[MOST_BUCKETS + 1] seen
    cdef double enqueued_ms, waited_ms = 0
    cdef Py_ssize_t place, size = len(buckets)
    if size > MOST_BUCKETS or len(counts) != size + 1:
        raise ValueError(f"a histogram of {size} buckets and {len(counts)} counts")
    for place in range(size):
        begins[place] = now_ms - <double> buckets[place] * 1000
        seen[place] = 0
    seen[size] = 0
    for event in events:
        enqueued_ms = <double> (<LeanEvent> event).enqueued if type(event) is LeanEvent else event.enqueued_ms
        place = 0
        while place < size and enqueued_ms < begins[place]:
            place += 1
        seen[place] += 1
        waited_ms += now_ms - enqueued_ms
    for place in range(size + 1):
        if seen[place]:
            counts[place] += seen[place]
    histogram.sum += waited_ms / 1000


cdef list _decode_run(Slices slices):
    cdef list events = []
    cdef Span* span
    cdef Py_ssize_t place
    for place in range(slices.count):
        span = slices.spans + place
        events.append(_decode(<bytes> span.buf, span.start, span.end))
    return events


cdef bint _scan(LeanEvent event) noexcept:
    """Whether the message is treated; then all of it is known to be sound but for the encoding of its texts."""
    cdef Bytes at = event.begin
    cdef Bytes end = event.end
    cdef Value body
    cdef Compound skipped
    cdef unsigned char code, before = 0
    event.annotations.count = event.properties.count = event.application.count = 0
    event.body = at
    event.body_size = 0
    event.device = event.module = NULL
    while at < end:
        if end - at < 4 or at[0] != 0x00 or at[1] != 0x53 or at[2] <= before or before > 0x74:
            return False
        code = before = at[2]
        at += 3
        if code == 0x75 or code == 0x77:
            at = read_value(at, end, &body)
            if at == NULL or not (body.kind == BINARY or code == 0x77 and (body.kind == TEXT or body.kind == NULL_VALUE)):
                return False
            if body.kind != NULL_VALUE:
                event.body, event.body_size = body.at, body.size
            continue
        if not 0x70 <= code <= 0x74 or not open_compound(at, end, code != 0x70 and code != 0x73, &skipped):
            return False
        at = skipped.end
        if code == 0x72:
            event.annotations = skipped
            if not _scan_annotations(event):
                return False
        elif not is_whole(&skipped):
            return False
        if code == 0x73:
            event.properties = skipped
        elif code == 0x74:
            event.application = skipped
    # Without annotations there is no position.
    return event.annotations.count != 0


cdef bint _scan_annotations(LeanEvent event) noexcept nogil:
    """Whether the position is there, once, and everything has the type that it has in messages of the service."""
    cdef Bytes at = event.annotations.at
    cdef Bytes end = event.annotations.end
    cdef Value key, value
    cdef int found = 0
    cdef Annotation name
    cdef uint32_t _
    cdef Py_ssize_t place
    for _ in range(event.annotations.count // 2):
        at = read_value(at, end, &key)
        if at == NULL or key.kind != TEXT:
            return False
        at = read_value(at, end, &value)
        if at == NULL:
            return False
        name = annotation(key.at, key.size)
        if name == OTHER:
            continue
        if found & 1 << name:
            return False
        found |= 1 << name
        if name == SEQUENCE_NUMBER:
            if value.kind != SIGNED:
                return False
            event.sequence = value.number
        elif name == ENQUEUED or name == HUB_TIME:
            if value.kind != TIME:
                return False
            if name == ENQUEUED:
                event.enqueued = value.number
        elif value.kind != TEXT:
            return False
        elif name == DEVICE:
            event.device, event.device_size = value.at, value.size
        elif name == MODULE:
            event.module, event.module_size = value.at, value.size
        else:
            for place in range(value.size):
                if value.at[place] >= 0x80:
                    return False
            event.offset_at, event.offset_size = value.at, value.size
    return at == end and found & _POSITION == _POSITION


cdef int _POSITION = 1 << SEQUENCE_NUMBER | 1 << OFFSET | 1 << ENQUEUED


cdef Annotation annotation(Bytes at, Py_ssize_t size) noexcept nogil:
    """Which annotation this is the name of."""
    if size == 27:
        if memcmp(at, <const char*> b"iothub-connection-device-id", 27) == 0:
            return DEVICE
        if memcmp(at, <const char*> b"iothub-connection-module-id", 27) == 0:
            return MODULE
    elif size == 19:
        if memcmp(at, <const char*> b"iothub-enqueuedtime", 19) == 0:
            return HUB_TIME
        if memcmp(at, <const char*> b"x-opt-enqueued-time", 19) == 0:
            return ENQUEUED
    elif size == 21:
        if memcmp(at, <const char*> b"x-opt-sequence-number", 21) == 0:
            return SEQUENCE_NUMBER
    elif size == 12:
        if memcmp(at, <const char*> b"x-opt-offset", 12) == 0:
            return OFFSET
    return OTHER
