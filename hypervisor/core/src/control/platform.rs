//! `platform_op` (platform.h): what the control domain asks about the machine.

use core::sync::atomic::Ordering;

use hypercall_abi::platform::{
    XEN_FW_DISK_INFO, XEN_FW_DISK_MBR_SIGNATURE, XEN_FW_EFI_INFO, XEN_FW_KBD_SHIFT_FLAGS,
    XEN_FW_VBEDDC_INFO, XEN_PCPU_FLAGS_INVALID, XEN_PCPU_FLAGS_ONLINE, XENPF_INTERFACE_VERSION,
    XENPF_firmware_info, XENPF_get_cpu_version, XENPF_get_cpuinfo, XENPF_settime32,
    XENPF_settime64, xen_platform_op, xenpf_firmware_info, xenpf_pcpu_version, xenpf_pcpuinfo,
    xenpf_settime32, xenpf_settime64,
};

use crate::error::{Errno, HypercallResult, Result};
use crate::guest::{copy_in, copy_out};
use crate::hypercall::Cx;
use crate::platform::Machine;

/// Nanoseconds in a second.
const SECOND: u64 = 1_000_000_000;

/// `platform_op(op)`.
///
/// # Errors
/// `EPERM` for other domains than dom0; `EACCES` for another version of the interface; `ENOSYS` for
/// what is not offered; `EFAULT`.
pub fn platform_op<M: Machine>(cx: &mut Cx<'_, M>, arg: u64) -> HypercallResult {
    if !cx.dom.is_privileged() {
        return Err(Errno::EPERM.into());
    }
    let mut op: xen_platform_op = copy_in(cx.m(), arg)?;
    if op.interface_version != XENPF_INTERFACE_VERSION {
        return Err(Errno::EACCES.into());
    }
    match op.cmd {
        XENPF_settime32 => {
            let t: xenpf_settime32 = op.u.get();
            set_time(cx, u64::from(t.secs), t.nsecs, t.system_time)?;
        }
        XENPF_settime64 => {
            let t: xenpf_settime64 = op.u.get();
            if t.mbz != 0 {
                return Err(Errno::EINVAL.into());
            }
            set_time(cx, t.secs, t.nsecs, t.system_time)?;
        }
        XENPF_firmware_info => {
            let info: xenpf_firmware_info = op.u.get();
            return Err(no_firmware_info(info.r#type).into());
        }
        XENPF_get_cpuinfo => {
            let info: xenpf_pcpuinfo = op.u.get();
            op.u.set(cpu_info(cx, info.xen_cpuid));
            copy_out(cx.m(), arg, &op)?;
        }
        XENPF_get_cpu_version => {
            let version: xenpf_pcpu_version = op.u.get();
            op.u.set(cpu_version(cx, version.xen_cpuid));
            copy_out(cx.m(), arg, &op)?;
        }
        _ => return Err(Errno::ENOSYS.into()),
    }
    Ok(0)
}

/// Corrects the wall clock of all domains: it is `seconds` and `nanoseconds` when the system time is
/// `system_time`.
fn set_time<M: Machine>(
    cx: &Cx<'_, M>,
    seconds: u64,
    nanoseconds: u32,
    system_time: u64,
) -> Result<()> {
    let boot = seconds
        .checked_mul(SECOND)
        .and_then(|t| t.checked_add(u64::from(nanoseconds)))
        .and_then(|t| t.checked_sub(system_time))
        .ok_or(Errno::EINVAL)?;
    cx.hv.wallclock.store(boot, Ordering::Relaxed);
    for dom in cx.hv.domains.iter() {
        let state = dom.lock();
        if let Some(page) = state.shared_info {
            crate::sched::area::write_wallclock(cx.hv, page);
        }
    }
    Ok(())
}

/// No firmware table is kept: the errno that real Xen has for a disk or table that is not there.
fn no_firmware_info(kind: u32) -> Errno {
    match kind {
        XEN_FW_DISK_INFO
        | XEN_FW_DISK_MBR_SIGNATURE
        | XEN_FW_VBEDDC_INFO
        | XEN_FW_KBD_SHIFT_FLAGS => Errno::ESRCH,
        XEN_FW_EFI_INFO => Errno::ENOSYS,
        _ => Errno::EINVAL,
    }
}

/// CPUs are numbered as they were brought up, and known by that number alone.
fn cpu_info<M: Machine>(cx: &Cx<'_, M>, cpu: u32) -> xenpf_pcpuinfo {
    let max_present = cx.hv.config.cpus.saturating_sub(1);
    let exists = cpu <= max_present;
    xenpf_pcpuinfo {
        xen_cpuid: cpu,
        max_present,
        flags: if exists {
            XEN_PCPU_FLAGS_ONLINE
        } else {
            XEN_PCPU_FLAGS_INVALID
        },
        apic_id: if exists { cpu } else { 0 },
        acpi_id: if exists { cpu } else { 0 },
    }
}

/// All CPUs of a machine are of one kind, so this one speaks for them.
fn cpu_version<M: Machine>(cx: &Cx<'_, M>, cpu: u32) -> xenpf_pcpu_version {
    let mut version = xenpf_pcpu_version {
        xen_cpuid: cpu,
        max_present: cx.hv.config.cpus.saturating_sub(1),
        vendor_id: [0; 12],
        family: 0,
        model: 0,
        stepping: 0,
    };
    if cpu > version.max_present {
        return version;
    }
    let (_, b, c, d) = cx.m().cpuid(0, 0);
    let name = [b, d, c].into_iter().flat_map(u32::to_le_bytes);
    for (to, from) in version.vendor_id.iter_mut().zip(name) {
        *to = from;
    }
    let (signature, ..) = cx.m().cpuid(1, 0);
    let family = signature >> 8 & 0xf;
    let model = signature >> 4 & 0xf;
    version.stepping = signature & 0xf;
    version.family = if family == 0xf {
        family + (signature >> 20 & 0xff)
    } else {
        family
    };
    version.model = if matches!(family, 6 | 0xf) {
        model | signature >> 12 & 0xf0
    } else {
        model
    };
    version
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit;
    use crate::vcpu::{Vcpu, VcpuId};
    use core::mem::offset_of;
    use hypercall_abi::xen::shared_info;
    use zerocopy::{FromBytes, FromZeros, IntoBytes};

    const BUFFER: u64 = 0x40_0000;

    struct Asked {
        result: HypercallResult,
        op: xen_platform_op,
        /// wc_version, wc_sec, wc_nsec.
        clock: [u32; 3],
    }

    fn ask(domain: u16, change: impl FnOnce(&mut xen_platform_op)) -> Asked {
        let hv = testkit::hypervisor(64, 2);
        let dom = testkit::domain(hv, domain, 1, 32);
        let page = hv.alloc_domain_page(dom).unwrap();
        let mut op = xen_platform_op::new_zeroed();
        op.interface_version = XENPF_INTERFACE_VERSION;
        change(&mut op);
        hv.machine.write_frame(page, 0, op.as_bytes());
        hv.machine.load_root(testkit::map(hv, dom, BUFFER, &[page]));
        let mut vcpu = Vcpu::new(VcpuId { domain, index: 0 }, dom.slot);
        let result = platform_op(&mut testkit::context(hv, dom, &mut vcpu), BUFFER);
        let mut bytes = [0; 136];
        hv.machine.read_frame(page, 0, &mut bytes);
        let info = dom.lock().shared_info.unwrap();
        let word = |at| hv.machine.load_u32(info, at);
        Asked {
            result,
            op: xen_platform_op::read_from_bytes(&bytes).unwrap(),
            clock: [
                word(offset_of!(shared_info, wc_version)),
                word(offset_of!(shared_info, wc_sec)),
                word(offset_of!(shared_info, wc_nsec)),
            ],
        }
    }

    #[test]
    fn only_dom0_and_only_this_version() {
        assert_eq!(ask(1, |op| op.cmd = 55).result, Err(Errno::EPERM.into()));
        let old = ask(0, |op| {
            op.cmd = 55;
            op.interface_version = 1;
        });
        assert_eq!(old.result, Err(Errno::EACCES.into()));
        assert_eq!(ask(0, |op| op.cmd = 70).result, Err(Errno::ENOSYS.into()));
    }

    #[test]
    fn cpus_and_those_that_are_not_there() {
        for (cpu, flags) in [(0, 1), (1, 1), (2, 2), (u32::MAX, 2)] {
            let asked = ask(0, |op| {
                op.cmd = XENPF_get_cpuinfo;
                op.u.0[0] = u64::from(cpu);
            });
            let info: xenpf_pcpuinfo = asked.op.u.get();
            assert_eq!(
                (asked.result, info.flags, info.max_present),
                (Ok(0), flags, 1)
            );
        }
    }

    #[test]
    fn time_is_set_as_on_real_xen() {
        let set = |seconds, nanoseconds, mbz, system_time| {
            ask(0, |op| {
                op.cmd = XENPF_settime64;
                op.u.set(xenpf_settime64 {
                    secs: seconds,
                    nsecs: nanoseconds,
                    mbz,
                    system_time,
                });
            })
        };
        assert_eq!(set(1_000_000, 0, 1, 0).result, Err(Errno::EINVAL.into()));
        let asked = set(1_000_000, 2_000_000_000, 0, 0);
        assert_eq!(asked.result, Ok(0));
        assert_eq!(asked.clock[1..], [1_000_002, 0]);
        assert_eq!(asked.clock[0] % 2, 0);
        assert_eq!(set(u64::MAX, 0, 0, 0).result, Err(Errno::EINVAL.into()));
        assert_eq!(set(1, 0, 0, u64::MAX).result, Err(Errno::EINVAL.into()));
    }

    #[test]
    fn firmware_knows_nothing() {
        let errnos = [
            Errno::EINVAL,
            Errno::ESRCH,
            Errno::ESRCH,
            Errno::ESRCH,
            Errno::ENOSYS,
            Errno::ESRCH,
            Errno::EINVAL,
        ];
        for (kind, errno) in errnos.into_iter().enumerate() {
            let asked = ask(0, |op| {
                op.cmd = XENPF_firmware_info;
                op.u.0[0] = kind as u64;
            });
            assert_eq!(asked.result, Err(errno.into()), "{kind}");
        }
    }
}
