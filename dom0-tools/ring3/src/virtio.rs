//! Virtio devices on the PCI bus: what the `virtio-drivers` crate needs of the kernel.
//!
//! Devices reach memory that the kernel gives for that, and which stays theirs when this process ends;
//! everything else travels through such memory.

use alloc::string::String;
use alloc::vec::Vec;
use core::ptr::NonNull;

use dom0_tools::hyper::PAGE_SIZE;
use dom0_tools::pci::Address;
use guest_user::sys;
use spin::Mutex;
use virtio_drivers::transport::DeviceType;
use virtio_drivers::transport::pci::bus::{Command, ConfigurationAccess, DeviceFunction, PciRoot};
use virtio_drivers::transport::pci::{PciTransport, virtio_device_type};
use virtio_drivers::{BufferDirection, Hal, PhysAddr};

use crate::interrupt::Interrupt;
use crate::pci::Claim;

/// PCI configuration space, by the kernel.
struct Ports;

fn place(function: DeviceFunction, register: u8) -> u32 {
    let DeviceFunction {
        bus,
        device,
        function,
    } = function;
    u32::from(bus) << 16
        | u32::from(device) << 11
        | u32::from(function) << 8
        | u32::from(register & !3)
}

impl ConfigurationAccess for Ports {
    fn read_word(&self, function: DeviceFunction, register: u8) -> u32 {
        // Where nothing is, all bits are set.
        sys::pci_read(place(function, register)).unwrap_or(u32::MAX)
    }

    fn write_word(&mut self, function: DeviceFunction, register: u8, data: u32) {
        // SAFETY: the crate configures virtio devices, which it tells of memory from `Memory` only.
        // A refusal is found by what is read later.
        let _ = unsafe { sys::pci_write(place(function, register), data) };
    }

    unsafe fn unsafe_clone(&self) -> Self {
        Ports
    }
}

/// The register with the number of a function's interrupt line, in its lowest byte.
const LINE: u8 = 0x3c;

/// A device that is ready to be told of memory.
pub struct Found {
    /// The way to its registers.
    pub transport: PciTransport,
    /// Its interrupt line. `None`: another process has that line, and the device does not use it.
    pub(crate) interrupt: Option<Interrupt>,
    /// It is this process's while this is there.
    pub claim: Claim,
}

/// The device number `index` of a kind on the first bus.
///
/// # Errors
/// In words: there is none, another one has it, or it is not as it should be.
pub fn find(kind: DeviceType, index: usize) -> Result<Found, String> {
    let mut root = PciRoot::new(Ports);
    let of_kind = |(_, info): &_| virtio_device_type(info) == Some(kind);
    let found = root.enumerate_bus(0).filter(of_kind).nth(index);
    let (function, _) = found.ok_or("there is no such device")?;
    let claim = Claim::new(address_of(function))?;
    let interrupt = Interrupt::bind(Ports.read_word(function, LINE) as u8);
    let (_, mut command) = root.get_status_command(function);
    command |= Command::MEMORY_SPACE | Command::BUS_MASTER;
    command.set(Command::INTERRUPT_DISABLE, interrupt.is_none());
    root.set_command(function, command);
    let transport = PciTransport::new::<Memory, _>(&mut root, function);
    let transport = transport.map_err(|_| "it does not speak as virtio 1.0 devices do")?;
    Ok(Found {
        transport,
        interrupt,
        claim,
    })
}

fn address_of(function: DeviceFunction) -> Address {
    let DeviceFunction {
        bus,
        device,
        function,
    } = function;
    Address {
        segment: 0,
        bus,
        device,
        function,
    }
}

/// A block of memory that a device reaches.
struct Block {
    address: PhysAddr,
    start: NonNull<u8>,
    len: usize,
    used: bool,
}

// SAFETY: the memory is the process's, whichever of its parts uses it.
unsafe impl Send for Block {}

/// Blocks through which bytes travel; kept for the next.
static BLOCKS: Mutex<Vec<Block>> = Mutex::new(Vec::new());

/// What devices reach, and how.
pub struct Memory;

fn new_block(pages: usize) -> Option<Block> {
    let pages = pages.next_power_of_two();
    let (start, address) = sys::dma_alloc(pages as u64).ok()?;
    Some(Block {
        address,
        start: NonNull::new(start)?,
        len: pages * PAGE_SIZE,
        used: true,
    })
}

/// Takes an unused block that has room.
fn take(len: usize) -> Option<(PhysAddr, NonNull<u8>)> {
    let mut blocks = BLOCKS.lock();
    let fitting = blocks
        .iter_mut()
        .filter(|block| !block.used && block.len >= len);
    if let Some(block) = fitting.min_by_key(|block| block.len) {
        block.used = true;
        return Some((block.address, block.start));
    }
    let block = new_block(len.div_ceil(PAGE_SIZE))?;
    let taken = (block.address, block.start);
    blocks.push(block);
    Some(taken)
}

// SAFETY: memory comes from the kernel, zeroed, at pages of its own, with frames that follow one
// another; registers are mapped where nothing else is; shared buffers are copied in and out.
unsafe impl Hal for Memory {
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        match new_block(pages) {
            Some(block) => (block.address, block.start),
            // The crate takes the address 0 for a failure.
            None => (0, NonNull::dangling()),
        }
    }

    unsafe fn dma_dealloc(_: PhysAddr, start: NonNull<u8>, pages: usize) -> i32 {
        // SAFETY: the caller gives it up.
        let undone = unsafe { sys::unmap(start.as_ptr(), pages.next_power_of_two() as u64) };
        if undone.is_ok() { 0 } else { -1 }
    }

    unsafe fn mmio_phys_to_virt(address: PhysAddr, size: usize) -> NonNull<u8> {
        let offset = address % PAGE_SIZE as u64;
        let mapped = sys::iomem_map(address - offset, offset + size as u64);
        let start = mapped.ok().and_then(NonNull::new);
        let Some(start) = start else {
            panic!("the registers at {address:#x} cannot be mapped");
        };
        // SAFETY: the offset is inside of the first page of the mapping.
        unsafe { start.add(offset as usize) }
    }

    unsafe fn share(buffer: NonNull<[u8]>, direction: BufferDirection) -> PhysAddr {
        let Some((address, start)) = take(buffer.len()) else {
            panic!(
                "there is no memory for {} bytes of a device's",
                buffer.len()
            );
        };
        if direction != BufferDirection::DeviceToDriver {
            let from = buffer.cast::<u8>();
            // SAFETY: the caller's buffer is valid; the block has room for all of it, and is unused.
            unsafe { start.copy_from_nonoverlapping(from, buffer.len()) };
        }
        address
    }

    unsafe fn unshare(address: PhysAddr, buffer: NonNull<[u8]>, direction: BufferDirection) {
        let mut blocks = BLOCKS.lock();
        let Some(block) = blocks.iter_mut().find(|block| block.address == address) else {
            return;
        };
        if direction != BufferDirection::DriverToDevice {
            let to = buffer.cast::<u8>();
            // SAFETY: the caller's buffer is valid, and as long as when it was shared; the device
            // has done with the block.
            unsafe { to.copy_from_nonoverlapping(block.start, buffer.len()) };
        }
        block.used = false;
    }
}
