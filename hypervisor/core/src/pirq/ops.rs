//! The operations of physdev.h about interrupts and PCI functions, of dom0 alone where they touch
//! hardware.

use hypercall_abi::physdev::*;

use super::message::Message;
use super::storm::Rate;
use super::{FIRST_VECTOR, LAST_VECTOR, LEGACY_LINES, Pirq, Pirqs, Source, end, silence};
use crate::addr::Mfn;
use crate::domain::{DOMID_SELF, Domain, DomainState};
use crate::error::{Errno, Result};
use crate::guest::{copy_in, copy_out};
use crate::hypercall::Cx;
use crate::hypervisor::Hypervisor;
use crate::pci::Function;
use crate::platform::{Machine, Wiring};

/// Most messages that one function can have.
const MOST_MESSAGES: i32 = 32;
/// I/O APIC registers before those of the lines.
const FIRST_LINE_REGISTER: u32 = 0x10;

/// `PHYSDEVOP_eoi`.
pub(crate) fn eoi<M: Machine>(cx: &mut Cx<'_, M>, arg: u64) -> Result<()> {
    let op: physdev_eoi = copy_in(cx.m(), arg)?;
    end(cx.hv, cx.dom, op.irq)
}

/// `PHYSDEVOP_irq_status_query`. As on real Xen, whoever asks is told to send the end of interrupt,
/// and finds out by the page that he need not.
pub(crate) fn irq_status_query<M: Machine>(cx: &mut Cx<'_, M>, arg: u64) -> Result<()> {
    let mut op: physdev_irq_status_query = copy_in(cx.m(), arg)?;
    if op.irq >= cx.dom.lock().pirqs.count {
        return Err(Errno::EINVAL);
    }
    op.flags = XENIRQSTAT_needs_eoi;
    copy_out(cx.m(), arg, &op)
}

/// `PHYSDEVOP_pirq_eoi_gmfn_v1` and `_v2`: the guest's page with a bit for each PIRQ.
#[cold]
pub(crate) fn set_eoi_page<M: Machine>(cx: &mut Cx<'_, M>, arg: u64, unmasks: bool) -> Result<()> {
    let op: physdev_pirq_eoi_gmfn = copy_in(cx.m(), arg)?;
    let (hv, page) = (cx.hv, Mfn(op.gmfn));
    let mut state = cx.dom.lock();
    hv.page_get_writable(cx.dom, page)
        .map_err(|_| Errno::EINVAL)?;
    if state.pirqs.eoi_page.is_some() {
        hv.page_put_writable(page);
        return Err(Errno::EBUSY);
    }
    state.pirqs.eoi_page = Some((page, unmasks));
    Ok(())
}

/// `PHYSDEVOP_setup_gsi`: how a line is wired, which is settled once.
#[cold]
pub(crate) fn setup_gsi<M: Machine>(cx: &mut Cx<'_, M>, arg: u64) -> Result<()> {
    let op: physdev_setup_gsi = copy_in(cx.m(), arg)?;
    let gsi = u32::try_from(op.gsi).map_err(|_| Errno::EINVAL)?;
    let wiring = Wiring {
        level: op.triggering != 0,
        low: op.polarity != 0,
    };
    cx.hv.irqs.lock().set_up(cx.m(), gsi, wiring)
}

/// `PHYSDEVOP_alloc_irq_vector`: an answer for those who ask; vectors are nobody's concern.
pub(crate) fn alloc_irq_vector<M: Machine>(cx: &mut Cx<'_, M>, arg: u64) -> Result<()> {
    let mut op: physdev_irq = copy_in(cx.m(), arg)?;
    op.vector = op.irq;
    copy_out(cx.m(), arg, &op)
}

/// `PHYSDEVOP_apic_read`.
#[cold]
pub(crate) fn apic_read<M: Machine>(cx: &mut Cx<'_, M>, arg: u64) -> Result<()> {
    let mut op: physdev_apic = copy_in(cx.m(), arg)?;
    op.value = (cx.m())
        .io_apic_register(op.apic_physbase, op.reg as u8)
        .ok_or(Errno::EINVAL)?;
    copy_out(cx.m(), arg, &op)
}

/// `PHYSDEVOP_apic_write`: the routing is the hypervisor's, and other registers have nothing that a
/// guest need write.
#[cold]
pub(crate) fn apic_write<M: Machine>(cx: &mut Cx<'_, M>, arg: u64) -> Result<()> {
    let op: physdev_apic = copy_in(cx.m(), arg)?;
    let version = cx.m().io_apic_register(op.apic_physbase, 1);
    let last = version.ok_or(Errno::EINVAL)? >> 16 & 0xff;
    if op.reg >= FIRST_LINE_REGISTER + 2 * (last + 1) {
        return Err(Errno::EINVAL);
    }
    Ok(())
}

/// The domain whose PIRQs a call is about; dom0 alone maps and unmaps them.
fn target<'a, M: Machine>(cx: &Cx<'a, M>, domid: u16) -> Result<&'a Domain> {
    let dom = if domid == DOMID_SELF {
        cx.dom
    } else {
        cx.hv.domains.find(domid)?
    };
    if cx.dom.is_privileged() {
        Ok(dom)
    } else {
        Err(Errno::EPERM)
    }
}

/// `PHYSDEVOP_map_pirq`.
#[cold]
pub(crate) fn map_pirq<M: Machine>(cx: &mut Cx<'_, M>, arg: u64) -> Result<()> {
    let mut op: physdev_map_pirq = copy_in(cx.m(), arg)?;
    let dom = target(cx, op.domid)?;
    {
        let mut state = dom.lock();
        if dom.is_dying() {
            return Err(Errno::ESRCH);
        }
        op.pirq = match op.r#type {
            MAP_PIRQ_TYPE_GSI => {
                let lines = cx.hv.config.lines.len() as u32;
                map_line((cx.dom, lines), dom, &mut state.pirqs, (op.index, op.pirq))?
            }
            MAP_PIRQ_TYPE_MSI | MAP_PIRQ_TYPE_MSI_SEG => map_message(cx.hv, dom, &mut state, &op)?,
            MAP_PIRQ_TYPE_MULTI_MSI => match op.entry_nr {
                1 => map_message(cx.hv, dom, &mut state, &op)?,
                // Consecutive vectors would need interrupt remapping.
                2..=MOST_MESSAGES => return Err(Errno::EOPNOTSUPP),
                _ => return Err(Errno::EDOM),
            },
            _ => return Err(Errno::EINVAL),
        };
    }
    copy_out(cx.m(), arg, &op)
}

/// A PIRQ of `dom` for a line of the caller's, of which there are `lines`: the one wanted, or any if
/// that is negative; the one that it has already. With it comes the right to bind it.
#[cold]
fn map_line(
    (caller, lines): (&Domain, u32),
    dom: &Domain,
    pirqs: &mut Pirqs,
    (index, wanted): (i32, i32),
) -> Result<i32> {
    let gsi = u32::try_from(index).map_err(|_| Errno::EINVAL)?;
    if gsi >= lines {
        return Err(Errno::EINVAL);
    }
    pirqs.make_room()?;
    let number = match (pirqs.of_line(gsi), u32::try_from(wanted)) {
        // One that was taken away while bound is in the way until it is closed.
        (Some((_, false)), _) => return Err(Errno::EEXIST),
        (Some((has, _)), Ok(wanted)) if has != wanted => return Err(Errno::EEXIST),
        (Some((has, _)), _) => has,
        (None, Ok(wanted)) => match pirqs.get(wanted).map(|pirq| pirq.source) {
            Some(Source::Unmapped(_)) => return Err(Errno::EEXIST),
            _ => wanted,
        },
        (None, Err(_)) => free(pirqs, LEGACY_LINES..lines).ok_or(Errno::ENOSPC)?,
    };
    if !caller.may_have_line(gsi) {
        return Err(Errno::EPERM);
    }
    let pirq = pirqs.get_mut(number).ok_or(Errno::EINVAL)?;
    // As on real Xen, one that stands for something else is no error.
    if matches!(pirq.source, Source::None | Source::Reserved) {
        pirq.source = Source::Line(gsi);
    }
    if pirq.source == Source::Line(gsi) {
        dom.change_rights(|rights| {
            rights.set_line(gsi, true);
            Ok(())
        })?;
    }
    Ok(number as i32)
}

/// The first of some PIRQs that stands for nothing.
fn free(pirqs: &Pirqs, mut among: impl Iterator<Item = u32>) -> Option<u32> {
    let stands_for_nothing = |pirq: Pirq| pirq.source == Source::None;
    among.find(|&number| pirqs.get(number).is_some_and(stands_for_nothing))
}

/// One that is not a line's.
fn free_for_message(pirqs: &Pirqs, lines: u32) -> Result<u32> {
    free(pirqs, (lines..pirqs.count).rev()).ok_or(Errno::ENOSPC)
}

/// A PIRQ for a function's message.
#[cold]
fn map_message<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    state: &mut DomainState,
    op: &physdev_map_pirq,
) -> Result<i32> {
    // A vector of the caller's choice is none that real Xen would take.
    if op.index >= 0 {
        return Err(Errno::EINVAL);
    }
    let segment = match op.r#type {
        MAP_PIRQ_TYPE_MSI => 0,
        _ => op.bus as u32 >> 16,
    };
    let id = function_id(segment as u16, op.bus as u8, op.devfn as u8);
    let pirqs = &mut state.pirqs;
    if segment != 0 || op.bus & 0xff00 != 0 {
        return Err(Errno::ENODEV);
    }
    hv.irqs.lock().reported(id)?;
    if op.pirq >= 0 && op.pirq as u32 >= pirqs.count {
        return Err(Errno::EINVAL);
    }
    // As on real Xen, only the domain that has the function, which without an IOMMU is dom0.
    if !dom.is_privileged() {
        return Err(Errno::ENODEV);
    }
    // Functions with a table of messages are told that they have none: their drivers take one
    // message, or the line.
    if op.table_base != 0 {
        return Err(Errno::ENODEV);
    }
    let message = Message::of(hv.machine, Function(id as u16)).ok_or(Errno::ENODEV)?;
    pirqs.make_room()?;
    let number = match u32::try_from(op.pirq) {
        Ok(wanted) => wanted,
        Err(_) => free_for_message(pirqs, hv.config.lines.len() as u32)?,
    };
    let pirq = pirqs.get_mut(number).ok_or(Errno::EINVAL)?;
    if !matches!(pirq.source, Source::None | Source::Reserved) {
        return Ok(number as i32);
    }
    let cpu = hv.machine.cpu();
    (pirq.source, pirq.cpu) = (Source::Message(message), cpu);
    let vector = pirqs.vector_of(&mut hv.irqs.lock(), dom.pirq(number));
    match vector {
        Ok(vector) => {
            message.mask(hv.machine, true);
            message.program(hv.machine, vector, cpu);
            Ok(number as i32)
        }
        Err(e) => {
            if let Some(pirq) = pirqs.get_mut(number) {
                pirq.source = Source::None;
            }
            Err(e)
        }
    }
}

/// `PHYSDEVOP_unmap_pirq`. As on real Xen, a line that a domain gave up is one to which it has no right
/// any more.
pub(crate) fn unmap_pirq<M: Machine>(cx: &mut Cx<'_, M>, arg: u64) -> Result<()> {
    let op: physdev_unmap_pirq = copy_in(cx.m(), arg)?;
    let dom = target(cx, op.domid)?;
    let number = u32::try_from(op.pirq).map_err(|_| Errno::EINVAL)?;
    let mut state = dom.lock();
    let pirq = state.pirqs.get(number).ok_or(Errno::EINVAL)?;
    if !pirq.source.is_mapped() {
        return Err(Errno::EINVAL);
    }
    unmap(cx.hv, dom, &mut state, number);
    Ok(())
}

/// Takes a PIRQ that is mapped away. If a port is bound to it, the number is in use until that is
/// closed.
#[cold]
pub(super) fn unmap<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    state: &mut DomainState,
    number: u32,
) {
    let (m, place) = (hv.machine, dom.pirq(number));
    let Some(pirq) = state.pirqs.get_mut(number) else {
        return;
    };
    let source = pirq.source;
    (pirq.masked, pirq.rate) = (false, Rate::default());
    pirq.source = match source {
        _ if pirq.port == 0 => Source::None,
        Source::Line(gsi) => Source::Unmapped(Some(gsi)),
        _ => Source::Unmapped(None),
    };
    let vector = core::mem::take(&mut pirq.vector);
    match source {
        Source::Line(gsi) => {
            hv.irqs.lock().end(m, gsi, place);
            // No range becomes two: this does not fail.
            let _ = dom.change_rights(|rights| {
                rights.set_line(gsi, false);
                Ok(())
            });
        }
        Source::Message(message) => {
            silence(hv, source);
            message.disable(m);
        }
        _ => {}
    }
    hv.irqs.lock().give_vector(vector);
}

/// `PHYSDEVOP_get_free_pirq`.
#[cold]
pub(crate) fn get_free_pirq<M: Machine>(cx: &mut Cx<'_, M>, arg: u64) -> Result<()> {
    let mut op: physdev_get_free_pirq = copy_in(cx.m(), arg)?;
    {
        let mut state = cx.dom.lock();
        let pirqs = &mut state.pirqs;
        let lines = cx.hv.config.lines.len() as u32;
        op.pirq = match op.r#type {
            MAP_PIRQ_TYPE_GSI => free(pirqs, LEGACY_LINES..lines).ok_or(Errno::ENOSPC)?,
            _ => free_for_message(pirqs, lines)?,
        };
        if let Some(pirq) = pirqs.get_mut(op.pirq) {
            pirq.source = Source::Reserved;
        }
    }
    copy_out(cx.m(), arg, &op)
}

/// The number that a function is known by.
pub(crate) fn function_id(segment: u16, bus: u8, devfn: u8) -> u32 {
    u32::from(segment) << 16 | u32::from(bus) << 8 | u32::from(devfn)
}

/// dom0 reports a function, whether it is there or not; again does no harm.
#[cold]
pub(crate) fn add_function<M: Machine>(cx: &mut Cx<'_, M>, id: u32) -> Result<()> {
    cx.hv.irqs.lock().add_function(id)
}

/// dom0 reports that a function is gone, and its messages with it.
#[cold]
pub(crate) fn remove_function<M: Machine>(cx: &mut Cx<'_, M>, id: u32) -> Result<()> {
    let m = cx.m();
    cx.hv.irqs.lock().remove_function(id)?;
    each_message(cx.hv, id, |pirq, message| {
        pirq.source = Source::Gone;
        message.mask(m, true);
        message.disable(m);
        let vector = core::mem::take(&mut pirq.vector);
        cx.hv.irqs.lock().give_vector(vector);
    });
    Ok(())
}

/// Writes the messages of a function that has lost them again.
#[cold]
pub(crate) fn restore_function<M: Machine>(cx: &mut Cx<'_, M>, id: u32) -> Result<()> {
    let m = cx.m();
    cx.hv.irqs.lock().reported(id)?;
    each_message(cx.hv, id, |pirq, message| {
        message.program(m, pirq.vector, pirq.cpu);
        message.mask(m, pirq.port == 0);
    });
    Ok(())
}

/// Calls `f` with each PIRQ, whosever, that stands for a message of function `id`.
fn each_message<M: Machine>(hv: &Hypervisor<M>, id: u32, mut f: impl FnMut(&mut Pirq, Message)) {
    for vector in FIRST_VECTOR..=LAST_VECTOR {
        let Some(place) = hv.irqs.lock().by_vector(vector) else {
            continue;
        };
        let mut state = hv.domains.slot(place.slot).lock();
        if let Some(pirq) = state.pirqs.get_mut(place.pirq)
            && pirq.vector == vector
            && let Source::Message(message) = pirq.source
            && u32::from(message.function.0) == id
        {
            f(pirq, message);
        }
    }
}

/// A function's table of messages shall stay where it is, or may move again. None is known to have
/// one.
#[cold]
pub(crate) fn keep_table<M: Machine>(cx: &mut Cx<'_, M>, id: u32) -> Result<()> {
    cx.hv.irqs.lock().reported(id)?;
    Err(Errno::ENODEV)
}
