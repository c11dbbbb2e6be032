-- Takes the rows $1 off the list of what is owed, and marks what $2 lists: the views have not seen its new performance.
with settled as (
    delete from pending_performance p where p.pending_id = any ($1::bigint[])
)
insert into touched_commitments (commitment_id, lp_id, fund_id, latest_date)
select m.commitment_id, m.lp_id, m.fund_id, m.latest_date
from jsonb_to_recordset($2::jsonb) as m (commitment_id bigint, lp_id bigint, fund_id bigint, latest_date date)
