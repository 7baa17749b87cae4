//! sysctl.h and version.h: the machine, the hypervisor and all domains.

use alloc::string::String;
use alloc::vec::Vec;
use core::mem::offset_of;

use hypercall_abi::Union;
use hypercall_abi::domctl::{XEN_SCHEDULER_CREDIT2, xen_domctl_getdomaininfo};
use hypercall_abi::sysctl::*;
use hypercall_abi::version::*;
use hypercall_abi::xen::{__HYPERVISOR_sysctl, __HYPERVISOR_xen_version, domid_t};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes};

use super::{Arg, Call, Hyper};
use crate::error::Error;

/// Domains asked for in one hypercall.
const INFO_BATCH: usize = 32;
/// More of the hypervisor's log than it keeps by default, bytes.
const LOG_SIZE: usize = 256 * 1024;

/// What the hypervisor says of itself (version.h).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HypervisorInfo {
    /// Major version.
    pub major: u16,
    /// Minor version.
    pub minor: u16,
    /// Extra version text, such as ".4".
    pub extra: String,
    /// Guest kinds it runs.
    pub capabilities: String,
    /// Source revision.
    pub changeset: String,
    /// Its command line.
    pub command_line: String,
    /// First virtual address that is not the guest's.
    pub virt_start: u64,
    /// Bytes of a page.
    pub page_size: u64,
    /// Compiler.
    pub compiler: String,
    /// Who compiled it.
    pub compiled_by: String,
    /// Domain part of who compiled it.
    pub compile_domain: String,
    /// When.
    pub compile_date: String,
}

fn request<T: IntoBytes + Immutable>(cmd: u32, argument: T) -> xen_sysctl {
    xen_sysctl {
        cmd,
        interface_version: XEN_SYSCTL_INTERFACE_VERSION,
        u: Union::new(argument),
    }
}

/// Text up to its NUL, whatever is not UTF-8 replaced: it is shown, never interpreted.
fn text(bytes: &[u8]) -> String {
    let end = bytes
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim_end().into()
}

/// Typed sysctls and version queries.
pub trait SysctlExt: super::HyperExt {
    /// XEN_SYSCTL_physinfo.
    ///
    /// # Errors
    /// The hypervisor's refusal.
    fn physinfo(&mut self) -> Result<xen_sysctl_physinfo, Error> {
        let mut op = request(XEN_SYSCTL_physinfo, xen_sysctl_physinfo::new_zeroed());
        let call = Call::new(__HYPERVISOR_sysctl, [Arg::Buffer(op.as_mut_bytes())]);
        self.execute("XEN_SYSCTL_physinfo", call)?;
        Ok(op.u.get())
    }

    /// XEN_SYSCTL_sched_id: one of `XEN_SCHEDULER_*`.
    ///
    /// # Errors
    /// The hypervisor's refusal.
    fn scheduler_id(&mut self) -> Result<u32, Error> {
        let mut op = request(XEN_SYSCTL_sched_id, 0u64);
        let call = Call::new(__HYPERVISOR_sysctl, [Arg::Buffer(op.as_mut_bytes())]);
        self.execute("XEN_SYSCTL_sched_id", call)?;
        Ok(op.u.get::<xen_sysctl_sched_id>().sched_id)
    }

    /// XEN_SYSCTL_scheduler_op: credit2's settings for all domains of the one CPU pool.
    ///
    /// # Errors
    /// The hypervisor's refusal.
    fn scheduler_settings(&mut self) -> Result<xen_sysctl_credit2_schedule, Error> {
        let nothing = xen_sysctl_credit2_schedule { ratelimit_us: 0 };
        self.scheduler_op(XEN_SYSCTL_SCHEDOP_getinfo, nothing)
    }

    /// XEN_SYSCTL_scheduler_op: changes them.
    ///
    /// # Errors
    /// The hypervisor's refusal.
    fn set_scheduler_settings(
        &mut self,
        settings: xen_sysctl_credit2_schedule,
    ) -> Result<(), Error> {
        self.scheduler_op(XEN_SYSCTL_SCHEDOP_putinfo, settings)
            .map(drop)
    }

    #[doc(hidden)]
    fn scheduler_op(
        &mut self,
        cmd: u32,
        settings: xen_sysctl_credit2_schedule,
    ) -> Result<xen_sysctl_credit2_schedule, Error> {
        let mut argument = xen_sysctl_scheduler_op::new_zeroed();
        (argument.sched_id, argument.cmd) = (XEN_SCHEDULER_CREDIT2, cmd);
        argument.u.set(settings);
        let mut op = request(XEN_SYSCTL_scheduler_op, argument);
        let call = Call::new(__HYPERVISOR_sysctl, [Arg::Buffer(op.as_mut_bytes())]);
        self.execute("XEN_SYSCTL_scheduler_op", call)?;
        Ok(op.u.get::<xen_sysctl_scheduler_op>().u.get())
    }

    /// XEN_SYSCTL_getcpuinfo: how long each CPU has been idle since it was brought up, ns.
    ///
    /// # Errors
    /// The hypervisor's refusal.
    fn idle_times(&mut self) -> Result<Vec<u64>, Error> {
        let cpus = self.physinfo()?.max_cpu_id.saturating_add(1);
        let mut times = alloc::vec![0_u64; cpus as usize];
        let mut argument = xen_sysctl_getcpuinfo::new_zeroed();
        argument.max_cpus = cpus;
        let handle = offset_of!(xen_sysctl_getcpuinfo, info);
        let mut op = request(XEN_SYSCTL_getcpuinfo, argument);
        let name = "XEN_SYSCTL_getcpuinfo";
        self.sysctl_with_buffer(name, &mut op, handle, times.as_mut_bytes())?;
        let count = op.u.get::<xen_sysctl_getcpuinfo>().nr_cpus as usize;
        times.truncate(count);
        Ok(times)
    }

    /// XEN_SYSCTL_getdomaininfolist: up to 32 domains with ids from `first` on, by rising id.
    ///
    /// # Errors
    /// The hypervisor's refusal.
    fn domain_infos(&mut self, first: domid_t) -> Result<Vec<xen_domctl_getdomaininfo>, Error> {
        let mut infos = [xen_domctl_getdomaininfo::new_zeroed(); INFO_BATCH];
        let mut argument = xen_sysctl_getdomaininfolist::new_zeroed();
        argument.first_domain = first;
        argument.max_domains = INFO_BATCH as u32;
        let handle = offset_of!(xen_sysctl_getdomaininfolist, buffer);
        let name = "XEN_SYSCTL_getdomaininfolist";
        let mut op = request(XEN_SYSCTL_getdomaininfolist, argument);
        self.sysctl_with_buffer(name, &mut op, handle, infos.as_mut_bytes())?;
        let count = op.u.get::<xen_sysctl_getdomaininfolist>().num_domains as usize;
        Ok(infos[..count.min(INFO_BATCH)].to_vec())
    }

    /// XEN_SYSCTL_readconsole: what the hypervisor's log still holds, up to 256 KiB. One call, not
    /// incremental: a log that grows meanwhile is not read twice.
    ///
    /// # Errors
    /// The hypervisor's refusal.
    fn read_log(&mut self, clear: bool) -> Result<Vec<u8>, Error> {
        let mut log = alloc::vec![0; LOG_SIZE];
        let mut argument = xen_sysctl_readconsole::new_zeroed();
        argument.clear = clear.into();
        argument.count = LOG_SIZE as u32;
        let handle = offset_of!(xen_sysctl_readconsole, buffer);
        let mut op = request(XEN_SYSCTL_readconsole, argument);
        self.sysctl_with_buffer("XEN_SYSCTL_readconsole", &mut op, handle, &mut log)?;
        log.truncate(op.u.get::<xen_sysctl_readconsole>().count as usize);
        Ok(log)
    }

    /// XEN_SYSCTL_debug_keys: as if the keys were typed at the hypervisor's console.
    ///
    /// # Errors
    /// The hypervisor's refusal.
    fn debug_keys(&mut self, keys: &str) -> Result<(), Error> {
        let mut argument = xen_sysctl_debug_keys::new_zeroed();
        argument.nr_keys = keys.len() as u32;
        let mut bytes = keys.as_bytes().to_vec();
        let handle = offset_of!(xen_sysctl_debug_keys, keys);
        let mut op = request(XEN_SYSCTL_debug_keys, argument);
        self.sysctl_with_buffer("XEN_SYSCTL_debug_keys", &mut op, handle, &mut bytes)
    }

    #[doc(hidden)]
    fn sysctl_with_buffer(
        &mut self,
        name: &'static str,
        op: &mut xen_sysctl,
        handle: usize,
        buffer: &mut [u8],
    ) -> Result<(), Error> {
        let bytes = op.as_mut_bytes();
        let arg = Arg::Structure {
            bytes,
            handle_at: offset_of!(xen_sysctl, u) + handle,
            buffer,
        };
        self.execute(name, Call::new(__HYPERVISOR_sysctl, [arg]))
            .map(drop)
    }

    /// Everything XENVER_* tells.
    ///
    /// # Errors
    /// The hypervisor's refusal.
    fn hypervisor_info(&mut self) -> Result<HypervisorInfo, Error> {
        let version = self.version_number(XENVER_version)?;
        let compile: xen_compile_info = self.version_struct(XENVER_compile_info)?;
        let platform: xen_platform_parameters = self.version_struct(XENVER_platform_parameters)?;
        Ok(HypervisorInfo {
            // Two 16-bit halves, by definition.
            major: (version >> 16) as u16,
            minor: version as u16,
            extra: text(&self.version_struct::<xen_extraversion_t>(XENVER_extraversion)?),
            capabilities: text(
                &self.version_struct::<xen_capabilities_info_t>(XENVER_capabilities)?,
            ),
            changeset: text(&self.version_struct::<xen_changeset_info_t>(XENVER_changeset)?),
            command_line: text(&self.version_struct::<xen_commandline_t>(XENVER_commandline)?),
            virt_start: platform.virt_start,
            page_size: self.version_number(XENVER_pagesize)?,
            compiler: text(&compile.compiler),
            compiled_by: text(&compile.compile_by),
            compile_domain: text(&compile.compile_domain),
            compile_date: text(&compile.compile_date),
        })
    }

    #[doc(hidden)]
    fn version_number(&mut self, cmd: u32) -> Result<u64, Error> {
        let call = Call::new(
            __HYPERVISOR_xen_version,
            [Arg::Value(cmd.into()), Arg::Value(0)],
        );
        self.execute("xen_version", call)
    }

    #[doc(hidden)]
    fn version_struct<T: FromBytes + IntoBytes>(&mut self, cmd: u32) -> Result<T, Error> {
        let mut answer = T::new_zeroed();
        let args = [Arg::Value(cmd.into()), Arg::Buffer(answer.as_mut_bytes())];
        self.execute("xen_version", Call::new(__HYPERVISOR_xen_version, args))?;
        Ok(answer)
    }
}

impl<H: Hyper> SysctlExt for H {}

/// All domains, by rising id.
///
/// # Errors
/// The hypervisor's refusal.
pub fn read_all_domains<H: Hyper>(hyper: &mut H) -> Result<Vec<xen_domctl_getdomaininfo>, Error> {
    let mut all: Vec<xen_domctl_getdomaininfo> = Vec::new();
    let mut first = 0;
    loop {
        let batch = hyper.domain_infos(first)?;
        let full = batch.len() == INFO_BATCH;
        // Ids rise strictly, or the loop would not end.
        let Some(last) = batch
            .last()
            .map(|info| info.domain)
            .filter(|last| *last >= first)
        else {
            return Ok(all);
        };
        all.extend(batch);
        match last.checked_add(1) {
            Some(next) if full => first = next,
            _ => return Ok(all),
        }
    }
}
