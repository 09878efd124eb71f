/* What both parts of the codec stand on: growing buffers, and the hash of fingerprints.
 *
 * Nothing here knows what a value means: rows.c has the transform's meaning of one, digests.c that
 * of the data-integrity report, and neither uses the other.
 */
#ifndef MT_CODEC_H
#define MT_CODEC_H

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

enum bson {
    BSON_DOUBLE = 0x01, BSON_STRING = 0x02, BSON_OBJECT = 0x03, BSON_ARRAY = 0x04,
    BSON_BINARY = 0x05, BSON_BOOLEAN = 0x08, BSON_DATE = 0x09, BSON_NULL = 0x0A,
    BSON_INT = 0x10, BSON_LONG = 0x12, BSON_DECIMAL = 0x13,
};

#define LARGEST_ROW (1 << 25) /* of BSON; MongoDB stores 16 MiB, and Python says what is too large */

struct buffer { uint8_t *data; size_t size, capacity; };

/* ---- buffers ---- */

static inline bool reserve(struct buffer *buffer, size_t more)
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

static inline bool put(struct buffer *buffer, const void *data, size_t length)
{
    if (!reserve(buffer, length))
        return false;
    if (length)
        memcpy(buffer->data + buffer->size, data, length);
    buffer->size += length;
    return true;
}

static inline bool put_byte(struct buffer *buffer, uint8_t byte)
{
    return put(buffer, &byte, 1);
}

static inline bool put_32(struct buffer *buffer, uint32_t number)
{
    return put(buffer, &number, 4);
}

static inline bool put_64(struct buffer *buffer, uint64_t number)
{
    return put(buffer, &number, 8);
}

/* ---- the bytes of a text ---- */

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

static inline bool take_word(struct text *text, const char *word, size_t length)
{
    if (left(text) < length || memcmp(text->at, word, length) != 0)
        return false;
    text->at += length;
    return true;
}

static inline void skip_space(struct text *text)
{
    for (int byte = peek(text); byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n'; byte = peek(text))
        text->at++;
}

static inline int hex_digit(int byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* Four hex digits of an escape, or -1. */
static inline int32_t take_hex4(struct text *text)
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
static inline size_t utf8_length(const struct text *text)
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

static inline bool put_utf8(struct buffer *buffer, uint32_t code)
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

static inline bool is_plain(uint8_t byte)
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
        uint64_t ends = (word & EACH(0x80)) | LESS(word, 0x20) | LESS(quote, 1) | LESS(slash, 1);
        if (ends) /* its lowest bit is that of the first such byte, as a borrow is only taken from later ones */
            return at + __builtin_ctzll(ends) / 8;
        at += 8;
    }
    while (at < text->end && is_plain(*at))
        at++;
    return at;
}

static inline bool is_digit(int byte)
{
    return byte >= '0' && byte <= '9';
}

/* ---- descriptions of plans: numbers in four bytes, and bytes after their number ---- */

struct description { const uint8_t *at; size_t left; };

static inline bool take_32(struct description *description, uint32_t *number)
{
    if (description->left < 4)
        return false;
    memcpy(number, description->at, 4);
    description->at += 4;
    description->left -= 4;
    return true;
}

static inline bool take_bytes(struct description *description, const uint8_t **bytes, size_t *length)
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

/* ---- XXH3, with its default secret and no seed (github.com/Cyan4973/xxHash, its specification) ---- */

#define P32_1 0x9E3779B1U
#define P32_2 0x85EBCA77U
#define P32_3 0xC2B2AE3DU
#define P64_1 0x9E3779B185EBCA87ULL
#define P64_2 0xC2B2AE3D27D4EB4FULL
#define P64_3 0x165667B19E3779F9ULL
#define P64_4 0x85EBCA77C2B2AE63ULL
#define P64_5 0x27D4EB2F165667C5ULL
#define MX1 0x165667919E3779F9ULL
#define MX2 0x9FB21C651E98DF25ULL

static const uint8_t SECRET[192] = {
    0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c,
    0xde, 0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f,
    0xcb, 0x79, 0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21,
    0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c,
    0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb, 0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3,
    0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8,
    0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7, 0xc7, 0x0b, 0x4f, 0x1d,
    0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64,
    0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb,
    0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e,
    0x2b, 0x16, 0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce,
    0x45, 0xcb, 0x3a, 0x8f, 0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e,
};

typedef unsigned __int128 u128;

static inline uint64_t read_64(const uint8_t *at)
{
    uint64_t number;
    memcpy(&number, at, 8);
    return number;
}

static inline uint32_t read_32(const uint8_t *at)
{
    uint32_t number;
    memcpy(&number, at, 4);
    return number;
}

static inline u128 pair(uint64_t high, uint64_t low)
{
    return (u128)high << 64 | low;
}

static inline uint64_t fold(uint64_t a, uint64_t b)
{
    u128 product = (u128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t avalanche(uint64_t hash)
{
    hash = (hash ^ hash >> 37) * MX1;
    return hash ^ hash >> 32;
}

static inline uint64_t avalanche_64(uint64_t hash)
{
    hash = (hash ^ hash >> 33) * P64_2;
    hash = (hash ^ hash >> 29) * P64_3;
    return hash ^ hash >> 32;
}

static inline uint64_t mix_16(const uint8_t *in, const uint8_t *secret)
{
    return fold(read_64(in) ^ read_64(secret), read_64(in + 8) ^ read_64(secret + 8));
}

/* More than 240 bytes: the accumulators, from which both hashes are made. */
static inline void accumulate_long(uint64_t lanes[8], const uint8_t *in, size_t length)
{
    static const uint64_t START[8] = {P32_3, P64_1, P64_2, P64_3, P64_4, P32_2, P64_5, P32_1};
    size_t stripes = (length - 1) / 64;
    memcpy(lanes, START, sizeof START);
    for (size_t stripe = 0; stripe <= stripes; stripe++) {
        const uint8_t *at = stripe < stripes ? in + stripe * 64 : in + length - 64;
        const uint8_t *secret = stripe < stripes ? SECRET + stripe % 16 * 8 : SECRET + 121;
        for (int i = 0; i < 8; i++) {
            uint64_t value = read_64(at + 8 * i), key = value ^ read_64(secret + 8 * i);
            lanes[i ^ 1] += value;
            lanes[i] += (uint64_t)(uint32_t)key * (key >> 32);
        }
        if (stripe < stripes && stripe % 16 == 15)
            for (int i = 0; i < 8; i++)
                lanes[i] = (lanes[i] ^ lanes[i] >> 47 ^ read_64(SECRET + 128 + 8 * i)) * P32_1;
    }
}

static inline uint64_t merge(const uint64_t lanes[8], const uint8_t *secret, uint64_t start)
{
    for (int i = 0; i < 4; i++)
        start += fold(lanes[2 * i] ^ read_64(secret + 16 * i), lanes[2 * i + 1] ^ read_64(secret + 16 * i + 8));
    return avalanche(start);
}

static inline uint64_t xxh3_64_short(const uint8_t *in, size_t length)
{
    if (length > 8) {
        uint64_t low = read_64(in) ^ read_64(SECRET + 24) ^ read_64(SECRET + 32);
        uint64_t high = read_64(in + length - 8) ^ read_64(SECRET + 40) ^ read_64(SECRET + 48);
        return avalanche(length + __builtin_bswap64(low) + high + fold(low, high));
    }
    if (length > 3) {
        uint64_t both = read_32(in + length - 4) + ((uint64_t)read_32(in) << 32);
        uint64_t hash = both ^ read_64(SECRET + 8) ^ read_64(SECRET + 16);
        hash ^= (hash << 49 | hash >> 15) ^ (hash << 24 | hash >> 40);
        hash *= MX2;
        hash ^= (hash >> 35) + length;
        hash *= MX2;
        return hash ^ hash >> 28;
    }
    if (length == 0)
        return avalanche_64(read_64(SECRET + 56) ^ read_64(SECRET + 64));
    uint32_t bytes = (uint32_t)in[0] << 16 | (uint32_t)in[length >> 1] << 24 | in[length - 1] | (uint32_t)length << 8;
    return avalanche_64(bytes ^ read_32(SECRET) ^ read_32(SECRET + 4));
}

static inline uint64_t xxh3_64(const uint8_t *in, size_t length)
{
    if (length <= 16)
        return xxh3_64_short(in, length);
    if (length > 240) {
        uint64_t lanes[8];
        accumulate_long(lanes, in, length);
        return merge(lanes, SECRET + 11, length * P64_1);
    }
    uint64_t hash = length * P64_1;
    if (length <= 128) {
        for (size_t i = (length - 1) / 32; i > 0; i--)
            hash += mix_16(in + 16 * i, SECRET + 32 * i) + mix_16(in + length - 16 * (i + 1), SECRET + 32 * i + 16);
        return avalanche(hash + mix_16(in, SECRET) + mix_16(in + length - 16, SECRET + 16));
    }
    for (size_t i = 0; i < 8; i++)
        hash += mix_16(in + 16 * i, SECRET + 16 * i);
    hash = avalanche(hash);
    for (size_t i = 8; i < length / 16; i++)
        hash += mix_16(in + 16 * i, SECRET + 16 * (i - 8) + 3);
    return avalanche(hash + mix_16(in + length - 16, SECRET + 119));
}

static inline u128 xxh3_128_short(const uint8_t *in, size_t length)
{
    if (length > 8) {
        uint64_t first = read_64(in), last = read_64(in + length - 8);
        u128 product = (u128)(first ^ last ^ read_64(SECRET + 32) ^ read_64(SECRET + 40)) * P64_1;
        uint64_t low = (uint64_t)product + ((uint64_t)(length - 1) << 54), high = (uint64_t)(product >> 64);
        last ^= read_64(SECRET + 48) ^ read_64(SECRET + 56);
        high += last + (uint64_t)(uint32_t)last * (P32_2 - 1);
        low ^= __builtin_bswap64(high);
        product = (u128)low * P64_2;
        return pair(avalanche((uint64_t)(product >> 64) + high * P64_2), avalanche((uint64_t)product));
    }
    if (length > 3) {
        uint64_t both = read_32(in) + ((uint64_t)read_32(in + length - 4) << 32);
        u128 product = (u128)(both ^ read_64(SECRET + 16) ^ read_64(SECRET + 24)) * (P64_1 + (length << 2));
        uint64_t low = (uint64_t)product, high = (uint64_t)(product >> 64) + (low << 1);
        low ^= high >> 3;
        low = (low ^ low >> 35) * MX2;
        return pair(avalanche(high), low ^ low >> 28);
    }
    if (length == 0)
        return pair(avalanche_64(read_64(SECRET + 80) ^ read_64(SECRET + 88)),
                    avalanche_64(read_64(SECRET + 64) ^ read_64(SECRET + 72)));
    uint32_t low = (uint32_t)in[0] << 16 | (uint32_t)in[length >> 1] << 24 | in[length - 1] | (uint32_t)length << 8;
    uint32_t high = __builtin_bswap32(low);
    high = high << 13 | high >> 19;
    return pair(avalanche_64(high ^ (uint64_t)(read_32(SECRET + 8) ^ read_32(SECRET + 12))),
                avalanche_64(low ^ (uint64_t)(read_32(SECRET) ^ read_32(SECRET + 4))));
}

struct halves { uint64_t low, high; };

static inline void mix_32(struct halves *hash, const uint8_t *one, const uint8_t *two, const uint8_t *secret)
{
    hash->low = (hash->low + mix_16(one, secret)) ^ (read_64(two) + read_64(two + 8));
    hash->high = (hash->high + mix_16(two, secret + 16)) ^ (read_64(one) + read_64(one + 8));
}

static inline u128 xxh3_128(const uint8_t *in, size_t length)
{
    if (length <= 16)
        return xxh3_128_short(in, length);
    if (length > 240) {
        uint64_t lanes[8];
        accumulate_long(lanes, in, length);
        return pair(merge(lanes, SECRET + 117, ~(length * P64_2)), merge(lanes, SECRET + 11, length * P64_1));
    }
    struct halves hash = {.low = length * P64_1};
    if (length <= 128) {
        for (size_t i = (length - 1) / 32 + 1; i-- > 0;)
            mix_32(&hash, in + 16 * i, in + length - 16 * (i + 1), SECRET + 32 * i);
    } else {
        size_t i = 32;
        for (; i < 160; i += 32)
            mix_32(&hash, in + i - 32, in + i - 16, SECRET + i - 32);
        hash.low = avalanche(hash.low);
        hash.high = avalanche(hash.high);
        for (; i <= length; i += 32)
            mix_32(&hash, in + i - 32, in + i - 16, SECRET + 3 + i - 160);
        mix_32(&hash, in + length - 16, in + length - 32, SECRET + 103);
    }
    uint64_t high = hash.low * P64_1 + hash.high * P64_4 + length * P64_2;
    return pair(0 - avalanche(high), avalanche(hash.low + hash.high));
}

#endif
