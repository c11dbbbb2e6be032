//! Sample data with known answers: realistic in shape, awkward in places, and the same on every machine and every day.
//! It writes the truth alone (ledger, NAVs, funds' investments); what is derived from it is the functions' business.

mod account;
mod awkward;
mod calendar;
mod commitment;
mod entry;
mod fund;
mod growth;
mod names;
mod pacing;
mod portfolio;
mod random;
mod rows;
mod size;
#[cfg(test)]
mod tests;

use std::io::Cursor;

use anyhow::{Context, Result, ensure};
use futures_util::SinkExt;
use indicatif::ProgressBar;
use tokio_postgres::Client;

use account::Life;
use commitment::Commitment;
use fund::Fund;
use rows::Rows;
pub use size::{Shape, Size};

/// What was loaded, and a few numbers to try it with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loaded {
    /// An LP with funds in several currencies, in one of which it holds two commitments.
    pub lp_id: i64,
    /// The fund of `commitment_id`.
    pub fund_id: i64,
    /// An ordinary, active commitment of that LP.
    pub commitment_id: i64,
    /// Another LP.
    pub other_lp_id: i64,
    /// How many LPs there are.
    pub limited_partners: i64,
    /// How many funds.
    pub funds: i64,
    /// How many commitments.
    pub commitments: i64,
    /// How many ledger entries.
    pub activities: i64,
    /// How many NAV reports.
    pub navs: i64,
}

/// Loads the sample into a freshly migrated database, all of it or nothing. Takes memory for one fund at a time; each
/// COPY is a fund's, which also bounds what the statement triggers have to hold.
pub async fn load(client: &Client, size: Size, progress: &ProgressBar) -> Result<Loaded> {
    let shape = size.shape();
    client
        .batch_execute("begin")
        .await
        .context("the sample's transaction could not begin")?;
    match load_all(client, shape, progress).await {
        Ok(()) => client
            .batch_execute("commit")
            .await
            .context("the sample could not be committed")?,
        Err(failure) => {
            // The failure is what matters; the transaction ends with the connection at the latest.
            let _ = client.batch_execute("rollback").await;
            return Err(failure);
        }
    }
    client
        .batch_execute("analyze")
        .await
        .context("the statistics could not be gathered")?;
    loaded(client).await
}

async fn load_all(client: &Client, shape: Shape, progress: &ProgressBar) -> Result<()> {
    let awkward = awkward::partners(shape);
    progress.set_length(shape.commitments as u64);
    let partners = (1..=shape.limited_partners)
        .map(|lp_id| (lp_id, None))
        .chain(
            awkward
                .iter()
                .map(|partner| (partner.lp_id, Some(partner.case))),
        );
    copy(client, rows::limited_partners(partners)).await?;
    let mut next_activity_id = 1;
    for fund_id in 1..=shape.funds {
        let fund = Fund::new(fund_id);
        let commitments: Vec<Commitment> = shape.commitments_of(&fund).collect();
        copy(client, rows::funds(&fund)).await?;
        load_portfolio(client, &fund, &commitments).await?;
        next_activity_id = load_commitments(client, &commitments, next_activity_id).await?;
        progress.inc(commitments.len() as u64);
    }
    let commitments: Vec<Commitment> = awkward
        .into_iter()
        .flat_map(|partner| partner.commitments)
        .collect();
    load_commitments(client, &commitments, next_activity_id).await?;
    client
        .batch_execute(include_str!("finish.sql"))
        .await
        .context("the sample could not be finished")?;
    check_effects(client).await
}

/// A fund's companies, investments, their flows and values, and its own NAVs.
async fn load_portfolio(client: &Client, fund: &Fund, commitments: &[Commitment]) -> Result<()> {
    let committed_cents = commitments
        .iter()
        .map(|commitment| commitment.amount_cents)
        .sum();
    let portfolio = portfolio::portfolio(fund, committed_cents);
    copy(client, rows::companies(portfolio::companies_of(fund))).await?;
    copy(client, rows::investments(fund, &portfolio.investments)).await?;
    copy(client, rows::cash_flows(&portfolio.investments)).await?;
    copy(client, rows::valuations(&portfolio.investments)).await?;
    copy(client, rows::fund_navs(fund, &portfolio.navs)).await
}

/// Commitments with their entries, numbered on from the given one, and their NAVs; returns the next free number.
async fn load_commitments(
    client: &Client,
    commitments: &[Commitment],
    first_activity_id: i64,
) -> Result<i64> {
    let lives: Vec<Life> = commitments.iter().map(account::live).collect();
    copy(client, rows::commitments(commitments)).await?;
    copy(
        client,
        rows::activities(commitments, &lives, first_activity_id),
    )
    .await?;
    copy(client, rows::navs(commitments, &lives)).await?;
    Ok(first_activity_id
        + lives
            .iter()
            .map(|life| life.entries.len() as i64)
            .sum::<i64>())
}

async fn copy(client: &Client, rows: Rows) -> Result<()> {
    let statement = format!("copy {} from stdin", rows.target);
    let failed = || format!("`{statement}` failed");
    let sink = client.copy_in(&statement).await.with_context(failed)?;
    let mut sink = std::pin::pin!(sink);
    sink.send(Cursor::new(rows.text))
        .await
        .with_context(failed)?;
    sink.finish().await.with_context(failed)?;
    Ok(())
}

/// The generator has its own idea of what an entry does; the database's is the one that counts.
async fn check_effects(client: &Client) -> Result<()> {
    let differing: i64 = client
        .query_one(include_str!("differing_effects.sql"), &[])
        .await?
        .get(0);
    ensure!(
        differing == 0,
        "{differing} entries of the sample do not have the effects that activity_types gives them"
    );
    Ok(())
}

async fn loaded(client: &Client) -> Result<Loaded> {
    let row = client
        .query_one(include_str!("loaded.sql"), &[])
        .await
        .context("the sample could not be counted")?;
    Ok(Loaded {
        lp_id: row.get("lp_id"),
        fund_id: row.get("fund_id"),
        commitment_id: row.get("commitment_id"),
        other_lp_id: row.get("other_lp_id"),
        limited_partners: row.get("limited_partners"),
        funds: row.get("funds"),
        commitments: row.get("commitments"),
        activities: row.get("activities"),
        navs: row.get("navs"),
    })
}
