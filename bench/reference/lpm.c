/* Longest-prefix match in plain C: a trie of four bits a step, for addresses of any width. */
#include <stddef.h>
#include <stdint.h>

struct slot {
    uint32_t child; /* the node below, 0 for none */
    int32_t value;  /* of the longest prefix that ends here, plus one; 0 for none */
};

struct node {
    struct slot slots[16];
};

static unsigned nibble(const uint8_t *address, unsigned step)
{
    return step % 2 ? address[step / 2] & 15 : address[step / 2] >> 4;
}

/* Add prefixes, the shorter first; nodes are zeros, the first is the root. Gives the nodes used. */
size_t lpm_load(struct node *nodes, size_t most, const uint8_t *addresses, size_t width,
                const int64_t *lengths, size_t count)
{
    size_t used = 1;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *address = addresses + i * width;
        unsigned length = (unsigned)lengths[i], step = 0;
        struct node *node = nodes;
        for (; length > 4; length -= 4, step++) {
            struct slot *slot = &node->slots[nibble(address, step)];
            if (!slot->child) {
                if (used == most)
                    return 0;
                slot->child = (uint32_t)used++;
            }
            node = &nodes[slot->child];
        }
        unsigned spread = 1u << (4 - length);
        unsigned first = (step < 2 * width ? nibble(address, step) : 0) & ~(spread - 1);
        for (unsigned j = first; j < first + spread; j++)
            node->slots[j].value = (int32_t)i + 1;
    }
    return used;
}

/* Find the position of the longest prefix of each address, -1 for none. */
void lpm_find(const struct node *nodes, const uint8_t *addresses, size_t width, size_t count,
              int64_t *found)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t *address = addresses + i * width;
        const struct node *node = nodes;
        int32_t value = 0;
        for (unsigned step = 0; step < 2 * width; step++) {
            const struct slot *slot = &node->slots[nibble(address, step)];
            if (slot->value)
                value = slot->value;
            if (!slot->child)
                break;
            node = &nodes[slot->child];
        }
        found[i] = (int64_t)value - 1;
    }
}
