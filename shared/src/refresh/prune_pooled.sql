-- $1: LPs. $2: of each pool that was computed, the dates on which it has rows; of a fund in which fewer than two commitments
-- are left, none. All pools of an LP over a currency are in $2, so one that is not there has lost its last commitment.
with pools as (
    select w.lp_id, w.currency, w.fund_id, w.dates
    from jsonb_to_recordset($2::jsonb) as w (lp_id bigint, currency text, fund_id bigint, dates date[])
)
delete from lp_pooled_performance held
where held.lp_id = any ($1::bigint[])
  and (exists (
           select from pools
           where pools.lp_id = held.lp_id
             and (pools.fund_id = held.fund_id or (held.fund_id is null and pools.fund_id is null and pools.currency = held.currency))
             and held.performance_date <> all (pools.dates))
       or (held.fund_id is null and not exists (
               select from pools
               where pools.lp_id = held.lp_id and pools.currency = held.currency and pools.fund_id is null)))
