-- Numbers to try the system with.
with
-- What each LP holds in each fund.
holdings as (
    select c.lp_id, c.fund_id, f.currency, min(c.commitment_id) as commitment_id, count(*) as commitments,
           -- An active commitment, the only one in its fund, which is old enough to have distributed for years.
           count(*) = 1 and bool_and(c.status = 'active') and f.vintage_year <= 2018 as ordinary
    from lp_fund_commitments c
    join funds f on f.fund_id = c.fund_id
    group by c.lp_id, c.fund_id, f.currency, f.vintage_year
),
-- The first LP that has one of those, several currencies and two commitments in one fund.
example as (
    select h.lp_id
    from holdings h
    group by h.lp_id
    having bool_or(h.ordinary) and count(distinct h.currency) > 1 and bool_or(h.commitments > 1)
    order by h.lp_id
    limit 1
)
select h.lp_id, h.fund_id, h.commitment_id,
       (select min(c.lp_id) from lp_fund_commitments c where c.lp_id <> h.lp_id) as other_lp_id,
       (select max(l.lp_id) from limited_partners l) as last_lp_id
from holdings h
join example e on e.lp_id = h.lp_id
where h.ordinary
order by h.fund_id desc
limit 1;
