-- The next $3 LPs from $1 to $2 of the fund $4: those that have committed to it, and those to whom performance in it is still
-- owed, since the last commitment of an LP may be gone.
select l.lp_id
from limited_partners l
where l.lp_id between $1::bigint and $2::bigint
  and l.lp_id in (
      select c.lp_id from lp_fund_commitments c where c.fund_id = $4::bigint
      union
      select p.lp_id from pending_performance p where p.fund_id = $4::bigint and p.lp_id is not null)
order by l.lp_id
limit $3::bigint
