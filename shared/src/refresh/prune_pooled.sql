-- $1: LPs. $2: all pools that they have, of a currency or of a fund, each with the dates on which it has rows, or with null
-- where it was not computed now. A pool that is not there has lost its members.
with pools as (
    select w.lp_id, w.currency, coalesce(w.fund_id, 0) as fund_id, w.dates
    from jsonb_to_recordset($2::jsonb) as w (lp_id bigint, currency text, fund_id bigint, dates date[])
)
delete from lp_pooled_performance held
where held.lp_id = any ($1::bigint[])
  and (held.lp_id, held.currency, coalesce(held.fund_id, 0)) not in (
      select p.lp_id, p.currency, p.fund_id from pools p where p.dates is null)
  and (held.lp_id, held.currency, coalesce(held.fund_id, 0), held.performance_date) not in (
      select p.lp_id, p.currency, p.fund_id, d.day from pools p cross join lateral unnest(p.dates) as d (day))
