//! What all requests and answers have in common (TS 29.272 §7.2, §7.4).

use crate::name;
use basalt_diameter::dictionary as base;
use basalt_diameter::{Application, Command, DecodeError, Header, Message, Outcome, Writer, vendor};
use basalt_ids::{Imsi, Plmn};

/// Auth-Session-State: no state is kept between requests (TS 29.272 §7.1.4).
const NO_STATE_MAINTAINED: u32 = 1;

/// Who asks, and whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct To<'a> {
    /// Our DiameterIdentity.
    pub host: &'a str,
    /// Our realm.
    pub realm: &'a str,
    /// Session-Id, new for each request.
    pub session: &'a str,
    /// The server, where it is known.
    pub destination_host: Option<&'a str>,
    /// Its realm.
    pub destination_realm: &'a str,
}

/// Who is where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visit {
    /// Whose request it is.
    pub imsi: Imsi,
    /// The network that serves the phone.
    pub visited: Plmn,
}

/// Why a request was not granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The answer says so.
    Result {
        /// How.
        outcome: Outcome,
        /// Error-Diagnostic (TS 29.272 §7.3.128).
        diagnostic: Option<u32>,
    },
    /// The answer cannot be read, or is another's.
    Malformed(&'static str),
}

impl From<DecodeError> for Refusal {
    fn from(_: DecodeError) -> Self {
        Self::Malformed("an AVP cannot be read or is missing")
    }
}

/// The realm of an operator's EPC (TS 23.003 §19.2).
#[must_use]
pub fn realm_of(plmn: Plmn) -> String {
    format!("epc.mnc{:03}.mcc{:03}.3gppnetwork.org", plmn.mnc(), plmn.mcc())
}

/// Begins a request.
pub(crate) fn begin(command: Command, application: Application, to: &To<'_>, imsi: Option<Imsi>) -> Writer {
    let mut writer = Writer::new(&Header::request(command, application));
    writer.text(base::SESSION_ID, to.session);
    writer.group(base::VENDOR_SPECIFIC_APPLICATION_ID, |group| {
        group.u32(base::VENDOR_ID, vendor::TGPP).u32(base::AUTH_APPLICATION_ID, application.0);
    });
    writer.u32(base::AUTH_SESSION_STATE, NO_STATE_MAINTAINED);
    writer.text(base::ORIGIN_HOST, to.host).text(base::ORIGIN_REALM, to.realm);
    if let Some(host) = to.destination_host {
        writer.text(base::DESTINATION_HOST, host);
    }
    writer.text(base::DESTINATION_REALM, to.destination_realm);
    if let Some(imsi) = imsi {
        writer.text(base::USER_NAME, &imsi.to_string());
    }
    writer
}

/// Judges an answer: that it belongs to our session, and that it grants what was asked.
pub(crate) fn granted(message: &Message<'_>, session: &str) -> Result<(), Refusal> {
    if let Some(told) = message.find(base::SESSION_ID)
        && told.data != session.as_bytes()
    {
        return Err(Refusal::Malformed("the answer is of another session"));
    }
    let outcome = message.outcome()?;
    if outcome.is_success() {
        return Ok(());
    }
    let diagnostic = message.find(name::ERROR_DIAGNOSTIC).and_then(|avp| avp.u32().ok());
    Err(Refusal::Result { outcome, diagnostic })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn realms_have_three_digits_each() {
        assert_eq!(realm_of("001-01".parse().unwrap()), "epc.mnc001.mcc001.3gppnetwork.org");
        assert_eq!(realm_of("310-410".parse().unwrap()), "epc.mnc410.mcc310.3gppnetwork.org");
    }
}
