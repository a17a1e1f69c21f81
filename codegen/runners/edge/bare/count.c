/* Plugin of QEMU: how often each instruction ran, as pairs of 64-bit words (address, count) in a file.
   Prototypes are our own, since Debian has no qemu-plugin.h. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t id_t_;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
extern uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);
extern void qemu_plugin_register_vcpu_tb_trans_cb(id_t_, void (*)(id_t_, struct qemu_plugin_tb *));
extern void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *, int, void *, uint64_t);
extern void qemu_plugin_register_atexit_cb(id_t_, void (*)(id_t_, void *), void *);

int qemu_plugin_version = 1;

#define SLOTS ((size_t)1 << 22)
static struct { uint64_t address, count; } seen[SLOTS];
static char path[4096];

/* Why a fixed table: translated code keeps pointers into it. Address 0 holds vectors and never runs. */
static uint64_t *counter(uint64_t address)
{
    for (size_t k = 0, i = (address >> 1) % SLOTS; k < SLOTS; k++, i = (i + 1) % SLOTS) {
        if (seen[i].address == 0)
            seen[i].address = address;
        if (seen[i].address == address)
            return &seen[i].count;
    }
    fprintf(stderr, "more than %zu instructions to count\n", SLOTS);
    exit(3);
}

static void translated(id_t_ id, struct qemu_plugin_tb *block)
{
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
        struct qemu_plugin_insn *one = qemu_plugin_tb_get_insn(block, i);
        qemu_plugin_register_vcpu_insn_exec_inline(one, 0, counter(qemu_plugin_insn_vaddr(one)), 1);
    }
}

static void finished(id_t_ id, void *nothing)
{
    FILE *file = fopen(path, "wb");
    (void)id, (void)nothing;
    for (size_t i = 0; file && i < SLOTS; i++)
        if (seen[i].count)
            fwrite(&seen[i], sizeof seen[i], 1, file);
    if (file)
        fclose(file);
}

int qemu_plugin_install(id_t_ id, const void *info, int argc, char **argv)
{
    (void)info;
    if (argc != 1 || strncmp(argv[0], "out=", 4) || strlen(argv[0]) - 4 >= sizeof path)
        return 1;
    strcpy(path, argv[0] + 4);
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, finished, NULL);
    return 0;
}
