//! What holds for every kernel file, whatever is in it.

use dom0_tools::build::Layout;
use dom0_tools::image::{PvKernel, unpack};

/// Reads `data` as a kernel, packed or not, and lays out a domain of it.
pub(crate) fn check(data: &[u8]) {
    let Ok((kernel, _)) = unpack(data) else {
        return;
    };
    let Ok(kernel) = PvKernel::parse(&kernel) else {
        return;
    };
    let Ok(layout) = Layout::plan(&kernel, 5000, 4096) else {
        return;
    };
    assert!(layout.region_pages <= layout.total_pages);
    assert!(kernel.end.div_ceil(4096) <= layout.region_pages);
    assert!(layout.tables.end <= layout.stack && layout.stack < layout.region_pages);
}
