use super::*;
use proptest::prelude::*;

const K: &str = "465B5CE8B199B49FAA5F0A2EE238A6BC";

fn one(text: &str) -> api::AddSubscriberRequest {
    let import = parse(text, false, false).ok().unwrap();
    assert_eq!(import.errors, []);
    import.rows.into_iter().next().unwrap().request
}

fn complaint(text: &str) -> String {
    let import = parse(text, false, false).ok().unwrap();
    assert_eq!(import.rows.len(), 0);
    import.errors[0].message.clone()
}

#[test]
fn a_vendors_file_is_read() {
    let text = format!(
        "ICCID;IMSI;Ki;OPc;PIN1;Name;Phone;Ambr DL;ambr-ul\n8949;001010000000001;{K};{K};1234;Water pump;+4917012345;50M;10M\n"
    );
    let request = one(&text);
    let subscriber = request.subscriber.unwrap();
    assert_eq!((subscriber.imsi.as_str(), subscriber.name.as_str()), ("001010000000001", "Water pump"));
    assert_eq!(subscriber.msisdn, "4917012345");
    assert_eq!((subscriber.ambr_downlink, subscriber.ambr_uplink), (50_000_000, 10_000_000));
    assert_eq!(subscriber.state(), api::SubscriberState::Unspecified);
    assert!(subscriber.apns.is_empty());
    assert_eq!(request.keys.unwrap().k.len(), 16);
}

#[test]
fn access_points_are_lists() {
    let text = format!("imsi,k,op,apn,static_ip,qci,ambr\n001010000000001,{K},{K},internet;ims,10.45.0.9,9;5,20M/5M\n");
    let subscriber = one(&text).subscriber.unwrap();
    let [internet, ims] = subscriber.apns.as_slice() else { panic!("two access points") };
    assert_eq!((internet.apn.as_str(), internet.static_ipv4.as_str(), internet.qci), ("internet", "10.45.0.9", 9));
    assert_eq!((ims.apn.as_str(), ims.static_ipv4.as_str(), ims.qci), ("ims", "", 5));
    assert_eq!((subscriber.ambr_downlink, subscriber.ambr_uplink), (20_000_000, 5_000_000));
    let alone = format!("imsi,k,op,ip\n001010000000001,{K},{K},10.45.0.9\n");
    assert_eq!(one(&alone).subscriber.unwrap().apns[0].apn, "internet");
}

#[test]
fn rows_without_keys_need_replace() {
    let text = "imsi,name\n001010000000001,x\n";
    assert_eq!(complaint(text), "K is missing");
    let import = parse(text, false, true).ok().unwrap();
    assert_eq!(import.rows[0].request.keys, None);
    assert!(import.rows[0].request.replace);
}

#[test]
fn wrong_rows_say_what_is_wrong_but_not_the_key() {
    let row = |cells: &str| complaint(&format!("imsi,k,opc,apn,qci,ip,ambr,state,sqn\n{cells}\n"));
    let good = format!("001010000000001,{K},{K}");
    assert!(row(&format!("1.01E+12,{K},{K}")).contains("format the column as text"));
    assert!(row(&format!("12,{K},{K}")).contains("6 to 15 digits"));
    let told = row(&format!("001010000000001,{}Z,{K}", &K[1..]));
    assert!(told.contains("K has characters") && !told.contains("65B5"), "{told}");
    assert!(row(&format!("{good},a;b,1;2;3")).contains("3 values for 2 access points"));
    assert!(row(&format!("{good},a,nine")).contains("not a number"));
    assert!(row(&format!("{good},a,9,10.45.0")).contains("not an IPv4 address"));
    assert!(row(&format!("{good},a,9,,fast")).contains("not a bit rate"));
    assert!(row(&format!("{good},a,9,,,asleep")).contains("active and suspended"));
    assert!(row(&format!("{good},a,9,,,,-1")).contains("sqn"));
}

#[test]
fn a_key_in_another_column_is_refused_and_not_repeated() {
    for text in [format!("imsi,name,k\n001010000000001,{K},{K}\n"), format!("imsi,k,opc,apn\n{K},{K},{K},x\n")] {
        let told = complaint(&text);
        assert!(told.contains("looks like a key") && !told.contains("465B"), "{told}");
    }
    let titleless = parse(&format!("{K},001010000000001\n"), false, false).err().unwrap();
    assert!(!titleless.0.to_uppercase().contains("465B"), "{}", titleless.0);
}

#[test]
fn rows_and_lines_are_counted() {
    let import = parse(&format!("imsi,k,opc\n\n001010000000001,{K},{K}\nx,,\n"), false, false).ok().unwrap();
    assert_eq!(import.rows[0].place, Place { row: 1, line: 3 });
    assert_eq!(import.errors[0].place, Place { row: 2, line: 4 });
}

#[test]
fn files_that_make_no_sense_are_told() {
    let told = |text: &str| parse(text, false, false).err().unwrap();
    assert_eq!(told("").0, "the file is empty");
    assert!(told("imsi,k,opc\n").0.contains("no row"));
    assert!(told("name,k\nx,y\n").0.contains("no column is named imsi"));
    assert!(told("imsi,abmr_dl\n1,2\n").1.contains("did you mean ambr_dl"));
    assert!(told("imsi,zzz\n1,2\n").1.contains("columns are imsi, k, opc"));
    assert!(told("imsi,k,ki\n1,2,3\n").0.contains("two columns are k"));
    assert!(told("imsi\n\"x\n").0.contains("line 2"));
    assert!(parse("imsi,#note,iccid\n001010000000001,x,y\n", false, true).is_ok());
}

#[test]
fn what_is_exported_is_imported_again() {
    let subscriber = api::Subscriber {
        imsi: "001010000000001".to_owned(),
        name: "=cmd|' /C calc'!A0, \"x\"".to_owned(),
        msisdn: "4917012345".to_owned(),
        state: api::SubscriberState::Suspended.into(),
        algorithm: api::AuthAlgorithm::Tuak.into(),
        ambr_downlink: 50_000_000,
        ambr_uplink: 0,
        apns: vec![
            api::SubscribedApn {
                apn: "internet".to_owned(),
                qci: 9,
                priority: 8,
                ambr_downlink: 50_000_000,
                ambr_uplink: 0,
                static_ipv4: String::new(),
                static_ipv6: "2001:db8:1:7::/64".to_owned(),
                pdn_type: "ipv4v6".to_owned(),
                framed_routes: vec!["192.168.7.0/24".to_owned(), "2001:db8:7::/48".to_owned()],
            },
            api::SubscribedApn {
                apn: "ims".to_owned(),
                qci: 5,
                priority: 1,
                ambr_downlink: 1_000_000,
                ambr_uplink: 2_000_000,
                static_ipv4: "10.46.0.9".to_owned(),
                pdn_type: "ipv4".to_owned(),
                ..Default::default()
            },
        ],
        amf: "8000".to_owned(),
    };
    let cells = exported(&subscriber);
    let text = csv::write(&EXPORTED) + &csv::write(&cells.iter().map(String::as_str).collect::<Vec<_>>());
    let import = parse(&text, false, true).ok().unwrap();
    assert_eq!(import.errors, []);
    let mut read = import.rows[0].request.subscriber.clone().unwrap();
    // An absent rate of an access point is the subscriber's, which the gateway fills in.
    read.apns[0].ambr_downlink = 50_000_000;
    assert_eq!(read, subscriber);
}

proptest! {
    #[test]
    fn no_file_is_too_odd(text in any::<String>(), replace in any::<bool>()) {
        let _ = parse(&text, false, replace);
    }

    #[test]
    fn no_row_is_too_odd(cells in prop::collection::vec("[ -~é;|/]{0,20}", 0..20), replace in any::<bool>()) {
        let texts: Vec<&str> = cells.iter().map(String::as_str).collect();
        let text = format!("imsi,k,opc,op,sqn,amf,alg,name,phone,apn,ip,qci,arp,ambr,dl,ul,state\n{}", csv::write(&texts));
        let _ = parse(&text, false, replace);
    }

    #[test]
    fn keys_are_in_no_complaint(k in "[0-9A-F]{20,40}", opc in "[0-9A-F]{20,40}", imsi in "[0-9]{0,20}") {
        let import = parse(&format!("imsi,k,opc\n{imsi},{k},{opc}\n"), false, false);
        for error in import.ok().unwrap().errors {
            prop_assert!(!error.message.contains(&k) && !error.message.contains(&opc));
        }
    }
}
