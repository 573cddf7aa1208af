//! Sentences about interfaces of the gateway.

use super::{Sentence, number};
use crate::lab::Cable;
use crate::scenario::script::{Mishap, Step};

/// `interface s1 of gateway disappears`, `… returns`, `… goes down`, `… comes up`, `… flaps 20 times`,
/// `interface sgi of gateway is renamed to wan0`, `interface wan0 of gateway is renamed to sgi`, `interface wan0 of gateway is also called sgi`.
pub(super) fn step(name: &str, words: &[&str]) -> Sentence<Step> {
    let cable = |name: &str| {
        let found = [Cable::Radio, Cable::Internet].into_iter().find(|cable| cable.interface() == name);
        found.ok_or_else(|| format!("the gateway has no interface {name:?}: use s1 or sgi"))
    };
    let mishap = match words {
        ["disappears"] => Mishap::Disappears,
        ["returns"] => Mishap::Returns,
        ["goes", "down"] => Mishap::GoesDown,
        ["comes", "up"] => Mishap::ComesUp,
        ["flaps", count, "times"] => Mishap::Flaps(number(count)?),
        ["is", "renamed", "to", other] => {
            let cable = cable(name).or_else(|_| cable(other))?;
            return Ok(Step::Interface(cable, Mishap::Renamed(name.to_owned(), (*other).to_owned())));
        }
        ["is", "also", "called", other] => {
            let cable = cable(name).or_else(|_| cable(other))?;
            return Ok(Step::Interface(cable, Mishap::AlsoCalled(name.to_owned(), (*other).to_owned())));
        }
        _ => return Err(format!("that cannot happen to an interface: {}", words.join(" "))),
    };
    Ok(Step::Interface(cable(name)?, mishap))
}
