-- One page of what the LP's funds hold on a day. $1: LP, $2: the day, $3 and $4: first and last fund, $5 and $6: only what
-- comes after this fund and investment, $7: the most rows, $8: the one fund asked for, or null.
--
-- The LP, if it is there, and if it has a commitment in the one fund that is asked for.
with known as (
    select l.lp_id
    from limited_partners l
    where $8::bigint is null and l.lp_id = $1::bigint
    union all
    (select c.lp_id
     from lp_fund_commitments c
     where c.lp_id = $1::bigint and c.fund_id = $8::bigint
     limit 1)
),
-- Its commitments in force, from the view while it is right for this LP and day, else from its definition. The choice is a
-- one-time filter below, so the branch not taken is never run. All funds and one have a branch each: with both bounds in one, a plan
-- would expect hardly any fund, and read the investments of all of them before it sorts; so it stops when the page is full.
reading as materialized (
    select view_is_current
    from reading_at($1::bigint, $2::date)
),
commitment as (
    select fund_id, commitment_cents
    from lp_performance_latest_in_scope
    where lp_id = $1::bigint and $8::bigint is null and fund_id >= $3::bigint and (select view_is_current from reading)
    union all
    select fund_id, commitment_cents
    from lp_performance_latest_in_scope
    where lp_id = $1::bigint and fund_id = $8::bigint and (select view_is_current from reading)
    union all
    select fund_id, commitment_cents
    from commitment_positions_at($2::date)
    where lp_id = $1::bigint and fund_id between $3::bigint and $4::bigint and not (select view_is_current from reading)
),
-- Added up by fund: its part.
part as (
    select c.fund_id, sum(c.commitment_cents)::bigint as part_cents
    from commitment c
    group by c.fund_id
    having sum(c.commitment_cents) <> 0
),
-- The investments that are neither ahead nor exited, as many as fit the page.
page as (
    select s.fund_id, s.part_cents, i.investment_id, i.company_id, i.investment_date
    from part s
    cross join lateral (
        select b.investment_id, b.company_id, b.investment_date
        from fund_investments b
        where b.fund_id = s.fund_id and (b.fund_id, b.investment_id) > ($5::bigint, $6::bigint)
          and b.investment_date <= $2::date and (b.exit_date is null or b.exit_date > $2::date)
        order by b.investment_id
        limit $7::bigint
    ) i
    order by s.fund_id, i.investment_id
    limit $7::bigint
),
-- All commitments in force in each fund of the page: what the fund's row keeps, less what is dated ahead.
whole as materialized (
    select f.fund_id, f.name, f.currency, f.commitments_in_force_cents - coalesce(ahead.cents, 0) as whole_cents
    from (select distinct fund_id from page) d
    join funds f on f.fund_id = d.fund_id
    cross join lateral (
        select sum(c.cents)::bigint as cents
        from fund_commitment_changes c
        where c.fund_id = f.fund_id and c.effective_date > $2::date
    ) ahead
)
select p.investment_id, p.fund_id, w.name as fund_name, w.currency, p.company_id, o.name as company_name, o.sector, o.stage,
       p.investment_date, value.valuation_date, p.part_cents, w.whole_cents,
       coalesce(cost.cents, 0) as cost_cents, value.fair_value_cents
from known k
left join page p on true
left join whole w on w.fund_id = p.fund_id
left join portfolio_companies o on o.company_id = p.company_id
-- What the fund has paid for it.
left join lateral (
    select -sum(c.amount_cents)::bigint as cents
    from fund_cash_flows c
    where c.investment_id = p.investment_id and c.flow_date <= $2::date and c.amount_cents < 0
) cost on true
-- Its last valuation; of several on one day, the one recorded last.
left join lateral (
    select v.valuation_date, v.fair_value_cents
    from investment_valuations v
    where v.investment_id = p.investment_id and v.valuation_date <= $2::date
    order by v.valuation_date desc, v.valuation_id desc
    limit 1
) value on true
order by p.fund_id, p.investment_id
