//! Loading, pinning and attaching of the XDP programs.
//!
//! Maps are pinned in `DIR/maps`, programs in `DIR/programs`, links in `DIR/links/<interface>:<mode>`. A gateway that starts finds
//! them, keeps the maps, and replaces the program behind each link in one step: packets flow all the time.

mod watching;

use crate::error::Error;
use crate::held::{self, Held};
use crate::pins::Pins;
use crate::predecessor::{self, Predecessor};
use crate::region::{Record, Region};
use crate::tables::{SharedRegions, Sizes};
use aya::maps::{Map, MapData, MapInfo, PerCpuArray, ProgramArray, RingBuf};
use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::xdp::{XdpLink, XdpLinkId};
use aya::programs::{ProgramError, Xdp, XdpMode};
use aya::{Ebpf, EbpfLoader};
use basalt_ebpf_abi::{FRAGMENTS, SCHEMA_VERSION, Settings, Watch, maps, programs};
use std::ffi::CString;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io, thread};

/// How frames reach the programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// In the driver.
    Native,
    /// In the kernel's receive path, at a fraction of the speed.
    Generic,
}

impl Mode {
    const fn name(self) -> &'static str {
        match self {
            Mode::Native => "native",
            Mode::Generic => "generic",
        }
    }
}

/// Programs in the kernel, not necessarily attached, with their maps.
pub(crate) struct Loaded {
    ebpf: Ebpf,
    directory: Option<PathBuf>,
    /// Packets for user space.
    pub(crate) ring: Option<RingBuf<MapData>>,
    /// Where a successor is told of packets that wait; taken by whoever lets them.
    pub(crate) held: Option<Held>,
    /// What predecessors have told so, and was lost with them.
    pub(crate) held_lost: u64,
    /// Counters of the programs, to be read while programs are loaded, which takes seconds on a slow machine.
    pub(crate) reasons: Arc<PerCpuArray<MapData, u64>>,
    /// Empty as soon as nobody has it open or pinned.
    stages: ProgramArray<MapData>,
    /// Whether the maps were there before, with whatever tunnels they hold.
    pub(crate) reused: bool,
    /// Tables that these took the place of, the oldest first: they have counters that are not settled.
    pub(crate) replaced: Vec<Predecessor>,
    /// Pinned links that are in use.
    links: Vec<PathBuf>,
    /// Which program is behind which of them.
    attached: Vec<(String, PathBuf)>,
    /// What this process has pinned, and shall stay so.
    pins: Pins,
    /// Whom watching programs watch.
    watch: Region<Watch>,
    /// What they tell; taken by whoever watches.
    pub(crate) watched: Option<RingBuf<MapData>>,
}

/// Loads the programs of `object`. With a `directory`, maps that are pinned there are used again if they have this schema and
/// these sizes; otherwise new ones take their place.
pub(crate) fn load(
    object: &[u8],
    sizes: Sizes,
    ring_octets: u32,
    directory: Option<&Path>,
) -> Result<(Loaded, SharedRegions), Error> {
    let mut reused = false;
    let mut replaced = Vec::new();
    let pins = directory.map(|directory| directory.join("maps"));
    let held_lost = pins.as_deref().map_or(0, held::lost);
    if let Some(pins) = &pins {
        for folder in ["maps", "programs", "links"].map(|name| pins.with_file_name(name)) {
            fs::create_dir_all(&folder).map_err(Error::system(format!("creating {}", folder.display())))?;
        }
        reused = match unfit(pins, sizes, ring_octets) {
            None => true,
            Some(reason) => {
                tracing::info!(reason, "new tables");
                // Programs go on with them until they are replaced themselves: nothing is forwarded less, and counted there last.
                predecessor::put_aside(pins)?;
                clear(pins)?;
                false
            }
        };
        replaced = predecessor::all(pins.parent().unwrap_or(pins));
    }
    let mut loader = EbpfLoader::new();
    for (name, entries) in entries(sizes, ring_octets) {
        loader.map_max_entries(name, entries);
    }
    if let Some(pins) = &pins {
        for name in maps::ALL {
            loader.map_pin_path(name, pins.join(name));
        }
    }
    let mut ebpf = loader.load(object).map_err(Error::bpf("loading the XDP object"))?;
    let regions = SharedRegions {
        settings: region(&ebpf, maps::SETTINGS, 1)?,
        uplink: region(&ebpf, maps::UPLINK, sizes.teids.slots())?,
        downlink: region(&ebpf, maps::DOWNLINK, sizes.downlink)?,
        next_hops: region(&ebpf, maps::NEXT_HOPS, sizes.next_hops)?,
        destinations: region(&ebpf, maps::DESTINATIONS, 1)?,
        ue_meters: region(&ebpf, maps::UE_METERS, sizes.ue_meters)?,
        policies: region(&ebpf, maps::POLICIES, sizes.policies)?,
        rule_states: region(&ebpf, maps::RULE_STATES, sizes.rule_states)?,
        bearers: region(&ebpf, maps::BEARERS, sizes.bearers)?,
        prefixes: region(&ebpf, maps::PREFIXES, sizes.prefixes)?,
        framed: region(&ebpf, maps::FRAMED, sizes.framed)?,
        nat: region(&ebpf, maps::NAT, 1)?,
        blocks: region(&ebpf, maps::NAT_BLOCKS, sizes.blocks)?,
        mappings: region(&ebpf, maps::NAT_MAPPINGS, sizes.mappings)?,
        fragments: region(&ebpf, maps::NAT_FRAGMENTS, FRAGMENTS)?,
    };
    let ring = RingBuf::try_from(take(&mut ebpf, maps::HANDOVER)?).map_err(Error::bpf("ring"))?;
    let reasons = PerCpuArray::try_from(take(&mut ebpf, maps::REASONS)?).map_err(Error::bpf("counters"))?;
    // Those that watch are loaded when somebody does.
    let usual = |name: &str| !programs::WATCHING.iter().any(|(_, watching)| *watching == name);
    for (name, program) in ebpf.programs_mut().filter(|(name, _)| usual(name)) {
        let program: &mut Xdp = program.try_into().map_err(Error::bpf(name))?;
        program.load().map_err(Error::bpf(format!("loading {name}")))?;
    }
    let mut stages = ProgramArray::try_from(take(&mut ebpf, maps::STAGES)?).map_err(Error::bpf("stages"))?;
    for (place, name) in (0u32..).zip(programs::STAGES) {
        let program = xdp(&mut ebpf, name)?.fd().map_err(Error::bpf(name))?;
        stages.set(place, program, 0).map_err(Error::bpf("stages"))?;
    }
    let watch = region(&ebpf, maps::WATCH, 1)?;
    let watched = RingBuf::try_from(take(&mut ebpf, maps::WATCHED)?).map_err(Error::bpf("ring"))?;
    let directory = directory.map(Path::to_path_buf);
    let mut held_pins = Pins::default();
    if let Some(folder) = &pins {
        maps::ALL.iter().for_each(|name| held_pins.hold(&folder.join(name)));
    }
    Ok((
        Loaded {
            ebpf,
            directory,
            ring: Some(ring),
            held: pins.and_then(|pins| Held::open(&pins, held_lost)),
            held_lost,
            reasons: Arc::new(reasons),
            stages,
            reused,
            replaced,
            links: Vec::new(),
            attached: Vec::new(),
            pins: held_pins,
            watch,
            watched: Some(watched),
        },
        regions,
    ))
}

impl Loaded {
    /// Attaches a program to an interface, or replaces the one that runs there.
    pub(crate) fn attach(&mut self, program: &str, interface: &str, allow: &[Mode]) -> Result<Mode, Error> {
        let attached = match self.replace(program, interface, allow)? {
            Some(mode) => mode,
            None => self.attach_new(program, interface, allow)?,
        };
        if let Some(directory) = &self.directory {
            let link = link_path(directory, interface, attached);
            self.pins.hold(&link);
            self.links.push(link.clone());
            let place = (program.to_owned(), link);
            if !self.attached.contains(&place) {
                self.attached.push(place);
            }
            // For people with bpftool; the links hold the programs.
            let pin = directory.join("programs").join(program);
            let _ = fs::remove_file(&pin);
            let program = xdp(&mut self.ebpf, program)?;
            program.pin(&pin).map_err(Error::bpf(format!("pinning {}", pin.display())))?;
            self.pins.hold(&pin);
        }
        Ok(attached)
    }

    /// Puts pins back that somebody has removed; how many.
    pub(crate) fn put_pins_back(&self) -> usize {
        self.pins.put_back()
    }

    /// Attaches programs again that somebody has detached from interfaces that are there; how many.
    pub(crate) fn attach_again(&mut self) -> usize {
        let lost: Vec<(String, PathBuf)> =
            self.attached.iter().filter(|(_, link)| self.pins.is_detached(link)).cloned().collect();
        let mut count = 0;
        for (program, link) in lost {
            let Some((interface, mode)) = place_of(&link).filter(|(name, _)| is_there(name)) else { continue };
            match self.attach(&program, &interface, &[mode]) {
                Ok(_) => count += 1,
                // Tried again at the next look.
                Err(error) => tracing::warn!(%error, interface, "a program was detached and cannot be attached again"),
            }
        }
        count
    }

    /// Answers for no pin any more: a successor does.
    pub(crate) fn give_pins_up(&mut self) {
        self.pins = Pins::default();
    }

    /// Detaches what a predecessor with another configuration has left on other interfaces.
    pub(crate) fn detach_others(&self) -> Result<(), Error> {
        let Some(directory) = &self.directory else { return Ok(()) };
        let Ok(links) = fs::read_dir(directory.join("links")) else { return Ok(()) };
        for path in links.flatten().map(|link| link.path()).filter(|path| !self.links.contains(path)) {
            fs::remove_file(&path).map_err(Error::system(format!("removing {}", path.display())))?;
        }
        Ok(())
    }

    /// An interface has another name: its links are pinned by it from now on, where a successor that knows it by that looks for them.
    pub(crate) fn renamed(&mut self, before: &str, now: &str) {
        let Some(directory) = &self.directory else { return };
        for mode in [Mode::Native, Mode::Generic] {
            let (from, to) = (link_path(directory, before, mode), link_path(directory, now, mode));
            if !from.exists() {
                continue;
            }
            if let Err(error) = fs::rename(&from, &to) {
                tracing::warn!(%error, from = %from.display(), to = %to.display(), "renaming a pinned link");
                continue;
            }
            self.pins.renamed(&from, &to);
            let places = self.attached.iter_mut().map(|(_, path)| path);
            places.chain(&mut self.links).filter(|path| **path == from).for_each(|path| path.clone_from(&to));
        }
    }

    /// Puts the new program behind the pinned link, if there is a live one of an allowed mode.
    fn replace(&mut self, program: &str, interface: &str, allow: &[Mode]) -> Result<Option<Mode>, Error> {
        let Some(directory) = &self.directory else { return Ok(None) };
        for mode in [Mode::Native, Mode::Generic] {
            let path = link_path(directory, interface, mode);
            if !path.exists() {
                continue;
            }
            if allow.contains(&mode) && update(xdp(&mut self.ebpf, program)?, &path).is_ok() {
                return Ok(Some(mode));
            }
            // Its interface is gone, or the mode is not wanted any more.
            self.pins.let_go(&path);
            fs::remove_file(&path).map_err(Error::system(format!("removing {}", path.display())))?;
        }
        Ok(None)
    }

    fn attach_new(&mut self, program: &str, interface: &str, allow: &[Mode]) -> Result<Mode, Error> {
        let directory = self.directory.clone();
        let name = program;
        let program = xdp(&mut self.ebpf, name)?;
        let mut failure = Error::Configuration("no XDP mode is allowed".into());
        for &mode in allow {
            let flag = match mode {
                Mode::Native => XdpMode::Driver,
                Mode::Generic => XdpMode::Skb,
            };
            let what = format!("attaching {name} to {interface}, {} mode", mode.name());
            match attach_patiently(program, interface, flag) {
                Ok(id) => {
                    if let Some(directory) = &directory {
                        let link = program.take_link(id).map_err(Error::bpf("link"))?;
                        let link = FdLink::try_from(link).map_err(Error::bpf("link without a descriptor"))?;
                        let path = link_path(directory, interface, mode);
                        link.pin(&path).map_err(Error::bpf(format!("pinning {}", path.display())))?;
                    }
                    return Ok(mode);
                }
                Err(error) => {
                    failure = Error::bpf(what)(error);
                    tracing::debug!(%failure, "trying the next mode");
                }
            }
        }
        Err(failure)
    }

    /// A loaded program, to run it on test packets.
    #[cfg(test)]
    pub(crate) fn program(&self, name: &str) -> &Xdp {
        self.ebpf.program(name).and_then(|program| program.try_into().ok()).expect("program")
    }

    /// The programs' counter, summed over CPUs.
    #[cfg(test)]
    pub(crate) fn reason(&self, slot: u32) -> u64 {
        reason(&self.reasons, slot)
    }
}

/// A counter of programs, summed over CPUs.
pub(crate) fn reason(reasons: &PerCpuArray<MapData, u64>, slot: u32) -> u64 {
    reasons.get(&slot, 0).map_or(0, |values| values.iter().sum())
}

/// Detaches everything and removes the pins: for uninstalling, not for stopping.
pub(crate) fn remove_pins(directory: &Path) -> Result<(), Error> {
    for folder in ["links", "programs", "maps"] {
        clear(&directory.join(folder))?;
    }
    for folder in predecessor::folders(directory) {
        predecessor::remove(&folder);
    }
    Ok(())
}

fn update(program: &mut Xdp, path: &Path) -> Result<(), Error> {
    let link = PinnedLink::from_pin(path).map_err(Error::bpf("pinned link"))?;
    let link = XdpLink::try_from(FdLink::from(link)).map_err(Error::bpf("pinned link"))?;
    program.attach_to_link(link).map_err(Error::bpf("replacing the program")).map(drop)
}

/// Attaches a program. A link of the other mode that was just removed holds the interface for a moment longer.
fn attach_patiently(program: &mut Xdp, interface: &str, flag: XdpMode) -> Result<XdpLinkId, ProgramError> {
    const TRIES: u32 = 200;
    let mut tries = 0;
    loop {
        match program.attach(interface, flag) {
            Err(ProgramError::SyscallError(error))
                if error.io_error.kind() == io::ErrorKind::AlreadyExists && tries < TRIES =>
            {
                tries += 1;
                thread::sleep(Duration::from_millis(5));
            }
            other => return other,
        }
    }
}

fn link_path(directory: &Path, interface: &str, mode: Mode) -> PathBuf {
    // A BPF file system takes no dots, which names of VLAN interfaces have; colons are in no interface's name.
    directory.join("links").join(format!("{}:{}", interface.replace('.', ":"), mode.name()))
}

/// What is attached where, by the path of its link.
fn place_of(link: &Path) -> Option<(String, Mode)> {
    let (interface, mode) = link.file_name()?.to_str()?.rsplit_once(':')?;
    let mode = [Mode::Native, Mode::Generic].into_iter().find(|known| known.name() == mode)?;
    Some((interface.replace(':', "."), mode))
}

fn is_there(interface: &str) -> bool {
    let Ok(name) = CString::new(interface) else { return false };
    // SAFETY: the name ends with a zero and lives across the call.
    unsafe { libc::if_nametoindex(name.as_ptr()) != 0 }
}

fn xdp<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Xdp, Error> {
    let absent = || Error::Bpf { what: name.into(), cause: "not in the object".into() };
    ebpf.program_mut(name).ok_or_else(absent)?.try_into().map_err(Error::bpf(name))
}

fn take(ebpf: &mut Ebpf, name: &str) -> Result<Map, Error> {
    ebpf.take_map(name).ok_or_else(|| Error::Bpf { what: name.into(), cause: "not in the object".into() })
}

fn region<T: Record>(ebpf: &Ebpf, name: &str, length: u32) -> Result<Region<T>, Error> {
    let absent = || Error::Bpf { what: name.into(), cause: "no such array in the object".into() };
    let Some(Map::Array(map)) = ebpf.map(name) else { return Err(absent()) };
    Region::of_map(map.fd().as_fd(), length as usize).map_err(Error::system(format!("mapping {name}")))
}

/// Sizes that are not fixed in the object.
fn entries(sizes: Sizes, ring_octets: u32) -> [(&'static str, u32); 12] {
    [
        (maps::UPLINK, sizes.teids.slots()),
        (maps::DOWNLINK, sizes.downlink),
        (maps::NEXT_HOPS, sizes.next_hops),
        (maps::UE_METERS, sizes.ue_meters),
        (maps::POLICIES, sizes.policies),
        (maps::RULE_STATES, sizes.rule_states),
        (maps::BEARERS, sizes.bearers),
        (maps::PREFIXES, sizes.prefixes),
        (maps::FRAMED, sizes.framed),
        (maps::NAT_BLOCKS, sizes.blocks),
        (maps::NAT_MAPPINGS, sizes.mappings),
        (maps::HANDOVER, ring_octets),
    ]
}

/// Why the pinned maps cannot be used again; `None` if they can.
fn unfit(pins: &Path, sizes: Sizes, ring_octets: u32) -> Option<&'static str> {
    for name in maps::ALL {
        if MapInfo::from_pin(pins.join(name)).is_err() {
            return Some("no pinned maps");
        }
    }
    for (name, entries) in entries(sizes, ring_octets) {
        if MapInfo::from_pin(pins.join(name)).is_ok_and(|map| map.max_entries() != entries) {
            return Some("pinned maps of another size");
        }
    }
    let settings = MapData::from_pin(pins.join(maps::SETTINGS)).ok();
    let same_form = settings.as_ref().is_some_and(|map| {
        map.info().is_ok_and(|info| usize::try_from(info.value_size()).is_ok_and(|size| size == size_of::<Settings>()))
    });
    let schema = settings
        .filter(|_| same_form)
        .and_then(|map| Region::<Settings>::of_map(map.fd().as_fd(), 1).ok())
        .and_then(|region| region.get(0).map(|settings| settings.schema.get()));
    (schema != Some(SCHEMA_VERSION)).then_some("pinned maps of another schema")
}

/// Pinned tables, if they are of this schema: whatever their sizes.
pub(crate) fn same_schema(pins: &Path) -> Option<SharedRegions> {
    fn open<T: Record>(pins: &Path, name: &str) -> Option<Region<T>> {
        let map = MapData::from_pin(pins.join(name)).ok()?;
        let info = map.info().ok()?;
        let fits = usize::try_from(info.value_size()).is_ok_and(|size| size == size_of::<T>());
        let length = usize::try_from(info.max_entries()).ok().filter(|_| fits)?;
        Region::of_map(map.fd().as_fd(), length).ok()
    }
    let settings: Region<Settings> = open(pins, maps::SETTINGS)?;
    if settings.get(0)?.schema.get() != SCHEMA_VERSION {
        return None;
    }
    Some(SharedRegions {
        settings,
        uplink: open(pins, maps::UPLINK)?,
        downlink: open(pins, maps::DOWNLINK)?,
        next_hops: open(pins, maps::NEXT_HOPS)?,
        destinations: open(pins, maps::DESTINATIONS)?,
        ue_meters: open(pins, maps::UE_METERS)?,
        policies: open(pins, maps::POLICIES)?,
        rule_states: open(pins, maps::RULE_STATES)?,
        bearers: open(pins, maps::BEARERS)?,
        prefixes: open(pins, maps::PREFIXES)?,
        framed: open(pins, maps::FRAMED)?,
        nat: open(pins, maps::NAT)?,
        blocks: open(pins, maps::NAT_BLOCKS)?,
        mappings: open(pins, maps::NAT_MAPPINGS)?,
        fragments: open(pins, maps::NAT_FRAGMENTS)?,
    })
}

/// Removes all files of a folder.
fn clear(folder: &Path) -> Result<(), Error> {
    let Ok(files) = fs::read_dir(folder) else { return Ok(()) };
    for file in files.flatten() {
        let path = file.path();
        fs::remove_file(&path).map_err(Error::system(format!("removing {}", path.display())))?;
    }
    Ok(())
}
