/* Rows of the raw archive (NDJSON) into BSON documents or lines of COPY, a whole block at a time.
 *
 * The meaning of a value is defined by transform/values.py and core/rows.py. This file knows only the usual
 * forms of it: a row that has anything else is handed back as ODD, and Python converts that one.
 * So when in doubt, answer ODD. What is converted here has exactly the bytes that Python makes.
 *
 * How it is called (mediatool_assets/native/rows.py, by ctypes, which releases the GIL):
 *   mt_plan      compiles a description of columns and fields; the plan owns all memory
 *   mt_read      converts the values of a block's rows, and says of each row DONE or ODD
 *   mt_types     the BSON types that a column's values became
 *   mt_assemble  puts the values, and those that Python adds, together as documents
 *   mt_copy      makes lines of COPY's text format of a block's rows
 *   mt_free      gives all memory back
 * A plan is used by one thread at a time. No function reads outside of what it is given, or keeps
 * a pointer to it beyond mt_assemble of the same block.
 *
 * Every read of input goes through peek() or a comparison with `end`, every write of output
 * through reserve().
 */

#include "codec.h"

enum kind { JSON, LONG, DOUBLE, DECIMAL, DATE, UUID, BINARY, DOCUMENT, INT32, BOOLEAN, STRING, PASSED, KINDS };

enum step_kind { STEP_COLUMN, STEP_ADDED, STEP_BEGIN, STEP_END, STEPS };

#define DEPTH 95             /* levels of arrays and objects: more is counted as a loss, by Python */
#define GROUPS 64            /* levels of a model's dotted fields */
#define UNSORTED_KEYS 64     /* keys of an object that are compared one by one */
#define LONGEST_NUMBER 63    /* characters */

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

/* ---- JSON that is passed over, but has to be JSON ---- */

static bool pass_value(struct text *text, int depth);

/* Pass over a string; false where it is none, or has half of a surrogate pair. */
static bool pass_string(struct text *text)
{
    if (!take(text, '"'))
        return false;
    for (;;) {
        text->at = plain_end(text);
        int byte = peek(text);
        if (byte == '"') {
            text->at++;
            return true;
        }
        if (byte == '\\') {
            text->at++;
            int escaped = peek(text);
            if (escaped < 0 || strchr("\"\\/bfnrtu", escaped) == NULL || escaped == 0)
                return false;
            text->at++;
            int32_t code = escaped == 'u' ? take_hex4(text) : 1;
            if (code < 0 || (code >= 0xD800 && code <= 0xDFFF))
                return false;
            continue;
        }
        size_t length = byte >= 0x80 ? utf8_length(text) : 0;
        if (length == 0)
            return false;
        text->at += length;
    }
}

static void pass_blanks(struct text *text)
{
    while (peek(text) == ' ')
        text->at++;
}

static bool pass_container(struct text *text, int depth, bool is_array)
{
    uint8_t close = is_array ? ']' : '}';
    if (depth > DEPTH)
        return false;
    text->at++; /* the bracket, which the caller has seen */
    pass_blanks(text);
    for (bool first = true; !take(text, close); first = false) {
        if (!first && !take(text, ','))
            return false;
        pass_blanks(text);
        if (!is_array) {
            if (!pass_string(text))
                return false;
            pass_blanks(text);
            if (!take(text, ':'))
                return false;
            pass_blanks(text);
        }
        if (!pass_value(text, depth))
            return false;
        pass_blanks(text);
    }
    return true;
}

static bool pass_value(struct text *text, int depth)
{
    struct number number;
    switch (peek(text)) {
    case '"': return pass_string(text);
    case '{': return pass_container(text, depth + 1, false);
    case '[': return pass_container(text, depth + 1, true);
    case 't': return take_word(text, "true", 4);
    case 'f': return take_word(text, "false", 5);
    case 'n': return take_word(text, "null", 4);
    default: return take_number(text, &number);
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
    case PASSED: return pass_value(text, 0) ? DONE : ODD;
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

/* ---- identities: transform/row_documents.py says what they are ---- */

/* The bytes of a value by its BSON type, or -1 where they begin with their length. */
static int fixed_size(uint8_t type)
{
    switch (type) {
    case BSON_NULL: return 0;
    case BSON_BOOLEAN: return 1;
    case BSON_INT: return 4;
    case BSON_DOUBLE: case BSON_DATE: case BSON_LONG: return 8;
    case 0x07: return 12;
    case BSON_DECIMAL: return 16;
    default: return -1;
    }
}

/* The bytes of a value that begins here, `left` at most; -1 where they are more. */
static int64_t value_size(uint8_t type, const uint8_t *at, size_t left)
{
    int64_t length = fixed_size(type);
    if (length < 0) {
        int32_t said;
        if (left < 4)
            return -1;
        memcpy(&said, at, 4);
        length = (int64_t)said + (type == BSON_STRING ? 4 : type == BSON_BINARY ? 5 : 0);
    }
    return length < 0 || (uint64_t)length > left ? -1 : length;
}

/* Whether a document has no Decimal128, and no document or array that might. */
static bool has_no_decimal(const uint8_t *document, size_t size)
{
    const uint8_t *at = document + 4, *end = document + size - 1;
    if (size < 5)
        return false;
    while (at < end) {
        uint8_t type = *at++;
        const uint8_t *name_end = memchr(at, 0, (size_t)(end - at));
        if (name_end == NULL || type == BSON_DECIMAL || type == BSON_OBJECT || type == BSON_ARRAY)
            return false;
        int64_t length = value_size(type, name_end + 1, (size_t)(end - name_end - 1));
        if (length < 0)
            return false;
        at = name_end + 1 + length;
    }
    return true;
}

/* The hash of a document's type and value of `_id`; false where Decimal128 is in it, of which Python
 * makes one form for equal numbers. */
static bool identity_of(const uint8_t *document, size_t size, uint64_t *hash)
{
    if (size < 14 || memcmp(document + 5, "_id", 4) != 0)
        return false;
    uint8_t type = document[4];
    int64_t length = value_size(type, document + 9, size - 10);
    if (length < 0 || type == BSON_DECIMAL)
        return false;
    if (type == BSON_OBJECT && memchr(document + 4, BSON_DECIMAL, (size_t)length + 5) &&
        !has_no_decimal(document + 9, (size_t)length))
        return false;
    *hash = xxh3_64(document + 4, (size_t)length + 5);
    return true;
}

/* The hashes of the identities of the documents that mt_assemble made, for each row; `known` is 1
 * where there is one. Returns 0, or 1 where there are other rows. */
EXPORTED int mt_identities(const struct plan *plan, uint64_t *hashes, uint8_t *known, size_t rows)
{
    const uint8_t *at = plan->documents.data;
    size_t size = plan->documents.size;
    if (rows != row_count(plan))
        return 1;
    for (size_t row = 0; row < rows; row++) {
        hashes[row] = known[row] = 0;
        if (row_at(plan, row)->outcome != DONE)
            continue;
        uint32_t length;
        if (size < 5)
            return 1;
        memcpy(&length, at, 4);
        if (length < 5 || length > size)
            return 1;
        known[row] = identity_of(at, length, hashes + row);
        at += length;
        size -= length;
    }
    return 0;
}

/* ---- fingerprints: core/manifest.py says what they are ---- */

static void add_to(u128 *sum, const uint8_t *item, size_t length)
{
    *sum += xxh3_128(item, length);
}

/* The sum of the XXH3-128 of a block's rows without their newlines, and how many there are. The
 * block has to end with a newline, if it is not empty; 1 where it does not. */
EXPORTED int mt_fingerprint_rows(const uint8_t *block, size_t size, uint64_t *count, uint64_t sum[2])
{
    const uint8_t *at = block, *end = block + size;
    u128 total = 0;
    *count = 0;
    while (at < end) {
        const uint8_t *newline = memchr(at, '\n', (size_t)(end - at));
        if (newline == NULL)
            return 1;
        add_to(&total, at, (size_t)(newline - at));
        *count += 1;
        at = newline + 1;
    }
    sum[0] = (uint64_t)total;
    sum[1] = (uint64_t)(total >> 64);
    return 0;
}

/* The length of the first of the BSON documents in so many bytes; 0 where it does not fit. */
static size_t document_length(const uint8_t *documents, size_t size)
{
    if (size < 5)
        return 0;
    uint32_t length = read_32(documents);
    return length < 5 || length > size ? 0 : length;
}

/* The same of a block of BSON documents; 1 where a length does not fit. */
EXPORTED int mt_fingerprint_documents(const uint8_t *block, size_t size, uint64_t *count, uint64_t sum[2])
{
    u128 total = 0;
    *count = 0;
    for (size_t at = 0, length; at < size; at += length) {
        length = document_length(block + at, size - at);
        if (length == 0)
            return 1;
        add_to(&total, block + at, length);
        *count += 1;
    }
    sum[0] = (uint64_t)total;
    sum[1] = (uint64_t)(total >> 64);
    return 0;
}

/* Where, from a start on, the first documents end that have at least so many bytes, or are the most
 * that are wanted; 0 where a length does not fit. */
EXPORTED size_t mt_cut_documents(const uint8_t *block, size_t size, size_t start, size_t least, size_t most)
{
    size_t at = start;
    for (size_t count = 0; at < size && at - start < least && count < most; count++) {
        size_t length = document_length(block + at, size - at);
        if (length == 0)
            return 0;
        at += length;
    }
    return at;
}

/* ---- rows that may have numbers too long for a double: stores/postgres/jsonb.py says what they are ---- */

#define LONG_NUMBER 16 /* characters: shorter ones are the text of a double */

static bool is_numeral(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || byte == '.';
}

/* Copy the row's long numbers, with a comma behind each, and count them. Any number of that length
 * has a character at each 16th place, so that the others are skipped. Returns how many bytes were
 * written: each number has a byte before it in the row, so that the row's size is enough. */
static size_t copy_long_numbers(const uint8_t *row, size_t size, uint8_t *numbers, size_t *count)
{
    size_t written = 0;
    for (size_t at = LONG_NUMBER - 1; at < size; at += LONG_NUMBER) {
        if (!is_numeral(row[at]))
            continue;
        size_t first = at, end = at + 1;
        while (first > 0 && is_numeral(row[first - 1]))
            first--;
        while (end < size && is_numeral(row[end]))
            end++;
        if (end - first >= LONG_NUMBER && first > 0 && memchr(" [:-", row[first - 1], 4) != NULL) {
            memcpy(numbers + written, row + first, end - first);
            written += end - first;
            numbers[written++] = ',';
            *count += 1;
        }
        at = end; /* the next number begins behind it */
    }
    return written;
}

/* Whether the row contains one of the marks, each of which ends with a newline in their list. */
static bool has_mark(const uint8_t *row, size_t size, const uint8_t *marks, const uint8_t *end)
{
    while (marks < end) {
        const uint8_t *stop = memchr(marks, '\n', (size_t)(end - marks));
        if (stop == NULL)
            return true;
        if (memmem(row, size, marks, (size_t)(stop - marks)) != NULL)
            return true;
        marks = stop + 1;
    }
    return false;
}

/* The long numbers of the rows, into `numbers`, which has room for the size of the rows; and into
 * `found`, which has room for `most`, the row of each, from 0, and the rows that have a mark: twice the
 * row, and 1 more for a mark. Each row ends with a newline. Returns how many were found, or -1 where
 * that does not fit; `written` is the size of the numbers. */
EXPORTED int64_t mt_suspects(const uint8_t *rows, size_t size, const uint8_t *marks, size_t marks_size,
                             uint64_t *found, size_t most, uint8_t *numbers, uint64_t *written)
{
    const uint8_t *at = rows, *end = rows + size;
    size_t count = 0, copied = 0;
    for (uint64_t row = 0; at < end; row++) {
        const uint8_t *newline = memchr(at, '\n', (size_t)(end - at));
        if (newline == NULL)
            return -1;
        size_t length = (size_t)(newline - at), more = 0;
        copied += copy_long_numbers(at, length, numbers + copied, &more);
        bool marked = has_mark(at, length, marks, marks + marks_size);
        if (more + marked > most - count)
            return -1;
        while (more-- > 0)
            found[count++] = row << 1;
        if (marked)
            found[count++] = row << 1 | 1;
        at = newline + 1;
    }
    *written = copied;
    return (int64_t)count;
}

/* How many newlines are in the text. A byte counts up to 255, so that 16 or more are added at once. */
EXPORTED uint64_t mt_newlines(const uint8_t *text, size_t size)
{
    uint64_t count = 0;
    while (size > 0) {
        size_t part = size < 255 ? size : 255;
        uint8_t found = 0;
        for (size_t at = 0; at < part; at++)
            found += text[at] == '\n';
        count += found;
        text += part;
        size -= part;
    }
    return count;
}

/* ---- texts of columns: transform/documents.py says what they are ---- */

enum form { KEY, PADDED_KEY, VALUE, FORMS };

static bool put_json_string(struct buffer *into, const uint8_t *text, size_t length)
{
    static const char HEX[] = "0123456789abcdef";
    if (!put_byte(into, '"'))
        return false;
    for (size_t i = 0; i < length; i++) {
        uint8_t byte = text[i];
        static const char LETTERS[] = "\bb\tt\nn\ff\rr\"\"\\\\";
        const char *found = byte ? strchr(LETTERS, byte) : NULL;
        if (byte >= ' ' && byte != '"' && byte != '\\') {
            if (!put_byte(into, byte))
                return false;
        } else if (found && (found - LETTERS) % 2 == 0) {
            if (!put(into, (const char[]){'\\', found[1]}, 2))
                return false;
        } else if (!put(into, (const char[]){'\\', 'u', '0', '0', HEX[byte >> 4], HEX[byte & 15]}, 6)) {
            return false;
        }
    }
    return put_byte(into, '"');
}

static bool put_digits(struct buffer *into, int64_t number)
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

/* The text of one value. ODD: Python has to make it. */
static enum outcome put_text(const struct plan *plan, const struct value *value, enum form form, struct buffer *into)
{
    const uint8_t *payload = plan->converted.data + value->offset;
    bool kept = false;
    switch (value->type) {
    case BSON_NULL:
        kept = put(into, "null", 4);
        break;
    case BSON_BOOLEAN:
        kept = payload[0] ? put(into, "true", 4) : put(into, "false", 5);
        break;
    case BSON_INT: {
        int32_t number;
        memcpy(&number, payload, 4);
        kept = put_digits(into, number);
        break;
    }
    case BSON_LONG: {
        int64_t number;
        memcpy(&number, payload, 8);
        kept = put_digits(into, number);
        break;
    }
    case BSON_STRING: {
        size_t length = value->length - 5; /* but for its own length and its NUL */
        while (form == PADDED_KEY && length && payload[4 + length - 1] == ' ')
            length--;
        kept = form == VALUE ? put_json_string(into, payload + 4, length) : put(into, payload + 4, length);
        break;
    }
    default:
        return ODD;
    }
    return kept ? DONE : NO_MEMORY;
}

/* The texts of a column that mt_read has read as JSON, as Arrow has strings: `offsets` has a place
 * more than there are rows, `valid` a bit for each. `known` is 0 for the rows that Python has to make.
 * A null has no text as a key, and `null` as a value. Returns the bytes of all texts, which
 * mt_texts_made gives; -1 where an argument does not fit, -2 where there is no memory. */
EXPORTED int64_t mt_texts(struct plan *plan, uint32_t column, uint32_t form, int32_t *offsets, uint8_t *valid,
                          uint8_t *known, size_t rows)
{
    struct buffer *into = &plan->text;
    if (rows != row_count(plan) || column >= plan->column_count || form >= FORMS)
        return -1;
    if (plan->columns[column].kind != JSON || !plan->columns[column].used || plan->columns[column].array)
        return -1;
    into->size = 0;
    offsets[0] = 0;
    for (size_t row = 0; row < rows; row++) {
        bool is_null = true;
        known[row] = row_at(plan, row)->outcome == DONE;
        if (known[row]) {
            const struct value *value = values_of(plan, row) + column;
            size_t start = into->size;
            is_null = value->type == BSON_NULL && form != VALUE;
            enum outcome outcome = is_null ? DONE : put_text(plan, value, (enum form)form, into);
            if (outcome == NO_MEMORY)
                return -2;
            if (outcome == ODD) {
                into->size = start;
                known[row] = 0;
                is_null = true;
            }
        }
        if (into->size > INT32_MAX)
            return -1;
        uint8_t bit = (uint8_t)(1u << row % 8);
        valid[row / 8] = (uint8_t)(is_null ? valid[row / 8] & ~bit : valid[row / 8] | bit);
        offsets[row + 1] = (int32_t)into->size;
    }
    return (int64_t)into->size;
}

/* What mt_texts made, until it is called again. */
EXPORTED const uint8_t *mt_texts_made(const struct plan *plan)
{
    return plan->text.data;
}

/* ---- lines of COPY's text format: core/rows.py says what they are ---- */

/* What one byte of a text is in a line, and within an element of an array that is in one. */
static bool put_copied(struct buffer *into, uint8_t byte, bool element)
{
    switch (byte) {
    case '\n': return put(into, "\\n", 2);
    case '\r': return put(into, "\\r", 2);
    case '\t': return put(into, "\\t", 2);
    case '\\': return put(into, "\\\\\\\\", element ? 4 : 2);
    case '"': return put(into, "\\\\\"" + (element ? 0 : 2), element ? 3 : 1);
    default: return put_byte(into, byte);
    }
}

/* The text that a JSON string holds, as it is in a line. */
static enum outcome copy_string(struct text *text, struct buffer *into, bool element)
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
            size_t start = into->size;
            text->at++;
            enum outcome outcome = take_escape(text, into);
            if (outcome != DONE)
                return outcome;
            if (into->size - start == 1) {
                uint8_t single = into->data[start];
                into->size = start;
                if (!put_copied(into, single, element))
                    return NO_MEMORY;
            }
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

/* A number, true or false: its own text. */
static enum outcome copy_word(struct text *text, struct buffer *into)
{
    struct number number;
    const uint8_t *start = text->at;
    if (!take_word(text, "true", 4) && !take_word(text, "false", 5) && !take_number(text, &number))
        return ODD;
    return put(into, start, (size_t)(text->at - start)) ? DONE : NO_MEMORY;
}

/* A JSON value as it is in the row, its backslashes twice. */
static enum outcome copy_document(struct text *text, struct buffer *into)
{
    const uint8_t *at = text->at;
    if (!pass_value(text, 0))
        return ODD;
    while (at < text->at) {
        const uint8_t *slash = memchr(at, '\\', (size_t)(text->at - at));
        const uint8_t *stop = slash ? slash : text->at;
        if (!put(into, at, (size_t)(stop - at)) || (slash && !put(into, "\\\\", 2)))
            return NO_MEMORY;
        at = slash ? slash + 1 : stop;
    }
    return DONE;
}

/* A JSON array as PostgreSQL's text of one. */
static enum outcome copy_array(struct text *text, struct buffer *into, int depth)
{
    if (depth > DEPTH || !take(text, '['))
        return ODD;
    if (!put_byte(into, '{'))
        return NO_MEMORY;
    for (bool first = true; !take(text, ']'); first = false) {
        if (!first && (!take(text, ',') || peek(text) == ']'))
            return ODD;
        if (!first && !put_byte(into, ','))
            return NO_MEMORY;
        enum outcome outcome = DONE;
        if (peek(text) == '[') {
            outcome = copy_array(text, into, depth + 1);
        } else if (peek(text) == '"') {
            if (!put_byte(into, '"'))
                return NO_MEMORY;
            outcome = copy_string(text, into, true);
            if (outcome == DONE && !put_byte(into, '"'))
                return NO_MEMORY;
        } else if (take_word(text, "null", 4)) {
            if (!put(into, "NULL", 4))
                return NO_MEMORY;
        } else {
            outcome = copy_word(text, into);
        }
        if (outcome != DONE)
            return outcome;
    }
    return put_byte(into, '}') ? DONE : NO_MEMORY;
}

static enum outcome copy_value(const struct column *column, struct text *text, struct buffer *into)
{
    if (take_word(text, "null", 4))
        return put(into, "\\N", 2) ? DONE : NO_MEMORY;
    if (peek(text) == '"')
        return copy_string(text, into, false);
    if (column->array)
        return copy_array(text, into, 1);
    return column->kind == DOCUMENT ? copy_document(text, into) : copy_word(text, into);
}

static enum outcome copy_row(struct plan *plan, struct text text)
{
    bool first = true;
    if (!take(&text, '{'))
        return ODD;
    for (uint32_t number = 0; number < plan->column_count; number++) {
        const struct column *column = plan->columns + number;
        if (number && !take(&text, ','))
            return ODD;
        if (left(&text) < column->key_length || memcmp(text.at, column->key, column->key_length) != 0)
            return ODD;
        text.at += column->key_length;
        size_t start = plan->documents.size;
        if (column->used && !first && !put_byte(&plan->documents, '\t'))
            return NO_MEMORY;
        enum outcome outcome = copy_value(column, &text, &plan->documents);
        if (outcome != DONE)
            return outcome;
        if (column->used)
            first = false;
        else
            plan->documents.size = start;
    }
    if (!take(&text, '}') || text.at != text.end)
        return ODD;
    return put_byte(&plan->documents, '\n') ? DONE : NO_MEMORY;
}

/* The lines of the rows that are DONE, one after another, each with its newline; `ends` and `status`
 * are those of mt_read and mt_assemble. Only a column's key, whether it is used and an array, and
 * whether it is a DOCUMENT count. Returns as mt_read does. */
EXPORTED int mt_copy(struct plan *plan, const uint8_t *block, size_t size, uint8_t *status, uint64_t *ends, size_t rows)
{
    const uint8_t *at = block, *end = block + size;
    plan->rows.size = plan->documents.size = 0;
    for (size_t number = 0; number < rows; number++) {
        const uint8_t *newline = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
        if (newline == NULL)
            return 1;
        size_t start = plan->documents.size;
        enum outcome outcome = newline - at > LARGEST_ROW ? ODD : copy_row(plan, (struct text){at, newline});
        if (outcome == NO_MEMORY)
            return 2;
        if (outcome != DONE)
            plan->documents.size = start;
        status[number] = (uint8_t)outcome;
        ends[number] = plan->documents.size;
        at = newline + 1;
    }
    return at == end ? 0 : 1;
}

/* ---- plans ---- */

/* A description is, with all numbers in four bytes:
 *   columns, then for each: kind, 1 for an array, 1 if a field has it, and its key;
 *   added fields; steps, then for each: kind, index, and the field's name.
 * A key is a length and the bytes that stand before the value: "name":
 * A name is a length and the bytes, of which the last is NUL. */
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
