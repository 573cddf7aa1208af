//! What an HSS does otherwise than asked.

use basalt_diameter::Command;
use basalt_ids::Imsi;
use std::str::FromStr;
use std::time::Duration;

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Answers a Result-Code.
    Result(u32),
    /// Answers an Experimental-Result of 3GPP, with an Error-Diagnostic.
    Experimental(u32, Option<u32>),
    /// Answers late.
    Delay(Duration),
    /// Answers nothing.
    Drop,
    /// Answers in the name of another session.
    OtherSession,
    /// Answers success with nothing in it.
    Empty,
    /// Answers with a vector whose XRES is too short, or a subscription that cannot be read.
    Nonsense,
    /// The same vectors as before, once more.
    Replay,
    /// Answers what is right, but in an unusual way.
    Odd(Odd),
    /// Ends.
    Die,
}

/// What is unusual about a good answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Odd {
    /// AVPs that nobody knows, some with the M bit, beside and within those that are known.
    Unknown,
    /// The subscription has any access point (`*`) too.
    Any,
    /// The subscription has no rates.
    NoRates,
    /// The subscription has no access points.
    NoAccessPoints,
    /// The subscription has access points that nobody can use beside the good ones: of a kind or with a QoS that there is not, without a name.
    Unusable,
}

/// When it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behaviour {
    /// At which command; `None` for all.
    pub command: Option<Command>,
    /// For whom; `None` for all.
    pub imsi: Option<Imsi>,
    /// What.
    pub action: Action,
    /// How often; `None` for ever.
    pub times: Option<u32>,
}

/// A command by its short name.
pub(crate) fn command(word: &str) -> Option<Command> {
    Some(match word {
        "AIR" => Command::AUTHENTICATION_INFORMATION,
        "ULR" => Command::UPDATE_LOCATION,
        "PUR" => Command::PURGE_UE,
        "NOR" => Command::NOTIFY,
        "ECR" => Command::ME_IDENTITY_CHECK,
        _ => return None,
    })
}

/// The short name of a command.
pub(crate) const fn word(command: Command) -> &'static str {
    match command {
        Command::AUTHENTICATION_INFORMATION => "AIR",
        Command::UPDATE_LOCATION => "ULR",
        Command::PURGE_UE => "PUR",
        Command::NOTIFY => "NOR",
        Command::ME_IDENTITY_CHECK => "ECR",
        _ => "other",
    }
}

fn odd(word: &str) -> Option<Odd> {
    Some(match word {
        "unknown" => Odd::Unknown,
        "any" => Odd::Any,
        "no-rates" => Odd::NoRates,
        "no-access-points" => Odd::NoAccessPoints,
        "unusable" => Odd::Unusable,
        _ => return None,
    })
}

impl FromStr for Behaviour {
    type Err = String;

    /// `AIR delay 3000`, `ULR experimental 5004 2 once`, `any drop`, `AIR 999700000000001 result 3004`.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut words: Vec<&str> = text.split_whitespace().collect();
        let times = words.pop_if(|last| *last == "once").map(|_| 1);
        let wrong = || format!("`{text}` is no behaviour: COMMAND|any [IMSI] ACTION [once]");
        let mut rest = words.as_slice();
        let (first, after) = rest.split_first().ok_or_else(wrong)?;
        let command = if *first == "any" { None } else { Some(command(first).ok_or_else(wrong)?) };
        rest = after;
        let imsi = rest.first().and_then(|word| word.parse::<Imsi>().ok());
        if imsi.is_some() {
            rest = &rest[1..];
        }
        let number = |word: &str| word.parse::<u32>().map_err(|_| wrong());
        let action = match rest {
            ["result", code] => Action::Result(number(code)?),
            ["experimental", code] => Action::Experimental(number(code)?, None),
            ["experimental", code, diagnostic] => Action::Experimental(number(code)?, Some(number(diagnostic)?)),
            ["delay", millis] => Action::Delay(Duration::from_millis(number(millis)?.into())),
            ["drop"] => Action::Drop,
            ["other-session"] => Action::OtherSession,
            ["empty"] => Action::Empty,
            ["nonsense"] => Action::Nonsense,
            ["replay"] => Action::Replay,
            ["odd", what] => Action::Odd(odd(what).ok_or_else(wrong)?),
            ["die"] => Action::Die,
            _ => return Err(wrong()),
        };
        Ok(Self { command, imsi, action, times })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behaviours_are_read() {
        let read = |text: &str| text.parse::<Behaviour>().unwrap();
        assert_eq!(read("AIR delay 3000").action, Action::Delay(Duration::from_secs(3)));
        let one = read("ULR 999700000000001 experimental 5004 2 once");
        assert_eq!((one.action, one.times), (Action::Experimental(5004, Some(2)), Some(1)));
        assert!(one.imsi.is_some() && read("any drop").command.is_none());
        assert_eq!(read("ULR odd any").action, Action::Odd(Odd::Any));
        assert!("ULR odd".parse::<Behaviour>().is_err() && "ULR odd thing".parse::<Behaviour>().is_err());
        assert!("AIR dance".parse::<Behaviour>().is_err() && "".parse::<Behaviour>().is_err());
    }
}
