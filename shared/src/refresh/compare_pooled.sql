-- $1: LPs. $2: all rows of lp_pooled_performance that they should have. Of each LP with any, how many rows are not what they should
-- be, missing or too many included.
select coalesce(r.lp_id, held.lp_id) as lp_id, count(*) as drift_rows
from jsonb_to_recordset($2::jsonb) as r (
    lp_id bigint, currency text, fund_id bigint, performance_date date, commitment_cents bigint, paid_in_cents bigint,
    distributed_cents bigint, nav_cents bigint, dpi numeric, rvpi numeric, tvpi numeric, pic numeric,
    net_irr double precision, annualised boolean, flags text[])
full join (
    select p.lp_id, p.currency, p.fund_id, p.performance_date, p.commitment_cents, p.paid_in_cents, p.distributed_cents,
           p.nav_cents, p.dpi, p.rvpi, p.tvpi, p.pic, p.net_irr, p.annualised, p.flags
    from lp_pooled_performance p
    where p.lp_id = any ($1::bigint[])
) held on held.lp_id = r.lp_id and held.currency = r.currency and coalesce(held.fund_id, 0) = coalesce(r.fund_id, 0)
      and held.performance_date = r.performance_date
where (held.commitment_cents, held.paid_in_cents, held.distributed_cents, held.nav_cents,
       held.dpi, held.rvpi, held.tvpi, held.pic, held.net_irr, held.annualised, held.flags)
      is distinct from
      (r.commitment_cents, r.paid_in_cents, r.distributed_cents, r.nav_cents,
       r.dpi, r.rvpi, r.tvpi, r.pic, r.net_irr, r.annualised, r.flags)
group by 1
order by 1
