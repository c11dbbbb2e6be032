-- The LPs whose ledger fills a page of 1,000, or the longest ones where none does.
with ledgers as (
    select a.lp_id, min(a.fund_id) as fund_id, count(*) as entries
    from capital_activities a
    group by a.lp_id
)
select l.lp_id, l.fund_id
from ledgers l
where l.entries >= least(1000, (select max(entries) * 9 / 10 from ledgers))
