//! Disks as the store has them: the front ends' nodes, and the back ends' states.

use super::serve::{Done, Server};
use crate::dev::block;
use crate::log::klog;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use guest_kernel::store::client::or_refused;
use guest_kernel::xenbus::{Front, Step};
use hypercall_abi::io::blkif::VDISK_READONLY;
use hypercall_abi::io::xenbus::*;
use hypercall_abi::io::xs_wire::XS_DIRECTORY;

/// Where disks' nodes are.
pub(super) const DISKS: &str = "device/vbd";
/// The watch of the first disk's back end; as many disks as there are watches from there on.
pub(super) const FIRST_WATCH: usize = 16;
const DISKS_MAX: usize = 16;

/// A disk of which nodes were found.
pub(super) struct Vbd {
    number: u32,
    watch: usize,
    front: Front,
    /// Where the back end's nodes are.
    backend: String,
}

impl Server {
    /// Looks which disks there are.
    pub(super) fn find_vbds(&mut self) -> Done {
        let request = self.client.request(XS_DIRECTORY, &[DISKS.as_bytes(), &[0]]);
        let names = or_refused(request)?.unwrap_or_default();
        let numbers: Vec<u32> = names
            .split(|byte| *byte == 0)
            .filter_map(|name| core::str::from_utf8(name).ok()?.parse().ok())
            .collect();
        self.vbds.retain(|vbd| {
            let there = numbers.contains(&vbd.number);
            if !there {
                block::remove(vbd.number);
            }
            there
        });
        for number in numbers {
            match self.vbds.iter().position(|vbd| vbd.number == number) {
                Some(at) => self.meet_again(at)?,
                None => self.meet_vbd(number)?,
            }
        }
        Ok(())
    }

    fn meet_vbd(&mut self, number: u32) -> Done {
        let backend = self.read(&format!("{DISKS}/{number}/backend"))?;
        let used = |watch: &usize| self.vbds.iter().any(|vbd| vbd.watch == *watch);
        let free = (FIRST_WATCH..FIRST_WATCH + DISKS_MAX).find(|watch| !used(watch));
        // One whose nodes are not complete is met when they are.
        let (Some(watch), false) = (free, backend.is_empty()) else {
            return Ok(());
        };
        self.vbds.push(Vbd {
            number,
            watch,
            front: Front::new(),
            backend,
        });
        self.watch_vbd(self.vbds.len() - 1)
    }

    /// Looks whether another back end is to serve a disk, as when the domain of the one before is gone.
    fn meet_again(&mut self, at: usize) -> Done {
        let Vbd { number, watch, .. } = self.vbds[at];
        let backend = self.read(&format!("{DISKS}/{number}/backend"))?;
        if backend.is_empty() || backend == self.vbds[at].backend {
            return Ok(());
        }
        let old = format!("{}/state", self.vbds[at].backend);
        // It may not be there any more to be watched.
        let _ = or_refused(self.client.unwatch(&old, watch))?;
        block::disconnect(number);
        (self.vbds[at].backend, self.vbds[at].front) = (backend, Front::new());
        self.watch_vbd(at)
    }

    /// Has a back end's state watched, which fires once to begin with.
    fn watch_vbd(&mut self, at: usize) -> Done {
        let Vbd { watch, backend, .. } = &self.vbds[at];
        let path = format!("{backend}/state");
        if let Err(e) = or_refused(self.client.watch(&path, *watch))? {
            klog!("{path} cannot be watched: {e}");
        }
        Ok(())
    }

    /// Has all of them watched by a daemon that begins anew.
    pub(super) fn watch_vbds(&mut self) -> Done {
        (0..self.vbds.len()).try_for_each(|at| self.watch_vbd(at))
    }

    /// Does what the state of a disk's back end asks for.
    pub(super) fn follow_vbd(&mut self, watch: usize) -> Done {
        let Some(at) = self.vbds.iter().position(|vbd| vbd.watch == watch) else {
            return Ok(());
        };
        let (number, backend) = (self.vbds[at].number, self.vbds[at].backend.clone());
        let state = self.read(&format!("{backend}/state"))?;
        let online = self.read(&format!("{backend}/online"))? != "0";
        let state = state.trim().parse().unwrap_or(XenbusStateUnknown);
        if state == XenbusStateConnected {
            self.learn_geometry(number, &backend)?;
        }
        match self.vbds[at].front.step(state, online) {
            Step::Wait => Ok(()),
            Step::Connect => self.connect_vbd(at),
            Step::Close => {
                block::disconnect(number);
                self.say_vbd(at, XenbusStateClosed)?;
                // A back end that has closed already says nothing more.
                self.follow_vbd(watch)
            }
            Step::Begin => self.say_vbd(at, XenbusStateInitialising),
        }
    }

    fn learn_geometry(&mut self, number: u32, backend: &str) -> Done {
        let sectors = self.read(&format!("{backend}/sectors"))?.trim().parse();
        let info = self.read(&format!("{backend}/info"))?.trim().parse::<u32>();
        let (Ok(sectors), Ok(info)) = (sectors, info) else {
            klog!("disk {number}: its back end does not say how large it is");
            return Ok(());
        };
        let geometry = block::Geometry {
            sectors,
            writable: info & VDISK_READONLY == 0,
            discards: self.read(&format!("{backend}/feature-discard"))?.trim() == "1",
        };
        block::set_geometry(number, geometry);
        Ok(())
    }

    fn connect_vbd(&mut self, at: usize) -> Done {
        let number = self.vbds[at].number;
        let domid = self.read(&format!("{DISKS}/{number}/backend-id"))?;
        let Ok(domid) = domid.trim().parse() else {
            klog!("disk {number} has no back end");
            return self.say_vbd(at, XenbusStateClosed);
        };
        let offer = match block::connect(number, domid) {
            Ok(offer) => offer,
            Err(e) => {
                klog!("disk {number} cannot be connected: {e}");
                return self.say_vbd(at, XenbusStateClosed);
            }
        };
        for (name, value) in [
            ("ring-ref", format!("{}", offer.ring)),
            ("event-channel", format!("{}", offer.port)),
            ("protocol", "x86_64-abi".into()),
        ] {
            self.say(&format!("{DISKS}/{number}/{name}"), &value)?;
        }
        self.say_vbd(at, XenbusStateConnected)
    }

    fn say_vbd(&mut self, at: usize, state: XenbusState) -> Done {
        let vbd = &mut self.vbds[at];
        vbd.front.said(state);
        let path = format!("{DISKS}/{}/state", vbd.number);
        self.say(&path, &format!("{state}"))
    }

    pub(super) fn say(&mut self, path: &str, value: &str) -> Done {
        if let Err(e) = or_refused(self.client.write(path, value))? {
            klog!("{path} cannot be written: {e}");
        }
        Ok(())
    }
}
