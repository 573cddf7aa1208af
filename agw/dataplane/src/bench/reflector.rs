//! The far ends of the closed loop.

use super::{OBJECT, region};
use crate::error::Error;
use crate::object;
use crate::region::Region;
use aya::programs::{Xdp, XdpMode};
use aya::{Ebpf, EbpfLoader};
use basalt_ebpf_abi::BenchPlan;
use std::net::Ipv4Addr;

/// A program at the far end of a cable that sends packets back, for a closed loop. It stands there until it is dropped.
pub struct Reflector {
    _ebpf: Ebpf,
    plan: Region<BenchPlan>,
}

impl Reflector {
    /// Attaches [`BenchPlan::REFLECT_STATION`] or [`BenchPlan::REFLECT_INTERNET`] to an interface of the calling thread's network namespace.
    ///
    /// # Errors
    /// Without root or without the object; where the driver runs no programs.
    pub fn attach(name: &str, interface: &str) -> Result<Self, Error> {
        let (_, object) = object::named(OBJECT).map_err(Error::Object)?;
        let mut ebpf = EbpfLoader::new().load(&object).map_err(Error::bpf("loading the measuring programs"))?;
        let absent = || Error::Bpf { what: name.into(), cause: "not in the object".into() };
        let program: &mut Xdp = ebpf.program_mut(name).ok_or_else(absent)?.try_into().map_err(Error::bpf(name))?;
        program.load().map_err(Error::bpf(format!("loading {name}")))?;
        program.attach(interface, XdpMode::Driver).map_err(Error::bpf(format!("attaching {name} to {interface}")))?;
        let plan = region(&ebpf, BenchPlan::MAP, 1)?;
        Ok(Self { _ebpf: ebpf, plan })
    }

    /// Tells it the address of the first phone, and the gateway's TEID of its session; those of the others follow.
    pub fn of_phones(&self, first: Ipv4Addr, teid: u32) {
        if let Some(plan) = self.plan.get(0) {
            plan.ue.set(first.to_bits());
            plan.teid.set(teid);
        }
    }

    /// Sends no more packets back: whoever listens gets them.
    pub fn let_go(&self) {
        if let Some(plan) = self.plan.get(0) {
            plan.over.set(1);
        }
    }
}
