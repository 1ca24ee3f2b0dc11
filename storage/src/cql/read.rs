//! Pages of one partition.

use std::{ops::ControlFlow, sync::Arc};

use bytes::Bytes;
use scylla::{
    deserialize::row::ColumnIterator,
    errors::{DbError, ExecutionError, RequestAttemptError},
    response::{PagingState, query_result::QueryResult},
};

use super::{Shared, error, session::Connected, statements::SpanShape, value, write};
use crate::{
    embedded::row::check_values,
    error::{Kind, StoreError},
    store::{Cells, Cursor, Page, Query},
    table::{Table, Value},
};

impl Shared {
    pub(super) async fn read(&self, query: Query) -> Result<Page, StoreError> {
        let table = query.table;
        check(&query)?;
        if query.from.as_ref().zip(query.to.as_ref()).is_some_and(|(from, to)| from > to) {
            return Ok(Page { rows: Vec::new(), next: None });
        }
        let mut state = match &query.cursor {
            Some(Cursor(bytes)) => PagingState::new_from_raw_bytes(bytes.as_ref()),
            None => PagingState::start(),
        };
        // A page may be empty although more rows follow: where many were deleted or are over, the
        // server stops early.
        loop {
            let (result, next) = self.ask(&query, &state).await?;
            let rows = rows(table, result)?;
            match next.into_paging_control_flow() {
                ControlFlow::Break(()) => return Ok(Page { rows, next: None }),
                ControlFlow::Continue(next) if rows.is_empty() => state = next,
                ControlFlow::Continue(next) => {
                    let next = next.as_bytes_slice();
                    let next = next.map(|bytes| Cursor(Bytes::copy_from_slice(bytes)));
                    return Ok(Page { rows, next });
                }
            }
        }
    }

    async fn ask(
        &self,
        query: &Query,
        state: &PagingState,
    ) -> Result<(QueryResult, scylla::response::PagingStateResponse), StoreError> {
        let Query { table, from, to, order, .. } = query;
        let shape = SpanShape::of(table, from.is_some(), to.is_some(), *order);
        let _permit = self.admission.admit().await?;
        let run = |connected: Arc<Connected>| async move {
            let statements = connected.statements.of(table);
            let Some(statement) = statements.and_then(|statements| statements.select(shape)) else {
                return Ok(None);
            };
            let mut statement = statement.clone();
            statement.set_page_size(i32::try_from(query.limit).unwrap_or(i32::MAX).max(1));
            let values: Vec<_> =
                query.partition.iter().chain(from).chain(to).map(value::Bound::Value).collect();
            let page = connected.session.execute_single_page(&statement, values, state.clone());
            Box::pin(page).await.map(Some)
        };
        match self.sessions.run(run).await {
            Ok(Some(page)) => Ok(page),
            Ok(None) => Err(write::unknown(table)),
            Err(ExecutionError::LastAttemptError(RequestAttemptError::DbError(
                DbError::ProtocolError | DbError::Invalid,
                _,
            ))) if query.cursor.is_some() => {
                Err(StoreError::new(Kind::Invalid, "not a cursor of this store"))
            }
            Err(error) => Err(error::into_store("a read of", table.name, error)),
        }
    }
}

fn check(query: &Query) -> Result<(), StoreError> {
    let table = query.table;
    let first = table.clustering.first();
    let end_fits = |end: &Option<Value>| match (end, first) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(value), Some((_, column))) => value.column_type() == *column,
    };
    let fits = check_values(table.partition, &query.partition)
        && end_fits(&query.from)
        && end_fits(&query.to);
    if fits {
        return Ok(());
    }
    let message = format!("a query does not fit its table `{}`", table.name);
    Err(StoreError::new(Kind::Invalid, message))
}

fn rows(table: &'static Table, result: QueryResult) -> Result<Vec<Cells>, StoreError> {
    let broken = |why: String| {
        let message = format!("rows of table `{}` can't be read: {why}", table.name);
        StoreError::new(Kind::Fatal, message)
    };
    let result = result.into_rows_result().map_err(|error| broken(error.to_string()))?;
    let rows = result.rows::<ColumnIterator>().map_err(|error| broken(error.to_string()))?;
    let types = || table.clustering.iter().chain(table.columns).map(|(_, column)| *column);
    rows.map(|row| {
        let mut values = row
            .and_then(|row| value::read_row(row, types()))
            .map_err(|error| broken(error.to_string()))?;
        let columns = values.split_off(table.clustering.len());
        // Parts of a key are never null.
        let clustering = values.into_iter().flatten().collect();
        Ok(Cells { clustering, columns })
    })
    .collect()
}
