//! What random traces found, as short stories.

use crate::trace::Run;
use crate::trace::call::Call;
use crate::trace::model::{Owner, Use, members, target};

const ME: (usize, usize) = (0, 0);
const SELF: u16 = 0x7ff0;

/// The table of a level that the first domain begins with; that of level 1 maps its own pages from
/// address 0 on.
fn first_table(run: &Run, level: u8) -> u64 {
    let mut own = members(run.model.owned(0));
    let table = own.find(|&f| run.model.counts.uses[f] == Use::Table(level));
    table.unwrap() as u64
}

/// The page at an address below 2 MiB.
fn page_at(run: &Run, va: u64) -> u64 {
    target(run.model.mem[first_table(run, 1) as usize][va as usize >> 12])
}

#[test]
fn a_list_whose_last_request_ends_the_domain_that_it_names_is_done() {
    for budget in [1, 2, 3, 8, 512] {
        let mut run = Run::new();
        let (table, above) = (page_at(&run, 0x5000), first_table(&run, 2) << 12 | 8);
        let page = members(run.model.owned(1)).next().unwrap() as u64;
        // All that is left of domain 1 is a mapping in the table, which goes.
        let stories = [
            Call::Va(0x5000, 0, 0, None),
            Call::Mmu(vec![(above, table << 12 | 7)], SELF.into(), true),
            Call::Mmu(vec![(table << 12, page << 12 | 1)], 1, true),
            Call::Destroy(1),
            Call::Mmu(vec![(above, 0)], 1, true),
        ];
        for call in stories {
            run.play(ME, budget, call).unwrap();
        }
        assert!(!run.model.doms[1].exists, "budget {budget}");
    }
}

#[test]
fn a_page_of_the_ldt_that_was_a_table_is_there_when_its_release_is_over() {
    for budget in [1, 2, 3, 8, 512] {
        let mut run = Run::new();
        let (page, other) = (page_at(&run, 0x5000), page_at(&run, 0x6000));
        let entry = |n: u64| (page << 12 | n << 3, other << 12 | 1);
        let stories = [
            Call::Mmu(vec![entry(1), entry(300)], SELF.into(), true),
            Call::Va(0x5000, page << 12 | 1, 0, None),
            Call::Ext(0, page, 0, SELF),
            Call::Ext(13, 0x5000, 512, SELF),
            Call::Ext(4, page, 0, SELF),
            Call::LdtFault(0),
        ];
        for call in stories {
            run.play(ME, budget, call).unwrap();
        }
        let use_now = run.model.counts.uses[page as usize];
        assert_eq!(use_now, Use::Descriptors, "budget {budget}");
    }
}

#[test]
fn what_an_entry_of_a_multicall_releases_is_gone_for_the_next() {
    for budget in [1, 2, 3, 8, 512] {
        let mut run = Run::new();
        let page = page_at(&run, 0x5000);
        let machphys = (page << 12 | 1, 5);
        let stories = [
            Call::Va(0x5000, 0, 0, None),
            Call::Ext(15, page, 0, SELF),
            Call::Reserve(1, SELF, vec![page], 0),
            Call::Multi(vec![
                Call::Ext(15, 0, 0, SELF),
                Call::Mmu(vec![machphys], SELF.into(), true),
            ]),
        ];
        for call in stories {
            run.play(ME, budget, call).unwrap();
        }
        assert_eq!(run.model.frames[page as usize].owner, Owner::Free);
    }
}

#[test]
fn an_exchange_that_was_given_up_is_not_gone_on_with_by_another() {
    for budget in 1..60 {
        let mut run = Run::new();
        let pages = [0x5000, 0x6000, 0x7000, 0x8000].map(|va| page_at(&run, va));
        for va in [0x5000, 0x6000, 0x7000, 0x8000] {
            run.play(ME, 512, Call::Va(va, 0, 0, None)).unwrap();
        }
        let one = |page: u64| Call::Exchange(vec![page], vec![7], 0, 0);
        run.begin_and_forget(ME, budget, one(pages[0])).unwrap();
        // One that needs nothing done first.
        run.play(ME, 512, Call::Mmu(vec![], SELF.into(), true))
            .unwrap();
        run.play(ME, 512, one(pages[1])).unwrap();
        assert_eq!(run.model.frames[pages[1] as usize].owner, Owner::Free);
    }
}
