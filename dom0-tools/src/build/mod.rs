//! The PV64 domain builder: a kernel, a ramdisk and a size become a paused domain, through
//! foreign mappings and hypercalls only.

mod layout;
mod start;
mod tables;

use alloc::vec::Vec;
use core::mem::{offset_of, size_of};

use hypercall_abi::arch_x86_64::XEN_LEGACY_MAX_VCPUS;
use hypercall_abi::domctl::xen_domctl_getdomaininfo;
use hypercall_abi::xen::{domid_t, shared_info, vcpu_info};
use zerocopy::IntoBytes;

pub use layout::{Layout, LayoutError};
pub use tables::{Table, initial_tables};

use crate::error::Error;
use crate::hyper::{
    Access, CreateDomain, DomctlExt, EventExt, Hyper, HyperExt, MAP_BATCH, Mapping, MemoryExt,
    PAGE_SIZE,
};
use crate::image::{PvKernel, unpack};

/// Pages after which progress is told (16 MiB).
const PART_PAGES: u64 = 4096;

/// A domain to build.
#[derive(Debug, Clone, Copy)]
pub struct BuildRequest<'a> {
    /// The kernel file.
    pub kernel: &'a [u8],
    /// The ramdisk file, empty if there is none.
    pub ramdisk: &'a [u8],
    /// The kernel's command line.
    pub command_line: &'a str,
    /// Pages at start.
    pub pages: u64,
    /// Pages it may grow to.
    pub max_pages: u64,
    /// vCPUs it may have.
    pub vcpus: u32,
    /// Its UUID.
    pub handle: [u8; 16],
}

/// The guest's ends of the channels made for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// start_info.store_evtchn
    pub store: u32,
    /// start_info.console.domU.evtchn
    pub console: u32,
}

/// A domain that is ready to be unpaused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// Its id.
    pub domain: domid_t,
    /// The guest's ports.
    pub ports: Ports,
    /// The frame of its store page.
    pub store_mfn: u64,
    /// The frame of its console ring.
    pub console_mfn: u64,
}

/// How far a build has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The kernel was packed, by the method named, and is so many bytes now.
    Unpacked(&'static str, usize),
    /// Of its memory, the domain has this part.
    Memory(Part),
    /// Of the ramdisk, this part is in place.
    Ramdisk(Part),
}

/// So many pages of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Pages done.
    pub done: u64,
    /// Pages in all.
    pub of: u64,
}

/// Who wants to know how far a build has come.
pub type Watcher<'a, H> = &'a mut dyn FnMut(&mut H, Progress);

/// Builds a domain and leaves it paused. If any step fails the domain is destroyed again.
///
/// # Errors
/// What is wrong with the request (found before anything is created), or which step was refused.
pub fn build<H: Hyper>(
    hyper: &mut H,
    request: &BuildRequest<'_>,
    watcher: Watcher<'_, H>,
) -> Result<Built, Error> {
    let (kernel, packed) = unpack(request.kernel)?;
    if let Some(method) = packed {
        watcher(hyper, Progress::Unpacked(method, kernel.len()));
    }
    let kernel = PvKernel::parse(&kernel)?;
    let layout = Layout::plan(&kernel, request.ramdisk.len() as u64, request.pages)?;
    start::check_command_line(request.command_line)?;
    let create = CreateDomain {
        handle: request.handle,
        max_vcpus: request.vcpus,
    };
    let domain = hyper.create_domain(&create)?;
    let built = Builder {
        hyper,
        domain,
        kernel,
        layout,
        request,
        frames: Vec::new(),
        watcher,
    }
    .run();
    built.map_err(|error| match hyper.destroy_domain(domain) {
        Ok(()) => error,
        Err(left) => error.during(alloc::format!("domain {domain} is left behind ({left})")),
    })
}

struct Builder<'a, 'w, H> {
    hyper: &'a mut H,
    domain: domid_t,
    kernel: PvKernel<'a>,
    layout: Layout,
    request: &'a BuildRequest<'a>,
    /// The P2M list: frame of each PFN.
    frames: Vec<u64>,
    watcher: Watcher<'w, H>,
}

impl<H: Hyper> Builder<'_, '_, H> {
    fn run(mut self) -> Result<Built, Error> {
        self.hyper.set_max_vcpus(self.domain, self.request.vcpus)?;
        self.hyper
            .set_max_memory(self.domain, self.request.max_pages.saturating_mul(4))?;
        self.populate()?;
        let store = self.hyper.alloc_unbound(self.domain)?;
        let console = self.hyper.alloc_unbound(self.domain)?;
        let ports = Ports { store, console };
        self.load_kernel()
            .map_err(|error| error.during("loading the kernel"))?;
        self.load_ramdisk()
            .map_err(|error| error.during("loading the ramdisk"))?;
        let list = &self.frames[self.layout.p2m.start as usize..self.layout.p2m.end as usize];
        self.hyper
            .fill_frames(self.domain, list, self.frames.as_bytes())?;
        for blank in [self.layout.store, self.layout.console, self.layout.stack] {
            self.fill(blank..blank + 1, &[])?;
        }
        self.write_start_info(ports)?;
        self.write_tables()
            .map_err(|error| error.during("writing the page tables"))?;
        let root = self.frame(self.layout.tables.start);
        self.hyper.pin_l4_table(self.domain, root)?;
        let mut context = start::first_context(&self.kernel, &self.layout, &self.frames);
        self.hyper.set_vcpu_context(self.domain, 0, &mut context)?;
        Ok(Built {
            domain: self.domain,
            ports,
            store_mfn: self.frame(self.layout.store),
            console_mfn: self.frame(self.layout.console),
        })
    }

    fn populate(&mut self) -> Result<(), Error> {
        let of = self.layout.total_pages;
        let mut done = 0;
        while done < of {
            let next = of.min(done + PART_PAGES);
            let frames = self.hyper.populate(self.domain, done..next);
            self.frames.extend(frames.map_err(|error| match error {
                Error::OutOfMemory { given, .. } => Error::OutOfMemory {
                    given: done + given,
                    wanted: of,
                },
                other => other,
            })?);
            done = next;
            (self.watcher)(self.hyper, Progress::Memory(Part { done, of }));
        }
        Ok(())
    }

    fn load_ramdisk(&mut self) -> Result<(), Error> {
        let pfns = self.layout.ramdisk.clone();
        let of = pfns.end - pfns.start;
        let parts = self.request.ramdisk.chunks(PART_PAGES as usize * PAGE_SIZE);
        for (done, part) in (0..of).step_by(PART_PAGES as usize).zip(parts) {
            let next = of.min(done + PART_PAGES);
            self.fill(pfns.start + done..pfns.start + next, part)?;
            (self.watcher)(self.hyper, Progress::Ramdisk(Part { done: next, of }));
        }
        Ok(())
    }

    fn frame(&self, pfn: u64) -> u64 {
        self.frames[pfn as usize]
    }

    /// Writes `data` and then zeros over a range of PFNs.
    fn fill(&mut self, pfns: core::ops::Range<u64>, data: &[u8]) -> Result<(), Error> {
        let frames = &self.frames[pfns.start as usize..pfns.end as usize];
        self.hyper.fill_frames(self.domain, frames, data)
    }

    /// Zeros the image's whole range once and copies what the file has, batch by batch: two
    /// segments may share a page.
    fn load_kernel(&mut self) -> Result<(), Error> {
        let pages = self.kernel.end.div_ceil(PAGE_SIZE as u64) as usize;
        let zeros = [0; PAGE_SIZE];
        for (index, batch) in self.frames[..pages].chunks(MAP_BATCH).enumerate() {
            let start = (index * MAP_BATCH * PAGE_SIZE) as u64;
            let mut mapping = self.hyper.map(self.domain, batch, Access::Write)?;
            for page in 0..batch.len() {
                mapping.write(page * PAGE_SIZE, &zeros);
            }
            let end = start + (batch.len() * PAGE_SIZE) as u64;
            for segment in &self.kernel.segments {
                let from = segment.offset.max(start);
                let to = (segment.offset + segment.data.len() as u64).min(end);
                if from < to {
                    let data = (from - segment.offset) as usize..(to - segment.offset) as usize;
                    mapping.write((from - start) as usize, &segment.data[data]);
                }
            }
        }
        match self.kernel.hypercall_page {
            Some(offset) => {
                let frame = self.frame(offset / PAGE_SIZE as u64);
                self.hyper.init_hypercall_page(self.domain, frame)
            }
            None => Ok(()),
        }
    }

    fn write_start_info(&mut self, ports: Ports) -> Result<(), Error> {
        let shared = self.shared_info_frame()?;
        let info = start::start_info_page(
            &self.layout,
            &self.frames,
            ports,
            shared,
            self.request.command_line,
            self.request.ramdisk.len() as u64,
        );
        let pfn = self.layout.start_info;
        self.fill(pfn..pfn + 1, info.as_bytes())?;
        self.mask_events(shared)
    }

    fn shared_info_frame(&mut self) -> Result<u64, Error> {
        let info: Option<xen_domctl_getdomaininfo> = self.hyper.domain_info(self.domain)?;
        let vanished = || Error::Refused(alloc::format!("domain {} has vanished", self.domain));
        Ok(info.ok_or_else(vanished)?.shared_info_frame)
    }

    /// A guest starts with events masked on every vCPU, until it has registered its callbacks.
    fn mask_events(&mut self, frame: u64) -> Result<(), Error> {
        let doing = "preparing shared_info";
        let mapping = self.hyper.map(self.domain, &[frame], Access::Write);
        let mut mapping = mapping.map_err(|error| error.during(doing))?;
        for vcpu in 0..XEN_LEGACY_MAX_VCPUS {
            let info = offset_of!(shared_info, vcpu_info) + vcpu * size_of::<vcpu_info>();
            mapping.write(info + offset_of!(vcpu_info, evtchn_upcall_mask), &[1]);
        }
        Ok(())
    }

    /// The mappings are gone again when the tables are pinned: a frame cannot be mapped writable
    /// and be a page table.
    fn write_tables(&mut self) -> Result<(), Error> {
        for batch in initial_tables(&self.layout, &self.frames).chunks(MAP_BATCH) {
            let frames: Vec<u64> = batch.iter().map(|table| self.frame(table.pfn)).collect();
            let mut mapping = self.hyper.map(self.domain, &frames, Access::Write)?;
            for (index, table) in batch.iter().enumerate() {
                mapping.write(index * PAGE_SIZE, table.entries.as_bytes());
            }
        }
        Ok(())
    }
}
