-- The fund's own NAV that counts for each date: the one reported last, and of those the one recorded last.
select distinct on (n.as_of_date) n.as_of_date, n.gross_nav_cents
from fund_nav_snapshots n
where n.fund_id = $1
order by n.as_of_date, n.reported_at desc, n.snapshot_id desc
