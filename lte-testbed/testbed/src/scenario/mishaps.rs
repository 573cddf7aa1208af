//! What happens to the gateway from outside: to its interfaces, and to the tables of its programs.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::script::{Mishap, Tampering};
use super::world::World;
use crate::lab::{Cable, link};
use crate::sys;

/// For what must be told, on any machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks.
const STEP: Duration = Duration::from_millis(20);
/// Octets from the start of a record to the phone's address: in the table of what comes from phones, and in that of what goes to them.
const UPLINK_ADDRESS: usize = 16;
const DOWNLINK_ADDRESS: usize = 8;
/// And to the TEID: ours in the one, the base station's in the other.
const UPLINK_TEID: usize = 0;
const DOWNLINK_TEID: usize = 12;

impl World {
    pub(super) fn mishap(&mut self, cable: Cable, mishap: &Mishap) -> Result<()> {
        let (lab, name) = (&self.network.lab, cable.interface());
        match mishap {
            Mishap::Disappears => link::remove(&lab.agw, name),
            Mishap::Returns => {
                lab.lay(cable)?;
                let vlan = self.vlan.as_mut().filter(|_| cable == Cable::Internet);
                vlan.map_or(Ok(()), |vlan| vlan.follow(lab))
            }
            Mishap::GoesDown => link::switch(&lab.agw, name, false),
            Mishap::ComesUp => {
                link::switch(&lab.agw, name, true)?;
                lab.route(cable, name)
            }
            Mishap::Flaps(times) => {
                for _ in 0..*times {
                    link::switch(&lab.agw, name, false)?;
                    link::switch(&lab.agw, name, true)?;
                }
                lab.route(cable, name)
            }
            Mishap::Renamed(before, now) => {
                link::rename(&lab.agw, before, now)?;
                lab.route(cable, now)
            }
            Mishap::AlsoCalled(name, other) => link::call_also(&lab.agw, name, other),
        }
    }

    /// Writes into a pinned table behind the gateway's back.
    pub(super) fn tamper(&self, phone: usize, how: Tampering) -> Result<()> {
        let address = self.the_address(phone)?.octets();
        let (table, place) = match how {
            Tampering::AltersDownlink => ("DOWNLINK", DOWNLINK_ADDRESS),
            Tampering::RemovesUplink => ("UPLINK", UPLINK_ADDRESS),
        };
        let file = self.network.lab.directory().join("bpf/maps").join(table);
        let map = sys::open_map(&file).with_context(|| format!("opening {}", file.display()))?;
        let mut record = [0; 4096];
        for index in 0.. {
            sys::read_map(map.as_fd(), index, &mut record).context("no record has this phone's address")?;
            if record.get(place..place + 4) == Some(&address[..]) {
                match how {
                    Tampering::AltersDownlink => flip(&mut record, DOWNLINK_TEID),
                    Tampering::RemovesUplink => erase(&mut record, UPLINK_TEID),
                }
                return sys::write_map(map.as_fd(), index, &record).context("writing a record");
            }
        }
        bail!("a table without end");
    }

    pub(super) fn told_with(&self, kind: &str, word: &str) -> Result<()> {
        let wanted = |line: &str| {
            let words = || line.split(|letter: char| letter.is_whitespace() || ",;:".contains(letter));
            words().any(|one| one == kind) && words().any(|one| one == word)
        };
        self.until(&format!("no event {kind} with {word}"), |world| {
            let told = world.network.gateway.basalt(&["events", "-n", "1000"])?;
            Ok(if told.lines().any(wanted) { None } else { Some(told) })
        })
    }

    pub(super) fn diagnosed(&self, check: &str, level: &str) -> Result<()> {
        self.until(&format!("no finding {check} of level {level}"), |world| {
            let findings = world.network.gateway.findings()?;
            let of = |finding: &&serde_json::Value| finding["check"] == check;
            let found = findings.as_array().into_iter().flatten().find(of);
            Ok(match found {
                Some(found) if found["level"] == level => None,
                other => Some(format!("{other:?}")),
            })
        })
    }

    /// Looks until there is nothing to complain of.
    fn until(&self, what: &str, mut look: impl FnMut(&Self) -> Result<Option<String>>) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while let Some(complaint) = look(self)? {
            if Instant::now() >= deadline {
                bail!("{what}: {complaint}");
            }
            std::thread::sleep(STEP);
        }
        Ok(())
    }
}

fn flip(record: &mut [u8], at: usize) {
    record.iter_mut().skip(at).take(4).for_each(|octet| *octet ^= 0x55);
}

fn erase(record: &mut [u8], at: usize) {
    record.iter_mut().skip(at).take(4).for_each(|octet| *octet = 0);
}
