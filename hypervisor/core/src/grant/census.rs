//! What must be true of all grants, counted afresh: every use of an entry is a mapping's, and every
//! mapping's uses are its entry's.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use hypercall_abi::grant_table::{GNTMAP_device_map, GNTMAP_readonly};

use super::entry::Pins;
use super::table::{Active, GrantTable, PER_FRAME, Track};
use crate::addr::Mfn;
use crate::domain::Domain;
use crate::frame::word::Kind;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;

impl GrantTable {
    fn mappings<M: Machine>(&self, m: &M) -> Vec<(u32, Track)> {
        (0..self.handles())
            .filter_map(|handle| Some((handle, self.track(m, handle)?)))
            .collect()
    }

    /// The domain's mappings: handle, frame, `GNTMAP_*`.
    #[must_use]
    pub fn list<M: Machine>(&self, m: &M) -> Vec<(u32, Mfn, u32)> {
        let all = self.mappings(m).into_iter();
        all.map(|(handle, t)| (handle, t.mfn(), t.flags().into()))
            .collect()
    }

    fn used<M: Machine>(&self, m: &M) -> Vec<(u32, Active)> {
        let all = 0..self.frames.len() as u32 * PER_FRAME;
        all.map(|gref| (gref, self.active(m, gref)))
            .filter(|(_, active)| active.pins != 0)
            .collect()
    }

    /// Mappings of the domain, and uses of its entries, in words: handles are nobody's to rely on.
    #[must_use]
    pub fn text<M: Machine>(&self, m: &M) -> String {
        let mut mappings: Vec<_> = self.mappings(m).into_iter().map(|(_, t)| t).collect();
        mappings.sort();
        format!("{mappings:x?} {:x?}", self.used(m))
    }
}

/// Pages that are held for devices, with a use of the kind each.
pub fn held<M: Machine>(hv: &Hypervisor<M>) -> Vec<(Mfn, Kind)> {
    let mut held = Vec::new();
    for dom in hv.domains.iter() {
        for (_, track) in dom.lock().grants.mappings(hv.machine) {
            if u32::from(track.flags()) & GNTMAP_device_map != 0 {
                let reads = u32::from(track.flags()) & GNTMAP_readonly != 0;
                let kind = if reads { Kind::None } else { Kind::Writable };
                held.push((track.mfn(), kind));
            }
        }
    }
    held
}

/// Compares the uses of all entries with the mappings of all domains.
///
/// # Errors
/// The first that differs, in words.
pub fn check<M: Machine>(hv: &Hypervisor<M>) -> Result<(), String> {
    let mut uses: BTreeMap<(u16, u32), Active> = BTreeMap::new();
    for dom in hv.domains.iter() {
        let state = dom.lock();
        let mappings = state.grants.mappings(hv.machine);
        if mappings.len() != state.grants.mapped as usize {
            let (is, says) = (mappings.len(), state.grants.mapped);
            return Err(format!("d{} has {is} mappings, says {says}", dom.id()));
        }
        drop(state);
        for (handle, track) in mappings {
            if hv.domains.slot(track.slot()).generation() != track.generation() {
                continue;
            }
            let all = uses.entry((track.slot(), track.gref())).or_default();
            let pins = Pins::of(u32::from(track.flags()));
            if all.pins != 0 && (all.frame, all.grantee) != (track.mfn().0 as u32, dom.id()) {
                return Err(format!(
                    "mapping {handle} of d{} is odd: {track:?}",
                    dom.id()
                ));
            }
            (all.frame, all.grantee) = (track.mfn().0 as u32, dom.id());
            all.pins += pins.0;
        }
    }
    for dom in hv.domains.iter() {
        check_entries(hv, dom, &mut uses)?;
    }
    match uses
        .iter()
        .find(|((slot, _), _)| has_table(hv.domains.slot(*slot)))
    {
        Some(left) => Err(format!("mappings of an entry that nobody uses: {left:?}")),
        None => Ok(()),
    }
}

/// A domain that is gone but for what others have mapped has no table.
fn has_table(dom: &Domain) -> bool {
    !dom.lock().grants.frames.is_empty()
}

fn check_entries<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    uses: &mut BTreeMap<(u16, u32), Active>,
) -> Result<(), String> {
    for (gref, active) in dom.lock().grants.used(hv.machine) {
        let mapped = uses.remove(&(dom.slot, gref));
        if mapped != Some(active) {
            return Err(format!(
                "entry {gref} of d{}: {active:?}, its mappings say {mapped:?}",
                dom.id()
            ));
        }
    }
    Ok(())
}
