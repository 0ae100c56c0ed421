/* What a plain program does with ctnetlink: read a table, compare it with the one before, read the
 * ends of connections. One thread, no allocation per entry. */

#define _GNU_SOURCE
#include <linux/netlink.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct flow {
	uint64_t counters[4], start;
	uint32_t id, mark, status;
	uint16_t sport, dport;
	uint8_t protocol, src[16], dst[16];
};

static uint64_t be64(const void *from)
{
	uint64_t value;
	memcpy(&value, from, 8);
	return __builtin_bswap64(value);
}

#define EACH(a, begin, end) \
	for (const struct nlattr *a = (const void *)(begin); (const char *)a < (end); \
	     a = (const void *)((const char *)a + NLA_ALIGN(a->nla_len)))
#define TYPE(a) ((a)->nla_type & 0x3fff)
#define VALUE(a) ((const char *)(a) + 4)
#define END(a) ((const char *)(a) + (a)->nla_len)

static void read_tuple(struct flow *flow, const struct nlattr *tuple)
{
	EACH(part, VALUE(tuple), END(tuple)) {
		EACH(one, VALUE(part), END(part)) {
			int type = TYPE(one), size = one->nla_len - 4;
			if (TYPE(part) == 1 && size <= 16)
				memcpy(type & 1 ? flow->src : flow->dst, VALUE(one), size);
			else if (TYPE(part) == 2 && type == 1)
				flow->protocol = *VALUE(one);
			else if (TYPE(part) == 2 && (type == 2 || type == 3))
				memcpy(type == 2 ? &flow->sport : &flow->dport, VALUE(one), 2);
		}
	}
}

static void read_flow(struct flow *flow, const struct nlmsghdr *message)
{
	const char *end = (const char *)message + message->nlmsg_len;
	EACH(one, (const char *)message + 20, end) {
		switch (TYPE(one)) {
		case 1: read_tuple(flow, one); break;
		case 3: memcpy(&flow->status, VALUE(one), 4); break;
		case 8: memcpy(&flow->mark, VALUE(one), 4); break;
		case 9:
		case 10:
			EACH(count, VALUE(one), END(one))
				flow->counters[(TYPE(one) - 9) * 2 + TYPE(count) - 1] = be64(VALUE(count));
			break;
		case 12: memcpy(&flow->id, VALUE(one), 4); break;
		case 20: flow->start = be64(VALUE(one) + 4); break;
		}
	}
}

/* Read the whole table; the number of entries, or -1. */
long dump(int link, struct flow *flows)
{
	static char buffer[1 << 16];
	struct { struct nlmsghdr header; uint8_t family[4]; } request = {{20, 0x101, 0x301, 7, 0}, {0}};
	long count = 0;
	if (send(link, &request, sizeof request, 0) < 0)
		return -1;
	for (;;) {
		int left = recv(link, buffer, sizeof buffer, 0);
		if (left <= 0)
			return -1;
		for (struct nlmsghdr *m = (void *)buffer; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
			if (m->nlmsg_type == NLMSG_DONE)
				return count;
			if (m->nlmsg_type == NLMSG_ERROR)
				return -1;
			read_flow(flows + count++, m);
		}
	}
}

#define SLOTS 1024
#define SLOT 1024

/* Read the events that wait; their number. */
long drain(int link, struct flow *flows)
{
	static char buffer[SLOTS][SLOT];
	static struct iovec vectors[SLOTS];
	static struct mmsghdr messages[SLOTS];
	long count = 0;
	for (int i = 0; i < SLOTS; i++) {
		vectors[i] = (struct iovec){buffer[i], SLOT};
		messages[i].msg_hdr = (struct msghdr){.msg_iov = vectors + i, .msg_iovlen = 1};
	}
	for (;;) {
		int got = recvmmsg(link, messages, SLOTS, MSG_DONTWAIT, NULL);
		if (got <= 0)
			return count;
		for (int i = 0; i < got; i++)
			read_flow(flows + count++, (void *)buffer[i]);
	}
}

struct known { uint64_t key, counters[4]; uint32_t round; };

static uint64_t home(uint64_t key, uint64_t mask)
{
	return key * 0x9E3779B97F4A7C15u >> 20 & mask;
}

/* Take the flow at a place out of an open hash: those behind it move up. */
static void forget(struct known *table, uint64_t mask, uint64_t hole)
{
	for (uint64_t next = (hole + 1) & mask; table[next].key; next = (next + 1) & mask) {
		if (((next - home(table[next].key, mask)) & mask) >= ((next - hole) & mask)) {
			table[hole] = table[next];
			hole = next;
		}
	}
	memset(table + hole, 0, sizeof *table);
}

/* Compare flows with those of the rounds before, in an open hash of mask + 1 places; those that were
 * in neither of the latest two rounds are forgotten. The number of flows that grew. */
long delta(struct known *table, uint64_t mask, const uint64_t *keys, const uint64_t (*counters)[4],
	   long flows, uint32_t round, uint64_t (*grown)[4])
{
	long changed = 0;
	for (long i = 0; i < flows; i++) {
		uint64_t place = home(keys[i], mask);
		while (table[place].key && table[place].key != keys[i])
			place = (place + 1) & mask;
		struct known *one = table + place;
		one->key = keys[i];
		one->round = round;
		int differs = 0;
		for (int k = 0; k < 4; k++) {
			uint64_t before = one->counters[k] <= counters[i][k] ? one->counters[k] : 0;
			grown[i][k] = counters[i][k] - before;
			differs |= grown[i][k] != 0;
			one->counters[k] = counters[i][k];
		}
		changed += differs;
	}
	for (uint64_t place = 0; place <= mask; place++)
		while (table[place].key && table[place].round + 1 < round)
			forget(table, mask, place);
	return changed;
}
