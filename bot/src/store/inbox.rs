//! The inbox: deliveries come in in batches, go out one lane at a time.
//!
//! A lane's oldest waiting delivery has the turn; only that one can be claimed, so what is tried
//! again later holds back what came after it in its lane, and nothing else. A claim is a due time in
//! the future and a number: when the time is over somebody else claims, with a higher number, and the
//! first one's result no longer counts. One whose claim ran out without a word may have ended its whole
//! process: it is counted, and claimed alone.

use std::collections::{HashMap, HashSet};

use shipline::types::Timestamp;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::batch::Batch;
use super::database::{Guarded, Kind, Tx, column, json, millis, number, read, text, time, unreadable};
use super::{Accepted, Backlog, Claimed, DeliveryEnd, Head, Store, StoreFailed};
use crate::types::{IssueNumber, RepositoryId, WorkerId};
use crate::webhook::{Delivery, Event};

/// How many deliveries one transaction forgets, so that nobody who stores one waits long.
const FORGET: i64 = 1_000;

/// Not one whose last try ended without a word; of those the least suspicious one, alone.
macro_rules! harmless {
    () => {
        "(worker IS NULL OR sequence =
            (SELECT sequence FROM deliveries AS suspect
             WHERE suspect.turn = 1 AND suspect.worker IS NOT NULL AND suspect.due <= $3
                AND NOT EXISTS (SELECT 1 FROM deliveries AS tried
                    WHERE tried.turn = 1 AND tried.worker IS NOT NULL AND tried.deaths > 0 AND tried.due > $3)
             ORDER BY suspect.deaths, suspect.sequence LIMIT 1))"
    };
}

impl Store {
    /// Stores deliveries, all in one transaction, and the heads they teach. Returns, in the same
    /// order, which were new: neither the id nor the semantic key was known.
    pub async fn accept(&self, deliveries: &[Delivery], now: Timestamp) -> Result<Vec<Accepted>, StoreFailed> {
        if deliveries.is_empty() {
            return Ok(Vec::new());
        }
        let batch = Batch::of(deliveries)?;
        if self.kind() == Kind::Sqlite && batch.is_one_statement() {
            // By itself it is a transaction: one way to the thread that writes and back, not three.
            let stored = self.insert(&mut *self.writer().acquire().await?, &batch.json, now).await?;
            return Ok(batch.answers(&stored));
        }
        let mut tx = self.begin_alone(Guarded::Inbox).await?;
        let stored = self.insert(&mut tx, &batch.json, now).await?;
        let answers = batch.answers(&stored);
        for lane in batch.lanes_without_turn(&answers) {
            give_turn(&mut tx, lane).await?;
        }
        self.learn(&mut tx, deliveries, &batch, &answers, &stored, now).await?;
        tx.commit().await?;
        Ok(answers)
    }

    /// One statement for the whole batch. The number of every delivery that was new, by its id.
    async fn insert(
        &self,
        connection: &mut AnyConnection,
        batch: &str,
        now: Timestamp,
    ) -> Result<HashMap<String, i64>, StoreFailed> {
        let statement = self.kind().sql(
            "INSERT INTO deliveries
                (delivery, meaning, lane, event, turn, received, due, state, attempts, claim)
             SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 4,
                CASE WHEN value ->> 3 = 1 AND NOT EXISTS
                    (SELECT 1 FROM deliveries AS open WHERE open.lane = value ->> 2 AND open.state = 'waiting')
                THEN 1 ELSE 0 END,
                $2, $2, 'waiting', 0, 0
             FROM json_each($1) WHERE true ORDER BY key
             ON CONFLICT DO NOTHING RETURNING sequence, delivery",
            "INSERT INTO deliveries
                (delivery, meaning, lane, event, turn, received, due, state, attempts, claim)
             SELECT item ->> 0, item ->> 1, item ->> 2, item ->> 4,
                CASE WHEN item ->> 3 = '1' AND waiting.sequence IS NULL THEN 1 ELSE 0 END,
                $2, $2, 'waiting', 0, 0
             FROM json_array_elements($1::json) WITH ORDINALITY AS items (item, place)
             LEFT JOIN LATERAL
                (SELECT sequence FROM deliveries WHERE lane = item ->> 2 AND state = 'waiting' LIMIT 1) AS waiting
                ON true
             ORDER BY place
             ON CONFLICT DO NOTHING RETURNING sequence, delivery",
        );
        let rows = sqlx::query(statement).bind(batch).bind(millis(now)).fetch_all(connection).await?;
        rows.iter().map(|row| Ok((row.try_get("delivery")?, row.try_get("sequence")?))).collect()
    }

    /// Keeps the heads that new deliveries tell. A closed pull request's head is nobody's to deploy.
    async fn learn(
        &self,
        tx: &mut Tx,
        deliveries: &[Delivery],
        batch: &Batch<'_>,
        answers: &[Accepted],
        stored: &HashMap<String, i64>,
        now: Timestamp,
    ) -> Result<(), StoreFailed> {
        let mut heads = Vec::new();
        for ((delivery, id), answer) in deliveries.iter().zip(&batch.ids).zip(answers) {
            let (Event::Pull(pull), Accepted::New, Some(sequence)) = (&delivery.event, answer, stored.get(id)) else {
                continue;
            };
            if pull.action != "closed" {
                let repository = column(pull.repository.id.get())?;
                let at = millis(pull.at);
                heads.push((repository, column(pull.number)?, *sequence, pull.head.to_string(), at, millis(now)));
            }
        }
        if heads.is_empty() {
            return Ok(());
        }
        let statement = self.kind().sql(
            "INSERT INTO heads (repository, pull, sequence, sha, at, received)
             SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 FROM json_each($1)",
            "INSERT INTO heads (repository, pull, sequence, sha, at, received)
             SELECT (value ->> 0)::bigint, (value ->> 1)::bigint, (value ->> 2)::bigint, value ->> 3,
                (value ->> 4)::bigint, (value ->> 5)::bigint FROM json_array_elements($1::json)",
        );
        sqlx::query(statement).bind(json("head", &heads)?).execute(&mut **tx).await?;
        Ok(())
    }

    /// Takes at most `most` deliveries to work on until `until`: oldest first, due ones, at most one of
    /// a lane, none of a lane that somebody is working on. A claim that has run out is free again.
    pub async fn claim_deliveries(
        &self,
        worker: &WorkerId,
        now: Timestamp,
        until: Timestamp,
        most: usize,
    ) -> Result<Vec<Claimed>, StoreFailed> {
        let due = "SELECT sequence FROM deliveries WHERE turn = 1 AND due <= $1 LIMIT 1";
        if most == 0 || sqlx::query(due).bind(millis(now)).fetch_optional(self.reader()).await?.is_none() {
            return Ok(Vec::new());
        }
        let mut tx = self.begin().await?;
        let statement = self.kind().sql(
            concat!(
                "UPDATE deliveries SET due = $1, claim = claim + 1, attempts = attempts + 1, worker = $2,
                    deaths = deaths + CASE WHEN worker IS NULL THEN 0 ELSE 1 END
                 WHERE sequence IN
                    (SELECT sequence FROM deliveries WHERE turn = 1 AND due <= $3 AND ",
                harmless!(),
                " ORDER BY sequence LIMIT $4)
                 RETURNING sequence, delivery, event, attempts, received, claim, deaths"
            ),
            concat!(
                "WITH picked AS MATERIALIZED
                    (SELECT sequence FROM deliveries WHERE turn = 1 AND due <= $3 AND ",
                harmless!(),
                " ORDER BY sequence LIMIT $4 FOR UPDATE SKIP LOCKED)
                 UPDATE deliveries SET due = $1, claim = claim + 1, attempts = attempts + 1, worker = $2,
                    deaths = deaths + CASE WHEN worker IS NULL THEN 0 ELSE 1 END
                 FROM picked WHERE deliveries.sequence = picked.sequence
                 RETURNING deliveries.sequence, delivery, event, attempts, received, claim, deaths"
            ),
        );
        let rows = sqlx::query(statement)
            .bind(millis(until))
            .bind(worker.as_str())
            .bind(millis(now))
            .bind(i64::try_from(most).unwrap_or(i64::MAX))
            .fetch_all(&mut *tx)
            .await?;
        tx.commit().await?;
        let mut claims = Vec::with_capacity(rows.len());
        for row in &rows {
            match claimed(row)? {
                Ok(claim) => claims.push(claim),
                // One that cannot be read must not hold up the others: put aside, visible.
                Err(Damaged { sequence, claim, why }) => {
                    self.finish(sequence, claim, &DeliveryEnd::Parked { why: why.to_string() }, now).await?;
                }
            }
        }
        claims.sort_by_key(|claim| claim.sequence);
        Ok(claims)
    }

    /// Says how work on a claimed delivery ended. Nothing happens if the claim was lost.
    pub async fn finish_delivery(
        &self,
        claimed: &Claimed,
        end: &DeliveryEnd,
        now: Timestamp,
    ) -> Result<(), StoreFailed> {
        self.finish(column(claimed.sequence)?, column(claimed.claim)?, end, now).await
    }

    async fn finish(&self, sequence: i64, claim: i64, end: &DeliveryEnd, now: Timestamp) -> Result<(), StoreFailed> {
        let (state, why) = match end {
            DeliveryEnd::Done => ("done", None),
            DeliveryEnd::Parked { why } => ("parked", Some(text(why))),
            DeliveryEnd::Retry { at, why } => {
                let mut tx = self.begin().await?;
                let again = "UPDATE deliveries SET due = $1, why = $2, worker = NULL, deaths = 0
                     WHERE sequence = $3 AND claim = $4 AND state = 'waiting'";
                let query = sqlx::query(again).bind(millis(*at)).bind(text(why)).bind(sequence).bind(claim);
                query.execute(&mut *tx).await?;
                return Ok(tx.commit().await?);
            }
        };
        let mut tx = self.begin_alone(Guarded::Inbox).await?;
        let lane = sqlx::query(
            "UPDATE deliveries SET state = $1, why = $2, finished = $3, turn = 0, worker = NULL
             WHERE sequence = $4 AND claim = $5 AND state = 'waiting' RETURNING lane",
        )
        .bind(state)
        .bind(why)
        .bind(millis(now))
        .bind(sequence)
        .bind(claim)
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(lane) = lane {
            give_turn(&mut tx, &lane.try_get::<String, _>("lane")?).await?;
        }
        Ok(tx.commit().await?)
    }

    /// How much waits.
    pub async fn backlog(&self, now: Timestamp) -> Result<Backlog, StoreFailed> {
        let row = sqlx::query(
            "SELECT
                (SELECT count(*) FROM deliveries WHERE state = 'waiting') AS waiting,
                (SELECT received FROM deliveries WHERE turn = 1 ORDER BY sequence LIMIT 1) AS oldest,
                (SELECT count(*) FROM deliveries WHERE state = 'parked') AS parked,
                (SELECT count(*) FROM deployments WHERE ended IS NULL) AS deployments",
        )
        .fetch_one(self.reader())
        .await?;
        let oldest = row.try_get::<Option<i64>, _>("oldest")?.map(time).transpose()?;
        Ok(Backlog {
            waiting: number(row.try_get("waiting")?)?,
            // Another replica's clock may be ahead of ours: nothing was stored in the future.
            oldest: oldest.map(|oldest| oldest.min(now)),
            parked: number(row.try_get("parked")?)?,
            deployments: number(row.try_get("deployments")?)?,
        })
    }

    /// Which of these delivery ids are stored; for recovery.
    pub async fn known_deliveries(&self, ids: &[String]) -> Result<Vec<String>, StoreFailed> {
        let statement = self.kind().sql(
            "SELECT delivery FROM deliveries WHERE delivery IN (SELECT value FROM json_each($1))",
            "SELECT delivery FROM deliveries
             WHERE delivery IN (SELECT json_array_elements_text($1::json))",
        );
        let wanted: Vec<String> = ids.iter().map(|id| text(id)).collect();
        let rows = sqlx::query(statement).bind(json("list of ids", &wanted)?).fetch_all(self.reader()).await?;
        let known: HashSet<String> = rows.iter().map(|row| row.try_get("delivery")).collect::<Result<_, _>>()?;
        Ok(ids.iter().filter(|id| known.contains(&text(id))).cloned().collect())
    }

    /// Deletes deliveries that are done and older than that (parked ones stay). Returns how many.
    pub async fn forget_deliveries(&self, before: Timestamp) -> Result<u64, StoreFailed> {
        let mut forgotten = 0;
        loop {
            let mut tx = self.begin().await?;
            let some = sqlx::query(
                "DELETE FROM deliveries WHERE sequence IN
                    (SELECT sequence FROM deliveries WHERE state = 'done' AND received < $1 LIMIT $2)",
            )
            .bind(millis(before))
            .bind(FORGET)
            .execute(&mut *tx)
            .await?
            .rows_affected();
            tx.commit().await?;
            forgotten += some;
            if some == 0 {
                break;
            }
        }
        // The newest head stays: the next comment may stand in a pull request that is months old.
        let mut tx = self.begin().await?;
        sqlx::query(
            "DELETE FROM heads WHERE received < $1 AND EXISTS
                (SELECT 1 FROM heads AS newer
                 WHERE newer.repository = heads.repository AND newer.pull = heads.pull AND newer.received < $1
                    AND (newer.at > heads.at OR (newer.at = heads.at AND newer.sequence > heads.sequence)))",
        )
        .bind(millis(before))
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(forgotten)
    }

    /// The newest head of a pull request learnt from a delivery that was stored before `sequence`.
    /// Newest by GitHub's clock, because deliveries overtake each other on their way.
    pub async fn head_before(
        &self,
        repository: RepositoryId,
        pull: IssueNumber,
        sequence: u64,
    ) -> Result<Option<Head>, StoreFailed> {
        let row = sqlx::query(
            "SELECT sha, at, sequence FROM heads WHERE repository = $1 AND pull = $2 AND sequence < $3
             ORDER BY at DESC, sequence DESC LIMIT 1",
        )
        .bind(column(repository.get())?)
        .bind(column(pull)?)
        .bind(column(sequence)?)
        .fetch_optional(self.reader())
        .await?;
        row.map(|row| {
            let sha = row.try_get::<String, _>("sha")?.parse().map_err(|why| unreadable("head", why))?;
            Ok(Head { sha, at: time(row.try_get("at")?)?, sequence: number(row.try_get("sequence")?)? })
        })
        .transpose()
    }
}

/// Gives the turn to the oldest waiting delivery of a lane.
async fn give_turn(tx: &mut Tx, lane: &str) -> Result<(), StoreFailed> {
    sqlx::query(
        "UPDATE deliveries SET turn = 1 WHERE turn = 0 AND sequence =
            (SELECT min(sequence) FROM deliveries WHERE lane = $1 AND state = 'waiting')",
    )
    .bind(lane)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

struct Damaged {
    sequence: i64,
    claim: i64,
    why: StoreFailed,
}

fn claimed(row: &AnyRow) -> Result<Result<Claimed, Damaged>, StoreFailed> {
    let (sequence, claim) = (row.try_get("sequence")?, row.try_get("claim")?);
    let event = match read::<Event>("delivery", &row.try_get::<String, _>("event")?) {
        Ok(event) => event,
        Err(why) => return Ok(Err(Damaged { sequence, claim, why })),
    };
    let tried: i64 = row.try_get("attempts")?;
    Ok(Ok(Claimed {
        sequence: number(sequence)?,
        delivery: Delivery { id: row.try_get("delivery")?, event },
        attempts: u32::try_from(tried - 1).unwrap_or(u32::MAX),
        received: time(row.try_get("received")?)?,
        claim: number(claim)?,
        deaths: u32::try_from(row.try_get::<i64, _>("deaths")?).unwrap_or(u32::MAX),
    }))
}
