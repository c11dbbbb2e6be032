-- The LPs that hold shares of thirty companies, or nearly so.
select c.lp_id
from (select distinct lp_id, fund_id from lp_fund_commitments) c
join fund_investments i on i.fund_id = c.fund_id and i.exit_date is null
group by c.lp_id
order by abs(count(*) - 30), c.lp_id
limit 200
