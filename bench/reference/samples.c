/* Reference for the flow samples of sFlow: sampled packets to datagrams.
 *
 * One pass over the samples, no allocation; routes come as they are looked up, encoded for each
 * sample. The caller's buffer is large enough. */
#include "put.h"

#define HEAD 76 /* octets of a sample before the packet's own */

struct columns {
    const uint32_t *source, *sequence, *rate, *pool, *drops, *in_if, *out_if, *header_protocol;
    const uint32_t *frame_length, *src_vlan, *src_priority, *dst_vlan, *dst_priority;
    const uint32_t *src_mask, *src_as, *src_peer_as;
    const int64_t *offsets, *lengths, *route; /* the last is NULL when nothing is enriched */
    const uint8_t *buffer;
};

struct route {
    uint32_t next_hop, dst_mask, gateway, bgp_next_hop, path_length, path[8], local_pref;
};

static size_t padded(size_t length) { return (length + 3) & ~(size_t)3; }

static size_t gateway_size(const struct route *r) {
    return 8 + 8 + 16 + 8 + 4 * r->path_length + 8;
}

static size_t size_of(const struct columns *c, size_t i, const struct route *routes) {
    size_t size = HEAD + padded(c->lengths[i]);
    if (!c->route) return size;
    if (c->src_vlan[i] || c->dst_vlan[i]) size += 24;
    if (c->route[i] < 0) return size;
    const struct route *r = routes + c->route[i];
    return size + 24 + (r->gateway ? gateway_size(r) : 0);
}

static uint8_t *put_route(uint8_t *at, const struct columns *c, size_t i, const struct route *r,
                          uint32_t own_as) {
    at = put32(put32(put32(put32(at, 1002), 16), 1), r->next_hop);
    at = put32(put32(at, c->src_mask[i]), r->dst_mask);
    if (!r->gateway) return at;
    at = put32(put32(put32(put32(at, 1003), gateway_size(r) - 8), 1), r->bgp_next_hop);
    at = put32(put32(put32(at, own_as), c->src_as[i]), c->src_peer_as[i]);
    at = put32(put32(put32(at, 1), 2), r->path_length);
    for (uint32_t n = 0; n < r->path_length; n++) at = put32(at, r->path[n]);
    return put32(put32(at, 0), r->local_pref);
}

static uint8_t *put_sample(uint8_t *at, const struct columns *c, size_t i, size_t size,
                           const struct route *routes, uint32_t own_as) {
    const struct route *r = c->route && c->route[i] >= 0 ? routes + c->route[i] : NULL;
    int tagged = c->route && (c->src_vlan[i] || c->dst_vlan[i]);
    uint32_t length = c->lengths[i], fcs = c->header_protocol[i] == 1 ? 4 : 0;
    at = put32(put32(put32(put32(at, 3), size - 8), c->sequence[i]), 0);
    at = put32(put32(put32(put32(at, c->source[i]), c->rate[i]), c->pool[i]), c->drops[i]);
    at = put32(put32(put32(put32(at, 0), c->in_if[i]), 0), c->out_if[i]);
    at = put32(at, 1 + tagged + (r ? 1 + r->gateway : 0));
    at = put32(put32(put32(at, 1), 16 + padded(length)), c->header_protocol[i]);
    at = put32(put32(put32(at, c->frame_length[i] + fcs), fcs), length);
    memcpy(at, c->buffer + c->offsets[i], length);
    memset(at + length, 0, padded(length) - length);
    at += padded(length);
    if (tagged) {
        at = put32(put32(put32(at, 1001), 16), c->src_vlan[i]);
        at = put32(put32(put32(at, c->src_priority[i]), c->dst_vlan[i]), c->dst_priority[i]);
    }
    return r ? put_route(at, c, i, r, own_as) : at;
}

size_t samples(const struct columns *c, size_t count, const struct route *routes, uint32_t own_as,
               uint32_t agent, uint32_t uptime, size_t max, uint8_t *out) {
    uint8_t *at = out;
    uint32_t number = 1;
    for (size_t i = 0; i < count; number++) {
        uint8_t *datagram = at;
        size_t first = i;
        at = put32(put32(put32(put32(at, 5), 1), agent), 0);
        at = put32(put32(put32(at, number), uptime), 0);
        for (size_t size; i < count; i++) {
            size = size_of(c, i, routes);
            if (at - datagram + size > (max & ~3u)) break;
            at = put_sample(at, c, i, size, routes, own_as);
        }
        put32(datagram + 24, i - first);
    }
    return at - out;
}
