//! A hypercall with its buffers.

/// One argument of a hypercall.
#[derive(Debug)]
pub enum Arg<'a> {
    /// A number, never an address.
    Value(u64),
    /// The address of a buffer that the hypervisor reads and writes.
    Buffer(&'a mut [u8]),
    /// The address of a structure that itself holds the address of a buffer.
    Structure {
        /// The structure.
        bytes: &'a mut [u8],
        /// Where in it the guest handle lies, bytes.
        handle_at: usize,
        /// What the handle points to.
        buffer: &'a mut [u8],
    },
}

/// A hypercall ready to be executed.
#[derive(Debug)]
pub struct Call<'a> {
    number: u64,
    args: [Arg<'a>; 5],
}

impl<'a> Call<'a> {
    /// Crate-private on purpose: see the module's documentation.
    pub(crate) fn new<const N: usize>(number: u64, args: [Arg<'a>; N]) -> Self {
        const { assert!(N <= 5, "hypercalls have at most five arguments here") };
        let mut call = Call {
            number,
            args: [const { Arg::Value(0) }; 5],
        };
        for (slot, arg) in call.args.iter_mut().zip(args) {
            *slot = arg;
        }
        call
    }

    /// The hypercall's number, `__HYPERVISOR_*`.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The arguments with their buffers.
    pub fn args_mut(&mut self) -> &mut [Arg<'a>; 5] {
        &mut self.args
    }

    /// The register values: numbers as they are, buffers as addresses, and the addresses of inner
    /// buffers stored into the structures that hold them.
    pub fn lower(&mut self) -> [u64; 5] {
        self.args.each_mut().map(|arg| match arg {
            Arg::Value(value) => *value,
            Arg::Buffer(buffer) => address(buffer),
            Arg::Structure {
                bytes,
                handle_at,
                buffer,
            } => {
                let handle = address(buffer).to_le_bytes();
                bytes[*handle_at..*handle_at + 8].copy_from_slice(&handle);
                address(bytes)
            }
        })
    }
}

fn address(buffer: &mut [u8]) -> u64 {
    buffer.as_mut_ptr().expose_provenance() as u64
}
