//! What a domain may take of the store.

/// Limits for every domain but the control domain.
///
/// The numbers of things are those of Xen's store, which lets a domain have one watch and one
/// transaction more than its documented 128 and 10. Those in bytes are ours: the store's memory is
/// dom0's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas {
    /// Nodes a domain owns: a domain with that many makes no more.
    pub nodes: u64,
    /// Size of one node as Xen counts it, see [`super::Node::size`], in bytes: from here on
    /// refused.
    pub node_size: usize,
    /// All nodes a domain owns, in bytes.
    pub bytes: u64,
    /// Entries of a node's permissions.
    pub permissions: usize,
    /// Watches.
    pub watches: usize,
    /// Paths and tokens of all watches, in bytes.
    pub watch_bytes: usize,
    /// Transactions open at once.
    pub transactions: usize,
    /// Nodes that one transaction has touched.
    pub transaction_nodes: usize,
    /// What all its transactions together keep, in bytes.
    pub transaction_bytes: usize,
}

impl Default for Quotas {
    fn default() -> Self {
        Quotas {
            nodes: 1000,
            node_size: 2048,
            bytes: 512 << 10,
            permissions: 5,
            watches: 129,
            watch_bytes: 64 << 10,
            transactions: 11,
            transaction_nodes: 1024,
            transaction_bytes: 256 << 10,
        }
    }
}

/// What a domain has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Nodes it owns.
    pub nodes: i64,
    /// What they take, in bytes; see [`super::Node::cost`].
    pub bytes: i64,
}

impl core::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Usage) {
        self.nodes += other.nodes;
        self.bytes += other.bytes;
    }
}

impl core::ops::Neg for Usage {
    type Output = Usage;

    fn neg(self) -> Usage {
        Usage {
            nodes: -self.nodes,
            bytes: -self.bytes,
        }
    }
}
