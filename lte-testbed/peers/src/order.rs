//! What an HSS asks of who has a phone (TS 29.272 §5.2.1.2, §5.2.2, §5.2.4).

use crate::answer::{self, Who};
use crate::config::Subscriber;
use crate::name;
use basalt_diameter::{Application, Command, Header, Writer, dictionary as base, vendor};
use basalt_ids::Imsi;
use std::str::FromStr;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// CLR: Cancellation-Type, and whether the phone is to attach again.
    Cancel(Imsi, u32, bool),
    /// IDR with a new aggregate rate.
    Rate(Imsi, (u32, u32)),
    /// IDR that asks to be told when the phone can be reached (UE Reachability Request).
    Await(Imsi),
    /// DSR: flags and contexts.
    Delete(Imsi, u32, Vec<u32>),
    /// RSR: beginnings of IMSIs.
    Reset(Vec<String>),
}

impl Order {
    /// Whose phone; `None` for everybody's.
    #[must_use]
    pub const fn imsi(&self) -> Option<Imsi> {
        match self {
            Self::Cancel(imsi, ..) | Self::Rate(imsi, _) | Self::Await(imsi) | Self::Delete(imsi, ..) => Some(*imsi),
            Self::Reset(_) => None,
        }
    }

    /// As octets, for a host of a realm. What changes of a subscriber is told by its whole subscription.
    pub(crate) fn write(
        &self,
        who: Who<'_>,
        session: &str,
        to: &(String, String),
        subscriber: Option<&Subscriber>,
    ) -> Vec<u8> {
        let command = match self {
            Self::Cancel(..) => Command::CANCEL_LOCATION,
            Self::Rate(..) | Self::Await(_) => Command::INSERT_SUBSCRIBER_DATA,
            Self::Delete(..) => Command::DELETE_SUBSCRIBER_DATA,
            Self::Reset(_) => Command::RESET,
        };
        let mut writer = Writer::new(&Header::request(command, Application::S6A));
        writer.text(base::SESSION_ID, session);
        writer.group(base::VENDOR_SPECIFIC_APPLICATION_ID, |group| {
            group.u32(base::VENDOR_ID, vendor::TGPP).u32(base::AUTH_APPLICATION_ID, Application::S6A.0);
        });
        writer.u32(base::AUTH_SESSION_STATE, 1);
        writer.text(base::ORIGIN_HOST, who.host).text(base::ORIGIN_REALM, who.realm);
        writer.text(base::DESTINATION_HOST, &to.0).text(base::DESTINATION_REALM, &to.1);
        if let Some(imsi) = self.imsi() {
            writer.text(base::USER_NAME, &imsi.to_string());
        }
        match self {
            Self::Cancel(_, kind, reattach) => {
                writer.u32(name::CANCELLATION_TYPE, *kind);
                writer.u32(name::CLR_FLAGS, 1 | u32::from(*reattach) << 1);
            }
            Self::Rate(..) | Self::Await(_) => {
                if let Some(subscriber) = subscriber {
                    answer::subscription(&mut writer, subscriber, None);
                }
                if matches!(self, Self::Await(_)) {
                    writer.u32(name::IDR_FLAGS, 1);
                }
            }
            Self::Delete(_, flags, contexts) => {
                writer.u32(name::DSR_FLAGS, *flags);
                for context in contexts {
                    writer.u32(name::CONTEXT_IDENTIFIER, *context);
                }
            }
            Self::Reset(beginnings) => {
                for beginning in beginnings {
                    writer.text(name::USER_ID, beginning);
                }
            }
        }
        writer.finish()
    }
}

impl FromStr for Order {
    type Err = String;

    /// `clr IMSI TYPE [reattach]`, `idr IMSI UP DOWN`, `await IMSI`, `dsr IMSI FLAGS CONTEXT...`, `rsr BEGINNING...`.
    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let wrong = || {
            format!("`{text}` is no order: clr IMSI TYPE [reattach], idr IMSI UP DOWN, await IMSI, dsr IMSI FLAGS, rsr")
        };
        let imsi = |word: &str| word.parse::<Imsi>().map_err(|_| wrong());
        let number = |word: &str| word.parse::<u32>().map_err(|_| wrong());
        Ok(match words.as_slice() {
            ["clr", who, kind] => Self::Cancel(imsi(who)?, number(kind)?, false),
            ["clr", who, kind, "reattach"] => Self::Cancel(imsi(who)?, number(kind)?, true),
            ["idr", who, up, down] => Self::Rate(imsi(who)?, (number(up)?, number(down)?)),
            ["await", who] => Self::Await(imsi(who)?),
            ["dsr", who, flags, contexts @ ..] => {
                let contexts = contexts.iter().map(|word| number(word)).collect::<Result<_, _>>()?;
                Self::Delete(imsi(who)?, number(flags)?, contexts)
            }
            ["rsr", beginnings @ ..] => Self::Reset(beginnings.iter().map(|&word| word.to_owned()).collect()),
            _ => return Err(wrong()),
        })
    }
}
