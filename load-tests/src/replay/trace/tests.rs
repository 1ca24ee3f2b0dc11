use super::*;

const GOOD: &str = "offset_ms,venue,visitor,kind
0,1,7,scan
1500.25,,7,follow
20,3,8,scan
2000,,7,unsend
2500,,7,redelivery
";

fn problems(lines: &str) -> Vec<String> {
    let text = format!("offset_ms,venue,visitor,kind\n{lines}");
    read(text.as_bytes(), 3).expect_err("a bad trace").0
}

#[test]
fn a_trace_is_read_in_order_of_time_and_written_as_it_was() {
    let steps = read(GOOD.as_bytes(), 3).unwrap();
    assert_eq!(steps[1], Step { at: 20_000, venue: 3, visitor: 8, kind: Kind::Scan });
    assert_eq!(steps[2], Step { at: 1_500_250, venue: 0, visitor: 7, kind: Kind::Follow });
    let mut written = Vec::new();
    write(&steps, &mut written).unwrap();
    assert_eq!(read(written.as_slice(), 3).unwrap(), steps);
    assert!(String::from_utf8(written).unwrap().contains("\n1500.25,,7,follow\n"));
}

#[test]
fn every_bad_line_is_named_at_once() {
    let said =
        problems("0,1,7,scan\n-1,4,x,scan\n0,1,7\n\n0,,7,dance\n5,,9,unsend\n1e13,,1,text\n");
    let begins = |n: usize, text: &str| assert!(said[n].starts_with(text), "{:?}", said[n]);
    begins(0, "line 3: offset_ms is \"-1\"");
    begins(1, "line 3: visitor is \"x\"");
    begins(2, "line 3: venue is \"4\"; allowed for a scan: 1 to 3");
    begins(3, "line 4: 3 columns instead of 4");
    begins(4, "line 6: kind is \"dance\"; allowed: scan, follow,");
    begins(5, "line 8: offset_ms is \"1e13\"");
    assert_eq!(said.len(), 6, "{said:?}");
    for offset in ["NaN", "inf", "", "1 2"] {
        assert_eq!(problems(&format!("{offset},,1,text\n")).len(), 1, "{offset}");
    }
    assert!(read("time,venue,visitor,kind\n".as_bytes(), 3).is_err());
    let not_utf8 = read(b"offset_ms,venue,visitor,kind\n0,1,\xff,scan\n".as_slice(), 3);
    assert_eq!(not_utf8.expect_err("no text").0.len(), 1);
}

#[test]
fn what_is_about_nothing_is_named() {
    let said = problems(
        "0,1,7,scan\n1,,7,unsend\n2,,7,unsend\n3,,8,redelivery\n9,,5,unsend\n4,,5,follow\n",
    );
    let lines: Vec<_> = said.iter().map(|s| s.split(':').next().unwrap()).collect();
    assert_eq!(lines, ["line 4", "line 5", "line 6"]);
}

#[test]
fn an_unsend_and_a_redelivery_find_what_they_are_about() {
    let lines = "0,1,7,scan\n1,2,7,scan\n2,,8,follow\n3,,7,redelivery\n4,,7,unsend\n5,,7,unsend\n\
                 6,,7,redelivery\n7,,8,redelivery\n";
    let text = format!("offset_ms,venue,visitor,kind\n{lines}");
    let steps = read(text.as_bytes(), 3).unwrap();
    let about = subjects(&steps).unwrap();
    assert_eq!(about, [None, None, None, Some(1), Some(1), Some(0), Some(5), Some(2)]);
}

#[test]
fn twice_the_traffic_is_twice_the_people() {
    let steps = read(GOOD.as_bytes(), 3).unwrap();
    let all = times(steps.clone(), 3);
    assert_eq!(all.len(), 3 * steps.len());
    let people: std::collections::BTreeSet<u64> = all.iter().map(|step| step.visitor).collect();
    assert_eq!(people.len(), 6);
    assert!(all.is_sorted_by_key(|step| step.at));
    subjects(&all).expect("each copy stands by itself");
    assert_eq!(times(steps.clone(), 1), steps);
}
