//! Writes the sample by COPY, over several connections at once: what loading costs is a database process's time, most of it
//! spent on foreign keys and indexes, and each connection has a process of its own.

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use indicatif::ProgressBar;
use tokio::sync::Mutex;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::{Client, Transaction};

use super::awkward;
use super::entry::{Kind, Signs};
use super::generator::{Chapter, Generator, Told};
use super::portfolio;
use super::rows::{self, Rows};
use super::size::{Shape, Size};

/// How many connections load; with more than two, they wait for each other and for the generator.
pub const CONNECTIONS: usize = 2;

/// The triggers' statements are planned once a connection, on tables that are still nearly empty. Joining by a probe of the
/// index for each row stays right as they grow; any other join would come to read all commitments for every fund.
const PLANS: &str = "set enable_hashjoin = off; set enable_mergejoin = off";

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
    /// The highest number of an LP.
    pub last_lp_id: i64,
    /// How many rows the database took, of all tables together.
    pub rows: u64,
}

/// Loads the sample into a freshly migrated database over the given connections, a fund a transaction, in memory for as
/// many funds as there are connections. The grants come last: until everything is there, nobody may see any of it. A load
/// that was cut short is not taken up again: it leaves LPs behind, and a database with LPs is refused.
pub async fn load(
    clients: &mut [Client; CONNECTIONS],
    size: Size,
    progress: &ProgressBar,
) -> Result<Loaded> {
    let shape = size.shape();
    let [first, ..] = &mut *clients;
    ensure_fresh(first).await?;
    check_kinds(first).await?;
    progress.set_length(shape.commitments as u64);
    let mut rows = load_ground(first, shape).await?;
    let generator = Mutex::new(Generator::new(shape));
    let shares = clients
        .iter_mut()
        .map(|client| load_funds(client, &generator, progress));
    rows += try_join_all(shares).await?.iter().sum::<u64>();
    let [first, ..] = clients;
    rows += load_awkward(first, &generator.into_inner().awkward()).await?;
    finish(first, rows).await
}

async fn ensure_fresh(client: &Client) -> Result<()> {
    let sql = "select exists (select from limited_partners)";
    let taken: bool = client.query_one(sql, &[]).await?.get(0);
    ensure!(
        !taken,
        "the database already has limited partners, perhaps of a load that was cut short: take a fresh one"
    );
    Ok(())
}

/// The generator has its own idea of what an entry does and how it is split; the database's is the one that counts.
async fn check_kinds(client: &Client) -> Result<()> {
    let sql = "select activity_type, cash_sign, paid_in_sign, distributed_sign, unfunded_sign, components from activity_types";
    let types = client.query(sql, &[]).await?;
    for kind in Kind::ALL {
        let known = types.iter().any(|row| {
            let signs = Signs {
                cash: row.get("cash_sign"),
                paid_in: row.get("paid_in_sign"),
                distributed: row.get("distributed_sign"),
                unfunded: row.get("unfunded_sign"),
            };
            let components: Vec<&str> = row.get("components");
            let mut parts = kind.components();
            row.get::<_, &str>("activity_type") == kind.name()
                && signs == kind.signs()
                && parts.all(|part| components.contains(&part))
        });
        ensure!(known, "the sample's {} is not the ledger's", kind.name());
    }
    Ok(())
}

/// What the funds' shares refer to: limited partners, and all funds and companies, some of which two funds own.
async fn load_ground(client: &mut Client, shape: Shape) -> Result<u64> {
    let awkward = awkward::partners(shape);
    let partners = (1..=shape.limited_partners)
        .map(|lp_id| (lp_id, None))
        .chain(
            awkward
                .iter()
                .map(|partner| (partner.lp_id, Some(partner.case))),
        );
    let funds = (1..=shape.funds).map(|fund_id| shape.fund(fund_id));
    let companies = (1..=shape.funds).flat_map(portfolio::companies_of);
    let transaction = client.transaction().await?;
    let rows = copy(&transaction, rows::limited_partners(partners)).await?
        + copy(&transaction, rows::funds(funds)).await?
        + copy(&transaction, rows::companies(companies)).await?;
    transaction.commit().await?;
    Ok(rows)
}

/// Loads funds until there are no more, each in a transaction. A COPY is a fund's, which also bounds what the statement
/// triggers have to hold.
async fn load_funds(
    client: &mut Client,
    generator: &Mutex<Generator>,
    progress: &ProgressBar,
) -> Result<u64> {
    let mut rows = 0;
    client.batch_execute(PLANS).await?;
    loop {
        let Some(chapter) = generator.lock().await.next() else {
            return Ok(rows);
        };
        let transaction = client.transaction().await?;
        rows += load_portfolio(&transaction, &chapter).await?;
        rows += load_told(&transaction, &chapter.told).await?;
        transaction.commit().await?;
        progress.inc(chapter.told.len() as u64);
    }
}

/// A fund's investments, their flows and values, and its own NAVs.
async fn load_portfolio(transaction: &Transaction<'_>, chapter: &Chapter) -> Result<u64> {
    let fund_id = chapter.fund.fund_id;
    let portfolio = &chapter.portfolio;
    Ok(copy(
        transaction,
        rows::investments(fund_id, &portfolio.investments),
    )
    .await?
        + copy(transaction, rows::cash_flows(&portfolio.investments)).await?
        + copy(transaction, rows::valuations(&portfolio.investments)).await?
        + copy(transaction, rows::fund_navs(fund_id, &portfolio.navs)).await?)
}

async fn load_awkward(client: &mut Client, told: &[Told]) -> Result<u64> {
    let transaction = client.transaction().await?;
    let rows = load_told(&transaction, told).await?;
    transaction.commit().await?;
    Ok(rows)
}

/// Commitments with their entries and NAVs.
async fn load_told(transaction: &Transaction<'_>, told: &[Told]) -> Result<u64> {
    Ok(copy(transaction, rows::commitments(told)).await?
        + copy(transaction, rows::activities(told)).await?
        + copy(transaction, rows::navs(told)).await?)
}

async fn copy<const COLUMNS: usize>(
    transaction: &Transaction<'_>,
    rows: Rows<'_, COLUMNS>,
) -> Result<u64> {
    let table = rows.table;
    write(transaction, rows)
        .await
        .with_context(|| format!("{table} could not be loaded"))
}

async fn write<const COLUMNS: usize>(
    transaction: &Transaction<'_>,
    rows: Rows<'_, COLUMNS>,
) -> Result<u64, tokio_postgres::Error> {
    let (columns, types): (Vec<_>, Vec<_>) = rows.columns.into_iter().unzip();
    let columns = columns.join(", ");
    let statement = format!("copy {} ({columns}) from stdin (format binary)", rows.table);
    let sink = transaction.copy_in(&statement).await?;
    let mut writer = std::pin::pin!(BinaryCopyInWriter::new(sink, &types));
    for row in rows.rows {
        writer.as_mut().write_raw(row).await?;
    }
    writer.finish().await
}

/// What the rows alone do not say, statistics, and numbers to try the sample with.
async fn finish(client: &Client, rows: u64) -> Result<Loaded> {
    client
        .batch_execute(include_str!("finish.sql"))
        .await
        .context("the sample could not be finished")?;
    client
        .batch_execute("analyze")
        .await
        .context("the statistics could not be gathered")?;
    let row = client
        .query_one(include_str!("examples.sql"), &[])
        .await
        .context("the sample has no example to show")?;
    Ok(Loaded {
        lp_id: row.get("lp_id"),
        fund_id: row.get("fund_id"),
        commitment_id: row.get("commitment_id"),
        other_lp_id: row.get("other_lp_id"),
        last_lp_id: row.get("last_lp_id"),
        rows,
    })
}
