-- $1: the reports, in the order in which they came.
insert into commitment_navs (commitment_id, as_of_date, nav_cents, reported_at, metadata)
select e.commitment_id, e.as_of_date, e.nav_cents, e.reported_at, e.metadata
from jsonb_to_recordset($1::jsonb) as e (
    position integer, commitment_id bigint, as_of_date date, nav_cents bigint, reported_at timestamptz, metadata jsonb)
order by e.position
