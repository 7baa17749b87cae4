//! Xen's public PV ABI as plain Rust data: the numbers, structures and ELF notes of the headers
//! that Debian's `libxen-dev` 4.17 installs under `/usr/include/xen`, for 64-bit x86.
//!
//! The crate is what hypervisor, guest kernel and toolstack agree on, and holds nothing else:
//! no allocation, no `unsafe`, no hypercalls.
//!
//! # How C is written here
//! - One module per header, and the header's names unchanged; names that are Rust keywords are
//!   raw (`r#type`). `xen::__HYPERVISOR_mmu_update` is `__HYPERVISOR_mmu_update` of `xen.h`.
//! - A structure that C nests without a name is called by its path:
//!   `start_info.console.domU` has the type [`xen::start_info_console_domU`].
//! - A `XEN_GUEST_HANDLE` or a pointer is a [`xen::guest_handle`]: a number that names guest
//!   memory, to be checked before use.
//! - A union of numbers is its widest member ([`xen::mmuext_op::arg1`]). Any other union is a
//!   [`Union`] over the words it occupies, read and written by value:
//!   ```
//!   use hypercall_abi::{domctl::*, xen::DOMID_FIRST_RESERVED, Union};
//!   let op = xen_domctl {
//!       cmd: XEN_DOMCTL_max_mem,
//!       interface_version: XEN_DOMCTL_INTERFACE_VERSION,
//!       domain: 1,
//!       _pad: [0; 3],
//!       u: Union::new(xen_domctl_max_mem { max_memkb: 65536 }),
//!   };
//!   assert!(op.domain < DOMID_FIRST_RESERVED);
//!   assert_eq!(op.u.get::<xen_domctl_max_mem>().max_memkb, 65536);
//!   ```
//! - Padding is explicit (`_pad0`, ...), so that every structure is exactly its bytes: each
//!   derives zerocopy's `FromBytes` and `IntoBytes`, and none can leak what lay in memory before.
//! - A constant has the type of the field or register that carries it. Error numbers are
//!   positive, as in the header; hypercalls return them negated.
//! - A bit number that C only uses to define a mask (`_GTF_readonly`) is left out.
//! - Macros with arguments are `const fn`s of the same name.
//!
//! # How the comments are written
//! - IN is what the caller writes, OUT what the hypervisor writes back; a field without either
//!   follows its structure. A handle is IN even where it names memory to be written to.
//! - A frame is 4 KiB of the machine, named by its number (MFN); a PFN names a page as its domain
//!   counts. A page is 4 KiB too.
//! - System time is nanoseconds since the hypervisor started.
//! - Error numbers that a call may return stand with its argument, unless they follow from the
//!   names: -EFAULT for a bad handle, -ESRCH for a missing domain, -EPERM for a missing privilege.
//!
//! # Shared structures
//! Structures that both sides change while they are shared (`shared_info`, `vcpu_info`, the
//! rings) are layouts only: reach their fields at `core::mem::offset_of!` through volatile or
//! atomic accesses, never through a reference.
//!
//! # How it is checked
//! A constant assertion beside each structure fixes its size. `cargo test -p hypercall-abi`
//! compiles a C program against the headers, prints every size, alignment, offset and constant,
//! and compares them with what Rust says; a scan of this crate's source fails the test if a
//! public item is missing in the comparison. The headers are looked up where the compiler finds
//! them, or in the directory named by `XEN_HEADERS`; without them the test fails.
#![no_std]
#![forbid(unsafe_code)]
// The headers' names, not Rust's conventions.
#![allow(non_camel_case_types, non_snake_case, non_upper_case_globals)]

mod union;

pub mod arch_x86_64;
pub mod callback;
pub mod domctl;
pub mod elfnote;
pub mod errno;
pub mod event_channel;
pub mod features;
pub mod grant_table;
pub mod io;
pub mod memory;
pub mod physdev;
pub mod platform;
pub mod sched;
pub mod sysctl;
pub mod vcpu;
pub mod version;
pub mod xen;

pub use union::Union;
