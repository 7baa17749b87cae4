//! The builder proper: one step after another, each undone by nobody, because without dom0 the
//! machine halts.

use core::sync::atomic::Ordering;

use hypercall_abi::arch_x86_64::{FLAT_KERNEL_CS64, FLAT_KERNEL_SS64};
use hypercall_abi::xen::{
    MAX_GUEST_CMDLINE, SIF_INITDOMAIN, SIF_MOD_START_PFN, SIF_PRIVILEGED, start_info, vcpu_info,
};
use zerocopy::{FromZeros, IntoBytes};

use super::elf::Elf;
use super::layout::{KernelPlace, Layout, Request};
use super::memory::{self, Memory};
use super::notes::Notes;
use super::{BuildError, Dom0, Dom0Image, Dom0Options, tables};
use crate::addr::{Mfn, PAGE_SHIFT, PAGE_SIZE};
use crate::domain::lifecycle::{self, CreateParams};
use crate::domain::{Domain, MAX_VCPUS};
use crate::error::Errno;
use crate::hypercall::page as hypercall_page;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;
use crate::pv::root::adopt_root;
use crate::sched;
use crate::trap::frame::ExitFrame;

/// Grant-table frames of dom0, at most.
const GRANT_FRAMES: u32 = 64;
/// `start_info.magic`.
const MAGIC: &[u8] = b"xen-3.0-x86_64";

/// What the kernel's own image said, once the image is gone.
struct Kernel {
    place: KernelPlace,
    init_p2m: Option<u64>,
    ramdisk_unmapped: bool,
}

/// Builds dom0 and makes its first vCPU runnable.
///
/// # Errors
/// When the kernel is no PV kernel, or something does not fit; the machine has no dom0 then.
pub fn build_dom0<M: Machine, K: AsRef<[u8]>>(
    hv: &Hypervisor<M>,
    image: Dom0Image<'_, K>,
    options: &Dom0Options,
) -> Result<Dom0, BuildError> {
    let vcpus = options.vcpus.count(hv.config.cpus, MAX_VCPUS as u32);
    let dom = lifecycle::create_whole(
        hv,
        CreateParams {
            id: Some(0),
            handle: [0; 16],
            flags: 0,
            max_vcpus: vcpus,
            privileged: true,
            max_evtchn_port: -1,
            max_grant_frames: GRANT_FRAMES,
            max_maptrack_frames: crate::grant::MAX_TRACKS,
        },
    )
    .map_err(BuildError::at("creating the domain"))?;
    dom.max_pages.store(u32::MAX, Ordering::Relaxed);
    let mut memory = Memory::new(hv, dom);

    let Dom0Image {
        kernel,
        ramdisk,
        cmdline,
    } = image;
    let loaded = load_kernel(&mut memory, kernel.as_ref())?;
    drop(kernel);

    let ramdisk_pages = ramdisk.map_or(0, |r| r.len.div_ceil(PAGE_SIZE as u64));
    let available = hv.frames.free_frames() + memory.pages() + ramdisk_pages;
    let (nr_pages, limit) = memory::sizes(&options.memory, available);
    let layout = Layout::plan(&Request {
        v_start: loaded.place.v_start,
        kernel_pages: memory.pages(),
        ramdisk_pages,
        ramdisk_unmapped: loaded.ramdisk_unmapped,
        init_p2m: loaded.init_p2m,
        nr_pages,
    })?;
    if let Some(ramdisk) = ramdisk.filter(|r| r.len != 0) {
        place_ramdisk(&mut memory, ramdisk, layout.ramdisk_pfn)?;
    }
    memory
        .grow_to(nr_pages)
        .map_err(BuildError::at("taking memory"))?;
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    dom.max_pages.store(limit, Ordering::Relaxed);

    memory
        .write_p2m(layout.p2m_pfn)
        .map_err(BuildError::at("the P2M list"))?;
    if let Some(page) = loaded.place.hypercall_page {
        let address = page - loaded.place.v_start;
        let mut stubs = [0; PAGE_SIZE];
        hypercall_page::fill(&mut stubs);
        memory
            .write(address, &stubs)
            .map_err(BuildError::at("the hypercall page"))?;
    }
    let start = StartInfo {
        layout: &layout,
        ramdisk: ramdisk.map_or(0, |r| r.len),
        cmdline,
    };
    start.write(&memory, dom, &loaded, nr_pages)?;
    let root = tables::write(&memory, &layout).map_err(BuildError::at("the page tables"))?;
    adopt_root(hv, dom, root, true).map_err(BuildError::at("validating the page tables"))?;
    start_vcpu(hv, dom, &layout, &loaded.place, root)?;
    sched::unpause_domain(hv, dom).map_err(BuildError::at("unpausing"))?;
    Ok(Dom0 {
        domain: dom.id(),
        vcpus,
        pages: nr_pages,
        kernel: (loaded.place.start, loaded.place.end),
        entry: loaded.place.entry,
        mapped: (layout.boot.va, layout.va(layout.boot.pages)),
        start_info: layout.va(layout.start_info_pfn),
    })
}

/// Checks the kernel, and loads it into the domain's first pages.
fn load_kernel<M: Machine>(memory: &mut Memory<'_, M>, image: &[u8]) -> Result<Kernel, BuildError> {
    let elf = Elf::parse(image)?;
    let notes = Notes::read(&elf)?;
    if notes.wants_symbols {
        log::warn!("dom0's kernel wants its symbol table loaded: it is not");
    }
    let place = KernelPlace::new(
        elf.span(),
        (notes.virt_base, notes.paddr_offset),
        notes.entry.unwrap_or(elf.entry),
        notes.hypercall_page,
    )?;
    let have = memory.free();
    if place.pages() > have {
        return Err(BuildError::KernelTooLarge {
            need: place.pages(),
            have,
        });
    }
    memory
        .grow_to(place.pages())
        .map_err(BuildError::at("memory for the kernel"))?;
    for segment in &elf.segments {
        let address = segment.paddr - notes.paddr_offset;
        let len = segment.data.len() as u64;
        memory
            .write(address, segment.data)
            .and_then(|()| memory.zero(address + len, segment.memory - len))
            .map_err(BuildError::at("loading the kernel"))?;
    }
    Ok(Kernel {
        place,
        init_p2m: notes.init_p2m,
        ramdisk_unmapped: notes.mod_start_pfn,
    })
}

/// Hands the ramdisk's frames over as the pages from `pfn` on; what the loader left behind its end
/// is wiped.
fn place_ramdisk<M: Machine>(
    memory: &mut Memory<'_, M>,
    ramdisk: super::Ramdisk,
    pfn: u64,
) -> Result<(), BuildError> {
    memory
        .grow_to(pfn)
        .map_err(BuildError::at("taking memory"))?;
    let pages = ramdisk.len.div_ceil(PAGE_SIZE as u64);
    let tail = (pages << PAGE_SHIFT) - ramdisk.len;
    memory
        .adopt(ramdisk.start, pages)
        .and_then(|()| memory.zero((pfn << PAGE_SHIFT) + ramdisk.len, tail))
        .map_err(BuildError::at("handing over the ramdisk"))
}

/// What `start_info` is made from.
struct StartInfo<'a> {
    layout: &'a Layout,
    ramdisk: u64,
    cmdline: &'a [u8],
}

impl StartInfo<'_> {
    fn write<M: Machine>(
        &self,
        memory: &Memory<'_, M>,
        dom: &Domain,
        kernel: &Kernel,
        nr_pages: u64,
    ) -> Result<(), BuildError> {
        let layout = self.layout;
        let mut info = start_info::new_zeroed();
        info.magic[..MAGIC.len()].copy_from_slice(MAGIC);
        info.nr_pages = nr_pages;
        info.shared_info = dom.lock().shared_info.map_or(0, Mfn::addr);
        info.flags = SIF_PRIVILEGED | SIF_INITDOMAIN;
        info.pt_base = layout.va(layout.root_pfn);
        info.nr_pt_frames = layout.boot_tables();
        info.mfn_list = layout.va(layout.p2m_pfn);
        if let Some(region) = layout.p2m {
            info.mfn_list = region.va;
            info.first_p2m_pfn = region.pfn;
            info.nr_p2m_frames = region.pages + region.all_tables();
        }
        info.mod_len = self.ramdisk;
        if self.ramdisk != 0 && kernel.ramdisk_unmapped {
            info.flags |= SIF_MOD_START_PFN;
            info.mod_start = layout.ramdisk_pfn;
        } else if self.ramdisk != 0 {
            info.mod_start = layout.va(layout.ramdisk_pfn);
        }
        let most = MAX_GUEST_CMDLINE - 1;
        if self.cmdline.len() > most {
            log::warn!("dom0's command line is cut to {most} bytes");
        }
        for (to, &from) in info.cmd_line[..most].iter_mut().zip(self.cmdline) {
            *to = from.cast_signed();
        }
        let address = layout.start_info_pfn << PAGE_SHIFT;
        memory
            .zero(address, PAGE_SIZE as u64)
            .and_then(|()| memory.write(address, info.as_bytes()))
            .map_err(BuildError::at("start_info"))
    }
}

/// Gives vCPU 0 its first registers and address space.
fn start_vcpu<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    layout: &Layout,
    place: &KernelPlace,
    root: Mfn,
) -> Result<(), BuildError> {
    let fail = BuildError::at("the first vCPU");
    // A use of the root besides the pin, as every vCPU has it.
    adopt_root(hv, dom, root, false).map_err(fail)?;
    let mut homes = dom.homes.lock();
    let vcpu = homes
        .first_mut()
        .and_then(Option::as_mut)
        .ok_or(fail(Errno::ENOENT))?;
    let rsp = layout.va(layout.stack_pfn + 1);
    let frame = ExitFrame::new(place.entry, FLAT_KERNEL_CS64, 0, rsp, FLAT_KERNEL_SS64);
    frame
        .map_err(|_| fail(Errno::EINVAL))?
        .apply(&mut vcpu.regs);
    vcpu.regs.rsi = layout.va(layout.start_info_pfn);
    vcpu.arch.kernel_ss = FLAT_KERNEL_SS64;
    vcpu.arch.kernel_sp = rsp;
    vcpu.arch.kernel_root = Some(root).into();
    drop(homes);
    let mut state = dom.lock();
    let mask = core::mem::offset_of!(vcpu_info, evtchn_upcall_mask);
    for info in state.vcpus.iter().filter_map(|vcpu| vcpu.info) {
        hv.machine
            .store_u8(info.mfn, usize::from(info.offset) + mask, 1);
    }
    let shared = state.vcpus.first_mut().ok_or(fail(Errno::ENOENT))?;
    shared.initialised = true;
    shared.up = true;
    Ok(())
}
