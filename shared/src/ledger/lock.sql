-- Locks the LPs $1 and every LP of the funds $2, in the order of their ids as every writer does. A statement of its own:
-- what is read in later statements includes what a writer committed while this one waited. `no key update` leaves
-- foreign-key checks alone.
select l.lp_id
from limited_partners l
where l.lp_id in (
    select unnest($1::bigint[])
    union
    select c.lp_id from lp_fund_commitments c where c.fund_id = any ($2::bigint[])
)
order by l.lp_id
for no key update
