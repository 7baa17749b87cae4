//! Pairs stay pairs, whatever is done to them in whatever order, by one CPU or by several.

use std::thread;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::evtchn::ops::{alloc_unbound_in, bind_pair, send};

/// Both ends of every pair name each other; every bound virtual interrupt's port knows it.
fn check_symmetry(guests: &[Guest]) {
    for guest in guests {
        let channels = channels(guest);
        let virqs: Vec<_> = guest.dom.lock().vcpus.iter().map(|v| v.virqs).collect();
        for (port, channel) in channels.iter().enumerate() {
            match channel.binding {
                Binding::Interdomain { remote, port: far } => {
                    let other = guests.iter().find(|g| g.dom.id() == remote).unwrap();
                    let back = other
                        .dom
                        .lock()
                        .events
                        .get(other.hv.machine, far)
                        .unwrap()
                        .binding;
                    let me = Binding::Interdomain {
                        remote: guest.dom.id(),
                        port: port as Port,
                    };
                    assert_eq!(back, me);
                }
                Binding::Virq(virq) => {
                    let bound = virqs.iter().any(|v| v[virq as usize] == port as Port);
                    assert!(
                        bound,
                        "port {port} is bound to a virq that does not know it"
                    );
                }
                Binding::Free => {
                    assert!(port as Port >= guest.dom.lock().events.first_free);
                    assert!(!guest.pending(port as Port), "a free port is pending");
                }
                _ => {}
            }
        }
        for (virq, &port) in virqs.iter().flat_map(|v| v.iter().enumerate()) {
            if port != 0 {
                let binding = channels[port as usize].binding;
                assert_eq!(binding, Binding::Virq(virq as u32));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn pairs_stay_symmetric(
        ops in prop::collection::vec((0..3usize, 0..9u8, 0..4u16, 0..8u32), 1..120)
    ) {
        let hv = testkit::hypervisor(256, 2);
        let mut guests = [Guest::new(hv, 0, 2), Guest::new(hv, 1, 2), Guest::new(hv, 2, 1)];
        for (who, op, dom, n) in ops {
            let g = &mut guests[who];
            // Refusals are as good as successes here; nothing may come apart.
            let _ = match op {
                0 => g.alloc_unbound(DOMID_SELF, dom).map(|_| ()),
                1 | 2 => g.bind(dom, n).map(|_| ()),
                3 => g.virq(n, u32::from(dom) % 2).map(|_| ()),
                4 => g.ipi(u32::from(dom)).map(|_| ()),
                5 => g.close(n),
                6 => g.send(n),
                7 => g.bind_vcpu(n, u32::from(dom)),
                _ if n == 0 => g.reset(DOMID_SELF),
                _ => g.alloc_unbound(dom, who as u16).map(|_| ()),
            };
            check_symmetry(&guests);
        }
        for g in &guests {
            while close_all(hv, g.dom, &mut Budget::new(3)) == Progress::More {}
        }
        check_symmetry(&guests);
        for g in &guests {
            let channels = channels(g);
            let open = channels[1..]
                .iter()
                .filter(|c| !matches!(c.binding, Binding::Free | Binding::Unbound { .. }));
            prop_assert_eq!(open.count(), 0);
        }
    }
}

/// Three domains open, bind, send on, move and close ports of each other's on CPUs of their own;
/// nobody waits for ever, and afterwards every pair is a pair.
#[test]
fn pairs_stay_symmetric_on_several_cpus() {
    const ROUNDS: u32 = 3000;
    let hv = testkit::hypervisor(256, 3);
    let guests: Vec<Guest> = (0..3).map(|id| Guest::new(hv, id, 2)).collect();
    let threads: Vec<_> = guests
        .into_iter()
        .enumerate()
        .map(|(who, mut guest)| {
            thread::spawn(move || {
                let mut seed = 0x9e37_79b9 + who as u32;
                let mut sent = 0;
                for _ in 0..ROUNDS {
                    seed ^= seed << 13;
                    seed ^= seed >> 17;
                    seed ^= seed << 5;
                    let (other, port) = ((seed >> 8) as u16 % 3, seed >> 16 & 7);
                    let cx = &mut testkit::context(hv, guest.dom, &mut guest.vcpu);
                    match seed & 7 {
                        0 => drop(alloc_unbound_in(cx, cx.dom, other)),
                        1..=3 => drop(bind_pair(cx, other, port)),
                        4 => drop(close::close(hv, cx.dom, port)),
                        _ => sent += u32::from(send(cx, port).is_ok()),
                    }
                }
                (guest, sent)
            })
        })
        .collect();
    let ended: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
    assert!(ended.iter().all(|(_, sent)| *sent > 0), "nobody sent");
    let guests: Vec<Guest> = ended.into_iter().map(|(guest, _)| guest).collect();
    check_symmetry(&guests);
}
