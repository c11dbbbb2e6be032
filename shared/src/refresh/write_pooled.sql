-- $1: rows of lp_pooled_performance. A row that is the same already is not written again.
insert into lp_pooled_performance as held (
    lp_id, currency, fund_id, performance_date, commitment_cents, paid_in_cents, distributed_cents, nav_cents,
    dpi, rvpi, tvpi, pic, net_irr, annualised, flags)
select r.lp_id, r.currency, r.fund_id, r.performance_date, r.commitment_cents, r.paid_in_cents, r.distributed_cents, r.nav_cents,
       r.dpi, r.rvpi, r.tvpi, r.pic, r.net_irr, r.annualised, r.flags
from jsonb_to_recordset($1::jsonb) as r (
    lp_id bigint, currency text, fund_id bigint, performance_date date, commitment_cents bigint, paid_in_cents bigint,
    distributed_cents bigint, nav_cents bigint, dpi numeric, rvpi numeric, tvpi numeric, pic numeric,
    net_irr double precision, annualised boolean, flags text[])
on conflict (lp_id, currency, fund_id, performance_date) do update set
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
where (held.commitment_cents, held.paid_in_cents, held.distributed_cents, held.nav_cents,
       held.dpi, held.rvpi, held.tvpi, held.pic, held.net_irr, held.annualised, held.flags)
      is distinct from
      (excluded.commitment_cents, excluded.paid_in_cents, excluded.distributed_cents, excluded.nav_cents,
       excluded.dpi, excluded.rvpi, excluded.tvpi, excluded.pic, excluded.net_irr, excluded.annualised, excluded.flags)
