//! What systems write to the database themselves.

use tokio_postgres::Client;

use crate::history::Written;
use crate::messages::date;
use crate::world::{COMMITMENTS, FUNDS, LPS, World};

/// Writes it.
pub async fn write(client: &Client, world: &World, written: &Written) {
    let sql = match written {
        Written::Valuation {
            fund,
            cents,
            date: day,
        } => format!(
            "insert into investment_valuations (investment_id, valuation_date, fair_value_cents) values ({}, '{}', {cents})",
            world.investment_ids[fund % FUNDS],
            date(*day)
        ),
        Written::CashFlow {
            fund,
            cents,
            date: day,
        } => format!(
            "insert into fund_cash_flows (investment_id, flow_date, amount_cents) values ({}, '{}', {cents})",
            world.investment_ids[fund % FUNDS],
            date(*day)
        ),
        Written::Exit { fund, date: day } => format!(
            "update fund_investments set exit_date = greatest('{}', investment_date) where investment_id = {}",
            date(*day),
            world.investment_ids[fund % FUNDS]
        ),
        Written::Commitment {
            lp,
            fund,
            cents,
            date: day,
        } => format!(
            "insert into lp_fund_commitments (lp_id, fund_id, commitment_amount_cents, commitment_date) values ({}, {}, {cents}, '{}')",
            world.lp_ids[lp % LPS],
            world.fund_ids[fund % FUNDS],
            date(*day)
        ),
        Written::Closed { commitment } => format!(
            "update lp_fund_commitments set status = 'closed' where commitment_id = {}",
            world.commitment_ids[commitment % COMMITMENTS]
        ),
    };
    let wrote = client.batch_execute(&sql).await;
    wrote.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

/// Whom the notice of it names.
pub fn concerns(world: &World, written: &Written) -> (&'static str, i64) {
    match written {
        Written::Valuation { fund, .. }
        | Written::CashFlow { fund, .. }
        | Written::Exit { fund, .. } => ("fundId", world.fund_ids[fund % FUNDS]),
        Written::Commitment { lp, .. } => ("lpId", world.lp_ids[lp % LPS]),
        Written::Closed { commitment } => (
            "lpId",
            world.lp_ids[World::holder(commitment % COMMITMENTS)],
        ),
    }
}
