/*
 * A plugin for QEMU 10 that counts, from outside, what happens between the marks of the guest
 * kernel's benches (guest-kernel/src/bench/window.rs): instructions of the guest and of the
 * hypervisor, loads of CR3 and other flushes, and the ways into the hypervisor by what the guest
 * executed last. What only waits is marked as well, and counted nowhere. With `profile=N` also how often each instruction of operation N was executed.
 *
 * With `parties=WORD` also for whom each instruction was executed: under which root of page tables,
 * and of which domain, whose kernel has a word at that address (in hexadecimal) by which it is told
 * from others.
 *
 * Arguments: out=FILE, profile=N, parties=WORD. When QEMU ends, FILE has a line for each operation:
 *
 *   operation N windows W clean C guest G hypervisor H cr3 R cr4 R invlpg I invpcid I
 *     syscall S trap T instruction P other O
 *
 * (on one line), and `address A count N bytes HEX` for each instruction that was profiled, or `party P
 * operation N root R domain W` and `address A party P count N bytes HEX`. Sums are
 * over the `clean` windows, those as short as the shortest: an interrupt makes one longer. A file that
 * was begun and not finished has no line `end`.
 *
 * What QEMU offers is declared here as its manual describes it (docs/devel/tcg-plugins), because
 * Debian has no package with the header.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
typedef uint32_t qemu_plugin_meminfo_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;

extern void qemu_plugin_register_vcpu_tb_trans_cb(
    qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
extern void qemu_plugin_register_vcpu_insn_exec_cb(
    struct qemu_plugin_insn *, void (*)(unsigned, void *), int, void *);
extern void qemu_plugin_register_vcpu_mem_cb(
    struct qemu_plugin_insn *,
    void (*)(unsigned, qemu_plugin_meminfo_t, uint64_t, void *), int, int, void *);
extern void qemu_plugin_register_atexit_cb(
    qemu_plugin_id_t, void (*)(qemu_plugin_id_t, void *), void *);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
extern size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *, void *, size_t);
extern size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);
extern uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);

extern void qemu_plugin_register_vcpu_init_cb(
    qemu_plugin_id_t, void (*)(qemu_plugin_id_t, unsigned));
extern void qemu_plugin_register_vcpu_tb_exec_cb(
    struct qemu_plugin_tb *, void (*)(unsigned, void *), int, void *);

#include "parties.h"

#define EXPORTED __attribute__((visibility("default")))
enum { NO_REGISTERS = 0, READS_REGISTERS = 1, WRITES = 2 };

EXPORTED int qemu_plugin_version = 4;

/* What an instruction is, as far as it is counted apart. */
enum kind { OTHER, SYSCALL, TRAP, PRIVILEGED, CR3, CR4, INVLPG, INVPCID, KINDS };

struct instruction {
    uint64_t address;
    /* Of the profiled operation: in its shortest windows, and in the one that is open. */
    uint64_t count;
    uint64_t count_in_window;
    /* With `parties`: in windows, by the party that runs. */
    uint64_t *by_party;
    enum kind kind;
    bool of_hypervisor;
    bool only_waits;
    uint8_t length;
    uint8_t bytes[15];
    struct instruction *next;
};

struct sums {
    uint64_t guest;
    uint64_t hypervisor;
    /* Executed by either: only what loads registers or forgets translations. */
    uint64_t executed[KINDS];
    /* Entries into the hypervisor, by what the guest executed last. */
    uint64_t entries[KINDS];
};

enum { OPERATIONS = 512, BUCKETS = 1 << 16, CPUS = 8 };

/* Windows of the same length are added up; of all lengths the shortest is kept. */
static struct {
    uint64_t windows;
    uint64_t clean;
    struct sums sums;
    uint64_t shortest;
} operations[OPERATIONS];

static struct instruction *known[BUCKETS];
static struct sums window;
/* What each processor executed last. */
static const struct instruction *last[CPUS];
static unsigned operation;
static bool open;
static long profiled = -1;
/* What the profiled operation executed. */
static struct instruction **executed;
static size_t executed_count, executed_room;
static FILE *out;

static const uint8_t MARK[6] = {0x0f, 0x1f, 0x80, 'P', 'V', 'N'};
/* From WAITS on the kind is the length of what follows, which waits and is counted nowhere. */
enum { OPENS = 1, CLOSES = 2, TELLS = 3, WAITS = 0x80 };

static bool is_of_hypervisor(uint64_t address)
{
    return address >= UINT64_C(0xffff800000000000) && address < UINT64_C(0xffff880000000000);
}

/* The opcode behind legacy prefixes and REX. */
static const uint8_t *opcode(const uint8_t *bytes, size_t *left)
{
    while (*left > 1 && (*bytes == 0x66 || *bytes == 0xf2 || *bytes == 0xf3 || *bytes == 0xf0 ||
                         *bytes == 0x2e || *bytes == 0x3e || (*bytes & 0xfc) == 0x64 ||
                         (*bytes & 0xf0) == 0x40)) {
        bytes++;
        (*left)--;
    }
    return bytes;
}

static enum kind kind_of_two_bytes(const uint8_t *o, size_t left)
{
    uint8_t reg = left > 2 ? (o[2] >> 3) & 7 : 0;
    switch (o[1]) {
    case 0x05:
        return SYSCALL;
    case 0x0b:
        return TRAP;
    case 0x22:
        return reg == 3 ? CR3 : reg == 4 ? CR4 : PRIVILEGED;
    case 0x01:
        return reg == 7 && o[2] < 0xc0 ? INVLPG : PRIVILEGED;
    case 0x06: case 0x09: case 0x20: case 0x21: case 0x23: case 0x30: case 0x32:
        return PRIVILEGED;
    case 0x38:
        return left > 2 && o[2] == 0x82 ? INVPCID : OTHER;
    default:
        return OTHER;
    }
}

static enum kind kind_of(const uint8_t *bytes, size_t length)
{
    const uint8_t *o = opcode(bytes, &length);
    switch (*o) {
    case 0x0f:
        return length > 1 ? kind_of_two_bytes(o, length) : OTHER;
    case 0xcc: case 0xcd:
        return TRAP;
    case 0xe4: case 0xe5: case 0xe6: case 0xe7: case 0xec: case 0xed: case 0xee: case 0xef:
    case 0xf4: case 0xfa: case 0xfb:
        return PRIVILEGED;
    default:
        return OTHER;
    }
}

static struct instruction *lookup(struct qemu_plugin_insn *of)
{
    uint64_t address = qemu_plugin_insn_vaddr(of);
    uint8_t bytes[15];
    size_t length = qemu_plugin_insn_size(of);
    length = length > sizeof bytes ? sizeof bytes : length;
    qemu_plugin_insn_data(of, bytes, length);
    struct instruction **bucket = &known[(address ^ address >> 16) % BUCKETS];
    for (struct instruction *i = *bucket; i; i = i->next)
        if (i->address == address && i->length == length && !memcmp(i->bytes, bytes, length))
            return i;
    struct instruction *i = calloc(1, sizeof *i);
    if (!i)
        abort();
    *i = (struct instruction){.address = address, .kind = kind_of(bytes, length),
                              .of_hypervisor = is_of_hypervisor(address),
                              .length = (uint8_t)length, .next = *bucket};
    memcpy(i->bytes, bytes, length);
    return *bucket = i;
}

static void remember(struct instruction *i)
{
    if (executed_count == executed_room) {
        executed_room = executed_room ? 2 * executed_room : 1024;
        executed = realloc(executed, executed_room * sizeof *executed);
        if (!executed)
            abort();
    }
    executed[executed_count++] = i;
}

static void on_block_begun(unsigned cpu, void *data)
{
    const struct instruction *first = data;
    (void)cpu;
    see_who_runs(first->address);
    if (open)
        begin_party(operation, first->of_hypervisor);
}

static void on_instruction(unsigned cpu, void *data)
{
    struct instruction *i = data;
    const struct instruction **before = &last[cpu % CPUS];
    if (i->kind == CR3)
        root_is_stale = true;
    if (open && !i->only_waits) {
        if (domain_word)
            count_for_party(&i->by_party);
        if (i->of_hypervisor) {
            window.hypervisor++;
            if (*before && !(*before)->of_hypervisor)
                window.entries[(*before)->kind]++;
        } else {
            window.guest++;
        }
        /* The guest's own attempts are entries; natively there is no hypervisor to see them. */
        window.executed[i->kind]++;
        if (operation == profiled) {
            if (!i->count && !i->count_in_window)
                remember(i);
            i->count_in_window++;
        }
    }
    *before = i;
}

static void on_open(unsigned cpu, void *data)
{
    (void)cpu, (void)data;
    memset(&window, 0, sizeof window);
    open = true;
    if (domain_word)
        begin_party(operation, false);
}

static void add(struct sums *to, const struct sums *what)
{
    to->guest += what->guest;
    to->hypervisor += what->hypervisor;
    for (int kind = 0; kind < KINDS; kind++) {
        to->executed[kind] += what->executed[kind];
        to->entries[kind] += what->entries[kind];
    }
}

/* The window of the profiled operation ends: it is another of the shortest, the first of these, or
 * none. What is not executed in the shortest drops out of the list when it comes again. */
static void close_profile(bool is_shorter, bool is_shortest)
{
    for (size_t n = 0; n < executed_count; n++) {
        struct instruction *i = executed[n];
        if (is_shorter)
            i->count = 0;
        if (is_shortest)
            i->count += i->count_in_window;
        i->count_in_window = 0;
    }
    size_t kept = 0;
    for (size_t n = 0; n < executed_count; n++)
        if (executed[n]->count)
            executed[kept++] = executed[n];
    executed_count = kept;
}

static void on_close(unsigned cpu, void *data)
{
    (void)cpu, (void)data;
    if (!open)
        return;
    open = false;
    uint64_t length = window.guest + window.hypervisor;
    bool is_shorter =
        !operations[operation].windows++ || length < operations[operation].shortest;
    if (is_shorter) {
        operations[operation].shortest = length;
        operations[operation].clean = 0;
        memset(&operations[operation].sums, 0, sizeof window);
    }
    if (length == operations[operation].shortest) {
        operations[operation].clean++;
        add(&operations[operation].sums, &window);
    }
    if (operation == profiled)
        close_profile(is_shorter, length == operations[operation].shortest);
}

static void on_tell(unsigned cpu, qemu_plugin_meminfo_t info, uint64_t address, void *data)
{
    (void)cpu, (void)info, (void)data;
    operation = (address & 0xfff) / 8;
}

/* Where instructions that tell a number begin: behind a mark, possibly in another block. */
static uint64_t telling[64];
static size_t tellings;

static bool tells(uint64_t address)
{
    for (size_t i = 0; i < tellings; i++)
        if (telling[i] == address)
            return true;
    return false;
}

/* Stretches of code that only wait. */
static struct { uint64_t from, to; } waiting[16];
static size_t waitings;

static bool waits(uint64_t address)
{
    for (size_t i = 0; i < waitings; i++)
        if (address >= waiting[i].from && address < waiting[i].to)
            return true;
    return false;
}

static void note_waiting(uint64_t from, uint64_t length)
{
    if (waits(from))
        return;
    if (waitings == sizeof waiting / sizeof *waiting)
        abort();
    waiting[waitings].from = from;
    waiting[waitings++].to = from + length;
}

static void watch(struct qemu_plugin_insn *of)
{
    struct instruction *i = lookup(of);
    i->only_waits = waits(i->address);
    if (tells(i->address))
        qemu_plugin_register_vcpu_mem_cb(of, on_tell, NO_REGISTERS, WRITES, NULL);
    if (i->length != 7 || memcmp(i->bytes, MARK, sizeof MARK)) {
        qemu_plugin_register_vcpu_insn_exec_cb(of, on_instruction, NO_REGISTERS, i);
        return;
    }
    if (i->bytes[6] >= WAITS)
        note_waiting(i->address + 7, i->bytes[6] - WAITS);
    switch (i->bytes[6]) {
    case OPENS:
        qemu_plugin_register_vcpu_insn_exec_cb(of, on_open, NO_REGISTERS, NULL);
        break;
    case CLOSES:
        qemu_plugin_register_vcpu_insn_exec_cb(of, on_close, NO_REGISTERS, NULL);
        break;
    case TELLS:
        if (!tells(i->address + 7) && tellings < sizeof telling / sizeof *telling)
            telling[tellings++] = i->address + 7;
        break;
    }
}

static void on_block(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
    size_t count = qemu_plugin_tb_n_insns(block);
    (void)id;
    if (domain_word && count)
        qemu_plugin_register_vcpu_tb_exec_cb(block, on_block_begun, READS_REGISTERS,
                                             lookup(qemu_plugin_tb_get_insn(block, 0)));
    for (size_t i = 0; i < count; i++)
        watch(qemu_plugin_tb_get_insn(block, i));
}

static void print_parties(const struct instruction *i)
{
    for (size_t p = 0; p < party_count; p++) {
        if (!i->by_party[p])
            continue;
        fprintf(out, "address %" PRIx64 " party %zu count %" PRIu64 " bytes ", i->address, p,
                i->by_party[p]);
        for (int k = 0; k < i->length; k++)
            fprintf(out, "%02x", i->bytes[k]);
        fputc('\n', out);
    }
}

static void on_exit_of_qemu(qemu_plugin_id_t id, void *data)
{
    (void)id, (void)data;
    for (int n = 0; n < OPERATIONS; n++) {
        const struct sums *s = &operations[n].sums;
        if (!operations[n].windows)
            continue;
        fprintf(out,
                "operation %d windows %" PRIu64 " clean %" PRIu64 " guest %" PRIu64
                " hypervisor %" PRIu64 " cr3 %" PRIu64 " cr4 %" PRIu64 " invlpg %" PRIu64
                " invpcid %" PRIu64 " syscall %" PRIu64 " trap %" PRIu64 " instruction %" PRIu64
                " other %" PRIu64 "\n",
                n, operations[n].windows, operations[n].clean, s->guest, s->hypervisor,
                s->executed[CR3], s->executed[CR4], s->executed[INVLPG], s->executed[INVPCID],
                s->entries[SYSCALL], s->entries[TRAP],
                s->entries[PRIVILEGED] + s->entries[CR3] + s->entries[CR4] + s->entries[INVLPG] +
                    s->entries[INVPCID],
                s->entries[OTHER]);
    }
    for (int b = 0; b < BUCKETS; b++)
        for (const struct instruction *i = known[b]; i; i = i->next) {
            if (!i->count)
                continue;
            fprintf(out, "address %" PRIx64 " count %" PRIu64 " bytes ", i->address, i->count);
            for (int k = 0; k < i->length; k++)
                fprintf(out, "%02x", i->bytes[k]);
            fputc('\n', out);
        }
    for (size_t p = 0; p < party_count; p++)
        fprintf(out, "party %zu operation %u root %" PRIx64 " domain %" PRIx64 "\n", p,
                parties[p].operation, parties[p].root, parties[p].domain);
    for (int b = 0; b < BUCKETS; b++)
        for (const struct instruction *i = known[b]; i; i = i->next)
            if (i->by_party)
                print_parties(i);
    fputs("end\n", out);
    fclose(out);
}

EXPORTED int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int count, char **arguments)
{
    (void)info;
    for (int i = 0; i < count; i++) {
        if (!strncmp(arguments[i], "out=", 4))
            out = fopen(arguments[i] + 4, "w");
        else if (!strncmp(arguments[i], "profile=", 8))
            profiled = strtol(arguments[i] + 8, NULL, 10);
        else if (!strncmp(arguments[i], "parties=", 8))
            domain_word = strtoull(arguments[i] + 8, NULL, 16);
        else
            return -1;
    }
    if (!out)
        return -1;
    if (domain_word)
        qemu_plugin_register_vcpu_init_cb(id, on_cpu);
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_block);
    qemu_plugin_register_atexit_cb(id, on_exit_of_qemu, NULL);
    return 0;
}
