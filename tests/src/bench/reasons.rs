//! Why an operation costs what it costs: natively, paravirtual, trapped.

/// For each operation, by its title in [`super::operations::GROUPS`].
pub(super) const REASONS: &[(&str, &str)] = &[
    (
        "null hypercall",
        "`syscall`, a few registers saved, a jump through the table of calls, and `sysret` after a look \
        at pending events. Natively there is nothing to ask. In a multicall the entry is shared, but \
        each call's arguments are read from the guest's memory and its result is written there, which \
        costs more than `syscall` saves in this, the smallest of calls.",
    ),
    (
        "unknown hypercall",
        "The same way in and out; the number is looked up and refused.",
    ),
    (
        "multicall of one",
        "The price of a list: the way in, reading an entry of 64 bytes, the call, writing its result.",
    ),
    (
        "features asked for",
        "A hypercall with a structure in the guest's memory, which is checked to be the guest's, read \
        once and written.",
    ),
    (
        "entry: another frame",
        "Natively one store. The hypervisor must know that the frame is the guest's and may be mapped \
        so, count the reference to the new frame and drop that to the old one, so that nobody ever \
        writes to a page table. A batch enters once and locks once. Trapped, the store is a page fault: \
        all registers are saved, the instruction is fetched from the guest and decoded, and then the \
        same check is made.",
    ),
    (
        "entry: other rights",
        "As for another frame, but the frame stays: where only writing is given or taken, the frame's \
        count of writable mappings changes and nothing else.",
    ),
    (
        "entry: a bit of the guest's",
        "Accessed, dirty and the guest's own bits say nothing about safety: when no other bit changes, \
        the entry is exchanged and no frame is looked at. This is the shortest way through the \
        validation; trapped, the fault and the decoding still cost the same.",
    ),
    (
        "entry: present, absent",
        "The mean of making a mapping, which takes a reference, and of removing it, which drops one.",
    ),
    (
        "mapping at an address",
        "The same change, named by its virtual address instead of by the entry's machine address: the \
        hypervisor walks four levels of tables to find the entry.",
    ),
    (
        "the same with INVLPG",
        "One instruction more, which a hypercall of its own would make dear.",
    ),
    (
        "the same with INVLPG everywhere",
        "Which processors run vCPUs of the domain has to be found out first, under the domain's lock.",
    ),
    (
        "the same with a TLB flush",
        "CR3 is loaded again, and the flush is noted for who waits until old translations are gone.",
    ),
    (
        "TLB flush, local",
        "Natively a load of CR3. The hypercall reads its operation from the guest's memory first.",
    ),
    (
        "TLB flush, all",
        "The same, after a look at which processors run vCPUs of the domain; here it is one.",
    ),
    (
        "INVLPG, local",
        "One instruction, behind a hypercall that reads its operation.",
    ),
    (
        "INVLPG, all",
        "The same, after a look at which processors run vCPUs of the domain.",
    ),
    (
        "pin and unpin, empty L1",
        "There is no such thing natively: a page becomes a page table when a table points to it. Here \
        all 512 entries are read when it becomes one, and again when it is one no more, so that a \
        switch to it is cheap afterwards.",
    ),
    (
        "pin and unpin, L1 of 512",
        "The same with 512 mappings, each checked and counted, and counted back.",
    ),
    (
        "root loaded, the same",
        "The root is checked to be one, which pinning has made a matter of one look, and loaded. \
        Trapped, the instruction is decoded first, and CR3 is loaded twice, because the guest meant to \
        flush.",
    ),
    (
        "root loaded, another",
        "As above, with a reference taken to the new root and one dropped to the old.",
    ),
    (
        "root of processes",
        "Ring 3 has a root of its own, without the kernel's half; it is noted, and loaded when the \
        kernel leaves to a process.",
    ),
    (
        "context switch",
        "What an operating system does between two processes: stack, three descriptors for \
        thread-local storage, both roots, in one multicall. Natively it is six stores and loads.",
    ),
    (
        "kernel stack named",
        "The processor enters the hypervisor on a stack of the hypervisor's; which one the guest's \
        kernel wants is noted.",
    ),
    (
        "FS base",
        "An MSR natively; a hypercall, or an MSR that is decoded and found among those that a guest may \
        write.",
    ),
    (
        "descriptor",
        "A store natively. The hypervisor lets no call gate and no descriptor of ring 0 into a table \
        that the processor uses.",
    ),
    (
        "FPU denied, given",
        "A bit of CR0, which the hypervisor keeps for the guest.",
    ),
    (
        "FPU exchanged at first use",
        "The FPU is denied when a process is switched to; its first use faults, and the handler saves \
        and loads the registers. Paravirtual kernels are given the FPU with that fault, others ask for \
        it, which traps.",
    ),
    (
        "event, pending already",
        "The shortest send: the port's bit is set already, and nobody needs to be told.",
    ),
    (
        "event, masked",
        "The bit is set, and the mask says that nobody wants to know.",
    ),
    (
        "event, upcalls masked",
        "The bit, the selector and the vCPU's flag are set; the vCPU looks when it lets upcalls in.",
    ),
    (
        "event, delivered and back",
        "A send to oneself: on the way out of the hypercall the guest's callback is entered with a \
        frame on its stack, and it leaves by the `iret` hypercall. Natively an interrupt to oneself \
        through the APIC, which hardware delivers; instructions do not tell how long that takes.",
    ),
    (
        "event to another port, pending",
        "As the first; that the port leads to another one costs nothing.",
    ),
    (
        "event to another port, masked",
        "The other end's domain, port and mask have to be found.",
    ),
    (
        "port unmasked",
        "A bit is cleared, and another is looked at.",
    ),
    ("port's status", "A structure read, filled in and written."),
    (
        "timer armed",
        "The deadline is put among those of the processor's timers; the hardware's is set only when \
        this one is the first.",
    ),
    (
        "one-shot timer armed",
        "The same for a vCPU's one-shot timer, whose structure is read from the guest's memory. \
        Natively one store to the APIC.",
    ),
    ("one-shot timer stopped", "The deadline is taken out."),
    (
        "timer armed, come, and back",
        "The hardware's timer is set, its interrupt comes while the guest runs, the event is sent and \
        delivered, and the handler returns. What the guest executes while it waits is not counted. \
        Natively a store, and a handler that ends the interrupt.",
    ),
    (
        "event to a vCPU that waits",
        "Two vCPUs on one processor, of which one runs while the other waits: a send, a block, the \
        switch to the other with all its registers, descriptors and roots, and its upcall. Natively \
        there is one kernel on the processor, and nobody to switch to.",
    ),
    (
        "the same across processors",
        "Each vCPU on a processor of its own, which idles while its vCPU waits: an interrupt wakes the \
        other. Instructions are those of both processors, whose emulation takes turns; natively both \
        processors wait in `hlt`.",
    ),
    (
        "IPI to a vCPU that runs, and back",
        "A send, an interrupt to the other processor, its upcall, and the way back from the handler. \
        Instructions are those of both processors; what both execute while they wait is not counted.",
    ),
    (
        "run states read",
        "How long the vCPU ran and waited, which takes the clock, written to the guest's memory.",
    ),
    (
        "vCPU asked for",
        "Another vCPU's state is looked up, under its domain's lock.",
    ),
    ("yield", "The queue is looked at, and there is nobody else."),
    (
        "interrupts off",
        "A paravirtual kernel sets a byte in a page that it shares with the hypervisor, which costs one \
        instruction as natively; the hypervisor is not entered at all. The instruction itself faults and \
        is decoded, to no effect.",
    ),
    ("interrupts on", "The same."),
    (
        "return alone",
        "A frame on the guest's stack is read, checked, and returned to, which for a guest's kernel is \
        a hypercall and costs natively, besides the frame, one instruction.",
    ),
    (
        "exception of the kernel and back",
        "The processor enters the hypervisor, which puts a frame on the guest's stack and enters the \
        guest's handler; its `iret` is a hypercall, because the processor's would need ring 0.",
    ),
    (
        "page fault of the kernel and back",
        "The same, after a look whether it is a store into a page table.",
    ),
    (
        "page fault of a process and back",
        "The same, and the root changes on the way in and out: two loads of CR3.",
    ),
    (
        "system call of a process and back",
        "`syscall` enters the hypervisor and not the kernel; the kernel's entry is called, and its way \
        back is a hypercall. Two loads of CR3, which natively are none.",
    ),
    (
        "CR0 read",
        "One instruction natively. It faults; the hypervisor saves all registers, fetches the bytes at \
        the guest's instruction pointer once, decodes them, checks that the guest may, writes the \
        register and steps over the instruction. This is what every trapped instruction pays; no \
        hypercall does as little for as much.",
    ),
    (
        "CR3 read",
        "The same, with the frame's number as the guest knows it.",
    ),
    (
        "CR4 written",
        "The same; what the guest may not change is compared.",
    ),
    (
        "MSR read",
        "The same; the MSR is looked up in the table of those that answer.",
    ),
    (
        "debug register read",
        "By hypercall or trapped; the second decodes.",
    ),
    (
        "CPUID, forced",
        "Without hardware's help CPUID does not fault, so guests that want the hypervisor's answer put \
        a prefix before it, which is an invalid opcode. The answer is made of the processor's and of \
        what the hypervisor allows.",
    ),
    (
        "CPUID of features, forced",
        "The same for a leaf of which more is masked.",
    ),
    (
        "port written",
        "Whether the guest may use the port is looked up, and the access is made for it.",
    ),
    ("port read", "The same, with a value."),
    (
        "page given up",
        "No such thing natively. The frame must be unmapped everywhere, loses its owner and goes to the \
        free ones; a batch takes locks once.",
    ),
    (
        "page taken back",
        "A free frame is found and made clean, and no old translation of it may be left: a flush, once \
        in a batch.",
    ),
    (
        "grant mapped",
        "Another domain's page, checked against its table of grants, which that domain can change at \
        any time: the entry is marked in use by one exchange; references and the mapping are counted.",
    ),
    (
        "grant unmapped",
        "All of that is undone, and the page's translation is forgotten before the other domain can \
        use it again.",
    ),
    ("grant table's size", "Two numbers."),
    (
        "64 bytes copied",
        "Between two pages that may be of two domains, each checked and held while it is copied.",
    ),
    (
        "64 bytes copied from a grant",
        "The same, and the grant is marked in use and free again.",
    ),
    (
        "page copied from a grant",
        "The same with 4,096 bytes: 512 instructions of it copy.",
    ),
    (
        "console byte",
        "The byte is read from the guest's memory and goes through the port, as natively.",
    ),
    (
        "process started and ended",
        "Spawn, which is fork and exec in one, and exit: reading an ELF file, building an address \
        space of some 20 pages, running, and taking all of it down: page tables filled as memory and \
        validated when they are linked, pinned, released; roots loaded.",
    ),
    (
        "process forked and ended",
        "The child's tables are filled as memory, too; the parent's entries lose write access in a \
        list. Then either that writes to a page takes a fault, a page, a copy and an entry. The \
        validation of whole tables, and the faults, are what a native kernel has not.",
    ),
    (
        "process forked, executed, ended",
        "The same, and the program's own address space is built, and put in the place of the one that \
        was just made.",
    ),
    (
        "system call served",
        "The kernel's own work, and the way in and out: here paravirtualization is dearest by \
        proportion.",
    ),
    (
        "4 KiB read from a file",
        "A system call that copies a block: the copy counts, not the entry.",
    ),
    (
        "4 KiB through a stream",
        "Two system calls and two copies by the kernel.",
    ),
    (
        "fresh page touched",
        "A page fault that the kernel answers with a page of zeroes, mapped by a hypercall.",
    ),
    (
        "load of all of these",
        "Readers, a sender and a receiver, with computation on what they read: what a user would notice.",
    ),
    (
        "4 KiB read of a served file",
        "A process of a guest reads a block of its disk, which dom0's blkback serves from a file in dom0's \
        memory: a request through a ring, an event, a process that is woken, a copy into the guest's page, \
        and an event back.",
    ),
    (
        "ping and its answer",
        "From one guest through dom0's netback to another, and back: two frames, each given by one guest \
        and copied to the other, and two stacks of TCP/IP that run in processes.",
    ),
    (
        "full frame of TCP",
        "The same for data in one direction, with what acknowledges it; checksums are computed by the \
        stacks, in which most of it goes.",
    ),
];
