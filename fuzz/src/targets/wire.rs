//! Records of the log: what decodes, encodes to bytes that decode to the same.

use std::fmt::Debug;

use base64::{Engine, prelude::BASE64_STANDARD};
use schemas::{
    job::JobRecord, registry::RegistryRecord, rejected::Rejected, scan::Scan, spool::SpoolRecord,
    visitor::VisitorRecord, wire::WireRecord,
};

pub(super) fn run(input: &[u8]) -> u64 {
    super::came_to([
        holds::<Scan>(input),
        holds::<VisitorRecord>(input),
        holds::<Rejected>(input),
        holds::<JobRecord>(input),
        holds::<RegistryRecord>(input),
        holds::<SpoolRecord>(input),
    ])
}

fn holds<R: WireRecord + PartialEq + Debug>(input: &[u8]) -> String {
    match R::decode(input) {
        Ok(record) => {
            let bytes = record.encode();
            let again = R::decode(&bytes);
            assert_eq!(again.as_ref(), Ok(&record), "what was read reads the same");
            let key = record.key();
            assert_eq!(again.map(|again| again.key()), Ok(key), "and goes to the same partition");
            format!("{}", bytes.len() / 8)
        }
        Err(error) => error.to_string(),
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let value = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        BASE64_STANDARD.decode(line["value"].as_str()?).ok()
    };
    super::written("records.jsonl").lines().filter_map(value).collect()
}
