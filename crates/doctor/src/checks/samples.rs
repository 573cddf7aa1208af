//! Machines that tests are about.

use crate::{
    Attempt, BpfFs, Clock, Errno, Facts, FileFacts, Forwarding, Interface, Limits, Link, Memory, Sockets, StateDir,
    Wanted, XdpSupport,
};
use std::time::Duration;

/// A gateway with a radio and an internet side.
pub(crate) fn wanted() -> Wanted {
    Wanted {
        listen: vec!["10.1.0.1".parse().unwrap()],
        radio_interface: Some("s1".to_owned()),
        internet_interface: Some("wan".to_owned()),
        ..Wanted::default()
    }
}

fn interface(name: &str, address: &str) -> Interface {
    Interface {
        name: name.to_owned(),
        up: true,
        running: true,
        mtu: 1600,
        addresses: vec![(address.parse().unwrap(), 24)],
        forwarding: Some(true),
        rp_filter: Some(0),
        link: Link {
            driver: Some("ixgbe".to_owned()),
            lro: Some(false),
            gro: Some(true),
            xdp: Some(XdpSupport { native: true, redirect: true, target: true }),
        },
    }
}

/// Nothing to complain about.
pub(crate) fn healthy() -> Facts {
    Facts {
        kernel_release: "6.1.0-18-amd64".to_owned(),
        user: Some(0),
        capabilities: Some(u64::MAX),
        limits: Limits { open_files: Some(65_536) },
        bpf: Attempt::Worked,
        bpf_jit: Some(1),
        bpf_fs: BpfFs::Mountable,
        pins: 0,
        tun: Attempt::Worked,
        nf_tables: Attempt::Worked,
        nft: Some("/usr/sbin/nft".to_owned()),
        user_namespaces: Some(15_000),
        user_namespaces_restricted: false,
        sctp_kernel: Attempt::Worked,
        sctp_raw: Attempt::Worked,
        sctp_module: true,
        interfaces: vec![interface("s1", "10.1.0.1"), interface("wan", "192.0.2.2")],
        forwarding: Forwarding {
            default_route: Some("wan".to_owned()),
            ip_forward: Some(true),
            rp_filter_all: Some(0),
            dropping_chains: Some(Vec::new()),
            connections: Some((100, 262_144)),
            name_servers: vec!["192.0.2.53".parse().unwrap()],
        },
        sockets: Sockets::default(),
        clock: Clock { unix_seconds: Some(1_800_000_000), synchronised: Some(true) },
        state: StateDir {
            directory: Some(FileFacts { mode: 0o700, owner: 0, length: 4096 }),
            occupied: true,
            write: Attempt::Worked,
            sync: Some(Duration::from_micros(800)),
            free: Some(50 << 30),
            file_system: Some(0xef53),
            key: Some(FileFacts { mode: 0o600, owner: 0, length: 32 }),
            key_hidden: false,
        },
        memory: Some(Memory { total: 4 << 30, available: 3 << 30 }),
        entropy: Attempt::Worked,
    }
}

/// Everything is wrong that can be wrong at a time.
pub(crate) fn broken() -> Facts {
    let failed = Attempt::Failed(Errno(libc::EPERM));
    let off = Interface {
        up: false,
        running: false,
        mtu: 1400,
        rp_filter: Some(1),
        link: Link {
            lro: Some(true),
            xdp: Some(XdpSupport { native: false, redirect: false, target: false }),
            ..Link::default()
        },
        ..interface("s1", "10.45.7.7")
    };
    Facts {
        kernel_release: "4.9.0".to_owned(),
        user: Some(0),
        capabilities: Some(0),
        limits: Limits { open_files: Some(256) },
        bpf: failed,
        bpf_jit: Some(0),
        bpf_fs: BpfFs::Absent,
        pins: 12,
        tun: failed,
        nf_tables: failed,
        nft: None,
        user_namespaces: Some(0),
        user_namespaces_restricted: true,
        sctp_kernel: failed,
        sctp_raw: failed,
        sctp_module: false,
        interfaces: vec![off],
        forwarding: Forwarding {
            default_route: None,
            ip_forward: Some(false),
            rp_filter_all: Some(1),
            dropping_chains: Some(vec!["ip filter FORWARD".to_owned()]),
            connections: Some((262_000, 262_144)),
            name_servers: vec!["127.0.0.53".parse().unwrap()],
        },
        sockets: Sockets {
            sctp: vec![36412],
            raw_sctp: true,
            udp: vec!["0.0.0.0:2152".parse().unwrap()],
            tcp: vec!["127.0.0.1:9105".parse().unwrap()],
        },
        clock: Clock { unix_seconds: Some(3600), synchronised: Some(false) },
        state: StateDir {
            directory: Some(FileFacts { mode: 0o777, owner: 0, length: 4096 }),
            occupied: true,
            write: failed,
            sync: Some(Duration::from_millis(300)),
            free: Some(1 << 20),
            file_system: Some(0x0102_1994),
            key: Some(FileFacts { mode: 0o644, owner: 0, length: 32 }),
            key_hidden: false,
        },
        memory: Some(Memory { total: 128 << 20, available: 10 << 20 }),
        entropy: Attempt::Failed(Errno(libc::EAGAIN)),
    }
}
