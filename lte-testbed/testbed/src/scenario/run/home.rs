//! What happens to the home network, and what tshark says of its Diameter.

use anyhow::{Context, Result};

use crate::scenario::script::{HomeAction, Script, Setup, Step};
use crate::scenario::world::World;

/// What a home network does that tshark may complain of.
const LIES: [&str; 3] = ["nonsense", "empty", "unknown"];

/// Cancellation-Type: the subscription is withdrawn (TS 29.272 §7.3.24).
const WITHDRAWN: u32 = 2;

/// What a home network is answered that cancels a phone that nobody has (TS 29.272 §5.2.1.2.2).
const SUCCESS: &str = "2001";

impl World {
    pub(super) fn home_acts(&mut self, action: &HomeAction) -> Result<()> {
        if let HomeAction::Orders(_, phone, _) = action {
            self.mark(phone - 1)?;
        }
        let imsi = |world: &Self, phone: usize| world.imsi(phone - 1);
        let words = match action {
            HomeAction::Behaves(words) => Some(format!("behave {words}")),
            HomeAction::Orders(order, phone, rest) => Some(format!("{order} {} {rest}", imsi(self, *phone)?)),
            HomeAction::CancelsInVain(phone) => Some(format!("clr {} {WITHDRAWN}", imsi(self, *phone)?)),
            HomeAction::Resets => Some("rsr".to_owned()),
            _ => None,
        };
        let home = self.home.as_mut().context("there is no home network")?;
        match (words, action) {
            (Some(words), HomeAction::CancelsInVain(_)) => {
                let answer = home.ask(&words)?;
                anyhow::ensure!(answer == SUCCESS, "`{words}` was answered {answer}");
                Ok(())
            }
            (Some(words), _) => home.tell(&words),
            (None, HomeAction::Dies) => home.kill_hss(),
            (None, HomeAction::Returns) => home.return_hss(),
            (None, HomeAction::GatewayDies) => home.kill_fegd(),
            (None, _) => home.return_fegd(),
        }
    }

    /// tshark reads what federation gateway and home network said to each other, where there is a tshark.
    pub(super) fn judge_diameter(&mut self, script: &Script) -> Result<()> {
        let Some(home) = &mut self.home else { return Ok(()) };
        let lies = |step: &Step| match step {
            Step::Home(HomeAction::Behaves(words)) => LIES.iter().any(|lie| words.split(' ').any(|word| word == *lie)),
            _ => false,
        };
        let lied = script.steps.iter().any(|(_, step)| lies(step));
        let complaints = home.complaints(lied)?.unwrap_or_default();
        anyhow::ensure!(complaints.is_empty(), "tshark complains of Diameter:\n{}", complaints.join("\n"));
        let Some(found) = home.commands()? else { return Ok(()) };
        let wanted = script.setup.iter().filter_map(|setup| match setup {
            Setup::Commands(codes) => Some(codes),
            _ => None,
        });
        for code in wanted.flatten() {
            let both = found.contains(&(*code, true)) && found.contains(&(*code, false));
            anyhow::ensure!(both, "tshark does not find command {code} asked and answered, but {found:?}");
        }
        Ok(())
    }
}
