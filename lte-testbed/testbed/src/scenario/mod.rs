//! Scenarios: short texts of steps and expectations, played against a real gateway in a lab.

mod calls;
mod check;
mod devices;
mod mishaps;
mod parse;
mod path;
mod rates;
mod run;
mod script;
mod spans;
mod waking;
mod world;

pub use parse::{ParseError, parse};
pub use rates::{in_words, play_rates};
pub use run::{Failure, play};
pub use script::Script;
pub use world::RunOptions;

include!(concat!(env!("OUT_DIR"), "/scenarios.rs"));

/// All scenarios that come with the testbed, in the order of their names.
///
/// # Errors
/// One of them is not well-formed; that is a mistake of the testbed's.
pub fn all() -> Result<Vec<Script>, (String, ParseError)> {
    SCENARIOS.iter().map(|(name, text)| parse(name, text).map_err(|error| ((*name).to_owned(), error))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_is_well_formed_and_has_a_title() {
        let scripts = all().unwrap();
        assert!(scripts.len() >= 20, "{}", scripts.len());
        for script in scripts {
            assert!(!script.title.is_empty(), "{}", script.name);
            assert!(!script.steps.is_empty(), "{}", script.name);
        }
    }
}
