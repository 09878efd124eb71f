/* Rows of the raw archive (NDJSON) into BSON documents, a whole block at a time.
 *
 * The meaning of a value is defined by flows/transform/values.py. This file knows only the usual
 * forms of it: a row that has anything else is handed back as ODD, and Python converts that one.
 * So when in doubt, answer ODD. What is converted here has exactly the bytes that Python makes.
 *
 * How it is called (mediatool_assets/native/rows.py, by ctypes, which releases the GIL):
 *   mt_plan      compiles a description of columns and fields; the plan owns all memory
 *   mt_read      converts the values of a block's rows, and says of each row DONE or ODD
 *   mt_types     the BSON types that a column's values became
 *   mt_assemble  puts the values, and those that Python adds, together as documents
 *   mt_free      gives all memory back
 * A plan is used by one thread at a time. No function reads outside of what it is given, or keeps
 * a pointer to it beyond mt_assemble of the same block.
 *
 * Every read of input goes through peek() or a comparison with `end`, every write of output
 * through reserve().
 */

#define _GNU_SOURCE
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "BSON is little-endian, and so has the machine to be"
#endif

#ifndef MT_SOURCE
#define MT_SOURCE "unknown"
#endif

#define EXPORTED __attribute__((visibility("default")))

enum outcome { DONE = 0, ODD = 1, UNWANTED = 2, NO_MEMORY = 3 };

enum kind { JSON, LONG, DOUBLE, DECIMAL, DATE, UUID, BINARY, DOCUMENT, INT32, BOOLEAN, STRING, KINDS };

enum step_kind { STEP_COLUMN, STEP_ADDED, STEP_BEGIN, STEP_END, STEPS };

enum bson {
    BSON_DOUBLE = 0x01, BSON_STRING = 0x02, BSON_OBJECT = 0x03, BSON_ARRAY = 0x04,
    BSON_BINARY = 0x05, BSON_BOOLEAN = 0x08, BSON_DATE = 0x09, BSON_NULL = 0x0A,
    BSON_INT = 0x10, BSON_LONG = 0x12, BSON_DECIMAL = 0x13,
};

#define DEPTH 95             /* levels of arrays and objects: more is counted as a loss, by Python */
#define GROUPS 64            /* levels of a model's dotted fields */
#define UNSORTED_KEYS 64     /* keys of an object that are compared one by one */
#define LARGEST_ROW (1 << 25) /* of BSON; MongoDB stores 16 MiB, and Python says what is too large */
#define LONGEST_NUMBER 63    /* characters */

struct buffer { uint8_t *data; size_t size, capacity; };
struct column { const uint8_t *key; size_t key_length; uint8_t kind; bool array, used; };
struct step { const uint8_t *name; size_t name_length; uint32_t index; uint8_t kind; };
struct value { size_t offset, length; uint8_t type; };
struct key { size_t offset, length; };
struct row { size_t values; enum outcome outcome; };

struct plan {
    uint8_t *description;
    struct column *columns;
    struct step *steps;
    uint32_t column_count, step_count, added_count;
    locale_t c_locale;

    struct buffer converted;  /* payloads of the block's values, one after another */
    struct buffer values;     /* struct value: row by row, column by column */
    struct buffer rows;       /* struct row, for each row of the block */
    struct buffer keys;       /* struct key: of the objects that are open */
    struct buffer text;       /* a JSON document that was a string, unescaped */
    struct buffer documents;
    uint64_t *pending, *lost; /* times cut to milliseconds, by column: of this row, of all */
    bool is_pending;
};

/* ---- buffers ---- */

static bool reserve(struct buffer *buffer, size_t more)
{
    if (more <= buffer->capacity - buffer->size)
        return true;
    if (more > SIZE_MAX / 4 - buffer->size)
        return false;
    size_t capacity = buffer->capacity ? buffer->capacity : 4096;
    while (capacity - buffer->size < more)
        capacity *= 2;
    uint8_t *data = realloc(buffer->data, capacity);
    if (data == NULL)
        return false;
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

static bool put(struct buffer *buffer, const void *data, size_t length)
{
    if (!reserve(buffer, length))
        return false;
    if (length)
        memcpy(buffer->data + buffer->size, data, length);
    buffer->size += length;
    return true;
}

static bool put_byte(struct buffer *buffer, uint8_t byte)
{
    return put(buffer, &byte, 1);
}

static bool put_32(struct buffer *buffer, uint32_t number)
{
    return put(buffer, &number, 4);
}

static bool put_64(struct buffer *buffer, uint64_t number)
{
    return put(buffer, &number, 8);
}

/* Write the length of what began at `start` into its first four bytes. */
static enum outcome close_length(struct buffer *buffer, size_t start, size_t but)
{
    size_t length = buffer->size - start - but;
    if (length > INT32_MAX)
        return ODD;
    uint32_t written = (uint32_t)length;
    memcpy(buffer->data + start, &written, 4);
    return DONE;
}

/* ---- JSON text ---- */

struct text { const uint8_t *at, *end; };

static inline int peek(const struct text *text)
{
    return text->at < text->end ? *text->at : -1;
}

static inline size_t left(const struct text *text)
{
    return (size_t)(text->end - text->at);
}

static inline bool take(struct text *text, int byte)
{
    if (peek(text) != byte)
        return false;
    text->at++;
    return true;
}

static bool take_word(struct text *text, const char *word, size_t length)
{
    if (left(text) < length || memcmp(text->at, word, length) != 0)
        return false;
    text->at += length;
    return true;
}

static void skip_space(struct text *text)
{
    for (int byte = peek(text); byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n'; byte = peek(text))
        text->at++;
}

static int hex_digit(int byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* Four hex digits of an escape, or -1. */
static int32_t take_hex4(struct text *text)
{
    if (left(text) < 4)
        return -1;
    int32_t code = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(*text->at++);
        if (digit < 0)
            return -1;
        code = code << 4 | digit;
    }
    return code;
}

/* The length of the well-formed UTF-8 sequence of 2 to 4 bytes that begins here; 0 if there is none. */
static size_t utf8_length(const struct text *text)
{
    size_t have = left(text);
    const uint8_t *s = text->at;
    if (have >= 2 && s[0] >= 0xC2 && s[0] <= 0xDF)
        return (s[1] & 0xC0) == 0x80 ? 2 : 0;
    if (have >= 3 && (s[0] & 0xF0) == 0xE0) {
        if ((s[1] & 0xC0) != 0x80 || (s[2] & 0xC0) != 0x80)
            return 0;
        uint32_t code = (s[0] & 0x0Fu) << 12 | (s[1] & 0x3Fu) << 6 | (s[2] & 0x3Fu);
        return code >= 0x800 && (code < 0xD800 || code > 0xDFFF) ? 3 : 0;
    }
    if (have >= 4 && (s[0] & 0xF8) == 0xF0) {
        if ((s[1] & 0xC0) != 0x80 || (s[2] & 0xC0) != 0x80 || (s[3] & 0xC0) != 0x80)
            return 0;
        uint32_t code = (s[0] & 0x07u) << 18 | (s[1] & 0x3Fu) << 12 | (s[2] & 0x3Fu) << 6 | (s[3] & 0x3Fu);
        return code >= 0x10000 && code <= 0x10FFFF ? 4 : 0;
    }
    return 0;
}

static bool put_utf8(struct buffer *buffer, uint32_t code)
{
    uint8_t bytes[4];
    size_t length = 1;
    if (code < 0x80) {
        bytes[0] = (uint8_t)code;
    } else if (code < 0x800) {
        bytes[0] = (uint8_t)(0xC0 | code >> 6);
        length = 2;
    } else if (code < 0x10000) {
        bytes[0] = (uint8_t)(0xE0 | code >> 12);
        length = 3;
    } else {
        bytes[0] = (uint8_t)(0xF0 | code >> 18);
        length = 4;
    }
    for (size_t i = 1; i < length; i++)
        bytes[i] = (uint8_t)(0x80 | ((code >> 6 * (length - 1 - i)) & 0x3F));
    return put(buffer, bytes, length);
}

static bool is_plain(uint8_t byte)
{
    return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

#define EACH(byte) (0x0101010101010101ULL * (byte))
#define LESS(word, byte) (((word) - EACH(byte)) & ~(word) & EACH(0x80))

/* Where the run of plain ASCII ends. */
static const uint8_t *plain_end(const struct text *text)
{
    const uint8_t *at = text->at;
    while ((size_t)(text->end - at) >= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        uint64_t quote = word ^ EACH('"'), slash = word ^ EACH('\\');
        if ((word & EACH(0x80)) | LESS(word, 0x20) | LESS(quote, 1) | LESS(slash, 1))
            break;
        at += 8;
    }
    while (at < text->end && is_plain(*at))
        at++;
    return at;
}

/* A \u escape after its `u`; NUL and surrogates without their half are ODD. */
static enum outcome take_unicode(struct text *text, struct buffer *into)
{
    int32_t code = take_hex4(text);
    if (code <= 0 || (code >= 0xDC00 && code <= 0xDFFF))
        return ODD;
    if (code >= 0xD800 && code <= 0xDBFF) {
        if (!take(text, '\\') || !take(text, 'u'))
            return ODD;
        int32_t low = take_hex4(text);
        if (low < 0xDC00 || low > 0xDFFF)
            return ODD;
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    return put_utf8(into, (uint32_t)code) ? DONE : NO_MEMORY;
}

static enum outcome take_escape(struct text *text, struct buffer *into)
{
    int byte = peek(text);
    if (byte < 0)
        return ODD;
    text->at++;
    switch (byte) {
    case '"': case '\\': case '/': break;
    case 'b': byte = '\b'; break;
    case 'f': byte = '\f'; break;
    case 'n': byte = '\n'; break;
    case 'r': byte = '\r'; break;
    case 't': byte = '\t'; break;
    case 'u': return take_unicode(text, into);
    default: return ODD;
    }
    return put_byte(into, (uint8_t)byte) ? DONE : NO_MEMORY;
}

/* The content of a JSON string, unescaped; its quotes are taken with it. */
static enum outcome take_string(struct text *text, struct buffer *into)
{
    if (!take(text, '"'))
        return ODD;
    for (;;) {
        const uint8_t *stop = plain_end(text);
        if (!put(into, text->at, (size_t)(stop - text->at)))
            return NO_MEMORY;
        text->at = stop;
        int byte = peek(text);
        if (byte == '"') {
            text->at++;
            return DONE;
        }
        if (byte == '\\') {
            text->at++;
            enum outcome outcome = take_escape(text, into);
            if (outcome != DONE)
                return outcome;
            continue;
        }
        size_t length = byte >= 0x80 ? utf8_length(text) : 0;
        if (length == 0)
            return ODD;
        if (!put(into, text->at, length))
            return NO_MEMORY;
        text->at += length;
    }
}

/* A string of plain ASCII without an escape, as it is in the row. */
static bool take_plain(struct text *text, struct text *content)
{
    struct text rest = *text;
    if (!take(&rest, '"'))
        return false;
    content->at = rest.at;
    content->end = plain_end(&rest);
    rest.at = content->end;
    if (!take(&rest, '"'))
        return false;
    *text = rest;
    return true;
}

/* ---- numbers ---- */

struct number {
    const uint8_t *start;
    size_t length;
    uint64_t digits;  /* of the first 19 */
    int count;        /* of digits, leading zeros of a fraction among them */
    int fraction;     /* digits behind the point */
    bool negative, whole, exponent;
};

static bool is_digit(int byte)
{
    return byte >= '0' && byte <= '9';
}

static void take_digits(struct text *text, struct number *number)
{
    for (int byte = peek(text); is_digit(byte); byte = peek(text)) {
        if (number->count < 19)
            number->digits = number->digits * 10 + (uint64_t)(byte - '0');
        if (number->count < 1000)
            number->count++;
        text->at++;
    }
}

/* A number as JSON's grammar has it. */
static bool take_number(struct text *text, struct number *number)
{
    *number = (struct number){.start = text->at, .whole = true};
    number->negative = take(text, '-');
    int first = peek(text);
    if (!is_digit(first))
        return false;
    if (first == '0') {
        text->at++;
        number->count = 1;
    } else {
        take_digits(text, number);
    }
    if (take(text, '.')) {
        int before = number->count;
        if (!is_digit(peek(text)))
            return false;
        take_digits(text, number);
        number->whole = false;
        number->fraction = number->count - before;
    }
    int byte = peek(text);
    if (byte == 'e' || byte == 'E') {
        text->at++;
        if (peek(text) == '+' || peek(text) == '-')
            text->at++;
        if (!is_digit(peek(text)))
            return false;
        while (is_digit(peek(text)))
            text->at++;
        number->whole = false;
        number->exponent = true;
    }
    number->length = (size_t)(text->at - number->start);
    return true;
}

/* The integer of a number with at most 18 digits and no sign before a zero. */
static bool integer_of(const struct number *number, int64_t *integer)
{
    if (!number->whole || number->count > 18 || (number->negative && number->digits == 0))
        return false;
    *integer = number->negative ? -(int64_t)number->digits : (int64_t)number->digits;
    return true;
}

static const double POWERS[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* The nearest double; false where it would be infinite, or the number is very long. */
static bool double_of(const struct plan *plan, const struct number *number, double *result)
{
#if FLT_EVAL_METHOD == 0
    if (!number->exponent && number->count <= 19 && number->digits <= 1ULL << 53 && number->fraction <= 22) {
        double exact = (double)number->digits / POWERS[number->fraction]; /* both exact: one rounding */
        *result = number->negative ? -exact : exact;
        return true;
    }
#endif
    char copy[LONGEST_NUMBER + 1];
    if (number->length > LONGEST_NUMBER)
        return false;
    memcpy(copy, number->start, number->length);
    copy[number->length] = 0;
    char *end;
    *result = strtod_l(copy, &end, plan->c_locale);
    return end == copy + number->length && isfinite(*result);
}

static enum outcome put_double(struct buffer *into, double number)
{
    return put(into, &number, 8) ? DONE : NO_MEMORY;
}

static enum outcome put_integer(struct buffer *into, int64_t integer, uint8_t *type)
{
    if (integer >= INT32_MIN && integer <= INT32_MAX) {
        *type = BSON_INT;
        return put_32(into, (uint32_t)(int32_t)integer) ? DONE : NO_MEMORY;
    }
    *type = BSON_LONG;
    return put_64(into, (uint64_t)integer) ? DONE : NO_MEMORY;
}

/* ---- any JSON value ---- */

/* `exact`: the value was text, of which Python makes Decimal128 where a double is not the number. */
struct json { struct plan *plan; struct buffer *into; bool exact; };

static enum outcome json_value(const struct json *json, struct text *text, int depth, uint8_t *type);

static enum outcome string_value(struct text *text, struct buffer *into)
{
    size_t start = into->size;
    if (!put_32(into, 0))
        return NO_MEMORY;
    enum outcome outcome = take_string(text, into);
    if (outcome != DONE)
        return outcome;
    if (!put_byte(into, 0))
        return NO_MEMORY;
    return close_length(into, start, 4);
}

static enum outcome number_value(const struct json *json, struct text *text, uint8_t *type)
{
    struct number number;
    int64_t integer;
    double nearest;
    if (!take_number(text, &number))
        return ODD;
    if (integer_of(&number, &integer))
        return put_integer(json->into, integer, type);
    if (number.whole || (json->exact && (number.exponent || number.count > 15)))
        return ODD;
    if (!double_of(json->plan, &number, &nearest))
        return ODD;
    *type = BSON_DOUBLE;
    return put_double(json->into, nearest);
}

/* Whether the newest key of an object is none of those before it, from `first` on. */
static bool is_new_key(const struct json *json, size_t first)
{
    const struct buffer *into = json->into;
    const struct key *keys = (const struct key *)(const void *)json->plan->keys.data;
    size_t newest = json->plan->keys.size / sizeof *keys - 1;
    const struct key *key = keys + newest;
    if (newest - first > UNSORTED_KEYS)
        return false;
    for (size_t i = first; i < newest; i++)
        if (keys[i].length == key->length && memcmp(into->data + keys[i].offset, into->data + key->offset, key->length) == 0)
            return false;
    return true;
}

/* Whether a key comes after the one before it in the order of jsonb: by length, then by bytes. */
static bool is_after(const struct buffer *into, const struct key *before, const struct key *key)
{
    if (before->length != key->length)
        return before->length < key->length;
    return memcmp(into->data + before->offset, into->data + key->offset, key->length) < 0;
}

/* A member's key, with its NUL; one that is there twice is ODD. */
static enum outcome member_key(const struct json *json, struct text *text, size_t first, bool *sorted)
{
    struct buffer *into = json->into, *keys = &json->plan->keys;
    struct key key = {.offset = into->size};
    enum outcome outcome = take_string(text, into);
    if (outcome != DONE)
        return outcome;
    key.length = into->size - key.offset;
    if (!put_byte(into, 0) || !put(keys, &key, sizeof key))
        return NO_MEMORY;
    const struct key *all = (const struct key *)(const void *)keys->data;
    size_t newest = keys->size / sizeof key - 1;
    if (newest > first && *sorted)
        *sorted = is_after(into, all + newest - 1, &key);
    return *sorted || is_new_key(json, first) ? DONE : ODD;
}

/* The name of an array's element, with its NUL. */
static bool put_position(struct buffer *into, uint32_t position)
{
    uint8_t name[11];
    size_t at = sizeof name;
    name[--at] = 0;
    do {
        name[--at] = (uint8_t)('0' + position % 10);
        position /= 10;
    } while (position);
    return put(into, name + at, sizeof name - at);
}

static enum outcome container(const struct json *json, struct text *text, int depth, bool is_array)
{
    struct buffer *into = json->into, *keys = &json->plan->keys;
    size_t start = into->size, kept = keys->size, first = kept / sizeof(struct key);
    uint8_t close = is_array ? ']' : '}';
    bool sorted = true;
    if (depth > DEPTH)
        return ODD;
    if (!put_32(into, 0))
        return NO_MEMORY;
    text->at++; /* the bracket, which the caller has seen */
    skip_space(text);
    for (uint32_t position = 0; !take(text, close); position++) {
        if (position) {
            if (!take(text, ','))
                return ODD;
            skip_space(text);
        }
        size_t place = into->size;
        if (place - start > LARGEST_ROW)
            return ODD;
        if (!put_byte(into, 0))
            return NO_MEMORY;
        if (is_array) {
            if (!put_position(into, position))
                return NO_MEMORY;
        } else {
            enum outcome outcome = member_key(json, text, first, &sorted);
            if (outcome != DONE)
                return outcome;
            skip_space(text);
            if (!take(text, ':'))
                return ODD;
            skip_space(text);
        }
        uint8_t type;
        enum outcome outcome = json_value(json, text, depth, &type);
        if (outcome != DONE)
            return outcome;
        into->data[place] = type;
        skip_space(text);
    }
    keys->size = kept;
    if (!put_byte(into, 0))
        return NO_MEMORY;
    return close_length(into, start, 0);
}

static enum outcome json_value(const struct json *json, struct text *text, int depth, uint8_t *type)
{
    switch (peek(text)) {
    case '"':
        *type = BSON_STRING;
        return string_value(text, json->into);
    case '{':
        *type = BSON_OBJECT;
        return container(json, text, depth + 1, false);
    case '[':
        *type = BSON_ARRAY;
        return container(json, text, depth + 1, true);
    case 't':
        *type = BSON_BOOLEAN;
        return !take_word(text, "true", 4) ? ODD : put_byte(json->into, 1) ? DONE : NO_MEMORY;
    case 'f':
        *type = BSON_BOOLEAN;
        return !take_word(text, "false", 5) ? ODD : put_byte(json->into, 0) ? DONE : NO_MEMORY;
    case 'n':
        *type = BSON_NULL;
        return take_word(text, "null", 4) ? DONE : ODD;
    default:
        return number_value(json, text, type);
    }
}

/* ---- values of a column's type ---- */

/* An integer: a number, or a string of its digits. */
static bool take_long(struct text *text, int64_t *integer)
{
    struct text content;
    struct number number;
    bool is_text = peek(text) == '"';
    if (is_text ? !take_plain(text, &content) : (content = *text, false))
        return false;
    if (!take_number(&content, &number) || !number.whole || number.count > 19 || (number.negative && number.digits == 0))
        return false;
    if (is_text ? content.at != content.end : number.count > 18)
        return false;
    if (number.digits > (uint64_t)INT64_MAX + number.negative)
        return false;
    if (!is_text)
        text->at = content.at;
    *integer = number.negative ? (int64_t)(0 - number.digits) : (int64_t)number.digits;
    return true;
}

static enum outcome long_value(struct text *text, struct buffer *into, uint8_t *type)
{
    int64_t integer;
    *type = BSON_LONG;
    if (!take_long(text, &integer))
        return ODD;
    return put_64(into, (uint64_t)integer) ? DONE : NO_MEMORY;
}

static enum outcome int32_value(struct text *text, struct buffer *into, uint8_t *type)
{
    int64_t integer;
    if (!take_long(text, &integer) || integer < INT32_MIN || integer > INT32_MAX)
        return ODD;
    return put_integer(into, integer, type);
}

static bool is_word(const struct text *content, const char *word)
{
    size_t length = strlen(word);
    return left(content) == length && memcmp(content->at, word, length) == 0;
}

static enum outcome double_value(const struct plan *plan, struct text *text, struct buffer *into, uint8_t *type)
{
    struct number number;
    double nearest;
    *type = BSON_DOUBLE;
    if (peek(text) == '"') {
        struct text content;
        if (!take_plain(text, &content))
            return ODD;
        if (is_word(&content, "NaN"))
            return put_64(into, 0x7FF8000000000000ULL) ? DONE : NO_MEMORY;
        if (is_word(&content, "Infinity"))
            return put_double(into, (double)INFINITY);
        if (is_word(&content, "-Infinity"))
            return put_double(into, (double)-INFINITY);
        if (!take_number(&content, &number) || content.at != content.end)
            return ODD;
    } else if (!take_number(text, &number) || (number.whole && number.negative && number.digits == 0)) {
        return ODD; /* what -0 means depends on the column's own type */
    }
    return double_of(plan, &number, &nearest) ? put_double(into, nearest) : ODD;
}

static enum outcome put_decimal(struct buffer *into, uint64_t high, uint64_t low)
{
    return put_64(into, low) && put_64(into, high) ? DONE : NO_MEMORY;
}

/* Decimal128 of a whole number, or of a text of at most 34 digits and a point between some. */
static enum outcome decimal_value(struct text *text, struct buffer *into, uint8_t *type)
{
    struct text content = *text;
    *type = BSON_DECIMAL;
    if (peek(text) != '"') {
        struct number number;
        int64_t integer;
        if (!take_number(text, &number) || !integer_of(&number, &integer))
            return ODD;
        content.end = text->at;
    } else if (!take_plain(text, &content)) {
        return ODD;
    }
    if (is_word(&content, "NaN"))
        return put_decimal(into, 0x7C00000000000000ULL, 0);
    if (is_word(&content, "Infinity"))
        return put_decimal(into, 0x7800000000000000ULL, 0);
    if (is_word(&content, "-Infinity"))
        return put_decimal(into, 0xF800000000000000ULL, 0);
    bool negative = take(&content, '-');
    unsigned __int128 coefficient = 0;
    int significant = 0, whole = 0, fraction = 0;
    bool point = false;
    for (int byte = peek(&content); byte >= 0; byte = peek(&content)) {
        content.at++;
        if (byte == '.' && !point && whole) {
            point = true;
            continue;
        }
        if (!is_digit(byte))
            return ODD;
        if (significant || byte != '0')
            significant++;
        if (significant > 34 || fraction >= 6176)
            return ODD;
        coefficient = coefficient * 10 + (unsigned)(byte - '0');
        if (point)
            fraction++;
        else
            whole = 1;
    }
    if (!whole || (point && !fraction))
        return ODD;
    uint64_t high = (uint64_t)(coefficient >> 64) | (uint64_t)(6176 - fraction) << 49 | (uint64_t)negative << 63;
    return put_decimal(into, high, (uint64_t)coefficient);
}

/* `count` digits at `at`; the caller knows that they are there. -1 if one is none. */
static int fixed_digits(const uint8_t *at, int count)
{
    int number = 0;
    for (int i = 0; i < count; i++) {
        if (!is_digit(at[i]))
            return -1;
        number = number * 10 + (at[i] - '0');
    }
    return number;
}

/* Days from 1970-01-01 of a date of the Gregorian calendar (Howard Hinnant's days_from_civil). */
static int64_t days_from_civil(int year, int month, int day)
{
    year -= month <= 2;
    int era = year / 400; /* years here are from 0 on */
    int year_of_era = year - era * 400;
    int day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return (int64_t)era * 146097 + day_of_era - 719468;
}

static int days_in(int year, int month)
{
    static const uint8_t DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return DAYS[month - 1] + (month == 2 && leap);
}

/* Milliseconds of the day, from T on: THH:MM:SS, up to six digits of a fraction, and +00:00 or nothing. */
static bool time_of_day(struct text time, int64_t *milliseconds, bool *cut)
{
    if (left(&time) < 9 || time.at[0] != 'T' || time.at[3] != ':' || time.at[6] != ':')
        return false;
    int hour = fixed_digits(time.at + 1, 2), minute = fixed_digits(time.at + 4, 2), second = fixed_digits(time.at + 7, 2);
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59)
        return false;
    time.at += 9;
    int microseconds = 0;
    if (take(&time, '.')) {
        int digits = 0;
        for (; digits < 6 && is_digit(peek(&time)); digits++)
            microseconds = microseconds * 10 + (*time.at++ - '0');
        if (digits == 0)
            return false;
        for (; digits < 6; digits++)
            microseconds *= 10;
    }
    if (left(&time) && !is_word(&time, "+00:00"))
        return false;
    *cut = microseconds % 1000 != 0;
    *milliseconds = ((hour * 60 + minute) * 60 + second) * (int64_t)1000 + microseconds / 1000;
    return true;
}

static enum outcome date_value(struct text *text, struct buffer *into, bool *cut, uint8_t *type)
{
    struct text content;
    if (!take_plain(text, &content) || left(&content) < 10)
        return ODD;
    const uint8_t *at = content.at;
    int year = fixed_digits(at, 4), month = fixed_digits(at + 5, 2), day = fixed_digits(at + 8, 2);
    if (at[4] != '-' || at[7] != '-' || year < 1 || month < 1 || month > 12 || day < 1 || day > days_in(year, month))
        return ODD;
    content.at += 10;
    int64_t milliseconds = 0;
    if (left(&content) && !time_of_day(content, &milliseconds, cut))
        return ODD;
    *type = BSON_DATE;
    milliseconds += days_from_civil(year, month, day) * 86400000;
    return put_64(into, (uint64_t)milliseconds) ? DONE : NO_MEMORY;
}

static enum outcome uuid_value(struct text *text, struct buffer *into, uint8_t *type)
{
    struct text content;
    uint8_t bytes[16];
    if (!take_plain(text, &content) || left(&content) != 36)
        return ODD;
    const uint8_t *at = content.at;
    for (int i = 0; i < 16; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && *at++ != '-')
            return ODD;
        int high = hex_digit(at[0]), low = hex_digit(at[1]);
        if (high < 0 || low < 0)
            return ODD;
        bytes[i] = (uint8_t)(high << 4 | low);
        at += 2;
    }
    *type = BSON_BINARY;
    return put_32(into, 16) && put_byte(into, 4) && put(into, bytes, 16) ? DONE : NO_MEMORY;
}

/* bytea in hex: the row has its backslash twice. */
static enum outcome binary_value(struct text *text, struct buffer *into, uint8_t *type)
{
    size_t start = into->size;
    if (!take_word(text, "\"\\\\x", 4))
        return ODD;
    if (!put_32(into, 0) || !put_byte(into, 0))
        return NO_MEMORY;
    while (!take(text, '"')) {
        if (left(text) < 2)
            return ODD;
        int high = hex_digit(text->at[0]), low = hex_digit(text->at[1]);
        if (high < 0 || low < 0)
            return ODD;
        if (!put_byte(into, (uint8_t)(high << 4 | low)))
            return NO_MEMORY;
        text->at += 2;
    }
    *type = BSON_BINARY;
    return close_length(into, start, 5);
}

/* A JSON document, as it is in the row or as a string that holds its text. */
static enum outcome document_value(struct plan *plan, struct text *text, struct buffer *into, uint8_t *type)
{
    if (peek(text) != '"')
        return json_value(&(struct json){plan, into, false}, text, 0, type);
    plan->text.size = 0;
    enum outcome outcome = take_string(text, &plan->text);
    if (outcome != DONE)
        return outcome;
    if (plan->text.size == 0)
        return ODD;
    struct text content = {plan->text.data, plan->text.data + plan->text.size};
    skip_space(&content);
    outcome = json_value(&(struct json){plan, into, true}, &content, 0, type);
    skip_space(&content);
    return outcome == DONE && content.at != content.end ? ODD : outcome;
}

/* What a model wants as text: a string, or the digits of a whole number, true or false. */
static enum outcome text_value(struct text *text, struct buffer *into, uint8_t *type)
{
    struct number number;
    int64_t integer;
    *type = BSON_STRING;
    if (peek(text) == '"')
        return string_value(text, into);
    const uint8_t *start = text->at;
    if (!take_word(text, "true", 4) && !take_word(text, "false", 5))
        if (!take_number(text, &number) || !integer_of(&number, &integer))
            return ODD;
    size_t length = (size_t)(text->at - start);
    return put_32(into, (uint32_t)length + 1) && put(into, start, length) && put_byte(into, 0) ? DONE : NO_MEMORY;
}

static enum outcome boolean_value(struct text *text, struct buffer *into, uint8_t *type)
{
    bool value = take_word(text, "true", 4);
    *type = BSON_BOOLEAN;
    if (!value && !take_word(text, "false", 5))
        return ODD;
    return put_byte(into, value) ? DONE : NO_MEMORY;
}

static enum outcome single_value(struct plan *plan, uint32_t number, struct text *text, uint8_t *type)
{
    struct buffer *into = &plan->converted;
    switch ((enum kind)plan->columns[number].kind) {
    case LONG: return long_value(text, into, type);
    case DOUBLE: return double_value(plan, text, into, type);
    case DECIMAL: return decimal_value(text, into, type);
    case DATE: {
        bool cut = false;
        enum outcome outcome = date_value(text, into, &cut, type);
        plan->pending[number] += cut;
        plan->is_pending |= cut;
        return outcome;
    }
    case UUID: return uuid_value(text, into, type);
    case BINARY: return binary_value(text, into, type);
    case DOCUMENT: return document_value(plan, text, into, type);
    case INT32: return int32_value(text, into, type);
    case BOOLEAN: return boolean_value(text, into, type);
    case STRING: return text_value(text, into, type);
    case JSON: case KINDS: break;
    }
    return json_value(&(struct json){plan, into, false}, text, 0, type);
}

/* An array: of arrays, nulls and values of the element's type. What is text in its place is ODD. */
static enum outcome array_value(struct plan *plan, uint32_t number, struct text *text, int depth, uint8_t *type)
{
    struct buffer *into = &plan->converted;
    size_t start = into->size;
    if (depth > DEPTH || !take(text, '['))
        return ODD;
    if (!put_32(into, 0))
        return NO_MEMORY;
    skip_space(text);
    for (uint32_t position = 0; !take(text, ']'); position++) {
        if (position) {
            if (!take(text, ','))
                return ODD;
            skip_space(text);
        }
        size_t place = into->size;
        uint8_t found = BSON_NULL;
        enum outcome outcome = DONE;
        if (place - start > LARGEST_ROW)
            return ODD;
        if (!put_byte(into, 0) || !put_position(into, position))
            return NO_MEMORY;
        if (peek(text) == '[')
            outcome = array_value(plan, number, text, depth + 1, &found);
        else if (!take_word(text, "null", 4))
            outcome = single_value(plan, number, text, &found);
        if (outcome != DONE)
            return outcome;
        into->data[place] = found;
        skip_space(text);
    }
    *type = BSON_ARRAY;
    if (!put_byte(into, 0))
        return NO_MEMORY;
    return close_length(into, start, 0);
}

/* ---- rows ---- */

static enum outcome read_value(struct plan *plan, uint32_t number, struct text *text)
{
    const struct column *column = plan->columns + number;
    struct value value = {.offset = plan->converted.size, .type = BSON_NULL};
    if (left(text) < column->key_length || memcmp(text->at, column->key, column->key_length) != 0)
        return ODD;
    text->at += column->key_length;
    plan->keys.size = 0;
    if (!take_word(text, "null", 4)) {
        enum outcome outcome = column->array
            ? array_value(plan, number, text, 1, &value.type)
            : single_value(plan, number, text, &value.type);
        if (outcome != DONE)
            return outcome;
    }
    if (!column->used)
        plan->converted.size = value.offset;
    value.length = plan->converted.size - value.offset;
    return put(&plan->values, &value, sizeof value) ? DONE : NO_MEMORY;
}

static enum outcome read_row(struct plan *plan, struct text text)
{
    size_t start = plan->converted.size;
    if (!take(&text, '{'))
        return ODD;
    for (uint32_t number = 0; number < plan->column_count; number++) {
        if (number && !take(&text, ','))
            return ODD;
        enum outcome outcome = read_value(plan, number, &text);
        if (outcome != DONE)
            return outcome;
        if (plan->converted.size - start > LARGEST_ROW)
            return ODD;
    }
    return take(&text, '}') && text.at == text.end ? DONE : ODD;
}

/* Count the losses of the row that was read, or forget them. */
static void settle(struct plan *plan, bool counts)
{
    if (!plan->is_pending)
        return;
    for (uint32_t number = 0; number < plan->column_count; number++) {
        if (counts)
            plan->lost[number] += plan->pending[number];
        plan->pending[number] = 0;
    }
    plan->is_pending = false;
}

static size_t row_count(const struct plan *plan)
{
    return plan->rows.size / sizeof(struct row);
}

static const struct row *row_at(const struct plan *plan, size_t row)
{
    return (const struct row *)(const void *)plan->rows.data + row;
}

static const struct value *values_of(const struct plan *plan, size_t row)
{
    return (const struct value *)(const void *)(plan->values.data + row_at(plan, row)->values);
}

/* Convert the rows of a block, each of which ends with a newline. `status` has a byte for each row:
 * those that are UNWANTED are passed over, the others become DONE or ODD.
 * Returns 0; 1 where the block does not have `rows` rows; 2 where there is no memory. */
EXPORTED int mt_read(struct plan *plan, const uint8_t *block, size_t size, uint8_t *status, size_t rows)
{
    const uint8_t *at = block, *end = block + size;
    plan->converted.size = plan->values.size = plan->rows.size = plan->documents.size = 0;
    for (size_t number = 0; number < rows; number++) {
        const uint8_t *newline = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
        if (newline == NULL)
            return 1;
        struct row row = {.values = plan->values.size, .outcome = UNWANTED};
        if (status[number] != UNWANTED) {
            size_t converted = plan->converted.size;
            row.outcome = newline - at > LARGEST_ROW ? ODD : read_row(plan, (struct text){at, newline});
            if (row.outcome == NO_MEMORY)
                return 2;
            status[number] = (uint8_t)row.outcome;
            settle(plan, row.outcome == DONE);
            if (row.outcome != DONE) {
                plan->values.size = row.values;
                plan->converted.size = converted;
            }
        }
        if (!put(&plan->rows, &row, sizeof row))
            return 2;
        at = newline + 1;
    }
    return at == end ? 0 : 1;
}

/* The BSON types of a column's values, for the rows that are DONE; 0 for the others. */
EXPORTED int mt_types(const struct plan *plan, uint32_t column, uint8_t *types, size_t rows)
{
    if (rows != row_count(plan) || column >= plan->column_count)
        return 1;
    for (size_t row = 0; row < rows; row++)
        types[row] = row_at(plan, row)->outcome == DONE ? values_of(plan, row)[column].type : 0;
    return 0;
}

/* How many times of each column were cut to milliseconds, of all blocks. */
EXPORTED void mt_lost(const struct plan *plan, uint64_t *lost)
{
    if (plan->column_count)
        memcpy(lost, plan->lost, plan->column_count * sizeof *lost);
}

/* ---- documents ---- */

/* Values that Python has made: for each row that is DONE, and each added field, its BSON type and
 * payload; `lengths` says how long each is. */
struct added { const uint8_t *data; size_t size, at; const uint64_t *lengths; size_t count, next; };

static enum outcome put_element(struct buffer *into, uint8_t type, const struct step *step, const void *payload, size_t length)
{
    if (length > LARGEST_ROW || !reserve(into, 1 + step->name_length + length))
        return length > LARGEST_ROW ? ODD : NO_MEMORY;
    return put_byte(into, type) && put(into, step->name, step->name_length) && put(into, payload, length) ? DONE : NO_MEMORY;
}

/* One row's document; ODD where `added` does not hold what it should. */
static enum outcome put_document(struct plan *plan, const struct value *values, struct added *added)
{
    struct buffer *into = &plan->documents;
    size_t open[GROUPS + 1], depth = 0, first = added->next;
    uint64_t lengths = 0;
    open[0] = into->size;
    if (!put_32(into, 0))
        return NO_MEMORY;
    if (added->count - first < plan->added_count)
        return ODD;
    size_t begin = added->at;
    for (uint32_t i = 0; i < plan->added_count; i++) {
        uint64_t length = added->lengths[first + i];
        if (length < 1 || length > added->size - begin - lengths)
            return ODD;
        lengths += length;
    }
    for (uint32_t i = 0; i < plan->step_count; i++) {
        const struct step *step = plan->steps + i;
        enum outcome outcome = DONE;
        switch ((enum step_kind)step->kind) {
        case STEP_COLUMN: {
            const struct value *value = values + step->index;
            const uint8_t *payload = value->length ? plan->converted.data + value->offset : NULL;
            outcome = put_element(into, value->type, step, payload, value->length);
            break;
        }
        case STEP_ADDED: {
            size_t length = (size_t)added->lengths[first + step->index];
            const uint8_t *cell = added->data + added->at;
            added->at += length;
            outcome = put_element(into, cell[0], step, cell + 1, length - 1);
            break;
        }
        case STEP_BEGIN:
            outcome = put_element(into, BSON_OBJECT, step, NULL, 0);
            open[++depth] = into->size;
            if (outcome == DONE && !put_32(into, 0))
                outcome = NO_MEMORY;
            break;
        case STEP_END:
            if (!put_byte(into, 0))
                return NO_MEMORY;
            outcome = close_length(into, open[depth--], 0);
            break;
        case STEPS:
            return ODD;
        }
        if (outcome != DONE)
            return outcome;
    }
    added->next += plan->added_count;
    if (!put_byte(into, 0))
        return NO_MEMORY;
    return close_length(into, open[0], 0);
}

/* The documents of the rows that are DONE, one after another; `ends` has a place for each row, and
 * gets where the document ends, or that of the row before it.
 * Returns 0; 1 where an argument does not fit the block that was read; 2 where there is no memory. */
EXPORTED int mt_assemble(struct plan *plan, const uint8_t *data, size_t size, const uint64_t *lengths, size_t count,
                         uint64_t *ends, size_t rows)
{
    struct added added = {.data = data, .size = size, .lengths = lengths, .count = count};
    plan->documents.size = 0;
    if (rows != row_count(plan))
        return 1;
    for (size_t row = 0; row < rows; row++) {
        if (row_at(plan, row)->outcome == DONE) {
            enum outcome outcome = put_document(plan, values_of(plan, row), &added);
            if (outcome != DONE)
                return outcome == ODD ? 1 : 2;
        }
        ends[row] = plan->documents.size;
    }
    return added.at == size && added.next == count ? 0 : 1;
}

/* What mt_assemble made, until the plan is used again. */
EXPORTED const uint8_t *mt_documents(const struct plan *plan)
{
    return plan->documents.data;
}

/* ---- plans ---- */

/* A description is, with all numbers in four bytes:
 *   columns, then for each: kind, 1 for an array, 1 if a field has it, and its key;
 *   added fields; steps, then for each: kind, index, and the field's name.
 * A key is a length and the bytes that stand before the value: "name":
 * A name is a length and the bytes, of which the last is NUL. */
struct description { const uint8_t *at; size_t left; };

static bool take_32(struct description *description, uint32_t *number)
{
    if (description->left < 4)
        return false;
    memcpy(number, description->at, 4);
    description->at += 4;
    description->left -= 4;
    return true;
}

static bool take_bytes(struct description *description, const uint8_t **bytes, size_t *length)
{
    uint32_t count;
    if (!take_32(description, &count) || description->left < count)
        return false;
    *bytes = description->at;
    *length = count;
    description->at += count;
    description->left -= count;
    return true;
}

static bool describe_columns(struct plan *plan, struct description *description)
{
    if (!take_32(description, &plan->column_count) || plan->column_count > description->left / 16)
        return false;
    plan->columns = calloc(plan->column_count + 1u, sizeof *plan->columns);
    plan->pending = calloc(plan->column_count + 1u, sizeof *plan->pending);
    plan->lost = calloc(plan->column_count + 1u, sizeof *plan->lost);
    if (!plan->columns || !plan->pending || !plan->lost)
        return false;
    for (uint32_t number = 0; number < plan->column_count; number++) {
        struct column *column = plan->columns + number;
        uint32_t kind, array, used;
        if (!take_32(description, &kind) || !take_32(description, &array) || !take_32(description, &used))
            return false;
        if (kind >= KINDS || !take_bytes(description, &column->key, &column->key_length))
            return false;
        column->kind = (uint8_t)kind;
        column->array = array != 0;
        column->used = used != 0;
    }
    return true;
}

/* Steps are checked once: indexes are in range, added fields in their order, groups closed, and
 * no column is used that is not kept. */
static bool describe_steps(struct plan *plan, struct description *description)
{
    uint32_t depth = 0, added = 0;
    if (!take_32(description, &plan->added_count))
        return false;
    if (!take_32(description, &plan->step_count) || plan->step_count > description->left / 12)
        return false;
    plan->steps = calloc(plan->step_count + 1u, sizeof *plan->steps);
    if (!plan->steps)
        return false;
    for (uint32_t i = 0; i < plan->step_count; i++) {
        struct step *step = plan->steps + i;
        uint32_t kind;
        if (!take_32(description, &kind) || kind >= STEPS || !take_32(description, &step->index))
            return false;
        step->kind = (uint8_t)kind;
        if (!take_bytes(description, &step->name, &step->name_length))
            return false;
        if (kind != STEP_END && (step->name_length == 0 || step->name[step->name_length - 1] != 0))
            return false;
        if (kind == STEP_COLUMN && (step->index >= plan->column_count || !plan->columns[step->index].used))
            return false;
        if (kind == STEP_ADDED && step->index != added++)
            return false;
        if (kind == STEP_BEGIN && ++depth > GROUPS)
            return false;
        if (kind == STEP_END && depth-- == 0)
            return false;
    }
    return depth == 0 && added == plan->added_count && description->left == 0;
}

EXPORTED void mt_free(struct plan *plan)
{
    if (plan == NULL)
        return;
    struct buffer *buffers[] = {&plan->converted, &plan->values, &plan->rows, &plan->keys, &plan->text, &plan->documents};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        free(buffers[i]->data);
    if (plan->c_locale)
        freelocale(plan->c_locale);
    free(plan->columns);
    free(plan->steps);
    free(plan->pending);
    free(plan->lost);
    free(plan->description);
    free(plan);
}

/* NULL where the description is none, or there is no memory. */
EXPORTED struct plan *mt_plan(const uint8_t *data, size_t size)
{
    struct plan *plan = calloc(1, sizeof *plan);
    if (plan == NULL)
        return NULL;
    plan->description = malloc(size ? size : 1);
    plan->c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (plan->description && plan->c_locale) {
        memcpy(plan->description, data, size);
        struct description description = {plan->description, size};
        if (describe_columns(plan, &description) && describe_steps(plan, &description))
            return plan;
    }
    mt_free(plan);
    return NULL;
}

/* Of which source this is the program: mediatool_assets/native/build.py sets it. */
EXPORTED const char *mt_source(void)
{
    return MT_SOURCE;
}
