-- What is owed to the LPs $1, whether the pool of its fund is there already, and whether the commitment is no longer theirs in that
-- fund. Rows that arrive after this statement are not settled with these.
select p.pending_id, p.lp_id, p.fund_id, p.commitment_id, p.from_date,
       exists (select from funds f
               join lp_pooled_performance b on b.lp_id = p.lp_id and b.currency = f.currency and b.fund_id = f.fund_id
               where f.fund_id = p.fund_id) as is_pooled,
       not exists (select from lp_fund_commitments c
                   where c.commitment_id = p.commitment_id and c.lp_id = p.lp_id and c.fund_id = p.fund_id) as has_left
from pending_performance p
where p.lp_id = any ($1::bigint[])
order by p.pending_id
