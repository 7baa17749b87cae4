//! Making tasks: the first contents of a kernel stack, and a process out of an ELF file.

use super::{MAX_TASKS, State, TASKS, Task};
use crate::log::klog;
use crate::mm::paging::pte;
use crate::mm::space::AddressSpace;
use crate::mm::stack::KernelStack;
use crate::ramdisk;
use crate::trap::{TrapFrame, user_selectors};
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use guest_kernel::elf::{self, Rights};
use guest_user::abi::Errno;

/// The interrupt flag: events reach the process.
const RFLAGS_IF: u64 = 1 << 9;
/// Bit 1 of the flags register is always set.
const RFLAGS_ONE: u64 = 1 << 1;

unsafe extern "C" {
    fn process_first_run();
    fn kernel_task_first_run();
}

/// What `switch_stacks` pops.
#[repr(C)]
struct SwitchFrame {
    r15: u64,
    r14: u64,
    r13: u64,
    r12: u64,
    rbx: u64,
    rbp: u64,
    return_address: u64,
}

impl SwitchFrame {
    fn new(return_address: u64, r12: u64) -> Self {
        Self {
            r15: 0,
            r14: 0,
            r13: 0,
            r12,
            rbx: 0,
            rbp: 0,
            return_address,
        }
    }
}

/// Puts `value` below `top` of a stack that no task runs on; returns its address.
fn push<T>(stack: &KernelStack, top: u64, value: T) -> u64 {
    let at = top - size_of::<T>() as u64;
    assert!(at >= stack.bottom() && at.is_multiple_of(8));
    // SAFETY: the place is inside the stack, which the caller holds and nothing runs on.
    unsafe { (at as *mut T).write(value) };
    at
}

fn add(name: String, stack: KernelStack, rsp: u64, space: Option<AddressSpace>) -> u64 {
    TASKS.with(|t| {
        let pid = t.next;
        t.next += 1;
        t.queue.reserve(MAX_TASKS - t.queue.len());
        let task = Task {
            name,
            parent: t.cpu.current,
            state: State::Ready,
            saved_rsp: rsp,
            stack: Some(stack),
            space,
            files: Vec::new(),
            preemptions: 0,
            killed: false,
            timed_out: false,
        };
        t.table.insert(pid, Box::new(task));
        t.queue.push_back(pid);
        pid
    })
}

/// Refuses a task that the queue has no room for.
fn check_room() -> Result<(), Errno> {
    let full = TASKS.with(|t| t.table.len()) >= MAX_TASKS;
    if full { Err(Errno::EAGAIN) } else { Ok(()) }
}

/// Starts a task that runs `f` in the kernel; `f` must not return.
pub(crate) fn spawn_kernel(name: &str, f: extern "C" fn() -> !) -> Result<u64, Errno> {
    let stack = KernelStack::new()?;
    let first = SwitchFrame::new(
        kernel_task_first_run as *const () as u64,
        f as *const () as u64,
    );
    // 16 bytes stay free so that the stack is aligned when the function is called.
    let rsp = push(&stack, stack.top() - 16, first);
    Ok(add(name.to_string(), stack, rsp, None))
}

fn load(space: &mut AddressSpace, program: &elf::Program<'_>, args: &[u8]) -> Result<u64, Errno> {
    for segment in &program.segments {
        let rights = match segment.rights {
            Rights::Read => pte::RO,
            Rights::ReadWrite => pte::RW,
            Rights::ReadExecute => pte::RX,
        };
        space.add_segment(segment.va, segment.len, segment.data, rights)?;
    }
    space.add_stack(args)
}

/// Starts a process from a file of the ramdisk. `args` are NUL-separated and exclude the path.
pub(crate) fn spawn_process(path: &str, args: &[u8]) -> Result<u64, Errno> {
    check_room()?;
    let file = ramdisk::find(path)?;
    let program = elf::parse(file.data).map_err(|why| {
        klog!("{path} cannot be run: {why}");
        Errno::ENOEXEC
    })?;
    let mut block = path.as_bytes().to_vec();
    block.push(0);
    block.extend_from_slice(args);
    if block.last() != Some(&0) {
        block.push(0);
    }
    let stack = KernelStack::new()?;
    let mut space = AddressSpace::new()?;
    let at = match load(&mut space, &program, &block) {
        Ok(at) => at,
        Err(e) => {
            space.destroy();
            return Err(e);
        }
    };
    let (cs, ss) = user_selectors();
    let frame = TrapFrame {
        rip: program.entry,
        cs,
        ss,
        rflags: RFLAGS_IF | RFLAGS_ONE,
        rsp: at,
        rdi: at,
        rsi: block.len() as u64,
        ..TrapFrame::default()
    };
    let frame_at = push(&stack, stack.top(), frame);
    let first = SwitchFrame::new(process_first_run as *const () as u64, 0);
    let rsp = push(&stack, frame_at, first);
    Ok(add(path.to_string(), stack, rsp, Some(space)))
}
