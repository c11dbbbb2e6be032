-- $1: LPs. $2: all rows of lp_performance_snapshots that they should have. Of each LP with any, how many rows are not what they should
-- be, missing or too many included.
select coalesce(r.lp_id, held.lp_id) as lp_id, count(*) as drift_rows
from jsonb_to_recordset($2::jsonb) as r (
    lp_id bigint, fund_id bigint, commitment_id bigint, snapshot_date date, commitment_cents bigint, paid_in_cents bigint,
    distributed_cents bigint, nav_cents bigint, dpi numeric, rvpi numeric, tvpi numeric, pic numeric,
    net_irr double precision, annualised boolean, flags text[])
full join (
    select s.lp_id, s.fund_id, s.commitment_id, s.snapshot_date, s.commitment_cents, s.paid_in_cents, s.distributed_cents,
           s.nav_cents, s.dpi, s.rvpi, s.tvpi, s.pic, s.net_irr, s.annualised, s.flags
    from lp_performance_snapshots s
    where s.lp_id = any ($1::bigint[])
) held on held.lp_id = r.lp_id and held.commitment_id = r.commitment_id and held.snapshot_date = r.snapshot_date
where (held.fund_id, held.commitment_cents, held.paid_in_cents, held.distributed_cents, held.nav_cents,
       held.dpi, held.rvpi, held.tvpi, held.pic, held.net_irr, held.annualised, held.flags)
      is distinct from
      (r.fund_id, r.commitment_cents, r.paid_in_cents, r.distributed_cents, r.nav_cents,
       r.dpi, r.rvpi, r.tvpi, r.pic, r.net_irr, r.annualised, r.flags)
group by 1
order by 1
