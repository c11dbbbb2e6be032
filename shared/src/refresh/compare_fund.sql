-- $1: a fund. $2: all rows of fund_performance that it should have. How many rows are not what they should be, missing or too many
-- included.
select count(*) as drift_rows
from jsonb_to_recordset($2::jsonb) as r (
    fund_id bigint, performance_date date, invested_cents bigint, proceeds_cents bigint, residual_cents bigint,
    moic numeric, gross_irr double precision, annualised boolean, flags text[])
full join (
    select p.fund_id, p.performance_date, p.invested_cents, p.proceeds_cents, p.residual_cents, p.moic, p.gross_irr,
           p.annualised, p.flags
    from fund_performance p
    where p.fund_id = $1::bigint
) held on held.performance_date = r.performance_date
where (held.invested_cents, held.proceeds_cents, held.residual_cents, held.moic, held.gross_irr, held.annualised, held.flags)
      is distinct from
      (r.invested_cents, r.proceeds_cents, r.residual_cents, r.moic, r.gross_irr, r.annualised, r.flags)
