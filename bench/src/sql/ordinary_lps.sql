-- LPs without anything awkward about them, each with one of its funds.
select c.lp_id, min(c.fund_id) as fund_id
from lp_fund_commitments c
join limited_partners l on l.lp_id = c.lp_id
where l.metadata = '{}'
group by c.lp_id
