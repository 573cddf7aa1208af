//! Prometheus remote write 1.0: a protobuf `WriteRequest`, packed with Snappy (block form).

use crate::sample::Name;

/// One value of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// With its name as `__name__`, in order of label names.
    pub labels: Vec<(String, String)>,
    /// The value.
    pub value: f64,
    /// Milliseconds since 1970.
    pub at: i64,
}

impl Point {
    /// A sample of a gateway; `None` when its name is in no proper form.
    #[must_use]
    pub fn of(network: &str, gateway: &str, name: &str, value: f64, at: i64) -> Option<Self> {
        let name = Name::parse(name)?;
        let ours = [("__name__", name.metric), ("network", network), ("gateway", gateway)];
        let theirs = name.labels.iter().map(|(label, value)| (*label, value.as_ref()));
        let theirs = theirs.filter(|(label, _)| !ours.iter().any(|(our, _)| our == label));
        let mut labels: Vec<(String, String)> =
            ours.into_iter().chain(theirs).map(|(label, value)| (label.to_owned(), value.to_owned())).collect();
        labels.sort_unstable();
        labels.dedup_by(|one, other| one.0 == other.0);
        Some(Self { labels, value, at })
    }
}

/// A request's body.
///
/// # Errors
/// It is too large to be packed (4 GiB).
pub fn request(points: &[Point]) -> Result<Vec<u8>, snap::Error> {
    let mut body = Vec::new();
    for point in points {
        let mut series = Vec::new();
        for (name, value) in &point.labels {
            let mut label = Vec::new();
            field(&mut label, 1, name.as_bytes());
            field(&mut label, 2, value.as_bytes());
            field(&mut series, 1, &label);
        }
        // Sample: value as a 64-bit float (field 1, wire type 1), time as a varint (field 2, wire type 0).
        let mut sample = vec![1 << 3 | 1];
        sample.extend_from_slice(&point.value.to_le_bytes());
        sample.push(2 << 3);
        varint(&mut sample, point.at.cast_unsigned());
        field(&mut series, 2, &sample);
        field(&mut body, 1, &series);
    }
    snap::raw::Encoder::new().compress_vec(&body)
}

/// A field of octets (wire type 2).
fn field(out: &mut Vec<u8>, number: u8, octets: &[u8]) {
    out.push(number << 3 | 2);
    varint(out, octets.len() as u64);
    out.extend_from_slice(octets);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(u8::try_from(value & 0x7f).unwrap_or(0) | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap_or(0));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_as_the_protocol_has_it() {
        let point = Point::of("n", "g", "m{b=\"2\",gateway=\"x\"}", 1.5, 1_700_000_000_000).unwrap();
        let names: Vec<&str> = point.labels.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["__name__", "b", "gateway", "network"]);
        let body = snap::raw::Decoder::new().decompress_vec(&request(&[point]).unwrap()).unwrap();
        let label = |name: &str, value: &str| {
            let inner =
                [&[0x0a, u8::try_from(name.len()).unwrap()], name.as_bytes(), &[0x12, 1], value.as_bytes()].concat();
            [&[0x0a, u8::try_from(inner.len()).unwrap()], &inner[..]].concat()
        };
        let mut series =
            [label("__name__", "m"), label("b", "2"), label("gateway", "g"), label("network", "n")].concat();
        series.extend([0x12, 16, 0x09]);
        series.extend(1.5_f64.to_le_bytes());
        // 1,700,000,000,000 in base 128.
        series.extend([0x10, 0x80, 0xd0, 0x95, 0xff, 0xbc, 0x31]);
        assert_eq!(body[0], 0x0a);
        assert_eq!(body[1..], [&[u8::try_from(series.len()).unwrap()], &series[..]].concat());
        assert_eq!(Point::of("n", "g", "m{", 1.0, 0), None);
    }
}
