//! Programs that watch a phone take the place of the usual ones behind the links, and go again.

use super::{Loaded, update, xdp};
use crate::error::Error;
use agw_types::UeAddress;
use basalt_ebpf_abi::{Address, programs};

impl Loaded {
    /// Puts the programs that watch this phone in the place of the usual ones.
    pub(crate) fn watch(&mut self, address: UeAddress, snap: u32) -> Result<(), Error> {
        if let Some(watch) = self.watch.get(0) {
            watch.snap.set(snap);
            watch.ue.set(address.ipv4().map_or(0, |address| Address::new(address).0));
            watch.prefix.set(address.prefix().map_or(0, |prefix| prefix.to_bits().to_be()));
        }
        for (program, link) in self.attached.clone() {
            let Some((_, watching)) = programs::WATCHING.iter().find(|(usual, _)| *usual == program) else { continue };
            let watching_program = xdp(&mut self.ebpf, watching)?;
            if watching_program.fd().is_err() {
                watching_program.load().map_err(Error::bpf(format!("loading {watching}")))?;
            }
            update(watching_program, &link)?;
        }
        self.watch_stages()
    }

    /// The same with the programs that are entered from others.
    fn watch_stages(&mut self) -> Result<(), Error> {
        for (place, stage) in (0u32..).zip(programs::STAGES) {
            let Some((_, watching)) = programs::WATCHING.iter().find(|(usual, _)| *usual == stage) else { continue };
            let program = xdp(&mut self.ebpf, watching)?;
            if program.fd().is_err() {
                program.load().map_err(Error::bpf(format!("loading {watching}")))?;
            }
            let program = program.fd().map_err(Error::bpf("stages"))?;
            self.stages.set(place, program, 0).map_err(Error::bpf("stages"))?;
        }
        Ok(())
    }

    fn unwatch_stages(&mut self) -> Result<(), Error> {
        for (place, stage) in (0u32..).zip(programs::STAGES) {
            let program = xdp(&mut self.ebpf, stage)?.fd().map_err(Error::bpf("stages"))?;
            self.stages.set(place, program, 0).map_err(Error::bpf("stages"))?;
        }
        Ok(())
    }

    /// Puts the usual programs back.
    pub(crate) fn unwatch(&mut self) -> Result<(), Error> {
        let mut first = Ok(());
        for (program, link) in self.attached.clone() {
            let back = xdp(&mut self.ebpf, &program).and_then(|program| update(program, &link));
            first = first.and(back);
        }
        first = first.and(self.unwatch_stages());
        if let Some(watch) = self.watch.get(0) {
            watch.ue.set(0);
            watch.prefix.set(0);
        }
        first
    }

    /// Loads a program that watches, and has it watch this phone.
    #[cfg(test)]
    pub(crate) fn prepare_watch(&mut self, usual: &str, ue: u32, prefix: u64) -> &'static str {
        let (_, watching) = programs::WATCHING.iter().find(|(name, _)| *name == usual).expect("such a program");
        let watch = self.watch.get(0).expect("one entry");
        watch.snap.set(128);
        watch.ue.set(ue);
        watch.prefix.set(prefix);
        let program = xdp(&mut self.ebpf, watching).expect("in the object");
        if program.fd().is_err() {
            program.load().expect("it loads");
        }
        self.watch_stages().expect("they load");
        watching
    }
}
