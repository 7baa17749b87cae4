//! What random traces found, as short stories.

use crate::trace::Run;
use crate::trace::call::Call;
use crate::trace::model::{Use, members, target};

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
            Call::Mmu(vec![(above, table << 12 | 7)], SELF.into()),
            Call::Mmu(vec![(table << 12, page << 12 | 1)], 1),
            Call::Destroy(1),
            Call::Mmu(vec![(above, 0)], 1),
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
            Call::Mmu(vec![entry(1), entry(300)], SELF.into()),
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
