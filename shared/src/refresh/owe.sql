-- Marks the commitments $2 of the LPs $1, and puts their whole performance on the list of what is owed.
with every as (
    select c.commitment_id, c.lp_id, c.fund_id, c.commitment_date
    from lp_fund_commitments c
    where c.lp_id = any ($1::bigint[]) and c.commitment_id = any ($2::bigint[])
),
marked as (
    insert into touched_commitments (commitment_id, lp_id, fund_id, latest_date)
    select e.commitment_id, e.lp_id, e.fund_id,
           greatest(e.commitment_date, (select max(a.account_date) from lp_capital_accounts a
                                        where a.lp_id = e.lp_id and a.commitment_id = e.commitment_id))
    from every e
)
insert into pending_performance (lp_id, fund_id, commitment_id, from_date)
select e.lp_id, e.fund_id, e.commitment_id, '0001-01-01'::date from every e
