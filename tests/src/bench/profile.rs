//! Where the instructions of an operation go: by function on Paravane, by address on Xen.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Result;

use super::measure::Profile;
use super::results::Side;
use super::symbols::Symbols;
use crate::images::Images;

/// Addresses of the hypervisor, on both sides: what the ABI sets aside for it.
pub(super) const HYPERVISOR: std::ops::Range<u64> = 0xffff_8000_0000_0000..0xffff_8800_0000_0000;
/// What is shown of one function, or of one stretch of addresses, at the least.
const LEAST: f64 = 0.005;

/// Instructions per operation of one function, or of one stretch of addresses.
pub type Share = (String, f64);

/// The functions of a side's hypervisor, as far as they are known.
pub(super) fn hypervisor_symbols(images: &Images, side: Side) -> Result<Symbols> {
    match side {
        Side::Paravane => Symbols::read(&images.hypervisor_symbols),
        Side::Xen | Side::Native => Ok(Symbols::default()),
    }
}

/// The shares, the largest first.
///
/// # Errors
/// A binary's symbols cannot be read.
pub fn shares(images: &Images, side: Side, of: &Profile) -> Result<Vec<Share>> {
    let symbols = hypervisor_symbols(images, side)?;
    let guest = Symbols::read(&images.guest_kernel_symbols)?;
    let mut sums = BTreeMap::<String, u64>::new();
    for (&address, &count) in &of.counts.addresses {
        let of = if HYPERVISOR.contains(&address) {
            match symbols.of(address) {
                Some(name) => name.to_owned(),
                // Functions are aligned so: nearer than that, nothing is told apart.
                None => format!("{:#x}", address & !0xff),
            }
        } else {
            let name = guest.of(address).unwrap_or("?");
            format!("guest: {name}")
        };
        *sums.entry(of).or_default() += count;
    }
    let mut shares: Vec<Share> = sums
        .into_iter()
        .map(|(name, count)| (name, count as f64 / of.operations.max(1) as f64))
        .collect();
    shares.sort_by(|one, other| other.1.total_cmp(&one.1));
    Ok(shares)
}

/// The shares as a table.
#[must_use]
pub fn text(shares: &[Share]) -> String {
    let sum: f64 = shares.iter().map(|(_, count)| count).sum();
    let mut text = String::new();
    for (name, count) in shares.iter().filter(|(_, count)| *count >= LEAST) {
        let percent = count / sum * 100.0;
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{count:>10.2} {percent:>5.1} %  {name}");
    }
    let _ = writeln!(text, "{sum:>10.2}  in all");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_shown_with_their_sum() {
        let shares = [("a".into(), 75.0), ("b".into(), 25.0), ("c".into(), 0.001)];
        let text = text(&shares);
        assert!(text.contains("75.00  75.0 %  a"), "{text}");
        assert!(text.contains("100.00  in all"), "{text}");
        assert!(!text.contains('c'), "{text}");
    }
}
