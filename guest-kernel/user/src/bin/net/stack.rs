//! The interface with its addresses and sockets, and waiting for something to happen.

use crate::nic::Nic;
use guest_user::sys;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::AnySocket;
use smoltcp::socket::dhcpv4;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpCidr, Ipv4Address, Ipv4Cidr};

/// How long an address is asked for, ns.
const PATIENCE: u64 = 60_000_000_000;
/// How long nothing may be waited for at most, ns.
const LONGEST: u64 = 3_600_000_000_000;

pub(crate) struct Stack {
    nic: Nic,
    interface: Interface,
    sockets: SocketSet<'static>,
}

fn now() -> Instant {
    Instant::from_micros((sys::clock() / 1000).cast_signed())
}

impl Stack {
    pub(crate) fn open() -> Result<Self, &'static str> {
        let mut nic = Nic::open().map_err(|_| "there is no network interface")?;
        let mac = nic.mac().map_err(|_| "the interface has no address")?;
        let mut config = Config::new(EthernetAddress(mac).into());
        config.random_seed = sys::clock() ^ u64::from(mac[5]) << 32;
        let interface = Interface::new(config, &mut nic, now());
        Ok(Self {
            nic,
            interface,
            sockets: SocketSet::new(alloc::vec![]),
        })
    }

    pub(crate) fn mac(&self) -> smoltcp::wire::HardwareAddress {
        self.interface.hardware_addr()
    }

    pub(crate) fn address(&self) -> Ipv4Address {
        self.interface
            .ipv4_addr()
            .unwrap_or(Ipv4Address::UNSPECIFIED)
    }

    pub(crate) fn set_address(&mut self, address: Ipv4Cidr, gateway: Option<Ipv4Address>) {
        self.interface.update_ip_addrs(|addresses| {
            addresses.clear();
            // There is room for one.
            let _ = addresses.push(IpCidr::Ipv4(address));
        });
        if let Some(gateway) = gateway {
            // There is room for one route.
            let _ = self.interface.routes_mut().add_default_ipv4_route(gateway);
        }
    }

    /// Has a DHCP server give an address.
    pub(crate) fn ask_for_address(&mut self) -> Result<(), &'static str> {
        let handle = self.add(dhcpv4::Socket::new());
        let deadline = sys::clock() + PATIENCE;
        loop {
            let given = match self.socket::<dhcpv4::Socket<'_>>(handle).poll() {
                Some(dhcpv4::Event::Configured(config)) => Some((config.address, config.router)),
                _ => None,
            };
            if let Some((address, gateway)) = given {
                self.set_address(address, gateway);
                return Ok(());
            }
            if sys::clock() > deadline {
                return Err("no DHCP server gives an address");
            }
            self.turn(Some(deadline))?;
        }
    }

    pub(crate) fn add(&mut self, socket: impl AnySocket<'static>) -> SocketHandle {
        self.sockets.add(socket)
    }

    pub(crate) fn remove(&mut self, handle: SocketHandle) {
        self.sockets.remove(handle);
    }

    pub(crate) fn socket<T: AnySocket<'static>>(&mut self, handle: SocketHandle) -> &mut T {
        self.sockets.get_mut(handle)
    }

    pub(crate) fn socket_and_context(
        &mut self,
        handle: SocketHandle,
    ) -> (
        &mut smoltcp::socket::tcp::Socket<'static>,
        &mut smoltcp::iface::Context,
    ) {
        (self.sockets.get_mut(handle), self.interface.context())
    }

    /// Moves frames; waits, until `deadline` in ns of the clock at most, if there were none.
    pub(crate) fn turn(&mut self, deadline: Option<u64>) -> Result<(), &'static str> {
        use smoltcp::iface::PollResult;
        self.nic.begin_turn();
        let polled = (self.interface).poll(now(), &mut self.nic, &mut self.sockets);
        if polled == PollResult::SocketStateChanged || self.nic.turn_is_over() {
            return Ok(());
        }
        let delay = self.interface.poll_delay(now(), &self.sockets);
        let delay = delay.map_or(LONGEST, |delay| delay.total_micros() * 1000);
        let left = deadline.map_or(LONGEST, |deadline| deadline.saturating_sub(sys::clock()));
        self.nic
            .wait(delay.min(left))
            .map_err(|_| "the network interface is gone")
    }

    /// Sends so many frames to everybody that nobody understands.
    pub(crate) fn flood(&mut self, count: u64) -> Result<u64, &'static str> {
        let gone = |_| "the network interface is gone";
        let mut frame = alloc::vec![0xff; 1514];
        let mac = self.nic.mac().map_err(gone)?;
        frame[6..12].copy_from_slice(&mac);
        // A type for experiments (IEEE 802).
        frame[12..14].copy_from_slice(&[0x88, 0xb5]);
        for _ in 0..count {
            self.nic.send_all(frame.clone()).map_err(gone)?;
        }
        Ok(count)
    }

    /// Answers pings for ever.
    pub(crate) fn answer(&mut self) -> Result<(), &'static str> {
        loop {
            self.turn(None)?;
        }
    }
}
