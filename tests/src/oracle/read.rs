//! Reads the truth tables once into lists.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use tokio_postgres::{Client, Error};

use super::truth::{Commitment, Entry, Fund, Investment, Lp, Report, Truth};

/// So much of the truth: all of it, or that of some LPs and funds, which have nothing to do with any other.
#[derive(Debug, Clone, Copy, Default)]
pub struct Extent<'a> {
    /// Some LPs.
    pub lp_ids: Option<&'a [i64]>,
    /// Some funds.
    pub fund_ids: Option<&'a [i64]>,
}

/// Reads all of it. Every list comes in the order of its ids.
///
/// # Errors
/// Whatever the database says.
pub async fn read_truth(client: &Client) -> Result<Truth, Error> {
    read_truth_of(client, Extent::default()).await
}

/// Reads so much of it.
///
/// # Errors
/// Whatever the database says.
pub async fn read_truth_of(client: &Client, extent: Extent<'_>) -> Result<Truth, Error> {
    let Extent { lp_ids, fund_ids } = extent;
    let mut lps = read_lps(client, lp_ids).await?;
    let funds = read_funds(client, fund_ids).await?;
    for commitment in read_commitments(client, lp_ids, &funds)
        .await?
        .into_values()
    {
        lps.get_mut(&commitment.lp_id)
            .expect("a commitment's LP exists")
            .commitments
            .push(commitment);
    }
    Ok(Truth { lps, funds })
}

/// The ids that are wanted; none stands for all.
type Wanted<'a> = Option<&'a [i64]>;

async fn read_lps(client: &Client, lp_ids: Wanted<'_>) -> Result<BTreeMap<i64, Lp>, Error> {
    let rows = client
        .query(
            "select lp_id, name from limited_partners where $1::bigint[] is null or lp_id = any ($1) order by lp_id",
            &[&lp_ids],
        )
        .await?;
    let lps = rows.iter().map(|row| Lp {
        lp_id: row.get(0),
        name: row.get(1),
        commitments: Vec::new(),
    });
    Ok(lps.map(|lp| (lp.lp_id, lp)).collect())
}

async fn read_commitments(
    client: &Client,
    lp_ids: Wanted<'_>,
    funds: &BTreeMap<i64, Fund>,
) -> Result<BTreeMap<i64, Commitment>, Error> {
    let rows = client
        .query(
            "select commitment_id, lp_id, fund_id, commitment_amount_cents, commitment_date, status
             from lp_fund_commitments where $1::bigint[] is null or lp_id = any ($1) order by commitment_id",
            &[&lp_ids],
        )
        .await?;
    let mut commitments: BTreeMap<i64, Commitment> = rows
        .iter()
        .map(|row| {
            let fund_id: i64 = row.get(2);
            let commitment = Commitment {
                commitment_id: row.get(0),
                lp_id: row.get(1),
                fund_id,
                currency: funds[&fund_id].currency.clone(),
                original_cents: row.get(3),
                date: row.get(4),
                active: row.get::<_, &str>(5) == "active",
                entries: Vec::new(),
                navs: Vec::new(),
            };
            (commitment.commitment_id, commitment)
        })
        .collect();
    for (commitment_id, entry) in read_entries(client, lp_ids).await? {
        commitments
            .get_mut(&commitment_id)
            .expect("an entry's commitment exists")
            .entries
            .push(entry);
    }
    let navs = "select commitment_id, nav_id, as_of_date, nav_cents, reported_at
                from commitment_navs join lp_fund_commitments using (commitment_id)
                where $1::bigint[] is null or lp_id = any ($1) order by nav_id";
    for (commitment_id, report) in read_reports(client, navs, lp_ids).await? {
        commitments
            .get_mut(&commitment_id)
            .expect("a NAV's commitment exists")
            .navs
            .push(report);
    }
    Ok(commitments)
}

async fn read_entries(client: &Client, lp_ids: Wanted<'_>) -> Result<Vec<(i64, Entry)>, Error> {
    let types = client
        .query("select activity_type, cash_sign, paid_in_sign, distributed_sign, unfunded_sign from activity_types", &[])
        .await?;
    let signs: BTreeMap<String, [i64; 4]> = types
        .iter()
        .map(|row| {
            (
                row.get(0),
                [1, 2, 3, 4].map(|column| i64::from(row.get::<usize, i16>(column))),
            )
        })
        .collect();
    let rows = client
        .query(
            "select commitment_id, activity_id, activity_type, amount_cents, effective_date, recorded_at, components,
                    description, reference_number, metadata, reverses_activity_id
             from capital_activities where $1::bigint[] is null or lp_id = any ($1) order by activity_id",
            &[&lp_ids],
        )
        .await?;
    let entry = |row: &tokio_postgres::Row| {
        let kind: String = row.get(2);
        let amount_cents: i64 = row.get(3);
        let [cash, paid_in, distributed, unfunded] = signs[&kind];
        Entry {
            activity_id: row.get(1),
            kind,
            amount_cents,
            date: row.get(4),
            recorded_at: row.get(5),
            components: row.get(6),
            description: row.get(7),
            reference_number: row.get(8),
            metadata: row.get(9),
            reverses_activity_id: row.get(10),
            cash_cents: cash * amount_cents,
            paid_in_cents: paid_in * amount_cents,
            distributed_cents: distributed * amount_cents,
            unfunded_cents: unfunded * amount_cents,
        }
    };
    Ok(rows.iter().map(|row| (row.get(0), entry(row))).collect())
}

async fn read_reports(
    client: &Client,
    sql: &str,
    ids: Wanted<'_>,
) -> Result<Vec<(i64, Report)>, Error> {
    let rows = client.query(sql, &[&ids]).await?;
    let report = |row: &tokio_postgres::Row| Report {
        report_id: row.get(1),
        date: row.get(2),
        nav_cents: row.get(3),
        reported_at: row.get(4),
    };
    Ok(rows.iter().map(|row| (row.get(0), report(row))).collect())
}

async fn read_funds(client: &Client, fund_ids: Wanted<'_>) -> Result<BTreeMap<i64, Fund>, Error> {
    let rows = client
        .query(
            "select fund_id, name, vintage_year, currency from funds where $1::bigint[] is null or fund_id = any ($1) order by fund_id",
            &[&fund_ids],
        )
        .await?;
    let mut funds: BTreeMap<i64, Fund> = rows
        .iter()
        .map(|row| {
            let fund = Fund {
                fund_id: row.get(0),
                name: row.get(1),
                vintage_year: row.get(2),
                currency: row.get(3),
                investments: Vec::new(),
                navs: Vec::new(),
            };
            (fund.fund_id, fund)
        })
        .collect();
    for (fund_id, investment) in read_investments(client, fund_ids).await? {
        funds
            .get_mut(&fund_id)
            .expect("an investment's fund exists")
            .investments
            .push(investment);
    }
    let navs = "select fund_id, snapshot_id, as_of_date, gross_nav_cents, reported_at from fund_nav_snapshots
                where $1::bigint[] is null or fund_id = any ($1) order by snapshot_id";
    for (fund_id, report) in read_reports(client, navs, fund_ids).await? {
        funds
            .get_mut(&fund_id)
            .expect("a NAV's fund exists")
            .navs
            .push(report);
    }
    Ok(funds)
}

async fn read_investments(
    client: &Client,
    fund_ids: Wanted<'_>,
) -> Result<Vec<(i64, Investment)>, Error> {
    let flows = "select investment_id, flow_date, amount_cents
                 from fund_cash_flows join fund_investments using (investment_id)
                 where $1::bigint[] is null or fund_id = any ($1) order by flow_id";
    let mut flows = read_dated_amounts(client, flows, fund_ids).await?;
    let valuations = "select investment_id, valuation_date, fair_value_cents
                      from investment_valuations join fund_investments using (investment_id)
                      where $1::bigint[] is null or fund_id = any ($1) order by valuation_id";
    let mut valuations = read_dated_amounts(client, valuations, fund_ids).await?;
    let rows = client
        .query(
            "select fund_id, investment_id, company_id, name, sector, stage, investment_date, exit_date
             from fund_investments join portfolio_companies using (company_id)
             where $1::bigint[] is null or fund_id = any ($1) order by investment_id",
            &[&fund_ids],
        )
        .await?;
    let mut investment = |row: &tokio_postgres::Row| {
        let investment_id = row.get(1);
        Investment {
            investment_id,
            company_id: row.get(2),
            company_name: row.get(3),
            sector: row.get(4),
            stage: row.get(5),
            date: row.get(6),
            exit_date: row.get(7),
            flows: flows.remove(&investment_id).unwrap_or_default(),
            valuations: valuations.remove(&investment_id).unwrap_or_default(),
        }
    };
    Ok(rows
        .iter()
        .map(|row| (row.get(0), investment(row)))
        .collect())
}

async fn read_dated_amounts(
    client: &Client,
    sql: &str,
    fund_ids: Wanted<'_>,
) -> Result<BTreeMap<i64, Vec<(NaiveDate, i64)>>, Error> {
    let mut amounts: BTreeMap<i64, Vec<(NaiveDate, i64)>> = BTreeMap::new();
    for row in client.query(sql, &[&fund_ids]).await? {
        amounts
            .entry(row.get(0))
            .or_default()
            .push((row.get(1), row.get(2)));
    }
    Ok(amounts)
}
