//! Ring protocols between domains: `xen/io/*.h`.

pub mod console;
pub mod ring;
pub mod xs_wire;
