// A device that samples by itself, as switches do: it tells psample which queue a packet leaves by,
// how much waits there, and how long it took. Drivers of real ones need the hardware; this one hands
// over packets of its own when it is loaded, in the network namespace of who loads it.

#include <linux/etherdevice.h>
#include <linux/ip.h>
#include <linux/module.h>
#include <linux/nsproxy.h>
#include <linux/sched.h>
#include <linux/udp.h>
#include <net/psample.h>

static uint group, in_ifindex, out_ifindex, queue, depth, latency, port, count = 1, rate = 1;
module_param(group, uint, 0);
module_param(in_ifindex, uint, 0);
module_param(out_ifindex, uint, 0);
module_param(queue, uint, 0);
module_param(depth, uint, 0);
module_param(latency, uint, 0);
module_param(port, uint, 0);
module_param(count, uint, 0);
module_param(rate, uint, 0);

#define SIZE 200

static struct sk_buff *make_packet(void)
{
	struct sk_buff *skb = alloc_skb(SIZE, GFP_KERNEL);
	struct ethhdr *ethernet;
	struct iphdr *ip;
	struct udphdr *udp;

	if (!skb)
		return NULL;
	ethernet = skb_put_zero(skb, SIZE);
	eth_broadcast_addr(ethernet->h_dest);
	ethernet->h_proto = htons(ETH_P_IP);
	ip = (struct iphdr *)(ethernet + 1);
	ip->version = 4;
	ip->ihl = 5;
	ip->ttl = 64;
	ip->protocol = IPPROTO_UDP;
	ip->tot_len = htons(SIZE - ETH_HLEN);
	ip->saddr = htonl(0xcb007101); // 203.0.113.1, and 203.0.113.2
	ip->daddr = htonl(0xcb007102);
	udp = (struct udphdr *)(ip + 1);
	udp->dest = htons(port);
	udp->len = htons(SIZE - ETH_HLEN - sizeof(*ip));
	skb->protocol = htons(ETH_P_IP);
	return skb;
}

static int __init psample_device_init(void)
{
	struct psample_metadata told = {
		.trunc_size = 128,
		.in_ifindex = in_ifindex,
		.out_ifindex = out_ifindex,
		.out_tc = queue,
		.out_tc_valid = 1,
		.out_tc_occ = depth,
		.out_tc_occ_valid = 1,
		.latency = latency,
		.latency_valid = 1,
	};
	struct psample_group *samples = psample_group_get(current->nsproxy->net_ns, group);
	struct sk_buff *skb;
	uint number;

	if (!samples)
		return -ENOMEM;
	skb = make_packet();
	for (number = 0; skb && number < count; number++)
		psample_sample_packet(samples, skb, rate, &told);
	psample_group_put(samples);
	if (!skb)
		return -ENOMEM;
	kfree_skb(skb);
	return 0;
}

static void __exit psample_device_exit(void)
{
}

module_init(psample_device_init);
module_exit(psample_device_exit);
MODULE_DESCRIPTION("Samples as of a device, for tests");
MODULE_LICENSE("GPL");
