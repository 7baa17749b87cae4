//! Whether an operation came to what the model says, and whether the machine is as the model is.

use std::sync::atomic::Ordering;

use hypervisor_core::addr::Mfn;
use hypervisor_core::error::Errno;

use super::Outcome;
use super::call::{Call, touched};
use super::model::{
    DOMAINS, FRAMES, Model, Owner, POOL, Set, Use, Vcpu, bit, charge, descriptor, extent,
    hypervisors_slot, kept, members, target,
};
use super::toolstack;
use super::world::{Spot, Who, World, owner, usage};

type Judged = Result<Set, String>;

/// Which domains there were when a call began.
pub type Found = [bool; DOMAINS];

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, is: T, shall: T) -> Result<(), String> {
    if is == shall {
        return Ok(());
    }
    Err(format!("{what} is {is:?}, and should be {shall:?}"))
}

fn value(result: Result<(), Errno>) -> i64 {
    result.map_or_else(Errno::negated, |()| 0)
}

/// Does to the model what was asked of the machine, and compares the outcomes. Gives the frames
/// and counts that changed hands; `None` where the model cannot follow.
///
/// # Errors
/// The outcome is another.
pub fn judge(
    model: &mut Model,
    world: &World,
    who: Who,
    (call, found): (&Call, Option<Found>),
    outcome: &Outcome,
) -> Result<Option<Set>, String> {
    let judged = match outcome {
        Outcome::Result(is) => match (call, found) {
            (Call::Multi(entries), _) => {
                expect("the result", *is, 0)?;
                let mut found = found.unwrap_or_else(|| model.found());
                let mut changed = 0;
                for (n, entry) in entries.iter().enumerate() {
                    let half_done = model.half_done.iter().map(|&(f, _)| bit(f as u64));
                    if touched(model, who, entry) & half_done.fold(0, |set, f| set | f) != 0 {
                        // How far an entry before came with it is not known yet.
                        return Ok(None);
                    }
                    let at = (who, Spot::entry(who, n));
                    let is = world.result(who, n);
                    changed |= while_dying(model, world, at, (entry, &mut found), is)
                        .map_err(|why| format!("entry {n}, {entry:?}: {why}"))?;
                }
                Ok(changed | model.recount())
            }
            (_, None) => hypercall(model, world, (who, Spot::of(who)), call, *is),
            (_, Some(mut found)) => {
                let at = (who, Spot::of(who));
                while_dying(model, world, at, (call, &mut found), *is)
            }
        },
        Outcome::Direct(mfn) => {
            let used = model.counts.uses.get(*mfn as usize).copied();
            if matches!(used, Some(Use::Table(_) | Use::Descriptors)) {
                return Err(format!("a store went through to frame {mfn:x}, {used:?}"));
            }
            Ok(0)
        }
        Outcome::Emulated | Outcome::Faulted(_) => {
            let emulated = matches!(outcome, Outcome::Emulated);
            if let Call::LdtFault(at) = call {
                let root = model.doms[who.0].vcpus[who.1].kernel_root.unwrap_or(0);
                let found = model.ldt_page(who, root, *at);
                expect("whether the LDT has the page", emulated, found)?;
            } else if matches!(outcome, Outcome::Faulted(false)) {
                // A stale translation that is not there, where memory has one: the guest flushes.
            } else if let Call::Store(va, form, val) = call {
                store(model, who, (*va, *form, *val), emulated)?;
            }
            Ok(model.recount())
        }
    };
    judged.map(Some)
}

/// A store to a page-table entry that the hypervisor carried out, or gave the guest a fault for.
fn store(
    model: &mut Model,
    who: Who,
    (va, form, val): (u64, usize, u64),
    emulated: bool,
) -> Result<(), String> {
    let root = model.doms[who.0].vcpus[who.1].kernel_root.unwrap_or(0);
    let entry = model
        .l1_slot(root, va)
        .map_or(0, |(table, index)| model.mem[table][index]);
    let table = target(entry);
    // As on real Xen, only of level 1.
    let is_table = model.counts.uses.get(table as usize) == Some(&Use::Table(1));
    let own = model.frames.get(table as usize).map(|f| f.owner) == Some(Owner::Domain(who.0));
    // A page that is no table: not the hypervisor's to carry out, whatever the TLB said.
    let mut shall = entry & 3 == 1 && is_table && own && va & 7 == 0;
    if shall {
        let old = model.mem[table as usize][(va >> 3 & 511) as usize];
        let new = match form {
            0 | 1 => Some(val),
            2 => (old == 0).then_some(val),
            3 => Some(old | val),
            4 => Some(old & val),
            _ => Some(old ^ val),
        };
        if let Some(new) = new {
            let parties = model.parties(who.0, 0x7ff0).map_err(|e| format!("{e:?}"))?;
            let address = table << 12 | va & 0xff8;
            shall = model.update(parties, address, new, false).is_ok();
        }
    }
    // A stale translation may fault where memory would not, never the other way round.
    if emulated && !shall {
        return Err("a store was carried out that is to be refused".into());
    }
    if shall && !emulated {
        return Err("a store was refused that is to be carried out".into());
    }
    Ok(())
}

/// The last frame of a domain that is dead may go any time while calls overlap, or while one is made
/// in several steps: it was there at the begin of the call, and may be found until it is not.
fn while_dying(
    model: &mut Model,
    world: &World,
    at: (Who, Spot),
    (call, found): (&Call, &mut Found),
    is: i64,
) -> Judged {
    for (dom, found) in model.doms.iter_mut().zip(&*found) {
        dom.exists = if dom.dead { *found } else { dom.exists };
    }
    let unsure: Vec<usize> = (0..DOMAINS)
        .filter(|&d| model.doms[d].dead && found[d])
        .collect();
    if unsure.is_empty() {
        return hypercall(model, world, at, call, is);
    }
    let before = model.clone();
    let first = hypercall(model, world, at, call, is);
    if first.is_ok() {
        return first;
    }
    for gone in 1..1_u32 << unsure.len() {
        *model = before.clone();
        let gone = |i: &usize| gone >> i & 1 != 0;
        for i in (0..unsure.len()).filter(gone) {
            model.doms[unsure[i]].exists = false;
        }
        let judged = hypercall(model, world, at, call, is);
        if judged.is_ok() {
            (0..unsure.len())
                .filter(gone)
                .for_each(|i| found[unsure[i]] = false);
            return judged;
        }
    }
    first
}

fn hypercall(
    model: &mut Model,
    world: &World,
    (who, spot): (Who, Spot),
    call: &Call,
    is: i64,
) -> Judged {
    let me = who.0;
    let mut freed = 0;
    let shall = match call {
        Call::Mmu(list, foreign, tell) => {
            let parties = match model.parties(me, *foreign) {
                Ok(parties) => parties,
                // An empty list asks for no right.
                Err(Errno::EPERM) if list.is_empty() => {
                    expect("the result", is, 0)?;
                    return Ok(0);
                }
                Err(e) => {
                    expect("the result", is, e.negated())?;
                    return Ok(0);
                }
            };
            let mut result = Ok(());
            let mut done = 0;
            for &(ptr, val) in list {
                if is == Errno::ESRCH.negated()
                    && world.told(spot) == Some(done)
                    && model.names_the_dead(*foreign)
                {
                    // Interrupted then, and not gone on with.
                    return Ok(freed);
                }
                result = match ptr & 7 {
                    0 | 2 | 3 => model.update(parties, ptr & !7, val, ptr & 7 == 2),
                    1 if !parties.is_own() => Err(Errno::EPERM),
                    1 if parties.pages.is_none() && parties.caller != 0 => Err(Errno::EINVAL),
                    1 => machphys(model, parties.pages, ptr >> 12, val),
                    _ => Err(Errno::ENOSYS),
                };
                freed |= model.recount();
                if result.is_err() {
                    break;
                }
                done += 1;
            }
            let done = tell.then_some(done);
            expect("the count of requests done", world.told(spot), done)?;
            value(result)
        }
        Call::Va(va, val, _, domid) => {
            let pages = match domid {
                None => Ok(model.parties(me, 0x7ff0)),
                Some(domid) => model
                    .page_owner(me, *domid)
                    .map(|_| model.parties(me, u32::from(*domid))),
            };
            match pages {
                Ok(Ok(parties)) => {
                    let root = model.doms[me].vcpus[who.1].kernel_root.unwrap_or(0);
                    value(model.update_va(parties, root, *va, *val))
                }
                Ok(Err(e)) | Err(e) => e.negated(),
            }
        }
        Call::Ext(cmd, a, b, domid) => {
            if model
                .frames
                .get(*b as usize)
                .is_some_and(|from| from.shared)
            {
                model.mem[*b as usize] = world.words(*b as usize);
            }
            ext(model, who, (*cmd, *a, *b, *domid))?
        }
        Call::Reserve(..) => return reserve(model, world, (me, spot), call, is),
        Call::Exchange(..) => return exchange(model, world, (me, spot), call, is),
        // One in another.
        Call::Multi(_) => Errno::EINVAL.negated(),
        Call::Reservation(cmd, domid) => match model.subject(me, *domid) {
            Ok(d) if *cmd == 3 => i64::from(model.charged(d)),
            Ok(d) => i64::from(model.doms[d].max_pages),
            Err(e) => e.negated(),
        },
        Call::Claim(domid, pages) => value(model.claim(me, *domid, *pages)),
        Call::SetGdt(frames) => value(model.set_gdt(who, frames)),
        Call::Descriptor(at, raw) => value(model.update_descriptor(me, *at, *raw)),
        Call::Assist(cmd, kind) => match (cmd, kind) {
            (_, 6..) => Errno::EINVAL.negated(),
            (0 | 1, _) => 0,
            _ => Errno::ENOSYS.negated(),
        },
        call => value(toolstack::judge(model, world, me, call)),
    };
    expect("the result", is, shall)?;
    Ok(freed | model.recount())
}

/// Whose pages are meant was looked up when the call began.
fn machphys(model: &mut Model, pages: Option<usize>, mfn: u64, pfn: u64) -> Result<(), Errno> {
    let f = mfn as usize;
    let fits = match pages {
        Some(d) => model
            .frames
            .get(f)
            .is_some_and(|frame| frame.owner == Owner::Domain(d)),
        // No device is amid memory here.
        None => false,
    };
    if !fits {
        return Err(Errno::EINVAL);
    }
    if let Some(m2p) = model.m2p.get_mut(f) {
        *m2p = pfn;
    }
    Ok(())
}

fn ext(
    model: &mut Model,
    who: Who,
    (cmd, a, b, domid): (u32, u64, u64, u16),
) -> Result<i64, String> {
    let me = who.0;
    let names_page = matches!(cmd, 0..=4 | 16 | 17);
    let d = match model.page_owner(me, domid) {
        Ok(Some(d)) => d,
        Ok(None) if names_page => return Ok(Errno::EINVAL.negated()),
        Ok(None) => return Ok(Errno::EPERM.negated()),
        Err(e) => return Ok(e.negated()),
    };
    if d != me && !names_page {
        return Ok(Errno::EPERM.negated());
    }
    let result = match cmd {
        0..=3 => model.pin(d, a, cmd as u8 + 1),
        4 => model.unpin(d, a),
        5 => {
            let same = model.doms[me].vcpus[who.1].kernel_root == Some(a);
            let made = if same { Ok(()) } else { model.table(me, a, 4) };
            if made.is_ok() {
                model.doms[me].vcpus[who.1].kernel_root = Some(a);
            }
            made
        }
        15 => {
            let new = (a != 0).then_some(a);
            let same = model.doms[me].vcpus[who.1].user_root == new;
            let made = match new {
                Some(root) if !same => model.table(me, root, 4),
                _ => Ok(()),
            };
            if made.is_ok() {
                model.doms[me].vcpus[who.1].user_root = new;
            }
            made
        }
        16 => model.fill(d, a, None),
        17 => model.fill(d, a, Some(b)),
        // A mask of vCPUs that cannot be read.
        8 | 9 if b != super::world::MASK_AT => Err(Errno::EINVAL),
        6..=11 => Ok(()),
        12 | 18 if me == 0 => Ok(()),
        12 => Err(Errno::EACCES),
        18 => Err(Errno::EINVAL),
        13 => {
            let canonical = !(1 << 47..0xffff_8800_0000_0000).contains(&a);
            if b > 8192 || a & 0xfff != 0 || !canonical {
                Err(Errno::EINVAL)
            } else {
                let vcpu = &mut model.doms[me].vcpus[who.1];
                vcpu.ldt = (a, b as u32);
                vcpu.ldt_pages = [None; 16];
                Ok(())
            }
        }
        19 | 20 => Err(Errno::EOPNOTSUPP),
        _ => Err(Errno::ENOSYS),
    };
    Ok(value(result))
}

/// Populate, increase, decrease: the result is the number of extents done.
fn reserve(
    model: &mut Model,
    world: &World,
    (me, spot): (usize, Spot),
    call: &Call,
    is: i64,
) -> Judged {
    let Call::Reserve(cmd, domid, extents, order) = call else {
        return Err("no reservation".into());
    };
    let Ok(d) = model.subject(me, *domid) else {
        expect("the result", is, 0)?;
        return Ok(0);
    };
    if *order > if me == 0 { 18 } else { 9 } {
        expect("the result", is, 0)?;
        return Ok(0);
    }
    let mut changed = 0;
    let mut done = 0;
    for (i, &extent) in extents.iter().enumerate() {
        if *cmd == 1 {
            let mut all = true;
            for mfn in extent..extent.saturating_add(1 << order) {
                let before = model.frames.get(mfn as usize).copied();
                let given = model.give_up(d, mfn);
                // What was given up before, and is still in use, is as given up as it can be.
                let again = before.is_some_and(|f| {
                    f.owner == Owner::Domain(d) && !f.claimed && !f.shared && f.data.is_some()
                });
                changed |= model.recount();
                if !given && !again {
                    all = false;
                    break;
                }
            }
            if !all {
                break;
            }
        } else {
            if !model.can_give(d, *order) {
                break;
            }
            if i as i64 >= is {
                return Err(format!("extent {i} was not given, and could be"));
            }
            let first = world.list(spot, false, i);
            model.give(d, first, *order, &|f| world.words(f))?;
            for n in 0..1 << order {
                changed |= bit(first + n) | charge(d) | POOL;
                if *cmd == 6 {
                    model.m2p[(first + n) as usize] = extent.wrapping_add(n);
                }
            }
            model.has_come(d);
            model.recount();
        }
        done += 1;
    }
    expect("the number of extents done", is, done)?;
    Ok(changed)
}

/// The frames that a call says it gave to a domain.
pub fn came(world: &World, spot: Spot, call: &Call) -> Set {
    let list = |output, count, order| {
        let first = (0..count).map(|i| world.list(spot, output, i));
        first.fold(0, |set, first| set | extent(first, order))
    };
    match call {
        Call::Reserve(0 | 6, _, extents, order) if *order <= 9 => {
            list(false, extents.len(), *order)
        }
        Call::Exchange(_, outs, _, order) if *order <= 9 => list(true, outs.len(), *order),
        _ => 0,
    }
}

fn exchange(
    model: &mut Model,
    world: &World,
    (me, spot): (usize, Spot),
    call: &Call,
    is: i64,
) -> Judged {
    let Call::Exchange(ins, outs, io, oo) = call else {
        return Err("no exchange".into());
    };
    if *io > 9 || *oo > 9 {
        expect("the result", is, Errno::EPERM.negated())?;
        return Ok(0);
    }
    if ins.len() << io != outs.len() << oo {
        expect("the result", is, Errno::EINVAL.negated())?;
        return Ok(0);
    }
    let chunk = io.max(oo);
    let (per_in, per_out) = (1 << (chunk - io), 1 << (chunk - oo));
    let mut changed = 0;
    let mut done = 0;
    let mut result = Ok(());
    for i in 0..ins.len() / per_in {
        let given: Vec<u64> = ins[i * per_in..(i + 1) * per_in]
            .iter()
            .flat_map(|&first| first..first + (1 << io))
            .collect();
        let idle = |mfn: &u64| {
            let f = *mfn as usize;
            f < FRAMES
                && model.frames[f].owner == Owner::Domain(me)
                && model.frames[f].claimed
                && model.counts.refs[f] == 1
        };
        if !given.iter().all(idle) {
            result = Err(Errno::EINVAL);
            break;
        }
        if is != 0 && world.exchanged(spot) == done as u64 {
            // There may be no room for the new before the old are gone.
            let room = (0..per_out).all(|_| model.can_give(me, *oo));
            let plenty = model.charged(me) + (1 << chunk) <= model.doms[me].max_pages
                && model.free_extents(*oo) >= 2 * per_out
                && model.unclaimed() >= 1 << chunk;
            if room && plenty {
                return Err("an exchange was refused that is possible".into());
            }
            expect("the result", is, Errno::ENOMEM.negated())?;
            return Ok(changed);
        }
        for n in i * per_out..(i + 1) * per_out {
            let first = world.list(spot, true, n);
            model.give(me, first, *oo, &|f| world.words(f))?;
            for k in 0..1 << oo {
                model.m2p[(first + k) as usize] = outs[n].wrapping_add(k);
                changed |= bit(first + k);
            }
        }
        for mfn in given {
            model.give_up(me, mfn);
        }
        changed |= model.recount() | charge(me) | POOL;
        done += per_in;
    }
    expect("the result", is, value(result))?;
    expect("the number exchanged", world.exchanged(spot), done as u64)?;
    Ok(changed)
}

/// Compares the machine with the model, but for what is `busy`.
///
/// # Errors
/// What differs.
pub fn compare(
    model: &mut Model,
    world: &World,
    held: &[Vcpu],
    busy: Set,
    dirty: &mut Set,
) -> Result<(), String> {
    for f in 0..FRAMES {
        if bit(f as u64) & busy != 0 {
            continue;
        }
        let word = world.hv.frames.word(Mfn(f as u64));
        if model.frames[f].owner == Owner::Hypervisor && owner(word) == Owner::Free {
            // The ports of a domain were there that is no more.
            world.teach(model, bit(f as u64));
        }
        let frame = &model.frames[f];
        let is = (
            owner(word),
            usage(word),
            word.refs(),
            word.types(),
            word.is_allocated(),
        );
        let shall = (
            frame.owner,
            model.counts.uses[f],
            model.counts.refs[f],
            model.counts.types[f],
            frame.claimed,
        );
        if is != shall || word.is_pinned() != frame.pinned.is_some() {
            return Err(format!(
                "frame {f:x} is {word:?}, and should be {shall:?}, {frame:?}"
            ));
        }
        let m2p = world.hv.m2p[f].load(Ordering::Relaxed);
        if m2p != model.m2p[f] {
            return Err(format!(
                "m2p of {f:x} is {m2p:x}, and should be {:x}",
                model.m2p[f]
            ));
        }
    }
    memories(model, world, busy, dirty)?;
    let counts = (0..DOMAINS).fold(POOL, |set, d| set | charge(d));
    if counts & busy == 0 {
        let outstanding: u32 = (0..DOMAINS).map(|d| model.outstanding(d)).sum();
        let claims = model.doms.iter().filter(|dom| dom.claim != 0).count();
        let shall = (u64::from(outstanding), claims as u32);
        expect("what is claimed", world.hv.frames.claimed(), shall)?;
    }
    for d in 0..DOMAINS {
        if charge(d) & busy == 0 {
            let is = world.domain(d).tot_pages.load(Ordering::Relaxed);
            expect(&format!("d{d}'s count of pages"), is, model.charged(d))?;
        }
    }
    if busy == 0 {
        for (is, shall) in held.iter().zip(model.doms.iter().flat_map(|d| &d.vcpus)) {
            if is != shall {
                return Err(format!("a vCPU holds {is:x?}, and should hold {shall:x?}"));
            }
        }
        model.half_done.clear();
    }
    Ok(())
}

/// Compares the memory that was written.
///
/// # Errors
/// What differs.
pub fn memories(
    model: &mut Model,
    world: &World,
    busy: Set,
    dirty: &mut Set,
) -> Result<(), String> {
    for f in members(*dirty & !busy) {
        memory(model, world, f)?;
    }
    let shared = |f: &usize| model.frames[*f].shared;
    let left = members(*dirty).filter(shared);
    *dirty &= busy | left.fold(0, |set, f| set | bit(f as u64));
    Ok(())
}

/// Compares the memory of one frame.
fn memory(model: &mut Model, world: &World, f: usize) -> Result<(), String> {
    if model.frames[f].shared {
        // The hypervisor tells the time there; to be looked at when it is no longer so.
        return Ok(());
    }
    if matches!(model.frames[f].owner, Owner::Free | Owner::Hypervisor) {
        // Given to somebody for a moment, and taken back: what counts is what it is given with. Or
        // the hypervisor's own, which no guest sees.
        model.mem[f] = world.words(f);
        return Ok(());
    }
    let now = world.hv.machine.frame_words(Mfn(f as u64));
    for index in 0..512 {
        let is = now[index].load(Ordering::Relaxed);
        let shall = model.mem[f][index];
        if is == shall {
            continue;
        }
        let table = matches!(model.counts.uses[f], Use::Table(_) | Use::None);
        // The processor sets accessed and dirty bits, and clears none; as long as it remembers a
        // former table, in that too.
        let walked = table && is & 1 != 0 && is & !0x60 == shall & !0x60 && shall & !is == 0;
        let half = model.half_done.iter().any(|&(half, level)| {
            half == f
                && match level {
                    0 => descriptor(shall) == Some(is),
                    _ if hypervisors_slot(level, index) => is == 3 | (index as u64) << 40,
                    // Of a device's page also how it is cached.
                    1 => is & !0x18 == kept(1, shall) & !0x18,
                    _ => is == kept(level, shall),
                }
        });
        if !walked && !half {
            return Err(format!("{f:x}[{index}] is {is:x}, and should be {shall:x}"));
        }
        model.mem[f].set(index, is);
    }
    Ok(())
}
