//! Interfaces that go down, disappear, return with another index, or get another name: their programs follow them, and what became of
//! them is told.

use crate::config::Config;
use crate::host::{self, Link, Snapshot};
use crate::xdp::{Loaded, Mode};
use basalt_ebpf_abi::programs;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// An interface that is not steady is told of that often at most, and is looked at that often.
const STEADY: Duration = Duration::from_secs(1);

/// Which interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// That to base stations ([`Config::access_interface`]).
    Radio,
    /// That to the internet ([`Config::internet_interface`]).
    Internet,
}

/// What is known of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Which.
    pub side: Side,
    /// Its name in the configuration.
    pub configured: String,
    /// Its name of now, or the last that it had.
    pub name: String,
    /// What state it is in.
    pub state: InterfaceState,
}

/// Whether packets pass by an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InterfaceState {
    /// It is up and has its program, if it needs one.
    Up,
    /// Nobody has brought it up, or its cable is out.
    Down,
    /// There is none of its name.
    Away,
    /// It is there, and takes no program.
    Unusable,
}

/// What was told of an interface, and what is so.
struct Place {
    now: Interface,
    /// 0 where it is away.
    index: u32,
    /// What runs there, if anything does.
    program: Option<&'static str>,
    told: Interface,
    told_at: Option<Instant>,
}

/// The interfaces of a data plane, and programs on them.
pub(crate) struct Interfaces {
    loaded: Option<Arc<Mutex<Loaded>>>,
    allow: Vec<Mode>,
    places: Vec<Place>,
}

/// What has changed since somebody looked last.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// An interface came, went or got another name: neighbours are to be asked for anew.
    pub(crate) any: bool,
    /// One has another name than before: what goes by names is to be made anew.
    pub(crate) renamed: bool,
}

impl Interfaces {
    /// Those of a data plane without programs, as they are.
    pub(crate) fn without_programs(config: &Config, snapshot: &Snapshot) -> Self {
        let sides = [(Side::Radio, &config.access_interface), (Side::Internet, &config.internet_interface)];
        // A gateway without a way to the internet has one interface.
        let one = config.access_interface == config.internet_interface;
        let places = sides.into_iter().take(if one { 1 } else { 2 }).map(|(side, name)| {
            let link = snapshot.link(name);
            let state = link.map_or(InterfaceState::Away, state_of);
            let now = Interface { side, configured: name.clone(), name: name.clone(), state };
            let index = link.map_or(0, |link| link.index);
            Place { told: now.clone(), now, index, program: None, told_at: None }
        });
        Self { loaded: None, allow: Vec::new(), places: places.collect() }
    }

    /// Those on which programs were just attached.
    pub(crate) fn with_programs(
        loaded: Arc<Mutex<Loaded>>,
        config: &Config,
        allow: &[Mode],
        snapshot: &Snapshot,
    ) -> Self {
        let mut interfaces = Self::without_programs(config, snapshot);
        for place in &mut interfaces.places {
            place.program = match place.now.side {
                Side::Radio => Some(programs::ACCESS),
                Side::Internet => config.direct().then_some(programs::INTERNET),
            };
        }
        Self { loaded: Some(loaded), allow: allow.to_vec(), ..interfaces }
    }

    /// Looks where interfaces are, and attaches programs to those that are new.
    pub(crate) fn follow(&mut self, snapshot: &Snapshot) -> Changes {
        let mut changes = Changes::default();
        for place in &mut self.places {
            let before = (place.now.clone(), place.index);
            place.follow(snapshot, self.loaded.as_deref(), &self.allow);
            changes.any |= before != (place.now.clone(), place.index);
            changes.renamed |= before.0.name != place.now.name;
        }
        changes
    }

    /// The configuration with the names of now.
    pub(crate) fn named(&self, config: &Config) -> Config {
        let mut config = config.clone();
        let one = config.access_interface == config.internet_interface;
        for place in &self.places {
            match place.now.side {
                Side::Radio => config.access_interface.clone_from(&place.now.name),
                Side::Internet => config.internet_interface.clone_from(&place.now.name),
            }
        }
        if one {
            config.internet_interface.clone_from(&config.access_interface);
        }
        config
    }

    /// What is to be told: of each interface its first change at once, and further ones when it has been quiet about it for a moment.
    pub(crate) fn news(&mut self, now: Instant) -> Vec<Interface> {
        let mut news = Vec::new();
        for place in &mut self.places {
            if place.now != place.told && place.told_at.is_none_or(|at| now.duration_since(at) >= STEADY) {
                place.told = place.now.clone();
                place.told_at = Some(now);
                news.push(place.now.clone());
            }
        }
        news
    }

    /// What is known of each.
    pub(crate) fn all(&self) -> Vec<Interface> {
        self.places.iter().map(|place| place.now.clone()).collect()
    }

    /// Puts back pins of programs, links and tables that somebody has removed, and attaches programs again that somebody has detached; how
    /// many of each.
    pub(crate) fn repair(&self) -> (usize, usize) {
        let Some(loaded) = self.loaded.as_deref() else { return (0, 0) };
        let mut loaded = lock(loaded);
        (loaded.put_pins_back(), loaded.attach_again())
    }

    /// Whether one is to be looked at again, though nothing is heard: what the kernel told of one that flapped may be lost.
    pub(crate) fn waiting(&self) -> bool {
        self.places.iter().any(|place| place.now != place.told || place.now.state != InterfaceState::Up)
    }
}

impl Place {
    fn follow(&mut self, snapshot: &Snapshot, loaded: Option<&Mutex<Loaded>>, allow: &[Mode]) {
        // The configured name counts; an interface that has lost it is followed by its index.
        let link = snapshot.link(&self.now.configured).or_else(|| snapshot.links.get(&self.index));
        let Some(link) = link else {
            (self.now.state, self.index) = (InterfaceState::Away, 0);
            return;
        };
        if self.index == link.index && self.now.name != link.name {
            // Links are pinned by names: a successor finds them by the one it is configured with.
            if let (Some(loaded), Some(_)) = (loaded, self.program) {
                lock(loaded).renamed(&self.now.name, &link.name);
            }
        }
        let new = self.index != link.index || self.now.state == InterfaceState::Unusable;
        self.now.name.clone_from(&link.name);
        self.index = link.index;
        self.now.state = state_of(link);
        if new && !self.equip(loaded, allow) {
            self.now.state = InterfaceState::Unusable;
        }
    }

    /// Attaches the program to an interface that is new; whether it has what it needs.
    fn equip(&self, loaded: Option<&Mutex<Loaded>>, allow: &[Mode]) -> bool {
        let name = self.now.name.as_str();
        if self.now.side == Side::Internet
            && let Err(error) = host::ipv4_switch(name, "forwarding", "1")
        {
            tracing::warn!(%error, "forwarding on an interface that is back");
        }
        let (Some(loaded), Some(program)) = (loaded, self.program) else { return true };
        match lock(loaded).attach(program, name, allow) {
            Ok(mode) => {
                tracing::info!(interface = name, ?mode, "an interface is back");
                true
            }
            // Tried again with the next change, and every second.
            Err(error) => {
                tracing::warn!(interface = name, %error, "an interface is back, but not usable yet");
                false
            }
        }
    }
}

fn lock(loaded: &Mutex<Loaded>) -> std::sync::MutexGuard<'_, Loaded> {
    loaded.lock().unwrap_or_else(PoisonError::into_inner)
}

fn state_of(link: &Link) -> InterfaceState {
    if link.up && link.ready { InterfaceState::Up } else { InterfaceState::Down }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Plane;
    use std::net::Ipv4Addr;

    fn config() -> Config {
        let mut config = Config::new("radio0", Ipv4Addr::new(192, 0, 2, 1), "wan0", Vec::new());
        config.plane = Plane::Software;
        config
    }

    fn snapshot(links: &[(u32, &str, bool)]) -> Snapshot {
        let link = |(index, name, up): &(u32, &str, bool)| {
            (*index, Link { index: *index, name: (*name).to_owned(), mac: None, mtu: 1500, up: *up, ready: *up })
        };
        Snapshot { links: links.iter().map(link).collect(), ..Snapshot::default() }
    }

    fn internet(interfaces: &Interfaces) -> (String, InterfaceState) {
        let all = interfaces.all();
        let found = all.into_iter().find(|interface| interface.side == Side::Internet).unwrap();
        (found.name, found.state)
    }

    #[test]
    fn an_interface_is_followed_by_its_index_until_one_of_its_name_is_there() {
        let mut interfaces =
            Interfaces::without_programs(&config(), &snapshot(&[(2, "radio0", true), (3, "wan0", true)]));
        let seen = interfaces.follow(&snapshot(&[(2, "radio0", true), (3, "lan7", true)]));
        assert!(seen.any && seen.renamed);
        assert_eq!(internet(&interfaces), ("lan7".to_owned(), InterfaceState::Up));
        assert_eq!(interfaces.named(&config()).internet_interface, "lan7");
        // Another takes the name that the configuration says.
        let seen = interfaces.follow(&snapshot(&[(2, "radio0", true), (3, "lan7", true), (9, "wan0", false)]));
        assert!(seen.any && seen.renamed);
        assert_eq!(internet(&interfaces), ("wan0".to_owned(), InterfaceState::Down));
        assert_eq!(interfaces.named(&config()).internet_interface, "wan0");
        assert!(!interfaces.follow(&snapshot(&[(2, "radio0", true), (9, "wan0", false)])).any);
    }

    #[test]
    fn one_that_is_away_is_waited_for_and_its_index_is_nobodys() {
        let mut interfaces =
            Interfaces::without_programs(&config(), &snapshot(&[(2, "radio0", true), (3, "wan0", true)]));
        assert!(!interfaces.waiting());
        assert!(interfaces.follow(&snapshot(&[(2, "radio0", true)])).any);
        assert_eq!(internet(&interfaces), ("wan0".to_owned(), InterfaceState::Away));
        assert!(interfaces.waiting());
        // Another one that got its index later is not it.
        assert!(!interfaces.follow(&snapshot(&[(2, "radio0", true), (3, "other", true)])).any);
        assert_eq!(internet(&interfaces).1, InterfaceState::Away);
    }

    #[test]
    fn one_that_flaps_is_told_of_once_a_second() {
        let mut interfaces =
            Interfaces::without_programs(&config(), &snapshot(&[(2, "radio0", true), (3, "wan0", true)]));
        let start = Instant::now();
        let mut told = Vec::new();
        for step in 0u32..1000 {
            interfaces.follow(&snapshot(&[(2, "radio0", true), (3, "wan0", step % 3 == 2)]));
            told.extend(interfaces.news(start + step * Duration::from_millis(10)));
        }
        assert!((9..=11).contains(&told.len()), "{told:?}");
        assert!(told.iter().all(|interface| interface.side == Side::Internet));
        interfaces.follow(&snapshot(&[(2, "radio0", true), (3, "wan0", true)]));
        let last = interfaces.news(start + Duration::from_secs(20));
        assert!(last.is_empty() || last.iter().all(|interface| interface.state == InterfaceState::Up));
        assert!(!interfaces.waiting());
        interfaces.follow(&snapshot(&[(2, "radio0", true), (3, "wan0", false)]));
        interfaces.news(start + Duration::from_secs(30));
        assert!(interfaces.waiting(), "that it is up again may not be heard");
    }
}
