/* What compilers call on their own: copies and fills, by words where they can. */
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-tree-loop-distribute-patterns") /* else a loop here becomes a call of itself */
#endif

typedef uint32_t __attribute__((may_alias)) word;

static int aligned(const void *a, const void *b)
{
    return (((uintptr_t)a | (uintptr_t)b) & 3u) == 0;
}

void *memcpy(void *to, const void *from, size_t n)
{
    uint8_t *d = to;
    const uint8_t *s = from;
    for (; n >= 4 && aligned(d, s); n -= 4, d += 4, s += 4)
        *(word *)(void *)d = *(const word *)(const void *)s;
    for (; n; n--)
        *d++ = *s++;
    return to;
}

void *memmove(void *to, const void *from, size_t n)
{
    uint8_t *d = to;
    const uint8_t *s = from;
    if ((uintptr_t)d - (uintptr_t)s >= n)
        return memcpy(to, from, n);
    for (; n; n--)
        d[n - 1] = s[n - 1];
    return to;
}

void *memset(void *to, int c, size_t n)
{
    uint8_t *d = to;
    for (; n >= 4 && aligned(d, d); n -= 4, d += 4)
        *(word *)(void *)d = (uint8_t)c * 0x01010101u;
    for (; n; n--)
        *d++ = (uint8_t)c;
    return to;
}
