//! The hypervisor's own memory and address space, put together once.

use hypervisor_core::frame::table::FrameInfo;
use hypervisor_core::frame::tlb::MAX_CPUS;
use hypervisor_core::platform::CpuId;

use super::memory::{FrameSet, Frames};
use super::paging::{Builder, NoMemory, OwnMemory, Rights, own_address};
use crate::arch::percpu::{WindowParts, window_of};
use crate::arch::{descriptors, isolated};
use crate::layout::{self, PAGE, window};

/// Heap at least, in pages, for any machine; and one more for this many frames of memory.
const HEAP_PAGES: u64 = 320;
const FRAMES_PER_HEAP_PAGE: u64 = 16 * 1024;
/// Heap for each further CPU, in pages: its run queue has room for every vCPU there is.
const HEAP_PAGES_PER_CPU: u64 = 16;

/// CPU windows that one last-level table maps.
const WINDOWS_PER_TABLE: usize = (512 * PAGE / layout::CPU_WINDOW_SIZE) as usize;
/// Page tables of what guests are shown with `xpti`, besides those of windows: a root, and on the way to
/// windows, interrupt table and code.
const SHOWN_TABLES: u64 = 8;
/// Memory of a CPU with `xpti`, besides its window: a root and the stack of entries.
const ISOLATED_PAGES: u64 = 2;
/// Memory of a CPU window, in pages.
const WINDOW_PAGES: u64 = window::DATA_PAGES + window::IST.len() as u64 + 1 + window::STACK_PAGES;

/// Frame of the last machine address that head.S maps, plus 1.
const FIRST_MAP_FRAMES: u64 = super::FIRST_MAP / PAGE;

unsafe extern "C" {
    static __load_start: u8;
    static __text_start: u8;
    static __isolated_end: u8;
    static __text_end: u8;
    static __rodata_end: u8;
    static __bss_end: u8;
    static __image_end: u8;
}

/// Machine addresses of the image's parts, ascending.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Image {
    /// First byte: code and data of the way to long mode.
    pub(crate) load: u64,
    text: u64,
    /// End of the code that guests are shown with `xpti`, which begins where all code does.
    isolated_end: u64,
    rodata: u64,
    data: u64,
    /// End of what the hypervisor keeps: first tables and stack of the boot code follow.
    pub(crate) kept_end: u64,
    /// Behind the last byte.
    pub(crate) end: u64,
}

impl Image {
    /// From the linker script's symbols.
    pub(crate) fn new() -> Self {
        let high = |symbol: *const u8| symbol as u64 - layout::IMAGE_OFFSET;
        Self {
            load: (&raw const __load_start) as u64,
            text: high(&raw const __text_start),
            isolated_end: high(&raw const __isolated_end),
            rodata: high(&raw const __text_end),
            data: high(&raw const __rodata_end),
            kept_end: high(&raw const __bss_end),
            end: (&raw const __image_end) as u64,
        }
    }

    /// All of it.
    pub(crate) fn frames(self) -> Frames {
        Frames::touching(self.load, self.end)
    }

    /// What the hypervisor keeps.
    pub(crate) fn kept(self) -> Frames {
        Frames::touching(self.text, self.kept_end)
    }

    /// What only the boot code uses.
    pub(crate) fn boot_parts(self) -> [Frames; 2] {
        [
            Frames::touching(self.load, self.text),
            Frames::touching(self.kept_end, self.end),
        ]
    }
}

/// What was built.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Space {
    /// The root table's machine address.
    pub(crate) root: u64,
    /// The hypervisor's memory besides the image.
    pub(crate) own: Frames,
    /// Frames that the frame table covers.
    pub(crate) frames: u64,
    /// Machine address of the frame table.
    frame_table: u64,
    /// Machine address of the machine-to-phys table.
    pub(crate) m2p: u64,
    /// Heap: address and bytes.
    pub(crate) heap: (u64, u64),
    /// The page tables of CPU windows, each for [`WINDOWS_PER_TABLE`] CPUs.
    window_tables: [u64; MAX_CPUS / WINDOWS_PER_TABLE],
    zero_page: u64,
    /// Machine address of the root with what guests are shown; the root but with `xpti`.
    pub(crate) shown_root: u64,
    /// The page tables that show guests part of the windows; 0 without `xpti`.
    shown_tables: [u64; MAX_CPUS / WINDOWS_PER_TABLE],
    /// Machine address of the first CPU's full root, the others' behind it; 0 without `xpti`.
    full_roots: u64,
}

impl Space {
    /// What CPU `id` needs of its window, which is one of those that [`build`] made.
    pub(crate) const fn window(&self, id: CpuId) -> WindowParts {
        WindowParts {
            table: self.window_tables[id as usize / WINDOWS_PER_TABLE],
            idle_root: self.root,
            zero_page: self.zero_page,
            shown_table: self.shown_tables[id as usize / WINDOWS_PER_TABLE],
            full_root: match self.full_roots {
                0 => 0,
                first => first + id as u64 * PAGE,
            },
        }
    }

    /// The frame table's memory, zeroed.
    pub(crate) fn frame_table(&self) -> &'static [FrameInfo] {
        let first = own_address(self.frame_table) as *const FrameInfo;
        // SAFETY: taken and zeroed for this purpose, mapped for ever; zeros are valid and its fields
        // are atomics, so nothing else need ever borrow it.
        unsafe { core::slice::from_raw_parts(first, self.frames as usize) }
    }

    /// The machine-to-phys table.
    pub(crate) fn m2p(&self) -> &'static [core::sync::atomic::AtomicU64] {
        let first = own_address(self.m2p) as *const core::sync::atomic::AtomicU64;
        // SAFETY: as for the frame table; guests only read their own mapping of it.
        unsafe { core::slice::from_raw_parts(first, self.frames as usize) }
    }
}

/// Takes the hypervisor's memory out of `usable` and builds its address space in it. `lent` is what
/// else the direct map must show: modules, the boot code. There will be windows for CPUs 0 to
/// `cpus` - 1. `devices` are pages of registers: where they are to be mapped, and their addresses.
///
/// # Errors
/// No memory, or none below 4 GiB.
pub(crate) fn build(
    image: Image,
    usable: &mut FrameSet,
    lent: &[Frames],
    cpus: u32,
    devices: &[(u64, u64)],
) -> Result<Space, &'static str> {
    let frames = lent.iter().map(|f| f.end).fold(usable.end(), u64::max);
    let table_pages = (frames * size_of::<FrameInfo>() as u64).div_ceil(PAGE);
    let m2p_pages = (frames * 8).div_ceil(PAGE);
    let ranges = (usable.iter().count() + lent.len()) as u64;
    let page_tables = 48 + frames / (1 << 18) + m2p_pages / 512 + 4 * ranges;
    let further_cpus = u64::from(cpus.saturating_sub(1));
    let heap_pages = HEAP_PAGES + frames / FRAMES_PER_HEAP_PAGE + further_cpus * HEAP_PAGES_PER_CPU;
    let windows = further_cpus * WINDOW_PAGES + further_cpus / WINDOWS_PER_TABLE as u64;
    let isolation = if isolated::on() {
        SHOWN_TABLES + u64::from(cpus) * ISOLATED_PAGES + windows_tables(cpus)
    } else {
        0
    };
    let pages = table_pages + m2p_pages + page_tables + heap_pages + windows + isolation;
    let own = usable
        .take_high(pages, FIRST_MAP_FRAMES)
        .ok_or("too little memory for the hypervisor itself")?;

    let mut memory = OwnMemory::new(own);
    let mut direct = usable.clone();
    lent.iter().for_each(|&f| direct.insert(f));
    let mut space = Space {
        root: 0,
        own,
        frames,
        frame_table: 0,
        m2p: 0,
        heap: (0, 0),
        window_tables: [0; MAX_CPUS / WINDOWS_PER_TABLE],
        zero_page: 0,
        shown_root: 0,
        shown_tables: [0; MAX_CPUS / WINDOWS_PER_TABLE],
        full_roots: 0,
    };
    space
        .fill(&mut memory, image, &direct, cpus, devices)
        .map_err(|NoMemory| "page tables outgrew the memory set aside for them")?;
    let rest = memory.rest();
    space.heap = (own_address(rest.start * PAGE), rest.len() * PAGE);
    Ok(space)
}

impl Space {
    fn fill(
        &mut self,
        memory: &mut OwnMemory,
        image: Image,
        direct: &FrameSet,
        cpus: u32,
        devices: &[(u64, u64)],
    ) -> Result<(), NoMemory> {
        let own = memory.frames;
        let mut tables = Builder::new(memory)?;
        self.root = tables.root();
        // The interrupt table is the first page: it is not in the writable view of own memory.
        let idt = tables.take(1)?;
        write_idt(idt);
        tables.map(layout::IDT, idt, PAGE, Rights::Read)?;

        self.frame_table =
            tables.take((self.frames * size_of::<FrameInfo>() as u64).div_ceil(PAGE))?;
        let m2p_pages = (self.frames * 8).div_ceil(PAGE);
        self.m2p = tables.take(m2p_pages)?;
        fill_invalid(self.m2p, m2p_pages);
        tables.map(layout::M2P, self.m2p, m2p_pages * PAGE, Rights::GuestRead)?;

        let own_len = own.len() * PAGE;
        let hole = idt + PAGE;
        let start = own.start * PAGE;
        tables.map(own_address(start), start, idt - start, Rights::Write)?;
        tables.map(
            own_address(hole),
            hole,
            start + own_len - hole,
            Rights::Write,
        )?;
        for range in direct.iter() {
            let start = range.start * PAGE;
            tables.map(
                layout::DIRECT_MAP + start,
                start,
                range.len() * PAGE,
                Rights::Write,
            )?;
        }
        for (start, end, rights) in [
            (image.text, image.rodata, Rights::Execute),
            (image.rodata, image.data, Rights::Read),
            (image.data, image.kept_end, Rights::Write),
        ] {
            tables.map(layout::IMAGE_OFFSET + start, start, end - start, rights)?;
        }
        for &(page, at) in devices {
            tables.map(page, at, PAGE, Rights::Device)?;
        }
        self.zero_page = tables.take(1)?;
        for id in 0..cpus {
            let table = own_address(tables.leaf_table(window_of(id))?);
            self.window_tables[id as usize / WINDOWS_PER_TABLE] = table;
            map_window(&mut tables, window_of(id))?;
        }
        self.shown_root = self.root;
        if isolated::on() {
            self.isolate(memory, image, idt, cpus)?;
        }
        Ok(())
    }

    /// Builds the root with what guests are shown, and every CPU's with all.
    fn isolate(
        &mut self,
        memory: &mut OwnMemory,
        image: Image,
        idt: u64,
        cpus: u32,
    ) -> Result<(), NoMemory> {
        self.full_roots = memory.take(u64::from(cpus)).ok_or(NoMemory)?;
        let stacks = memory.take(u64::from(cpus)).ok_or(NoMemory)?;
        let mut all = Builder::of(memory, self.root);
        for id in 0..u64::from(cpus) {
            let stack = window_of(id as CpuId) + window::ENTRY_STACK * PAGE;
            all.map(stack, stacks + id * PAGE, PAGE, Rights::Write)?;
            all.copy_slots(256..272, self.full_roots + id * PAGE);
        }
        self.shown_root = Builder::new(memory)?.root();
        for id in 0..cpus {
            for page in SHOWN_PAGES {
                let va = window_of(id) + page * PAGE;
                let entry = Builder::of(memory, self.root).leaf(va)?;
                Builder::of(memory, self.shown_root).set_leaf(va, entry)?;
            }
        }
        let mut shown = Builder::of(memory, self.shown_root);
        for id in 0..cpus {
            let table = own_address(shown.leaf_table(window_of(id))?);
            self.shown_tables[id as usize / WINDOWS_PER_TABLE] = table;
        }
        shown.map(layout::IDT, idt, PAGE, Rights::Read)?;
        let (code, end) = (image.text, image.isolated_end);
        shown.map(
            layout::IMAGE_OFFSET + code,
            code,
            end - code,
            Rights::Execute,
        )?;
        Builder::of(memory, self.root).copy_slots(256..257, self.shown_root);
        Ok(())
    }
}

/// Pages of a window that guests are shown with `xpti`, besides those of their own descriptors.
const SHOWN_PAGES: [u64; 7] = {
    let [a, b, c, d] = window::IST;
    [
        window::DATA,
        a,
        b,
        c,
        d,
        window::ENTRY_STACK,
        window::GDT_OWN,
    ]
};

/// Last-level tables that the windows of `cpus` CPUs take.
const fn windows_tables(cpus: u32) -> u64 {
    cpus.div_ceil(WINDOWS_PER_TABLE as u32) as u64
}

/// Maps a CPU window's data and stacks.
fn map_window(tables: &mut Builder<'_>, base: u64) -> Result<(), NoMemory> {
    let [a, b, c, d] = window::IST;
    for (first, pages) in [
        (window::DATA, window::DATA_PAGES),
        (a, 1),
        (b, 1),
        (c, 1),
        (d, 1),
        (window::GDT_OWN, 1),
        (window::STACK, window::STACK_PAGES),
    ] {
        let machine = tables.take(pages)?;
        tables.map(base + first * PAGE, machine, pages * PAGE, Rights::Write)?;
    }
    Ok(())
}

fn write_idt(machine: u64) {
    for vector in 0..=255_u8 {
        let at = (layout::DIRECT_MAP + machine + 16 * u64::from(vector)) as *mut [u64; 2];
        // SAFETY: a page that `OwnMemory` gave out, mapped by head.S.
        unsafe { at.write(descriptors::gate(vector)) };
    }
}

/// Fills pages with entries that say "no pseudo-physical page" (all ones).
fn fill_invalid(machine: u64, pages: u64) {
    let at = (layout::DIRECT_MAP + machine) as *mut u8;
    // SAFETY: pages that `OwnMemory` gave out, mapped by head.S.
    unsafe { at.write_bytes(0xff, (pages * PAGE) as usize) };
}
