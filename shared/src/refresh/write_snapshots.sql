-- $1: rows of lp_performance_snapshots. A row that is the same already is not written again.
insert into lp_performance_snapshots as held (
    lp_id, fund_id, commitment_id, snapshot_date, commitment_cents, paid_in_cents, distributed_cents, nav_cents,
    dpi, rvpi, tvpi, pic, net_irr, annualised, flags)
select r.lp_id, r.fund_id, r.commitment_id, r.snapshot_date, r.commitment_cents, r.paid_in_cents, r.distributed_cents, r.nav_cents,
       r.dpi, r.rvpi, r.tvpi, r.pic, r.net_irr, r.annualised, r.flags
from jsonb_to_recordset($1::jsonb) as r (
    lp_id bigint, fund_id bigint, commitment_id bigint, snapshot_date date, commitment_cents bigint, paid_in_cents bigint,
    distributed_cents bigint, nav_cents bigint, dpi numeric, rvpi numeric, tvpi numeric, pic numeric,
    net_irr double precision, annualised boolean, flags text[])
on conflict (lp_id, commitment_id, snapshot_date) do update set
    fund_id = excluded.fund_id,
    commitment_cents = excluded.commitment_cents,
    paid_in_cents = excluded.paid_in_cents,
    distributed_cents = excluded.distributed_cents,
    nav_cents = excluded.nav_cents,
    dpi = excluded.dpi,
    rvpi = excluded.rvpi,
    tvpi = excluded.tvpi,
    pic = excluded.pic,
    net_irr = excluded.net_irr,
    annualised = excluded.annualised,
    flags = excluded.flags
where (held.fund_id, held.commitment_cents, held.paid_in_cents, held.distributed_cents, held.nav_cents,
       held.dpi, held.rvpi, held.tvpi, held.pic, held.net_irr, held.annualised, held.flags)
      is distinct from
      (excluded.fund_id, excluded.commitment_cents, excluded.paid_in_cents, excluded.distributed_cents, excluded.nav_cents,
       excluded.dpi, excluded.rvpi, excluded.tvpi, excluded.pic, excluded.net_irr, excluded.annualised, excluded.flags)
