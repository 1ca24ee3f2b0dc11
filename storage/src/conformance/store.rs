//! The promises of [`Store`].

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::{
    error::Kind,
    rows::{people::VISITORS, visits::SCANS},
    store::{Deletion, Mutation, Order, Page, Query, Store},
    table::Value,
};

/// Checks every promise. `fresh` gives an empty store each time; `now` is its time in µs.
pub async fn store_suite<S: Store, F: Future<Output = S>>(mut fresh: impl FnMut() -> F, now: i64) {
    what_was_written_is_read(fresh().await, now).await;
    any_order_of_writes_gives_the_same_row(fresh().await).await;
    pages_lead_through_a_partition_once(fresh().await, now).await;
    a_span_holds_what_it_says(fresh().await, now).await;
    partitions_are_apart(fresh().await, now).await;
    a_deletion_takes_what_is_not_newer(fresh().await, now).await;
    what_is_past_retention_is_refused(fresh().await, now).await;
    what_does_not_fit_is_refused(fresh().await, now).await;
}

fn blob(byte: u8) -> Value {
    Value::Blob(Bytes::from(vec![byte; 16]))
}

/// A scan of one venue: the number decides its time within the hour.
fn scan(venue: i64, number: i64, now: i64) -> Mutation {
    let hour_start = now / 3_600_000_000 * 3_600_000 - 3_600_000;
    let at = hour_start + number;
    Mutation {
        table: &SCANS,
        partition: vec![Value::Int(venue), Value::Int(at.div_euclid(3_600_000))],
        clustering: vec![Value::Int(at), blob(u8::try_from(number % 251).unwrap_or(0))],
        columns: vec![Some(blob(1)), Some(Value::Int(number)), Some(Value::Int(1)), Some(blob(2))],
        timestamp: at * 1_000,
    }
}

fn all_of(mutation: &Mutation) -> Query {
    Query {
        table: mutation.table,
        partition: mutation.partition.clone(),
        from: None,
        to: None,
        order: Order::Ascending,
        limit: 1_000,
        cursor: None,
    }
}

/// Writes, again and again until it is certain.
async fn write<S: Store>(store: &S, mutations: Vec<Mutation>) {
    while let Err(error) = store.write(mutations.clone().into()).await {
        assert!(matches!(error.kind(), Kind::Transient | Kind::Saturated), "{error}");
    }
}

async fn read<S: Store>(store: &S, query: Query) -> Page {
    loop {
        match store.read(query.clone()).await {
            Ok(page) => return page,
            Err(error) => assert_eq!(error.kind(), Kind::Transient, "{error}"),
        }
    }
}

/// The numbers of all scans that a query leads to, page by page.
async fn numbers<S: Store>(store: &S, mut query: Query) -> Vec<i64> {
    let mut numbers = Vec::new();
    loop {
        let page = read(store, query.clone()).await;
        assert!(page.rows.len() <= query.limit, "broken: at most so many rows a page");
        for row in page.rows {
            let Some(Some(Value::Int(number))) = row.columns.get(1) else {
                panic!("broken: columns come back as they were written")
            };
            numbers.push(*number);
        }
        query.cursor = page.next;
        if query.cursor.is_none() {
            return numbers;
        }
    }
}

async fn what_was_written_is_read<S: Store>(store: S, now: i64) {
    let one = scan(1, 5, now);
    assert!(read(&store, all_of(&one)).await.rows.is_empty());
    write(&store, vec![one.clone()]).await;
    write(&store, vec![one.clone()]).await;
    let page = read(&store, all_of(&one)).await;
    assert_eq!(page.rows.len(), 1, "broken: idempotent by key");
    assert_eq!(page.rows[0].clustering, one.clustering);
    assert_eq!(page.rows[0].columns, one.columns);
}

/// Writes to one row of people: each column has a time of its own.
fn says(columns: [Option<Value>; 7], timestamp: i64) -> Mutation {
    Mutation {
        table: &VISITORS,
        partition: vec![blob(7)],
        clustering: Vec::new(),
        columns: columns.to_vec(),
        timestamp,
    }
}

async fn any_order_of_writes_gives_the_same_row<S: Store>(store: S) {
    let int = |n| Some(Value::Int(n));
    let set = |byte: u8| Some(Value::Set(BTreeSet::from([Bytes::from(vec![byte])])));
    let writes = [
        says([int(5), None, None, None, None, None, None], 5_000),
        says([int(3), None, None, None, None, None, None], 3_000),
        says([None, set(1), None, None, None, None, None], 1_000),
        says([None, set(2), None, None, None, None, None], 9_000),
        // One time, two values: the greater wins.
        says([None, None, int(1), int(4), None, None, None], 4_000),
        says([None, None, int(2), int(4), None, None, None], 4_000),
        says([None, None, int(1), int(2), None, None, None], 2_000),
    ];
    let both = Value::Set(BTreeSet::from([Bytes::from(vec![1]), Bytes::from(vec![2])]));
    let wanted = vec![int(5), Some(both), int(2), int(4), None, None, None];
    // Forwards, backwards, and each again.
    for write_one in writes.iter().chain(writes.iter().rev()).chain(&writes) {
        write(&store, vec![write_one.clone()]).await;
    }
    let page = read(&store, all_of(&writes[0])).await;
    assert_eq!(page.rows[0].columns, wanted, "broken: columns merge one by one");
    write(&store, writes.iter().rev().cloned().collect()).await;
    let page = read(&store, all_of(&writes[0])).await;
    assert_eq!(page.rows[0].columns, wanted, "broken: also within one call");
}

async fn pages_lead_through_a_partition_once<S: Store>(store: S, now: i64) {
    let rows: Vec<Mutation> = (0..250).map(|n| scan(1, n, now)).collect();
    write(&store, rows.iter().rev().cloned().collect()).await;
    for limit in [1, 7, 249, 250, 251, 1_000] {
        let query = Query { limit, ..all_of(&rows[0]) };
        let up = numbers(&store, query.clone()).await;
        assert_eq!(up, (0..250).collect::<Vec<_>>(), "broken: in the order of clustering");
        let down = numbers(&store, Query { order: Order::Descending, ..query }).await;
        assert_eq!(down, (0..250).rev().collect::<Vec<_>>(), "broken: and backwards");
    }
}

async fn a_span_holds_what_it_says<S: Store>(store: S, now: i64) {
    let rows: Vec<Mutation> = (0..50).map(|n| scan(1, n, now)).collect();
    write(&store, rows.clone()).await;
    let at = |n: usize| Some(rows[n].clustering[0].clone());
    for order in [Order::Ascending, Order::Descending] {
        let query = Query { from: at(10), to: at(20), order, limit: 3, ..all_of(&rows[0]) };
        let mut found = numbers(&store, query).await;
        found.sort_unstable();
        assert_eq!(found, (10..=20).collect::<Vec<_>>(), "broken: from and to are included");
        let query = Query { from: at(20), to: at(10), order, ..all_of(&rows[0]) };
        assert!(numbers(&store, query).await.is_empty(), "broken: an empty span is empty");
    }
}

async fn partitions_are_apart<S: Store>(store: S, now: i64) {
    let rows: Vec<Mutation> = (0..20).map(|venue| scan(venue, venue, now)).collect();
    write(&store, rows.clone()).await;
    for (venue, row) in (0..).zip(&rows) {
        assert_eq!(numbers(&store, all_of(row)).await, [venue], "broken: partitions are apart");
    }
}

async fn a_deletion_takes_what_is_not_newer<S: Store>(store: S, now: i64) {
    let rows: Vec<Mutation> = (0..10).map(|n| scan(1, n, now)).collect();
    write(&store, rows.clone()).await;
    let delete = |n: usize, timestamp| Deletion {
        table: &SCANS,
        partition: rows[n].partition.clone(),
        clustering: Some(rows[n].clustering.clone()),
        timestamp,
    };
    let older = delete(3, rows[3].timestamp - 1);
    let same = delete(4, rows[4].timestamp);
    while store.delete(vec![older.clone(), same.clone()]).await.is_err() {}
    let left = numbers(&store, all_of(&rows[0])).await;
    assert_eq!(left, [0, 1, 2, 3, 5, 6, 7, 8, 9], "broken: a deletion takes what is not newer");
    let whole = Deletion { clustering: None, timestamp: rows[5].timestamp, ..same };
    while store.delete(vec![whole.clone()]).await.is_err() {}
    let left = numbers(&store, all_of(&rows[0])).await;
    assert_eq!(left, [6, 7, 8, 9], "broken: of a whole partition, too");
}

async fn what_is_past_retention_is_refused<S: Store>(store: S, now: i64) {
    let mut old = scan(1, 1, now);
    old.timestamp = now - 100 * 86_400_000_000;
    let kind =
        store.write([old].into()).await.expect_err("broken: past retention is refused").kind();
    assert_eq!(kind, Kind::Invalid);
}

async fn what_does_not_fit_is_refused<S: Store>(store: S, now: i64) {
    let good = scan(1, 1, now);
    let wrong = [
        Mutation { partition: vec![Value::Int(1)], ..good.clone() },
        Mutation { clustering: vec![blob(1), Value::Int(1)], ..good.clone() },
        Mutation { columns: vec![None; 3], ..good.clone() },
        Mutation { columns: vec![Some(Value::Int(1)), None, None, None], ..good.clone() },
    ];
    for mutation in wrong {
        let error = store.write([good.clone(), mutation].into()).await;
        let kind = error.expect_err("broken: what does not fit is refused").kind();
        assert_eq!(kind, Kind::Invalid);
    }
    assert!(read(&store, all_of(&good)).await.rows.is_empty(), "broken: and with it its call");
    let query = Query { partition: vec![blob(1)], ..all_of(&good) };
    assert!(store.read(query).await.is_err());
}
