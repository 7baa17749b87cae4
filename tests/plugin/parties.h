/*
 * Who executes what: parties, which are told apart by the root of page tables that the processor has
 * and by the domain whose it is. Included by counts.c alone.
 */
/* Of GLib, which QEMU brings along. */
typedef struct { uint8_t *data; unsigned length; } GByteArray;
typedef struct { char *data; unsigned length; } GArray;
extern GByteArray *g_byte_array_new(void);
extern GByteArray *g_byte_array_set_size(GByteArray *, unsigned);

struct qemu_plugin_register;
typedef struct {
    struct qemu_plugin_register *handle;
    const char *name;
    const char *feature;
} qemu_plugin_reg_descriptor;

extern GArray *qemu_plugin_get_registers(void);
extern int qemu_plugin_read_register(struct qemu_plugin_register *, GByteArray *);
extern bool qemu_plugin_read_memory_vaddr(uint64_t, GByteArray *, size_t);

enum { PARTIES = 128, ROOTS = 4096 };

/* Who runs: in windows of an operation, under a root of page tables, in a domain. */
struct party {
    unsigned operation;
    uint64_t root;
    uint64_t domain;
};

static struct party parties[PARTIES];
static size_t party_count;
/* Where each domain's kernel has the word by which they are told apart; 0 if nobody asks. */
static uint64_t domain_word;
static struct qemu_plugin_register *root_register;
static GByteArray *bytes;
static bool root_is_stale = true;
static uint64_t root, domain_of_kernel;
/* The number of the party that runs, and for which operation and domain it was looked up. */
static struct party running;
static size_t party;
/* What domains the roots are of, as far as they are known. */
static struct { uint64_t root, domain; } roots[ROOTS];
static size_t root_count;

static void find_party(struct party of)
{
    if (of.operation == running.operation && of.root == running.root && of.domain == running.domain)
        return;
    running = of;
    for (party = 0; party < party_count; party++) {
        const struct party *known = &parties[party];
        if (known->operation == of.operation && known->root == of.root && known->domain == of.domain)
            return;
    }
    if (party_count == PARTIES)
        abort();
    parties[party_count++] = of;
}

static bool is_of_kernel(uint64_t address)
{
    return address >= UINT64_C(0xffff880000000000);
}

/* The domain of a root: it was told, or is that of the kernel which ran last. */
static uint64_t *domain_of_root(void)
{
    for (size_t i = 0; i < root_count; i++)
        if (roots[i].root == root)
            return &roots[i].domain;
    if (root_count == ROOTS)
        abort();
    roots[root_count].root = root;
    roots[root_count].domain = domain_of_kernel;
    return &roots[root_count++].domain;
}

static uint64_t word_of(const GByteArray *from)
{
    uint64_t word = 0;
    memcpy(&word, from->data, from->length < sizeof word ? from->length : sizeof word);
    return word;
}

/* A block begins at an address: whose is it? Registers and memory are read where the root may have changed. */
static void see_who_runs(uint64_t address)
{
    static bool kernel_is_stale;
    if (root_is_stale) {
        g_byte_array_set_size(bytes, 0);
        if (qemu_plugin_read_register(root_register, bytes) <= 0)
            abort();
        root = word_of(bytes) & UINT64_C(0x000ffffffffff000);
        root_is_stale = false;
        kernel_is_stale = true;
    }
    if (kernel_is_stale && is_of_kernel(address)) {
        g_byte_array_set_size(bytes, 0);
        if (qemu_plugin_read_memory_vaddr(domain_word, bytes, sizeof(uint64_t))) {
            domain_of_kernel = word_of(bytes);
            *domain_of_root() = domain_of_kernel;
        }
        kernel_is_stale = false;
    }
}

/* In a window of an operation somebody runs. */
static void begin_party(unsigned operation, bool of_hypervisor)
{
    find_party((struct party){operation, root, of_hypervisor ? 0 : *domain_of_root()});
}

static void count_for_party(uint64_t **counts)
{
    if (!*counts) {
        *counts = calloc(PARTIES, sizeof **counts);
        if (!*counts)
            abort();
    }
    (*counts)[party]++;
}

/* A processor is there, whose registers can be read from now on. */
static void on_cpu(qemu_plugin_id_t id, unsigned cpu)
{
    (void)id, (void)cpu;
    GArray *all = qemu_plugin_get_registers();
    const qemu_plugin_reg_descriptor *registers = (const void *)all->data;
    for (unsigned i = 0; i < all->length; i++)
        if (!strcmp(registers[i].name, "cr3"))
            root_register = registers[i].handle;
    if (!root_register)
        abort();
    bytes = g_byte_array_new();
}

