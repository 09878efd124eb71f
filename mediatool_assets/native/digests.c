/* Rows of the raw archive, and documents taken apart, as digests for the data-integrity report.
 *
 * What is equal is defined by integrity/: expected_values.py for rows, disassembly.py for
 * documents, canonical.py for the text that both become, row_layout.py for its digests. Both sides
 * are read in opposite directions, rows from JSON and documents from BSON, and meet in that text.
 * rows.c, which makes documents, is not used: a mistake in one is found by the other.
 *
 * A row or document that has anything but the usual forms is handed back as ODD, and Python reads
 * that one: when in doubt, answer ODD. What is read here has exactly the digests that Python makes.
 *
 * How it is called (mediatool_assets/native/rows.py, by ctypes, which releases the GIL):
 *   mt_digester          compiles a description of rows or of documents; it owns all memory
 *   mt_digest_rows       reads a block of rows: keys, contents, and texts for joins
 *   mt_digest_documents  reads documents: the rows that they hold, and the fields that are copies
 *   mt_digest_part       what was made, until the next call
 *   mt_digest_counts     flags and losses that were counted in it
 *   mt_digest_free       gives all memory back
 *   mt_key_columns       hashes the values of some columns of a block of rows; without a digester
 * A digester is used by one thread at a time.
 */

#include "codec.h"

#include <stdio.h>

#define LEVELS 90       /* of arrays and objects; Python says what is too deep */
#define FIELDS 256      /* of one document, without those of documents in it */
#define SHAPES 64       /* of documents within each other */
#define UNSORTED 64     /* keys of an object that are compared one by one */
#define DIGITS 15       /* every number of so many is the shortest text of its double */
#define NONE UINT32_MAX

enum form { PLAIN, TEXT, INTEGER, LONG, DOUBLE, DECIMAL, BOOLEAN, DATE, UUID, BYTES, DOCUMENT, FORMS };

enum key_form { NO_KEY, KEY, PADDED_KEY, LITERAL_KEY, KEY_FORMS };

enum addition { ONE, MANY, FOLDED, COUNT, UNION, LOOK_UP, LOOK_UP_EACH, ADDITIONS };

struct span { size_t start, end; };
struct numbers { uint32_t *at; uint32_t count; };

/* A column of the raw rows. `own` is the form of its values in documents, `plain` that of its type. */
struct column {
    const uint8_t *key;
    size_t key_length;
    uint32_t own, plain, key_form;
    bool array, used, link, elements;
};

struct taken { bool bare; struct numbers columns; };

struct node { const uint8_t *name; size_t length; uint32_t parent, slot; };
struct addition_plan {
    uint32_t kind, slot, output, inner, deleted;
    bool bare;
    struct numbers parts, links, keys; /* pairs; slots; triples */
};
struct shape {
    struct node *nodes;
    uint32_t node_count, slot_count, table, deleted, addition_count;
    struct numbers columns, links, key; /* pairs of slot and whether it is a double; slots; positions */
    struct numbers passed;              /* slots of what is read and no part of the row */
    struct addition_plan *additions;
};

struct digester {
    uint8_t *description;
    bool of_documents;
    locale_t c_locale;
    uint64_t days, offset;

    struct column *columns;
    uint32_t column_count, deleted, take_count;
    struct numbers order, key;
    struct taken *takes;

    struct shape *shapes;
    uint32_t shape_count, table_count;

    struct buffer *parts; /* what is made */
    size_t *marks;        /* their sizes before the item that is read */
    uint64_t *counts, *counted;
    uint32_t part_count, count_count;

    struct buffer row, key_text, spans, values, text, keys, list, owner, own;
    struct span *made;    /* in `values`, by column */
    struct text *raw;     /* in the row, by column */
};

/* ---- canonical texts: as orjson writes JSON, and marked lists for what JSON lacks ---- */

static bool put_code(struct buffer *into, uint32_t code)
{
    static const char HEX[] = "0123456789abcdef";
    switch (code) {
    case '"': return put(into, "\\\"", 2);
    case '\\': return put(into, "\\\\", 2);
    case '\b': return put(into, "\\b", 2);
    case '\t': return put(into, "\\t", 2);
    case '\n': return put(into, "\\n", 2);
    case '\f': return put(into, "\\f", 2);
    case '\r': return put(into, "\\r", 2);
    default: break;
    }
    if (code < 0x20)
        return put(into, (const char[]){'\\', 'u', '0', '0', HEX[code >> 4], HEX[code & 15]}, 6);
    return put_utf8(into, code);
}

/* A text in quotes; ODD where it is not UTF-8. */
static enum outcome put_quoted(struct buffer *into, const uint8_t *bytes, size_t length)
{
    struct text text = {bytes, bytes + length};
    if (!put_byte(into, '"'))
        return NO_MEMORY;
    while (text.at < text.end) {
        const uint8_t *stop = plain_end(&text);
        if (!put(into, text.at, (size_t)(stop - text.at)))
            return NO_MEMORY;
        text.at = stop;
        int byte = peek(&text);
        if (byte < 0)
            break;
        if (byte < 0x80) {
            text.at++;
            if (!put_code(into, (uint32_t)byte))
                return NO_MEMORY;
            continue;
        }
        size_t sequence = utf8_length(&text);
        if (sequence == 0)
            return ODD;
        if (!put(into, text.at, sequence))
            return NO_MEMORY;
        text.at += sequence;
    }
    return put_byte(into, '"') ? DONE : NO_MEMORY;
}

/* ["\0kind",  */
static bool put_mark(struct buffer *into, const char *kind)
{
    return put(into, "[\"\\u0000", 8) && put(into, kind, strlen(kind)) && put(into, "\",", 2);
}

static bool put_marked(struct buffer *into, const char *kind, const void *text, size_t length)
{
    return put_mark(into, kind) && put_byte(into, '"') && put(into, text, length) && put(into, "\"]", 2);
}

static bool put_whole(struct buffer *into, int64_t number)
{
    uint8_t digits[20];
    size_t at = sizeof digits;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do {
        digits[--at] = (uint8_t)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (number < 0)
        digits[--at] = '-';
    return put(into, digits + at, sizeof digits - at);
}

static bool put_long(struct buffer *into, int64_t number)
{
    if (number < INT32_MIN || number > INT32_MAX)
        return put_whole(into, number);
    return put_mark(into, "int64") && put_whole(into, number) && put_byte(into, ']');
}

static bool put_date(struct buffer *into, int64_t milliseconds)
{
    return put_mark(into, "date") && put_whole(into, milliseconds) && put_byte(into, ']');
}

/* The same of a number that is a whole one divided by a power of ten, both of which a double holds:
 * the quotient is the double next to that decimal, and with so few digits no other has that double. */
static bool is_short(double size, uint64_t *whole, int *places)
{
    static const double TENS[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8};
    for (*places = 0; *places < (int)(sizeof TENS / sizeof *TENS); *places += 1) {
        double scaled = size * TENS[*places];
        if (!(scaled < 999999999999999.0)) /* DIGITS of them */
            return false;
        *whole = (uint64_t)(scaled + 0.5);
        if ((double)*whole / TENS[*places] == size)
            return true;
    }
    return false;
}

static bool put_short(struct buffer *into, bool negative, uint64_t whole, int places)
{
    uint8_t text[32];
    size_t at = sizeof text;
    if (places == 0)
        text[--at] = '0';
    for (int place = 0; place < places; place++, whole /= 10)
        text[--at] = (uint8_t)('0' + whole % 10);
    text[--at] = '.';
    do {
        text[--at] = (uint8_t)('0' + whole % 10);
        whole /= 10;
    } while (whole);
    if (negative)
        text[--at] = '-';
    return put(into, text + at, sizeof text - at);
}

/* A double of its shortest text, in the range in which that has no exponent. */
static enum outcome put_double(const struct digester *digester, struct buffer *into, double number)
{
    char text[40], *end;
    int exponent;
    if (number == 0)
        return put(into, signbit(number) ? "-0.0" : "0.0", signbit(number) ? 4 : 3) ? DONE : NO_MEMORY;
    double size = fabs(number);
    if (!(size >= 1e-5 && size < 1e16))
        return ODD;
    uint64_t whole;
    if (is_short(size, &whole, &exponent))
        return put_short(into, number < 0, whole, exponent) ? DONE : NO_MEMORY;
    bool is_power = frexp(size, &exponent) == 0.5;
    int precision = DIGITS - 1;
    for (;; precision++) {
        if (precision > 16 || (is_power && precision >= DIGITS))
            return ODD;
        snprintf(text, sizeof text, "%.*e", precision, size);
        if (text[1] != '.')
            return ODD; /* another locale's point */
        if (strtod_l(text, &end, digester->c_locale) == size)
            break;
    }
    uint8_t digits[17];
    int count = 0;
    digits[count++] = (uint8_t)text[0];
    for (int i = 0; i < precision; i++)
        digits[count++] = (uint8_t)text[2 + i];
    while (count > 1 && digits[count - 1] == '0')
        count--;
    const char *last = text + 2 + precision; /* e, a sign, and two digits in this range */
    exponent = (last[2] - '0') * 10 + last[3] - '0';
    if (last[1] == '-')
        exponent = -exponent;
    uint8_t made[48];
    size_t at = 0;
    if (number < 0)
        made[at++] = '-';
    int place = exponent + 1; /* digits before the point */
    if (place <= 0)
        made[at++] = '0';
    for (int i = 0; i < place; i++)
        made[at++] = i < count ? digits[i] : '0';
    made[at++] = '.';
    for (int i = place; i < 0; i++)
        made[at++] = '0';
    for (int i = place > 0 ? place : 0; i < count; i++)
        made[at++] = digits[i];
    if (count <= place)
        made[at++] = '0';
    return put(into, made, at) ? DONE : NO_MEMORY;
}

/* ---- rows: JSON ---- */

/* What an escape means, after its backslash; -1 for NUL, halves of pairs, and what is none. */
static int32_t take_code(struct text *text)
{
    int byte = peek(text);
    if (byte < 0)
        return -1;
    text->at++;
    switch (byte) {
    case '"': case '\\': case '/': return byte;
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'u': break;
    default: return -1;
    }
    int32_t code = take_hex4(text);
    if (code <= 0 || (code >= 0xDC00 && code <= 0xDFFF))
        return -1;
    if (code < 0xD800 || code > 0xDBFF)
        return code;
    if (!take(text, '\\') || !take(text, 'u'))
        return -1;
    int32_t low = take_hex4(text);
    return low < 0xDC00 || low > 0xDFFF ? -1 : 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
}

/* A JSON string: `written` as JSON again, with its quotes, else the text that it holds. */
static enum outcome string_text(struct text *text, struct buffer *into, bool written)
{
    if (!take(text, '"'))
        return ODD;
    if (written && !put_byte(into, '"'))
        return NO_MEMORY;
    for (;;) {
        const uint8_t *stop = plain_end(text);
        if (!put(into, text->at, (size_t)(stop - text->at)))
            return NO_MEMORY;
        text->at = stop;
        int byte = peek(text);
        if (byte == '"') {
            text->at++;
            return !written || put_byte(into, '"') ? DONE : NO_MEMORY;
        }
        if (byte == '\\') {
            text->at++;
            int32_t code = take_code(text);
            if (code < 0)
                return ODD;
            if (!(written ? put_code(into, (uint32_t)code) : put_utf8(into, (uint32_t)code)))
                return NO_MEMORY;
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

/* The inside of a string that has no escape and no byte above 127. */
static bool plain_string(struct text *text, struct text *inside)
{
    struct text rest = *text;
    if (!take(&rest, '"'))
        return false;
    *inside = (struct text){rest.at, plain_end(&rest)};
    rest.at = inside->end;
    if (!take(&rest, '"'))
        return false;
    *text = rest;
    return true;
}

/* A number of JSON's grammar. `zeros`: those behind the point, before a digit that is none. */
struct number {
    const uint8_t *start, *end;
    int whole, fraction, zeros, significant;
    bool negative, zero, exponent;
};

static bool read_number(struct text *text, struct number *number)
{
    *number = (struct number){.start = text->at, .zero = true};
    number->negative = take(text, '-');
    int first = peek(text);
    if (!is_digit(first))
        return false;
    do {
        text->at++;
        number->whole++;
    } while (first != '0' && number->whole < 1000 && is_digit(peek(text)));
    number->zero = first == '0';
    number->significant = first == '0' ? 0 : number->whole;
    if (take(text, '.')) {
        for (int byte = peek(text); is_digit(byte) && number->fraction < 1000; byte = peek(text)) {
            text->at++;
            number->fraction++;
            number->zero &= byte == '0';
            if (number->zero)
                number->zeros++;
            else
                number->significant++;
        }
        if (number->fraction == 0)
            return false;
    }
    int byte = peek(text);
    number->end = text->at;
    number->exponent = byte == 'e' || byte == 'E';
    return !number->exponent && !is_digit(byte);
}

static bool is_minus_zero(const struct number *number)
{
    return number->negative && number->zero && number->fraction == 0;
}

/* A number that is a double, as orjson writes it. */
static enum outcome double_text(const struct digester *digester, const struct number *number, struct buffer *into)
{
    if (number->significant > DIGITS) {
        char copy[64];
        size_t length = (size_t)(number->end - number->start);
        if (length >= sizeof copy)
            return ODD;
        memcpy(copy, number->start, length);
        copy[length] = 0;
        return put_double(digester, into, strtod_l(copy, NULL, digester->c_locale));
    }
    if (!number->zero && number->zeros > 4)
        return ODD; /* below 0.00001 it has an exponent */
    const uint8_t *end = number->end;
    for (int left = number->fraction; left > 1 && end[-1] == '0'; left--)
        end--;
    bool kept = put(into, number->start, (size_t)(end - number->start));
    return kept && (number->fraction || put(into, ".0", 2)) ? DONE : NO_MEMORY;
}

struct json { struct digester *digester; bool exact; };

static enum outcome json_text(const struct json *json, struct text *text, struct buffer *into, int level);

/* `exact`: of a text that held the document, of which Python keeps digits that a double would not. */
static enum outcome number_text(const struct json *json, struct text *text, struct buffer *into)
{
    struct number number;
    if (!read_number(text, &number) || is_minus_zero(&number))
        return ODD;
    if (number.fraction == 0 && number.whole > 18)
        return ODD;
    if (number.fraction == 0)
        return put(into, number.start, (size_t)(number.end - number.start)) ? DONE : NO_MEMORY;
    if (json->exact && number.significant > DIGITS)
        return ODD;
    return double_text(json->digester, &number, into);
}

/* Whether the newest key, which is in `into`, is none of those from `first` on. */
static bool is_new_key(const struct digester *digester, const struct buffer *into, size_t first, bool *sorted)
{
    const struct span *all = (const struct span *)(const void *)digester->keys.data;
    size_t newest = digester->keys.size / sizeof *all - 1;
    size_t length = all[newest].end - all[newest].start;
    const uint8_t *key = into->data + all[newest].start;
    if (newest > first && *sorted) {
        size_t before = all[newest - 1].end - all[newest - 1].start;
        *sorted = before < length || (before == length && memcmp(into->data + all[newest - 1].start, key, length) < 0);
    }
    if (*sorted)
        return true;
    if (newest - first > UNSORTED)
        return false;
    for (size_t i = first; i < newest; i++)
        if (all[i].end - all[i].start == length && memcmp(into->data + all[i].start, key, length) == 0)
            return false;
    return true;
}

static enum outcome key_of_member(const struct json *json, struct text *text, struct buffer *into, size_t first, bool *sorted)
{
    struct span span = {.start = into->size};
    enum outcome outcome = string_text(text, into, true);
    if (outcome != DONE)
        return outcome;
    span.end = into->size;
    if (!put(&json->digester->keys, &span, sizeof span))
        return NO_MEMORY;
    if (!is_new_key(json->digester, into, first, sorted))
        return ODD;
    skip_space(text);
    if (!take(text, ':'))
        return ODD;
    skip_space(text);
    return put_byte(into, ':') ? DONE : NO_MEMORY;
}

static enum outcome container_text(const struct json *json, struct text *text, struct buffer *into, int level, bool is_array)
{
    struct buffer *keys = &json->digester->keys;
    size_t kept = keys->size, first = kept / sizeof(struct span);
    uint8_t close = is_array ? ']' : '}';
    bool sorted = true;
    if (level > LEVELS)
        return ODD;
    if (!put_byte(into, *text->at++))
        return NO_MEMORY;
    skip_space(text);
    for (bool any = false; !take(text, close); any = true) {
        enum outcome outcome = DONE;
        if (any) {
            if (!take(text, ','))
                return ODD;
            if (!put_byte(into, ','))
                return NO_MEMORY;
            skip_space(text);
        }
        if (!is_array)
            outcome = key_of_member(json, text, into, first, &sorted);
        if (outcome == DONE)
            outcome = json_text(json, text, into, level);
        if (outcome != DONE)
            return outcome;
        skip_space(text);
    }
    keys->size = kept;
    return put_byte(into, close) ? DONE : NO_MEMORY;
}

static enum outcome json_text(const struct json *json, struct text *text, struct buffer *into, int level)
{
    switch (peek(text)) {
    case '"': return string_text(text, into, true);
    case '{': return container_text(json, text, into, level + 1, false);
    case '[': return container_text(json, text, into, level + 1, true);
    case 't': return !take_word(text, "true", 4) ? ODD : put(into, "true", 4) ? DONE : NO_MEMORY;
    case 'f': return !take_word(text, "false", 5) ? ODD : put(into, "false", 5) ? DONE : NO_MEMORY;
    case 'n': return !take_word(text, "null", 4) ? ODD : put(into, "null", 4) ? DONE : NO_MEMORY;
    default: return number_text(json, text, into);
    }
}

/* ---- rows: the expected value of a column's type ---- */

/* A whole number, or a string that holds one and nothing else; its digits. */
static bool take_whole(struct text *text, struct number *number)
{
    struct text inside;
    bool is_text = peek(text) == '"';
    if (is_text ? !plain_string(text, &inside) : (inside = *text, false))
        return false;
    if (!read_number(&inside, number) || number->fraction || is_minus_zero(number))
        return false;
    if (is_text && inside.at != inside.end)
        return false;
    if (!is_text)
        text->at = inside.at;
    const uint8_t *digits = number->start + number->negative;
    return number->whole <= 18 || (is_text && number->whole == 19 && memcmp(digits, "9223372036854775807", 19) <= 0);
}

static int64_t value_of(const struct number *number)
{
    int64_t value = 0;
    for (const uint8_t *at = number->start + number->negative; at < number->end; at++)
        value = value * 10 + (*at - '0');
    return number->negative ? -value : value;
}

/* A number, or a string that holds one. `is_text` says which. */
static bool take_numeric(struct text *text, struct number *number, bool *is_text)
{
    struct text inside;
    *is_text = peek(text) == '"';
    if (!*is_text)
        return read_number(text, number);
    return plain_string(text, &inside) && read_number(&inside, number) && inside.at == inside.end;
}

/* Whether the text of a number is that of Python's Decimal of it, and Decimal128 holds it. */
static bool is_decimal_text(const struct number *number, bool is_text)
{
    int digits = number->significant ? number->significant : 1;
    if (is_text)
        return digits <= 34 && digits - number->fraction > -6;
    if (is_minus_zero(number))
        return false;
    if (number->fraction == 0)
        return number->whole <= 18;
    bool ends = number->end[-1] != '0' || number->fraction == 1;
    return number->significant <= DIGITS && number->zeros <= 3 && ends;
}

static enum outcome decimal_value(struct text *text, struct buffer *into)
{
    struct number number;
    bool is_text;
    if (!take_numeric(text, &number, &is_text) || !is_decimal_text(&number, is_text))
        return ODD;
    return put_marked(into, "decimal", number.start, (size_t)(number.end - number.start)) ? DONE : NO_MEMORY;
}

static bool is_text(const struct text *inside, const char *word)
{
    size_t length = strlen(word);
    return left(inside) == length && memcmp(inside->at, word, length) == 0;
}

static enum outcome double_value(const struct digester *digester, struct text *text, struct buffer *into)
{
    struct number number;
    struct text inside, copy = *text;
    bool quoted;
    if (peek(text) == '"' && plain_string(&copy, &inside)) {
        const char *said = is_text(&inside, "NaN") ? "nan" : is_text(&inside, "Infinity") ? "inf" : is_text(&inside, "-Infinity") ? "-inf" : NULL;
        if (said != NULL) {
            *text = copy;
            return put_marked(into, "double", said, strlen(said)) ? DONE : NO_MEMORY;
        }
    }
    if (!take_numeric(text, &number, &quoted) || is_minus_zero(&number))
        return ODD;
    return double_text(digester, &number, into);
}

static int two_digits(const uint8_t *at)
{
    return is_digit(at[0]) && is_digit(at[1]) ? (at[0] - '0') * 10 + at[1] - '0' : -1;
}

/* Days from 1970-01-01 on, by counting: of whole years, of whole months, of the month. */
static int64_t days_until(int year, int month, int day)
{
    static const int BEFORE[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
    int past = year - 1;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    int length = BEFORE[month] - BEFORE[month - 1] + (leap && month == 2);
    if (day < 1 || day > length)
        return INT64_MIN;
    int64_t days = (int64_t)past * 365 + past / 4 - past / 100 + past / 400;
    return days + BEFORE[month - 1] + (leap && month > 2) + day - 1 - 719162;
}

/* YYYY-MM-DD, and perhaps THH:MM:SS with up to six digits of a fraction, and +00:00. */
static bool read_moment(struct text text, int64_t *milliseconds, bool *cut)
{
    const uint8_t *at = text.at;
    if (left(&text) < 10 || at[4] != '-' || at[7] != '-')
        return false;
    int century = two_digits(at), year = two_digits(at + 2), month = two_digits(at + 5), day = two_digits(at + 8);
    if (century < 0 || year < 0 || century + year == 0 || month < 1 || month > 12)
        return false;
    int64_t days = days_until(century * 100 + year, month, day);
    if (days == INT64_MIN)
        return false;
    *milliseconds = days * 86400000;
    text.at += 10;
    if (left(&text) == 0)
        return true;
    at = text.at;
    if (left(&text) < 9 || at[0] != 'T' || at[3] != ':' || at[6] != ':')
        return false;
    int hour = two_digits(at + 1), minute = two_digits(at + 4), second = two_digits(at + 7);
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59)
        return false;
    *milliseconds += hour * 3600000 + minute * 60000 + second * 1000;
    text.at += 9;
    if (take(&text, '.')) {
        int unit = 100000, micro = 0;
        for (; unit && is_digit(peek(&text)); unit /= 10)
            micro += (*text.at++ - '0') * unit;
        if (unit == 100000)
            return false;
        *milliseconds += micro / 1000;
        *cut = micro % 1000 != 0;
    }
    return left(&text) == 0 || is_text(&text, "+00:00");
}

static enum outcome date_value(struct text *text, struct buffer *into, bool *cut)
{
    struct text inside;
    int64_t milliseconds;
    if (!plain_string(text, &inside) || !read_moment(inside, &milliseconds, cut))
        return ODD;
    return put_date(into, milliseconds) ? DONE : NO_MEMORY;
}

static bool is_hex(const uint8_t *at, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!is_digit(at[i]) && (at[i] < 'a' || at[i] > 'f'))
            return false;
    return true;
}

/* The 32 digits of a UUID in its usual form. */
static bool uuid_digits(struct text *text, uint8_t digits[32])
{
    static const uint8_t GROUPS[] = {8, 4, 4, 4, 12};
    struct text inside;
    if (!plain_string(text, &inside) || left(&inside) != 36)
        return false;
    for (size_t group = 0, made = 0; group < 5; made += GROUPS[group], group++) {
        if (group && !take(&inside, '-'))
            return false;
        memcpy(digits + made, inside.at, GROUPS[group]);
        inside.at += GROUPS[group];
    }
    return is_hex(digits, 32);
}

/* The digits of a bytea, whose backslash a row has twice. */
static bool bytes_digits(struct text *text, struct text *digits)
{
    if (!take_word(text, "\"\\\\x", 4))
        return false;
    digits->at = text->at;
    digits->end = plain_end(text);
    text->at = digits->end;
    return take(text, '"') && left(digits) % 2 == 0 && is_hex(digits->at, left(digits));
}

static enum outcome document_value(struct digester *digester, struct text *text, struct buffer *into, int level)
{
    if (peek(text) != '"')
        return json_text(&(struct json){digester, false}, text, into, level);
    digester->text.size = 0;
    enum outcome outcome = string_text(text, &digester->text, false);
    if (outcome != DONE || digester->text.size == 0)
        return outcome == DONE ? ODD : outcome;
    struct text inside = {digester->text.data, digester->text.data + digester->text.size};
    skip_space(&inside);
    outcome = json_text(&(struct json){digester, true}, &inside, into, level);
    skip_space(&inside);
    return outcome == DONE && inside.at != inside.end ? ODD : outcome;
}

static enum outcome single_value(struct digester *digester, enum form form, struct text *text, struct buffer *into, int level, uint64_t *cuts)
{
    struct number number;
    struct text digits;
    uint8_t uuid[32];
    bool cut = false;
    switch (form) {
    case PLAIN: return json_text(&(struct json){digester, false}, text, into, level);
    case TEXT: return string_text(text, into, true);
    case INTEGER:
        if (!take_whole(text, &number))
            return ODD;
        return put(into, number.start, (size_t)(number.end - number.start)) ? DONE : NO_MEMORY;
    case LONG:
        if (!take_whole(text, &number))
            return ODD;
        return put_long(into, value_of(&number)) ? DONE : NO_MEMORY;
    case DOUBLE: return double_value(digester, text, into);
    case DECIMAL: return decimal_value(text, into);
    case BOOLEAN:
        if (take_word(text, "true", 4))
            return put(into, "true", 4) ? DONE : NO_MEMORY;
        return !take_word(text, "false", 5) ? ODD : put(into, "false", 5) ? DONE : NO_MEMORY;
    case DATE: {
        enum outcome outcome = date_value(text, into, &cut);
        *cuts += cut;
        return outcome;
    }
    case UUID:
        if (!uuid_digits(text, uuid))
            return ODD;
        return put_marked(into, "binary4", uuid, 32) ? DONE : NO_MEMORY;
    case BYTES:
        if (!bytes_digits(text, &digits))
            return ODD;
        return put_marked(into, "binary0", digits.at, left(&digits)) ? DONE : NO_MEMORY;
    case DOCUMENT: return document_value(digester, text, into, level);
    case FORMS: break;
    }
    return ODD;
}

static enum outcome array_value(struct digester *digester, enum form form, struct text *text, struct buffer *into, int level, uint64_t *cuts)
{
    if (level > LEVELS || !take(text, '['))
        return ODD;
    if (!put_byte(into, '['))
        return NO_MEMORY;
    skip_space(text);
    for (bool any = false; !take(text, ']'); any = true) {
        enum outcome outcome = DONE;
        if (any) {
            if (!take(text, ','))
                return ODD;
            if (!put_byte(into, ','))
                return NO_MEMORY;
            skip_space(text);
        }
        if (peek(text) == '[')
            outcome = array_value(digester, form, text, into, level + 1, cuts);
        else if (take_word(text, "null", 4))
            outcome = put(into, "null", 4) ? DONE : NO_MEMORY;
        else
            outcome = single_value(digester, form, text, into, level, cuts);
        if (outcome != DONE)
            return outcome;
        skip_space(text);
    }
    return put_byte(into, ']') ? DONE : NO_MEMORY;
}

/* A column's value; `null` in every column. */
static enum outcome expected_value(struct digester *digester, const struct column *column, enum form form, struct text *text,
                                   struct buffer *into, uint64_t *cuts)
{
    digester->keys.size = 0;
    if (take_word(text, "null", 4))
        return put(into, "null", 4) ? DONE : NO_MEMORY;
    if (column->array)
        return array_value(digester, form, text, into, 1, cuts);
    return single_value(digester, form, text, into, 0, cuts);
}

/* ---- texts of keys: equal for all values that PostgreSQL treats as equal ---- */

static enum outcome number_key(struct text *text, struct buffer *into, bool exact)
{
    struct number number;
    bool quoted;
    if (!take_numeric(text, &number, &quoted))
        return ODD;
    if (number.significant > (exact && quoted ? 34 : DIGITS) || (!quoted && number.fraction == 0 && number.whole > DIGITS))
        return ODD;
    if (exact && quoted && !is_decimal_text(&number, true))
        return ODD;
    if (number.zero)
        return put_byte(into, '0') ? DONE : NO_MEMORY;
    const uint8_t *end = number.end;
    if (number.fraction) {
        while (end[-1] == '0')
            end--;
        if (end[-1] == '.')
            end--;
    }
    return put(into, number.start, (size_t)(end - number.start)) ? DONE : NO_MEMORY;
}

static enum outcome string_key(struct text *text, struct buffer *into, bool padded)
{
    size_t start = into->size;
    enum outcome outcome = string_text(text, into, false);
    if (outcome != DONE || !padded)
        return outcome;
    while (into->size > start && into->data[into->size - 1] == ' ')
        into->size--;
    if (into->size > start && (into->data[into->size - 1] < ' ' || into->data[into->size - 1] >= 0x7F))
        return ODD; /* Python knows other blanks than ' ' */
    return DONE;
}

/* The text of a single value that is not null. */
static enum outcome key_value(const struct column *column, struct text *text, struct buffer *into)
{
    struct number number;
    struct text digits;
    uint8_t uuid[32];
    bool kept = false;
    if (column->key_form == LITERAL_KEY || column->key_form == PADDED_KEY)
        return string_key(text, into, column->key_form == PADDED_KEY);
    switch ((enum form)column->plain) {
    case PLAIN:
        if (peek(text) == '"')
            return string_key(text, into, false);
        if (take_word(text, "true", 4))
            kept = put(into, "true", 4);
        else if (take_word(text, "false", 5))
            kept = put(into, "false", 5);
        else if (take_whole(text, &number))
            kept = put(into, number.start, (size_t)(number.end - number.start));
        else
            return ODD;
        break;
    case LONG:
        if (!take_whole(text, &number))
            return ODD;
        kept = put(into, number.start, (size_t)(number.end - number.start));
        break;
    case DOUBLE: return number_key(text, into, false);
    case DECIMAL: return number_key(text, into, true);
    case UUID:
        if (!uuid_digits(text, uuid))
            return ODD;
        kept = put(into, uuid, 32);
        break;
    case BYTES:
        if (!bytes_digits(text, &digits))
            return ODD;
        kept = put(into, digits.at, left(&digits));
        break;
    case TEXT: case INTEGER: case BOOLEAN: case DATE: case DOCUMENT: case FORMS: return ODD;
    }
    return kept ? DONE : NO_MEMORY;
}

/* ---- what is made: strings of Arrow as ends, validity and texts, from `part` on ---- */

static enum outcome add_valid(struct buffer *ends, struct buffer *valid, bool is_null, size_t end)
{
    size_t count = ends->size / 4;
    uint8_t bit = (uint8_t)(1u << count % 8);
    if (end > INT32_MAX)
        return ODD;
    if (count / 8 >= valid->size && !put_byte(valid, 0))
        return NO_MEMORY;
    uint8_t *byte = valid->data + count / 8;
    *byte = (uint8_t)(is_null ? *byte & ~bit : *byte | bit);
    return put_32(ends, (uint32_t)end) ? DONE : NO_MEMORY;
}

static enum outcome end_string(struct buffer *part, bool is_null)
{
    return add_valid(part, part + 1, is_null, part[2].size);
}

static enum outcome add_string(struct buffer *part, const void *text, size_t length)
{
    return put(part + 2, text, length) ? end_string(part, false) : NO_MEMORY;
}

static enum outcome add_hash(struct buffer *into, const struct buffer *text)
{
    char digits[17];
    snprintf(digits, sizeof digits, "%016llx", (unsigned long long)xxh3_64(text->data, text->size));
    return put(into, digits, 16) ? DONE : NO_MEMORY;
}

/* ---- rows of both sides ---- */

static bool begin_row(struct digester *digester)
{
    digester->row.size = digester->spans.size = 0;
    return put_byte(&digester->row, '[');
}

/* Before each value: a comma, but for the first. */
static bool begin_value(struct digester *digester)
{
    struct span span = {0, 0};
    if (digester->spans.size && !put_byte(&digester->row, ','))
        return false;
    span.start = digester->row.size;
    return put(&digester->spans, &span, sizeof span);
}

static void end_value(struct digester *digester)
{
    struct span *spans = (struct span *)(void *)digester->spans.data;
    spans[digester->spans.size / sizeof *spans - 1].end = digester->row.size;
}

/* The digests of the row that was begun: of its key, or of all values where that is empty, and of its
 * content with whether it is with its owner; its hash is 0 where it is not in the sample. */
static enum outcome end_row(struct digester *digester, struct buffer *part, const struct numbers *key, bool linked, u128 *found)
{
    struct buffer *row = &digester->row, *text = &digester->key_text;
    const struct span *spans = (const struct span *)(const void *)digester->spans.data;
    if (key->count) {
        text->size = 0;
        for (uint32_t i = 0; i < key->count; i++) {
            struct span span = spans[key->at[i]];
            if (!put_byte(text, i ? ',' : '[') || !put(text, row->data + span.start, span.end - span.start))
                return NO_MEMORY;
        }
        if (!put_byte(text, ']'))
            return NO_MEMORY;
        *found = xxh3_128(text->data, text->size);
    } else {
        if (!put_byte(row, ']'))
            return NO_MEMORY;
        *found = xxh3_128(row->data, row->size);
        row->size--;
    }
    uint64_t high = (uint64_t)(*found >> 64), hash = 0;
    if (high % digester->days == digester->offset) {
        if (digester->spans.size && !put_byte(row, ','))
            return NO_MEMORY;
        if (!put(row, linked ? "true,[]]" : "false,[]]", linked ? 8 : 9))
            return NO_MEMORY;
        hash = xxh3_64(row->data, row->size);
    }
    return put_64(part, high) && put_64(part + 1, (uint64_t)*found) && put_64(part + 2, hash) ? DONE : NO_MEMORY;
}

/* Count a row of documents whose flag, at this place of its values, is true. */
static void count_deleted(struct digester *digester, uint32_t table, uint32_t place)
{
    if (place == NONE)
        return;
    struct span span = ((const struct span *)(const void *)digester->spans.data)[place];
    digester->counts[table] += span.end - span.start == 4 && memcmp(digester->row.data + span.start, "true", 4) == 0;
}

/* ---- reading rows ---- */

static enum outcome read_columns(struct digester *digester, struct text *text)
{
    if (!take(text, '{'))
        return ODD;
    for (uint32_t i = 0; i < digester->column_count; i++) {
        const struct column *column = digester->columns + i;
        if ((i && !take(text, ',')) || left(text) < column->key_length || memcmp(text->at, column->key, column->key_length) != 0)
            return ODD;
        text->at += column->key_length;
        uint64_t none = 0, *cuts = column->used ? digester->counts + 1 + i : &none;
        size_t start = digester->values.size;
        const uint8_t *at = text->at;
        enum outcome outcome = column->used ? expected_value(digester, column, (enum form)column->own, text, &digester->values, cuts)
                                            : json_text(&(struct json){digester, false}, text, &digester->values, 0);
        if (outcome != DONE)
            return outcome;
        digester->raw[i] = (struct text){at, text->at};
        digester->made[i] = (struct span){start, digester->values.size};
    }
    return take(text, '}') && text->at == text->end ? DONE : ODD;
}

/* A column that a folded row takes from its owner: the text of the key, as JSON. */
static enum outcome put_link(struct digester *digester, uint32_t number)
{
    struct text raw = digester->raw[number];
    if (take_word(&raw, "null", 4))
        return put(&digester->row, "null", 4) ? DONE : NO_MEMORY;
    digester->text.size = 0;
    enum outcome outcome = key_value(digester->columns + number, &raw, &digester->text);
    return outcome == DONE ? put_quoted(&digester->row, digester->text.data, digester->text.size) : outcome;
}

static enum outcome put_columns(struct digester *digester)
{
    if (!begin_row(digester))
        return NO_MEMORY;
    for (uint32_t i = 0; i < digester->order.count; i++) {
        uint32_t number = digester->order.at[i];
        struct span span = digester->made[number];
        enum outcome outcome = DONE;
        if (!begin_value(digester))
            return NO_MEMORY;
        if (digester->columns[number].link)
            outcome = put_link(digester, number);
        else if (!put(&digester->row, digester->values.data + span.start, span.end - span.start))
            outcome = NO_MEMORY;
        if (outcome != DONE)
            return outcome;
        end_value(digester);
    }
    return DONE;
}

static enum outcome put_key(const struct column *column, struct text raw, struct buffer *part)
{
    if (take_word(&raw, "null", 4))
        return end_string(part, true);
    enum outcome outcome = key_value(column, &raw, part + 2);
    return outcome == DONE ? end_string(part, false) : outcome;
}

/* The texts of an array's elements: a list's ends and validity, then their strings. */
static enum outcome put_elements(const struct column *column, struct text raw, struct buffer *part)
{
    if (!take(&raw, '['))
        return take_word(&raw, "null", 4) ? add_valid(part, part + 1, true, part[2].size / 4) : ODD;
    skip_space(&raw);
    for (bool any = false; !take(&raw, ']'); any = true) {
        if (any && !take(&raw, ','))
            return ODD;
        skip_space(&raw);
        bool is_null = take_word(&raw, "null", 4);
        if (peek(&raw) == '[' && !is_null)
            return ODD;
        enum outcome outcome = is_null ? DONE : key_value(column, &raw, part + 4);
        if (outcome == DONE)
            outcome = end_string(part + 2, is_null);
        if (outcome != DONE)
            return outcome;
        skip_space(&raw);
    }
    return add_valid(part, part + 1, false, part[2].size / 4);
}

static enum outcome put_taken(struct digester *digester, const struct taken *taken, struct buffer *part)
{
    struct buffer *text = &digester->key_text;
    uint64_t none = 0;
    text->size = 0;
    for (uint32_t i = 0; i < taken->columns.count; i++) {
        const struct column *column = digester->columns + taken->columns.at[i];
        struct text raw = digester->raw[taken->columns.at[i]];
        if (!put_byte(text, i ? ',' : '['))
            return NO_MEMORY;
        enum outcome outcome = expected_value(digester, column, (enum form)column->plain, &raw, text, &none);
        if (outcome != DONE)
            return outcome;
    }
    if (!put_byte(text, ']'))
        return NO_MEMORY;
    if (taken->bare && text->size == 6 && memcmp(text->data, "[null]", 6) == 0)
        return add_string(part, "null", 4);
    enum outcome outcome = add_hash(part + 2, text);
    return outcome == DONE ? end_string(part, false) : outcome;
}

static enum outcome digest_row(struct digester *digester, struct text text)
{
    u128 found;
    digester->values.size = 0;
    enum outcome outcome = read_columns(digester, &text);
    if (outcome == DONE)
        outcome = put_columns(digester);
    if (outcome == DONE)
        outcome = end_row(digester, digester->parts, &digester->key, true, &found);
    struct buffer *part = digester->parts + 3;
    for (uint32_t i = 0; outcome == DONE && i < digester->column_count; i++)
        if (digester->columns[i].key_form != NO_KEY && !digester->columns[i].elements) {
            outcome = put_key(digester->columns + i, digester->raw[i], part);
            part += 3;
        }
    for (uint32_t i = 0; outcome == DONE && i < digester->column_count; i++)
        if (digester->columns[i].elements) {
            outcome = put_elements(digester->columns + i, digester->raw[i], part);
            part += 5;
        }
    for (uint32_t i = 0; outcome == DONE && i < digester->take_count; i++) {
        outcome = put_taken(digester, digester->takes + i, part);
        part += 3;
    }
    if (outcome == DONE && digester->deleted != NONE)
        digester->counts[0] += is_text(digester->raw + digester->deleted, "true");
    return outcome;
}

static void begin_item(struct digester *digester)
{
    for (uint32_t i = 0; i < digester->part_count; i++)
        digester->marks[i] = digester->parts[i].size;
    memcpy(digester->counted, digester->counts, digester->count_count * sizeof *digester->counts);
    digester->keys.size = 0;
}

static void undo_item(struct digester *digester)
{
    for (uint32_t i = 0; i < digester->part_count; i++)
        digester->parts[i].size = digester->marks[i];
    memcpy(digester->counts, digester->counted, digester->count_count * sizeof *digester->counts);
}

static void begin_block(struct digester *digester, uint64_t days, uint64_t offset)
{
    for (uint32_t i = 0; i < digester->part_count; i++)
        digester->parts[i].size = 0;
    memset(digester->counts, 0, digester->count_count * sizeof *digester->counts);
    digester->days = days;
    digester->offset = offset;
}

/* Read the rows of a block, each of which ends with a newline; `status` has a byte for each of them,
 * and says DONE or ODD. Of `days` days, contents are made for the keys of the one with this `offset`.
 * Returns 0; 1 where an argument does not fit; 2 where there is no memory. */
EXPORTED int mt_digest_rows(struct digester *digester, const uint8_t *block, size_t size, uint8_t *status, size_t rows,
                            uint64_t days, uint64_t offset)
{
    const uint8_t *at = block, *end = block + size;
    if (digester->of_documents || days == 0)
        return 1;
    begin_block(digester, days, offset);
    for (size_t number = 0; number < rows; number++) {
        const uint8_t *newline = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
        if (newline == NULL)
            return 1;
        begin_item(digester);
        enum outcome outcome = newline - at > LARGEST_ROW ? ODD : digest_row(digester, (struct text){at, newline});
        if (outcome == NO_MEMORY)
            return 2;
        if (outcome != DONE)
            undo_item(digester);
        status[number] = (uint8_t)outcome;
        at = newline + 1;
    }
    return at == end ? 0 : 1;
}

/* ---- documents: BSON ---- */

struct value { const uint8_t *at; size_t length; uint8_t type; };
struct elements { const uint8_t *at, *end; };
struct element { const uint8_t *name; size_t name_length; struct value value; };

static uint32_t number_32(const uint8_t *at)
{
    uint32_t number;
    memcpy(&number, at, 4);
    return number;
}

static bool open_document(struct value document, struct elements *elements)
{
    if (document.length < 5 || number_32(document.at) != document.length || document.at[document.length - 1] != 0)
        return false;
    *elements = (struct elements){document.at + 4, document.at + document.length - 1};
    return true;
}

/* The bytes of a value of one of the types that are known here; 0 is also that of another. */
static bool size_of(uint8_t type, const uint8_t *at, size_t left, size_t *size)
{
    size_t more = 0;
    switch (type) {
    case BSON_NULL: *size = 0; return true;
    case BSON_BOOLEAN: *size = 1; break;
    case BSON_INT: *size = 4; break;
    case BSON_DOUBLE: case BSON_DATE: case BSON_LONG: *size = 8; break;
    case BSON_DECIMAL: *size = 16; break;
    case BSON_STRING: more = 4; break;
    case BSON_BINARY: more = 5; break;
    case BSON_OBJECT: case BSON_ARRAY: break;
    default: return false;
    }
    if (more || type == BSON_OBJECT || type == BSON_ARRAY) {
        if (left < 5 || number_32(at) > INT32_MAX)
            return false;
        *size = number_32(at) + more;
    }
    return *size <= left;
}

/* The next element: 1, or 0 at the end, or -1 where it is none. */
static int next_element(struct elements *elements, struct element *element)
{
    if (elements->at == elements->end)
        return 0;
    element->value.type = *elements->at++;
    const uint8_t *stop = memchr(elements->at, 0, (size_t)(elements->end - elements->at));
    if (stop == NULL)
        return -1;
    element->name = elements->at;
    element->name_length = (size_t)(stop - elements->at);
    element->value.at = stop + 1;
    size_t left = (size_t)(elements->end - element->value.at);
    if (!size_of(element->value.type, element->value.at, left, &element->value.length))
        return -1;
    elements->at = element->value.at + element->value.length;
    return 1;
}

static bool string_of(struct value value, struct text *text)
{
    if (value.type != BSON_STRING || value.length < 5 || value.at[value.length - 1] != 0)
        return false;
    *text = (struct text){value.at + 4, value.at + value.length - 1};
    return true;
}

static int64_t long_of(struct value value)
{
    int64_t number;
    if (value.type == BSON_INT)
        return (int32_t)number_32(value.at);
    memcpy(&number, value.at, 8);
    return number;
}

static bool put_hex(struct buffer *into, const uint8_t *bytes, size_t length)
{
    static const char HEX[] = "0123456789abcdef";
    if (!reserve(into, 2 * length))
        return false;
    for (size_t i = 0; i < length; i++) {
        into->data[into->size++] = (uint8_t)HEX[bytes[i] >> 4];
        into->data[into->size++] = (uint8_t)HEX[bytes[i] & 15];
    }
    return true;
}

/* The text of a Decimal128 that has no exponent in Python's. */
static enum outcome decimal_text(struct value value, struct buffer *into)
{
    uint64_t low, high;
    uint8_t digits[40], made[56];
    size_t first = sizeof digits, at = 0;
    memcpy(&low, value.at, 8);
    memcpy(&high, value.at + 8, 8);
    if ((high >> 61 & 3) == 3)
        return ODD;
    int exponent = (int)(high >> 49 & 0x3FFF) - 6176;
    u128 rest = pair(high & 0x1FFFFFFFFFFFFULL, low);
    do {
        digits[--first] = (uint8_t)('0' + (int)(rest % 10));
        rest /= 10;
    } while (rest);
    int count = (int)(sizeof digits - first), place = exponent + count;
    if (exponent > 0 || place <= -6 || count > 34)
        return ODD;
    if (high >> 63)
        made[at++] = '-';
    if (place <= 0)
        made[at++] = '0';
    for (int i = 0; i < place; i++)
        made[at++] = digits[first + (size_t)i];
    if (exponent < 0)
        made[at++] = '.';
    for (int i = place; i < 0; i++)
        made[at++] = '0';
    for (int i = place > 0 ? place : 0; i < count; i++)
        made[at++] = digits[first + (size_t)i];
    return put_marked(into, "decimal", made, at) ? DONE : NO_MEMORY;
}

static enum outcome put_found(struct digester *digester, struct value value, struct buffer *into, bool is_double, int level);

/* A document or array. Positions of an array are digits, and nothing that the driver reads as a reference is in a document. */
static enum outcome put_elements_found(struct digester *digester, struct value value, struct buffer *into, bool is_double, int level)
{
    bool is_array = value.type == BSON_ARRAY, sorted = true;
    struct buffer *keys = &digester->keys;
    size_t kept = keys->size, first = kept / sizeof(struct span);
    struct elements elements;
    struct element element;
    int more;
    if (level > LEVELS || !open_document(value, &elements))
        return ODD;
    if (!put_byte(into, is_array ? '[' : '{'))
        return NO_MEMORY;
    for (bool any = false; (more = next_element(&elements, &element)) > 0; any = true) {
        enum outcome outcome = DONE;
        if (any && !put_byte(into, ','))
            return NO_MEMORY;
        if (is_array) {
            for (size_t i = 0; i < element.name_length; i++)
                if (!is_digit(element.name[i]))
                    return ODD;
        } else {
            struct span span = {.start = into->size};
            if (element.name_length == 4 && memcmp(element.name, "$ref", 4) == 0)
                return ODD;
            outcome = put_quoted(into, element.name, element.name_length);
            if (outcome != DONE)
                return outcome;
            span.end = into->size;
            if (!put(keys, &span, sizeof span) || !put_byte(into, ':'))
                return NO_MEMORY;
            if (!is_new_key(digester, into, first, &sorted))
                return ODD;
        }
        outcome = put_found(digester, element.value, into, is_double && is_array, level);
        if (outcome != DONE)
            return outcome;
    }
    keys->size = kept;
    return more < 0 ? ODD : put_byte(into, is_array ? ']' : '}') ? DONE : NO_MEMORY;
}

static enum outcome double_found(const struct digester *digester, struct value value, struct buffer *into, bool is_double)
{
    double number;
    memcpy(&number, value.at, 8);
    if (isfinite(number))
        return put_double(digester, into, number);
    if (!is_double)
        return ODD;
    const char *said = isnan(number) ? "nan" : number > 0 ? "inf" : "-inf";
    return put_marked(into, "double", said, strlen(said)) ? DONE : NO_MEMORY;
}

static enum outcome binary_found(struct value value, struct buffer *into)
{
    uint8_t subtype = value.at[4];
    if (subtype != 0 && subtype != 4)
        return ODD;
    bool kept = put_mark(into, subtype ? "binary4" : "binary0") && put_byte(into, '"');
    return kept && put_hex(into, value.at + 5, value.length - 5) && put(into, "\"]", 2) ? DONE : NO_MEMORY;
}

static enum outcome put_found(struct digester *digester, struct value value, struct buffer *into, bool is_double, int level)
{
    struct text text;
    bool kept = false;
    switch (value.type) {
    case BSON_NULL: kept = put(into, "null", 4); break;
    case BSON_BOOLEAN:
        if (value.at[0] > 1)
            return ODD;
        kept = value.at[0] ? put(into, "true", 4) : put(into, "false", 5);
        break;
    case BSON_STRING: return string_of(value, &text) ? put_quoted(into, text.at, left(&text)) : ODD;
    case BSON_INT: kept = put_whole(into, long_of(value)); break;
    case BSON_LONG: kept = put_long(into, long_of(value)); break;
    case BSON_DATE: kept = put_date(into, long_of(value)); break;
    case BSON_DOUBLE: return double_found(digester, value, into, is_double);
    case BSON_DECIMAL: return decimal_text(value, into);
    case BSON_BINARY: return binary_found(value, into);
    case BSON_OBJECT: case BSON_ARRAY: return put_elements_found(digester, value, into, is_double, level + 1);
    default: return ODD;
    }
    return kept ? DONE : NO_MEMORY;
}

/* The text of a key in a document; `is_null` where it is null. */
static enum outcome key_found(struct value value, struct buffer *into, bool *is_null)
{
    struct text text;
    bool kept = true;
    *is_null = value.type == BSON_NULL;
    switch (value.type) {
    case BSON_NULL: break;
    case BSON_BOOLEAN:
        if (value.at[0] > 1)
            return ODD;
        kept = value.at[0] ? put(into, "true", 4) : put(into, "false", 5);
        break;
    case BSON_STRING:
        if (!string_of(value, &text))
            return ODD;
        kept = put(into, text.at, left(&text));
        break;
    case BSON_INT: case BSON_LONG: case BSON_DATE: kept = put_whole(into, long_of(value)); break;
    case BSON_BINARY:
        if (value.at[4] != 0 && value.at[4] != 4)
            return ODD;
        kept = put_hex(into, value.at + 5, value.length - 5);
        break;
    default: return ODD;
    }
    return kept ? DONE : NO_MEMORY;
}

/* ---- documents: their fields, and the rows in them ---- */

/* The node of that name below `parent`; `hint` is where it would be if fields are in the plan's order. */
static uint32_t find_node(const struct shape *shape, uint32_t parent, const struct element *element, uint32_t *hint)
{
    for (uint32_t i = 0, at = *hint; i < shape->node_count; i++, at++) {
        if (at >= shape->node_count)
            at = 0;
        const struct node *node = shape->nodes + at;
        if (node->parent == parent && node->length == element->name_length && memcmp(node->name, element->name, node->length) == 0) {
            *hint = at + 1;
            return at;
        }
    }
    return NONE;
}

/* Every field of a document, each once, and no other: else it is ODD. */
static bool read_fields(const struct shape *shape, uint32_t parent, struct value document, struct value *slots, uint32_t *found, uint32_t *hint)
{
    struct elements elements;
    struct element element;
    int more;
    if (!open_document(document, &elements))
        return false;
    while ((more = next_element(&elements, &element)) > 0) {
        uint32_t at = find_node(shape, parent, &element, hint);
        if (at == NONE)
            return false;
        uint32_t slot = shape->nodes[at].slot;
        if (slot == NONE) {
            if (element.value.type != BSON_OBJECT || !read_fields(shape, at, element.value, slots, found, hint))
                return false;
            continue;
        }
        if (slots[slot].at != NULL)
            return false;
        slots[slot] = element.value;
        *found += 1;
    }
    return more == 0;
}

static bool all_fields(const struct shape *shape, struct value document, struct value *slots)
{
    uint32_t found = 0, hint = 0;
    if (document.type != BSON_OBJECT)
        return false;
    memset(slots, 0, shape->slot_count * sizeof *slots);
    return read_fields(shape, NONE, document, slots, &found, &hint) && found == shape->slot_count;
}

/* The values of pairs of a slot and whether it is of doubles. */
static enum outcome put_pairs(struct digester *digester, const struct numbers *pairs, const struct value *slots)
{
    for (uint32_t i = 0; i < pairs->count; i += 2) {
        if (!begin_value(digester))
            return NO_MEMORY;
        enum outcome outcome = put_found(digester, slots[pairs->at[i]], &digester->row, pairs->at[i + 1] != 0, 0);
        if (outcome != DONE)
            return outcome;
        end_value(digester);
    }
    return DONE;
}

static enum outcome put_links(struct digester *digester, const struct numbers *links, const struct value *slots)
{
    for (uint32_t i = 0; i < links->count; i++) {
        bool is_null;
        if (!begin_value(digester))
            return NO_MEMORY;
        digester->text.size = 0;
        enum outcome outcome = key_found(slots[links->at[i]], &digester->text, &is_null);
        if (outcome == DONE && is_null)
            outcome = put(&digester->row, "null", 4) ? DONE : NO_MEMORY;
        else if (outcome == DONE)
            outcome = put_quoted(&digester->row, digester->text.data, digester->text.size);
        if (outcome != DONE)
            return outcome;
        end_value(digester);
    }
    return DONE;
}

/* The texts of the keys by which an embedded row finds its owner; `which` is 0 for the owner's. */
static enum outcome put_told(const struct numbers *keys, uint32_t which, const struct value *slots, struct buffer *into)
{
    into->size = 0;
    for (uint32_t i = 0; i < keys->count; i += 3) {
        bool is_null;
        size_t place = into->size;
        if (!put_64(into, 0))
            return NO_MEMORY;
        enum outcome outcome = key_found(slots[keys->at[i + which]], into, &is_null);
        if (outcome != DONE)
            return outcome;
        for (size_t at = place + 8; keys->at[i + 2] && at < into->size; at++) {
            uint8_t byte = into->data[at];
            if (byte >= 0x80)
                return ODD;
            if (byte >= 'A' && byte <= 'Z')
                into->data[at] = (uint8_t)(byte + 'a' - 'A');
        }
        uint64_t length = is_null ? UINT64_MAX : into->size - place - 8;
        memcpy(into->data + place, &length, 8);
    }
    return DONE;
}

static enum outcome take_document(struct digester *digester, const struct shape *shape, const struct value *slots, bool linked);

static enum outcome take_embedded(struct digester *digester, const struct addition_plan *added, const struct value *slots, struct value item)
{
    const struct shape *inner = digester->shapes + added->inner;
    struct value fields[FIELDS];
    if (!all_fields(inner, item, fields))
        return ODD;
    enum outcome outcome = put_told(&added->keys, 0, slots, &digester->owner);
    if (outcome == DONE)
        outcome = put_told(&added->keys, 1, fields, &digester->own);
    if (outcome != DONE)
        return outcome;
    bool linked = digester->owner.size == digester->own.size &&
        (digester->own.size == 0 || memcmp(digester->owner.data, digester->own.data, digester->own.size) == 0);
    return take_document(digester, inner, fields, linked);
}

/* The values that were folded into a document, or copied: of an item's fields, or the item itself. */
static enum outcome put_item(struct digester *digester, const struct addition_plan *added, struct value item)
{
    struct value fields[FIELDS];
    if (!begin_row(digester))
        return NO_MEMORY;
    if (added->bare)
        return put_pairs(digester, &added->parts, &item);
    if (!all_fields(digester->shapes + added->inner, item, fields))
        return ODD;
    return put_pairs(digester, &added->parts, fields);
}

static enum outcome take_folded(struct digester *digester, const struct addition_plan *added, const struct value *slots, struct value item)
{
    static const struct numbers ALL = {NULL, 0};
    u128 found;
    enum outcome outcome = put_item(digester, added, item);
    if (outcome == DONE)
        outcome = put_links(digester, &added->links, slots);
    if (outcome == DONE)
        outcome = end_row(digester, digester->parts + 3 * added->output, &ALL, true, &found);
    if (outcome == DONE)
        count_deleted(digester, added->output, added->deleted);
    return outcome;
}

static enum outcome put_copy(struct digester *digester, const struct addition_plan *added, struct value item, struct buffer *into)
{
    if (item.type == BSON_NULL)
        return put(into, "null", 4) ? DONE : NO_MEMORY;
    enum outcome outcome = put_item(digester, added, item);
    if (outcome != DONE)
        return outcome;
    if (!put_byte(&digester->row, ']'))
        return NO_MEMORY;
    return add_hash(into, &digester->row);
}

#define COPY 20 /* bytes of a copy's text, and NULs behind it */

static int compare_copies(const void *one, const void *other)
{
    return memcmp(one, other, COPY);
}

/* The texts of all copies of an array, in its order or sorted. */
static enum outcome put_copies(struct digester *digester, const struct addition_plan *added, struct value array, struct buffer *into)
{
    static const uint8_t NULS[COPY];
    struct buffer *list = &digester->list;
    struct elements elements;
    struct element element;
    int more;
    if (array.type != BSON_ARRAY || !open_document(array, &elements))
        return ODD;
    list->size = 0;
    while ((more = next_element(&elements, &element)) > 0) {
        size_t start = list->size;
        enum outcome outcome = put_copy(digester, added, element.value, list);
        if (outcome != DONE)
            return outcome;
        if (!put(list, NULS, COPY - (list->size - start)))
            return NO_MEMORY;
    }
    if (more < 0)
        return ODD;
    if (added->kind == UNION && list->size)
        qsort(list->data, list->size / COPY, COPY, compare_copies);
    if (!put_byte(into, '['))
        return NO_MEMORY;
    for (size_t at = 0; at < list->size; at += COPY) {
        const char *text = (const char *)list->data + at;
        if ((at && !put_byte(into, ',')) || !put(into, text, strlen(text)))
            return NO_MEMORY;
    }
    return put_byte(into, ']') ? DONE : NO_MEMORY;
}

/* A field that says what other rows say, as a text. */
static enum outcome take_copy(struct digester *digester, const struct addition_plan *added, struct value value, u128 owner)
{
    struct buffer *part = digester->parts + 3 * digester->table_count + 5 * added->output;
    enum outcome outcome = ODD;
    size_t before = part[4].size;
    if (added->kind == COUNT) {
        if (value.type != BSON_INT && value.type != BSON_LONG)
            return ODD;
        outcome = put_whole(part + 4, long_of(value)) ? DONE : NO_MEMORY;
    } else if (added->kind == UNION || (added->kind == LOOK_UP_EACH && value.type != BSON_NULL)) {
        outcome = put_copies(digester, added, value, part + 4);
    } else {
        outcome = put_copy(digester, added, value, part + 4);
    }
    if (outcome == DONE && (uint64_t)(owner >> 64) % digester->days != digester->offset) {
        part[4].size = before; /* not today's: it is only known to be readable */
        return DONE;
    }
    if (outcome == DONE)
        outcome = end_string(part + 2, false);
    if (outcome != DONE)
        return outcome;
    return put_64(part, (uint64_t)(owner >> 64)) && put_64(part + 1, (uint64_t)owner) ? DONE : NO_MEMORY;
}

static enum outcome take_items(struct digester *digester, const struct addition_plan *added, const struct value *slots)
{
    struct value value = slots[added->slot];
    struct elements elements;
    struct element element;
    int more;
    if (value.type == BSON_NULL)
        return DONE;
    if (added->kind == ONE)
        return take_embedded(digester, added, slots, value);
    if (value.type != BSON_ARRAY || !open_document(value, &elements))
        return ODD;
    while ((more = next_element(&elements, &element)) > 0) {
        enum outcome outcome = added->kind == MANY ? take_embedded(digester, added, slots, element.value)
                                                   : take_folded(digester, added, slots, element.value);
        if (outcome != DONE)
            return outcome;
    }
    return more < 0 ? ODD : DONE;
}

static enum outcome take_document(struct digester *digester, const struct shape *shape, const struct value *slots, bool linked)
{
    u128 found;
    enum outcome outcome = DONE;
    digester->list.size = 0;
    for (uint32_t i = 0; outcome == DONE && i < shape->passed.count; i++)
        outcome = put_found(digester, slots[shape->passed.at[i]], &digester->list, false, 0);
    if (outcome != DONE)
        return outcome;
    if (!begin_row(digester))
        return NO_MEMORY;
    outcome = put_pairs(digester, &shape->columns, slots);
    if (outcome == DONE)
        outcome = put_links(digester, &shape->links, slots);
    if (outcome == DONE)
        outcome = end_row(digester, digester->parts + 3 * shape->table, &shape->key, linked, &found);
    if (outcome != DONE)
        return outcome;
    count_deleted(digester, shape->table, shape->deleted);
    for (uint32_t i = 0; outcome == DONE && i < shape->addition_count; i++) {
        const struct addition_plan *added = shape->additions + i;
        outcome = added->kind <= FOLDED ? take_items(digester, added, slots)
                                        : take_copy(digester, added, slots[added->slot], found);
    }
    return outcome;
}

static enum outcome digest_document(struct digester *digester, struct value document)
{
    struct value slots[FIELDS];
    if (document.length > LARGEST_ROW || !all_fields(digester->shapes, document, slots))
        return ODD;
    return take_document(digester, digester->shapes, slots, true);
}

/* Read documents that stand one after another; the arguments are those of mt_digest_rows. */
EXPORTED int mt_digest_documents(struct digester *digester, const uint8_t *data, size_t size, uint8_t *status, size_t documents,
                                 uint64_t days, uint64_t offset)
{
    size_t at = 0;
    if (!digester->of_documents || days == 0)
        return 1;
    begin_block(digester, days, offset);
    for (size_t number = 0; number < documents; number++) {
        if (size - at < 5 || number_32(data + at) < 5 || number_32(data + at) > size - at)
            return 1;
        struct value document = {data + at, number_32(data + at), BSON_OBJECT};
        begin_item(digester);
        enum outcome outcome = digest_document(digester, document);
        if (outcome == NO_MEMORY)
            return 2;
        if (outcome != DONE)
            undo_item(digester);
        status[number] = (uint8_t)outcome;
        at += document.length;
    }
    return at == size ? 0 : 1;
}

/* What was made of the block: parts in the order of the description; NULL where there is no such part. */
EXPORTED const uint8_t *mt_digest_part(const struct digester *digester, uint32_t number, uint64_t *size)
{
    *size = number < digester->part_count ? digester->parts[number].size : 0;
    return number < digester->part_count ? digester->parts[number].data : NULL;
}

/* Of rows: those flagged as deleted, then for each column the times that were cut to milliseconds.
 * Of documents: the rows flagged as deleted, for each table. */
EXPORTED void mt_digest_counts(const struct digester *digester, uint64_t *counts)
{
    memcpy(counts, digester->counts, digester->count_count * sizeof *counts);
}

static bool take_flag(struct description *description, bool *flag)
{
    uint32_t number;
    if (!take_32(description, &number) || number > 1)
        return false;
    *flag = number == 1;
    return true;
}

/* ---- key columns: reports/flow.py says what they are ---- */

static bool pass_string(struct text *text)
{
    if (!take(text, '"'))
        return false;
    for (;;) {
        text->at = plain_end(text);
        int byte = peek(text);
        if (byte == '"')
            return take(text, '"');
        if (byte == '\\') {
            text->at++;
            if (take_code(text) < 0)
                return false;
            continue;
        }
        size_t length = byte >= 0x80 ? utf8_length(text) : 0;
        if (length == 0)
            return false;
        text->at += length;
    }
}

static bool pass_digits(struct text *text)
{
    const uint8_t *start = text->at;
    while (is_digit(peek(text)))
        text->at++;
    return text->at > start;
}

static bool pass_number(struct text *text)
{
    take(text, '-');
    if (!take(text, '0') && !pass_digits(text))
        return false;
    if (take(text, '.') && !pass_digits(text))
        return false;
    if (!take(text, 'e') && !take(text, 'E'))
        return true;
    if (!take(text, '-'))
        take(text, '+');
    return pass_digits(text);
}

/* Any JSON value; false also where this is not sure that it is one. */
static bool pass_value(struct text *text, int level)
{
    switch (peek(text)) {
    case '"': return pass_string(text);
    case '{': case '[': break;
    case 't': return take_word(text, "true", 4);
    case 'f': return take_word(text, "false", 5);
    case 'n': return take_word(text, "null", 4);
    default: return pass_number(text);
    }
    uint8_t close = *text->at++ == '[' ? ']' : '}';
    if (level > LEVELS)
        return false;
    skip_space(text);
    for (bool any = false; !take(text, close); any = true) {
        if (any && !take(text, ','))
            return false;
        skip_space(text);
        if (close == '}') {
            if (!pass_string(text))
                return false;
            skip_space(text);
            if (!take(text, ':'))
                return false;
            skip_space(text);
        }
        if (!pass_value(text, level + 1))
            return false;
        skip_space(text);
    }
    return true;
}

/* Read a block of rows that have exactly the columns described: for each, 1 where its values are wanted,
 * and the bytes before a value, as `"name":`. `hashes` has `rows` places for each wanted column, of which
 * the first get XXH3-64 of the JSON of its values that are not null, and `found` their number.
 * 0, or 1 where a row is anything else: Python reads that block. */
EXPORTED int mt_key_columns(const uint8_t *data, size_t size, const uint8_t *columns, size_t columns_size,
                            size_t wanted, uint64_t *hashes, uint64_t *found, size_t rows)
{
    const uint8_t *at = data, *end = data + size;
    memset(found, 0, wanted * sizeof *found);
    for (size_t row = 0; row < rows; row++) {
        const uint8_t *newline = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
        if (newline == NULL)
            return 1;
        struct text text = {at, newline};
        struct description description = {columns, columns_size};
        size_t number = 0;
        if (!take(&text, '{'))
            return 1;
        for (bool any = false; description.left; any = true) {
            const uint8_t *key;
            size_t length;
            bool is_wanted;
            if (!take_flag(&description, &is_wanted) || !take_bytes(&description, &key, &length))
                return 1;
            if ((any && !take(&text, ',')) || !take_word(&text, (const char *)key, length))
                return 1;
            const uint8_t *start = text.at;
            if (!pass_value(&text, 0))
                return 1;
            if (!is_wanted)
                continue;
            if (number == wanted)
                return 1;
            if (*start != 'n')
                hashes[number * rows + found[number]++] = xxh3_64(start, (size_t)(text.at - start));
            number++;
        }
        if (number != wanted || !take(&text, '}') || text.at != text.end)
            return 1;
        at = newline + 1;
    }
    return at == end ? 0 : 1;
}

/* ---- descriptions ---- */

/* A list of numbers, of which each is below `limit`. */
static bool describe_numbers(struct description *description, struct numbers *numbers, uint32_t each)
{
    if (!take_32(description, &numbers->count) || numbers->count > description->left / 4 || numbers->count % each)
        return false;
    numbers->at = calloc(numbers->count + 1u, sizeof *numbers->at);
    if (numbers->at == NULL)
        return false;
    for (uint32_t i = 0; i < numbers->count; i++)
        if (!take_32(description, numbers->at + i))
            return false;
    return true;
}

/* Whether each `each`-th number, from `which` on, is below the limit. */
static bool all_below(const struct numbers *numbers, uint32_t each, uint32_t which, uint32_t limit)
{
    for (uint32_t i = which; i < numbers->count; i += each)
        if (numbers->at[i] >= limit)
            return false;
    return true;
}

static bool describe_column(struct description *description, struct column *column)
{
    return take_bytes(description, &column->key, &column->key_length) && take_32(description, &column->own) &&
        take_32(description, &column->plain) && take_32(description, &column->key_form) &&
        take_flag(description, &column->array) && take_flag(description, &column->used) &&
        take_flag(description, &column->link) && take_flag(description, &column->elements) &&
        column->own < FORMS && column->plain < FORMS && column->key_form < KEY_FORMS &&
        (column->used || !column->link) && (!column->elements || (column->array && column->key_form != NO_KEY));
}

/* Rows: the columns, the order of those of a layout, its key, the flag's column, what is taken. */
static bool describe_rows(struct digester *digester, struct description *description)
{
    if (!take_32(description, &digester->column_count) || digester->column_count > description->left / 32)
        return false;
    digester->columns = calloc(digester->column_count + 1u, sizeof *digester->columns);
    digester->made = calloc(digester->column_count + 1u, sizeof *digester->made);
    digester->raw = calloc(digester->column_count + 1u, sizeof *digester->raw);
    if (!digester->columns || !digester->made || !digester->raw)
        return false;
    digester->part_count = 3;
    for (uint32_t i = 0; i < digester->column_count; i++) {
        if (!describe_column(description, digester->columns + i))
            return false;
        digester->part_count += digester->columns[i].elements ? 5 : digester->columns[i].key_form != NO_KEY ? 3 : 0;
    }
    if (!describe_numbers(description, &digester->order, 1) || !all_below(&digester->order, 1, 0, digester->column_count))
        return false;
    for (uint32_t i = 0; i < digester->order.count; i++)
        if (!digester->columns[digester->order.at[i]].used)
            return false;
    if (!describe_numbers(description, &digester->key, 1) || !all_below(&digester->key, 1, 0, digester->order.count))
        return false;
    if (!take_32(description, &digester->deleted) || (digester->deleted != NONE && digester->deleted >= digester->column_count))
        return false;
    uint32_t takes;
    if (!take_32(description, &takes) || takes > description->left / 8)
        return false;
    digester->takes = calloc(takes + 1u, sizeof *digester->takes);
    if (digester->takes == NULL)
        return false;
    digester->take_count = takes;
    for (uint32_t i = 0; i < takes; i++) {
        struct taken *taken = digester->takes + i;
        if (!take_flag(description, &taken->bare) || !describe_numbers(description, &taken->columns, 1))
            return false;
        if (taken->columns.count == 0 || !all_below(&taken->columns, 1, 0, digester->column_count))
            return false;
    }
    digester->part_count += 3 * takes;
    digester->count_count = 1 + digester->column_count;
    return true;
}

static bool describe_nodes(struct description *description, struct shape *shape)
{
    if (!take_32(description, &shape->node_count) || shape->node_count > description->left / 12)
        return false;
    shape->nodes = calloc(shape->node_count + 1u, sizeof *shape->nodes);
    if (shape->nodes == NULL)
        return false;
    for (uint32_t i = 0; i < shape->node_count; i++) {
        struct node *node = shape->nodes + i;
        if (!take_bytes(description, &node->name, &node->length) || !take_32(description, &node->parent) || !take_32(description, &node->slot))
            return false;
        if (node->parent != NONE && (node->parent >= i || shape->nodes[node->parent].slot != NONE))
            return false;
        if (node->slot != NONE && node->slot != shape->slot_count++)
            return false;
    }
    return shape->slot_count <= FIELDS;
}

static bool describe_addition(struct digester *digester, struct description *description, const struct shape *shape, uint32_t own,
                              struct addition_plan *added, uint32_t claims)
{
    if (!take_32(description, &added->kind) || !take_32(description, &added->slot) || !take_32(description, &added->output) ||
        !take_32(description, &added->inner) || !take_32(description, &added->deleted) || !take_flag(description, &added->bare))
        return false;
    if (!describe_numbers(description, &added->parts, 2) || !describe_numbers(description, &added->links, 1) || !describe_numbers(description, &added->keys, 3))
        return false;
    bool embedded = added->kind == ONE || added->kind == MANY;
    if (added->deleted != NONE && added->deleted >= added->parts.count / 2)
        return false;
    if (added->kind >= ADDITIONS || added->slot >= shape->slot_count || (embedded && added->bare))
        return false;
    if (!embedded && added->output >= (added->kind == FOLDED ? digester->table_count : claims))
        return false;
    if (!added->bare && (added->inner >= digester->shape_count || added->inner <= own))
        return false; /* a shape has only later ones in it: no circle */
    if (!all_below(&added->links, 1, 0, shape->slot_count) || !all_below(&added->keys, 3, 0, shape->slot_count))
        return false;
    return !added->bare || all_below(&added->parts, 2, 0, 1);
}

/* Documents: tables, copies, and shapes, of which the first is that of the documents. */
static bool describe_documents(struct digester *digester, struct description *description)
{
    uint32_t claims;
    if (!take_32(description, &digester->table_count) || !take_32(description, &claims) || !take_32(description, &digester->shape_count))
        return false;
    if (digester->table_count > FIELDS || claims > FIELDS || digester->shape_count == 0 || digester->shape_count > SHAPES)
        return false;
    digester->shapes = calloc(digester->shape_count, sizeof *digester->shapes);
    if (digester->shapes == NULL)
        return false;
    for (uint32_t i = 0; i < digester->shape_count; i++) {
        struct shape *shape = digester->shapes + i;
        if (!describe_nodes(description, shape) || !take_32(description, &shape->table) || !take_32(description, &shape->deleted))
            return false;
        if (shape->table >= digester->table_count)
            return false;
        if (!describe_numbers(description, &shape->columns, 2) || !describe_numbers(description, &shape->links, 1) || !describe_numbers(description, &shape->key, 1) || !describe_numbers(description, &shape->passed, 1))
            return false;
        uint32_t values = shape->columns.count / 2 + shape->links.count, additions;
        if (!all_below(&shape->columns, 2, 0, shape->slot_count) || !all_below(&shape->links, 1, 0, shape->slot_count) || !all_below(&shape->key, 1, 0, values) || !all_below(&shape->passed, 1, 0, shape->slot_count))
            return false;
        if (shape->deleted != NONE && shape->deleted >= values)
            return false;
        if (!take_32(description, &additions) || additions > description->left / 32)
            return false;
        shape->additions = calloc(additions + 1u, sizeof *shape->additions);
        if (shape->additions == NULL)
            return false;
        shape->addition_count = additions;
        for (uint32_t j = 0; j < additions; j++)
            if (!describe_addition(digester, description, shape, i, shape->additions + j, claims))
                return false;
    }
    digester->part_count = 3 * digester->table_count + 5 * claims;
    digester->count_count = digester->table_count;
    return true;
}

/* What additions ask of shapes that are described after them. */
static bool fits(const struct digester *digester)
{
    for (uint32_t i = 0; i < digester->shape_count; i++)
        for (uint32_t j = 0; j < digester->shapes[i].addition_count; j++) {
            const struct addition_plan *added = digester->shapes[i].additions + j;
            uint32_t slots = added->bare ? 1 : digester->shapes[added->inner].slot_count;
            if (!all_below(&added->parts, 2, 0, slots) || !all_below(&added->keys, 3, 1, slots))
                return false;
        }
    return true;
}

EXPORTED void mt_digest_free(struct digester *digester)
{
    if (digester == NULL)
        return;
    for (uint32_t i = 0; digester->parts && i < digester->part_count; i++)
        free(digester->parts[i].data);
    for (uint32_t i = 0; i < digester->take_count; i++)
        free(digester->takes[i].columns.at);
    for (uint32_t i = 0; digester->shapes && i < digester->shape_count; i++) {
        struct shape *shape = digester->shapes + i;
        for (uint32_t j = 0; j < shape->addition_count; j++) {
            free(shape->additions[j].parts.at);
            free(shape->additions[j].links.at);
            free(shape->additions[j].keys.at);
        }
        free(shape->nodes);
        free(shape->additions);
        free(shape->columns.at);
        free(shape->links.at);
        free(shape->key.at);
        free(shape->passed.at);
    }
    struct buffer *buffers[] = {&digester->row, &digester->key_text, &digester->spans, &digester->values, &digester->text,
        &digester->keys, &digester->list, &digester->owner, &digester->own};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        free(buffers[i]->data);
    if (digester->c_locale)
        freelocale(digester->c_locale);
    free(digester->columns);
    free(digester->made);
    free(digester->raw);
    free(digester->order.at);
    free(digester->key.at);
    free(digester->takes);
    free(digester->shapes);
    free(digester->parts);
    free(digester->marks);
    free(digester->counts);
    free(digester->counted);
    free(digester->description);
    free(digester);
}

/* NULL where the description is none, or there is no memory. */
EXPORTED struct digester *mt_digester(const uint8_t *data, size_t size)
{
    struct digester *digester = calloc(1, sizeof *digester);
    if (digester == NULL)
        return NULL;
    digester->description = malloc(size ? size : 1);
    digester->c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (digester->description && digester->c_locale) {
        memcpy(digester->description, data, size);
        struct description description = {digester->description, size};
        if (take_flag(&description, &digester->of_documents) &&
            (digester->of_documents ? describe_documents : describe_rows)(digester, &description) &&
            description.left == 0 && fits(digester)) {
            digester->parts = calloc(digester->part_count + 1u, sizeof *digester->parts);
            digester->marks = calloc(digester->part_count + 1u, sizeof *digester->marks);
            digester->counts = calloc(digester->count_count + 1u, sizeof *digester->counts);
            digester->counted = calloc(digester->count_count + 1u, sizeof *digester->counted);
            if (digester->parts && digester->marks && digester->counts && digester->counted)
                return digester;
        }
    }
    mt_digest_free(digester);
    return NULL;
}
