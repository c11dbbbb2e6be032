-- Numbers to try the system with.
with
-- The first LP that has several currencies and two commitments in one fund.
example as (
    select c.lp_id
    from lp_fund_commitments c
    join funds f on f.fund_id = c.fund_id
    group by c.lp_id
    having count(distinct f.currency) > 1 and count(*) > count(distinct c.fund_id)
    order by c.lp_id
    limit 1
),
-- An active commitment, the only one in its fund, which is old enough to have distributed for years.
ordinary as (
    select c.lp_id, c.fund_id, min(c.commitment_id) as commitment_id
    from lp_fund_commitments c
    join example e on e.lp_id = c.lp_id
    join funds f on f.fund_id = c.fund_id
    where f.vintage_year <= 2018
    group by c.lp_id, c.fund_id
    having count(*) = 1 and bool_and(c.status = 'active')
    order by c.fund_id desc
    limit 1
)
select o.lp_id, o.fund_id, o.commitment_id,
       (select min(c.lp_id) from lp_fund_commitments c where c.lp_id <> o.lp_id) as other_lp_id
from ordinary o;
