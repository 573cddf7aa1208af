//! The packets that are measured with: of the first session, or for its phone; the programs put in the others.

use super::{BASE_STATION, BLOCK_BITS, EXTERNAL, FAR6, FIRST_BLOCK, FIRST_UE, GATEWAY, INNER, PORT, PREFIX, teid};
use basalt_ebpf_abi::{Address, Block, TeidLayout};
use basalt_pipeline::{TUNNEL_OVERHEAD, Tunnel, encapsulation};
use std::net::Ipv4Addr;

/// UDP from `source` to `destination`, 64 octets with the IPv4 header.
fn packet(source: Ipv4Addr, destination: Ipv4Addr) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, INNER as u8, 0, 0, 0, 0, 64, 17, 0, 0];
    packet.extend(source.octets());
    packet.extend(destination.octets());
    packet.extend([0x13, 0x88, 0, 53, 0, INNER as u8 - 20, 0, 0]);
    packet.resize(INNER as usize, 0xa5);
    packet
}

fn ethernet(kind: [u8; 2]) -> Vec<u8> {
    let mut frame = vec![2; 12];
    frame.extend(kind);
    frame
}

/// The same of IPv6.
fn packet6(source: u64, destination: u64) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0, 0, INNER as u8 - 20, 17, 64];
    for first in [source, destination] {
        packet.extend((u128::from(first) << 64 | 1).to_be_bytes());
    }
    packet.extend([0x13, 0x88, 0, 53, 0, INNER as u8 - 20, 0, 0]);
    packet.resize(INNER as usize + 20, 0xa5);
    packet
}

/// A G-PDU of the first session.
pub(super) fn uplink_frame(teids: TeidLayout) -> Vec<u8> {
    tunnelled(teids, &packet(Ipv4Addr::from(FIRST_UE), Ipv4Addr::new(203, 0, 113, 1)))
}

pub(super) fn uplink6_frame(teids: TeidLayout) -> Vec<u8> {
    tunnelled(teids, &packet6(PREFIX, FAR6))
}

fn tunnelled(teids: TeidLayout, inner: &[u8]) -> Vec<u8> {
    let first = teid(teids, 0);
    let tunnel =
        Tunnel { peer: Address::new(GATEWAY), local: Address::new(BASE_STATION), teid: first.to_be(), tos: 0, qfi: 0 };
    let mut frame = ethernet([8, 0]);
    frame.extend(encapsulation(tunnel, inner.len() as u32, 0).iter().flat_map(|word| word.to_ne_bytes()));
    debug_assert_eq!(frame.len(), 14 + TUNNEL_OVERHEAD);
    frame.extend(inner);
    frame
}

pub(super) fn downlink_frame(_: TeidLayout) -> Vec<u8> {
    let mut frame = ethernet([8, 0]);
    frame.extend(packet(Ipv4Addr::new(203, 0, 113, 1), Ipv4Addr::from(FIRST_UE)));
    frame
}

pub(super) fn downlink6_frame(_: TeidLayout) -> Vec<u8> {
    let mut frame = ethernet([0x86, 0xdd]);
    frame.extend(packet6(FAR6, PREFIX));
    frame
}

pub(super) fn downlink_nat_frame(_: TeidLayout) -> Vec<u8> {
    let port = ((FIRST_BLOCK << BLOCK_BITS | Block::place(PORT, 0, BLOCK_BITS, 0)) as u16).to_be_bytes();
    let mut frame = ethernet([8, 0]);
    frame.extend(packet(Ipv4Addr::new(203, 0, 113, 1), Ipv4Addr::from(EXTERNAL)));
    frame[34..38].copy_from_slice(&[0, 53, port[0], port[1]]);
    frame
}
