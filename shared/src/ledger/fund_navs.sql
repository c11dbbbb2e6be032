-- $1: the reports, in the order in which they came.
insert into fund_nav_snapshots (fund_id, as_of_date, gross_nav_cents, net_nav_cents, reported_at, metadata)
select e.fund_id, e.as_of_date, e.gross_nav_cents, e.net_nav_cents, e.reported_at, e.metadata
from jsonb_to_recordset($1::jsonb) as e (
    position integer, fund_id bigint, as_of_date date, gross_nav_cents bigint, net_nav_cents bigint, reported_at timestamptz,
    metadata jsonb)
order by e.position
