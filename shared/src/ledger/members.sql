-- The LPs with a commitment in one of the funds $1.
select distinct c.lp_id from lp_fund_commitments c where c.fund_id = any ($1::bigint[]) order by c.lp_id
