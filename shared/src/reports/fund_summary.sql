-- What a fund's LPs have in it together as of a day. $1: fund, $2: as of.
--
-- Where to read: from the view while nothing in the fund has changed since its refresh, and while it does not stand for a later day
-- than the one asked for, else from its definition. The choice is a one-time filter below, so the branch not taken is never run.
with reading as materialized (
    select (select max(m.latest_date) from fund_marks_in_scope m where m.fund_id = $1::bigint) is null
           and coalesce((select max(v.as_of_date) from view_refreshes v) <= $2::date, false) as view_is_current
),
-- The sums, from the view or computed for this one fund.
total as (
    select fund_id, lp_count, commitment_cents, paid_in_cents, distributed_cents, nav_cents, nav_at_cost
    from fund_lp_summary_in_scope
    where fund_id = $1::bigint and (select view_is_current from reading)
    union all
    select fund_id, lp_count, commitment_cents, paid_in_cents, distributed_cents, nav_cents, nav_at_cost
    from fund_lp_summary_in_scope_at($2::date)
    where fund_id = $1::bigint and not (select view_is_current from reading)
)
-- A fund to which nobody has committed yet has sums as well. Funds are no LP's and every reader sees them all, so that the scope is
-- asked for here.
select f.name as fund_name, f.vintage_year, f.currency,
       coalesce(t.lp_count, 0) as lp_count,
       coalesce(t.commitment_cents, 0) as commitment_cents,
       coalesce(t.paid_in_cents, 0) as paid_in_cents,
       coalesce(t.distributed_cents, 0) as distributed_cents,
       coalesce(t.nav_cents, 0) as nav_cents,
       coalesce(t.nav_at_cost, false) as nav_at_cost
from funds f
left join total t on t.fund_id = f.fund_id
where f.fund_id = $1::bigint and f.fund_id = fund_in_scope()
