//! The invariants of `security` class A, counted afresh from memory: what every frame word must say.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;

use super::entry::{PRESENT, RW, frame};
use crate::addr::{ENTRIES, HYPERVISOR_SLOT_END, HYPERVISOR_SLOT_START, Mfn};
use crate::frame::word::{Kind, Owner};
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;

#[derive(Default, Clone, Copy)]
struct Counts {
    refs: u32,
    types: u32,
}

/// Compares every frame word with the uses found in all live tables plus `held`: frames with
/// uses that are not in memory (roots of vCPUs, shared pages, a count each); those of no kind are
/// references alone.
///
/// # Errors
/// The first frame that differs, in words.
pub fn check<M: Machine>(hv: &Hypervisor<M>, held: &[(Mfn, Kind)]) -> Result<(), String> {
    let mut counts: BTreeMap<u64, Counts> = BTreeMap::new();
    let mut add = |mfn: Mfn, typed: bool| {
        let c = counts.entry(mfn.0).or_default();
        c.refs += 1;
        c.types += u32::from(typed);
    };
    for mfn in (0..hv.frames.len()).map(Mfn) {
        let w = hv.frames.word(mfn);
        if w.is_allocated() {
            add(mfn, false);
        }
        if w.is_pinned() {
            add(mfn, true);
        }
        let Some(level) = w.kind().level() else {
            continue;
        };
        if !w.is_validated() {
            return Err(format!("{mfn:?} is locked with no walk in progress: {w:?}"));
        }
        for index in 0..ENTRIES {
            if level == 4 && (HYPERVISOR_SLOT_START..HYPERVISOR_SLOT_END).contains(&index) {
                continue;
            }
            let raw = hv.machine.read_entry(mfn, index);
            if raw & PRESENT == 0 || hv.frames.owner(frame(raw)) == Owner::IO {
                continue;
            }
            let child = hv.frames.word(frame(raw));
            if child.owner().slot().is_none() {
                return Err(format!("{mfn:?}[{index}] = {raw:x} maps {child:?}"));
            }
            let writable = level == 1 && raw & RW != 0;
            if level == 1 && writable && child.kind() != Kind::Writable {
                return Err(format!("{mfn:?}[{index}] maps {child:?} writable"));
            }
            if level > 1 && child.kind() != Kind::table(level - 1) {
                return Err(format!("{mfn:?}[{index}] refers to {child:?} as a table"));
            }
            add(frame(raw), writable || level > 1);
        }
    }
    for &(mfn, kind) in held {
        if kind != Kind::None && hv.frames.word(mfn).kind() != kind {
            return Err(format!(
                "{mfn:?} is held as {kind:?}, but is {:?}",
                hv.frames.word(mfn)
            ));
        }
        add(mfn, kind != Kind::None);
    }
    for mfn in (0..hv.frames.len()).map(Mfn) {
        let w = hv.frames.word(mfn);
        let c = counts.get(&mfn.0).copied().unwrap_or_default();
        if (w.refs(), w.types()) != (c.refs, c.types) {
            return Err(format!(
                "{mfn:?} says {w:?}, memory says refs {} types {}",
                c.refs, c.types
            ));
        }
        if (w.kind() == Kind::None) != (w.types() == 0) {
            return Err(format!("{mfn:?} has a kind without a use: {w:?}"));
        }
        if w.owner() == Owner::FREE && w != crate::frame::word::Word::FREE {
            return Err(format!("{mfn:?} is free and not blank: {w:?}"));
        }
    }
    check_claims(hv)
}

/// Compares what is claimed in all with what the domains lack, and with what is free.
///
/// # Errors
/// The numbers that differ, in words.
pub fn check_claims<M: Machine>(hv: &Hypervisor<M>) -> Result<(), String> {
    let (mut sum, mut count) = (0, 0);
    for dom in hv.domains.iter().filter(|dom| dom.has_claim()) {
        sum += u64::from(dom.outstanding());
        count += 1;
    }
    let (free, said) = (hv.frames.free_frames(), hv.frames.claimed());
    if said != (sum, count) || sum > free {
        return Err(format!(
            "{said:?} frames and domains are said to be claimed, {:?} are, {free} frames are free",
            (sum, count)
        ));
    }
    Ok(())
}
