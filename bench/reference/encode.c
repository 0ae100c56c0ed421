/* Reference for the encoders: interface counters to sFlow v5, NetFlow v9 and IPFIX datagrams.
 *
 * One pass over the rows, one store per field, no allocation. Rows come as numpy lays them out:
 * packed, little endian. Every function returns the octets written and notes the end of each
 * datagram; the caller's buffers are large enough. */
#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define UNKNOWN UINT64_MAX

struct __attribute__((packed)) counters {
    uint32_t ifindex, iftype;
    uint64_t speed;
    uint32_t direction, status;
    uint64_t in_octets, in_packets, in_multicast, in_broadcast, in_discards, in_errors, in_unknown;
    uint64_t out_octets, out_packets, out_multicast, out_broadcast, out_discards, out_errors;
    uint32_t promiscuous, epoch;
};

struct __attribute__((packed)) delta {
    uint32_t ifindex;
    uint64_t in_octets, in_packets, in_discards, in_errors;
    uint64_t out_octets, out_packets, out_discards, out_errors;
    uint64_t start_ms, end_ms, start_uptime_ms, end_uptime_ms;
};

static uint8_t *put8(uint8_t *at, uint8_t value) { *at = value; return at + 1; }

static uint8_t *put16(uint8_t *at, uint16_t value) {
    value = htobe16(value);
    memcpy(at, &value, 2);
    return at + 2;
}

static uint8_t *put32(uint8_t *at, uint32_t value) {
    value = htobe32(value);
    memcpy(at, &value, 4);
    return at + 4;
}

static uint8_t *put64(uint8_t *at, uint64_t value) {
    value = htobe64(value);
    memcpy(at, &value, 8);
    return at + 8;
}

static uint64_t unicast(uint64_t packets, uint64_t multicast, uint64_t broadcast) {
    if (packets == UNKNOWN) return UNKNOWN;
    if (multicast != UNKNOWN) packets -= multicast < packets ? multicast : packets;
    if (broadcast != UNKNOWN) packets -= broadcast < packets ? broadcast : packets;
    return packets;
}

static uint8_t *sample(uint8_t *at, const struct counters *row, uint32_t sequence) {
    at = put32(put32(put32(put32(at, 4), 112), sequence), 0);
    at = put32(put32(put32(put32(at, row->ifindex), 1), 1), 88);
    at = put64(put32(put32(at, row->ifindex), row->iftype), row->speed);
    at = put64(put32(put32(at, row->direction), row->status), row->in_octets);
    at = put32(at, unicast(row->in_packets, row->in_multicast, row->in_broadcast));
    at = put32(put32(at, row->in_multicast), row->in_broadcast);
    at = put32(put32(put32(at, row->in_discards), row->in_errors), row->in_unknown);
    at = put64(at, row->out_octets);
    at = put32(at, unicast(row->out_packets, row->out_multicast, row->out_broadcast));
    at = put32(put32(at, row->out_multicast), row->out_broadcast);
    return put32(put32(put32(at, row->out_discards), row->out_errors), row->promiscuous);
}

size_t sflow5(const struct counters *rows, size_t count, const uint32_t *sequences, uint32_t agent,
              uint32_t sequence, uint32_t uptime, size_t max, uint8_t *out, uint32_t *ends) {
    uint8_t *at = out;
    size_t room = (max - 28) / 120;
    for (size_t i = 0; i < count; i += room) {
        size_t end = i + room < count ? i + room : count;
        at = put32(put32(put32(put32(at, 5), 1), agent), 0);
        at = put32(put32(put32(at, sequence++), uptime), end - i);
        for (size_t j = i; j < end; j++) at = sample(at, rows + j, sequences[j]);
        *ends++ = at - out;
    }
    return at - out;
}

static uint8_t *record9(uint8_t *at, const struct delta *row, int egress) {
    at = put64(at, egress ? row->out_octets : row->in_octets);
    at = put64(at, egress ? row->out_packets : row->in_packets);
    at = put32(put32(at, egress ? 0 : row->ifindex), egress ? row->ifindex : 0);
    return put8(put32(put32(at, row->start_uptime_ms), row->end_uptime_ms), egress);
}

static uint8_t *record10(uint8_t *at, const struct delta *row, int egress) {
    at = put64(at, egress ? row->out_octets : row->in_octets);
    at = put64(at, egress ? row->out_packets : row->in_packets);
    at = put64(at, egress ? row->out_discards : row->in_discards);
    at = put32(put32(at, egress ? 0 : row->ifindex), egress ? row->ifindex : 0);
    return put8(put64(put64(at, row->start_ms), row->end_ms), egress);
}

static uint8_t *finish_set(uint8_t *set, uint8_t *at) {
    while ((at - set) % 4) *at++ = 0;
    put16(set + 2, at - set);
    return at;
}

/* Records are numbered by row and direction: record 2 i is row i's ingress. */
size_t netflow9(const struct delta *rows, size_t count, uint32_t uptime, uint32_t seconds,
                uint32_t sequence, uint32_t domain, size_t max, uint8_t *out, uint32_t *ends) {
    uint8_t *at = out;
    size_t room = ((max & ~3u) - 24) / 33;
    for (size_t i = 0; i < 2 * count; i += room) {
        size_t end = i + room < 2 * count ? i + room : 2 * count;
        at = put32(put32(put16(put16(at, 9), end - i), uptime), seconds);
        uint8_t *set = at = put32(put32(at, sequence++), domain);
        at = put16(put16(at, 257), 0);
        for (size_t j = i; j < end; j++) at = record9(at, rows + j / 2, j % 2);
        at = finish_set(set, at);
        *ends++ = at - out;
    }
    return at - out;
}

size_t ipfix(const struct delta *rows, size_t count, uint32_t seconds, uint32_t sequence,
             uint32_t domain, size_t max, uint8_t *out, uint32_t *ends) {
    uint8_t *at = out;
    size_t room = ((max & ~3u) - 20) / 49;
    for (size_t i = 0; i < 2 * count; i += room) {
        size_t end = i + room < 2 * count ? i + room : 2 * count;
        uint8_t *message = at;
        at = put32(put16(put16(at, 10), 0), seconds);
        uint8_t *set = at = put32(put32(at, sequence), domain);
        at = put16(put16(at, 257), 0);
        for (size_t j = i; j < end; j++) at = record10(at, rows + j / 2, j % 2);
        at = finish_set(set, at);
        put16(message + 2, at - message);
        sequence += end - i;
        *ends++ = at - out;
    }
    return at - out;
}
