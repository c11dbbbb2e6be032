-- $1: rows of fund_performance. A row that is the same already is not written again.
insert into fund_performance as held (
    fund_id, performance_date, invested_cents, proceeds_cents, residual_cents, moic, gross_irr, annualised, flags)
select r.fund_id, r.performance_date, r.invested_cents, r.proceeds_cents, r.residual_cents, r.moic, r.gross_irr, r.annualised, r.flags
from jsonb_to_recordset($1::jsonb) as r (
    fund_id bigint, performance_date date, invested_cents bigint, proceeds_cents bigint, residual_cents bigint,
    moic numeric, gross_irr double precision, annualised boolean, flags text[])
on conflict (fund_id, performance_date) do update set
    invested_cents = excluded.invested_cents,
    proceeds_cents = excluded.proceeds_cents,
    residual_cents = excluded.residual_cents,
    moic = excluded.moic,
    gross_irr = excluded.gross_irr,
    annualised = excluded.annualised,
    flags = excluded.flags
where (held.invested_cents, held.proceeds_cents, held.residual_cents, held.moic, held.gross_irr, held.annualised, held.flags)
      is distinct from
      (excluded.invested_cents, excluded.proceeds_cents, excluded.residual_cents, excluded.moic, excluded.gross_irr,
       excluded.annualised, excluded.flags)
