//! Making tasks: the first contents of a kernel stack, and a process out of an ELF file.

use super::{MAX_TASKS, State, TASKS, Task};
use crate::log::klog;
use crate::mm::paging::pte;
use crate::mm::space::{self, AddressSpace, Draft};
use crate::mm::stack::KernelStack;
use crate::ramdisk;
use crate::syscall::{self, Open};
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

/// What a task begins with.
struct Beginning {
    name: String,
    stack: KernelStack,
    rsp: u64,
    space: Option<AddressSpace>,
    files: Vec<Option<Open>>,
}

fn add(task: Beginning) -> u64 {
    TASKS.with(|t| {
        let pid = t.next;
        t.next += 1;
        t.queue.reserve(MAX_TASKS - t.queue.len());
        let task = Task {
            name: task.name,
            parent: t.cpu.current,
            state: State::Ready,
            saved_rsp: task.rsp,
            stack: Some(task.stack),
            space: task.space,
            files: task.files,
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
    Ok(add(Beginning {
        name: name.to_string(),
        stack,
        rsp,
        space: None,
        files: Vec::new(),
    }))
}

fn load(memory: &mut Draft, program: &elf::Program<'_>, args: &[u8]) -> Result<u64, Errno> {
    for segment in &program.segments {
        let rights = match segment.rights {
            Rights::Read => pte::RO,
            Rights::ReadWrite => pte::RW,
            Rights::ReadExecute => pte::RX,
        };
        memory.add_segment(segment.va, segment.len, segment.data, rights)?;
    }
    memory.add_stack(args)
}

/// The memory of a program of the ramdisk, and how it begins. `args` are NUL-separated and exclude
/// the path.
fn program(path: &str, args: &[u8]) -> Result<(AddressSpace, TrapFrame), Errno> {
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
    let mut memory = Draft::new();
    let at = load(&mut memory, &program, &block)?;
    let space = memory.finish()?;
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
    Ok((space, frame))
}

/// Starts a process that begins with these registers.
fn start(
    name: String,
    stack: KernelStack,
    space: AddressSpace,
    frame: TrapFrame,
    files: Vec<Option<Open>>,
) -> u64 {
    let frame_at = push(&stack, stack.top(), frame);
    let first = SwitchFrame::new(process_first_run as *const () as u64, 0);
    let rsp = push(&stack, frame_at, first);
    add(Beginning {
        name,
        stack,
        rsp,
        space: Some(space),
        files,
    })
}

/// Starts a process from a file of the ramdisk.
pub(crate) fn spawn_process(path: &str, args: &[u8]) -> Result<u64, Errno> {
    check_room()?;
    let stack = KernelStack::new()?;
    let (space, frame) = program(path, args)?;
    Ok(start(path.to_string(), stack, space, frame, Vec::new()))
}

/// Starts a second process with the memory and the registers of the running one, which is in a
/// system call; there it sees 0.
pub(crate) fn fork(frame: &TrapFrame) -> Result<u64, Errno> {
    check_room()?;
    let stack = KernelStack::new()?;
    let files = syscall::inherited()?;
    let space = super::with_space(AddressSpace::fork).ok_or(Errno::EPERM)??;
    let frame = TrapFrame { rax: 0, ..*frame };
    let (_, name) = super::current_name();
    Ok(start(name, stack, space, frame, files))
}

/// Puts another program in the place of the running process's, and its beginning in that of the
/// registers. On an error nothing has changed.
pub(crate) fn exec(frame: &mut TrapFrame, path: &str, args: &[u8]) -> Result<(), Errno> {
    let name = path.to_string();
    let (space, first) = program(path, args)?;
    let old = TASKS.with(|t| {
        let task = t.current().expect("only tasks make system calls");
        task.name = name;
        space::activate(Some(&space));
        task.space.replace(space)
    });
    // Not active any more.
    old.into_iter().for_each(AddressSpace::destroy);
    *frame = first;
    Ok(())
}
