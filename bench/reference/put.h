/* Storing numbers in network byte order; each function returns where the next one goes. */
#ifndef PUT_H
#define PUT_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint8_t *put8(uint8_t *at, uint8_t value) { *at = value; return at + 1; }

static inline uint8_t *put16(uint8_t *at, uint16_t value) {
    value = htobe16(value);
    memcpy(at, &value, 2);
    return at + 2;
}

static inline uint8_t *put32(uint8_t *at, uint32_t value) {
    value = htobe32(value);
    memcpy(at, &value, 4);
    return at + 4;
}

static inline uint8_t *put64(uint8_t *at, uint64_t value) {
    value = htobe64(value);
    memcpy(at, &value, 8);
    return at + 8;
}

#endif
