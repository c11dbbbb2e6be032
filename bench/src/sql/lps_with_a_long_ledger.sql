-- The LPs whose ledger fills a page of 1,000, or the longest ones where none does.
select a.lp_id
from capital_activities a
group by a.lp_id
having count(*) >= least(1000, (select max(n) * 9 / 10 from (select count(*) as n from capital_activities group by lp_id) longest))
