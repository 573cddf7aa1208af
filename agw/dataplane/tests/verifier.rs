//! The verifier's word on every program, on this kernel and on Debian's stock 6.1.
//!
//! A program that one kernel takes may be too much for another: older verifiers know less of a value, and follow more ways. So the test
//! looks at how much of the limit each program needs here, and has itself run in the virtual machine of `tools/vm.sh`, where one
//! is set up in the folder named by `BASALT_VM_DIR`. What is missing is said, and the test passes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod lab;

use agw_dataplane::{Egress, Plane, PlaneMode, object};
use aya::EbpfLoader;
use aya::programs::Xdp;
use lab::*;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Instructions that the verifier of the running kernel may look at: the limit is 10^6, and other kernels need more than this one.
const MOST: u32 = 750_000;

#[test]
fn every_program_passes_with_room_to_spare() {
    if !possible() {
        return;
    }
    let (_, octets) = object::object().unwrap();
    let mut ebpf = EbpfLoader::new().load(&octets).unwrap();
    let mut heavy = Vec::new();
    for (name, program) in ebpf.programs_mut() {
        let program: &mut Xdp = program.try_into().unwrap();
        program.load().unwrap_or_else(|error| panic!("{name}: {error}"));
        let looked_at = program.info().unwrap().verified_instruction_count().unwrap();
        println!("{name}: {looked_at} instructions looked at");
        if looked_at > MOST {
            heavy.push(format!("{name}: {looked_at}"));
        }
    }
    // In the virtual machine, to have passed is enough.
    assert!(heavy.is_empty() || std::env::var_os(GUEST).is_some(), "too near the limit: {heavy:?}");
}

#[test]
fn a_packet_goes_up_and_its_answer_down() {
    if !possible() {
        return;
    }
    let lab = Lab::new();
    let gateway = lab.open(lab.config(Plane::XdpNative, Egress::Routed));
    assert_eq!(gateway.mode(), PlaneMode::XdpNative);
    let station = Station::new(&lab);
    let server = lab.udp("i", SERVER, 7000);
    gateway.connect();
    // The first one may find the server's neighbour entry unresolved, and take the kernel's way: the second one does not.
    for payload in [b"first ", b"second"] {
        station.send(&g_pdu(TEID, &udp_packet((UE, 5000), (SERVER, 7000), payload)));
        let mut buffer = [0; 100];
        let (length, from) = server.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..length], from.ip()), (&payload[..], UE.into()));
        server.send_to(payload, from).unwrap();
        assert_eq!(station.packet().expect("downlink")[28..], *payload);
    }
    eventually("both are counted, both ways", || {
        let usage = gateway.plane().usage(TEID, UE).unwrap();
        (usage.uplink_packets, usage.downlink_packets) == (2, 2)
    });
}

/// Set in the virtual machine.
const GUEST: &str = "BASALT_GUEST";

#[test]
fn linux_6_1_takes_every_program_and_passes_a_packet() {
    let machine = match Machine::find() {
        Ok(machine) => machine,
        Err(why) => return eprintln!("skipped: {why}"),
    };
    // Without udev there is no standard input by that name, which nft reads.
    let said = machine.run(&format!(
        "ln -sf /proc/self/fd/0 /dev/stdin; cp -r /host /tmp/tests && cd /tmp/tests && uname -r && \
         {GUEST}=1 ./verifier --test-threads 1 --nocapture"
    ));
    println!("{said}");
    assert!(said.contains("6.1."), "another kernel: {said}");
    assert!(said.contains("3 passed; 0 failed") && said.contains("basalt_internet_watch:"), "{said}");
}

/// A virtual machine with this very program and the object in a folder of its own.
struct Machine {
    name: String,
    script: PathBuf,
    share: PathBuf,
}

impl Machine {
    fn find() -> Result<Self, String> {
        let folder = std::env::var_os("BASALT_VM_DIR").ok_or("BASALT_VM_DIR names no folder with a virtual machine")?;
        let script = Path::new(&folder).join("vm.sh");
        if !script.exists() || !Path::new(&folder).join("rootfs").exists() {
            return Err(format!("no vm.sh, or `vm.sh setup` not run, in {}", folder.display()));
        }
        if !possible() {
            return Err("no root or no object".to_owned());
        }
        if !Path::new(&folder).join("rootfs/usr/sbin/nft").exists() {
            let install = "apt-get update -qq; apt-get install -y -qq --no-install-recommends nftables";
            let installed = Command::new(&script).args(["chroot", install]).output().unwrap();
            if !installed.status.success() {
                return Err(format!("no nft in {}, and no way to install it", folder.display()));
            }
        }
        let (object, _) = object::object().unwrap();
        let name = format!("xdp{}", std::process::id());
        let share = std::env::temp_dir().join(&name);
        std::fs::create_dir_all(share.join("bpf")).unwrap();
        std::fs::copy(object, share.join("bpf").join(object::OBJECT)).unwrap();
        std::fs::copy(std::env::current_exe().unwrap(), share.join("verifier")).unwrap();
        Ok(Self { name, script, share })
    }

    /// Boots, runs a command to its end, gives what it printed.
    fn run(&self, command: &str) -> String {
        let output = Command::new(&self.script)
            .args(["run", "-n", &self.name, "-N", &self.name, "-m", "1536", "-M", "veth,nf_tables,tun", "-s"])
            .arg(&self.share)
            .arg(command)
            .output()
            .unwrap();
        [output.stdout, output.stderr].iter().map(|octets| String::from_utf8_lossy(octets)).collect()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
        let _ = std::fs::remove_dir_all(&self.share);
        let _ = std::fs::remove_dir_all(self.script.with_file_name("vms").join(&self.name));
    }
}
