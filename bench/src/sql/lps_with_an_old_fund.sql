-- LPs with a single commitment in a fund that has reported for ten years.
select c.lp_id, min(c.fund_id) as fund_id
from lp_fund_commitments c
join funds f on f.fund_id = c.fund_id
where f.vintage_year <= 2014 and f.status = 'active'
  and not exists (select from lp_fund_commitments o
                  where o.lp_id = c.lp_id and o.fund_id = c.fund_id and o.commitment_id <> c.commitment_id)
group by c.lp_id
