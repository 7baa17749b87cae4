//! Contract: a guest reaches a server on the host's loopback through QEMU's user network: dom0's
//! netback has a virtio network device beside the guest's interface. The guest is given its address
//! by DHCP, and what it fetches over TCP is right.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use anyhow::{Context, Result};

use super::BootTest;
use super::balloon::command;
use super::network::networked;
use super::processes::start;
use crate::lab::{HYPERVISOR_OPTIONS, Lab};
use crate::verdict::{Checked, Report};

pub(super) const TEST: BootTest = BootTest {
    name: "network_outside",
    contract: "a guest fetches from a server of the host through a virtio device that dom0 bridges",
    run,
};

/// Bytes that are sent at once.
const PIECE: usize = 64 << 10;
/// Bytes that are fetched.
const BYTES: u64 = 8 << 20;
/// What the guest's program has as the seed of its pattern, and its odd multiplier.
const SEED: u64 = 6;
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// As `pattern` of the guest's library.
fn pattern(index: u64) -> u64 {
    (index ^ SEED).wrapping_add(1).wrapping_mul(MIX)
}

/// So many bytes of the pattern.
pub(super) fn content(bytes: usize) -> Vec<u8> {
    let words = 0..bytes.div_ceil(8) as u64;
    let mut all: Vec<u8> = words.flat_map(|at| pattern(at).to_le_bytes()).collect();
    all.truncate(bytes);
    all
}

/// Sends who connects as many bytes of the pattern as it asks for, and their CRC-32; counts them.
fn serve(mut client: TcpStream, sent: &AtomicU64) -> Result<()> {
    let mut wanted = [0; 8];
    client.read_exact(&mut wanted)?;
    let all = content(usize::try_from(u64::from_le_bytes(wanted))?);
    for piece in all.chunks(PIECE) {
        client.write_all(piece)?;
        sent.fetch_add(piece.len() as u64, Ordering::Relaxed);
    }
    client.write_all(&crc32fast::hash(&all).to_le_bytes())?;
    Ok(())
}

/// Serves at a port of the loopback, whose number is returned with a count of what has been sent.
pub(super) fn server() -> Result<(u16, Arc<AtomicU64>)> {
    let listener = TcpListener::bind("127.0.0.1:0").context("a port of the loopback")?;
    let port = listener.local_addr().context("its number")?.port();
    let sent = Arc::new(AtomicU64::new(0));
    let of_server = sent.clone();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            // The guest notices what is missing.
            let _ = serve(client, &of_server);
        }
    });
    Ok((port, sent))
}

fn run(lab: &Lab, report: &mut Report) -> Checked<()> {
    let (port, _) = server()?;
    let arguments = format!("ip=dhcp fetch=10.0.2.2:{port} bytes={BYTES}");
    let modules = networked(lab, &[("client", &arguments)])?;
    let mut config = lab.paravane_with(HYPERVISOR_OPTIONS, modules);
    let device = "virtio-net-pci,netdev=net,romfile=";
    config.devices = ["-netdev", "user,id=net", "-device", device]
        .map(str::to_owned)
        .to_vec();
    let mut machine = start(lab, &config, "paravane")?;
    machine.type_line("xl create client")?;
    report.note(machine.expect_line(" is 10.0.2.")?);
    report.note(machine.expect_line(" are right, CRC-32")?);
    command(&mut machine, "xl destroy client", "")?;
    machine.type_line("poweroff")?;
    machine.expect_end()?;
    Ok(())
}
