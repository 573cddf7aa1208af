//! The fixed set of series that the orchestrator keeps a history of, and how they follow from what a gateway tells.

use crate::sample::Name;

/// How a series behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// It is as it is; over time it is averaged, over gateways summed.
    Gauge,
    /// It grows; what it grew by is kept.
    Counter,
}

macro_rules! series {
    ($($(#[$doc:meta])* $name:ident: $word:literal, $form:ident;)*) => {
        /// A series of which a history is kept. Its number is part of the stored form: new ones are added at the end.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Series {
            $($(#[$doc])* $name,)*
        }

        impl Series {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// As it is called in addresses and answers.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word),* }
            }

            /// How it behaves.
            #[must_use]
            pub const fn form(self) -> Form {
                match self { $(Self::$name => Form::$form),* }
            }
        }
    };
}

series! {
    /// Gateways: 1 for each.
    Gateways: "gateways", Gauge;
    /// Whether it talks to the orchestrator: 1 or 0.
    Up: "up", Gauge;
    /// Base stations connected.
    Enbs: "enbs", Gauge;
    /// Phones that are registered.
    Registered: "registered_phones", Gauge;
    /// Phones that are connected (ECM-CONNECTED).
    Connected: "connected_phones", Gauge;
    /// Sessions.
    Sessions: "sessions", Gauge;
    /// Attaches that ended.
    AttachAttempts: "attach_attempts", Counter;
    /// Attaches that succeeded.
    AttachSuccesses: "attach_successes", Counter;
    /// Service requests that ended.
    ServiceAttempts: "service_request_attempts", Counter;
    /// Service requests that succeeded.
    ServiceSuccesses: "service_request_successes", Counter;
    /// Seconds of successful attaches.
    AttachSeconds: "attach_seconds", Counter;
    /// Attaches that were timed.
    AttachTimed: "attach_timed", Counter;
    /// Seconds of successful service requests.
    ServiceSeconds: "service_request_seconds", Counter;
    /// Service requests that were timed.
    ServiceTimed: "service_request_timed", Counter;
    /// Octets from phones.
    UplinkBytes: "uplink_bytes", Counter;
    /// Octets to phones.
    DownlinkBytes: "downlink_bytes", Counter;
    /// User packets forwarded.
    Packets: "packets", Counter;
    /// User packets dropped.
    Drops: "dropped_packets", Counter;
    /// Tracking area updates that ended.
    TauAttempts: "tracking_area_update_attempts", Counter;
    /// Tracking area updates that succeeded.
    TauSuccesses: "tracking_area_update_successes", Counter;
    /// Phones that were paged.
    PagingAttempts: "paging_attempts", Counter;
    /// Phones that answered.
    PagingSuccesses: "paging_successes", Counter;
    /// Authentications that ended.
    AuthenticationAttempts: "authentication_attempts", Counter;
    /// Authentications that succeeded.
    AuthenticationSuccesses: "authentication_successes", Counter;
    /// PDN connections asked for.
    PdnAttempts: "pdn_connectivity_attempts", Counter;
    /// PDN connections that came to be.
    PdnSuccesses: "pdn_connectivity_successes", Counter;
    /// Handovers that ended, over S1 or X2.
    HandoverAttempts: "handover_attempts", Counter;
    /// Handovers that succeeded.
    HandoverSuccesses: "handover_successes", Counter;
    /// Addresses given out.
    AddressesUsed: "addresses_used", Gauge;
    /// Addresses of the pools.
    Addresses: "addresses", Gauge;
    /// Requests of gateways to home networks.
    FederationAttempts: "federation_attempts", Counter;
    /// Those that were answered.
    FederationSuccesses: "federation_successes", Counter;
    /// Changes of the data plane that failed.
    DataplaneErrors: "data_plane_errors", Counter;
    /// Sessions that the tables had otherwise than they should.
    Repairs: "data_plane_repairs", Counter;
    /// Messages sent again after a timer.
    Retransmissions: "retransmissions", Counter;
    /// Messages of senders that behave like attackers.
    Suspicions: "suspicious_messages", Counter;
}

/// How many there are.
pub const COUNT: usize = Series::ALL.len();

/// A value of each, absent ones not a number.
pub type Row = [f64; COUNT];

/// Nothing known.
pub const NOTHING: Row = [f64::NAN; COUNT];

impl Series {
    /// Its place in a [`Row`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The series of a name.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|series| series.word() == word)
    }
}

/// Adds a gateway's sample to the series that it belongs to.
pub fn add(row: &mut Row, name: &Name<'_>, value: f64) {
    let mut put = |series: Series| {
        let held = &mut row[series.index()];
        *held = if held.is_nan() { value } else { *held + value };
    };
    match name.metric {
        "basalt_agw_enbs" => put(Series::Enbs),
        "basalt_agw_sessions" => put(Series::Sessions),
        "basalt_agw_ues" => match name.label("state") {
            Some("connected") => {
                put(Series::Connected);
                put(Series::Registered);
            }
            Some("idle" | "paging") => put(Series::Registered),
            _ => {}
        },
        "basalt_agw_procedures_total" => procedure(name, &mut put),
        "basalt_agw_procedure_duration_seconds_sum" => match name.label("procedure") {
            Some("attach") => put(Series::AttachSeconds),
            Some("service_request") => put(Series::ServiceSeconds),
            _ => {}
        },
        "basalt_agw_procedure_duration_seconds_count" => match name.label("procedure") {
            Some("attach") => put(Series::AttachTimed),
            Some("service_request") => put(Series::ServiceTimed),
            _ => {}
        },
        "basalt_agw_user_plane_bytes_total" => match name.label("direction") {
            Some("uplink") => put(Series::UplinkBytes),
            Some("downlink") => put(Series::DownlinkBytes),
            _ => {}
        },
        "basalt_agw_user_plane_packets_total" => put(Series::Packets),
        "basalt_agw_user_plane_drops_total" => put(Series::Drops),
        "basalt_agw_pool_addresses" => {
            put(Series::Addresses);
            if name.label("state") == Some("used") {
                put(Series::AddressesUsed);
            }
        }
        "basalt_feg_requests_total" => {
            put(Series::FederationAttempts);
            // A refusal is an answer.
            if name.label("outcome") != Some("unavailable") {
                put(Series::FederationSuccesses);
            }
        }
        "basalt_agw_data_plane_errors_total" => put(Series::DataplaneErrors),
        "basalt_agw_data_plane_repairs_total" => put(Series::Repairs),
        "basalt_agw_retransmissions_total" => put(Series::Retransmissions),
        "basalt_agw_suspicious_messages_total" => put(Series::Suspicions),
        _ => {}
    }
}

/// A procedure that another one took the place of neither succeeded nor failed.
fn procedure(name: &Name<'_>, put: &mut impl FnMut(Series)) {
    let (attempts, successes) = match name.label("procedure") {
        Some("attach") => (Series::AttachAttempts, Series::AttachSuccesses),
        Some("service_request") => (Series::ServiceAttempts, Series::ServiceSuccesses),
        Some("tracking_area_update") => (Series::TauAttempts, Series::TauSuccesses),
        Some("paging") => (Series::PagingAttempts, Series::PagingSuccesses),
        Some("authentication") => (Series::AuthenticationAttempts, Series::AuthenticationSuccesses),
        Some("pdn_connectivity") => (Series::PdnAttempts, Series::PdnSuccesses),
        Some("handover" | "path_switch") => (Series::HandoverAttempts, Series::HandoverSuccesses),
        _ => return,
    };
    match name.label("outcome") {
        Some("superseded") => {}
        Some("success") => {
            put(attempts);
            put(successes);
        }
        _ => put(attempts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_go_to_their_series() {
        let mut row = NOTHING;
        let attach = |outcome: &str| {
            format!("basalt_agw_procedures_total{{cause=\"\",outcome=\"{outcome}\",procedure=\"attach\"}}")
        };
        for (name, value) in [
            (attach("success"), 7.0),
            (attach("rejected"), 2.0),
            (attach("superseded"), 5.0),
            ("basalt_agw_ues{state=\"idle\"}".to_owned(), 3.0),
            ("basalt_agw_ues{state=\"connected\"}".to_owned(), 4.0),
            ("other".to_owned(), 1.0),
        ] {
            add(&mut row, &Name::parse(&name).unwrap(), value);
        }
        let of = |series: Series| row[series.index()];
        assert_eq!((of(Series::AttachAttempts), of(Series::AttachSuccesses)), (9.0, 7.0));
        assert_eq!((of(Series::Registered), of(Series::Connected)), (7.0, 4.0));
        assert!(of(Series::Enbs).is_nan());
        assert!(Series::ALL.iter().all(|series| Series::from_word(series.word()) == Some(*series)));
    }
}
