//! Checksums that guests leave blank, against another implementation of IP: smoltcp's.

mod fake;

use dom0_tools::net::{Options, Switch, checksum};
use hypercall_abi::io::netif::*;
use proptest::prelude::*;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::*;

use fake::net::*;

#[derive(Debug, Clone, Copy)]
struct Shape {
    v6: bool,
    udp: bool,
    vlan: bool,
}

/// Where the transport's header begins.
fn start(shape: Shape) -> usize {
    14 + if shape.vlan { 4 } else { 0 } + if shape.v6 { 40 } else { 20 }
}

/// A frame with its checksum from 1.1 to 2.2, and something behind its end as short frames have.
fn packet(shape: Shape, payload: &[u8], behind: usize) -> Vec<u8> {
    let checksums = ChecksumCapabilities::default();
    let (source, destination): (IpAddress, IpAddress) = if shape.v6 {
        let of = |last| Ipv6Address::new(0xfd00, 1, 2, 3, 4, 5, 6, last).into();
        (of(1), of(2))
    } else {
        (
            Ipv4Address::new(10, 200, 1, 1).into(),
            Ipv4Address::new(10, 7, 255, 2).into(),
        )
    };
    let tcp = TcpRepr {
        src_port: 80,
        dst_port: 40_000,
        control: TcpControl::Psh,
        seq_number: TcpSeqNumber(77),
        ack_number: Some(TcpSeqNumber(99)),
        window_len: 4000,
        window_scale: None,
        max_seg_size: None,
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload,
    };
    let udp = UdpRepr {
        src_port: 53,
        dst_port: 1000,
    };
    let (length, protocol) = if shape.udp {
        (udp.header_len() + payload.len(), IpProtocol::Udp)
    } else {
        (tcp.buffer_len(), IpProtocol::Tcp)
    };
    let ip = IpRepr::new(source, destination, protocol, length, 64);
    let mut bytes = vec![0xa5; start(shape) + length + behind];
    bytes[..12].copy_from_slice(&[2; 12]);
    let kind: u16 = if shape.v6 { 0x86dd } else { 0x0800 };
    let at = start(shape) - ip.header_len();
    bytes[at - 2..at].copy_from_slice(&kind.to_be_bytes());
    if shape.vlan {
        bytes[12..16].copy_from_slice(&[0x81, 0, 0, 5]);
    }
    ip.emit(&mut bytes[at..], &checksums);
    let segment = &mut bytes[start(shape)..start(shape) + length];
    if shape.udp {
        let mut packet = UdpPacket::new_unchecked(segment);
        udp.emit(
            &mut packet,
            &source,
            &destination,
            payload.len(),
            |buffer| buffer.copy_from_slice(payload),
            &checksums,
        );
    } else {
        let mut packet = TcpPacket::new_unchecked(segment);
        tcp.emit(&mut packet, &source, &destination, &checksums);
    }
    bytes
}

/// The place of the checksum.
fn place(shape: Shape) -> std::ops::Range<usize> {
    let at = start(shape) + if shape.udp { 6 } else { 16 };
    at..at + 2
}

fn shape() -> impl Strategy<Value = Shape> {
    any::<[bool; 3]>().prop_map(|[v6, udp, vlan]| Shape { v6, udp, vlan })
}

proptest! {
    #[test]
    fn they_are_computed_whatever_is_in_their_place(
        shape in shape(),
        payload in prop::collection::vec(any::<u8>(), 0..1400),
        before in any::<[u8; 2]>(),
        behind in 0..20_usize,
    ) {
        let right = packet(shape, &payload, behind);
        let mut blank = right.clone();
        blank[place(shape)].copy_from_slice(&before);
        prop_assert!(checksum::complete(&mut blank));
        prop_assert_eq!(blank, right);
    }

    /// No frame makes it fail, and none is changed but where the checksum is.
    #[test]
    fn frames_that_have_none_stay_as_they_are(
        shape in shape(),
        at in 12..60_usize,
        value in any::<u8>(),
        end in 0..120_usize,
    ) {
        let mut bytes = packet(shape, &[1, 2, 3, 4, 5, 6, 7, 8, 9], 0);
        let last = bytes.len() - 1;
        bytes[at.min(last)] = value;
        bytes.truncate(end);
        let mut done = bytes.clone();
        let has_one = checksum::complete(&mut done);
        let changed = done.iter().zip(&bytes).filter(|(a, b)| a != b).count();
        let most = if has_one { 2 } else { 0 };
        prop_assert!(changed <= most);
    }
}

#[test]
fn fragments_and_other_protocols_have_none() {
    let shape = Shape {
        v6: false,
        udp: false,
        vlan: false,
    };
    let whole = packet(shape, b"payload", 0);
    for (at, value) in [
        (20, 0x20),
        (21, 1),
        (23, 1),
        (14, 0x55),
        (14, 0x44),
        (12, 9),
        (17, 19),
    ] {
        let mut bytes = whole.clone();
        bytes[at] = value;
        assert!(!checksum::complete(&mut bytes), "{at}");
    }
}

/// Who says that he takes blank checksums gets them, and all others the real ones.
#[test]
fn blank_checksums_go_to_those_who_take_them() {
    let (mut granted, cable) = (Granted::default(), Cable::default());
    let mut switch = Switch::new(Some((cable.clone(), "xenbr0")));
    let careful = Options {
        takes_blank_v4: false,
        ..Options::default()
    };
    let mut guests: Vec<Guest> = [
        (1, Options::default()),
        (2, Options::default()),
        (3, careful),
    ]
    .map(|(domain, options)| Guest::new(domain, &mut switch, &granted, options))
    .into();
    guests.iter_mut().for_each(|guest| guest.offer(256));
    for v6 in [false, true] {
        let shape = Shape {
            v6,
            udp: false,
            vlan: false,
        };
        let mut right = packet(shape, b"what is said", 0);
        right[..6].fill(0xff);
        let mut blank = right.clone();
        blank[place(shape)].fill(7);
        guests[0].send_in(&blank, 4000, NETTXF_csum_blank);
        settle(&mut switch, &mut granted, 1);
        let (as_it_is, vouched) = (
            NETRXF_csum_blank | NETRXF_data_validated,
            NETRXF_data_validated,
        );
        let second = if v6 {
            (right.clone(), vouched)
        } else {
            (blank, as_it_is)
        };
        assert_eq!(guests[1].received(), [second]);
        assert_eq!(guests[2].received(), [(right.clone(), vouched)]);
        assert_eq!(cable.sent.borrow_mut().pop(), Some(right));
    }
    // One without a checksum cannot be completed, and goes only to who does not mind.
    let odd = frame([0xff; 6], mac(1), 1, 60);
    guests[0].send_in(&odd, 4000, NETTXF_csum_blank);
    settle(&mut switch, &mut granted, 1);
    assert_eq!(guests[1].frames(), [odd]);
    assert!(guests[2].frames().is_empty() && cable.sent.borrow().is_empty());
}
