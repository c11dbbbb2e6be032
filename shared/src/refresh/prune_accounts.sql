-- Of the commitments $2 of the LPs $1: account rows of days on which nothing is recorded.
delete from lp_capital_accounts a
where a.lp_id = any ($1::bigint[]) and a.commitment_id = any ($2::bigint[])
  and not exists (select from capital_activities e
                  where e.lp_id = any ($1::bigint[]) and e.lp_id = a.lp_id and e.commitment_id = a.commitment_id and e.effective_date = a.account_date)
  and not exists (select from commitment_navs n where n.commitment_id = a.commitment_id and n.as_of_date = a.account_date)
