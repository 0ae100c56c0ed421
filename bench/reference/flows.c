/* Reference for the flow encoders: columns to NetFlow v5, v9 and IPFIX datagrams.
 *
 * One pass over the rows, one store per field, no allocation. Columns are those of a batch, native
 * integers; addresses of IPv6 are pairs of 64 bits. Every function returns the octets written; the
 * caller's buffer is large enough. */
#include "put.h"

struct columns {
    const void *src, *dst, *next_hop, *bgp_next_hop;
    const uint16_t *src_port, *dst_port, *icmp, *vlan;
    const uint8_t *protocol, *tos, *tcp_flags, *src_mask, *dst_mask, *direction, *end_reason;
    const uint64_t *octets, *packets, *start_ms, *end_ms;
    const uint32_t *in_if, *out_if, *src_as, *dst_as, *prev_as, *next_as, *vrf;
};

struct when {
    uint64_t time_ms, uptime_ms;
};

static uint16_t narrow(uint32_t value, uint16_t substitute) {
    return value > 0xFFFF ? substitute : value;
}

static uint64_t end_of(const struct columns *c, size_t i, const struct when *w) {
    return c->end_ms[i] < w->time_ms ? c->end_ms[i] : w->time_ms;
}

static uint64_t start_of(const struct columns *c, size_t i, const struct when *w) {
    uint64_t end = end_of(c, i, w);
    return c->start_ms[i] < end ? c->start_ms[i] : end;
}

static uint32_t since_boot(uint64_t ms, const struct when *w) {
    uint64_t age = w->uptime_ms < 0x7FFFFFFF ? w->uptime_ms : 0x7FFFFFFF;
    uint64_t oldest = w->time_ms - age;
    return (ms > oldest ? ms : oldest) - (w->time_ms - w->uptime_ms);
}

static uint8_t *put_address(uint8_t *at, const void *column, size_t i, int version) {
    if (version == 4) return put32(at, ((const uint32_t *)column)[i]);
    const uint64_t *halves = (const uint64_t *)column + 2 * i;
    return put64(put64(at, halves[0]), halves[1]);
}

static uint8_t *put_times(uint8_t *at, const struct columns *c, size_t i, const struct when *w,
                          int protocol) {
    uint64_t start = start_of(c, i, w), end = end_of(c, i, w);
    if (protocol == 9) return put32(put32(at, since_boot(start, w)), since_boot(end, w));
    return put64(put64(at, start), end);
}

static uint8_t *record5(uint8_t *at, const struct columns *c, size_t i, const struct when *w) {
    at = put_address(put_address(at, c->src, i, 4), c->dst, i, 4);
    at = put_address(at, c->next_hop, i, 4);
    at = put16(put16(at, narrow(c->in_if[i], 0)), narrow(c->out_if[i], 0));
    at = put32(put32(at, c->packets[i]), c->octets[i]);
    at = put_times(at, c, i, w, 9);
    at = put16(put16(at, c->src_port[i]), c->dst_port[i] | c->icmp[i]);
    at = put8(put8(put8(put8(at, 0), c->tcp_flags[i]), c->protocol[i]), c->tos[i]);
    at = put16(put16(at, narrow(c->src_as[i], 23456)), narrow(c->dst_as[i], 23456));
    return put16(put8(put8(at, c->src_mask[i]), c->dst_mask[i]), 0);
}

static uint8_t *classic(uint8_t *at, const struct columns *c, size_t i, const struct when *w,
                        int protocol) {
    at = put32(put32(at, c->octets[i]), c->packets[i]);
    at = put8(put8(put8(at, c->protocol[i]), c->tos[i]), c->tcp_flags[i]);
    at = put_address(put16(at, c->src_port[i]), c->src, i, 4);
    at = put16(put8(at, c->src_mask[i]), narrow(c->in_if[i], 0));
    at = put_address(put16(at, c->dst_port[i] | c->icmp[i]), c->dst, i, 4);
    at = put16(put8(at, c->dst_mask[i]), narrow(c->out_if[i], 0));
    at = put_address(at, c->next_hop, i, 4);
    at = put16(put16(at, narrow(c->src_as[i], 23456)), narrow(c->dst_as[i], 23456));
    if (protocol == 10) return put_times(at, c, i, w, 10);
    at = put32(at, since_boot(end_of(c, i, w), w)); /* the last comes before the first */
    return put32(at, since_boot(start_of(c, i, w), w));
}

static uint8_t *extended(uint8_t *at, const struct columns *c, size_t i, const struct when *w,
                         int protocol, int version) {
    at = put64(put64(at, c->octets[i]), c->packets[i]);
    at = put8(put8(put8(at, c->protocol[i]), c->tos[i]), c->tcp_flags[i]);
    at = put16(at, c->src_port[i]);
    at = protocol == 9 ? put16(put16(at, c->dst_port[i] | c->icmp[i]), c->icmp[i])
                       : put16(put16(at, c->icmp[i]), c->dst_port[i]);
    at = put_address(put_address(at, c->src, i, version), c->dst, i, version);
    at = put8(put8(at, c->src_mask[i]), c->dst_mask[i]);
    at = put_address(put_address(at, c->next_hop, i, version), c->bgp_next_hop, i, version);
    at = put32(put32(at, c->in_if[i]), c->out_if[i]);
    at = put32(put32(at, c->src_as[i]), c->dst_as[i]);
    at = put32(put32(at, c->next_as[i]), c->prev_as[i]);
    at = put8(put8(at, c->direction[i]), c->end_reason[i]);
    at = put32(put16(at, c->vlan[i]), c->vrf[i]);
    at = put_times(at, c, i, w, protocol);
    return protocol == 9 ? at : put32(at, 1); /* the selector of all packets */
}

size_t netflow5(const struct columns *c, size_t count, const struct when *w, uint32_t seconds,
                uint32_t nanoseconds, size_t max, uint8_t *out) {
    uint8_t *at = out;
    size_t room = (max - 24) / 48 < 30 ? (max - 24) / 48 : 30;
    for (size_t i = 0; i < count;) {
        size_t end = i + room < count ? i + room : count;
        at = put32(put16(put16(at, 5), end - i), w->uptime_ms);
        at = put32(put32(put32(at, seconds), nanoseconds), i);
        at = put16(put16(at, 1), 1);
        for (; i < end; i++) at = record5(at, c, i, w);
    }
    return at - out;
}

/* id 256 is the classic layout; other ids are extended, of the version given. */
size_t sets(const struct columns *c, size_t count, const struct when *w, uint32_t seconds,
            int protocol, int version, uint16_t id, size_t width, size_t max, uint8_t *out) {
    uint8_t *at = out;
    size_t room = ((max & ~3u) - (protocol == 9 ? 24 : 20)) / width;
    uint32_t packets = 0;
    for (size_t i = 0; i < count; packets++) {
        size_t end = i + room < count ? i + room : count;
        uint8_t *message = at;
        at = put16(put16(at, protocol), end - i);
        if (protocol == 9) at = put32(at, w->uptime_ms);
        uint8_t *set = put32(put32(put32(at, seconds), protocol == 9 ? packets : i), 1);
        at = put16(put16(set, id), 0);
        for (; i < end; i++)
            at = id == 256 ? classic(at, c, i, w, protocol)
                           : extended(at, c, i, w, protocol, version);
        while ((at - set) % 4) *at++ = 0;
        put16(set + 2, at - set);
        if (protocol == 10) put16(message + 2, at - message);
    }
    return at - out;
}
