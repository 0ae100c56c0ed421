/* The reference for sending: as many datagrams as sendmmsg takes in one call. */

#define _GNU_SOURCE

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

enum { MOST = 1024 };

/* Sends `count` datagrams that stand one after the other in `octets`, the first at `offsets[0]`;
 * returns how many the kernel accepted before the first error. */
size_t send_datagrams(int link, const char *octets, const uint64_t *offsets, size_t count)
{
    static struct mmsghdr messages[MOST];
    static struct iovec vectors[MOST];
    size_t sent = 0;

    memset(messages, 0, sizeof messages);
    while (sent < count) {
        unsigned int part = count - sent < MOST ? (unsigned int)(count - sent) : MOST;
        for (unsigned int i = 0; i < part; i++) {
            const uint64_t *at = offsets + sent + i;
            vectors[i].iov_base = (void *)(octets + at[0]);
            vectors[i].iov_len = at[1] - at[0];
            messages[i].msg_hdr.msg_iov = &vectors[i];
            messages[i].msg_hdr.msg_iovlen = 1;
        }
        int accepted = sendmmsg(link, messages, part, 0);
        if (accepted < 0 && errno == EINTR)
            continue;
        if (accepted <= 0)
            break;
        sent += (size_t)accepted;
    }
    return sent;
}
