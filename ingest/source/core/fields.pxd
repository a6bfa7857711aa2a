# cython: language_level=3
"""The section `properties` (AMQP 1.0 part 3.2.4), and which names are fit for a record."""

from libc.string cimport memchr, memcmp

from ingest.source.core.values cimport NULL_VALUE, Bytes, Compound, Value, read_value

cdef enum:
    MOST_NAMES = 64  # In one object or set of headers: they are compared each with each.

cdef enum:  # Fields by their places in the list.
    MESSAGE_ID
    USER_ID
    TO
    SUBJECT
    REPLY_TO
    CORRELATION_ID
    CONTENT_TYPE
    CONTENT_ENCODING
    EXPIRY_TIME
    CREATION_TIME
    GROUP_ID
    GROUP_SEQUENCE
    REPLY_TO_GROUP_ID
    FIELDS

cdef extern from *:
    r"""
    typedef struct {
        const char *at;
        int size;
    } ingest_name;
    #define INGEST_NAME(name) {name, sizeof(name) - 1}
    static const ingest_name INGEST_FIELD_NAMES[] = {
        INGEST_NAME("message-id"), INGEST_NAME("user-id"), INGEST_NAME("to"), INGEST_NAME("subject"), INGEST_NAME("reply-to"),
        INGEST_NAME("correlation-id"), INGEST_NAME("content-type"), INGEST_NAME("content-encoding"),
        INGEST_NAME("absolute-expiry-time"), INGEST_NAME("creation-time"), INGEST_NAME("group-id"),
        INGEST_NAME("group-sequence"), INGEST_NAME("reply-to-group-id"),
    };
    /* In the order in which `ingest.source.events.decoder.labels_of` names them: the last four only when they are no text. */
    static const int INGEST_SYSTEM_ORDER[] = {1, 2, 3, 4, 8, 9, 10, 11, 12, 0, 5, 6, 7};
    static const int INGEST_IS_LABEL[] = {1, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0};
    """
    ctypedef struct FieldName "ingest_name":
        const char* at
        int size
    const FieldName* FIELD_NAMES "INGEST_FIELD_NAMES"
    const int* SYSTEM_ORDER "INGEST_SYSTEM_ORDER"
    const int* IS_LABEL "INGEST_IS_LABEL"


cdef struct Names:
    Bytes[MOST_NAMES] at
    Py_ssize_t[MOST_NAMES] size
    int count


cdef inline bint read_fields(Compound* properties, Value* fields) noexcept nogil:
    """All fields of the section; those that are not there are null. False when there are more than AMQP knows."""
    cdef Bytes at = properties.at
    cdef int place
    cdef int count
    if properties.count > FIELDS:
        return False
    count = <int> properties.count
    for place in range(count):
        at = read_value(at, properties.end, &fields[place])
        if at == NULL:
            return False
    for place in range(count, FIELDS):
        fields[place].kind = NULL_VALUE
    return True


cdef inline bint is_field_name(Value* name) noexcept nogil:
    cdef int place
    for place in range(FIELDS):
        if FIELD_NAMES[place].size == name.size and memcmp(FIELD_NAMES[place].at, name.at, name.size) == 0:
            return True
    return False


cdef inline bint add_name(Names* names, Value* name) noexcept nogil:
    """Whether the name, if it is UTF-8, is a record's as it is (`ingest.source.events.values.name_of`), and was not added before."""
    cdef int place
    if names.count == MOST_NAMES or memchr(name.at, c'%', name.size) != NULL or memchr(name.at, 0, name.size) != NULL:
        return False
    for place in range(names.count):
        if names.size[place] == name.size and memcmp(names.at[place], name.at, name.size) == 0:
            return False
    names.at[names.count], names.size[names.count] = name.at, name.size
    names.count += 1
    return True
