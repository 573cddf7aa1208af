//! Where something stands on the Earth, for maps.

use crate::Checker;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

/// Parts of a degree that are kept: a tenth of a metre.
const PARTS: f64 = 1e6;

/// Decimal degrees of WGS 84, kept to a millionth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Degrees(i32);

impl Degrees {
    /// From decimal degrees; `None` when they are no angle of a place (beyond ±180).
    #[must_use]
    pub fn new(degrees: f64) -> Option<Self> {
        // In range, so that nothing is cut off.
        #[allow(clippy::cast_possible_truncation, reason = "at most 180 million")]
        (degrees.abs() <= 180.0).then(|| Self((degrees * PARTS).round() as i32))
    }

    /// As decimal degrees.
    #[must_use]
    pub fn value(self) -> f64 {
        f64::from(self.0) / PARTS
    }
}

impl Serialize for Degrees {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.value())
    }
}

impl<'de> Deserialize<'de> for Degrees {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = f64::deserialize(deserializer)?;
        Self::new(read).ok_or_else(|| serde::de::Error::custom("beyond ±180 degrees, expected decimal degrees"))
    }
}

/// A place, in decimal degrees of WGS 84.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// North is positive, -90 to 90.
    #[schema(value_type = f64)]
    pub latitude: Degrees,
    /// East is positive, -180 to 180.
    #[schema(value_type = f64)]
    pub longitude: Degrees,
}

impl Place {
    /// Notes what is wrong.
    pub(crate) fn check(&self, c: &mut Checker) {
        c.range("latitude", self.latitude.value(), -90.0..=90.0);
    }
}

#[cfg(test)]
mod tests {
    use crate::Kind;

    #[test]
    fn a_place_is_on_the_earth_and_stays_as_it_is() {
        let gateway = |place: &str| Kind::Gateway.parse("g", format!(r#"{{"tier":"t","place":{place}}}"#).as_bytes());
        let body = gateway(r#"{"latitude":-33.4372019,"longitude":-70}"#).unwrap().body;
        assert_eq!(body["place"], serde_json::json!({"latitude": -33.437202, "longitude": -70.0}));
        assert_eq!(Kind::Gateway.parse_value("g", body.clone()).unwrap().body, body);
        for (place, path) in [
            (r#"{"latitude":90.1,"longitude":0}"#, "/place/latitude"),
            (r#"{"latitude":0,"longitude":180.1}"#, "/place/longitude"),
            (r#"{"latitude":0}"#, "/place"),
        ] {
            assert_eq!(gateway(place).unwrap_err()[0].path, path, "{place}");
        }
    }
}
