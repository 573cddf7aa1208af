use super::*;
use crate::watched::Names;
use crate::watched::tests::news;
use serde_json::json;

const T: i64 = 1_000_000_000;

fn world_of<T>(with: impl FnOnce(&World<'_>) -> T) -> T {
    let mut names = Names::default();
    let mut gateways = [("a", Watched::default()), ("b", Watched::default())];
    for (factor, (_, gateway)) in [1.0, 10.0].into_iter().zip(&mut gateways) {
        for step in 0..6_i64 {
            let at = T + step * 60_000;
            #[allow(clippy::cast_precision_loss, reason = "small")]
            let count = step as f64 * 60.0 * factor;
            let metrics = json!({
                "enbs": factor,
                "total{reason=\"x\"}": count,
                "total{reason=\"y\"}": 2.0 * count,
                "totals": 1.0,
            });
            gateway.hear(&news(at, &json!({}), &metrics), &mut names, at, true);
        }
    }
    let gateways = gateways.iter().map(|(name, gateway)| (*name, gateway)).collect();
    with(&World { now: T + 300_000, network: "n", gateways })
}

fn holds(text: &str) -> Vec<(String, f64)> {
    let expression = Expression::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let shown = |it: Element| {
        let labels = it.labels.iter().filter(|(label, _)| *label != "network");
        (labels.map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(","), it.value)
    };
    world_of(|world| expression.evaluate(world).unwrap().into_iter().map(shown).collect())
}

fn one(label: &str, value: f64) -> Vec<(String, f64)> {
    vec![(label.to_owned(), value)]
}

#[test]
fn conditions_hold_where_they_should() {
    assert_eq!(holds("enbs > 5"), one("b", 10.0));
    assert_eq!(holds("enbs{gateway=~\"a|c\"} < 5"), one("a", 1.0));
    assert_eq!(holds("enbs{gateway!=\"a\"} * 2"), one("b", 20.0));
    assert_eq!(holds("sum(enbs)"), one("", 11.0));
    assert_eq!(holds("sum by (reason) (total) > 5000"), one("y", 6600.0));
    assert_eq!(holds("max without (reason, network) (total{reason=\"x\"}) == 300"), one("a", 300.0));
    assert_eq!(holds("rate(total{reason=\"x\"}[5m]) > 5"), one("b,x", 10.0));
    assert_eq!(holds("increase(total{reason=\"x\",gateway=\"a\"}[2m])"), one("a,x", 120.0));
    assert_eq!(holds("enbs == bool 1").iter().map(|it| it.1).collect::<Vec<_>>(), [1.0, 0.0]);
    assert_eq!(holds("enbs > 0 and on (gateway) total{reason=\"x\"} > 1000"), one("b", 10.0));
    assert_eq!(holds("enbs unless on (gateway) total{reason=\"x\"} > 1000"), one("a", 1.0));
    assert_eq!(holds("total{reason=\"x\"} / ignoring (reason) total{reason=\"y\"} > 0.4").len(), 2);
    assert_eq!(holds("absent(nothing)"), one("", 1.0));
    assert_eq!(holds("basalt_gateway_up < 1"), []);
    assert_eq!(holds("-enbs < -5"), one("b", -10.0));
    assert_eq!(holds("clamp_max(enbs, 3) > 2"), one("b", 3.0));
    assert_eq!(holds("enbs > 5 or enbs < 2").len(), 2);
    assert_eq!(holds("2 < enbs"), one("b", 10.0));
}

#[test]
fn what_is_not_understood_is_refused_by_its_name() {
    for (text, word) in [
        ("enbs >", "promql"),
        ("histogram_quantile(0.9, x)", "histogram_quantile"),
        ("topk(3, enbs)", "topk"),
        ("enbs offset 5m", "offset"),
        ("rate(enbs[1h])", "five minutes"),
        ("{gateway=\"a\"}", "name of a metric"),
        ("enbs[5m]", "range"),
        ("1 + 1", "number"),
        ("a / on (x) group_left b", "group_left"),
        ("", ""),
    ] {
        let error = Expression::parse(text).unwrap_err();
        assert!(error.contains(word), "{text}: {error}");
    }
    for deep in [
        format!("{}enbs{}", "(".repeat(2000), ")".repeat(2000)),
        format!("{}enbs", "-".repeat(4000)),
        "enbs+".repeat(700) + "enbs",
    ] {
        assert!(Expression::parse(&deep).unwrap_err().contains("deep"), "{}", &deep[..10]);
    }
    assert!(Expression::parse(&"a".repeat(5000)).unwrap_err().contains("longer"));
}
